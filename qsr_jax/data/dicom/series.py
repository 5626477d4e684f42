"""A series that was read: one map or contrast of one scan, and where it comes from."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom.frames import Frame
from qsr_jax.data.dicom.orientation import canonical_signs, turned
from qsr_jax.files.digest import text_sha256
from qsr_jax.types import Geometry, Volume


@dataclasses.dataclass(frozen=True)
class Series:
    """One map of one scan, and where it comes from.

    Attributes:
        volume: one map (c = 1), physical units, canonical orientation (see ``orientation``).
        map_name: "t1", "t2" or "pd".
        place: how messages and manifests call it, see
            :class:`qsr_jax.data.dicom.find.SeriesFiles`.
        files: one per slice, in the order of ``volume``; a multi-frame file stands there once for
            every slice.
        patient_id: PatientID; for pairing and provenance, never for records or messages.
        study_uid: StudyInstanceUID; likewise.
        series_uid: SeriesInstanceUID; likewise.
        frame_uid: FrameOfReferenceUID; likewise.
        description: SeriesDescription; likewise.
        sha256: hex digest over the digests of ``files``, and over the map's name where the same
            files hold several maps.
        frames: place of each slice in its file, from 0; empty for single-frame files.
        protocol: name of the row that recognised the series.
        padded: voxels that held PixelPaddingValue; they are 0 in ``volume``.
        cut_off: where values look cut off, in words; empty where they do not.
        notes: what a person should look at, without personal values.
        person: keyword of :data:`qsr_jax.data.dicom.people.PERSON` to a digest of what the first
            file says, where it says something; to compare series of one PatientID, never to show.
    """

    volume: Volume
    map_name: str
    place: Path
    files: tuple[Path, ...]
    patient_id: str
    study_uid: str
    series_uid: str
    frame_uid: str
    description: str
    sha256: str
    frames: tuple[int, ...] = ()
    protocol: str = ""
    padded: int = 0
    cut_off: str = ""
    notes: tuple[str, ...] = ()
    person: Mapping[str, str] = dataclasses.field(default_factory=dict)


def placed_series(
    frames: Sequence[Frame],
    values: np.ndarray,
    geometry: Geometry,
    name: str,
    *,
    place: Path,
    salt: str = "",
) -> Series:
    """A series of its slices (z, y, x), turned to canonical orientation; ``salt`` ends its digest.

    Raises:
        DicomInputError: it does not say of which study, series and frame of reference it is.
    """
    first = frames[0]
    values, geometry, reversed_slices = turned(values, geometry, canonical_signs(geometry))
    ordered = list(reversed(frames)) if reversed_slices else list(frames)
    headers = {id(frame.header): frame.header for frame in ordered}.values()
    return Series(
        volume=Volume(np.ascontiguousarray(values[..., None]), (name,), geometry),
        map_name=name,
        place=place,
        files=tuple(frame.path for frame in ordered),
        patient_id=first.optional_text("PatientID"),
        study_uid=first.text("StudyInstanceUID"),
        series_uid=first.text("SeriesInstanceUID"),
        frame_uid=first.text("FrameOfReferenceUID"),
        description=first.optional_text("SeriesDescription"),
        sha256=text_sha256("".join(header.sha256 for header in headers) + salt),
        frames=tuple(frame.index for frame in ordered if frame.index is not None),
    )
