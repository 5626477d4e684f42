"""Interpolation as a predictor: the baselines every network has to beat."""

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.ops.resample import upsample
from qsr_jax.types import Prediction, Predictor, Volume


def interpolator(*, scale: int, alignment: str, method: str) -> Predictor:
    """A predictor that interpolates every map in physical units; nothing is clipped.

    Args:
        scale: factor between the grids.
        alignment: how the fine grid lies on the coarse one, "corner" or "sample".
        method: "linear", "cubic" (bicubic) or "lanczos3".
    """
    resize = jax.jit(lambda x: upsample(x, scale=scale, alignment=alignment, method=method))

    def predict(volume: Volume) -> Prediction:
        return Prediction(
            mean=np.asarray(resize(jnp.asarray(volume.maps, jnp.float32))),
            std=None,
            names=volume.names,
            geometry=volume.geometry.refined(scale, alignment),
        )

    return predict
