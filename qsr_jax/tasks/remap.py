"""Values drawn anew for every sample, so that a network cannot learn the tissues of its subjects.

A network trained on a few people takes their T1, T2 and PD for the only ones there are, and pulls
others towards them. Here the values of a crop are changed at random, in the fast scan and in its
target by one and the same rising curve: what was brighter stays brighter, edges stay where they
are, and only what lies *between* the scans is left to learn (the idea of SynthSR, Iglesias 2021,
doi:10.1016/j.neuroimage.2021.118206). It acts on maps, not on signals: blur and noise pass through
the curve as they are.

Randomness is keyed by (seed, step, sample), as in :mod:`qsr_jax.tasks.crops`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from qsr_jax.maps import MapSpec
from qsr_jax.types import first_voxel_shift

REMAP = 2
"""Sets these draws apart from those of crops and flips."""

WAVES = 3
"""Plane waves that make a field; none is shorter than the slice."""

DENSITY = "pd"
"""The map that a receive field scales."""

LARGEST = 2.0
"""Of an amplitude: a factor or a power of e^2 either way is no head any more."""


@dataclasses.dataclass(frozen=True)
class Remapping:
    """How far values are moved; 0 moves nothing.

    ``x -> p e^a (x / p)^(e^b)`` with p the map's ``remap_about``, a and b uniform within their
    amplitudes and drawn for every map; density also times ``e^(f g)``, g smooth within -1..1. Never
    beyond what the scanner writes (``scanner_max``), where what lies above becomes equal; 0 stays.

    Attributes:
        scale: amplitude of a, the logarithm of the factor.
        power: amplitude of b, the logarithm of the power.
        field: f, of the density's field.

    Raises:
        ValueError: an amplitude outside 0..2.
    """

    scale: float = 0.0
    power: float = 0.0
    field: float = 0.0

    def __post_init__(self) -> None:
        """Refuses amplitudes that cannot be."""
        for key, value in dataclasses.asdict(self).items():
            if not 0.0 <= value <= LARGEST:
                raise ValueError(f"task.remap_{key} is {value}; expected 0 to {LARGEST:g}")

    @property
    def acts(self) -> bool:
        """Whether anything is moved."""
        return self != Remapping()


def remapped(
    physical: jax.Array,
    keys: jax.Array,
    specs: tuple[MapSpec, ...],
    remapping: Remapping,
    *,
    finer: int,
    alignment: str,
    side: int,
) -> jax.Array:
    """Images of a batch with values drawn anew; the same for either grid of the same keys.

    Args:
        physical: (n, h, w, c) in physical units; maps repeat along the channels.
        keys: one per sample, (n,); the same for the fast scan and its target.
        specs: of the maps.
        remapping: how far.
        finer: pixels of this grid in one coarse pixel.
        alignment: how the fine grid lies on the coarse one.
        side: of a whole slice, coarse pixels: no wave of a field is shorter.

    Returns:
        (n, h, w, c) in physical units.
    """
    slices = physical.shape[-1] // len(specs)
    about = jnp.array([spec.remap_about for spec in specs] * slices, physical.dtype)
    top = jnp.array([spec.scanner_max for spec in specs] * slices, physical.dtype)
    has_field = jnp.array([spec.name == DENSITY for spec in specs] * slices, physical.dtype)
    start = first_voxel_shift(alignment, finer) if finer > 1 else 0.0
    rows, columns = ((start + jnp.arange(n) / finer) / side for n in physical.shape[1:3])

    def one(key: jax.Array, image: jax.Array) -> jax.Array:
        for_curve, for_field = jax.random.split(jax.random.fold_in(key, REMAP))
        drawn = jax.random.uniform(for_curve, (2, len(specs)), image.dtype, -1.0, 1.0)
        factor, power = (
            jnp.tile(jnp.exp(size * row), slices)
            for size, row in zip((remapping.scale, remapping.power), drawn, strict=True)
        )
        values = about * factor * (jnp.maximum(image, 0.0) / about) ** power
        field = remapping.field * smooth_field(for_field, rows, columns)
        return jnp.clip(values * jnp.exp(field[..., None] * has_field), 0.0, top)

    return jax.vmap(one)(keys, physical)


def smooth_field(key: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """A mean of plane waves at random, (rows, columns) within -1..1.

    Args:
        key: of the draw.
        rows: places in sides of a slice, (h,).
        columns: the same, (w,).
    """
    for_turns, for_phases = jax.random.split(key)
    turns = jax.random.uniform(for_turns, (WAVES, 2), rows.dtype, -1.0, 1.0)
    phases = jax.random.uniform(for_phases, (WAVES,), rows.dtype)
    places = turns[:, :1, None] * rows[:, None] + turns[:, 1:, None] * columns
    return jnp.cos(2.0 * jnp.pi * (places + phases[:, None, None])).mean(0)
