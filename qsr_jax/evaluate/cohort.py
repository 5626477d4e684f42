"""The values of all persons, found by what they measure."""

from collections.abc import Sequence

import numpy as np

from qsr_jax.data.manifest import HEALTHY
from qsr_jax.evaluate.measure import BICUBIC, TRAINED, Value


class Cohort:
    """The values of all persons, found by what they measure.

    Attributes:
        values: the rows, in order.
        maps: maps that have values, in order.
        methods: compared with routine, in order: bicubic, trained, and any other.
        group: person to group, in order.
    """

    def __init__(self, values: Sequence[Value]) -> None:
        self.values = tuple(values)
        self.maps = tuple(dict.fromkeys(v.map for v in values))
        self.methods = tuple(dict.fromkeys(v.method for v in values if v.kind == "image"))
        self.group = {v.person: v.group for v in values}
        missing = {BICUBIC, TRAINED} - set(self.methods)
        if missing:
            raise ValueError(f"no values of {' and '.join(sorted(missing))}; both are compared")
        self._index: dict[tuple, dict[str, float]] = {}
        for v in values:
            key = (v.kind, v.place, v.map, v.quantity, v.method)
            if v.person in self._index.setdefault(key, {}):
                raise ValueError(f"two values of {key} for person {v.person}")
            self._index[key][v.person] = v.value

    def places(self, kind: str, group: str) -> tuple[str, ...]:
        """Places of a kind in a group, in order of appearance."""
        rows = (v for v in self.values if v.kind == kind and v.group == group)
        return tuple(dict.fromkeys(v.place for v in rows))

    def everybody(self, kind: str, place: str, name: str, quantity: str, method: str) -> np.ndarray:
        """One value per person (persons,), healthy and patients, in the order of ``group``."""
        found = self._index[kind, place, name, quantity, method]
        return np.array([found[person] for person in self.group], np.float64)

    def means(self, kind: str, places: Sequence[str], name: str, method: str) -> np.ndarray:
        """Mean values of the healthy persons who have every place.

        Returns:
            (persons,) for one place, (persons, places) for more; the same persons for every method.
        """
        columns = [self._index[kind, place, name, "mean", method] for place in places]
        persons = [
            p for p, g in self.group.items() if g == HEALTHY and all(p in c for c in columns)
        ]
        table = np.array([[c[p] for c in columns] for p in persons]).reshape(-1, len(places))
        return table[:, 0] if len(places) == 1 else table
