"""The values of all subjects, found by what they measure."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from qsr_jax.data.studies.manifest import HEALTHY
from qsr_jax.evaluation.values import NEEDS_BOTH, TRAINED, Value

RowT = TypeVar("RowT")


@dataclasses.dataclass(frozen=True)
class FoldSeed:
    """Which subjects a training left out ("3/5", or a number), and its seed if known."""

    fold: str
    seed: int | None


class Cohort:
    """The values of all subjects, found by what they measure.

    A subject who was predicted by several trainings counts once, with the mean of their values.

    Attributes:
        values: the rows, in order.
        maps: maps that have values, in order.
        methods: compared with routine in everybody, in order: baselines, trained, truth.
        group: subject to group, in order.
        runs: the trainings, in order.
        folds: run to its fold and seed; empty where there is one training.
    """

    def __init__(
        self, values: Sequence[Value], *, folds: Mapping[str, FoldSeed] | None = None
    ) -> None:
        """Sorts the values in.

        Raises:
            ValueError: no values of bicubic or of the trained model, or two of the same number.
        """
        self.values = tuple(values)
        self.folds = dict(folds or {})
        self._rows: dict[Callable[..., Any], list[Any]] = {}
        images = [v for v in values if v.kind == "image"]
        self.maps = tuple(dict.fromkeys(v.map for v in images))
        self.group = {v.subject: v.group for v in values}
        self.runs = tuple(dict.fromkeys(v.run for v in values))
        found = dict.fromkeys(v.method for v in images)
        missing = set(NEEDS_BOTH) - set(found)
        if missing:
            raise ValueError(f"no values of {' and '.join(sorted(missing))}; both are compared")
        self._runs: dict[tuple, dict[str, dict[str, float]]] = {}
        for v in values:
            key = (v.kind, v.place, v.map, v.quantity, v.method)
            runs = self._runs.setdefault(key, {}).setdefault(v.subject, {})
            if v.run in runs:
                raise ValueError(f"two values of {key} for subject {v.subject}")
            runs[v.run] = v.value
        self._index = {
            key: {
                subject: float(np.mean(list(runs.values()))) for subject, runs in subjects.items()
            }
            for key, subjects in self._runs.items()
        }
        everybody = {
            method: {v.subject for v in images if v.method == method} == set(self.group)
            for method in found
        }
        self.methods = tuple(m for m in found if everybody[m])

    def rows(self, compute: "Callable[[Cohort], Iterable[RowT]]") -> list[RowT]:
        """The rows of a table, computed once and remembered.

        Args:
            compute: makes the rows from this cohort; a function of a file of
                :mod:`qsr_jax.evaluation.sections`.
        """
        if compute not in self._rows:
            self._rows[compute] = list(compute(self))
        return self._rows[compute]

    def places(self, kind: str, group: str | None) -> tuple[str, ...]:
        """Places of a kind in a group, in order of appearance; None stands for everybody."""
        rows = (v for v in self.values if v.kind == kind and group in (None, v.group))
        return tuple(dict.fromkeys(v.place for v in rows))

    def of(
        self, kind: str, place: str, name: str, quantity: str, method: str, *, run: str = ""
    ) -> dict[str, float]:
        """Subject to value, of those who have it; of one training, or their mean over trainings."""
        key = (kind, place, name, quantity, method)
        if run:
            subjects = self._runs.get(key, {})
            return {subject: runs[run] for subject, runs in subjects.items() if run in runs}
        return dict(self._index.get(key, {}))

    def everybody(self, kind: str, place: str, name: str, quantity: str, method: str) -> np.ndarray:
        """One value per subject (subjects,), healthy and patients, in the order of ``group``."""
        found = self._index[kind, place, name, quantity, method]
        return np.array([found[subject] for subject in self.group], np.float64)

    def healthy(self, kind: str, places: Sequence[str], name: str) -> list[str]:
        """The healthy subjects who have every place, in order."""
        columns = [self._index[kind, place, name, "mean", TRAINED] for place in places]
        return [p for p, g in self.group.items() if g == HEALTHY and all(p in c for c in columns)]

    def means(self, kind: str, places: Sequence[str], name: str, method: str) -> np.ndarray:
        """Mean values of the healthy subjects who have every place.

        Returns:
            (subjects,) for one place, (subjects, places) for more; all methods have the same
            subjects.
        """
        columns = [self._index[kind, place, name, "mean", method] for place in places]
        subjects = self.healthy(kind, places, name)
        table = np.array([[c[p] for c in columns] for p in subjects]).reshape(-1, len(places))
        return table[:, 0] if len(places) == 1 else table
