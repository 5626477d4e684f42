"""A head that does not lie still: rigid motion between the delays, in the plane of the slice."""

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.coils import places
from qsr_jax.physics.scanner import Scanner


def draw_motion(rng: np.random.Generator, scanner: Scanner, *, delays: int) -> np.ndarray:
    """Places of the head, (delay, 3): along y and x in mm, turned in degrees."""
    spread = (scanner.motion_mm, scanner.motion_mm, scanner.motion_deg)
    return rng.standard_normal((delays, 3)) * spread


def _shear(images: jax.Array, by: jax.Array, axis: int) -> jax.Array:
    """Samples at ``x + by y`` (axis -1) or ``y + by x`` (axis -2), in fields of view."""
    rows, columns = images.shape[-2:]
    y, x = places((rows, columns))
    n = images.shape[axis]
    k = np.fft.fftfreq(n, 1 / n)
    turn = k * y if axis == -1 else k[:, None] * x
    spectrum = jnp.fft.fft(images, axis=axis)
    return jnp.fft.ifft(spectrum * jnp.exp(2j * jnp.pi * by * turn), axis=axis).real


@jax.jit
def move(images: jax.Array, by: jax.Array) -> jax.Array:
    """Turns, then displaces, real images (..., y, x) of a square field of view.

    Band-limited and so without blur: a rotation is three shears (Unser, Thevenaz, Yaroslavsky
    1995, doi:10.1109/83.465102), each a phase ramp in the Fourier domain.

    Args:
        images: whatever their pixel's shape, pixel n // 2 at the isocentre.
        by: (3,) displacement along y and x in fields of view, rotation from x towards y in radians.
    """
    dy, dx, angle = by
    tangent, sine = jnp.tan(angle / 2), jnp.sin(angle)
    images = _shear(images, tangent, -1)
    images = _shear(images, -sine, -2)
    images = _shear(images, tangent, -1)
    for axis, shift in ((-1, dx), (-2, dy)):
        n = images.shape[axis]
        ramp = jnp.exp(-2j * jnp.pi * shift * np.fft.fftfreq(n, 1 / n))
        ramp = ramp if axis == -1 else ramp[:, None]
        images = jnp.fft.ifft(jnp.fft.fft(images, axis=axis) * ramp, axis=axis).real
    return images
