"""The table of image metrics: ``(test, reference, mask)`` to one value per sample and map.

Every metric takes ``test`` and ``reference`` (n, y, x, c) in the same physical unit and ``mask``
(n, y, x) bool, and returns (n, c), never a mean of means. Only what lies inside the mask counts,
whatever stands outside, NaN included; a sample with nothing to count gives NaN. The whole frame is
a mask of ones. A new metric is a function and a line of :data:`METRICS`; the laws of
``tests/metrics/test_metrics.py`` go through the table.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from qsr_jax.maps import MapSpec
from qsr_jax.metrics.errors import (
    NORMALISERS,
    bias,
    mae,
    nrmse,
    pooled_psnr_db,
    psnr,
    rmse,
)
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
    "pooled_psnr_db",
    "psnr",
    "rmse",
    "ssim",
    "ssim_uniform",
    "whole_windows",
]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric with what its number means; call it, and it computes.

    Attributes:
        compute: ``(test, reference, mask)`` to (n, c), where ``ranged`` with ``data_range=L``.
        unit: "map" for the unit of the map, else the unit itself ("" for none).
        better: "low", "high", "zero" or "one".
        ranged: whether it needs a ``data_range``.
        label: how it is written, convention included.
        at_equality: its value where test and reference are equal.
        symmetric: whether neither of the two is first.
    """

    compute: Callable[..., jax.Array]
    unit: str
    better: str
    ranged: bool
    label: str
    at_equality: float
    symmetric: bool

    def __call__(
        self,
        test: jax.Array,
        reference: jax.Array,
        mask: jax.Array,
        *,
        data_range: jax.Array | float | None = None,
    ) -> jax.Array:
        """The metric of each sample and map.

        Args:
            test: (n, y, x, c) physical unit.
            reference: (n, y, x, c) same unit.
            mask: (n, y, x) bool.
            data_range: () or (c,) L of PSNR and SSIM in the same unit; the others ignore it.

        Returns:
            (n, c).

        Raises:
            ValueError: no ``data_range`` where one is needed.
        """
        if not self.ranged:
            return self.compute(test, reference, mask)
        if data_range is None:
            raise ValueError(
                f"{self.label}: expected a data_range, got None; state L, see Convention"
            )
        return self.compute(test, reference, mask, data_range=data_range)


_nrmse = functools.partial(nrmse, normaliser="mean")

METRICS: dict[str, Metric] = {
    "mae": Metric(mae, "map", "low", False, "MAE", 0.0, True),
    "rmse": Metric(rmse, "map", "low", False, "RMSE", 0.0, True),
    "bias": Metric(bias, "map", "zero", False, "bias", 0.0, False),
    "nrmse": Metric(_nrmse, "", "low", False, "NRMSE (of the reference's mean)", 0.0, False),
    "psnr": Metric(psnr, "dB", "high", True, "PSNR", np.inf, True),
    "ssim": Metric(ssim, "", "high", True, "SSIM (Gaussian window)", 1.0, True),
    "ssim_uniform": Metric(ssim_uniform, "", "high", True, "SSIM (uniform window)", 1.0, True),
    "sharpness": Metric(edge_sharpness, "", "one", False, "edge sharpness", 1.0, False),
}
"""Metrics by name. In the order of :class:`Metric`: function, unit, better, ranged, label,
value at equality, symmetric."""


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
