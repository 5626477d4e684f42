"""Which line of k-space is acquired at which echo, and what that does to the image.

The train of a shot is split in halves, one per echo image. The lines nearest the centre belong to
the echo of the effective TE; further out follow the echoes next to it in time. Both halves use the
same order, so the two images are blurred alike.
"""

import numpy as np

from qsr_jax.physics.mdme_protocol import Protocol


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
