"""From images of the object to the k-space of every coil, and from there to what is seen.

One set of :func:`qsr_jax.simulate.object_images.object_images`, a delay and a shape of echo train
each, serves both echoes and all protocols that play the same times and pulses. They lie on a grid a
little wider than any acquired matrix; there each is multiplied by the coils and by the echo's
phase, both smooth, and every line of k-space takes its own weights of the shapes.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import fft

from qsr_jax.ops import fourier
from qsr_jax.physics import sense
from qsr_jax.physics.echo_train import sampled_lines
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.point_spread import k_space_window
from qsr_jax.physics.slice_state import REFERENCE_TISSUE, slice_state
from qsr_jax.types import Geometry

MARGIN = 24
"""Samples added to the widest matrix along each axis. A product with a smooth coil mixes
neighbouring frequencies only, so that the acquired samples differ by less than 1.5e-3 of the
largest one from those of coils applied to the fine truth (tests/simulate/test_acquisition.py)."""


def image_noise(receiver_noise: float, protocol: Protocol) -> float:
    """Standard deviation of the real part of an image where g-factor and coils' strength are 1.

    ``s sqrt(R) sqrt(sum W^2)``: all coefficients of the window W add up in a pixel, R-fold fewer
    are measured. The g-factor multiplies it where coils unfold badly. With equal dwell time this is
    SNR ~ voxel volume x sqrt(samples).
    """
    window = np.linalg.norm(k_space_window(protocol))
    return float(receiver_noise * np.sqrt(protocol.acceleration) * window)


def receiver_noise(snr: float, protocol: Protocol, *, cross_talk: bool) -> float:
    """Noise of one k-space sample that gives white matter ``snr`` in this protocol's images.

    The images meant are the longest delay at the first echo, where B1, the root sum of squares of
    the coils and the g-factor are 1.

    Raises:
        ValueError: ``snr`` is not positive.
    """
    if not snr > 0:
        raise ValueError(f"snr must be positive; got {snr}")
    t1_ms, t2_ms, pd_percent = REFERENCE_TISSUE
    train = slice_state(protocol, [t1_ms], [t2_ms], [1.0], cross_talk=cross_talk).signal()
    white = pd_percent / 100.0 * train[-1, protocol.echo_numbers[0] - 1].item()
    return white / snr / image_noise(1.0, protocol)


def isocentre_offset(grid: Geometry) -> tuple[float, float]:
    """How far pixel n//2 of ``grid`` lies from the isocentre, along (y, x) in fields of view."""
    _, ny, nx = grid.shape
    centre_mm = (grid.affine_lps() @ [0, ny // 2, nx // 2, 1])[:3]
    along_y = float(centre_mm @ grid.col_dir) / (ny * grid.spacing_mm[1])
    along_x = float(centre_mm @ grid.row_dir) / (nx * grid.spacing_mm[2])
    return along_y, along_x


def working_shape(widest: tuple[int, int]) -> tuple[int, int]:
    """Even (y, x) of the grid on which coils are applied, :data:`MARGIN` wider than the matrix."""
    rows, columns = (2 * fft.next_fast_len((n + MARGIN) // 2) for n in widest)
    return rows, columns


@functools.partial(jax.jit, static_argnames="protocols")
def measure(
    images: jax.Array,
    coils: jax.Array,
    phase: jax.Array,
    weights: tuple[jax.Array, ...],
    protocols: tuple[Protocol, ...],
) -> tuple[jax.Array, ...]:
    """Noiseless k-space that every coil receives in every protocol.

    Args:
        images: (delay, shape, y, x) of :mod:`qsr_jax.simulate.object_images`, pixel n // 2 at the
            isocentre.
        coils: (coil, y, x) sensitivities.
        phase: (echo, y, x) radians.
        weights: for each protocol (echo, line, shape), from
            :func:`qsr_jax.simulate.object_images.line_weights`.
        protocols: matrices and lines.

    Returns:
        for each protocol (delay, echo, coil, frequency, line) complex64, the frequencies in rising
        order; coefficients as in :mod:`qsr_jax.ops.fourier`.
    """
    received = coils * jnp.exp(1j * phase)[:, None]

    def one_delay(image: jax.Array) -> tuple[jax.Array, ...]:
        echoes = [
            _lines(image, field, [weight[echo] for weight in weights], protocols)
            for echo, field in enumerate(received)
        ]
        return tuple(jnp.stack(parts) for parts in zip(*echoes, strict=True))

    return jax.lax.map(one_delay, images)


def _lines(
    image: jax.Array, field: jax.Array, weights: list[jax.Array], protocols: tuple[Protocol, ...]
) -> list[jax.Array]:
    """(shape, y, x) and (coil, y, x) to (coil, frequency, line) of every protocol."""
    rows, columns = image.shape[-2:]

    def one_coil(sensitivity: jax.Array) -> list[jax.Array]:
        found = []
        for protocol, weight in zip(protocols, weights, strict=True):
            r = protocol.acceleration if columns % protocol.acceleration == 0 else 1
            hybrid = fourier.along(image * sensitivity, -1, every=r)
            picked = hybrid[..., sampled_lines(protocol) // r % (columns // r)]
            spectrum = fourier.along(jnp.sum(picked * weight.T[:, None, :], axis=0), -2)
            found.append(spectrum[fourier.frequencies(protocol.matrix[0]) % rows])
        return found

    return jax.lax.map(one_coil, field)  # one by one they fit into a processor's cache


@functools.partial(jax.jit, static_argnames="points")
def measure_reference(
    images: jax.Array, coils: jax.Array, weights: jax.Array, *, points: int
) -> jax.Array:
    """Noiseless k-space of the reference scan: longest delay, first echo.

    Args:
        images: (delay, shape, y, x) of :mod:`qsr_jax.simulate.object_images`.
        coils: (coil, y, x) sensitivities.
        weights: (shape,) of :func:`qsr_jax.simulate.object_images.centre_weights`.
        points: samples along each axis.

    Returns:
        (coil + 1, points, points), the body coil last.
    """
    image = jnp.sum(images[-1] * weights[:, None, None], axis=0)
    received = jnp.concatenate([image * coils, image[None]])
    return fourier.crop(fourier.to_kspace(received), (points, points))


def complex_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Complex64 Gaussian noise, ``sigma`` in the real and in the imaginary part.

    Drawn on the host, so that every device sees the same.
    """
    random = rng.standard_normal((*shape, 2), np.float32)
    random *= np.float32(sigma)
    return random.view(np.complex64)[..., 0]


@functools.partial(jax.jit, static_argnames=("protocol", "offset"))
def reconstruct(
    kspace: jax.Array, maps: jax.Array, protocol: Protocol, *, offset: tuple[float, float]
) -> jax.Array:
    """Unfolds, windows and zero-fills: what the scanner makes of its k-space.

    Args:
        kspace: (delay, echo, coil, frequency, line) as :func:`measure` gives it, noise added.
        maps: (coil, y, x) coil maps on :func:`unfolded_shape`.
        protocol: matrix, acceleration, window, reconstruction.
        offset: where pixel recon // 2 lies from the isocentre, from :func:`isocentre_offset`.

    Returns:
        (delay, echo, recon, recon) complex64: where the maps are the coils' sensitivities, the
        object itself.
    """
    r = protocol.acceleration
    rows, columns = unfolded_shape(protocol)
    lines = columns // r
    # Pixel 0 of the folded grid is pixel 0 of the whole one, columns // 2 from the isocentre
    start = sampled_lines(protocol) // r * (columns // 2 - lines // 2) / lines
    align = (r * np.exp(-2j * np.pi * start)).astype(np.complex64)
    weights, window = sense.unfolding(maps, r), k_space_window(protocol)

    def one_delay(lines: jax.Array) -> jax.Array:
        image = sense.unfold(fourier.to_image(lines * align), weights)
        spectrum = fourier.resize(fourier.to_kspace(image), protocol.matrix) * window
        shifted = fourier.shift(spectrum, offset)
        return fourier.to_image(fourier.zero_fill(shifted, (protocol.recon, protocol.recon)))

    return jax.lax.map(one_delay, kspace)


def unfolded_shape(protocol: Protocol) -> tuple[int, int]:
    """(y, x) pixels of the unfolded image: the matrix, its phase side made a multiple of R."""
    return protocol.matrix[0], protocol.acceleration * len(sampled_lines(protocol))
