"""Which part of a record a sample shows, decided inside the compiled step.

Records travel to the device as unsigned 16-bit whole slices (half the bytes of float32) and are
cropped there. Randomness is keyed by (seed, step, sample), never by device or position in the
batch, so that any number of devices draws the same crops.

A crop may carry a margin: what a network sees beyond the part that counts. With a margin as wide as
its receptive field, the inner part of a crop is what the whole slice gives. Beyond the slice there
is air, stored 0; without a margin a network's own padding stands there, 0 in *network* scale, which
is 2250 ms of T1.
"""

import jax
import jax.numpy as jnp

from qsr_jax.types import Batch

FLIP = 1
"""Sets the draw that mirrors a sample apart from the one that places its crop."""

IMAGES = ("lr", "hr", "mask")


def sample_keys(seed: int, step: jax.Array, sample_id: jax.Array) -> jax.Array:
    """One PRNG key per (seed, step, sample), (n,)."""
    base = jax.random.fold_in(jax.random.key(seed), step)
    return jax.vmap(jax.random.fold_in, (None, 0))(base, sample_id)


def crop_and_flip(
    batch: Batch,
    *,
    scale: int,
    crop: int,
    margin: int,
    seed: int,
    step: jax.Array,
    flip: bool = False,
) -> dict[str, jax.Array]:
    """The images of a batch, cropped and mirrored, still as they are stored.

    Args:
        batch: see :data:`qsr_jax.types.Batch`; every image is (n, h, w, c) of any c.
        scale: factor between the grids.
        crop: side of the coarse crop in pixels, centred on a random pixel of the mask; 0 keeps
            whole slices.
        margin: coarse pixels seen beyond the crop on every side.
        seed: experiment seed.
        step: number of finished steps, int32.
        flip: whether half of the samples are mirrored, left to right. Only for grids that share
            their outer edge ("corner"): mirrored, a "sample" grid would lie elsewhere.

    Returns:
        ``lr`` (n, s, s, c) with s = crop + 2 margin, ``hr`` and ``mask`` (n, scale s, scale s, c);
        the same region of the head for either grid alignment, because both map coarse pixel i to
        fine pixel scale * i.
    """
    images = {name: batch[name] for name in IMAGES}
    keys = sample_keys(seed, step, batch["sample_id"])
    origins = None
    if crop:
        coarse_mask = batch["mask"][:, ::scale, ::scale, 0]
        origins = jax.vmap(lambda k, m: _crop_origin(k, m, crop))(keys, coarse_mask)
    images = with_margin(images, scale=scale, margin=margin)
    if origins is not None:
        side = crop + 2 * margin
        times = {"lr": 1, "hr": scale, "mask": scale}
        images = {k: _cut(x, origins * times[k], side * times[k]) for k, x in images.items()}
    if flip:
        chosen = jax.vmap(lambda k: jax.random.bernoulli(jax.random.fold_in(k, FLIP)))(keys)
        chosen = chosen[:, None, None, None]
        images = {k: jnp.where(chosen, x[:, :, ::-1], x) for k, x in images.items()}
    return images


def with_margin(images: Batch, *, scale: int, margin: int) -> dict[str, jax.Array]:
    """Images with ``margin`` coarse pixels of air around them."""
    if not margin:
        return dict(images)
    width = {"lr": margin, "hr": margin * scale, "mask": margin * scale}
    return {k: jnp.pad(x, ((0, 0), *((width[k],) * 2,) * 2, (0, 0))) for k, x in images.items()}


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
        return jax.lax.dynamic_slice(image, (*origin, 0), (side, side, image.shape[-1]))

    return jax.vmap(one)(images, origins)
