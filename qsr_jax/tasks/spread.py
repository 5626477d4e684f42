"""How far a network's own standard deviations are to be believed: factors, by what it says.

A network that says how sure it is learns it on its training subjects, where it errs less than on
others. On validation subjects the standard deviations of a map are therefore scaled, so that 95 %
of their voxels lie within 1.96 of them (of a task that says so, 68 % within one), in every cell of
what the network says of a voxel: its value (grey matter, fluid and fat err differently), its spread
(borders and noise do), and whether its T2 is beyond that of tissue (a lesion has the T1 of grey
matter). Conformal prediction does the same by categories (Vovk 2005, doi:10.1007/b106715, section
4.5): coverage holds in each cell, so also in any tissue, as far as its voxels err as the others of
their cells do. Scans of several kinds may have a calibration each.

:mod:`qsr_jax.tasks.mean_spread` tells how sure means over many voxels are.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.maps import spec_of
from qsr_jax.mean_law import MeanLaw

COVERED, WIDTH = 0.95, 1.959964
"""Share of voxels that should lie within so many standard deviations: the interval reports use."""

ONE_SIGMA = 0.6827
WIDTHS = {COVERED: WIDTH, ONE_SIGMA: 1.0}
"""Shares that can be asked for, and within how many standard deviations of the normal law. Errors
have heavier tails than it: who covers one of the shares misses the other."""

LEAST_VOXELS = 2000
"""In a cell; with fewer it has the factor of its value, then of the map. The 95 % point of 2000
voxels of which ten err as one is known to 1.5 % of the voxels (binomial)."""

LOG_RATIOS = np.linspace(-7.0, 7.0, 1401)
"""Edges of the histogram of ln(absolute error / std): 1 % wide."""

SPREAD_EDGES = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Between bins of the network's own spread, in parts of the typical value of white matter."""

BRIGHT = 1.2
"""T2 beyond that of tissue begins at so many times the typical value of grey matter."""

FILE, FORMAT, VERSION = "spread.json", "qsr_jax-spread", 2

Factors = tuple[tuple[tuple[float, ...], ...], ...]
"""By brightness in T2 (one row where nothing tells it), bin of value and bin of spread."""


class SpreadError(ValueError):
    """A file of factors that cannot be read."""


@dataclasses.dataclass(frozen=True)
class SpreadCalibration:
    """Factors on standard deviations, and what they say of means.

    Attributes:
        factors: map to its factors.
        laws: map to how sure a mean is.
        kinds: kind of scan to its own calibration, where some differ.
    """

    factors: Mapping[str, Factors]
    laws: Mapping[str, MeanLaw] = dataclasses.field(default_factory=dict)
    kinds: Mapping[str, "SpreadCalibration"] = dataclasses.field(default_factory=dict)

    def of(self, kind: str) -> "SpreadCalibration":
        """That of a kind of scan; this one where the kind has none of its own."""
        return self.kinds.get(kind, self)

    def scaled(self, std: np.ndarray, mean: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Standard deviations (..., c) of predicted values (..., c), scaled.

        Between the middles of the bins of value and of spread the factors' logarithms are
        interpolated.
        """
        bright = _bright(mean, names)
        made = [
            std[..., i]
            * _interpolated(
                np.log(self.factors[name]),
                bright,
                _place(mean[..., i], _middles(name)),
                _place(np.log(_relative(std[..., i], name)), _SPREAD_MIDDLES),
            )
            for i, name in enumerate(names)
        ]
        return np.stack(made, -1).astype(std.dtype)

    def laws_of(self, names: tuple[str, ...]) -> tuple[MeanLaw, ...] | None:
        """The law of each map; None where one is not known."""
        found = [self.laws[name] for name in names if name in self.laws]
        return tuple(found) if len(found) == len(names) else None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; what is read back scales in the same bits."""
        laws = {name: [law.shared, law.patch, law.power] for name, law in self.laws.items()}
        held = {"factors": {n: np.array(f).tolist() for n, f in self.factors.items()}, "laws": laws}
        kinds = {kind: one.to_json() for kind, one in self.kinds.items()}
        return held | ({"kinds": kinds} if kinds else {})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SpreadCalibration":
        """What :meth:`to_json` wrote.

        Raises:
            SpreadError: it is something else.
        """
        try:
            factors = {name: _checked(name, rows) for name, rows in content["factors"].items()}
            laws = {name: MeanLaw(*map(float, law)) for name, law in content["laws"].items()}
            kinds = {kind: cls.from_json(one) for kind, one in content.get("kinds", {}).items()}
            return cls(factors, laws, kinds)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SpreadError(
                f"no calibration of spreads ({type(error).__name__}: {error})"
            ) from None


class SpreadTally:
    """Gathers errors and standard deviations of validation voxels, a batch at a time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Begins with nothing."""
        self.names = names
        self._counts = {
            name: np.zeros((*_shape(name, names), len(LOG_RATIOS) - 1), np.int64) for name in names
        }

    def add(self, mean: np.ndarray, std: np.ndarray, wanted: np.ndarray) -> None:
        """Takes voxels (n, c): what was said, how surely, and what it should have been."""
        bright = _bright(mean, self.names)
        for i, name in enumerate(self.names):
            counts = self._counts[name]
            cell = (
                bright if len(counts) > 1 else np.zeros(len(mean), int),
                np.searchsorted(spec_of(name).value_bins[1:-1], mean[:, i], side="right"),
                np.searchsorted(SPREAD_EDGES, _relative(std[:, i], name), side="right"),
                ratio_bins(np.abs(wanted[:, i] - mean[:, i]), std[:, i]),
            )
            flat = np.ravel_multi_index(cell, counts.shape)
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)

    def factors(self, covered: float = COVERED) -> dict[str, Factors]:
        """The factors that make a share of the voxels of every cell lie within.

        Args:
            covered: one of :data:`WIDTHS`.

        Raises:
            ValueError: no voxel was added.
        """
        found = {}
        for name, counts in self._counts.items():
            if not counts.sum():
                raise ValueError(f"no voxel of {name} to calibrate its spread on; expected some")
            whole, by_value = counts.sum((0, 1, 2)), counts.sum((0, 2))
            planes = np.empty(counts.shape[:-1])
            for cell in np.ndindex(planes.shape):
                planes[cell] = _first_known(counts[cell], by_value[cell[1]], whole, covered=covered)
            found[name] = _as_factors(planes)
        return found


def ratio_bins(error: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Index between :data:`LOG_RATIOS` of ln(error / std); what lies beyond is in the end bins."""
    with np.errstate(divide="ignore"):
        ratio = np.log(error / np.maximum(std, np.finfo(np.float32).tiny))
    return np.clip(np.searchsorted(LOG_RATIOS, ratio, side="right") - 1, 0, len(LOG_RATIOS) - 2)


def covering_factor(counts: np.ndarray, covered: float = COVERED) -> float:
    """From a histogram of ln(absolute error / std): a point of it over that of the normal law."""
    share = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    return float(np.exp(np.interp(covered, share, LOG_RATIOS)) / WIDTHS[covered])


def _first_known(*counts: np.ndarray, covered: float) -> float:
    """The factor of the first histogram that holds enough; of the last in any case."""
    enough = (one for one in counts[:-1] if one.sum() >= LEAST_VOXELS)
    return round(covering_factor(next(enough, counts[-1]), covered), 4)


def _shape(name: str, names: tuple[str, ...]) -> tuple[int, int, int]:
    """Of the factors of a map: brightness, value, spread."""
    told = "t2" in names and name != "t2"
    return 1 + told, len(spec_of(name).value_bins) - 1, len(SPREAD_EDGES) + 1


def _bright(mean: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Whether T2 is beyond that of tissue, (...) of 0 and 1; 0 without T2."""
    if "t2" not in names:
        return np.zeros(mean.shape[:-1], int)
    return (mean[..., names.index("t2")] >= BRIGHT * spec_of("t2").tissue_levels[1]).astype(int)


def _relative(std: np.ndarray, name: str) -> np.ndarray:
    """A standard deviation in parts of white matter, never 0."""
    return np.maximum(std / spec_of(name).tissue_levels[0], np.finfo(np.float32).tiny)


def _middles(name: str) -> np.ndarray:
    edges = np.asarray(spec_of(name).value_bins, float)
    return (edges[1:] + edges[:-1]) / 2.0


_SPREAD_MIDDLES = np.log([SPREAD_EDGES[0] / 2**0.5, *(edge * 2**0.5 for edge in SPREAD_EDGES)])


def _place(values: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Where values lie among middles, as a float index within them."""
    return np.interp(values, middles, np.arange(len(middles)))


def _interpolated(
    table: np.ndarray, bright: np.ndarray, value: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """A table of logarithms (brightness, value, spread), linear in its last two indices, exp."""
    row = bright if len(table) > 1 else np.zeros_like(bright)
    first = [np.minimum(at.astype(int), n - 2) for at, n in
             zip((value, spread), table.shape[1:], strict=True)]  # fmt: skip
    down, across = value - first[0], spread - first[1]
    made = np.zeros(value.shape)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (down if i else 1.0 - down) * (across if j else 1.0 - across)
        made += weight * table[row, first[0] + i, first[1] + j]
    return np.exp(made)


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
        return {int(s): SpreadCalibration.from_json(one) for s, one in content["steps"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpreadError(
            f"{path}: no calibration of spreads ({type(error).__name__}); remove it and run the "
            "same training again, which fits it anew"
        ) from None


def _checked(name: str, rows: Any) -> Factors:
    """Factors from JSON; ValueError where their shape or a value cannot be."""
    found = np.array(rows, float)
    expected = _shape(name, (name,))[1:]
    if found.ndim != 3 or len(found) not in (1, 2) or found.shape[1:] != expected:
        raise ValueError(name)
    if not (found > 0.0).all() or not np.isfinite(found).all():
        raise ValueError(name)
    return _as_factors(found)


def _as_factors(planes: np.ndarray) -> Factors:
    return tuple(tuple(tuple(row) for row in plane) for plane in planes.tolist())


def write_calibrations(workdir: Path, calibrations: Mapping[int, SpreadCalibration]) -> None:
    """Writes the calibrations of a workdir."""
    steps = {str(step): one.to_json() for step, one in sorted(calibrations.items())}
    content = {"format": FORMAT, "version": VERSION, "steps": steps}
    write_text_atomically(workdir / FILE, json.dumps(content) + "\n")
