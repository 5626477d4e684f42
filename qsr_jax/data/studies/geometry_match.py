"""Whether two series show the same voxels of one subject, on two grids: geometry and identity."""

import math
from collections.abc import Collection, Sequence

import numpy as np

from qsr_jax.data.dicom import Series, named_tag
from qsr_jax.data.studies import pair_quality
from qsr_jax.types import ALIGNMENTS, Geometry, first_voxel_shift

ANGLE_TOLERANCE_DEG = 0.1
FOV_TOLERANCE = 1e-3
DEPTH_TOLERANCE_MM = 0.01
SHIFT_TOLERANCE_PX = 0.02
"""Of the first voxel, in fast pixels; leaves room for headers rounded to 4 decimals."""
SAME_GRID_MM = 0.01


class PairError(ValueError):
    """Series that do not belong together, and why.

    Attributes:
        rules: what a person may overrule to use the pair all the same; none for most reasons.
    """

    def __init__(self, why: str, *, rules: Collection[str] = ()) -> None:
        self.rules = tuple(rules)
        super().__init__(why)


def check_pair(
    fast: Series,
    routine: Series,
    *,
    scale: int,
    any_frame: bool = False,
    any_study: bool = False,
) -> str:
    """Returns the grid alignment of a pair that shares subject, study and field of view.

    Args:
        fast: the series of the coarse grid.
        routine: the series of the fine grid.
        scale: routine matrix over fast matrix.
        any_frame: whether a subject has said that two frames of reference are one place.
        any_study: whether the two may stand in different studies.

    Raises:
        PairError: naming both folders and what disagrees.
    """
    for keyword, mine, theirs in (
        ("PatientID", fast.patient_id, routine.patient_id),
        ("StudyInstanceUID", fast.study_uid, routine.study_uid),
    ):
        if mine != theirs and not (any_study and keyword == "StudyInstanceUID"):
            raise disagreement(fast, routine, f"{named_tag(keyword)} differs")
    if fast.frame_uid != routine.frame_uid and not any_frame:
        why = f"{named_tag('FrameOfReferenceUID')} differs"
        raise disagreement(fast, routine, why, rules=(pair_quality.FRAME,))
    _check_orientation(fast, routine)
    _check_slices(fast, routine)
    _check_matrix(fast, routine, scale)
    shift = grid_shift(fast.volume.geometry, routine.volume.geometry)
    for alignment in ALIGNMENTS:
        if np.abs(shift - first_voxel_shift(alignment, scale)).max() <= SHIFT_TOLERANCE_PX:
            return alignment
    row, column = shift
    why = f"first voxels lie ({row:.3f}, {column:.3f}) fast pixels apart, which is neither grid"
    raise disagreement(fast, routine, f"{named_tag('ImagePositionPatient')} {why}")


def grid_shift(low: Geometry, high: Geometry) -> np.ndarray:
    """Offset of the first fine voxel from the first coarse one along (rows, columns), in pixels."""
    offset = np.asarray(high.origin_mm) - np.asarray(low.origin_mm)
    along = np.array([offset @ low.col_dir, offset @ low.row_dir])
    return along / np.array(low.spacing_mm[1:])


def disagreement(
    fast: Series, routine: Series, why: str, *, rules: Collection[str] = ()
) -> PairError:
    """The error about two series that do not fit together."""
    return PairError(f"{fast.place} and {routine.place}: {why}", rules=rules)


def _check_orientation(fast: Series, routine: Series) -> None:
    """Refuses stacks that are turned against each other."""
    low, high = fast.volume.geometry, routine.volume.geometry
    for mine, theirs in ((low.row_dir, high.row_dir), (low.col_dir, high.col_dir)):
        angle = math.degrees(math.acos(np.clip(np.dot(mine, theirs), -1.0, 1.0)))
        if angle > ANGLE_TOLERANCE_DEG:
            why = f"{named_tag('ImageOrientationPatient')} differs by {angle:.2f} degrees"
            raise disagreement(fast, routine, why)


def _check_matrix(fast: Series, routine: Series, scale: int) -> None:
    """Refuses another ratio of pixels than ``scale``, and another field of view."""
    low, high = fast.volume.geometry, routine.volume.geometry
    for axis, keyword in ((1, "Rows"), (2, "Columns")):
        small, large = low.shape[axis], high.shape[axis]
        if large != scale * small:
            why = f"{named_tag(keyword)} {small} and {large}; expected a ratio of exactly {scale}"
            raise disagreement(fast, routine, why)
        extents = small * low.spacing_mm[axis], large * high.spacing_mm[axis]
        if not math.isclose(*extents, rel_tol=FOV_TOLERANCE):
            why = "field of view differs: {:.2f} and {:.2f} mm".format(*extents)
            raise disagreement(fast, routine, why)


def _check_slices(fast: Series, routine: Series) -> None:
    """Refuses stacks whose slices do not lie at the same depths."""
    normal = fast.volume.geometry.normal
    low, high = (s.volume.geometry.slice_positions_mm() @ normal for s in (fast, routine))
    if len(low) != len(high):
        distance = np.abs(low[:, None] - high[None])
        alone = [f"fast {p:g}" for p in low[distance.min(1) > DEPTH_TOLERANCE_MM]]
        alone += [f"routine {p:g}" for p in high[distance.min(0) > DEPTH_TOLERANCE_MM]]
        counts = f"{len(low)} and {len(high)} slices"
        raise disagreement(
            fast, routine, f"{counts}; without partner at mm: {', '.join(alone) or 'none'}"
        )
    worst = float(np.abs(low - high).max())
    if worst > DEPTH_TOLERANCE_MM:
        raise disagreement(fast, routine, f"slices lie {worst:g} mm apart along the normal")


def check_one_grid(same_scan: Sequence[Series]) -> None:
    """Refuses maps of one scan that do not share their voxels."""
    first = same_scan[0].volume.geometry
    for other in same_scan[1:]:
        theirs = other.volume.geometry
        if theirs.shape != first.shape or not np.allclose(
            theirs.affine_lps(), first.affine_lps(), atol=SAME_GRID_MM
        ):
            raise disagreement(same_scan[0], other, "maps of one scan lie on different grids")
