"""The paper's objective, equations 1 to 4: a generator, and a discriminator that judges it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax import losses
from qsr_jax.losses import LOSSES
from qsr_jax.objectives.objective import Term, Variables, Watched, exact, output_of, run
from qsr_jax.objectives.weighted_terms import (
    TermOptions,
    check_spread,
    check_terms,
    feature_terms,
    pixel_terms,
)
from qsr_jax.tasks import Example, Task

GENERATOR, DISCRIMINATOR = "generator", "discriminator"


@dataclasses.dataclass(frozen=True)
class Srgan:
    """Equation 4, or its terms of pixels alone while ``adversarial`` is False (warm-up).

    Attributes:
        task: what the network learns.
        generator: maps inputs to outputs.
        discriminator: maps (n, h, w, c) to logits (n,).
        features: the frozen network of the content loss, or None.
        table: loss name to its options.
        adversarial: False leaves out every term that needs a discriminator or features.
        frozen_norm: True normalises the generator by its running statistics and leaves them, so
            that what is trained is what predicts.
        relativistic: whether the discriminator compares real and generated images (ESRGAN) instead
            of judging each alone; its means are over the batch of all devices, or, where a device
            takes its share in parts, over each part.

    Raises:
        ValueError: a loss that is not known, no weight, or a generator that tells its spread.
    """

    task: Task
    generator: nn.Module
    discriminator: nn.Module
    features: nn.Module | None
    table: Mapping[str, TermOptions]
    adversarial: bool = True
    frozen_norm: bool = False
    relativistic: bool = False
    served: str = GENERATOR

    def __post_init__(self) -> None:
        """Refuses a table that cannot be minimised."""
        known = {"pixel", "maps", "measured", "adversarial", "features"}
        check_terms(self.table, known=frozenset(known))
        check_spread(self.table, self.generator)

    @property
    def _judged(self) -> dict[str, TermOptions]:
        """The terms that need the discriminator, where it plays."""
        adversarial = self.table.items() if self.adversarial else ()
        return {k: o for k, o in adversarial if o.weight and LOSSES[k].kind == "adversarial"}

    @property
    def turns(self) -> tuple[str, ...]:
        """The discriminator first; it waits while nothing depends on it."""
        return (DISCRIMINATOR, GENERATOR) if self._judged else (GENERATOR,)

    def init(self, key: jax.Array, example: Example) -> dict[str, Variables]:
        """Draws both networks, the discriminator too where it does not play yet."""
        for_g, for_d = jax.random.split(key)
        generator = self.generator.init(for_g, example.inputs["lr"], train=False)
        discriminator = self.discriminator.init(for_d, jnp.zeros_like(example.target))
        return {GENERATOR: generator, DISCRIMINATOR: discriminator}

    def forward(self, variables: Variables, example: Example) -> tuple[jax.Array, Variables]:
        """G(lr), and its new running statistics."""
        return run(self.generator, variables, example.inputs["lr"], train=not self.frozen_norm)

    def terms(
        self, players: Mapping[str, Variables], frozen: Any, example: Example
    ) -> dict[str, Term]:
        """Equation 4 against the discriminator as it is now."""
        terms = pixel_terms(self.table, self.task, example)
        if not self.adversarial:
            return terms
        for name, options in self._judged.items():

            def values(sr: jax.Array, name: str = name) -> jax.Array:
                logits = output_of(self.discriminator, players[DISCRIMINATOR], sr)
                if not self.relativistic:
                    return LOSSES[name].values(logits)
                real = output_of(self.discriminator, players[DISCRIMINATOR], example.target)
                return self._compared(logits, real)

            terms[name] = Term(values, options.weight, options.reduction)
        return terms | feature_terms(self.table, self.features, frozen, example)

    def opposed(
        self, role: str, variables: Variables, output: jax.Array, example: Example
    ) -> tuple[jax.Array, Watched, Variables]:
        """The discriminator's cross-entropy on the routine and the generated images.

        They go through it together, each normalised by statistics of its own, as SRGAN programs
        do; the paper does not say. (With shared statistics it would be another loss.)
        """
        del role
        both = jnp.concatenate([example.target, output])
        real, fake = jnp.split(output_of(self.discriminator, variables, both, groups=2), 2)
        if self.relativistic:
            values = self._compared(real, fake)
            apart = real - fake
            return values, {"p_real": jax.nn.sigmoid(apart), "p_fake": jax.nn.sigmoid(-apart)}, {}
        watched = {"p_real": jax.nn.sigmoid(real), "p_fake": jax.nn.sigmoid(fake)}
        return losses.discriminator(real, fake), watched, {}

    def _compared(self, logits: jax.Array, others: jax.Array) -> jax.Array:
        axis_name = getattr(self.discriminator, "axis_name", None)
        return losses.relativistic(logits, others, axis_name=axis_name)

    def probe(self, variables: Variables, example: Example) -> jax.Array:
        """The generator as it predicts."""
        return run(exact(self.generator), variables, example.inputs["lr"], train=False)[0]

    def baseline(self, task: Task, example: Example) -> jax.Array:
        """Interpolation."""
        return task.baseline(example.inputs)
