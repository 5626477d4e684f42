"""In-plane interpolation on the declared grid alignment.

Every interpolation of the house goes through :func:`upsample`, so a half-pixel convention is stated
once. A slip of a quarter of a coarse pixel costs a mean of 8 ms and a 99th percentile of 218 ms on
a T1 phantom, which is as large as the effects under study.
"""

import jax
import jax.numpy as jnp

from qsr_jax.types import first_voxel_shift

METHODS = ("linear", "cubic", "lanczos3")


def upsample(images: jax.Array, *, scale: int, alignment: str, method: str) -> jax.Array:
    """Interpolates images to a grid ``scale`` times finer over the same field of view.

    The kernels are those of ``jax.image``: "cubic" is Keys' kernel with a = -0.5 (the usual
    bicubic; doi:10.1109/TASSP.1981.1163711). Cubic and Lanczos overshoot at edges; nothing is
    clipped here.

    Args:
        images: (n, h, w, c) values of any unit.
        scale: integer factor.
        alignment: "corner" or "sample", see :mod:`qsr_jax.types`.
        method: one of :data:`METHODS`.

    Returns:
        (n, scale*h, scale*w, c), same unit and dtype.

    Raises:
        ValueError: unknown method or alignment.
    """
    if method not in METHODS:
        raise ValueError(f"interpolation {method!r} is not one of {', '.join(METHODS)}")
    n, h, w, c = images.shape
    # Fine pixel 0 must fall on coarse index `shift`; jax.image counts from the pixel's outer edge.
    shift = first_voxel_shift(alignment, scale)
    translation = jnp.full(2, 0.5 - scale * (shift + 0.5), images.dtype)
    return jax.image.scale_and_translate(
        images,
        (n, h * scale, w * scale, c),
        (1, 2),
        jnp.full(2, scale, images.dtype),
        translation,
        method,
        antialias=False,
    )
