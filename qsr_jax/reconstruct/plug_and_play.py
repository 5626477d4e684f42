"""Reconstruction with a prior of ordinary weighted images: the "MRI2Qmap-style" loop.

After the idea of MRI2Qmap (Golbabaee 2026, arXiv:2603.11316), of which only the abstract is known
here; the algorithm and its constants are ours. In every round, data consistency is followed by a
match; the maps found are turned into weighted images as an ordinary scan would show them; a
denoiser of such images cleans them; and coefficients and cleaned images are matched together, which
gives the next target of data consistency: :mod:`qsr_jax.reconstruct.alternating`. A prior of edges
of the coefficient images may stand beside that of the weighted images.
"""

import functools

import jax
import jax.numpy as jnp

from qsr_jax.physics.fingerprint_dictionary import Dictionary, with_channels
from qsr_jax.physics.fingerprint_matching import Match, Table, match, matching_table
from qsr_jax.physics.synthetic_contrast import Sequence, weighted
from qsr_jax.reconstruct.alternating import PlugAndPlay, alternate
from qsr_jax.reconstruct.denoisers import Denoiser, denoised
from qsr_jax.reconstruct.problem import (
    FingerprintMaps,
    Problem,
    atoms_of,
    maps_of,
    phase_and_match,
)

CONTRASTS = (
    Sequence("t1w", "T1w", 500.0, 10.0),
    Sequence("t2w", "T2w", 4500.0, 100.0),
    Sequence("flair", "FLAIR", 9000.0, 120.0, (2445.0,)),
    Sequence("pdw", "PDw", 8000.0, 10.0),
    Sequence("ir", "IR", 2500.0, 10.0, (800.0,)),
    Sequence("t2w_early", "T2w, early echo", 2500.0, 40.0),
)
"""Weighted images that the denoiser sees: what a clinical 3 T protocol shows."""
BRIGHT = 99.0
"""Percentile of a weighted image inside the object that becomes 1 for the denoiser."""


def plug_and_play_images(
    problem: Problem,
    dictionary: Dictionary,
    denoiser: Denoiser,
    *,
    settings: PlugAndPlay,
    contrasts: tuple[Sequence, ...] = CONTRASTS,
) -> tuple[FingerprintMaps, jax.Array]:
    """Reconstructs a slice with a denoiser of weighted images.

    Args:
        problem: the slice.
        dictionary: to match with.
        denoiser: of images (n, y, x), one for each contrast; see :data:`Denoiser`.
        settings: of the loop.
        contrasts: weighted images that the denoiser sees.

    Returns:
        The maps, and the coefficient images (k, y, x) of what was matched.
    """
    shown = contrast_atoms(dictionary, contrasts)
    joint = with_channels(dictionary, jnp.sqrt(settings.weight) * shown)
    tables = matching_table(dictionary), matching_table(joint)
    weight = jnp.float32(settings.weight)

    def project(moved: jax.Array, sigma: jax.Array, turn: jax.Array) -> tuple[jax.Array, Match]:
        seen = problem, dictionary, shown, tables
        return _projected(moved, sigma, turn, *seen, denoiser=denoiser, weight=weight)

    target, found = alternate(problem, project, settings)
    return maps_of(found, problem), target


def contrast_atoms(dictionary: Dictionary, contrasts: tuple[Sequence, ...]) -> jax.Array:
    """(t1, t2, n) what every atom would show in the weighted images, for PD = 1."""
    t1_ms, t2_ms = jnp.meshgrid(dictionary.t1_ms, dictionary.t2_ms, indexing="ij")
    one = jnp.ones_like(t1_ms)
    return jnp.stack([weighted(t1_ms, t2_ms, one, sequence) for sequence in contrasts], axis=-1)


@functools.partial(jax.jit, static_argnames="denoiser")
def _projected(
    moved: jax.Array,
    sigma: jax.Array,
    turn: jax.Array,
    problem: Problem,
    dictionary: Dictionary,
    shown: jax.Array,
    tables: tuple[Table, Table],
    *,
    denoiser: Denoiser,
    weight: jax.Array,
) -> tuple[jax.Array, Match]:
    """Target of ``moved``: match, weighted images, denoiser, joint match."""
    phase, alone, real = phase_and_match(moved, problem, tables[0])
    flat = shown.reshape(-1, shown.shape[-1])
    images = problem.images(alone.grid_pd[:, None] * flat[alone.atom])
    bright = jnp.percentile(problem.voxels(images), BRIGHT, axis=0)
    scale = jnp.maximum(bright, 1e-20)[:, None, None]
    clean = problem.voxels(scale * denoised(denoiser, images / scale, sigma, turn))
    found = match(jnp.concatenate([real, jnp.sqrt(weight) * clean], axis=-1), tables[1])
    return problem.images(phase[:, None] * atoms_of(found, dictionary)), found
