"""Data consistency and a prior by turns: what the loops with a denoiser share.

Alternating directions with a scaled dual, the noise that the denoiser is told falling from round to
round (Zhang 2021, doi:10.1109/TPAMI.2021.3088914).
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

from qsr_jax.reconstruct.problem import Problem
from qsr_jax.reconstruct.series import damped_least_squares, less_variation, proximal_gradient

VARIATION_ROUNDS = 8
"""Steps of data consistency where total variation stands beside it."""

Found = TypeVar("Found")


@dataclasses.dataclass(frozen=True)
class PlugAndPlay:
    """Settings of the loop.

    Attributes:
        sigmas: standard deviation of the noise that the denoiser is told, round by round, of
            images whose bright values are 1.
        strength: ``rho = strength / sigma^2`` weighs the target against the data.
        weight: of the weighted images against the coefficients in the joint match.
        rounds: of conjugate gradients in every round but the first.
        dual: keeps the scaled dual variable; without it, half-quadratic splitting.
        variation: weight of the total variation of the coefficient images, over the strength and
            the largest ``|b|``; 0 leaves it out.
        turns: whether every round shows the denoiser another orientation.
    """

    sigmas: tuple[float, ...] = (0.10, 0.07, 0.05, 0.035, 0.025, 0.018, 0.013, 0.010)
    strength: float = 1e-3
    weight: float = 12.0
    rounds: int = 6
    dual: bool = True
    variation: float = 0.0
    turns: bool = False

    def __post_init__(self) -> None:
        """Refuses settings for which the loop means nothing."""
        if (
            not self.sigmas
            or min(self.sigmas) <= 0
            or list(self.sigmas) != sorted(self.sigmas, reverse=True)
        ):
            raise ValueError(f"sigmas {self.sigmas}; expected falling values above 0")
        if not (self.strength > 0 and self.weight > 0 and self.rounds >= 1):
            raise ValueError(
                f"strength {self.strength}, weight {self.weight}, {self.rounds} rounds; expected "
                "all above 0"
            )
        if not self.variation >= 0:
            raise ValueError(f"variation {self.variation}; expected at least 0")


def alternate(
    problem: Problem,
    project: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, Found]],
    settings: PlugAndPlay,
) -> tuple[jax.Array, Found]:
    """The last target, (k, y, x), and what else the last projection found.

    Args:
        problem: the slice.
        project: (images (k, y, x), sigma, turn) to the nearest the prior knows, and anything else;
            the turn is that of :func:`~qsr_jax.reconstruct.denoisers.denoised`.
        settings: of the loop.
    """
    x, target, dual = problem.adjoint, problem.adjoint, jnp.zeros_like(problem.adjoint)
    before, found = settings.sigmas[0], None
    for number, sigma in enumerate(settings.sigmas):
        if number:
            # rho has changed, and the scaled dual is the dual over rho
            dual = dual * (sigma / before) ** 2
            rho = jnp.float32(settings.strength / sigma**2)
            x = _consistent(problem, problem.adjoint + rho * (target - dual), x, rho, settings)
        moved = x + dual
        turn = jnp.int32(number if settings.turns else 0)
        target, found = project(moved, jnp.float32(sigma), turn)
        dual = (moved - target) * jnp.float32(settings.dual)
        before = sigma
    assert found is not None  # there is at least one round
    return target, found


def _consistent(
    problem: Problem,
    right: jax.Array,
    start: jax.Array,
    rho: jax.Array,
    settings: PlugAndPlay,
) -> jax.Array:
    """Images near the data and the target."""
    if not settings.variation:
        return damped_least_squares(problem, right, start, rho=rho, rounds=settings.rounds)
    weight = settings.variation * settings.strength * jnp.max(jnp.abs(problem.adjoint))
    return proximal_gradient(
        problem,
        right,
        start,
        less_variation,
        weight,
        rounds=VARIATION_ROUNDS,
        rho=rho,
    )
