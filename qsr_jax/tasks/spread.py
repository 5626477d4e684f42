"""How far a network's own standard deviations are to be believed: factors by map and by value.

A network that says how sure it is learns it on its training subjects, where it errs less than on
others. On validation subjects the standard deviations of a map are therefore scaled, so that 95 %
of their voxels lie within 1.96 of them: one factor for each bin of predicted value, because grey
matter, fluid and fat err differently.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.maps import spec_of

COVERED, WIDTH = 0.95, 1.959964
"""Share of voxels that should lie within so many standard deviations: the interval reports use."""

LEAST_VOXELS = 500
"""In a bin; with fewer it has the factor of the whole map. The 95 % point of 500 is known to 1 %
of the voxels (binomial)."""

LOG_RATIOS = np.linspace(-7.0, 7.0, 1401)
"""Edges of the histogram of ln(absolute error / std): 1 % wide."""

FILE, FORMAT, VERSION = "spread.json", "qsr_jax-spread", 1


class SpreadError(ValueError):
    """A file of factors that cannot be read."""


@dataclasses.dataclass(frozen=True)
class SpreadCalibration:
    """Factors on standard deviations.

    Attributes:
        factors: map to one factor for each bin of the map's ``value_bins``.
    """

    factors: Mapping[str, tuple[float, ...]]

    def scaled(self, std: np.ndarray, mean: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Standard deviations (..., c) of predicted values (..., c), scaled.

        Between the middles of two bins the factor is interpolated.
        """
        made = [
            std[..., i] * np.interp(mean[..., i], _middles(name), self.factors[name])
            for i, name in enumerate(names)
        ]
        return np.stack(made, -1).astype(std.dtype)


class SpreadTally:
    """Gathers errors and standard deviations of validation voxels, a batch at a time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Begins with nothing."""
        self.names = names
        bins = {name: len(spec_of(name).value_bins) - 1 for name in names}
        self._counts = {n: np.zeros((k, len(LOG_RATIOS) - 1), np.int64) for n, k in bins.items()}

    def add(self, mean: np.ndarray, std: np.ndarray, wanted: np.ndarray) -> None:
        """Takes voxels (n, c): what was said, how surely, and what it should have been."""
        for i, name in enumerate(self.names):
            inner = spec_of(name).value_bins[1:-1]
            which = np.searchsorted(inner, mean[:, i], side="right")
            error = np.abs(wanted[:, i] - mean[:, i])
            with np.errstate(divide="ignore"):
                ratio = np.log(error / np.maximum(std[:, i], np.finfo(np.float32).tiny))
            ratio = np.clip(ratio, LOG_RATIOS[0], LOG_RATIOS[-1])
            self._counts[name] += np.histogram2d(
                which, ratio, [np.arange(len(inner) + 2) - 0.5, LOG_RATIOS]
            )[0].astype(np.int64)

    def calibration(self) -> SpreadCalibration:
        """The factors that make :data:`COVERED` of the voxels of every bin lie within.

        Raises:
            ValueError: no voxel was added.
        """
        factors = {}
        for name, counts in self._counts.items():
            if not counts.sum():
                raise ValueError(f"no voxel of {name} to calibrate its spread on; expected some")
            whole = _factor(counts.sum(0))
            factors[name] = tuple(
                _factor(row) if row.sum() >= LEAST_VOXELS else whole for row in counts
            )
        return SpreadCalibration(factors)


def _factor(counts: np.ndarray) -> float:
    """From a histogram of ln(absolute error / std): its 95 % point over that of the normal law."""
    share = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    return float(np.exp(np.interp(COVERED, share, LOG_RATIOS)) / WIDTH)


def _middles(name: str) -> np.ndarray:
    edges = np.asarray(spec_of(name).value_bins, float)
    return (edges[1:] + edges[:-1]) / 2.0


def read_calibrations(workdir: Path) -> dict[int, SpreadCalibration]:
    """The calibrations of a workdir, by the step of their network; none where there is no file.

    Raises:
        SpreadError: the file is damaged, or lacks what it should hold.
    """
    path = workdir / FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise KeyError("format")
        return {
            int(step): SpreadCalibration(
                {name: _checked(name, row) for name, row in factors.items()}
            )
            for step, factors in content["steps"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpreadError(
            f"{path}: no calibration of spreads ({type(error).__name__}); remove it and run the "
            "same training again, which fits it anew"
        ) from None


def _checked(name: str, row: list[float]) -> tuple[float, ...]:
    factors = tuple(float(value) for value in row)
    if len(factors) != len(spec_of(name).value_bins) - 1 or not min(factors) > 0.0:
        raise ValueError(name)
    return factors


def write_calibrations(workdir: Path, calibrations: Mapping[int, SpreadCalibration]) -> None:
    """Writes the calibrations of a workdir."""
    steps = {
        str(step): {name: [round(f, 4) for f in row] for name, row in one.factors.items()}
        for step, one in sorted(calibrations.items())
    }
    content = {"format": FORMAT, "version": VERSION, "steps": steps}
    write_text_atomically(workdir / FILE, json.dumps(content, indent=1) + "\n")
