"""Losses by name, one value per sample.

Nothing is reduced over samples here: how a batch becomes one number (mean or sum, over one device
or eight) is said once, by the training step. To add a loss: one function in this room and one line
in :data:`LOSSES`; a config page then gives it a weight under ``loss.terms``.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import jax

from qsr_jax.losses.adversarial import adversarial, discriminator, relativistic
from qsr_jax.losses.likelihood import gaussian, laplace
from qsr_jax.losses.means import regions, tissues, value_bins
from qsr_jax.losses.measurement import measurement_consistency
from qsr_jax.losses.perceptual import content
from qsr_jax.losses.physics import contrast_consistency
from qsr_jax.losses.pixel import charbonnier, mae, mse
from qsr_jax.losses.units import log_error, relative_error

Kind = Literal["pixel", "maps", "measured", "likelihood", "adversarial", "features"]
"""What a loss is a function of:

- ``pixel``: (output, target, weights), all in network scale;
- ``maps``: the same in physical units, and the names of the maps;
- ``measured``: output and the fast scan's maps in physical units, weights on the coarse grid, names
  and alignment;
- ``likelihood``: (output, logarithm of its spread, target, weights), all in network scale;
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
    "relative": Loss(relative_error, "maps"),
    "log": Loss(log_error, "maps"),
    "regions": Loss(regions, "pixel"),
    "tissues": Loss(tissues, "maps"),
    "value_bins": Loss(value_bins, "maps"),
    "t1w": Loss(functools.partial(contrast_consistency, sequence="t1w"), "maps"),
    "t2w": Loss(contrast_consistency, "maps"),
    "flair": Loss(functools.partial(contrast_consistency, sequence="flair"), "maps"),
    "measurement": Loss(measurement_consistency, "measured"),
    "laplace": Loss(laplace, "likelihood"),
    "gaussian": Loss(gaussian, "likelihood"),
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
    "gaussian",
    "laplace",
    "log_error",
    "mae",
    "measurement_consistency",
    "mse",
    "regions",
    "relative_error",
    "relativistic",
    "tissues",
    "value_bins",
]
