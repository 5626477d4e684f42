"""The denoiser on the coefficient images themselves: plug and play without weighted images.

As Fatania 2022 (arXiv:2202.05269) plugs a denoiser into the time series; here one of single images
takes coefficient after coefficient, the receiver's phase off, all in one scale and with one noise.
"""

import functools

import jax
import jax.numpy as jnp

from qsr_jax.physics.fingerprint_dictionary import Dictionary
from qsr_jax.physics.fingerprint_matching import Table, matching_table, receiver_phase
from qsr_jax.reconstruct.alternating import PlugAndPlay, alternate
from qsr_jax.reconstruct.denoisers import Denoiser, denoised
from qsr_jax.reconstruct.problem import Problem

BRIGHT = 99.0
"""Percentile of the size of the first coefficient inside the object that becomes 1."""


def series_prior_images(
    problem: Problem, dictionary: Dictionary, denoiser: Denoiser, *, settings: PlugAndPlay
) -> jax.Array:
    """Coefficient images (k, y, x) that a denoiser leaves alone.

    Args:
        problem: the slice.
        dictionary: tells the receiver's phase.
        denoiser: of images (n, y, x); see :data:`Denoiser`.
        settings: of the loop; ``weight`` means nothing here.
    """
    table = matching_table(dictionary)

    def project(moved: jax.Array, sigma: jax.Array, turn: jax.Array) -> tuple[jax.Array, bool]:
        return _denoised(moved, sigma, turn, problem, table, denoiser=denoiser), True

    return alternate(problem, project, settings)[0]


@functools.partial(jax.jit, static_argnames="denoiser")
def _denoised(
    moved: jax.Array,
    sigma: jax.Array,
    turn: jax.Array,
    problem: Problem,
    table: Table,
    *,
    denoiser: Denoiser,
) -> jax.Array:
    voxels = problem.voxels(moved)
    phase = receiver_phase(voxels, problem.inside, table, problem.shape)[:, None]
    real = (jnp.conj(phase) * voxels).real
    scale = jnp.maximum(jnp.percentile(jnp.abs(real[:, 0]), BRIGHT), 1e-20)
    images = problem.images(real) / scale
    clean = problem.voxels(scale * denoised(denoiser, images, sigma, turn))
    return problem.images(phase * clean)
