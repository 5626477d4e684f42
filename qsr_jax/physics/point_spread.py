"""What a scan resolves: the window over its k-space, and the image of a point along both axes."""

import numpy as np

from qsr_jax.ops import fourier
from qsr_jax.physics.echo_train import line_times_ms, sampled_lines
from qsr_jax.physics.mdme_protocol import Protocol


def k_space_window(protocol: Protocol) -> np.ndarray:
    """What the maker multiplies k-space with, (frequency, phase) float32.

    A Fermi window on an ellipse; an edge filter ``1 + edge_gain |k|^2`` on the same ellipse; and
    nothing where a partial echo was not read: its missing samples are left zero.

    >>> import dataclasses
    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> window = k_space_window(dataclasses.replace(ROUTINE, partial_echo=0.75))
    >>> window.shape, float(window[79, 128]), round(float(window[160, 128]), 3)
    ((320, 256), 0.0, 1.0)
    """
    radius, width = protocol.fermi
    window = fourier.fermi_window(protocol.matrix, radius=radius, width=width)
    down, across = (fourier.frequencies(n) / (n / 2) for n in protocol.matrix)
    window *= 1.0 + protocol.edge_gain * (down[:, None] ** 2 + across**2)
    window[down < 1.0 - 2.0 * protocol.partial_echo] = 0.0
    return window


def point_spread(
    protocol: Protocol, t2_ms: float, *, echo: int, points: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Image of a point, cut along the phase and along the frequency direction through its place.

    The window of the whole plane of k-space is in both: an ellipse resolves less along either axis
    than its cut through the centre of k-space says. Along phase the decay of the echo train counts.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> found = point_spread(ROUTINE, 80.0, echo=0, points=2048)
    >>> [round(full_width_mm(*found[axis]), 1) for axis in ("phase", "frequency")]
    [1.5, 1.0]

    Args:
        protocol: matrix, train and window.
        t2_ms: of the point.
        echo: 0 or 1.
        points: samples over the field of view.

    Returns:
        axis to positions (points,) mm and the magnitude of the spread, 1 at the point's place
        where nothing decays and no window is used.
    """
    lines, times = sampled_lines(protocol), line_times_ms(protocol)[echo]
    across = fourier.frequencies(protocol.matrix[1])
    centre = times[np.argmin(np.abs(lines))]
    decay = np.exp(-(np.interp(across, lines, times) - centre) / t2_ms)
    spectrum = k_space_window(protocol) * decay
    place = np.linspace(-0.5, 0.5, points, endpoint=False)
    found = {}
    for axis, sums in (("phase", spectrum.sum(axis=0)), ("frequency", spectrum.sum(axis=1))):
        k = fourier.frequencies(len(sums))
        spread = np.exp(2j * np.pi * np.outer(place, k)) @ sums / spectrum.size
        found[axis] = (place * protocol.fov_mm, np.abs(spread))
    return found


def full_width_mm(place_mm: np.ndarray, spread: np.ndarray) -> float:
    """Full width at half maximum of a point-spread function around its peak.

    >>> place = np.linspace(-5.0, 5.0, 1001)
    >>> round(full_width_mm(place, np.exp(-4 * np.log(2) * (place / 2.0) ** 2)), 2)
    2.0
    """
    peak = int(np.argmax(spread))
    half = spread[peak] / 2
    ends = []
    for step in (-1, 1):
        i = peak
        while spread[i + step] > half:
            i += step
        inside, outside = spread[i], spread[i + step]
        part = (inside - half) / (inside - outside)
        ends.append(place_mm[i] + part * (place_mm[i + step] - place_mm[i]))
    return float(ends[1] - ends[0])
