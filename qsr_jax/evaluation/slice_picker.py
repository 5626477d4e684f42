"""Which slices a report shows: of the first subject of each group, and where trained maps err most.

They are kept while the maps of their subject are in memory.
"""

import threading
from collections.abc import Collection, Mapping, Sequence

from qsr_jax.data.studies.case import Case
from qsr_jax.evaluation.measure.example_slices import Example, example_slice
from qsr_jax.evaluation.values import SLICES, TRAINED, Value, slice_index
from qsr_jax.types import Prediction


class SlicePicker:
    """Slices that may be shown: of the first subject of each group, and the worst so far."""

    def __init__(self, firsts: Collection[str]) -> None:
        self._firsts = firsts
        self._worst: dict[str, float] = {}
        self._held: dict[tuple[str, int | None], Example] = {}
        self._lock = threading.Lock()

    def look(self, case: Case, made: Mapping[str, Prediction], values: Sequence[Value]) -> None:
        """Keeps what is wanted of a subject while the maps are in memory."""
        with self._lock:
            if case.subject in self._firsts:
                self._held[case.subject, None] = example_slice(case, made)
            for name, (size, index) in worst_slices(values).items():
                if size > self._worst.get(name, -1.0):
                    self._worst[name] = size
                    self._held[case.subject, index] = example_slice(case, made, index=index)

    def get(self, subject: str, index: int | None) -> Example | None:
        """A slice that was kept, or None."""
        return self._held.get((subject, index))


def worst_slices(values: Sequence[Value]) -> dict[str, tuple[float, int]]:
    """Map to largest slice RMSE of the trained model (mean over trainings) and its index."""
    found: dict[tuple[str, str], list[float]] = {}
    for v in values:
        if (v.kind, v.quantity, v.method) == (SLICES, "rmse", TRAINED):
            found.setdefault((v.map, v.place), []).append(v.value)
    worst: dict[str, tuple[float, int]] = {}
    for (name, place), sizes in found.items():
        size = sum(sizes) / len(sizes)
        worst[name] = max(worst.get(name, (-1.0, -1)), (size, slice_index(place)))
    return worst
