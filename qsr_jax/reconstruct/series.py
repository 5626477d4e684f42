"""Methods that find the coefficient images first and match them afterwards.

Each takes a problem and a dictionary and gives maps; none keeps anything between calls.
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
    largest_eigenvalue,
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


def svd_mrf(problem: Problem, dictionary: Dictionary) -> FingerprintMaps:
    """The adjoint images, matched (McGivney 2014, doi:10.1109/TMI.2014.2337321)."""
    return matched_images(problem.adjoint, problem, dictionary)


def cg_sense(problem: Problem, dictionary: Dictionary) -> FingerprintMaps:
    """Least squares by conjugate gradients, hardly damped (Pruessmann 2001).

    doi:10.1002/mrm.1241. Noise that the coils cannot tell apart is amplified.
    """
    images = damped_least_squares(
        problem, problem.adjoint, problem.adjoint, rho=SENSE_DAMPING, rounds=SENSE_ROUNDS
    )
    return matched_images(images, problem, dictionary)


def llr(problem: Problem, dictionary: Dictionary, *, strength: float) -> FingerprintMaps:
    """Locally low rank coefficient images, matched.

    Args:
        problem: the slice.
        dictionary: to match with.
        strength: threshold over the largest ``|b|`` and the side of a block.
    """
    threshold = strength * BLOCK * jnp.max(jnp.abs(problem.adjoint))
    images = _accelerated(problem, shrink_blocks, threshold)
    return matched_images(images, problem, dictionary)


def lrtv(problem: Problem, dictionary: Dictionary, *, strength: float) -> FingerprintMaps:
    """Coefficient images of little total variation, matched (Golbabaee 2020, arXiv:2001.08746).

    Args:
        problem: the slice.
        dictionary: to match with.
        strength: weight of the total variation over the largest ``|b|``.
    """
    weight = strength * jnp.max(jnp.abs(problem.adjoint))
    images = _accelerated(problem, _smooth, weight)
    return matched_images(images, problem, dictionary)


@functools.partial(jax.jit, static_argnames="rounds")
def damped_least_squares(
    problem: Problem, right: jax.Array, start: jax.Array, *, rho: jax.Array | float, rounds: int
) -> jax.Array:
    """Rounds of conjugate gradients on ``(A^H W A + rho) x = right``, (k, y, x)."""

    def normal(images: jax.Array) -> jax.Array:
        return problem.normal(images) + rho * images

    return cg(normal, right, x0=start, tol=0.0, maxiter=rounds)[0]


def _smooth(images: jax.Array, threshold: jax.Array, key: jax.Array) -> jax.Array:
    """Total variation needs no randomness."""
    del key
    return smooth_total_variation(images, threshold)


@functools.partial(jax.jit, static_argnames="proximal")
def _accelerated(problem: Problem, proximal: Proximal, weight: jax.Array) -> jax.Array:
    """Accelerated proximal gradient from the adjoint images (Beck 2009, doi:10.1137/080716542)."""
    step = 1.0 / largest_eigenvalue(problem)

    def once(
        state: tuple[jax.Array, jax.Array, jax.Array], key: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        before, ahead, pace = state
        down = ahead - step * (problem.normal(ahead) - problem.adjoint)
        now = proximal(down, weight * step, key)
        faster = (1.0 + jnp.sqrt(1.0 + 4.0 * pace**2)) / 2.0
        return (now, now + (pace - 1.0) / faster * (now - before), faster), None

    keys = jax.random.split(jax.random.key(SHIFT_SEED), ROUNDS)
    return jax.lax.scan(once, (problem.adjoint, problem.adjoint, jnp.float32(1.0)), keys)[0][0]
