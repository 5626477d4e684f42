"""One optimiser per role, all on one calendar."""

import optax

from qsr_jax.objectives.srgan import DISCRIMINATOR
from qsr_jax.training.options import OptimizerOptions
from qsr_jax.training.state import Optimizers


def make_optimizers(
    roles: tuple[str, ...], options: OptimizerOptions, *, total_steps: int, warmup_steps: int
) -> Optimizers:
    """Adam for every role, at the rate of the step, not of the role's own number of updates.

    A discriminator that waits through a warm-up would otherwise begin at the first rate while the
    generator's has long fallen.

    Args:
        roles: who learns.
        options: the rate and how it falls.
        total_steps: of the training.
        warmup_steps: that the discriminator waits.
    """
    late = {DISCRIMINATOR: warmup_steps}
    return {
        role: optax.adam(_delayed(rate_of(options, total_steps=total_steps), late.get(role, 0)))
        for role in roles
    }


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
