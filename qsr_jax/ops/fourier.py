"""Images and their Fourier coefficients on centred grids: crop, zero-fill, shift, window.

Pixel ``n // 2`` of an axis lies at position 0, and coefficient ``n // 2`` is the mean of the image:
``image[j] = sum_k c[k] exp(2 pi i (k - n//2) (j - n//2) / n)``. Coefficients are not scaled by the
grid, so an image keeps its values (and its unit) when its k-space is cropped or zero-filled.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special


def _centring(shape: tuple[int, ...], sign: int) -> list[np.ndarray]:
    """Phases along (y, x) that move the origin of a discrete transform to pixel n // 2.

    A product with them is far cheaper than rolling the array by half its size.
    """
    phases = []
    for axis, n in ((1, shape[-2]), (0, shape[-1])):
        turns = (np.arange(n) * (n // 2) % n) / n
        phase = np.exp(2j * np.pi * sign * turns).astype(np.complex64)
        phases.append(np.expand_dims(phase, axis))
    return phases


def to_kspace(image: jax.Array) -> jax.Array:
    """(..., y, x) image, any unit, to complex64 Fourier coefficients of the same shape and unit.

    >>> round(abs(complex(to_kspace(jnp.full((8, 8), 3.0))[4, 4])), 4)  # the mean of the image
    3.0
    """
    py, px = _centring(image.shape, 1)
    constant = np.prod([np.exp(-2j * np.pi * (n // 2) ** 2 / n) for n in image.shape[-2:]])
    spectrum = jnp.fft.fft2(image * py * px, norm="forward")
    return spectrum * (py * np.complex64(constant)) * px


def to_image(kspace: jax.Array) -> jax.Array:
    """(..., y, x) Fourier coefficients to the complex image; the inverse of :func:`to_kspace`.

    >>> image = jnp.arange(16.0).reshape(4, 4)
    >>> bool(jnp.allclose(to_image(to_kspace(image)), image, atol=1e-4))
    True
    """
    py, px = _centring(kspace.shape, -1)
    constant = np.prod([np.exp(2j * np.pi * (n // 2) ** 2 / n) for n in kspace.shape[-2:]])
    image = jnp.fft.ifft2(kspace * py * px, norm="forward")
    return image * (py * np.complex64(constant)) * px


def crop(kspace: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Keeps the central (y, x) ``shape`` of (..., y, x) coefficients.

    Raises:
        ValueError: ``shape`` is larger than the array.

    >>> crop(jnp.zeros((2, 8, 8)), (4, 6)).shape
    (2, 4, 6)
    """
    starts = [have // 2 - want // 2 for have, want in zip(kspace.shape[-2:], shape, strict=True)]
    if min(starts) < 0:
        raise ValueError(f"cannot crop k-space {kspace.shape[-2:]} to the larger {shape}")
    rows, cols = (slice(s, s + n) for s, n in zip(starts, shape, strict=True))
    return kspace[..., rows, cols]


def zero_fill(kspace: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Surrounds (..., y, x) coefficients with zeros up to (y, x) ``shape``.

    Raises:
        ValueError: ``shape`` is smaller than the array.

    >>> zero_fill(jnp.ones((2, 4, 4)), (8, 6)).shape
    (2, 8, 6)
    """
    before = [want // 2 - have // 2 for have, want in zip(kspace.shape[-2:], shape, strict=True)]
    if min(before) < 0:
        raise ValueError(f"cannot zero-fill k-space {kspace.shape[-2:]} to the smaller {shape}")
    after = [
        want - have - b for have, want, b in zip(kspace.shape[-2:], shape, before, strict=True)
    ]
    width = [(0, 0)] * (kspace.ndim - 2) + list(zip(before, after, strict=True))
    return jnp.pad(kspace, width)


def resize(kspace: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Crops or zero-fills each of the (y, x) axes of the coefficients to ``shape``.

    >>> resize(jnp.ones((4, 8)), (8, 4)).shape
    (8, 4)
    """
    common = min(kspace.shape[-2], shape[0]), min(kspace.shape[-1], shape[1])
    return zero_fill(crop(kspace, common), shape)


def along(image: jax.Array, axis: int, *, every: int = 1) -> jax.Array:
    """Fourier coefficients along one ``axis`` (-1 or -2), as :func:`to_kspace` defines them.

    The axis comes in the order of :func:`numpy.fft.fft`: coefficient k at index k modulo n. Of
    coefficients that are multiples of ``every`` alone, k is at k / every modulo n / every: they
    are those of the image folded onto itself, which is cheaper.

    >>> along(jnp.full((4, 4), 2.0), -1)[0, 0].real.tolist()
    2.0
    >>> image = jnp.arange(12.0).reshape(2, 6)
    >>> bool(jnp.allclose(along(image, -1, every=2), along(image, -1)[:, ::2], atol=1e-5))
    True

    Args:
        image: (..., y, x).
        axis: -1 or -2.
        every: divides the axis.
    """
    n = image.shape[axis]
    kept = n // every
    turns = every * np.fft.fftfreq(kept, 1 / kept) * (n // 2) / n
    ramp = np.exp(2j * np.pi * turns).astype(np.complex64)
    if every > 1:
        image = jnp.mean(jnp.stack(jnp.split(image, every, axis=axis)), axis=0)
    return jnp.fft.fft(image, axis=axis, norm="forward") * _on_axis(ramp, axis)


def _on_axis(values: np.ndarray, axis: int) -> np.ndarray:
    return values[:, None] if axis == -2 else values


def sample_coarser(
    image: jax.Array, shape: tuple[int, int], by_fov: tuple[float, float]
) -> jax.Array:
    """Samples a real image on a coarser grid after removing what that grid cannot carry.

    Args:
        image: (..., y, x) real, pixel n // 2 at 0.
        shape: even (y, x) of the coarser grid over the same field of view.
        by_fov: where pixel n // 2 of the coarser grid lies along (y, x), in fields of view.

    Returns:
        (..., *shape) real float32; frequencies from -n/2 + 1 to n/2 - 1 are kept exactly.

    Raises:
        ValueError: the grid is finer than the image, or odd.

    >>> coarse = sample_coarser(jnp.full((8, 8), 5.0), (4, 4), (0.0, 0.0))
    >>> coarse.shape, round(float(coarse.min()), 4)
    ((4, 4), 5.0)
    """
    if any(n % 2 or n > have for n, have in zip(shape, image.shape[-2:], strict=True)):
        raise ValueError(
            f"cannot sample an image of {image.shape[-2:]} at the finer or odd {shape}"
        )
    (rows, columns), (ny, nx) = image.shape[-2:], shape
    ramps = []
    for have, want, by in ((rows, ny, by_fov[0]), (columns, nx, by_fov[1])):
        k = np.fft.fftfreq(want, 1 / want)
        ramp = np.exp(2j * np.pi * k * (by + (have // 2) / have - (want // 2) / want))
        ramps.append(np.where(np.abs(k) < want / 2, ramp, 0.0).astype(np.complex64))
    half = jnp.fft.rfft(image, axis=-1, norm="forward")[..., : nx // 2 + 1]
    half = half * np.append(ramps[1][: nx // 2], np.complex64(0))
    full = jnp.fft.fft(half, axis=-2, norm="forward")
    kept = np.fft.fftfreq(ny, 1 / ny).astype(int) % rows
    full = jnp.take(full, kept, axis=-2) * ramps[0][:, None]
    column = jnp.fft.ifft(full, axis=-2, norm="forward")
    return jnp.fft.irfft(column, nx, axis=-1, norm="forward").astype(jnp.float32)


def frequencies(size: int) -> np.ndarray:
    """Whole cycles per field of view along an axis of ``size`` coefficients, (size,).

    >>> frequencies(4).tolist()
    [-2, -1, 0, 1]
    """
    return np.arange(size) - size // 2


def shift(kspace: jax.Array, by_fov: tuple[float, float]) -> jax.Array:
    """Samples the image elsewhere: pixel at x then shows what lay at ``x + by_fov``.

    Args:
        kspace: (..., y, x) coefficients.
        by_fov: displacement of the sampling points along (y, x), in fields of view.

    >>> image = jnp.zeros((4, 4)).at[2, 3].set(1.0)
    >>> moved = to_image(shift(to_kspace(image), (0.0, 0.25)))  # a quarter of 4 pixels
    >>> round(abs(complex(moved[2, 2])), 4)
    1.0
    """
    ramp_y, ramp_x = (
        np.exp(2j * np.pi * by * frequencies(n)).astype(np.complex64)
        for by, n in zip(by_fov, kspace.shape[-2:], strict=True)
    )
    return kspace * ramp_y[:, None] * ramp_x


def turned(image: jax.Array, degrees: jax.Array | float) -> jax.Array:
    """A real image turned about pixel n // 2, from x towards y, by three shears in k-space.

    Each shear moves every row or column by a whole spectrum's phase, so nothing is smoothed (Unser
    1995, doi:10.1109/83.465102); what leaves the field comes back at the other side.

    Args:
        image: (..., y, x).
        degrees: small; beyond 45 the shears leave the field.

    >>> spot = jnp.zeros((16, 16)).at[8, 12].set(1.0)  # four pixels right of the middle
    >>> turn = turned(spot, 14.036)  # by the arc tangent of 1 / 4
    >>> [int(i) for i in np.unravel_index(turn.argmax(), turn.shape)]
    [9, 12]
    """
    angle = jnp.deg2rad(degrees)
    across, down = jnp.tan(angle / 2), -jnp.sin(angle)
    for axis, by in ((-1, across), (-2, down), (-1, across)):
        image = _sheared(image, by, axis)
    return image


def _sheared(image: jax.Array, by: jax.Array, axis: int) -> jax.Array:
    """Lines along ``axis`` sampled ``by`` pixels further for every pixel off the middle."""
    other = -3 - axis
    off = frequencies(image.shape[other])[:, None]
    k = np.fft.rfftfreq(image.shape[axis])
    phase = 2 * np.pi * by * (off * k)
    ramp = jnp.exp(1j * (phase if axis == -1 else phase.T)).astype(jnp.complex64)
    spectrum = jnp.fft.rfft(image, axis=axis) * ramp
    return jnp.fft.irfft(spectrum, image.shape[axis], axis=axis)


def fermi_window(shape: tuple[int, int], *, radius: float, width: float) -> np.ndarray:
    """Fermi window ``1 / (1 + exp((|k| - radius) / width))`` against ringing, (y, x) float32.

    ``|k|`` is elliptical and 1 at the edge of each axis, so the corners are dropped when
    ``radius < 1`` (the usual choice of a scanner). The centre has weight ~1; at ``radius`` it is
    0.5; ``width -> 0`` gives the sharp ellipse.

    Raises:
        ValueError: radius or width is not positive.

    >>> float(fermi_window((8, 8), radius=0.5, width=0.05)[2, 4])  # at the radius
    0.5
    """
    if radius <= 0 or width <= 0:
        raise ValueError(f"Fermi radius {radius} and width {width} must be positive")
    ky, kx = (frequencies(n) / (n / 2) for n in shape)
    k = np.hypot(ky[:, None], kx[None, :])
    return special.expit((radius - k) / width).astype(np.float32)
