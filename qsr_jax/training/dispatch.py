"""Several training steps in one call of the compiled program."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from qsr_jax.training.state import GanState
from qsr_jax.training.steps import Step
from qsr_jax.training.terms import Metrics
from qsr_jax.types import Batch


def several(step: Step, *, count: int, unroll: bool) -> Step:
    """``count`` steps as one: its batch has a leading axis of steps, and so have its metrics.

    Args:
        step: one step.
        count: how many.
        unroll: write them out instead of looping, see
            :class:`qsr_jax.training.compute_options.Computing`.
    """
    if count == 1:
        return step

    def steps(state: GanState, frozen: Any, batches: Batch) -> tuple[GanState, Metrics]:
        def one(state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
            return step(state, frozen, batch)

        return jax.lax.scan(one, state, batches, length=count, unroll=unroll)

    return steps


def together(split: Sequence[Batch]) -> Batch:
    """Batches that are split over devices (devices, n, …) as one (devices, steps, n, …)."""
    if len(split) == 1:
        return split[0]
    return {name: np.stack([batch[name] for batch in split], axis=1) for name in split[0]}


def one_by_one(metrics: Metrics, count: int) -> list[Metrics]:
    """Metrics of each step, from those of :func:`several`."""
    if count == 1:
        return [metrics]
    return [{name: values[place] for name, values in metrics.items()} for place in range(count)]
