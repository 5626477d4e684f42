"""How far the head had moved between the routine scan and another, and what was done about it."""

from collections.abc import Iterator

import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.registration import NONE, turn_of
from qsr_jax.evaluation.measure.image_quality import brain_mask
from qsr_jax.evaluation.values import Fields
from qsr_jax.evaluation.views import Poses

KIND = "movement"
AXES = ("x", "y", "z", "about x", "about y", "about z")
"""Quantities of a pose: mm along the patient's left, back and head, degrees about them."""
IN_BRAIN = "in the brain"
"""Root mean square over the brain of how far its voxels moved."""
OFF_KNOWN = "off the known pose"
"""The same between the pose that was found and the one that was simulated."""


def movement_fields(case: Case, poses: Poses) -> Iterator[Fields]:
    """Every scan's pose; nothing where no head moved.

    Args:
        case: the subject where the routine scan saw the head.
        poses: where it lay.

    Yields:
        The fields of a value but the subject's; the method is the scan.
    """
    apart = poses.used or {scan: p for scan, p in poses.known.items() if p.any()}
    for scan, pose in apart.items():
        row = {
            "kind": KIND,
            "place": scan,
            "map": "",
            "method": scan,
            "count": 1,
            "convention": poses.how if poses.used else NONE,
        }
        for axis, value in zip(AXES, pose.tolist(), strict=True):
            unit = "deg" if axis.startswith("about") else "mm"
            yield row | {"quantity": axis, "unit": unit, "value": value}
        yield row | {"quantity": IN_BRAIN, "unit": "mm", "value": moved_mm(case, pose)}
        if scan in poses.used and scan in poses.known:
            off = moved_mm(case, pose - poses.known[scan])
            yield row | {"quantity": OFF_KNOWN, "unit": "mm", "value": off}


def moved_mm(case: Case, pose: np.ndarray) -> float:
    """Root mean square over the brain of how far a pose (6,) moves a voxel."""
    places = np.argwhere(brain_mask(case)[:, ::4, ::4]) * [1, 4, 4]
    affine = case.routine.geometry.affine_lps()
    head = places @ affine[:3, :3].T + affine[:3, 3]
    off = head @ (turn_of(pose) - np.eye(3)).T + pose[:3]
    return float(np.sqrt(np.square(off).sum(1).mean()))
