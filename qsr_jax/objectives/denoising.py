"""A denoiser ``(x, sigma) -> x``: it learns to take white noise of any strength off the target."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from qsr_jax.objectives.objective import Term, Variables, exact, output_of
from qsr_jax.objectives.regression import Regression
from qsr_jax.tasks import Example, Task

PROBED = 0.5
"""Noise of validation, in parts of ``sigma_max``."""


@dataclasses.dataclass(frozen=True)
class Denoising(Regression):
    """:class:`~qsr_jax.objectives.regression.Regression` of the target on itself with noise.

    Each sample gets a strength of its own, uniform between 0 and ``sigma_max`` or, where there is a
    ``sigma_min``, uniform in its logarithm, which the network is told (Zhang 2018, FFDNet,
    arXiv:1710.04026). Noise and strength are keyed by (seed, step, sample). Losses of a network
    that counts in noise (``noise_units``) are divided by the sample's strength: without, weak noise
    hardly counts, and a network may then harm what it hardly needs to touch.

    Attributes:
        sigma_max: strongest noise, standard deviation in network scale.
        sigma_min: weakest noise, or None.

    Raises:
        ValueError: a strength that cannot be, a network that tells its spread, or what
            :class:`~qsr_jax.objectives.regression.Regression` refuses.
    """

    sigma_max: float = 0.2
    sigma_min: float | None = None

    def __post_init__(self) -> None:
        """Refuses a strength that cannot be."""
        super().__post_init__()
        if getattr(self.network, "spread", False):
            raise ValueError("model.spread is True; objective 'denoising' makes maps alone: False")
        if not 0.0 < self.sigma_max <= 2.0:
            raise ValueError(
                f"objective.sigma_max is {self.sigma_max}; expected above 0, at most 2 (network "
                "scale is 2 wide)"
            )
        if self.sigma_min is not None and not 0.0 < self.sigma_min < self.sigma_max:
            raise ValueError(
                f"objective.sigma_min is {self.sigma_min}; expected above 0, below sigma_max "
                f"{self.sigma_max}, or none"
            )

    def seen(self, example: Example) -> tuple[jax.Array, ...]:
        """Noisy targets (n, h, w, c) and their strengths (n,)."""

        def one(key: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            for_strength, for_noise = jax.random.split(key)
            sigma = self._strength(jax.random.uniform(for_strength, (), x.dtype))
            return x + sigma * jax.random.normal(for_noise, x.shape, x.dtype), sigma

        return jax.vmap(one)(example.keys, example.target)

    def terms(
        self, players: Mapping[str, Variables], frozen: Any, example: Example
    ) -> dict[str, Term]:
        """The table, each sample's values over its strength where the network counts in noise."""
        terms = super().terms(players, frozen, example)
        if not getattr(self.network, "noise_units", False):
            return terms
        sigma = self.seen(example)[1]

        def over_noise(term: Term) -> Term:
            return dataclasses.replace(term, values=lambda output: term.values(output) / sigma)

        return {name: over_noise(term) for name, term in terms.items()}

    def _strength(self, drawn: jax.Array) -> jax.Array:
        """The strength for a number drawn between 0 and 1."""
        if self.sigma_min is None:
            return self.sigma_max * drawn
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** drawn

    def probe(self, variables: Variables, example: Example) -> jax.Array:
        """The target with noise of one strength, denoised."""
        noisy, sigma = self._probed(example)
        return self.denoise(variables, noisy, sigma)

    def denoise(self, variables: Variables, x: jax.Array, sigma: jax.Array) -> jax.Array:
        """The denoiser: (n, h, w, c) and (n,) to (n, h, w, c), network scale."""
        return output_of(exact(self.network), variables, x, sigma, train=False)

    def baseline(self, task: Task, example: Example) -> jax.Array:
        """Doing nothing: a denoiser that is no better has learned nothing."""
        del task
        return self._probed(example)[0]

    def _probed(self, example: Example) -> tuple[jax.Array, jax.Array]:
        strength = PROBED * self.sigma_max

        def one(key: jax.Array, x: jax.Array) -> jax.Array:
            return x + strength * jax.random.normal(key, x.shape, x.dtype)

        target = example.target
        return jax.vmap(one)(example.keys, target), jnp.full(len(target), strength, target.dtype)
