"""One optimiser per role, all on one calendar."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from qsr_jax.objectives.srgan import DISCRIMINATOR
from qsr_jax.training.options import OptimizerOptions
from qsr_jax.training.state import Optimizers


def make_optimizers(
    roles: tuple[str, ...],
    options: OptimizerOptions,
    *,
    total_steps: int,
    warmup_steps: int,
    hold: Mapping[str, float] | None = None,
) -> Optimizers:
    """Adam for every role, at the rate of the step, not of the role's own number of updates.

    A discriminator that waits through a warm-up would otherwise begin at the first rate while the
    generator's has long fallen.

    Args:
        roles: who learns.
        options: the rate and how it falls.
        total_steps: of the training.
        warmup_steps: that the discriminator waits.
        hold: role to the strength of :func:`held`.
    """
    late, strengths = {DISCRIMINATOR: warmup_steps}, hold or {}

    def one(role: str) -> optax.GradientTransformation:
        rate = _delayed(rate_of(options, total_steps=total_steps), late.get(role, 0))
        if not strengths.get(role):
            return optax.adam(rate)
        pull = held(strengths[role])
        return optax.chain(optax.scale_by_adam(), pull, optax.scale_by_learning_rate(rate))

    return {role: one(role) for role in roles}


class Anchor(NamedTuple):
    """Attributes: weights: where the training began."""

    weights: Any


def held(strength: float) -> optax.GradientTransformation:
    """Adds ``strength`` times the way from the first weights to an update, before its rate.

    The penalty of L2-SP (Li 2018, arXiv:1802.01483), decoupled from Adam's scaling as weight decay
    is in AdamW (Loshchilov 2019, arXiv:1711.05101). Adam moves a weight by at most about its rate,
    so no weight gets much farther than 1 / ``strength``.

    Example:
        >>> w = {"kernel": jnp.array([1.0, 2.0])}
        >>> pull = held(10.0)
        >>> moved = {"kernel": jnp.array([1.1, 2.0])}
        >>> updates, _ = pull.update({"kernel": jnp.zeros(2)}, pull.init(w), moved)
        >>> [round(float(u), 4) for u in updates["kernel"]]
        [1.0, 0.0]
    """

    def init(weights: Any) -> Anchor:
        return Anchor(jax.tree.map(jnp.copy, weights))  # the step donates the weights themselves

    def update(updates: Any, state: Anchor, weights: Any = None) -> tuple[Any, Anchor]:
        moved = jax.tree.map(
            lambda u, now, first: u + strength * (now - first), updates, weights, state.weights
        )
        return moved, state

    return optax.GradientTransformation(init, update)


def rate_of(options: OptimizerOptions, *, total_steps: int) -> optax.Schedule:
    """The learning rate at a step.

    Example:
        >>> rate = rate_of(OptimizerOptions(decay_every=10, decay_factor=0.5), total_steps=100)
        >>> [round(float(rate(step)), 6) for step in (0, 9, 10)]
        [0.001, 0.001, 0.0005]
    """
    if options.schedule == "cosine":
        return optax.cosine_decay_schedule(options.learning_rate, max(total_steps, 1))
    assert options.decay_every is not None
    assert options.decay_factor is not None
    return optax.exponential_decay(
        options.learning_rate, options.decay_every, options.decay_factor, staircase=True
    )


def _delayed(rate: optax.Schedule, steps: int) -> optax.Schedule:
    return rate if not steps else lambda count: rate(count + steps)
