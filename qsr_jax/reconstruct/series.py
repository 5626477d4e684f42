"""Methods that find the coefficient images first; :func:`matched_images` matches them afterwards.

None keeps anything between calls. :class:`qsr_jax.reconstruct.head.Method` calls them by name; its
"svd" matches the adjoint images (McGivney 2014, doi:10.1109/TMI.2014.2337321).
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg

from qsr_jax.physics.fingerprint_dictionary import Dictionary
from qsr_jax.physics.fingerprint_matching import matching_table
from qsr_jax.reconstruct.low_rank import BLOCK, shrink_blocks
from qsr_jax.reconstruct.problem import (
    FingerprintMaps,
    Problem,
    maps_of,
    phase_and_match,
)
from qsr_jax.reconstruct.total_variation import smooth_total_variation

ROUNDS = 30
"""Steps of the accelerated proximal gradient."""
SENSE_ROUNDS, SENSE_DAMPING = 15, 1e-3
"""Of conjugate gradients without a prior: rounds, and what is added to the normal operator."""
SHIFT_SEED = 0
"""Of the random shifts of the blocks."""

Proximal = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""(images, threshold, key of the round) to images."""


def matched_images(images: jax.Array, problem: Problem, dictionary: Dictionary) -> FingerprintMaps:
    """Maps of coefficient images (k, y, x)."""
    _, found, _ = phase_and_match(images, problem, matching_table(dictionary))
    return maps_of(found, problem)


def cg_images(problem: Problem) -> jax.Array:
    """Coefficient images (k, y, x) of least squares (Pruessmann 2001, doi:10.1002/mrm.1241).

    By conjugate gradients, hardly damped; noise that the coils cannot tell apart is amplified.
    """
    return damped_least_squares(
        problem, problem.adjoint, problem.adjoint, rho=SENSE_DAMPING, rounds=SENSE_ROUNDS
    )


def llr_images(problem: Problem, strength: float) -> jax.Array:
    """Locally low rank coefficient images (k, y, x).

    Args:
        problem: the slice.
        strength: threshold over the largest ``|b|`` and the side of a block.
    """
    threshold = strength * BLOCK * jnp.max(jnp.abs(problem.adjoint))
    start = problem.adjoint
    return proximal_gradient(problem, start, start, shrink_blocks, threshold, rounds=ROUNDS)


def lrtv_images(problem: Problem, strength: float) -> jax.Array:
    """Coefficient images (k, y, x) of little total variation (Golbabaee 2020, arXiv:2001.08746).

    Args:
        problem: the slice.
        strength: weight of the total variation over the largest ``|b|``.
    """
    weight = strength * jnp.max(jnp.abs(problem.adjoint))
    start = problem.adjoint
    return proximal_gradient(problem, start, start, less_variation, weight, rounds=ROUNDS)


@functools.partial(jax.jit, static_argnames="rounds")
def damped_least_squares(
    problem: Problem, right: jax.Array, start: jax.Array, *, rho: jax.Array | float, rounds: int
) -> jax.Array:
    """Rounds of conjugate gradients on ``(A^H W A + rho) x = right``, (k, y, x)."""

    def normal(images: jax.Array) -> jax.Array:
        return problem.normal(images) + rho * images

    return cg(normal, right, x0=start, tol=0.0, maxiter=rounds)[0]


def less_variation(images: jax.Array, threshold: jax.Array, key: jax.Array) -> jax.Array:
    """Total variation needs no randomness."""
    del key
    return smooth_total_variation(images, threshold)


@functools.partial(jax.jit, static_argnames=("proximal", "rounds"))
def proximal_gradient(
    problem: Problem,
    right: jax.Array,
    start: jax.Array,
    proximal: Proximal,
    weight: jax.Array,
    *,
    rounds: int,
    rho: jax.Array | float = 0.0,
) -> jax.Array:
    """Images of a small penalty near the solution of ``(A^H W A + rho) x = right``, (k, y, x).

    Accelerated proximal gradient (Beck 2009, doi:10.1137/080716542).

    Args:
        problem: whose normal operator it is.
        right: (k, y, x).
        start: (k, y, x).
        proximal: step of the penalty.
        weight: of the penalty.
        rounds: steps.
        rho: what is added to the operator.
    """
    step = 1.0 / (problem.kernel.largest + rho)

    def once(
        state: tuple[jax.Array, jax.Array, jax.Array], key: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        before, ahead, pace = state
        down = ahead - step * (problem.normal(ahead) + rho * ahead - right)
        now = proximal(down, weight * step, key)
        faster = (1.0 + jnp.sqrt(1.0 + 4.0 * pace**2)) / 2.0
        return (now, now + (pace - 1.0) / faster * (now - before), faster), None

    keys = jax.random.split(jax.random.key(SHIFT_SEED), rounds)
    return jax.lax.scan(once, (start, start, jnp.float32(1.0)), keys)[0][0]
