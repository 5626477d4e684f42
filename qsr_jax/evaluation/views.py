"""Where the head lay in every scan, and what every method is compared with there.

A head moves between its scans. Whatever is measured stays as it was scanned or predicted, for
interpolation would smooth its noise; what it is compared with (routine, truth, labels, mask) is
brought to where the head lay in *its* scan. Predictions and the fast scan are measured where the
fast scan saw the head, a repeated scan where that saw it, the routine scan and its truth at home.
A simulated truth is not moved but read as the scan met it (:mod:`qsr_jax.data.studies.truth`).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.data.studies.registration import (
    KNOWN,
    NONE,
    RIGID,
    RegistrationError,
    on_fast_head,
    rigid_pose,
)
from qsr_jax.data.studies.target_scans import REPEAT
from qsr_jax.data.studies.truth import TruthError, read_truth
from qsr_jax.evaluation.measure.image_quality import brain_mask
from qsr_jax.evaluation.measure.labels import Labels
from qsr_jax.evaluation.measure.lesion_visibility import LABEL
from qsr_jax.evaluation.values import TRUTH
from qsr_jax.types import Volume

VolumeT = TypeVar("VolumeT", Volume, Volume | None)

REGISTER = {
    KNOWN: "simulated scans are brought together by the poses that the simulator wrote down, "
    "scanned subjects are compared as they lie",
    RIGID: "scans are brought together by rigid registration of T1 (SimpleITK)",
    NONE: "scans are compared as they lie",
}
"""What ``--register`` knows, and what the report says of it."""

AT_HOME = (ROUTINE, TRUTH, LABEL)
"""Methods that are measured where the routine scan saw the head."""
SEEN_BY = (FAST, ROUTINE, REPEAT)
"""Scans that have a view of a subject, in the order of the views."""


@dataclasses.dataclass(frozen=True)
class Poses:
    """Where the head of one subject lay.

    Attributes:
        used: scan to (6,), against the routine scan, of the scans that are brought together.
        known: scan to (6,), as simulated; empty where nobody knows.
        how: key of :data:`REGISTER`.
    """

    used: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]
    how: str


def find_poses(how: str, case: Case, repeat: Volume | None) -> Poses:
    """Where the head lay in the fast scan and, if there is one, in the repeated scan.

    Args:
        how: key of :data:`REGISTER`.
        case: the subject.
        repeat: the routine scan repeated, or None.

    Raises:
        MissingRegistrationError: "rigid" without SimpleITK.
        RegistrationError: no head moves as far as was found.
        TruthError: a simulated head had moved, and nobody wrote down where it lay.
    """
    scans = {FAST: case.fast} | ({} if repeat is None else {REPEAT: repeat})
    told = {} if case.truth is None else case.truth.poses
    known = {scan: told[scan] - told.get(ROUTINE, 0.0) for scan in scans if scan in told}
    if how != NONE and len(known) < len(scans) and any(pose.any() for pose in known.values()):
        raise TruthError(
            f"subject {case.subject}: truth.json does not say where the head lay in "
            f"{', '.join(scans.keys() - known.keys())}, which was scanned by another version of "
            "this software; remove its series and scan again (data_tools.repeat_scan), or compare "
            "the scans as they lie (--register none)"
        )
    if how == RIGID:
        used = {scan: _found(case, volume) for scan, volume in scans.items()}
    else:
        used = {scan: pose for scan, pose in known.items() if how == KNOWN and pose.any()}
    return Poses(used, known, how)


def _found(case: Case, volume: Volume) -> np.ndarray:
    """The pose of a scan against the routine scan, from their T1."""
    there, home = (v.maps[..., v.names.index("t1")] for v in (volume, case.routine))
    try:
        return rigid_pose(there, home, brain_mask(case), volume.geometry, case.routine.geometry)
    except RegistrationError as error:
        raise type(error)(f"subject {case.subject}: {error}") from None


@dataclasses.dataclass(frozen=True)
class View:
    """What one scan's methods are compared with.

    Attributes:
        scan: "fast", "routine" or "routine2".
        case: the subject, with routine scan and truth as that scan would have met them.
        labels: likewise, or None.
        repeat: the repeated scan, likewise, or None.
        homes: methods that are not measured with the fast scan, to the scan with which they are;
            None where one view is for all.
    """

    scan: str
    case: Case
    labels: Labels | None
    repeat: Volume | None
    homes: Mapping[str, str] | None

    def measures(self, method: str) -> bool:
        """Whether a method is measured in this view."""
        return self.homes is None or self.homes.get(method, FAST) == self.scan


def views_of(
    case: Case,
    poses: Poses,
    *,
    truth: Path | None,
    labels: Labels | None,
    labels_at: Callable[[Labels, Case, np.ndarray], Labels],
    repeat: Volume | None,
    seen_by: Sequence[str] = SEEN_BY,
) -> list[View]:
    """The views of a subject, that of the fast scan first; one for all where nothing moved.

    Args:
        case: the subject.
        poses: where the head lay.
        truth: folder of the truth, or None.
        labels: where the routine scan saw the head, or None.
        labels_at: tells them in another view, from its case and its pose.
        repeat: the repeated scan, or None.
        seen_by: scans whose views are wanted, of those that there are.

    Raises:
        TruthError: the truth as a scan met it is missing or damaged.
    """
    if not poses.used:
        return [View(FAST, case, labels, repeat, None)]
    homes = dict.fromkeys(AT_HOME, ROUTINE)
    homes[REPEAT] = REPEAT if REPEAT in poses.used else ROUTINE
    at = dict.fromkeys((FAST, ROUTINE), np.zeros(6)) | dict(poses.used)
    views = []
    for scan in seen_by:
        if scan in at:
            there = case_at(case, poses, scan, truth=truth)
            seen = labels if labels is None or there is case else labels_at(labels, there, at[scan])
            again = _brought(repeat, at[scan] - at.get(REPEAT, 0.0))
            views.append(View(scan, there, seen, again, homes))
    return views


def case_at(case: Case, poses: Poses, scan: str, *, truth: Path | None) -> Case:
    """A subject, or their twin, with routine scan, mask and truth as ``scan`` met the head.

    Args:
        case: scans and truth where the routine scan saw the head.
        poses: of the subject's scans.
        scan: whose view.
        truth: folder of the truth, or None.

    Raises:
        TruthError: the truth as the scan met it is missing or damaged.
    """
    pose = poses.used.get(scan)
    if pose is None:
        return case
    known, routine = case.truth, _brought(case.routine, pose)
    if known is not None and truth is not None:
        known = read_truth(truth, case.routine.geometry, scan=scan)
    return dataclasses.replace(case, routine=routine, truth=known)


def _brought(volume: VolumeT, pose: np.ndarray) -> VolumeT:
    """A scan, if there is one, as it would lie had the head taken a pose, with its mask."""
    if volume is None or not pose.any():
        return volume
    maps = on_fast_head(volume.maps, volume.geometry, pose, names=volume.names)
    mask = volume.mask
    if mask is not None:
        mask = on_fast_head(mask.astype(np.float32), volume.geometry, pose, order=1) > 0.5
    return dataclasses.replace(volume, maps=maps, mask=mask)
