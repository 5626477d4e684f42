"""PD of a measured head in percent of water, its receive field divided out.

Maps whose PD has arbitrary units still carry the receive coils' sensitivity. Tissue tells it: there
1/PD = A + B/T1, so what PD departs from that is the field, and a polynomial of the position fits
its logarithm (Volz 2012, doi:10.1002/mrm.23206). What is then 100 % is the water inside the brain.
"""

import dataclasses

import numpy as np
from numpy.polynomial.polynomial import polygrid3d, polyvander3d
from scipy import ndimage

from qsr_jax.maps import MAPS

INVERSE_PD, INVERSE_PD_MS = 0.916, 436.0
"""A and B (ms) at 3 T (Volz 2012)."""

TISSUE_MS, WHITE_MS, WATER_MS = (550.0, 1700.0), (550.0, 1050.0), 2500.0
"""T1 of grey and white matter at 3 T, of white matter, and what water is above."""

WATER_PERCENTILE = 75.0
"""Of PD over water that has water beside it: partial volume and pulsation only lower it. Chosen
with six fingerprinting heads in view, in which white matter then reads 63 to 75 %."""

ORDER, ORDER_Z = 4, 2
"""Greatest power of the position, all axes together, and along z."""

SAMPLES, FEWEST, ROUNDS, CUT = 20_000, 100, 4, 2.5
"""Voxels that are fitted; fewest of tissue or water; rounds of the fit, in which voxels further off
than this many standard deviations are left out."""

WHITE_PERCENT = (55.0, 85.0)
"""PD of white matter in percent of water; outside, the scale is wrong (70 +- 3 % in the literature
that Volz 2012 gathers)."""

MOST_CLIPPED = 0.01
"""Part of the brain that may exceed what the scanner writes."""


@dataclasses.dataclass(frozen=True)
class DensityScale:
    """How PD became percent.

    Attributes:
        percent_per_unit: factor on the flattened map; 1 where it was in percent.
        white_percent: median PD of white matter.
        clipped: part of the brain that exceeded the scanner's range, and was clipped.
    """

    percent_per_unit: float
    white_percent: float
    clipped: float

    def __str__(self) -> str:
        """One line for whoever starts a simulation."""
        return (
            f"PD: 1 unit is {self.percent_per_unit:.4g} % of water, white matter has "
            f"{self.white_percent:.0f} %, {100 * self.clipped:.2g} % of the brain was clipped"
        )


def flattened(pd: np.ndarray, t1_ms: np.ndarray, brain: np.ndarray, *, where: str) -> np.ndarray:
    """PD (i, j, k) with its receive field (median over the brain 1) divided out.

    Args:
        pd: any unit.
        t1_ms: T1, ms.
        brain: bool.
        where: opens the error message.

    Raises:
        ValueError: there is too little tissue.
    """
    tissue = np.argwhere(brain & (pd > 0) & (t1_ms > TISSUE_MS[0]) & (t1_ms < TISSUE_MS[1]))
    if len(tissue) < FEWEST:
        raise ValueError(
            f"{where}: {len(tissue)} voxels of the brain have T1 of {TISSUE_MS[0]:g} to "
            f"{TISSUE_MS[1]:g} ms, expected at least {FEWEST}: the receive field cannot be told"
        )
    at = tuple(tissue[:: max(len(tissue) // SAMPLES, 1)].T)
    axes = [np.linspace(-1.0, 1.0, n) for n in pd.shape]
    powers = np.indices((ORDER + 1, ORDER + 1, ORDER_Z + 1))
    used = powers.sum(axis=0).ravel() <= ORDER
    x, y, z = (axis[index] for axis, index in zip(axes, at, strict=True))
    basis = polyvander3d(x, y, z, (ORDER, ORDER, ORDER_Z))[:, used]
    log_field = np.log(pd[at] * (INVERSE_PD + INVERSE_PD_MS / t1_ms[at]))
    kept = np.ones(len(log_field), bool)
    for _ in range(ROUNDS):
        weights = np.linalg.lstsq(basis[kept], log_field[kept], rcond=None)[0]
        left = log_field - basis @ weights
        kept = np.abs(left) <= CUT * left[kept].std() + 1e-6
    cube = np.zeros(powers.shape[1:])
    cube.reshape(-1)[used] = weights
    fitted = polygrid3d(axes[0], axes[1], axes[2], cube)
    fitted -= np.median(fitted[brain])
    # Beyond the brain a polynomial runs away; there the nearest plausible value must do.
    low, high = fitted[brain].min(), fitted[brain].max()
    return (pd / np.exp(np.clip(fitted, low, high))).astype(np.float32)


def density_percent(
    pd: np.ndarray, t1_ms: np.ndarray, brain: np.ndarray, *, where: str
) -> tuple[np.ndarray, DensityScale]:
    """PD (i, j, k) in percent of the brain's own water, field divided out, and how it was scaled.

    Args:
        pd: arbitrary units.
        t1_ms: T1, ms.
        brain: bool, k counts slices.
        where: opens the error messages.

    Raises:
        ValueError: too little tissue or water, or :func:`checked` refuses the result.
    """
    flat = flattened(pd, t1_ms, brain, where=where)
    water = brain & (t1_ms > WATER_MS) & (pd > 0)
    water = ndimage.binary_erosion(water, np.ones((3, 3, 1)))
    if water.sum() < FEWEST:
        raise ValueError(
            f"{where}: pd has arbitrary units and there is no water in the brain (T1 above "
            f"{WATER_MS:g} ms in {water.sum()} voxels with such neighbours, expected at least "
            f"{FEWEST}); give pd in %"
        )
    factor = 100.0 / float(np.percentile(flat[water], WATER_PERCENTILE))
    return checked(flat * np.float32(factor), t1_ms, brain, factor=factor, where=where)


def checked(
    percent: np.ndarray, t1_ms: np.ndarray, brain: np.ndarray, *, factor: float = 1.0, where: str
) -> tuple[np.ndarray, DensityScale]:
    """PD within the scanner's range, if that leaves the brain as it is and white matter is right.

    Raises:
        ValueError: white matter is outside :data:`WHITE_PERCENT`, or too much would be clipped.
    """
    white = brain & (t1_ms > WHITE_MS[0]) & (t1_ms < WHITE_MS[1])
    median = float(np.median(percent[white])) if white.any() else float("nan")
    if not WHITE_PERCENT[0] <= median <= WHITE_PERCENT[1]:
        raise ValueError(
            f"{where}: white matter has PD {median:.0f} %, expected {WHITE_PERCENT[0]:g} to "
            f"{WHITE_PERCENT[1]:g} %: is T1 right, does the head hold a brain and water in it?"
        )
    most = MAPS["pd"].scanner_max
    clipped = float(np.mean(percent[brain] > most))
    if clipped > MOST_CLIPPED:
        raise ValueError(
            f"{where}: {100 * clipped:.1f} % of the brain have PD above {most:g} %, expected at "
            f"most {100 * MOST_CLIPPED:g} %: is the head's shading too strong, or PD not in %?"
        )
    return np.minimum(percent, np.float32(most)), DensityScale(factor, median, clipped)
