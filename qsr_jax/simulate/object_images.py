"""What the magnetisation of a head looks like on a fine grid, for every shape of echo train."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.ops import fourier
from qsr_jax.physics.echo_train import line_echoes
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.slice_table import SliceTable, amplitudes, within

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
    images = jnp.zeros((n * n, *table.weights.shape[:2]), jnp.float32)
    parts, classes = (np.asarray(one).reshape(len(one), -1, n * n) for one in (fraction, values))
    field, weights = np.asarray(b1).ravel(), np.asarray(factors, np.float32)
    for part, one, factor in zip(parts[:, 0], classes, weights.T, strict=True):
        points = np.flatnonzero(part > LEAST_FRACTION)
        if not len(points):
            continue
        t1_ms, t2_ms, pd_percent = one[:, points]
        tissue = np.stack([t1_ms, t2_ms, field[points]])
        local = within(table, tissue.min(axis=1), tissue.max(axis=1))
        amount = part[points] * pd_percent / np.float32(100.0)
        for start in range(0, len(points), BLOCK):
            block = slice(start, start + BLOCK)
            empty = BLOCK - len(points[block])
            # What fills the last block up lies outside the image, each at its own place, and is
            # dropped: no place is met twice, so the sum does not depend on any order
            where = np.append(points[block], n * n + np.arange(empty)).astype(np.int32)
            filled = np.pad(tissue[:, block], ((0, 0), (0, empty)), mode="edge")
            much = np.pad(amount[block], (0, empty))
            images = _add(images, filled, much, where, factor, local)
    return _low_passed(images, shape=shape, by_fov=by_fov)


@functools.partial(jax.jit, static_argnames=("shape", "by_fov"))
def _low_passed(
    images: jax.Array, *, shape: tuple[int, int], by_fov: tuple[float, float]
) -> jax.Array:
    """(points, delay, shape) to (delay, shape, y, x)."""
    n, kinds = int(np.sqrt(len(images))), images.shape[1:]
    each = jnp.moveaxis(images, 0, -1).reshape(-1, n, n)
    low = jax.lax.map(lambda image: fourier.sample_coarser(image, shape, by_fov), each)
    return low.reshape(*kinds, *shape)


@functools.partial(jax.jit, donate_argnums=0)
def _add(
    images: jax.Array,
    tissue: jax.Array,
    amount: jax.Array,
    where: jax.Array,
    factor: jax.Array,
    table: SliceTable,
) -> jax.Array:
    """Adds one class's signal at some points to (points, delay, shape).

    ``tissue`` holds T1, T2 and B1 of them, (3, block), ``amount`` how much water of it there is.
    """
    found = amplitudes(table, *tissue) * amount * factor[:, None, None]
    return images.at[where].add(
        jnp.moveaxis(found, -1, 0), mode="drop", unique_indices=True, indices_are_sorted=True
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
