"""Reconstruction with a prior of ordinary weighted images: the "MRI2Qmap-style" loop.

After the idea of MRI2Qmap (Golbabaee 2026, arXiv:2603.11316), of which only the abstract is known
here; the algorithm and its constants are ours. In every round, data consistency is followed by a
match; the maps found are turned into weighted images as an ordinary scan would show them; a
denoiser of such images cleans them; and coefficients and cleaned images are matched together, which
gives the next target of data consistency. Alternating directions with a scaled dual, the noise that
the denoiser is told falling from round to round (Zhang 2021, doi:10.1109/TPAMI.2021.3088914).
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from qsr_jax.physics.fingerprint_dictionary import Dictionary, with_channels
from qsr_jax.physics.fingerprint_matching import Match, Table, match, matching_table
from qsr_jax.physics.synthetic_contrast import Sequence, weighted
from qsr_jax.reconstruct.denoisers import Denoiser
from qsr_jax.reconstruct.problem import (
    FingerprintMaps,
    Problem,
    atoms_of,
    maps_of,
    phase_and_match,
)
from qsr_jax.reconstruct.series import damped_least_squares

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
    """

    sigmas: tuple[float, ...] = (0.10, 0.07, 0.05, 0.035, 0.025, 0.018, 0.013, 0.010)
    strength: float = 1e-3
    weight: float = 12.0
    rounds: int = 6
    dual: bool = True

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


class _State(NamedTuple):
    """Coefficient images (k, y, x) between rounds: the target and the scaled dual."""

    x: jax.Array
    target: jax.Array
    dual: jax.Array


def plug_and_play(
    problem: Problem,
    dictionary: Dictionary,
    denoiser: Denoiser,
    *,
    settings: PlugAndPlay,
    contrasts: tuple[Sequence, ...] = CONTRASTS,
) -> FingerprintMaps:
    """Reconstructs a slice with a denoiser of weighted images.

    Args:
        problem: the slice.
        dictionary: to match with.
        denoiser: of images (n, y, x), one for each contrast; see :data:`Denoiser`.
        settings: of the loop.
        contrasts: weighted images that the denoiser sees.
    """
    shown = contrast_atoms(dictionary, contrasts)
    joint = with_channels(dictionary, jnp.sqrt(settings.weight) * shown)
    tables = matching_table(dictionary), matching_table(joint)
    state = _State(problem.adjoint, problem.adjoint, jnp.zeros_like(problem.adjoint))
    before, found = settings.sigmas[0], None
    for number, sigma in enumerate(settings.sigmas):
        if number:
            # rho has changed, and the scaled dual is the dual over rho
            state = state._replace(dual=state.dual * (sigma / before) ** 2)
            rho = settings.strength / sigma**2
            right = problem.adjoint + rho * (state.target - state.dual)
            x = damped_least_squares(
                problem, right, state.x, rho=jnp.float32(rho), rounds=settings.rounds
            )
            state = state._replace(x=x)
        state, found = _projected(
            state,
            jnp.float32(sigma),
            problem,
            dictionary,
            shown,
            tables,
            denoiser=denoiser,
            weight=jnp.float32(settings.weight),
            dual=jnp.float32(settings.dual),
        )
        before = sigma
    assert found is not None  # there is at least one round
    return maps_of(found, problem)


def contrast_atoms(dictionary: Dictionary, contrasts: tuple[Sequence, ...]) -> jax.Array:
    """(t1, t2, n) what every atom would show in the weighted images, for PD = 1."""
    t1_ms, t2_ms = jnp.meshgrid(dictionary.t1_ms, dictionary.t2_ms, indexing="ij")
    one = jnp.ones_like(t1_ms)
    return jnp.stack([weighted(t1_ms, t2_ms, one, sequence) for sequence in contrasts], axis=-1)


@functools.partial(jax.jit, static_argnames="denoiser")
def _projected(
    state: _State,
    sigma: jax.Array,
    problem: Problem,
    dictionary: Dictionary,
    shown: jax.Array,
    tables: tuple[Table, Table],
    *,
    denoiser: Denoiser,
    weight: jax.Array,
    dual: jax.Array,
) -> tuple[_State, Match]:
    """Target and dual from ``x + dual``: match, weighted images, denoiser, joint match."""
    moved = state.x + state.dual
    phase, alone, real = phase_and_match(moved, problem, tables[0])
    flat = shown.reshape(-1, shown.shape[-1])
    images = problem.images(alone.grid_pd[:, None] * flat[alone.atom])
    bright = jnp.percentile(problem.voxels(images), BRIGHT, axis=0)
    scale = jnp.maximum(bright, 1e-20)[:, None, None]
    clean = problem.voxels(scale * denoiser(images / scale, sigma))
    found = match(jnp.concatenate([real, jnp.sqrt(weight) * clean], axis=-1), tables[1])
    target = problem.images(phase[:, None] * atoms_of(found, dictionary))
    return _State(state.x, target, dual * (moved - target)), found
