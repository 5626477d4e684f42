"""A strided convolution whose input gradient does not multiply with zeros.

XLA computes the input gradient of a convolution with stride 2 as a convolution of the gradient with
a zero between any two of its values: three quarters of the work is on zeros. Split by parity of
the input's row and column, the same sums are four small convolutions without zeros, whose results
interleave ("sub-pixel" or polyphase form; Shi 2016, arXiv:1609.07009). Which is faster depends on
the machine (docs/speed.md).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")

_TAPS = {0: (2, 0), 1: (1,)}
"""Kernel rows that touch even and odd input rows: x[2p] from y[p-1], y[p]; x[2p+1] from y[p]."""


def halving_convolution(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Any,
    **others: Any,
) -> jax.Array:
    """``lax.conv_general_dilated`` for ``flax.linen.Conv``, with a polyphase input gradient.

    Used where it applies: a 3 x 3 kernel, stride 2, "SAME" padding and even sides. Everything else
    goes to XLA as it is.

    Args:
        images: (n, h, w, i).
        kernel: (3, 3, i, o).
        window_strides: of rows and columns.
        padding: as Flax passes it on.
        **others: as Flax passes them on (layout, precision, dilations).
    """
    even = all(side % 2 == 0 for side in images.shape[1:3])
    if (
        tuple(window_strides) == (2, 2)
        and kernel.shape[:2] == (3, 3)
        and padding == "SAME"
        and even
    ):
        return _halve(images, kernel)
    return lax.conv_general_dilated(images, kernel, window_strides, padding, **others)


@jax.custom_vjp
def _halve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(images, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)


def _forward(images: jax.Array, kernel: jax.Array) -> tuple:
    return _halve(images, kernel), (images, kernel)


def _backward(saved: tuple, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    images, kernel = saved
    _, pull_back = jax.vjp(
        lambda k: lax.conv_general_dilated(images, k, (2, 2), "SAME", dimension_numbers=LAYOUT),
        kernel,
    )
    return _input_gradient(gradient, kernel), pull_back(gradient)[0]


_halve.defvjp(_forward, _backward)


def _input_gradient(gradient: jax.Array, kernel: jax.Array) -> jax.Array:
    """(n, h, w, o) and (3, 3, i, o) to (n, 2h, 2w, i)."""
    n, h, w, _ = gradient.shape
    turned = kernel.transpose(0, 1, 3, 2)  # (3, 3, o, i)

    def phase(row: int, column: int) -> jax.Array:
        taps = turned[jnp.array(_TAPS[row])][:, jnp.array(_TAPS[column])]
        padding = [(1 - row, 0), (1 - column, 0)]
        return lax.conv_general_dilated(gradient, taps, (1, 1), padding, dimension_numbers=LAYOUT)

    rows = [jnp.stack([phase(row, 0), phase(row, 1)], axis=3) for row in (0, 1)]
    return jnp.stack(rows, axis=2).reshape(n, 2 * h, 2 * w, -1)  # from (n, h, 2, w, 2, i)
