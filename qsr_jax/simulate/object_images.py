"""What the magnetisation of a head looks like on a fine grid, for every shape of echo train."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.ops import fourier
from qsr_jax.physics.echo_train import line_echoes
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.slice_table import SliceTable, amplitudes

LEAST_FRACTION, BLOCK = 1e-4, 8192
"""Less of a tissue in a point is left out; points whose signal is computed at a time."""


def object_images(
    fraction: jax.Array,
    values: jax.Array,
    b1: jax.Array,
    factors: np.ndarray,
    table: SliceTable,
    *,
    shape: tuple[int, int],
    by_fov: tuple[float, float],
) -> jax.Array:
    """Amplitude of every shape of train, tissues mixed in it, low-passed: (delay, shape, y, x).

    Only points that hold some of a tissue are computed; most hold one.

    Args:
        fraction: (k, n, n) volume fraction of every class on the fine grid.
        values: (k, 3, n, n) T1 (ms), T2 (ms), PD (%) of every class.
        b1: (n, n) transmit field.
        factors: (delay, k) what a class's signal is multiplied by in each delay (pulsation).
        table: signals of the protocol.
        shape: (y, x) of the images.
        by_fov: place of their pixel n // 2 against that of the fine grid, in fields of view.

    Returns:
        float32; 1 = fully relaxed water, perfectly excited.

    Raises:
        ValueError: ``shape`` is finer than the truth.
    """
    n = fraction.shape[-1]
    images = jnp.zeros((*table.weights.shape[:2], n * n), jnp.float32)
    filled = np.asarray(fraction).reshape(len(fraction), -1) > LEAST_FRACTION
    weights = np.asarray(factors, np.float32)
    for index, (part, one) in enumerate(zip(fraction, values, strict=True)):
        points = np.flatnonzero(filled[index])
        for start in range(0, len(points), BLOCK):
            block = points[start : start + BLOCK]
            # What fills the last block up lies outside the image, each at its own place, and is
            # dropped: no place is met twice, so the sum does not depend on any order
            where = np.append(block, n * n + np.arange(BLOCK - len(block)))
            images = _add(images, part, one, b1, where, weights[:, index], table)
    return _low_passed(images.reshape(*images.shape[:2], n, n), shape=shape, by_fov=by_fov)


@functools.partial(jax.jit, static_argnames=("shape", "by_fov"))
def _low_passed(
    images: jax.Array, *, shape: tuple[int, int], by_fov: tuple[float, float]
) -> jax.Array:
    return fourier.sample_coarser(images, shape, by_fov)


@functools.partial(jax.jit, donate_argnums=0)
def _add(
    images: jax.Array,
    fraction: jax.Array,
    values: jax.Array,
    b1: jax.Array,
    where: jax.Array,
    factor: jax.Array,
    table: SliceTable,
) -> jax.Array:
    """Adds one class's signal at some points to (delay, shape, points)."""
    part, field = fraction.ravel()[where], b1.ravel()[where]
    t1_ms, t2_ms, pd_percent = values.reshape(3, -1)[:, where]
    found = amplitudes(table, t1_ms, t2_ms, field) * (part * pd_percent / 100.0)
    return images.at[:, :, where].add(
        found * factor[:, None, None], mode="drop", unique_indices=True
    )


def line_weights(protocol: Protocol, table: SliceTable) -> np.ndarray:
    """How every line of k-space is made of the shapes of train: (echo image, line, shape) float32.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.slice_table import slice_table
    >>> table = slice_table(ROUTINE, cross_talk=False)
    >>> line_weights(ROUTINE, table).shape[:2]
    (2, 128)
    """
    return table.echoes[line_echoes(protocol) - 1]


def centre_weights(protocol: Protocol, table: SliceTable) -> np.ndarray:
    """The shapes' weights (shape,) at the effective time of the first echo image."""
    return table.echoes[protocol.echo_numbers[0] - 1]
