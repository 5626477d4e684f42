"""Equation 4 and the discriminator's loss, as a device's shares of global sums."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from qsr_jax import losses
from qsr_jax.training.state import Networks, Variables
from qsr_jax.types import Batch

FEATURES_HR = "features_hr"
"""In a batch: features of the routine images, where they need not be computed again."""

Metrics = dict[str, jax.Array]
Terms = Callable[[jax.Array], tuple[jax.Array, Metrics]]
"""sr -> (weighted total, every term raw and weighted)."""


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Equation 4: weights of its terms, and how equation 2 reduces over samples ("sum"/"mean")."""

    mae: float
    gan: float
    vgg: float
    gan_reduction: str

    def __post_init__(self) -> None:
        """Refuses a reduction that does not exist."""
        if self.gan_reduction not in ("sum", "mean"):
            raise ValueError(
                f"loss.gan_reduction is {self.gan_reduction!r}; expected 'sum' (equation 2 as "
                "printed) or 'mean'"
            )


@dataclasses.dataclass(frozen=True)
class Reduction:
    """Local shares of global sums and means; :meth:`total` adds the shares up."""

    batch_size: int
    axis_name: str | None

    def mean(self, per_sample: jax.Array) -> jax.Array:
        """This device's share of the mean over the global batch."""
        return per_sample.sum() / self.batch_size

    def total(self, tree: Any) -> Any:
        """The shares of all devices together."""
        return tree if self.axis_name is None else jax.lax.psum(tree, self.axis_name)


def judge(networks: Networks, params: Any, stats: Any, images: jax.Array) -> tuple:
    """Logits of D in training mode, and its new running statistics."""
    logits, updates = networks.discriminator.apply(
        {"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"]
    )
    return logits, updates["batch_stats"]


def discriminator_shares(
    networks: Networks, over: Reduction, discriminator: Variables, hr: jax.Array, sr: jax.Array
) -> tuple[Any, Any, Metrics]:
    """Gradients, new running statistics and metrics of D's cross-entropy.

    Routine and generated images go through D one after the other, each normalised by statistics
    of its own, as SRGAN programs do; the paper does not say. (In one batch both would share their
    statistics, which is another loss.)
    """

    def loss(params: Any) -> tuple:
        real, stats = judge(networks, params, discriminator["batch_stats"], hr)
        fake, stats = judge(networks, params, stats, sr)
        value = over.mean(losses.discriminator(real, fake))
        probabilities = {
            "p_real": over.mean(jax.nn.sigmoid(real)),
            "p_fake": over.mean(jax.nn.sigmoid(fake)),
        }
        return value, (stats, {"discriminator": value} | probabilities)

    gradients, (stats, metrics) = jax.grad(loss, has_aux=True)(discriminator["params"])
    return gradients, stats, metrics


def pixel_terms(over: Reduction, weights: LossWeights, hr: jax.Array) -> Terms:
    """Equation 1 alone."""

    def terms(sr: jax.Array) -> tuple[jax.Array, Metrics]:
        return _weigh({"mae": (over.mean(losses.mae(sr, hr)), weights.mae)})

    return terms


def paper_terms(
    networks: Networks,
    over: Reduction,
    weights: LossWeights,
    discriminator: Variables,
    features_params: Any,
    hr: jax.Array,
    batch: Batch,
) -> Terms:
    """Equation 4; a batch may bring the routine images' features."""
    if FEATURES_HR in batch:
        features_hr = batch[FEATURES_HR].astype(jnp.float32)
    else:
        features_hr = networks.features.apply({"params": features_params}, hr)

    def terms(sr: jax.Array) -> tuple[jax.Array, Metrics]:
        logits, _ = judge(networks, discriminator["params"], discriminator["batch_stats"], sr)
        gan = losses.adversarial(logits)
        features_sr = networks.features.apply({"params": features_params}, sr)
        return _weigh(
            {
                "mae": (over.mean(losses.mae(sr, hr)), weights.mae),
                "gan": (
                    gan.sum() if weights.gan_reduction == "sum" else over.mean(gan),
                    weights.gan,
                ),
                "vgg": (over.mean(losses.content(features_sr, features_hr)), weights.vgg),
            }
        )

    return terms


def _weigh(terms: dict[str, tuple[jax.Array, float]]) -> tuple[jax.Array, Metrics]:
    """Weighted total, and every term raw and weighted."""
    weighted = {f"{name}_weighted": value * weight for name, (value, weight) in terms.items()}
    total = jnp.stack(list(weighted.values())).sum()
    raw = {name: value for name, (value, _) in terms.items()}
    return total, raw | weighted | {"total": total}
