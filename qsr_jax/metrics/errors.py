"""How far a map is from its reference, voxel by voxel: bias, absolute and squared errors, PSNR.

Arrays are ``test`` and ``reference`` (n, y, x, c) in one physical unit and ``mask`` (n, y, x) bool;
results are (n, c), one value per sample and map. What stands outside the mask, NaN included, enters
neither a value nor its gradient; a sample with nothing to count gives NaN.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.metrics.masked import inside_only, masked_mean

NORMALISERS = ("mean", "norm", "range", "sd")
"""What :func:`nrmse` divides by, taken of the reference inside the mask: its mean, its root mean
square (scikit-image's "euclidean"), its largest minus smallest value ("min-max"), its SD."""


def _difference(test: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """``test - reference``, zero outside the mask."""
    return inside_only(test, mask) - inside_only(reference, mask)


@jax.jit
def bias(test: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean of ``test - reference``, in the unit of the map.

    >>> image, mask = jnp.full((1, 4, 4, 1), 1000.0), jnp.ones((1, 4, 4), bool)
    >>> bias(image + 12.0, image, mask).tolist()
    [[12.0]]
    """
    return masked_mean(_difference(test, reference, mask), mask)


@jax.jit
def mae(test: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean absolute error, in the unit of the map.

    >>> image, mask = jnp.full((1, 4, 4, 1), 1000.0), jnp.ones((1, 4, 4), bool)
    >>> mae(image - 12.0, image, mask).tolist()
    [[12.0]]
    """
    return masked_mean(jnp.abs(_difference(test, reference, mask)), mask)


@jax.jit
def rmse(test: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """Root of the mean squared error, in the unit of the map; its gradient at equality is 0.

    >>> image, mask = jnp.full((1, 4, 4, 1), 1000.0), jnp.ones((1, 4, 4), bool)
    >>> rmse(image - 12.0, image, mask).tolist()
    [[12.0]]
    """
    square = masked_mean(_difference(test, reference, mask) ** 2, mask)
    differ = square != 0.0
    return jnp.where(differ, jnp.sqrt(jnp.where(differ, square, 1.0)), 0.0)


@functools.partial(jax.jit, static_argnames="normaliser")
def nrmse(test: jax.Array, reference: jax.Array, mask: jax.Array, *, normaliser: str) -> jax.Array:
    """:func:`rmse` as a fraction of the reference, no unit.

    Args:
        test: (n, y, x, c) physical unit.
        reference: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        normaliser: one of :data:`NORMALISERS`; say it wherever the number stands.

    Raises:
        ValueError: unknown normaliser.

    >>> image, mask = jnp.full((1, 4, 4, 1), 1000.0), jnp.ones((1, 4, 4), bool)
    >>> round(float(nrmse(image + 12.0, image, mask, normaliser="mean")[0, 0]), 6)
    0.012
    """
    if normaliser not in NORMALISERS:
        raise ValueError(f"normaliser {normaliser!r} is not one of {', '.join(NORMALISERS)}")
    inside = mask[..., None]
    if normaliser == "mean":
        size = masked_mean(reference, mask)
    elif normaliser == "norm":
        size = jnp.sqrt(masked_mean(inside_only(reference, mask) ** 2, mask))
    elif normaliser == "range":
        highest = jnp.where(inside, reference, -jnp.inf).max((1, 2))
        size = highest - jnp.where(inside, reference, jnp.inf).min((1, 2))
    else:
        centred = inside_only(reference, mask) - masked_mean(reference, mask)[:, None, None, :]
        size = jnp.sqrt(masked_mean(centred**2, mask))
    return rmse(test, reference, mask) / size


@jax.jit
def psnr(
    test: jax.Array, reference: jax.Array, mask: jax.Array, *, data_range: jax.Array
) -> jax.Array:
    """Peak signal-to-noise ratio ``10 log10(L^2 / MSE)`` of each sample in dB; inf at equality.

    The paper prints ``20 log(L^2 / MSE)`` (its equation 5), which counts the decibels twice. The
    report takes its mean over slices, then over subjects; see :func:`pooled_psnr_db`.

    Args:
        test: (n, y, x, c) physical unit.
        reference: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        data_range: () or (c,) L, same unit.

    >>> image, mask = jnp.full((1, 4, 4, 1), 1000.0), jnp.ones((1, 4, 4), bool)
    >>> round(float(psnr(image + 43.0, image, mask, data_range=4300.0)[0, 0]), 3)
    40.0
    """
    return 20.0 * jnp.log10(data_range / rmse(test, reference, mask))


def pooled_psnr_db(sum_squared: ArrayLike, voxels: ArrayLike, data_range: ArrayLike) -> np.ndarray:
    """PSNR in dB of all voxels of all slices taken as one image: what a validation can add up.

    It is not the mean of :func:`psnr` over slices, which is the report's: there every slice counts
    alike, and the best slices lift the mean. Of slices of one size the pooled value is never above
    that mean (Jensen's inequality), so the two must not be compared with each other.

    Args:
        sum_squared: sum of squared errors over all voxels counted, unit of the map squared.
        voxels: their number.
        data_range: L, unit of the map.

    Returns:
        float64, broadcast over the arguments; infinite where all errors are zero.

    >>> float(pooled_psnr_db(16 * 43.0**2, 16, 4300.0))
    40.0
    """
    squared, count = (np.asarray(v, np.float64) for v in (sum_squared, voxels))
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(np.asarray(data_range, np.float64) ** 2 / (squared / count))
