"""Everything simple that a network is compared with, as predictors, and the linear calibration.

In simulation two more stand beside them: the routine scan repeated, the floor that no method can
beat because it is the noise of the reference itself, and the truth.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from qsr_jax.maps import MAPS
from qsr_jax.predictors.interpolation import interpolator
from qsr_jax.types import Prediction, Predictor, Volume

CALIBRATED = "bicubic_calibrated"
_KERNELS = {
    "nearest": "nearest",
    "bilinear": "linear",
    "bicubic": "cubic",
    "lanczos": "lanczos3",
    "sinc": "sinc",
}
BASELINES = (*_KERNELS, CALIBRATED)
"""What :func:`baselines` can make."""

SOLID_MAX = {s.name: s.solid_max for s in MAPS.values() if s.solid_max is not None}
"""Grey and white matter lie below, ms; beyond is fluid, whose spread would rule the fit."""
LEAST_VOXELS = 100


@dataclasses.dataclass(frozen=True)
class Line:
    """``routine = slope * bicubic + intercept`` of one map.

    Attributes:
        slope: no unit.
        intercept: unit of the map.
        n_voxels: how many voxels it was fitted on.
        n_subjects: of how many training subjects.
    """

    slope: float
    intercept: float
    n_voxels: int
    n_subjects: int


Calibration = Mapping[str, Line]
"""Map name to its line."""


def fit_calibration(
    pairs: Iterable[tuple[Volume, Volume]], *, scale: int, alignment: str
) -> dict[str, Line]:
    """Least squares of the routine maps on the bicubic ones, over solid tissue.

    Voxels are chosen inside the routine mask by the *bicubic* T1 and T2 (:data:`SOLID_MAX`):
    choosing by what is predicted from does not bend the line, choosing by the routine values would.

    Args:
        pairs: (fast, routine with mask) of the *training* subjects; read one at a time.
        scale: factor between the grids.
        alignment: how the fine grid lies on the coarse one.

    Raises:
        ValueError: a routine scan without mask, T1 or T2 missing, or fewer than 100 voxels.
    """
    bicubic = interpolator(scale=scale, alignment=alignment, method="cubic")
    sums: dict[str, np.ndarray] = {}
    subjects = 0
    for fast, routine in pairs:
        subjects += 1
        x, y = _solid(bicubic(fast), routine)
        for channel, name in enumerate(routine.names):
            mine = _sums(x[:, fast.names.index(name)], y[:, channel])
            sums[name] = sums.get(name, 0.0) + mine
    if not sums:
        raise ValueError("no training subjects; the linear calibration cannot be fitted")
    return {name: _line(name, total, subjects) for name, total in sums.items()}


def _solid(made: Prediction, routine: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Bicubic and routine values (voxels, c) in solid tissue."""
    if routine.mask is None:
        raise ValueError("a routine scan without mask; the calibration needs to know the tissue")
    missing = [name for name in SOLID_MAX if name not in made.names]
    if missing:
        raise ValueError(f"the scan lacks {' and '.join(missing)}; tissue cannot be told without")
    chosen = routine.mask.copy()
    for name, largest in SOLID_MAX.items():
        chosen &= made.mean[..., made.names.index(name)] < largest
    return made.mean[chosen], routine.maps[chosen]


def _sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """n, sums of x, y, xx, xy in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.array([x.size, x.sum(), y.sum(), x @ x, x @ y])


def _line(name: str, sums: np.ndarray, subjects: int) -> Line:
    n, x, y, xx, xy = sums
    spread = xx - x * x / max(n, 1)
    if n < LEAST_VOXELS or not spread > 0.0:
        raise ValueError(
            f"{name}: {int(n)} voxels of solid tissue in {subjects} training subjects; at least "
            f"{LEAST_VOXELS} of different values are needed"
        )
    slope = (xy - x * y / n) / spread
    return Line(float(slope), float((y - slope * x) / n), int(n), subjects)


def calibrated(predictor: Predictor, calibration: Calibration) -> Predictor:
    """What ``predictor`` makes, put through the line of each map.

    A spread is scaled by the size of the slope: the line is taken as known.

    Raises:
        ValueError: (when called) a map without a line.
    """

    def predict(volume: Volume) -> Prediction:
        made = predictor(volume)
        missing = [name for name in made.names if name not in calibration]
        if missing:
            raise ValueError(f"no calibration of {' and '.join(missing)}; fit it on all maps")
        slope = np.array([calibration[name].slope for name in made.names], np.float32)
        intercept = np.array([calibration[name].intercept for name in made.names], np.float32)
        return dataclasses.replace(
            made,
            mean=made.mean * slope + intercept,
            std=None if made.std is None else made.std * np.abs(slope),
        )

    return predict


def baselines(
    names: Sequence[str], *, scale: int, alignment: str, calibration: Calibration | None
) -> dict[str, Predictor]:
    """The named baselines, in the given order.

    Args:
        names: of :data:`BASELINES`.
        scale: factor between the grids.
        alignment: how the fine grid lies on the coarse one.
        calibration: lines of :func:`fit_calibration`; needed for "bicubic_calibrated" alone.

    Raises:
        ValueError: unknown name, or no calibration where it is needed.
    """
    made: dict[str, Predictor] = {}
    for name in names:
        if name not in BASELINES:
            raise ValueError(f"baseline {name!r} is not one of {', '.join(BASELINES)}")
        kernel = _KERNELS["bicubic" if name == CALIBRATED else name]
        made[name] = interpolator(scale=scale, alignment=alignment, method=kernel)
        if name == CALIBRATED:
            if calibration is None:
                raise ValueError(f"{name} needs a calibration fitted on training subjects")
            made[name] = calibrated(made[name], calibration)
    return made
