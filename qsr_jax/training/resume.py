"""Where a training begins: fresh, or at the newest whole checkpoint of its workdir."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jax

from qsr_jax.checkpoint import Checkpoints
from qsr_jax.objectives import Variables
from qsr_jax.training.changes import Claim
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.parallel import replicate
from qsr_jax.training.plan import Plan, sample_example
from qsr_jax.training.processes import from_first, on_first, say
from qsr_jax.training.state import TrainState, init_state
from qsr_jax.training.workdir import adopt, claim_workdir, how_exactly


def start_state(
    plan: Plan, older: Callable[[TrainState], tuple[TrainState, int]]
) -> tuple[TrainState, int]:
    """A fresh state, or the newest whole checkpoint's; process 0's, on all devices of all.

    A fresh one begins with the weights of the plan's start, if it has one.
    """

    def fresh(served: Variables | None) -> TrainState:
        return init_state(
            jax.random.key(plan.experiment.seed),
            plan.last,
            sample_example(plan.task),
            plan.optimizers,
            averaged=plan.experiment.average.decay > 0.0,
            served=served,
        )

    begun = None if plan.start is None else plan.start.variables
    devices = plan.devices
    state = replicate(jax.jit(fresh)(begun), devices=devices)
    found = on_first(lambda: older(state))
    state, step = from_first((state, 0) if found is None else found)
    return replicate(state, devices=devices), int(step)


def newest_state(
    checkpoints: Checkpoints,
    document: dict[str, Any],
    claim: Claim,
    state: TrainState,
    *,
    strict: bool,
) -> tuple[TrainState, int]:
    """The newest whole checkpoint's state and step, or ``state`` and 0 if there is none."""
    aside = checkpoints.set_damaged_aside(strict=strict)
    for told in aside:
        say(told)
    if checkpoints.newest_step is None:
        if aside:
            say("no whole checkpoint is left: begins anew at step 0")
        return state, 0
    step, state, found = checkpoints.restore(state)
    changes = adopt(claim, found, document, step=step)
    how = how_exactly(found["environment"], document["environment"])
    new = f"; changed and allowed: {', '.join(changes)}" if changes else ""
    say(f"goes on after step {step}, {how}{new}")
    return state, step


def open_workdir(
    workdir: Path, experiment: Experiment, allowed: Collection[str]
) -> tuple[Checkpoints, Claim]:
    """The checkpoints of a workdir that belongs to these settings, or to none yet."""
    checkpoints = Checkpoints(workdir, keep=experiment.cadence.keep)
    begun = checkpoints.newest_step is not None
    return checkpoints, claim_workdir(workdir, experiment, begun=begun, allowed=allowed)
