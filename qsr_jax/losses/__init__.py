"""Losses by name, one value per sample.

Nothing is reduced over samples here: how a batch becomes one number (mean or sum, over one device
or eight) is said once, by the training step. To add a loss: one function in this room and one line
in :data:`LOSSES`; a config page then gives it a weight under ``loss.terms``.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax

from qsr_jax.losses.adversarial import adversarial, discriminator
from qsr_jax.losses.perceptual import content
from qsr_jax.losses.physics import contrast_consistency
from qsr_jax.losses.pixel import charbonnier, mae, mse

Kind = Literal["pixel", "maps", "adversarial", "features"]
"""What a loss is a function of:

- ``pixel``: (output, target, weights), all in network scale;
- ``maps``: the same in physical units, and the names of the maps;
- ``adversarial``: the discriminator's logits of the output;
- ``features``: frozen features of output and target.
"""


@dataclasses.dataclass(frozen=True)
class Loss:
    """A row of :data:`LOSSES`: the function, and what it is a function of."""

    values: Callable[..., jax.Array]
    kind: Kind


LOSSES: dict[str, Loss] = {
    "mae": Loss(mae, "pixel"),
    "mse": Loss(mse, "pixel"),
    "charbonnier": Loss(charbonnier, "pixel"),
    "t2w": Loss(contrast_consistency, "maps"),
    "gan": Loss(adversarial, "adversarial"),
    "vgg": Loss(content, "features"),
}
"""Every loss that a config page can weigh."""

__all__ = [
    "LOSSES",
    "Kind",
    "Loss",
    "adversarial",
    "charbonnier",
    "content",
    "contrast_consistency",
    "discriminator",
    "mae",
    "mse",
]
