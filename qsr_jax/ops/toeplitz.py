"""Sampling at any points and back as one convolution: Fourier transforms only, however many points.

``A^H W A`` of a Fourier sum depends on differences of places alone, so on a grid twice as large it
is a product (Fessler 2005, doi:10.1109/TSP.2005.853152). Images that are combinations of a few
basis functions of time mix with each other, by one kernel for each pair (Tamir 2017,
doi:10.1002/mrm.26102).
"""

import jax
import jax.numpy as jnp

from qsr_jax.ops.nufft import image_of_samples


def sampling_kernel(
    weights: jax.Array, points: jax.Array, shape: tuple[int, int], *, method: str | None = None
) -> jax.Array:
    """What :func:`normal_operator` multiplies with, (k, k, 2 y, 2 x) float32.

    >>> weights = jnp.ones((1, 1, 1))  # one sample at the middle: every pixel becomes their sum
    >>> kernel = sampling_kernel(weights, jnp.zeros((1, 2)), (4, 4), method="gridding")
    >>> coils, image = jnp.ones((1, 4, 4)), jnp.ones((1, 4, 4))
    >>> normal_operator(image, kernel, coils).real.round(2)[0, 1].tolist()
    [16.0, 16.0, 16.0, 16.0]

    Args:
        weights: (k, k, m) real, symmetric: of every point for every pair of basis functions.
        points: (m, 2) along y and x, radians per pixel.
        shape: (y, x) of the images.
        method: of :mod:`qsr_jax.ops.nufft`.

    Raises:
        ValueError: as the Fourier sum does.
    """
    k = len(weights)
    pairs = [(a, b) for a in range(k) for b in range(a, k)]
    rows, columns = shape
    wanted = jnp.stack([weights[a, b] for a, b in pairs])
    far = image_of_samples(wanted, points, (2 * rows, 2 * columns), method=method)
    # No two pixels are a whole image apart; without this row and column the kernel is real
    far = far.at[..., 0, :].set(0.0).at[..., 0].set(0.0)
    spectra = jnp.fft.fft2(jnp.roll(far, (-rows, -columns), axis=(-2, -1))).real
    place = {pair: n for n, pair in enumerate(pairs)}
    order = jnp.asarray([[place[min(a, b), max(a, b)] for b in range(k)] for a in range(k)])
    return spectra[order]


def normal_operator(images: jax.Array, kernel: jax.Array, coils: jax.Array) -> jax.Array:
    """``A^H W A`` of images (k, y, x) that coils (c, y, x) see; see :func:`sampling_kernel`.

    >>> kernel = jnp.ones((1, 1, 8, 8))  # every frequency once: nothing changes
    >>> image = jnp.arange(16.0).reshape(1, 4, 4)
    >>> bool(jnp.allclose(normal_operator(image, kernel, jnp.ones((1, 4, 4))), image, atol=1e-5))
    True
    """
    rows, columns = images.shape[-2:]

    def one_coil(total: jax.Array, coil: jax.Array) -> tuple[jax.Array, None]:
        spectra = jnp.fft.fft2(images * coil, s=(2 * rows, 2 * columns))
        mixed = jnp.sum(kernel * spectra, axis=1)
        seen = jnp.fft.ifft2(mixed)[..., :rows, :columns]
        return total + jnp.conj(coil) * seen, None

    return jax.lax.scan(one_coil, jnp.zeros(images.shape, jnp.complex64), coils)[0]
