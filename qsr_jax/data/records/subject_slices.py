"""The records of one subject."""

from typing import Any, NamedTuple

import numpy as np

from qsr_jax.data.studies.case import read_listed, read_mask
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, Subject
from qsr_jax.maps import spec_of, to_stored


class Slices(NamedTuple):
    """What one subject adds to a dataset.

    Attributes:
        records: one per slice, feet to head.
        owners: PatientIDs that the files name; must not be another subject's.
        mask: packed bits of the tissue mask, for the builders of the subject's other maps.
    """

    records: list[dict[str, Any]]
    owners: frozenset[str]
    mask: np.ndarray


def subject_slices(
    manifest: Manifest, subject: Subject, map_name: str, known_mask: np.ndarray | None
) -> Slices:
    """Reads both scans of one map and makes one record per slice.

    Raises:
        ManifestError, DicomInputError, BidsError: a series cannot be used.
    """
    spec = spec_of(map_name)
    scans = [read_listed(manifest, subject, map_name, side) for side in (FAST, ROUTINE)]
    fast, routine = (series.volume for series in scans)
    if known_mask is None:
        known_mask = np.packbits(read_mask(manifest, subject, known={map_name: routine}))
    bits = np.unpackbits(known_mask, count=routine.maps[..., 0].size)
    mask = bits.reshape(*routine.geometry.shape, 1)
    lr, hr = (to_stored(v.maps, spec, where=subject.subject) for v in (fast, routine))
    depths = fast.geometry.slice_positions_mm() @ fast.geometry.normal
    records = [
        {
            "lr": lr[index],
            "hr": hr[index],
            "mask": mask[index],
            "slope": spec.slope,
            "subject": subject.subject,
            "slice_index": index,
            "slice_mm": depths[index],
            "spacing_mm": np.asarray(fast.geometry.spacing_mm, np.float32),
            "map": map_name,
            "grid_alignment": subject.grid_alignment,
        }
        for index in range(len(lr))
    ]
    return Slices(records, frozenset(series.patient_id for series in scans), known_mask)
