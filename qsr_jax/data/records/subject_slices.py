"""The records of one subject."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from qsr_jax.data.dicom import Series
from qsr_jax.data.studies import target_scans
from qsr_jax.data.studies.case import read_listed
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, Subject
from qsr_jax.data.studies.registration import KNOWN, RIGID, on_fast_head, rigid_pose
from qsr_jax.data.studies.target_scans import read_repeated, read_simulated
from qsr_jax.data.studies.truth import poses_in
from qsr_jax.maps import MAPS, spec_of, to_stored
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.types import REPEAT, TRUTH

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
        register: one of :data:`qsr_jax.data.studies.registration.METHODS`; "rigid" and "known"
            bring the routine scan to where the head lay in the fast scan.

    Raises:
        ManifestError, DicomInputError, BidsError: a series cannot be used.
        TruthError, ValueError: the simulated truth or the repeated scan is damaged or another's.
        MissingRegistrationError: "rigid" without SimpleITK.
    """
    read = functools.cache(functools.partial(read_listed, manifest, subject))
    routine = [read(name, ROUTINE).volume.maps[..., 0] for name in MAPS]
    mask, pose = tissue_mask(*routine), None
    told: Mapping[str, np.ndarray] = {}
    if register == KNOWN and subject.truth is not None:
        told = poses_in(manifest.root / subject.truth)
    if register == RIGID or FAST in told:
        mask, pose = _moved(read, mask, told)
    again = functools.cache(
        lambda name: read_repeated(manifest, subject, name, read(name, ROUTINE).volume)
    )
    for name in maps:
        slices = _of_map(read, subject, name, mask[..., None].view(np.uint8), pose)
        truth = read_simulated(manifest, subject, name, read(name, ROUTINE))
        targets = {
            TRUTH: _true(truth, read, name, pose),
            REPEAT: _repeated(again, read, name, pose, told),
        }
        yield slices._replace(records=_with_targets(slices.records, targets, subject, name))


def _moved(
    read: Read, mask: np.ndarray, told: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The mask where the head lay in the fast scan, and how it had moved, told or found."""
    fast, routine = (read("t1", side).volume for side in (FAST, ROUTINE))
    if FAST in told:
        pose = told[FAST] - told.get(ROUTINE, 0.0)
    else:
        times = fast.maps[..., 0], routine.maps[..., 0]
        pose = rigid_pose(*times, mask, fast.geometry, routine.geometry)
    moved = on_fast_head(mask.astype(np.float32), routine.geometry, pose, order=1)
    return moved > 0.5, pose


def _true(
    truth: tuple[np.ndarray, bool] | None, read: Read, name: str, pose: np.ndarray | None
) -> np.ndarray | None:
    """The true map where the head lay in the fast scan; the routine scan's view has to be moved."""
    if truth is None:
        return None
    maps, own_view = truth
    if own_view or pose is None:
        return maps
    return on_fast_head(maps, read("t1", ROUTINE).volume.geometry, pose, names=(name,))


def _repeated(
    again: Callable[[str], Series | None],
    read: Read,
    name: str,
    pose: np.ndarray | None,
    told: Mapping[str, np.ndarray],
) -> np.ndarray | None:
    """A map of the repeated scan, which has a pose of its own."""
    series, t1 = again(name), again("t1")
    if series is None or t1 is None or pose is None:
        return None if series is None else series.volume.maps
    fast, maps = read("t1", FAST).volume, t1.volume.maps[..., 0]
    geometry = t1.volume.geometry
    if told:
        own = told[FAST] - told.get(target_scans.REPEAT, 0.0)
    else:
        own = rigid_pose(fast.maps[..., 0], maps, maps > 0, fast.geometry, geometry)
    return on_fast_head(series.volume.maps, geometry, own, names=(name,))


def _with_targets(
    records: list[dict[str, Any]],
    targets: Mapping[str, np.ndarray | None],
    subject: Subject,
    name: str,
) -> list[dict[str, Any]]:
    """The records with what else may be learned; (0, 0, 1) where there is none."""
    none = np.zeros((len(records), 0, 0, 1), np.uint16)
    stored = {
        key: none if maps is None else to_stored(maps, spec_of(name), where=subject.subject)
        for key, maps in targets.items()
    }
    return [
        record | {key: maps[index] for key, maps in stored.items()}
        for index, record in enumerate(records)
    ]


def _of_map(
    read: Read, subject: Subject, name: str, mask: np.ndarray, pose: np.ndarray | None
) -> Slices:
    """The records of one map."""
    scans = [read(name, side) for side in (FAST, ROUTINE)]
    fast, routine = (series.volume for series in scans)
    if pose is not None:
        moved = on_fast_head(routine.maps, routine.geometry, pose, names=(name,))
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
