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

LOCAL_SMALLEST, TERMS = 1e-7, 16
"""The same for a polynomial of a part of the table's range (:func:`within`), at the rounding of
float32; it has a multiple of so many terms, so that few programs are compiled."""

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
        low: (3,) T1 (ms), T2 (ms) and B1 at which the polynomials' arguments are -1.
        high: (3,) likewise for 1; what lies outside takes the value at the edge.
    """

    terms: np.ndarray
    weights: np.ndarray
    echoes: np.ndarray
    low: np.ndarray
    high: np.ndarray


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
    nodes = [_nodes(n) for n in NODES]
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
    for axis, x in enumerate(nodes):
        inverse = np.linalg.inv(_polynomials(x))
        amplitude = np.moveaxis(np.tensordot(inverse, amplitude, (1, 2 + axis)), 0, 2 + axis)
    kept = np.argwhere(np.abs(amplitude).max(axis=(0, 1)) > SMALLEST)
    weights = amplitude[:, :, *kept.T].astype(np.float32)
    low, high = np.transpose([T1_RANGE_MS, T2_RANGE_MS, B1_RANGE]).astype(np.float32)
    return SliceTable(kept, weights, echoes[:, :shapes].astype(np.float32), low, high)


def _nodes(count: int) -> np.ndarray:
    return np.cos(np.pi * (np.arange(count) + 0.5) / count)


def _polynomials(x: np.ndarray) -> np.ndarray:
    """As many Chebyshev polynomials as there are places ``x`` in -1..1: (place, degree)."""
    return np.cos(np.outer(np.arccos(x), np.arange(len(x))))


def within(table: SliceTable, low: np.ndarray, high: np.ndarray) -> SliceTable:
    """The same polynomials, written for a smaller range, where far fewer terms count.

    A polynomial of another argument is one of the same degree; what is left out is below the
    rounding of what stays.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> table = slice_table(ROUTINE, cross_talk=False)
    >>> white = within(table, np.array([700.0, 70.0, 0.9]), np.array([900.0, 90.0, 1.1]))
    >>> tissue = jnp.array([800.0]), jnp.array([80.0]), 1.05
    >>> change = amplitudes(white, *tissue) - amplitudes(table, *tissue)
    >>> len(white.terms) < len(table.terms) / 4, bool(abs(change).max() < 2e-6)
    (True, True)

    Args:
        table: of the whole range.
        low: (3,) least T1 (ms), T2 (ms) and B1.
        high: (3,) largest.
    """
    dense = np.zeros((*table.weights.shape[:2], *NODES))
    dense[:, :, *table.terms.T] = table.weights
    edges = []
    for axis, n in enumerate(NODES):
        scale = np.log if axis < 2 else np.float64
        first, last = scale(float(table.low[axis])), scale(float(table.high[axis]))
        wanted = scale(np.array([low[axis], high[axis]], np.float64))
        ends = np.clip(2 * (wanted - first) / (last - first) - 1, -1.0, 1.0)
        middle, half = ends.mean(), max(np.ptp(ends) / 2, 1e-3)
        middle = np.clip(middle, half - 1.0, 1.0 - half)
        x = _nodes(n)
        change = np.linalg.solve(_polynomials(x), _polynomials(middle + half * x))
        dense = np.moveaxis(np.tensordot(change, dense, (1, 2 + axis)), 0, 2 + axis)
        edges.append(first + (last - first) * (middle + half * np.array([-1.0, 1.0]) + 1) / 2)
    largest = np.abs(dense).max(axis=(0, 1))
    count = TERMS * (1 + np.count_nonzero(largest > LOCAL_SMALLEST) // TERMS)
    kept = np.stack(np.unravel_index(np.argsort(-largest, axis=None)[:count], NODES), axis=-1)
    low, high = np.transpose([np.exp(edges[0]), np.exp(edges[1]), edges[2]]).astype(np.float32)
    return SliceTable(kept, dense[:, :, *kept.T].astype(np.float32), table.echoes, low, high)


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
    (low1, low2, low), (high1, high2, high) = table.low, table.high
    places = (
        2 * jnp.log(t1_ms / low1) / jnp.log(high1 / low1) - 1,
        2 * jnp.log(t2_ms / low2) / jnp.log(high2 / low2) - 1,
        jnp.broadcast_to(2 * (jnp.asarray(b1) - low) / (high - low) - 1, t1_ms.shape),
    )
    first, second, third = (
        jnp.take(_chebyshev(x, n), table.terms[:, axis], axis=0)
        for axis, (x, n) in enumerate(zip(places, NODES, strict=True))
    )
    return jnp.einsum("dst,tp->dsp", table.weights, first * second * third)
