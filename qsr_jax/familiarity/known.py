"""The scans that a model learned from, and whether another one is like them.

One rule for everything that is compared: the distance to the nearest known scan (Sun 2022,
arXiv:2204.06507), of the worst kind of feature. Training subjects are many kinds of people; a
nearest neighbour asks that one of them be alike, where a single normal law would take the middle
between two kinds for the most usual.

The limit of a kind is the upper prediction limit for one further scan (Hahn and Meeker 1991,
doi:10.1002/9780470316771), from the logarithms of the distances of all known subjects, each of a
training subject to the others and of a validation subject to all; at a false-alarm rate of
:data:`FALSE_ALARMS` for all kinds together (Bonferroni). With few subjects it is wide.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from qsr_jax.familiarity.features import BACKGROUND, DETAIL, Features, features_of
from qsr_jax.familiarity.reasons import reason_of
from qsr_jax.familiarity.tiles import SIDE, Tally, distances, tally, tree_of
from qsr_jax.types import Familiarity, Volume

FALSE_ALARMS = 0.05
"""Of scans like the training's, the part that is called out of range, if logarithms of distances
are normal."""
LEAST_SUBJECTS, LEAST_TRAINED = 3, 2
"""Of all, for a spread; of those that trained, for a neighbour."""
LEAST_SPREAD = 0.1
"""Of the logarithm of a distance: few subjects may be alike by chance."""
FLOORS = {DETAIL: 0.05, BACKGROUND: 0.1}
VALUE_FLOOR, LYING_FLOOR = 0.01, 0.01
"""Least standard deviation of a feature: measured differences below it mean nothing."""
LYING, PLACES, HEAD = "place and orientation", "places", "head"
NO_HEAD = 99.0
"""Score of a scan in which no head was found."""
NONE = np.zeros(0)
"""Features of places, which have none."""

TURNED: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("mirrored front to back or turned by half a turn", lambda picture: picture[:, :, ::-1]),
    ("turned by a quarter", lambda picture: np.rot90(picture, 1, (2, 3))),
    ("turned by a quarter", lambda picture: np.rot90(picture, -1, (2, 3))),
    ("in reversed order of slices", lambda picture: picture[:, ::-1]),
)
"""How a scan may lie, and its picture (map, part, row, column) put right. Left and right are not
told apart: a head is its own mirror image, to all that is looked at here."""


@dataclasses.dataclass(frozen=True)
class KnownScans:
    """What is kept of the scans that a model learned from; a few 100 kB.

    Attributes:
        names: c maps.
        kinds: name of each kind of feature, and how many it has; in the order of the columns.
        features: (n, f) of every training subject.
        scales: (f,) by what a difference is divided.
        picture: (c + 1, parts, cells, cells) mean of the training subjects.
        cells: (m, k) int8 tiles that occur, see :class:`qsr_jax.familiarity.tiles.Tally`.
        width: of a cell.
        usual: kind to the mean logarithm of a distance.
        limits: kind to the logarithm beyond which a scan is out of range.
        subjects: that the limits come from.
    """

    names: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...]
    features: np.ndarray
    scales: np.ndarray
    picture: np.ndarray
    cells: np.ndarray
    width: float
    usual: Mapping[str, float]
    limits: Mapping[str, float]
    subjects: int

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return tree_of(self.cells, self.width)

    def judge(self, volume: Volume) -> Familiarity:
        """Compares the fast scan of somebody with them.

        Args:
            volume: all maps of ``names``, on any grid.

        Raises:
            ValueError: a map is missing.
        """
        return self.compare(features_of(volume.select(self.names)))

    def compare(self, found: Features | None) -> Familiarity:
        """The same from what describes a scan; None stands for a scan without a head."""
        if found is None:
            return Familiarity({HEAD: NO_HEAD}, ("no head was found",), (), self.subjects)
        row = _row(found, self.picture)
        apart = distances(found.tiles, found.where, self._tree, found.shape)
        logs = _nearest(row, self.features, self.scales, self.kinds)
        logs[PLACES] = _log(apart.max())
        scores = {
            kind: float((log - self.usual[kind]) / (self.limits[kind] - self.usual[kind]))
            for kind, log in logs.items()
        }
        odd = np.argwhere(apart > np.exp(self.limits[PLACES]))
        mean = dict(self._split(row - self.features.mean(0)))
        worst = sorted((kind for kind in scores if scores[kind] > 1.0), key=lambda k: -scores[k])
        slices = sorted({int(z) for z, _, _ in odd})
        reasons = tuple(
            _lying(mean[kind], row[-mean[kind].size :])
            if kind == LYING
            else reason_of(kind, mean.get(kind, NONE), maps=len(self.names), slices=slices)
            for kind in worst
        )
        return Familiarity(scores, reasons, _middles(odd), self.subjects)

    def _split(self, row: np.ndarray) -> list[tuple[str, np.ndarray]]:
        ends = np.cumsum([count for _, count in self.kinds])[:-1]
        return [
            (kind, part) for (kind, _), part in zip(self.kinds, np.split(row, ends), strict=True)
        ]


def know(
    names: tuple[str, ...], trained: Sequence[Features], validated: Sequence[Features]
) -> KnownScans | None:
    """What is kept of subjects; None of too few to tell what is usual.

    Args:
        names: the maps.
        trained: of the subjects that a model learns from.
        validated: of others of the same kind.
    """
    everybody = [*trained, *validated]
    if len(trained) < LEAST_TRAINED or len(everybody) < LEAST_SUBJECTS:
        return None
    pictures = np.stack([one.picture for one in trained])
    rows = np.stack([_row(one, pictures.mean(0)) for one in everybody])
    kinds = (
        *((kind, len(part)) for kind, part in trained[0].kinds.items()),
        (LYING, 1 + len(TURNED)),
    )
    floors = np.concatenate([np.full(count, _floor(kind)) for kind, count in kinds])
    scales = np.maximum(rows.std(0, ddof=1), floors)
    cells = tally([one.tiles for one in trained])
    logs = []
    for index, one in enumerate(everybody):
        row, others, mine = rows[index], rows[: len(trained)], cells
        if index < len(trained):  # compared with the others, and to their picture
            row = _row(one, np.delete(pictures, index, 0).mean(0))
            others, mine = np.delete(others, index, 0), cells.without(one.tiles)
        logs.append(_nearest(row, others, scales, kinds) | {PLACES: _oddest(one, mine)})
    usual, limits = _limits(logs)
    return KnownScans(
        names=names,
        kinds=kinds,
        features=rows[: len(trained)].astype(np.float32),
        scales=scales.astype(np.float32),
        picture=pictures.mean(0).astype(np.float32),
        cells=cells.cells,
        width=cells.width,
        usual=usual,
        limits=limits,
        subjects=len(everybody),
    )


def _oddest(one: Features, known: Tally) -> float:
    """Logarithm of the distance of a scan's oddest place."""
    return _log(distances(one.tiles, one.where, known.tree(), one.shape).max())


def _floor(kind: str) -> float:
    return FLOORS.get(kind, LYING_FLOOR if kind == LYING else VALUE_FLOOR)


def _row(one: Features, template: np.ndarray) -> np.ndarray:
    """All numbers of a scan in one row: its kinds, then how it lies against a template."""
    upright = _alike(one.picture, template)
    turned = [upright - _alike(turn(one.picture), template) for _, turn in TURNED]
    return np.concatenate([*one.kinds.values(), [upright, *turned]]).astype(np.float64)


def _alike(picture: np.ndarray, template: np.ndarray) -> float:
    """Correlation of two pictures."""
    return float(np.corrcoef(picture.ravel(), template.ravel())[0, 1])


def _nearest(
    row: np.ndarray, others: np.ndarray, scales: np.ndarray, kinds: Sequence[tuple[str, int]]
) -> dict[str, float]:
    """Logarithm of the distance to the nearest other scan, by kind, from root mean squares."""
    squares = np.square((others - row) / scales)
    found, start = {}, 0
    for kind, count in kinds:
        found[kind] = _log(np.sqrt(squares[:, start : start + count].mean(1)).min())
        start += count
    return found


def _log(distance: float) -> float:
    return float(np.log(max(distance, 1e-3)))


def _limits(logs: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and upper prediction limit of every kind."""
    n, kinds = len(logs), list(logs[0])
    factor = stats.t.ppf(1.0 - FALSE_ALARMS / len(kinds), n - 1) * np.sqrt(1.0 + 1.0 / n)
    table = np.array([[one[kind] for kind in kinds] for one in logs])
    means, spreads = table.mean(0), np.maximum(table.std(0, ddof=1), LEAST_SPREAD)
    return (
        dict(zip(kinds, means.tolist(), strict=True)),
        dict(zip(kinds, (means + factor * spreads).tolist(), strict=True)),
    )


def _lying(apart: np.ndarray, lying: np.ndarray) -> str:
    """How the head lies otherwise, in words."""
    best = int(np.argmin(lying[1:]))
    if lying[1 + best] < 0.0:
        return f"the head looks {TURNED[best][0]}"
    return (
        "place, size or coverage of the head (its picture correlates with training's by "
        f"{-apart[0]:.2f} less than usual)"
    )


def _middles(odd: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(z), int(y) * SIDE + SIDE // 2, int(x) * SIDE + SIDE // 2) for z, y, x in odd)
