"""The signal of any tissue at any transmit field, as a table that is cheap to read.

:func:`qsr_jax.physics.slice_state.slice_state` is computed at Chebyshev nodes of log T1, log T2 and
B1; the echoes of a train are written as sums of a few shapes of train (a singular-value
decomposition), and the amplitude of each shape at each delay as a Chebyshev polynomial. A table
takes about a second, is made once in a process for every protocol with the same times and pulses,
and is kept in memory only.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.effective_angles import EFFECTIVE
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.slice_state import slice_state

T1_RANGE_MS, T2_RANGE_MS, B1_RANGE = (200.0, 6000.0), (15.0, 2500.0), (0.65, 1.35)
"""Where a table is made; what lies outside takes the value at the edge."""

NODES = (11, 10, 7)
"""Nodes along log T1, log T2 and B1: off by less than 6e-4 of fully relaxed water between them."""

SMALLEST = 5e-5
"""Terms of the polynomial that never exceed this are left out: about 300 of 770 stay."""

TRAIN_ERROR, CENTRE_WEIGHT = 4e-3, 3.0
"""Largest error, of fully relaxed water, that the shapes of train may leave anywhere in the table
(at T2 above 1 s and B1 far from 1), and the weight of the two echoes that hold the centre of
k-space when the shapes are chosen. For B1 0.8..1.2 these two are off by less than 1e-3, the others
by less than 2.5e-3 (tests/physics/test_slice_table.py)."""


class SliceTable(NamedTuple):
    """Signals as ``sum over shapes of amplitude(delay, shape; T1, T2, B1) echoes(echo, shape)``.

    Attributes:
        terms: (term, 3) degrees of the Chebyshev polynomials of log T1, log T2 and B1.
        weights: (delay, shape, term) float32.
        echoes: (echo, shape) float32, echoes of the whole train.
    """

    terms: np.ndarray
    weights: np.ndarray
    echoes: np.ndarray


def slice_table(protocol: Protocol, *, cross_talk: bool) -> SliceTable:
    """The table of a protocol as it is played; made once for all that share times and pulses.

    >>> from qsr_jax.physics.mdme_protocol import FAST, ROUTINE
    >>> as_slow = dataclasses.replace(FAST, played=ROUTINE.played)
    >>> one, other = (slice_table(p, cross_talk=False) for p in (ROUTINE, as_slow))
    >>> one is other, one.echoes.shape
    (True, (16, 7))

    Args:
        protocol: TR, delays, train, slots and pulses as played.
        cross_talk: whether the neighbours' pulses act.
    """
    plain = dataclasses.replace(
        protocol,
        name="any",
        matrix=(2, 2),
        recon=2,
        acceleration=1,
        fov_mm=1.0,
        slices=1,
        fermi=(1.0, 1.0),
        angles=EFFECTIVE,
    )
    return _made(plain, cross_talk)


@functools.lru_cache(maxsize=8)
def _made(protocol: Protocol, cross_talk: bool) -> SliceTable:
    nodes = [np.cos(np.pi * (np.arange(n) + 0.5) / n) for n in NODES]
    (low1, high1), (low2, high2), (low, high) = T1_RANGE_MS, T2_RANGE_MS, B1_RANGE
    t1_ms = low1 * (high1 / low1) ** ((nodes[0] + 1) / 2)
    t2_ms = low2 * (high2 / low2) ** ((nodes[1] + 1) / 2)
    b1 = low + (high - low) * (nodes[2] + 1) / 2
    signal = slice_state(protocol, t1_ms, t2_ms, b1, cross_talk=cross_talk).signal()

    trains = np.moveaxis(signal, 1, 0).reshape(signal.shape[1], -1)
    centre = np.ones(len(trains))
    centre[np.array(protocol.echo_numbers) - 1] = CENTRE_WEIGHT
    left, size, right = np.linalg.svd(centre[:, None] * trains, full_matrices=False)
    echoes = left / centre[:, None]
    for shapes in range(1, len(size) + 1):
        amplitude = size[:shapes, None] * right[:shapes]
        if np.abs(echoes[:, :shapes] @ amplitude - trains).max() <= TRAIN_ERROR:
            break
    amplitude = np.moveaxis(amplitude.reshape(shapes, len(signal), *NODES), 0, 1)
    for axis, (x, n) in enumerate(zip(nodes, NODES, strict=True), start=2):
        inverse = np.linalg.inv(np.cos(np.outer(np.arccos(x), np.arange(n))))
        amplitude = np.moveaxis(np.tensordot(inverse, amplitude, (1, axis)), 0, axis)
    kept = np.argwhere(np.abs(amplitude).max(axis=(0, 1)) > SMALLEST)
    weights = amplitude[:, :, kept[:, 0], kept[:, 1], kept[:, 2]]
    return SliceTable(kept, weights.astype(np.float32), echoes[:, :shapes].astype(np.float32))


def _chebyshev(x: jax.Array, count: int) -> jax.Array:
    """(count, ...) Chebyshev polynomials of the first kind at ``x``, clipped to -1..1."""
    x = jnp.clip(x, -1.0, 1.0)
    found = [jnp.ones_like(x), x]
    while len(found) < count:
        found.append(2 * x * found[-1] - found[-2])
    return jnp.stack(found[:count])


def amplitudes(
    table: SliceTable, t1_ms: jax.Array, t2_ms: jax.Array, b1: jax.Array | float
) -> jax.Array:
    """Amplitude of every shape of train at every delay: (delay, shape, points).

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> table = slice_table(ROUTINE, cross_talk=False)
    >>> white = amplitudes(table, jnp.array([800.0]), jnp.array([80.0]), 1.0)
    >>> [round(float(x), 2) for x in white[-1, :, 0] @ table.echoes.T[:, [1, 9]]]
    [0.63, 0.29]

    Args:
        table: of the protocol.
        t1_ms: (points,) longitudinal relaxation time.
        t2_ms: (points,) transverse relaxation time.
        b1: (points,) or scalar, transmit field relative to nominal.

    Returns:
        1 = fully relaxed water, one slice thickness of it perfectly excited.
    """
    (low1, high1), (low2, high2), (low, high) = T1_RANGE_MS, T2_RANGE_MS, B1_RANGE
    places = (
        2 * jnp.log(t1_ms / low1) / np.log(high1 / low1) - 1,
        2 * jnp.log(t2_ms / low2) / np.log(high2 / low2) - 1,
        jnp.broadcast_to(2 * (jnp.asarray(b1) - low) / (high - low) - 1, t1_ms.shape),
    )
    first, second, third = (
        jnp.take(_chebyshev(x, n), table.terms[:, axis], axis=0)
        for axis, (x, n) in enumerate(zip(places, NODES, strict=True))
    )
    return jnp.einsum("dst,tp->dsp", table.weights, first * second * third)
