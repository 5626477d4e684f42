"""How near to the truth a network's maps lie, as a share of what bicubic interpolation leaves."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from qsr_jax.data.studies.case import Case
from qsr_jax.maps import MAPS
from qsr_jax.predictors.batched import clamp
from qsr_jax.predictors.interpolation import interpolator
from qsr_jax.types import Predictor

GREY, WHITE = 2, 3
"""Labels of parenchyma in a truth."""

FIELD_MM = 20.0
"""Width (sigma) of a receive field: measured PD carries one, and a scan divides it out."""

NETWORK, BICUBIC, ROUTINE = "network", "bicubic", "routine"


@dataclasses.dataclass(frozen=True)
class Errors:
    """One method on one subject; each (3,) over T1, T2, PD.

    Attributes:
        rmse: over the parenchyma, against the truth, ms and percent.
        slope: of the method's values on the true ones, least squares over the parenchyma.
        bias: of the means of (grey, white) matter, percent of the true ones, (2, 3).
    """

    rmse: np.ndarray
    slope: np.ndarray
    bias: np.ndarray


def errors_of(case: Case, network: Predictor, *, scale: int) -> dict[str, Errors]:
    """The network, bicubic interpolation and the routine scan beside the truth of a subject.

    Raises:
        ValueError: the subject has no truth with a noise-free scan, or no grey or white matter.
    """
    if case.truth is None or case.truth.noise_free is None:
        raise ValueError(
            f"{case.subject}: expected a truth with its noise-free scan; simulate with --noiseless"
        )
    tissue = case.truth.tissue
    inside = np.isin(tissue, (GREY, WHITE)) & (case.truth.noise_free > 0).all(axis=-1)
    if not all((inside & (tissue == label)).any() for label in (GREY, WHITE)):
        raise ValueError(f"{case.subject}: expected grey and white matter in the truth; got none")
    truth = without_field(
        case.truth.maps,
        case.truth.noise_free,
        inside,
        spacing_mm=case.routine.geometry.spacing_mm,
    )
    cubic = interpolator(scale=scale, alignment=case.grid_alignment, method="cubic")
    made = {
        NETWORK: network(case.fast).mean,
        BICUBIC: clamp(cubic(case.fast).mean, tuple(MAPS))[0],
        ROUTINE: case.routine.maps,
    }
    return {name: compare(maps, truth, inside, tissue) for name, maps in made.items()}


def without_field(
    truth: np.ndarray,
    noise_free: np.ndarray,
    inside: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """True maps (z, y, x, 3) whose PD has the noise-free scan's smooth field, not its own.

    The field is the ratio of both PDs under a Gaussian window of :data:`FIELD_MM`, of parenchyma
    alone.
    """
    sigma = [FIELD_MM / step for step in spacing_mm]
    weight = ndimage.gaussian_filter(inside.astype(np.float64), sigma)
    ratio = np.where(inside, truth[..., 2] / np.where(inside, noise_free[..., 2], 1.0), 0.0)
    field = ndimage.gaussian_filter(ratio.astype(np.float64), sigma) / np.maximum(weight, 1e-9)
    pd = np.where(inside, truth[..., 2] / np.where(inside, field, 1.0), truth[..., 2])
    return np.concatenate([truth[..., :2], pd[..., None]], axis=-1)


def compare(maps: np.ndarray, truth: np.ndarray, inside: np.ndarray, tissue: np.ndarray) -> Errors:
    """See :class:`Errors`; all arrays (z, y, x) or (z, y, x, 3)."""
    found, true = maps[inside].astype(np.float64), truth[inside].astype(np.float64)
    centred = true - true.mean(axis=0)
    slope = (centred * found).sum(axis=0) / np.square(centred).sum(axis=0)
    kinds = [tissue[inside] == label for label in (GREY, WHITE)]
    bias = [100.0 * (found[kind].mean(0) / true[kind].mean(0) - 1.0) for kind in kinds]
    return Errors(np.sqrt(np.square(found - true).mean(axis=0)), slope, np.stack(bias))


def summary(subjects: Sequence[Mapping[str, Errors]]) -> dict[str, object]:
    """Means over subjects of a group, and how the subjects differ; plain lists, T1, T2, PD.

    Shares are computed in every subject and then averaged.
    """
    own, other, routine = (
        np.stack([subject[name].rmse for subject in subjects])
        for name in (NETWORK, BICUBIC, ROUTINE)
    )
    shares = own / other
    slopes = {
        name: np.mean([subject[name].slope for subject in subjects], axis=0)
        for name in (NETWORK, BICUBIC, ROUTINE)
    }
    biases = {
        name: np.mean([subject[name].bias for subject in subjects], axis=0)
        for name in (NETWORK, BICUBIC, ROUTINE)
    }
    return {
        "subjects": len(subjects),
        "share": shares.mean(axis=0).tolist(),
        "share_of_each": shares.tolist(),
        "share_sd": (shares.std(axis=0, ddof=1) if len(shares) > 1 else np.zeros(3)).tolist(),
        "routine_share": (routine / other).mean(axis=0).tolist(),
        "rmse": {NETWORK: own.mean(0).tolist(), BICUBIC: other.mean(0).tolist()},
        "slope": {name: value.tolist() for name, value in slopes.items()},
        "bias_percent": {name: value.tolist() for name, value in biases.items()},
    }
