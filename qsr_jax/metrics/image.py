"""Image metrics: one value per sample and map, never a mean of means.

Every metric takes ``pred`` and ``ref`` (n, y, x, c) in the same physical unit and ``mask``
(n, y, x) bool, and returns (n, c). Only what lies inside the mask counts, whatever stands outside,
NaN included; a sample with nothing to count gives NaN. The whole frame is a mask of ones.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from qsr_jax.maps import MapSpec
from qsr_jax.metrics.masked import inside_only, masked_mean
from qsr_jax.metrics.sharpness import edge_sharpness
from qsr_jax.metrics.ssim import ssim, ssim_uniform, whole_windows

__all__ = [
    "BRAIN",
    "CONVENTIONS",
    "METRICS",
    "NORMALISERS",
    "PAPER",
    "Convention",
    "Metric",
    "bias",
    "mae",
    "nrmse",
    "psnr",
    "rmse",
    "ssim",
    "ssim_uniform",
    "whole_windows",
]

NORMALISERS = ("mean", "norm", "range", "sd")
"""What :func:`nrmse` divides by, taken of the reference inside the mask: its mean, its root mean
square (scikit-image's "euclidean"), its largest minus smallest value ("min-max"), its SD."""


def _difference(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """``pred - ref``, zero outside the mask, where neither value nor gradient enters."""
    return inside_only(pred, mask) - inside_only(ref, mask)


@jax.jit
def bias(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean of ``pred - ref``, in the unit of the map."""
    return masked_mean(_difference(pred, ref, mask), mask)


@jax.jit
def mae(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean absolute error, in the unit of the map."""
    return masked_mean(jnp.abs(_difference(pred, ref, mask)), mask)


@jax.jit
def rmse(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """Root of the mean squared error, in the unit of the map; its gradient at equality is 0."""
    square = masked_mean(_difference(pred, ref, mask) ** 2, mask)
    differ = square != 0.0
    return jnp.where(differ, jnp.sqrt(jnp.where(differ, square, 1.0)), 0.0)


@functools.partial(jax.jit, static_argnames="normaliser")
def nrmse(pred: jax.Array, ref: jax.Array, mask: jax.Array, *, normaliser: str) -> jax.Array:
    """:func:`rmse` as a share of the reference, no unit.

    Args:
        pred: (n, y, x, c) physical unit.
        ref: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        normaliser: one of :data:`NORMALISERS`; say it wherever the number stands.

    Raises:
        ValueError: unknown normaliser.
    """
    inside = mask[..., None]
    if normaliser == "mean":
        size = masked_mean(ref, mask)
    elif normaliser == "norm":
        size = jnp.sqrt(masked_mean(inside_only(ref, mask) ** 2, mask))
    elif normaliser == "range":
        highest = jnp.where(inside, ref, -jnp.inf).max((1, 2))
        size = highest - jnp.where(inside, ref, jnp.inf).min((1, 2))
    elif normaliser == "sd":
        centred = inside_only(ref, mask) - masked_mean(ref, mask)[:, None, None, :]
        size = jnp.sqrt(masked_mean(centred**2, mask))
    else:
        raise ValueError(f"normaliser {normaliser!r} is not one of {', '.join(NORMALISERS)}")
    return rmse(pred, ref, mask) / size


@jax.jit
def psnr(pred: jax.Array, ref: jax.Array, mask: jax.Array, *, data_range: jax.Array) -> jax.Array:
    """Peak signal-to-noise ratio ``10 log10(L^2 / MSE)`` in dB; infinite at equality.

    The paper prints ``20 log(L^2 / MSE)`` (its equation 5), which counts the decibels twice.

    Args:
        pred: (n, y, x, c) physical unit.
        ref: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        data_range: () or (c,) L, same unit.
    """
    return 20.0 * jnp.log10(data_range / rmse(pred, ref, mask))


@dataclasses.dataclass(frozen=True)
class Metric:
    """One row of :data:`METRICS`.

    Attributes:
        compute: the function.
        unit: "map" for the unit of the map, else the unit itself ("" for none).
        better: "low", "high", "zero" or "one".
        ranged: whether it needs a ``data_range``.
        label: how people write it, convention included.
    """

    compute: Callable[..., jax.Array]
    unit: str
    better: str
    ranged: bool
    label: str


METRICS: dict[str, Metric] = {
    "mae": Metric(mae, unit="map", better="low", ranged=False, label="MAE"),
    "rmse": Metric(rmse, unit="map", better="low", ranged=False, label="RMSE"),
    "bias": Metric(bias, unit="map", better="zero", ranged=False, label="bias"),
    "nrmse": Metric(
        functools.partial(nrmse, normaliser="mean"),
        unit="",
        better="low",
        ranged=False,
        label="NRMSE (of the reference's mean)",
    ),
    "psnr": Metric(psnr, unit="dB", better="high", ranged=True, label="PSNR"),
    "ssim": Metric(ssim, unit="", better="high", ranged=True, label="SSIM (Gaussian window)"),
    "ssim_uniform": Metric(
        ssim_uniform, unit="", better="high", ranged=True, label="SSIM (uniform window)"
    ),
    "sharpness": Metric(
        edge_sharpness, unit="", better="one", ranged=False, label="edge sharpness"
    ),
}


@dataclasses.dataclass(frozen=True)
class Convention:
    """Where PSNR and SSIM look and what L is; no such number is given without one.

    Attributes:
        place: what the mask covers, "brain" or "frame".
        stored_range: L in stored units, or None for the largest value the scanner writes.
    """

    place: str
    stored_range: int | None

    def data_range(self, spec: MapSpec) -> float:
        """L in the physical unit of the map; the metrics do not care for a common unit."""
        return spec.scanner_max if self.stored_range is None else self.stored_range * spec.slope

    def text(self, spec: MapSpec) -> str:
        """The convention in words, to stand beside the number."""
        return f"{self.place}, L = {self.data_range(spec):g} {spec.unit}"


BRAIN = Convention("brain", stored_range=None)
PAPER = Convention("frame", stored_range=65535)
CONVENTIONS = (BRAIN, PAPER)
