"""The scanner: from the signal of a fine truth grid to noisy images on the reconstructed grid.

k-space is the Fourier transform of the truth image, so what a protocol does not sample is lost, and
both protocols see the same object. Level one: no coils and no echo-train blurring; parallel imaging
enters as its noise, ``g sqrt(R)``.
"""

import functools

import jax
import numpy as np

from qsr_jax.ops import fourier
from qsr_jax.physics.protocol import Protocol
from qsr_jax.physics.signal import signal
from qsr_jax.types import Geometry

REFERENCE_TISSUE = (760.0, 67.0, 66.0)
"""T1 (ms), T2 (ms), PD (%) of the white matter whose SNR is stated."""


def k_space_window(protocol: Protocol) -> np.ndarray:
    """Fermi window over the acquired (frequency, phase) samples of a protocol."""
    radius, width = protocol.fermi
    return fourier.fermi_window(protocol.matrix, radius=radius, width=width)


def image_noise(receiver_noise: float, protocol: Protocol) -> float:
    """Standard deviation of the real part of an image, from that of one k-space sample.

    ``s g sqrt(R) sqrt(sum W^2)``: all sampled coefficients add up in a pixel; R-fold fewer are
    measured and the unfolding amplifies by g (Pruessmann 1999,
    doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S). With equal dwell time this
    is SNR ~ voxel volume x sqrt(samples).
    """
    parallel = protocol.g_factor * np.sqrt(protocol.acceleration)
    return float(receiver_noise * parallel * np.linalg.norm(k_space_window(protocol)))


def receiver_noise(snr: float, protocol: Protocol) -> float:
    """Noise of one k-space sample that gives white matter ``snr`` in this protocol's images.

    The images meant are the longest delay at the first echo, B1 = 1.

    Raises:
        ValueError: ``snr`` is not positive.
    """
    if not snr > 0:
        raise ValueError(f"snr must be positive; got {snr}")
    white = float(jax.jit(signal, static_argnums=4)(*REFERENCE_TISSUE, 1.0, protocol)[-1, 0])
    return white / snr / image_noise(1.0, protocol)


def centre_offset(target: Geometry, truth: Geometry) -> tuple[float, float]:
    """How far pixel n//2 of ``target`` lies from that of ``truth``, along (y, x) in fields of view.

    Zero when the grids are sample-aligned; half a truth pixel when they share the outer edge and
    the target is twice coarser.
    """

    def centre(grid: Geometry) -> np.ndarray:
        _, ny, nx = grid.shape
        return (grid.affine_lps() @ [0, ny // 2, nx // 2, 1])[:3]

    apart = centre(target) - centre(truth)
    field_y = truth.shape[1] * truth.spacing_mm[1]
    field_x = truth.shape[2] * truth.spacing_mm[2]
    return float(apart @ truth.col_dir) / field_y, float(apart @ truth.row_dir) / field_x


def smooth_phase(rng: np.random.Generator, shape: tuple[int, int], *, echoes: int) -> np.ndarray:
    """Smooth image phase of every echo in radians, (echo, y, x): linear and quadratic, about +-1.

    Args:
        rng: source of randomness.
        shape: (y, x).
        echoes: number of echoes, each with its own phase.
    """
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    basis = np.stack([y, x, y * y - 0.5, x * x - 0.5, x * y])
    weights = rng.uniform(-0.5, 0.5, (echoes, len(basis)))
    return np.tensordot(weights, basis, axes=1).astype(np.float32)


def acquire(
    rng: np.random.Generator,
    truth_kspace: jax.Array,
    protocol: Protocol,
    *,
    noise: float,
    offset: tuple[float, float],
) -> jax.Array:
    """Scans one slice.

    Truth k-space is cropped to the acquired matrix, complex Gaussian noise is added, and the Fermi
    window and zero-filling make the image, sampled ``offset`` away from the truth grid's centre.

    Args:
        rng: source of the noise; the host's, so that every device sees the same.
        truth_kspace: (delay, echo, y, x) Fourier coefficients of the signal on the truth grid,
            see :func:`qsr_jax.ops.fourier.to_kspace`; the same for every protocol. Only the part
            that is acquired needs to be there.
        protocol: matrix, reconstruction, window, acceleration.
        noise: standard deviation of the real and of the imaginary part of one k-space sample,
            before g sqrt(R).
        offset: from :func:`centre_offset`.

    Returns:
        (delay, echo, recon, recon) complex64.

    Raises:
        ValueError: the acquired matrix is larger than ``truth_kspace``.
    """
    shape = (*truth_kspace.shape[:-2], *protocol.matrix, 2)
    sigma = noise * protocol.g_factor * protocol.acceleration**0.5
    random = rng.standard_normal(shape, np.float32) * np.float32(sigma)
    return _reconstruct(truth_kspace, random.view(np.complex64)[..., 0], protocol, offset)


@functools.partial(jax.jit, static_argnames=("protocol", "offset"))
def _reconstruct(
    truth_kspace: jax.Array, noise: jax.Array, protocol: Protocol, offset: tuple[float, float]
) -> jax.Array:
    kspace = fourier.crop(truth_kspace, protocol.matrix) + noise
    kspace = fourier.shift(kspace * k_space_window(protocol), offset)
    return fourier.to_image(fourier.zero_fill(kspace, (protocol.recon, protocol.recon)))
