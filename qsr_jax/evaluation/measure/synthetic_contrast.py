"""Weighted images made from a method's maps against those made from the routine maps.

The paper leaves open whether T1w, T2w and FLAIR images from super-resolved maps are usable. Here
every method's three maps go through the same equations
(:mod:`qsr_jax.physics.synthetic_contrast`), and the images are compared inside the brain.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.evaluation.values import Fields
from qsr_jax.maps import MAPS
from qsr_jax.metrics.image import METRICS, whole_windows
from qsr_jax.physics.synthetic_contrast import SEQUENCES, weighted

SHOWN = ("t1w", "t2w", "flair")
"""The contrasts of the report."""

DATA_RANGE_PERCENT = 100.0
"""L of PSNR and SSIM: the signal of fully relaxed water at TE 0, which is the images' unit."""

QUANTITIES = ("bias", "mae", "psnr", "ssim")
KIND = "synthetic contrast"


@functools.partial(jax.jit, static_argnames="contrasts")
def weighted_images(maps: jax.Array, *, contrasts: tuple[str, ...] = SHOWN) -> jax.Array:
    """(..., 3) maps T1 (ms), T2 (ms), PD (%) to (..., k) images in percent of relaxed water."""
    t1_ms, t2_ms, pd_percent = (jnp.maximum(maps[..., i], 0.0) for i in range(3))
    images = [weighted(t1_ms, t2_ms, pd_percent, SEQUENCES[name]) for name in contrasts]
    return jnp.stack(images, axis=-1)


def contrast_fields(
    sources: Mapping[str, np.ndarray],
    names: Sequence[str],
    mask: np.ndarray,
    *,
    reference: str,
    box: tuple[slice, ...],
) -> Iterator[Fields]:
    """Metrics of every method's weighted images; nothing unless all three maps are there.

    Args:
        sources: method to (z, y, x, c) physical units, the reference among them.
        names: c map names.
        mask: (z, y, x) bool, the brain.
        reference: the key of ``sources`` to compare with.
        box: part of the volume that holds the mask.
    """
    if tuple(names) != tuple(MAPS):
        return
    usable = np.asarray(whole_windows(mask)).any((1, 2))
    expected, inside = weighted_images(sources[reference][box]), jnp.asarray(mask[box])
    convention = f"brain, L = {DATA_RANGE_PERCENT:g} % of fully relaxed water"
    for method, maps in sources.items():
        if method == reference:
            continue
        images = weighted_images(maps[box])
        for quantity in QUANTITIES:
            metric = METRICS[quantity]
            options = {"data_range": DATA_RANGE_PERCENT} if metric.ranged else {}
            per_slice = np.asarray(metric.compute(images, expected, inside, **options), float)
            for name, value in zip(SHOWN, per_slice[usable].mean(0), strict=True):
                yield {
                    "kind": KIND,
                    "place": "brain",
                    "map": name,
                    "quantity": quantity,
                    "unit": "%" if metric.unit == "map" else metric.unit,
                    "method": method,
                    "value": float(value),
                    "count": int(usable.sum()),
                    "convention": convention,
                }
