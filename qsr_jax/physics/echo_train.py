"""Which line of k-space is acquired at which echo, and what that does to the image.

The train of a shot is split in halves, one per echo image. The lines nearest the centre belong to
the echo of the effective TE; further out follow the echoes next to it in time. Both halves use the
same order, so the two images are blurred alike.
"""

import functools

import numpy as np
from scipy import linalg

from qsr_jax.physics.mdme_protocol import Protocol

T2_RANGE_MS = (20.0, 2000.0)
"""Decays that the expansion must describe."""

EXPANSION_ERROR = 1e-3
"""Largest error allowed, of a signal that is 1 at excitation; five terms reach 5e-4 for the paper's
two trains."""


def sampled_lines(protocol: Protocol) -> np.ndarray:
    """Acquired phase lines in cycles per field of view: multiples of R inside the matrix.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> sampled_lines(ROUTINE)[:3].tolist(), len(sampled_lines(ROUTINE))
    ([-128, -126, -124], 128)
    """
    half, r = protocol.matrix[1] // 2, protocol.acceleration
    return r * np.arange(-(half // r), (half - 1) // r + 1)


def line_echoes(protocol: Protocol) -> np.ndarray:
    """Number of the echo, from 1, that acquires each sampled line: (2, lines).

    Every echo takes as many lines as there are shots; the last one in order takes the rest.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> centre = sampled_lines(ROUTINE) == 0
    >>> line_echoes(ROUTINE)[:, centre].ravel().tolist()  # of 16, eight for each image
    [2, 10]
    """
    lines, per_half = sampled_lines(protocol), protocol.lines_per_echo
    shots = -(-len(lines) // per_half)
    rank = np.argsort(np.argsort(np.abs(lines), kind="stable"), kind="stable")
    echoes = []
    for centre, first in zip(protocol.echo_numbers, (1, per_half + 1), strict=True):
        half = np.arange(first, first + per_half)
        outwards = half[np.argsort(np.abs(half - centre), kind="stable")]
        echoes.append(outwards[rank // shots])
    return np.stack(echoes)


def line_times_ms(protocol: Protocol) -> np.ndarray:
    """Time after excitation at which each sampled line is really acquired, (2, lines).

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> line_times_ms(ROUTINE)[:, sampled_lines(ROUTINE) == 0].ravel().round(2).tolist()
    [18.28, 91.4]
    """
    return line_echoes(protocol) * protocol.played.echo_spacing_ms


@functools.cache
def expand_decays(times_ms: tuple[float, ...]) -> tuple[tuple[float, ...], np.ndarray]:
    """Writes every decay as a sum of decays to a few anchor times, for all T2 at once.

    ``exp(-t/T2) ~ sum_a w(t, a) exp(-t_a/T2)``: the matrix over (t, T2) has few large singular
    values, so few of its rows, picked by a pivoted QR decomposition, span it (an interpolative
    decomposition; Cheng 2005, doi:10.1137/030602678). Its error is at most a few times that of the
    best expansion of the same rank, the singular-value decomposition. So one image per anchor and
    delay serves every line of k-space.

    >>> times = tuple(9.14 * n for n in range(1, 17))
    >>> anchors, weights = expand_decays(times)
    >>> exact = np.exp(-np.array(times) / 80.0)
    >>> bool(np.abs(weights @ np.exp(-np.array(anchors) / 80.0) - exact).max() < EXPANSION_ERROR)
    True

    Args:
        times_ms: (t,) the times wanted.

    Returns:
        anchors (a,) ms, and weights (t, a); as few as keep the error below
        :data:`EXPANSION_ERROR` over :data:`T2_RANGE_MS`.
    """
    rates = 1.0 / np.geomspace(*T2_RANGE_MS, 400)
    decays = np.exp(-np.outer(times_ms, rates))
    order = linalg.qr(decays.T, pivoting=True, mode="economic")[2]
    for rank in range(1, len(order) + 1):
        chosen = np.sort(order[:rank])
        weights = np.linalg.lstsq(decays[chosen].T, decays.T, rcond=None)[0].T
        if np.abs(weights @ decays[chosen] - decays).max() <= EXPANSION_ERROR:
            break
    return tuple(times_ms[i] for i in chosen), weights
