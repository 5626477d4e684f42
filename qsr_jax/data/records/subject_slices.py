"""The records of one subject."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from qsr_jax.data.dicom import Series
from qsr_jax.data.studies.case import read_listed
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, Subject
from qsr_jax.data.studies.registration import RIGID, on_fast_head, rigid_pose
from qsr_jax.maps import MAPS, spec_of, to_stored
from qsr_jax.ops.mask import tissue_mask

Read = Callable[[str, str], Series]
"""Map and side to the series; each is read once."""


class Slices(NamedTuple):
    """What one map of one subject adds to a dataset.

    Attributes:
        map_name: "t1", "t2" or "pd".
        records: one per slice, feet to head.
        owners: PatientIDs that the files name; must not be another subject's.
        pose: how the head moved, from :func:`qsr_jax.data.studies.registration.rigid_pose`; None
            where pairs are taken as they lie.
    """

    map_name: str
    records: list[dict[str, Any]]
    owners: frozenset[str]
    pose: np.ndarray | None


def subject_slices(
    manifest: Manifest, subject: Subject, maps: Sequence[str], register: str
) -> Iterator[Slices]:
    """Reads both scans of one subject and makes one record per slice, map after map.

    Args:
        manifest: lists the series.
        subject: whose records.
        maps: which.
        register: one of :data:`qsr_jax.data.studies.registration.METHODS`; "rigid" brings the
            routine scan to where the head lay in the fast scan.

    Raises:
        ManifestError, DicomInputError, BidsError: a series cannot be used.
        MissingRegistrationError: "rigid" without SimpleITK.
    """
    read = functools.cache(functools.partial(read_listed, manifest, subject))
    routine = [read(name, ROUTINE).volume.maps[..., 0] for name in MAPS]
    mask, pose = tissue_mask(*routine), None
    if register == RIGID:
        mask, pose = _moved(read, mask)
    for name in maps:
        yield _of_map(read, subject, name, mask[..., None].view(np.uint8), pose)


def _moved(read: Read, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mask where the head lay in the fast scan, and how it had moved."""
    fast, routine = (read("t1", side).volume for side in (FAST, ROUTINE))
    times = fast.maps[..., 0], routine.maps[..., 0]
    pose = rigid_pose(*times, mask, fast.geometry, routine.geometry)
    moved = on_fast_head(mask.astype(np.float32), routine.geometry, pose, order=1)
    return moved > 0.5, pose


def _of_map(
    read: Read, subject: Subject, name: str, mask: np.ndarray, pose: np.ndarray | None
) -> Slices:
    """The records of one map."""
    scans = [read(name, side) for side in (FAST, ROUTINE)]
    fast, routine = (series.volume for series in scans)
    if pose is not None:
        moved = on_fast_head(routine.maps, routine.geometry, pose)
        routine = dataclasses.replace(routine, maps=moved)
    spec = spec_of(name)
    lr, hr = (to_stored(v.maps, spec, where=subject.subject) for v in (fast, routine))
    depths = fast.geometry.slice_positions_mm() @ fast.geometry.normal
    records = [
        {
            "lr": lr[index],
            "hr": hr[index],
            "mask": mask[index],
            "slope": spec.slope,
            "subject": subject.case,
            "slice_index": index,
            "slice_mm": depths[index],
            "spacing_mm": np.asarray(fast.geometry.spacing_mm, np.float32),
            "map": name,
            "grid_alignment": subject.grid_alignment,
        }
        for index in range(len(lr))
    ]
    return Slices(name, records, frozenset(series.patient_id for series in scans), pose)
