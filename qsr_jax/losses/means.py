"""Distances of means: noise in the target leaves them alone, a bias does not.

Each looks at the mean over many pixels: of a tile, of a tissue, of everything that the network says
lies in one bin of values.
"""

import jax
import jax.numpy as jnp

from qsr_jax.losses.units import floors
from qsr_jax.maps import spec_of

REGION_PIXELS = 16
"""Side of a tile, fine pixels: 7 mm at the paper's 0.43 mm. Ours."""


def regions(sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Mean over tiles of ``|mean of sr - mean of hr|``, tiles counting as their pixels do, (n,).

    Args:
        sr: (n, h, w, c), network scale.
        hr: the same of the reference.
        weights: (n, h, w, 1), or None.

    Example:
        >>> checkers = jnp.indices((16, 16)).sum(0)[None, ..., None] % 2 * 1.0
        >>> regions(checkers, 1.0 - checkers).tolist()  # other pixels, the same mean
        [0.0]
    """
    counts = jnp.ones((*sr.shape[:3], 1)) if weights is None else weights
    totals = jnp.abs(_tile_sums((sr - hr) * counts)).sum((1, 2)).mean(-1)
    return totals / jnp.maximum(counts.sum((1, 2, 3)), 1.0)


def _tile_sums(images: jax.Array) -> jax.Array:
    """Sums over tiles, (n, h, w, c) to (n, tiles down, tiles across, c)."""
    side = (1, REGION_PIXELS, REGION_PIXELS, 1)
    beyond = ((0, 0), *((0, -n % REGION_PIXELS) for n in images.shape[1:3]), (0, 0))
    return jax.lax.reduce_window(jnp.pad(images, beyond), 0.0, jax.lax.add, side, side, "VALID")


def tissues(
    sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None, *, names: tuple[str, ...]
) -> jax.Array:
    """Mean over white matter, grey matter and fluid of ``|mean of sr - mean of hr| / mean``, (n,).

    Tissues are told by the reference's T1: white below the middle of its typical levels, fluid
    beyond its ``solid_max`` (:mod:`qsr_jax.maps`). Each that is there counts alike. Where the
    reference's noise is a good part of the distance between tissues it sorts by noise.

    Args:
        sr: (n, h, w, c) maps in physical units.
        hr: the same of the reference.
        weights: (n, h, w, 1), or None.
        names: of the channels, t1 among them.

    Raises:
        ValueError: no T1.

    Example:
        >>> half = jnp.array([700.0, 1300.0]).repeat(8).reshape(1, 4, 4, 1)
        >>> round(float(tissues(1.02 * half, half, names=("t1",))[0]), 4)
        0.02
    """
    if "t1" not in names:
        raise ValueError(
            f"loss 'tissues' tells tissues by T1; the maps are {', '.join(names)}: set its weight "
            "to 0, or map to t1+t2+pd"
        )
    spec = spec_of("t1")
    assert spec.solid_max is not None
    edges = jnp.array([sum(spec.tissue_levels) / 2.0, spec.solid_max])
    t1_ms = hr[..., names.index("t1")]
    which = (t1_ms[..., None] >= edges).sum(-1)  # 0, 1, 2: white, grey, fluid
    counts = jax.nn.one_hot(which, 3) * (1.0 if weights is None else weights)
    size = counts.sum((1, 2))  # (n, 3)
    means = [
        jnp.einsum("nhwt,nhwc->ntc", counts, maps) / jnp.maximum(size, 1.0)[..., None]
        for maps in (sr, hr)
    ]
    apart = jnp.abs(means[0] - means[1]) / jnp.maximum(means[1], floors(names))
    there = size > 0
    return (apart.mean(-1) * there).sum(-1) / jnp.maximum(there.sum(-1), 1)


def value_bins(
    sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None, *, names: tuple[str, ...]
) -> jax.Array:
    """Mean over pixels of the relative bias of their bin: calibration by value, (n,).

    Bins (``value_bins`` of the map, open at both ends) are of what the network *says*: where it
    says 800 to 900 ms the reference's mean should lie there too. Bins of the reference would be
    sorted by its noise, and the least biased network would look biased in them (regression to the
    mean). The sorting has no gradient.

    Args:
        sr: (n, h, w, c) maps in physical units.
        hr: the same of the reference.
        weights: (n, h, w, 1), or None.
        names: of the channels.

    Example:
        >>> said = jnp.array([560.0, 560.0, 950.0, 950.0]).reshape(1, 2, 2, 1)
        >>> noise = jnp.array([28.0, -28.0, 0.0, 0.0]).reshape(1, 2, 2, 1)
        >>> value_bins(said, said + noise, names=("t1",)).tolist()
        [0.0]
        >>> biased = said + jnp.abs(noise)  # 5 % in half of the pixels
        >>> round(float(value_bins(said, biased, names=("t1",))[0]), 4)
        0.025
    """
    counts = jnp.ones((*sr.shape[:3], 1)) if weights is None else weights
    said = jax.lax.stop_gradient(sr)
    part = (sr - hr) / jnp.maximum(said, floors(names)) * counts
    totals = []
    for channel, name in enumerate(names):
        inner = jnp.array(spec_of(name).value_bins[1:-1], jnp.float32)
        which = jnp.searchsorted(inner, said[..., channel], side="right")
        sums = [
            jnp.where(which == index, part[..., channel], 0.0).sum((1, 2))
            for index in range(len(inner) + 1)
        ]
        totals.append(jnp.abs(jnp.stack(sums)).sum(0))
    return jnp.stack(totals).mean(0) / jnp.maximum(counts.sum((1, 2, 3)), 1.0)
