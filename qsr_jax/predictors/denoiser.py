"""A trained denoiser of weighted images, as reconstruction takes it."""

from pathlib import Path

import jax
import jax.numpy as jnp

from qsr_jax.checkpoint import LATEST, CheckpointError
from qsr_jax.objectives.objective import exact, output_of
from qsr_jax.predictors.opened import DENOISING, Opened, open_model
from qsr_jax.reconstruct.denoisers import Denoiser
from qsr_jax.tasks import WeightedImages

REACH = 3.0
"""Standard deviations of the noise by which a pixel may change: white noise explains no more, so
what a network would add or erase beyond stays, and without noise an image is given back."""


def load_denoiser(model: Path | str, *, which: str = LATEST) -> tuple[Denoiser, Opened]:
    """Loads a trained denoiser.

    Args:
        model: name of a model that ships, a model file, or the workdir of a training.
        which: "latest" or "best", see :func:`qsr_jax.predictors.opened.open_model`.

    Returns:
        The function, and what it was read from.

    Raises:
        CheckpointError: as :func:`~qsr_jax.predictors.opened.open_model`; or it is no denoiser of
            weighted images.
    """
    opened = open_model(model, which=which)
    kind = (opened.document["objective"], opened.task.KIND)
    if kind != (DENOISING, WeightedImages.KIND):
        raise CheckpointError(
            f"{opened.path}: {kind[0]} of {kind[1]}; expected a denoiser of weighted images, see "
            "configs/mrf_denoiser.py"
        )
    network, variables = exact(opened.network), opened.variables

    def denoise(images: jax.Array, sigma: jax.Array) -> jax.Array:
        told = jnp.full(len(images), sigma, images.dtype)
        made = output_of(network, variables, images[..., None], told, train=False)[..., 0]
        return images + jnp.clip(made - images, -REACH * sigma, REACH * sigma)

    return denoise, opened
