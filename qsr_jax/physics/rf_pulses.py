"""What a slice-selective pulse does at every place through the slice.

Each pulse is a Hann-windowed sinc under a constant gradient, played as short hard rotations. A
rotation is held as its Cayley-Klein parameters (Pauly et al. 1991, doi:10.1109/42.75611):
``M+' = (a*)^2 M+ - b^2 M- + 2 a* b Mz`` and ``Mz' = -a* b* M+ - a b M- + (|a|^2 - |b|^2) Mz``,
where ``M- = conj(M+)``. Relaxation during a pulse (some 3 ms) is neglected.
"""

import functools
from typing import NamedTuple

import numpy as np

TIME_BANDWIDTH = 4.0
"""Duration times bandwidth of every pulse; the bandwidth is what the gradient makes the nominal
thickness. A common choice for spin echoes; the scanner's own pulses are not published."""

STEPS = 400
"""Hard rotations per pulse; twice as many move a 180-degree profile by less than 1e-4."""


class Rotation(NamedTuple):
    """Cayley-Klein parameters of a rotation, complex128 arrays of one shape."""

    a: np.ndarray
    b: np.ndarray

    @property
    def cosine(self) -> np.ndarray:
        """What is left of the longitudinal magnetisation when the transverse one is spoiled."""
        return np.abs(self.a) ** 2 - np.abs(self.b) ** 2


def selective(angle_deg: float, place: np.ndarray, b1: np.ndarray) -> Rotation:
    """A pulse about x and what it leaves besides the gradient's own dephasing.

    Of the dephasing half is taken off before and half after the pulse: it adds to the crushers of
    a refocusing pulse and to the rephasing gradient of an excitation.

    >>> middle = selective(90.0, np.array([0.0]), np.array([1.0]))
    >>> round(abs(float(middle.cosine[0])), 6), round(float(abs(middle.b[0]) ** 2), 4)
    (0.0, 0.5)
    >>> beyond = selective(90.0, np.array([1.5]), np.array([1.0]))
    >>> bool(beyond.cosine[0] > 0.9999)
    True

    Args:
        angle_deg: at the middle of the slice where the transmit field is nominal.
        place: (...) distance from the middle, in nominal thicknesses.
        b1: (...) transmit field relative to nominal, broadcasting against ``place``.

    Returns:
        the rotation at every place and field.
    """
    time = (np.arange(STEPS) + 0.5) / STEPS - 0.5
    shape = np.sinc(TIME_BANDWIDTH * time) * (0.5 + 0.5 * np.cos(2 * np.pi * time))
    turns = np.deg2rad(angle_deg) * shape / shape.sum()
    place, b1 = np.broadcast_arrays(np.asarray(place, float), np.asarray(b1, float))
    about_z = 2 * np.pi * TIME_BANDWIDTH * place / STEPS
    a, b = np.ones(place.shape, complex), np.zeros(place.shape, complex)
    for turn in turns:
        about_x = turn * b1
        angle = np.hypot(about_x, about_z)
        sine = 0.5 * np.sinc(angle / (2 * np.pi))  # sin(angle / 2) / angle
        step_a, step_b = np.cos(angle / 2) - 1j * about_z * sine, -1j * about_x * sine
        a, b = step_a * a - np.conj(step_b) * b, step_b * a + np.conj(step_a) * b
    return Rotation(a * np.exp(0.5j * STEPS * about_z), b)


@functools.cache
def rephasing_area(angle_deg: float) -> float:
    """Area of the rephasing gradient that gives most signal, over that of the selecting one.

    A scanner finds it in its own calibration; a small flip angle would ask for a half.

    >>> round(rephasing_area(1.0), 2), round(rephasing_area(90.0), 2)
    (0.5, 0.52)
    """
    place = np.linspace(0.0, 1.25, 126)
    pulse = selective(angle_deg, place, np.ones(126))
    tipped = 2j * np.conj(pulse.a) * pulse.b
    areas = np.linspace(0.45, 0.60, 301)
    turns = np.exp(-2j * np.pi * TIME_BANDWIDTH * np.outer(areas - 0.5, place))
    return float(areas[np.argmax((turns * tipped).real.sum(axis=1))])


def excited(angle_deg: float, place: np.ndarray, b1: np.ndarray) -> np.ndarray:
    """Transverse magnetisation that a rephased pulse about y makes of Mz = 1, complex.

    On the other side of the slice it is the conjugate, so over the whole slice it lies along x.

    >>> tipped = excited(90.0, np.array([0.0, 0.25]), np.ones(2))
    >>> round(float(tipped[0].real), 3), bool(abs(tipped[1].imag) < 0.1)
    (1.0, True)

    Args:
        angle_deg: at the middle of the slice where the transmit field is nominal.
        place: (...) distance from the middle, in nominal thicknesses.
        b1: (...) transmit field relative to nominal, broadcasting against ``place``.
    """
    pulse = selective(angle_deg, place, b1)
    turn = -2j * np.pi * TIME_BANDWIDTH * (rephasing_area(angle_deg) - 0.5)
    return 2j * np.conj(pulse.a) * pulse.b * np.exp(turn * np.asarray(place))
