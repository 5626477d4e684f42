"""Interpolation as a predictor: the baselines every network has to beat.

All of them lay the fine grid where the declared alignment says, see :mod:`qsr_jax.types`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.anatomy.label_means import nearest_on
from qsr_jax.ops import fourier
from qsr_jax.ops.resample import METHODS as KERNELS
from qsr_jax.ops.resample import upsample
from qsr_jax.types import Prediction, Predictor, Volume, first_voxel_shift

NEAREST, SINC = "nearest", "sinc"
METHODS = (NEAREST, *KERNELS, SINC)
"""What :func:`interpolator` knows."""


def interpolator(*, scale: int, alignment: str, method: str) -> Predictor:
    """A predictor that interpolates every map in physical units; nothing is clipped.

    Args:
        scale: factor between the grids.
        alignment: how the fine grid lies on the coarse one, "corner" or "sample".
        method: "nearest" (between two equally near voxels their mean), "linear" (bilinear),
            "cubic" (bicubic), "lanczos3" or "sinc" (zero-filling of k-space).

    Raises:
        ValueError: unknown method or alignment.
    """
    first_voxel_shift(alignment, scale)
    resize = _resizer(scale, alignment, method)

    def predict(volume: Volume) -> Prediction:
        geometry = volume.geometry.refined(scale, alignment)
        if method == NEAREST:
            mean = nearest_on(volume, geometry).astype(np.float32)
        else:
            mean = np.asarray(resize(jnp.asarray(volume.maps, jnp.float32)))
        return Prediction(mean=mean, std=None, names=volume.names, geometry=geometry)

    return predict


def _resizer(scale: int, alignment: str, method: str) -> Callable[[jax.Array], jax.Array]:
    """Compiled (n, h, w, c) -> (n, scale*h, scale*w, c)."""
    if method not in METHODS:
        raise ValueError(f"interpolation {method!r} is not one of {', '.join(METHODS)}")
    if method == SINC:
        return jax.jit(lambda x: sinc_upsample(x, scale=scale, alignment=alignment))
    return jax.jit(lambda x: upsample(x, scale=scale, alignment=alignment, method=method))


def sinc_upsample(images: jax.Array, *, scale: int, alignment: str) -> jax.Array:
    """Zero-fills k-space to ``scale`` times the matrix; exact for what the coarse grid can hold.

    The image is read as periodic: what leaves the field of view on one side returns on the other.

    Args:
        images: (n, h, w, c) real values of any unit.
        scale: integer factor.
        alignment: "corner" or "sample"; plain zero-filling of even matrices is "sample".

    Returns:
        (n, scale*h, scale*w, c), same unit.
    """
    rows, columns = images.shape[1:3]
    fine = rows * scale, columns * scale
    # Zero-filling keeps pixel n // 2 in place; fine pixel j must show coarse index j/scale + start.
    start = first_voxel_shift(alignment, scale)
    moved_rows, moved_columns = (
        (start + (n * scale // 2) / scale - n // 2) / n for n in (rows, columns)
    )
    spectrum = fourier.zero_fill(fourier.to_kspace(jnp.moveaxis(images, -1, 1)), fine)
    # The real part shares the one unpaired coefficient of an even matrix between both ends.
    return jnp.moveaxis(
        fourier.to_image(fourier.shift(spectrum, (moved_rows, moved_columns))).real, 1, -1
    )
