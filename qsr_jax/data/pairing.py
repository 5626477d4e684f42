"""Which fast and routine series belong together: decided by patient coordinates, never by order.

A refusal concerns one person and lets the others go on.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom import Series, named_tag
from qsr_jax.data.manifest import FAST, ROUTINE, SIDES
from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.types import ALIGNMENTS, Geometry, first_voxel_shift

ANGLE_TOLERANCE_DEG = 0.1
FOV_TOLERANCE = 1e-3
DEPTH_TOLERANCE_MM = 0.01
SHIFT_TOLERANCE_PX = 0.02
"""Of the first voxel, in fast pixels; leaves room for headers rounded to 4 decimals."""
SAME_GRID_MM = 0.01
T1_ABOVE_T2_SHARE = 0.95
"""In brains T1 exceeds T2 in over 99 % of voxels; the rest is room for noise at the rim."""


class PairError(ValueError):
    """Series that do not belong together, and why."""


@dataclasses.dataclass(frozen=True)
class PairedMaps:
    """All pairs of one person.

    Attributes:
        series: map, then "fast" or "routine", to the series.
        grid_alignment: how the routine grid lies on the fast one.
        qc: map to numbers.
    """

    series: Mapping[str, Mapping[str, Series]]
    grid_alignment: str
    qc: Mapping[str, Mapping[str, float]]


def pair_person(series: Sequence[Series], *, scale: int) -> PairedMaps:
    """Pairs all map series of one person.

    Raises:
        PairError: a map or a side is missing, two series compete, geometry disagrees, or values
            cannot be what they are said to be.
    """
    pairs = {name: _fast_and_routine(name, series) for name in MAPS}
    found = {name: check_pair(*pair, scale=scale) for name, pair in pairs.items()}
    if len(set(found.values())) > 1:
        raise PairError(f"grid alignment differs between maps: {found}")
    sides = {side: [pair[i] for pair in pairs.values()] for i, side in enumerate(SIDES)}
    for same_scan in sides.values():
        _check_one_grid(same_scan)
    masks = {side: _check_values(same_scan) for side, same_scan in sides.items()}
    return PairedMaps(
        series={name: dict(zip(SIDES, pair, strict=True)) for name, pair in pairs.items()},
        grid_alignment=found["t1"],
        qc={name: _quality(*pair, masks) for name, pair in pairs.items()},
    )


def check_pair(fast: Series, routine: Series, *, scale: int) -> str:
    """Returns the grid alignment of a pair that shares person, study and field of view.

    Raises:
        PairError: naming both folders and what disagrees.
    """
    for keyword, mine, theirs in (
        ("PatientID", fast.patient_id, routine.patient_id),
        ("StudyInstanceUID", fast.study_uid, routine.study_uid),
        ("FrameOfReferenceUID", fast.frame_uid, routine.frame_uid),
    ):
        if mine != theirs:
            raise _disagreement(fast, routine, f"{named_tag(keyword)} differs")
    _check_orientation(fast, routine)
    _check_slices(fast, routine)
    _check_matrix(fast, routine, scale)
    shift = grid_shift(fast.volume.geometry, routine.volume.geometry)
    for alignment in ALIGNMENTS:
        if np.abs(shift - first_voxel_shift(alignment, scale)).max() <= SHIFT_TOLERANCE_PX:
            return alignment
    row, column = shift
    why = f"first voxels lie ({row:.3f}, {column:.3f}) fast pixels apart, which is neither grid"
    raise _disagreement(fast, routine, f"{named_tag('ImagePositionPatient')} {why}")


def grid_shift(low: Geometry, high: Geometry) -> np.ndarray:
    """Offset of the first fine voxel from the first coarse one along (rows, columns), in pixels."""
    offset = np.asarray(high.origin_mm) - np.asarray(low.origin_mm)
    along = np.array([offset @ low.col_dir, offset @ low.row_dir])
    return along / np.array(low.spacing_mm[1:])


def _disagreement(fast: Series, routine: Series, why: str) -> PairError:
    return PairError(f"{_folder(fast)} and {_folder(routine)}: {why}")


def _folder(series: Series) -> Path:
    return series.files[0].parent


def _fast_and_routine(name: str, series: Sequence[Series]) -> tuple[Series, Series]:
    """The two series of one map, the smaller matrix first."""
    mine = [s for s in series if s.map_name == name]
    if len(mine) != len(SIDES):
        folders = ", ".join(str(_folder(s)) for s in mine) or "none"
        raise PairError(
            f"{MAPS[name].label}: {len(mine)} readable series ({folders}); expected one fast and "
            "one routine"
        )
    fast, routine = sorted(mine, key=lambda s: s.volume.geometry.shape[1])
    if fast.volume.geometry.shape[1] == routine.volume.geometry.shape[1]:
        raise _disagreement(fast, routine, "same matrix, so fast and routine cannot be told apart")
    return fast, routine


def _check_orientation(fast: Series, routine: Series) -> None:
    """Refuses stacks that are turned against each other."""
    low, high = fast.volume.geometry, routine.volume.geometry
    for mine, theirs in ((low.row_dir, high.row_dir), (low.col_dir, high.col_dir)):
        angle = math.degrees(math.acos(np.clip(np.dot(mine, theirs), -1.0, 1.0)))
        if angle > ANGLE_TOLERANCE_DEG:
            why = f"{named_tag('ImageOrientationPatient')} differs by {angle:.2f} degrees"
            raise _disagreement(fast, routine, why)


def _check_matrix(fast: Series, routine: Series, scale: int) -> None:
    """Refuses another ratio of pixels than ``scale``, and another field of view."""
    low, high = fast.volume.geometry, routine.volume.geometry
    for axis, keyword in ((1, "Rows"), (2, "Columns")):
        small, large = low.shape[axis], high.shape[axis]
        if large != scale * small:
            why = f"{named_tag(keyword)} {small} and {large}; expected a ratio of exactly {scale}"
            raise _disagreement(fast, routine, why)
        extents = small * low.spacing_mm[axis], large * high.spacing_mm[axis]
        if not math.isclose(*extents, rel_tol=FOV_TOLERANCE):
            why = "field of view differs: {:.2f} and {:.2f} mm".format(*extents)
            raise _disagreement(fast, routine, why)


def _check_slices(fast: Series, routine: Series) -> None:
    """Refuses stacks whose slices do not lie at the same depths."""
    normal = fast.volume.geometry.normal
    low, high = (s.volume.geometry.slice_positions_mm() @ normal for s in (fast, routine))
    if len(low) != len(high):
        distance = np.abs(low[:, None] - high[None])
        alone = [f"fast {p:g}" for p in low[distance.min(1) > DEPTH_TOLERANCE_MM]]
        alone += [f"routine {p:g}" for p in high[distance.min(0) > DEPTH_TOLERANCE_MM]]
        counts = f"{len(low)} and {len(high)} slices"
        raise _disagreement(
            fast, routine, f"{counts}; without partner at mm: {', '.join(alone) or 'none'}"
        )
    worst = float(np.abs(low - high).max())
    if worst > DEPTH_TOLERANCE_MM:
        raise _disagreement(fast, routine, f"slices lie {worst:g} mm apart along the normal")


def _check_one_grid(same_scan: Sequence[Series]) -> None:
    """Refuses maps of one scan that do not share their voxels."""
    first = same_scan[0].volume.geometry
    for other in same_scan[1:]:
        theirs = other.volume.geometry
        if theirs.shape != first.shape or not np.allclose(
            theirs.affine_lps(), first.affine_lps(), atol=SAME_GRID_MM
        ):
            raise _disagreement(same_scan[0], other, "maps of one scan lie on different grids")


def _check_values(same_scan: Sequence[Series]) -> np.ndarray:
    """The tissue mask of one scan; refuses maps that look swapped."""
    maps = {s.map_name: s.volume.maps[..., 0] for s in same_scan}
    try:
        mask = tissue_mask(maps["t1"], maps["t2"], maps["pd"])
    except ValueError as error:
        raise PairError(f"{_folder(same_scan[0])}: {error}") from None
    share = float((maps["t1"] > maps["t2"])[mask].mean())
    if share < T1_ABOVE_T2_SHARE:
        folders = " and ".join(str(_folder(s)) for s in same_scan[:2])
        raise PairError(
            f"{folders}: T1 exceeds T2 in {share:.1%} of the tissue, expected over "
            f"{T1_ABOVE_T2_SHARE:.0%}; are the maps swapped?"
        )
    return mask


def _quality(fast: Series, routine: Series, masks: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Numbers a person looks at to trust a pair."""
    row, column = grid_shift(fast.volume.geometry, routine.volume.geometry)
    medians = {
        side: float(np.median(series.volume.maps[..., 0][masks[side]]))
        for side, series in ((FAST, fast), (ROUTINE, routine))
    }
    numbers = {
        "median_fast": medians[FAST],
        "median_routine": medians[ROUTINE],
        "median_ratio": medians[FAST] / medians[ROUTINE],
        "row_shift_px": row,
        "column_shift_px": column,
    }
    return {key: float(f"{value:.6g}") for key, value in numbers.items()}
