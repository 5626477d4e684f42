"""SENSE: coil maps from a reference scan, unfolding of aliased images, g-factor.

Pruessmann et al., Magn Reson Med 1999;42:952
(doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S), with uncorrelated coil noise
(P = I). Aliasing runs along the last axis.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.ops import fourier

INTENSITY_CYCLES = 8.0
"""Standard deviation, in cycles per field of view, of the Gaussian that smooths the ratio of the
array's to the body coil's image."""


@functools.partial(jax.jit, static_argnames="shape")
def coil_maps(reference: jax.Array, body: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Coil maps (coil, y, x) relative to the body coil, from the middle of both's k-space.

    A Hann window keeps the low-resolution images free of ringing. Their ratio to the root of their
    sum of squares says how the coils share a pixel; the ratio of that root to the body coil's
    image, smoothed with the body image as its weight, says how strong the array is there. What is
    unfolded with these maps has the body coil's receive field, up to the error of the reference.
    In air the maps are noise, as on a scanner without a mask.

    >>> from qsr_jax.physics.coils import sensitivities
    >>> from qsr_jax.physics.scanner import Scanner
    >>> maps = jnp.asarray(sensitivities((32, 48), z_mm=0.0, fov_mm=220.0, scanner=Scanner()))
    >>> body = fourier.crop(fourier.to_kspace(jnp.ones((32, 48), jnp.complex64)), (32, 32))
    >>> reference = fourier.crop(fourier.to_kspace(maps), (32, 32))
    >>> found = coil_maps(reference, body, (32, 48))
    >>> found.shape, bool(jnp.abs(found - maps)[:, 16, 24].max() < 0.05)
    ((8, 32, 48), True)

    Args:
        reference: (coil, m, m) Fourier coefficients of the array's reference scan.
        body: (m, m) of the body coil's.
        shape: pixels wanted.
    """
    m = reference.shape[-1]
    window = np.hanning(m + 2)[1:-1]
    hann = (window[:, None] * window).astype(np.float32)
    low = fourier.to_image(fourier.zero_fill(reference * hann, shape))
    whole = jnp.abs(fourier.to_image(fourier.zero_fill(body * hann, shape)))
    root = jnp.sqrt(jnp.sum(low.real**2 + low.imag**2, axis=0) + jnp.finfo(jnp.float32).tiny)
    k = np.hypot(*np.meshgrid(*(fourier.frequencies(n) for n in shape), indexing="ij"))
    blur = np.exp(-0.5 * (k / INTENSITY_CYCLES) ** 2).astype(np.float32)

    def smooth(image: jax.Array) -> jax.Array:
        return fourier.to_image(fourier.to_kspace(image) * blur).real

    # The floor only matters in air, where it fades to the mean ratio
    floor = 1e-4 * jnp.max(whole) ** 2
    mean = jnp.sum(root * whole) / jnp.sum(whole * whole)
    strength = (smooth(root * whole) + floor * mean) / (smooth(whole * whole) + floor)
    return low / root * jnp.maximum(strength, 0.01 * mean)


def _normal_inverse(maps: jax.Array) -> jax.Array:
    """Split maps (c, y, R, f) to the inverse of ``S^H S``, (R, R, y, f).

    Gauss-Jordan elimination without pivoting: the matrix is Hermitian and positive definite, R is
    small, and every pixel runs at once.
    """
    r = maps.shape[2]
    normal = [
        [jnp.sum(jnp.conj(maps[:, :, a]) * maps[:, :, b], axis=0) for b in range(r)]
        for a in range(r)
    ]
    one, zero = jnp.ones_like(normal[0][0]), jnp.zeros_like(normal[0][0])
    rows = [normal[a] + [one if a == b else zero for b in range(r)] for a in range(r)]
    for a in range(r):
        # The small number keeps pixels without any coil finite
        pivot = 1.0 / (rows[a][a] + 1e-12)
        rows[a] = [entry * pivot for entry in rows[a]]
        for b in range(r):
            if b != a:
                factor = rows[b][a]
                rows[b] = [x - factor * y for x, y in zip(rows[b], rows[a], strict=True)]
    return jnp.stack([jnp.stack(row[r:]) for row in rows])


def split(maps: jax.Array, acceleration: int) -> jax.Array:
    """Maps (c, y, R f) as (c, y, R, f): pixels that fold onto each other beside each other.

    >>> split(jnp.arange(6.0).reshape(1, 1, 6), 2).shape
    (1, 1, 2, 3)
    """
    return maps.reshape(*maps.shape[:-1], acceleration, -1)


@functools.partial(jax.jit, static_argnames="acceleration")
def unfolding(maps: jax.Array, acceleration: int) -> jax.Array:
    """Unfolding weights ``(S^H S)^-1 S^H``: maps (c, y, R f) to (R, c, y, f).

    >>> from qsr_jax.physics.coils import sensitivities
    >>> from qsr_jax.physics.scanner import Scanner
    >>> maps = jnp.asarray(sensitivities((8, 12), z_mm=0.0, fov_mm=220.0, scanner=Scanner()))
    >>> unfolding(maps, 3).shape
    (3, 8, 8, 4)
    """
    parts = split(maps, acceleration)
    inverse = _normal_inverse(parts)
    conjugate = jnp.conj(parts)
    return jnp.stack(
        [sum(row[b][None] * conjugate[:, :, b] for b in range(acceleration)) for row in inverse]
    )


def unfold(folded: jax.Array, weights: jax.Array) -> jax.Array:
    """Folded coil images (..., c, y, f) to the image (..., y, R f).

    >>> from qsr_jax.physics.coils import sensitivities
    >>> from qsr_jax.physics.scanner import Scanner
    >>> maps = jnp.asarray(sensitivities((8, 12), z_mm=0.0, fov_mm=220.0, scanner=Scanner()))
    >>> image = jnp.arange(96.0).reshape(8, 12)
    >>> folded = jnp.sum(split(maps * image, 3), axis=2)
    >>> bool(jnp.abs(unfold(folded, unfolding(maps, 3)) - image).max() < 1e-2)
    True
    """
    parts = [jnp.sum(weight * folded, axis=-3) for weight in weights]
    return jnp.concatenate(parts, axis=-1)


@functools.partial(jax.jit, static_argnames="acceleration")
def g_factor(maps: jax.Array, acceleration: int) -> jax.Array:
    """Noise amplification beyond sqrt(R), (y, R f): ``sqrt((S^H S)^-1_ii (S^H S)_ii)``, >= 1.

    >>> from qsr_jax.physics.coils import sensitivities
    >>> from qsr_jax.physics.scanner import Scanner
    >>> maps = jnp.asarray(sensitivities((8, 12), z_mm=0.0, fov_mm=220.0, scanner=Scanner()))
    >>> bool(jnp.allclose(g_factor(maps, 1), 1.0, atol=1e-5))
    True
    >>> bool(jnp.all(g_factor(maps, 3) >= 0.999))
    True
    """
    parts = split(maps, acceleration)
    inverse = _normal_inverse(parts)
    power = jnp.sum(jnp.abs(parts) ** 2, axis=0)
    own = jnp.stack([inverse[i][i].real for i in range(acceleration)], axis=1)
    return jnp.sqrt(jnp.maximum(own * power, 0.0)).reshape(maps.shape[1:])
