"""The records of one subject."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from qsr_jax.data.studies.case import read_listed, read_mask
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, Subject
from qsr_jax.data.studies.registration import RIGID, on_fast_head, rigid_pose
from qsr_jax.maps import spec_of, to_stored
from qsr_jax.types import Volume


class Shared(NamedTuple):
    """What the maps of a subject share.

    Attributes:
        mask: packed bits of the tissue mask.
        pose: how the head moved, from :func:`qsr_jax.data.studies.registration.rigid_pose`; None
            where pairs are taken as they lie.
    """

    mask: np.ndarray
    pose: np.ndarray | None


class Slices(NamedTuple):
    """What one subject adds to a dataset.

    Attributes:
        records: one per slice, feet to head.
        owners: PatientIDs that the files name; must not be another subject's.
        shared: for the builders of the subject's other maps.
    """

    records: list[dict[str, Any]]
    owners: frozenset[str]
    shared: Shared


def subject_slices(
    manifest: Manifest, subject: Subject, map_name: str, register: str, known: Shared | None
) -> Slices:
    """Reads both scans of one map and makes one record per slice.

    Args:
        manifest: lists the series.
        subject: whose records.
        map_name: "t1", "t2" or "pd".
        register: one of :data:`qsr_jax.data.studies.registration.METHODS`; "rigid" brings the
            routine scan to where the head lay in the fast scan.
        known: what another map of this subject found, if one was read before.

    Raises:
        ManifestError, DicomInputError, BidsError: a series cannot be used.
        MissingRegistrationError: "rigid" without SimpleITK.
    """
    spec = spec_of(map_name)
    scans = [read_listed(manifest, subject, map_name, side) for side in (FAST, ROUTINE)]
    fast, routine = (series.volume for series in scans)
    if known is None:
        known = _shared(manifest, subject, {map_name: routine}, register)
    bits = np.unpackbits(known.mask, count=routine.maps[..., 0].size)
    mask = bits.reshape(*routine.geometry.shape, 1)
    if known.pose is not None:
        moved = on_fast_head(routine.maps, routine.geometry, known.pose)
        routine = dataclasses.replace(routine, maps=moved)
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
    return Slices(records, frozenset(series.patient_id for series in scans), known)


def _shared(
    manifest: Manifest, subject: Subject, known: dict[str, Volume], register: str
) -> Shared:
    """Reads whatever else is needed to tell the mask and how the head moved."""
    mask = read_mask(manifest, subject, known=known)
    if register != RIGID:
        return Shared(np.packbits(mask), None)
    fast, routine = (read_listed(manifest, subject, "t1", side).volume for side in (FAST, ROUTINE))
    times = fast.maps[..., 0], routine.maps[..., 0]
    pose = rigid_pose(*times, mask, fast.geometry, routine.geometry)
    moved = on_fast_head(mask.astype(np.float32), routine.geometry, pose, order=1)
    return Shared(np.packbits(moved > 0.5), pose)
