"""What training carries from step to step, and the networks it belongs to."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax

Variables = Mapping[str, Any]
"""{"params": …, "batch_stats": …} of one Flax network."""


@dataclasses.dataclass(frozen=True)
class Networks:
    """The two networks, the frozen features and the optimisers: everything that is not state.

    Attributes:
        generator: maps (n, h, w, 1) to (n, s*h, s*w, 1), network scale.
        discriminator: maps (n, H, W, 1) to logits (n,).
        features: the frozen network of the content loss.
        optimizer: used once for each network, with a state of its own.
    """

    generator: nn.Module
    discriminator: nn.Module
    features: nn.Module
    optimizer: optax.GradientTransformation


@flax.struct.dataclass
class GanState:
    """A complete, donated-in donated-out training state.

    ``step`` counts finished steps; ``average`` is the generator's running average, empty if none.
    """

    step: jax.Array
    generator: Variables
    discriminator: Variables
    generator_opt: optax.OptState
    discriminator_opt: optax.OptState
    average: Variables

    @property
    def served(self) -> Variables:
        """The generator that validation and prediction use: the average where one is kept."""
        return self.average or self.generator


def init_state(
    key: jax.Array, networks: Networks, *, lr_shape: tuple[int, int], averaged: bool
) -> GanState:
    """Draws both networks and their optimiser states.

    Args:
        key: PRNG key.
        networks: what to initialise.
        lr_shape: (h, w) of a coarse image; no parameter's shape depends on it.
        averaged: whether to keep a running average of the generator.
    """
    key_g, key_d = jax.random.split(key)
    lr = jnp.zeros((1, *lr_shape, 1))
    generator = networks.generator.init(key_g, lr, train=False)
    sr = jax.eval_shape(lambda v, x: networks.generator.apply(v, x, train=False), generator, lr)
    discriminator = networks.discriminator.init(key_d, jnp.zeros(sr.shape), train=False)
    return GanState(
        step=jnp.zeros((), jnp.int32),
        generator=generator,
        discriminator=discriminator,
        generator_opt=networks.optimizer.init(generator["params"]),
        discriminator_opt=networks.optimizer.init(discriminator["params"]),
        # A copy: the compiled step donates its state, and one buffer cannot be given away twice.
        average=jax.tree.map(jnp.copy, generator) if averaged else {},
    )


def staircase_adam(
    *, learning_rate: float, decay_every: int, decay_factor: float
) -> optax.GradientTransformation:
    """Adam whose rate is multiplied by ``decay_factor`` every ``decay_every`` updates (paper)."""
    schedule = optax.exponential_decay(learning_rate, decay_every, decay_factor, staircase=True)
    return optax.adam(schedule)
