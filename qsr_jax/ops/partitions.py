"""Steps of phase encoding across a slab, and its slices: one Fourier transform along z.

Unitary, so that white noise keeps its size. The step without encoding is the middle one.
"""

import numpy as np
from scipy import fft


def partitions_of(slices: np.ndarray) -> np.ndarray:
    """(z, ...) complex64 of slices to (step, ...).

    >>> partitions_of(np.ones((4, 1), np.complex64)).real[:, 0].tolist()
    [0.0, 0.0, 2.0, 0.0]
    """
    steps = fft.fft(np.fft.ifftshift(slices, axes=0), axis=0, norm="ortho", overwrite_x=True)
    return np.fft.fftshift(steps, axes=0)


def slices_of(partitions: np.ndarray) -> np.ndarray:
    """The inverse of :func:`partitions_of`.

    >>> slices_of(np.asarray([[0], [0], [2], [0]], np.complex64)).real[:, 0].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    slices = fft.ifft(np.fft.ifftshift(partitions, axes=0), axis=0, norm="ortho", overwrite_x=True)
    return np.fft.fftshift(slices, axes=0)
