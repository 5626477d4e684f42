"""From stored records to network-scale crops, inside the compiled step.

Records travel to the device as unsigned 16-bit whole slices (half the bytes of float32) and are
cropped and scaled there. Randomness is keyed by (seed, step, sample), never by device or position
in the batch, so that any number of devices draws the same crops.
"""

import jax
import jax.numpy as jnp

from qsr_jax.maps import MapSpec, to_network
from qsr_jax.types import Batch

FLIP = 1
"""Sets the draw that mirrors a sample apart from the one that places its crop."""


def prepare(
    batch: Batch,
    *,
    spec: MapSpec,
    scale: int,
    crop: int,
    seed: int,
    step: jax.Array,
    flip: bool = False,
) -> tuple[jax.Array, jax.Array]:
    """Returns (lr, hr) in network scale.

    Args:
        batch: see :data:`qsr_jax.types.Batch`.
        spec: the map of the records.
        scale: factor between the grids.
        crop: side of the coarse crop in pixels, centred on a random pixel of the mask; 0 keeps
            whole slices.
        seed: experiment seed.
        step: number of finished steps, int32.
        flip: whether half of the samples are mirrored, left to right. Only for grids that share
            their outer edge ("corner"): mirrored, a "sample" grid would lie elsewhere.

    Returns:
        lr (n, crop, crop, 1) and hr (n, scale*crop, scale*crop, 1), float32; the same region of
        the head for either grid alignment, because both map coarse pixel i to fine pixel scale*i.
    """
    lr, hr = batch["lr"], batch["hr"]
    base = jax.random.fold_in(jax.random.key(seed), step)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(base, batch["sample_id"])
    if crop:
        coarse_mask = batch["mask"][:, ::scale, ::scale, 0]
        origins = jax.vmap(lambda k, m: _crop_origin(k, m, crop))(keys, coarse_mask)
        lr, hr = _cut(lr, origins, crop), _cut(hr, origins * scale, crop * scale)
    if flip:
        chosen = jax.vmap(lambda k: jax.random.bernoulli(jax.random.fold_in(k, FLIP)))(keys)
        lr, hr = (jnp.where(chosen[:, None, None, None], x[:, :, ::-1], x) for x in (lr, hr))
    return to_scale(lr, spec), to_scale(hr, spec)


def to_scale(stored: jax.Array, spec: MapSpec) -> jax.Array:
    """Stored values to network scale, float32."""
    return to_network(stored.astype(jnp.float32) * jnp.float32(spec.slope), spec)


def _crop_origin(key: jax.Array, mask: jax.Array, crop: int) -> jax.Array:
    """First (row, column) of a crop around a random pixel of the mask (anywhere if it is empty)."""
    inside = (mask > 0).ravel()
    weights = jnp.where(inside.any(), inside, True)
    running = jnp.cumsum(weights.astype(jnp.int32))
    pick = jax.random.randint(key, (), 0, running[-1])
    pixel = jnp.searchsorted(running, pick, side="right")
    height, width = mask.shape
    centre = jnp.stack([pixel // width, pixel % width])
    return jnp.clip(centre - crop // 2, 0, jnp.array([height - crop, width - crop]))


def _cut(images: jax.Array, origins: jax.Array, side: int) -> jax.Array:
    def one(image: jax.Array, origin: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (*origin, 0), (side, side, 1))

    return jax.vmap(one)(images, origins)
