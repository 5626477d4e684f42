"""One training step as a pure function of (state, frozen features, batch).

The generator runs forward once; both updates come from that one image:

1. sr = G(lr), its pull-back kept (``jax.vjp``);
2. D is updated on (hr, sr);
3. the gradient of equation 4 at sr, with the updated D, goes back through the kept pull-back.

Reduction over the batch is global: every term is a sum over all samples of all devices, divided
where the paper says mean. So N devices do what one does with the same global batch.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from qsr_jax import losses
from qsr_jax.maps import MapSpec
from qsr_jax.train.inputs import prepare
from qsr_jax.train.state import GanState, Networks, Variables
from qsr_jax.types import Batch

Metrics = dict[str, jax.Array]
Step = Callable[[GanState, Any, Batch], tuple[GanState, Metrics]]


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


def make_step(
    networks: Networks,
    *,
    spec: MapSpec,
    weights: LossWeights,
    batch_size: int,
    crop: int,
    seed: int,
    adversarial: bool,
    frozen_norm: bool,
    average_decay: float,
    axis_name: str | None,
) -> Step:
    """Builds ``step(state, features_params, batch) -> (state, metrics)``.

    Args:
        networks: the networks and their optimiser.
        spec: the map being trained.
        weights: equation 4.
        batch_size: samples in the global batch, all devices together.
        crop: coarse crop side in pixels, 0 for whole slices.
        seed: experiment seed.
        adversarial: False trains on equation 1 alone (warm-up); the discriminator waits.
        frozen_norm: True normalises the generator by its running statistics and leaves them, so
            that what is trained is what predicts.
        average_decay: of the running average of the generator; 0 keeps none.
        axis_name: device axis of :mod:`qsr_jax.train.parallel`, or None for one device.

    Returns:
        The step. Its metrics are scalars of the global batch: every term raw and ``*_weighted``,
        ``total``, and for the adversarial stage ``discriminator``, ``p_real``, ``p_fake``; norms
        of the gradients, and of everything that the state holds of the networks after the step.
    """
    over = _Reduction(batch_size, axis_name)

    def step(state: GanState, features_params: Any, batch: Batch) -> tuple[GanState, Metrics]:
        lr, hr = prepare(
            batch, spec=spec, scale=networks.generator.scale, crop=crop, seed=seed, step=state.step
        )
        sr, pull_back, generator_stats = _forward(networks, state.generator, lr, frozen_norm)
        if adversarial:
            state, metrics, gradient_norm = _update_discriminator(networks, over, state, hr, sr)
            terms = _paper_terms(networks, over, weights, state, features_params, hr)
        else:
            metrics, gradient_norm, terms = {}, {}, _pixel_terms(over, weights, hr)
        sr_gradient, generator_metrics = jax.grad(terms, has_aux=True)(sr)
        gradients = over.total(pull_back(sr_gradient)[0])
        params, opt = _apply(networks.optimizer, gradients, state.generator, state.generator_opt)
        generator = {"params": params, "batch_stats": generator_stats}
        state = state.replace(
            step=state.step + 1,
            generator=generator,
            generator_opt=opt,
            average=_follow(state.average, generator, average_decay, state.step),
        )
        norms = {"generator_gradient_norm": optax.tree.norm(gradients)} | _sizes(state)
        return state, over.total(metrics | generator_metrics) | gradient_norm | norms

    return step


@dataclasses.dataclass(frozen=True)
class _Reduction:
    """Local shares of global sums and means; :meth:`total` adds the shares up."""

    batch_size: int
    axis_name: str | None

    def mean(self, per_sample: jax.Array) -> jax.Array:
        return per_sample.sum() / self.batch_size

    def total(self, tree: Any) -> Any:
        return tree if self.axis_name is None else jax.lax.psum(tree, self.axis_name)


def _forward(networks: Networks, generator: Variables, lr: jax.Array, frozen_norm: bool) -> tuple:
    """G(lr), its pull-back to the parameters, and its new running statistics."""
    statistics = generator["batch_stats"]

    def run(params: Any) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": statistics}
        if frozen_norm:
            return networks.generator.apply(variables, lr, train=False), statistics
        sr, updates = networks.generator.apply(variables, lr, train=True, mutable=["batch_stats"])
        return sr, updates["batch_stats"]

    return jax.vjp(run, generator["params"], has_aux=True)


def _judge(networks: Networks, params: Any, stats: Any, images: jax.Array) -> tuple:
    """Logits of D in training mode, and its new running statistics."""
    logits, updates = networks.discriminator.apply(
        {"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"]
    )
    return logits, updates["batch_stats"]


def _update_discriminator(
    networks: Networks, over: _Reduction, state: GanState, hr: jax.Array, sr: jax.Array
) -> tuple[GanState, Metrics, Metrics]:
    """New state, this device's shares of the metrics, and the norm of the global gradient."""

    def loss(params: Any) -> tuple:
        real, stats = _judge(networks, params, state.discriminator["batch_stats"], hr)
        fake, stats = _judge(networks, params, stats, sr)
        value = over.mean(losses.discriminator(real, fake))
        probabilities = {
            "p_real": over.mean(jax.nn.sigmoid(real)),
            "p_fake": over.mean(jax.nn.sigmoid(fake)),
        }
        return value, (stats, {"discriminator": value} | probabilities)

    gradients, (stats, metrics) = jax.grad(loss, has_aux=True)(state.discriminator["params"])
    gradients = over.total(gradients)
    params, opt = _apply(
        networks.optimizer, gradients, state.discriminator, state.discriminator_opt
    )
    discriminator = {"params": params, "batch_stats": stats}
    norm = {"discriminator_gradient_norm": optax.tree.norm(gradients)}
    return state.replace(discriminator=discriminator, discriminator_opt=opt), metrics, norm


def _pixel_terms(over: _Reduction, weights: LossWeights, hr: jax.Array) -> Callable:
    def terms(sr: jax.Array) -> tuple[jax.Array, Metrics]:
        return _weigh({"mae": (over.mean(losses.mae(sr, hr)), weights.mae)})

    return terms


def _paper_terms(
    networks: Networks,
    over: _Reduction,
    weights: LossWeights,
    state: GanState,
    features_params: Any,
    hr: jax.Array,
) -> Callable:
    """Equation 4 as a function of sr."""
    features_hr = networks.features.apply({"params": features_params}, hr)

    def terms(sr: jax.Array) -> tuple[jax.Array, Metrics]:
        logits, _ = _judge(
            networks, state.discriminator["params"], state.discriminator["batch_stats"], sr
        )
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


def _apply(
    optimizer: optax.GradientTransformation, gradients: Any, network: Variables, opt: Any
) -> tuple:
    updates, opt = optimizer.update(gradients, opt, network["params"])
    return optax.apply_updates(network["params"], updates), opt


def _follow(average: Variables, generator: Variables, decay: float, step: jax.Array) -> Variables:
    """Exponential average of the generator; young averages forget faster, ``(1+t)/(10+t)``."""
    if not decay:
        return average
    kept = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: kept * old + (1.0 - kept) * new, average, generator)


def _sizes(state: GanState) -> Metrics:
    """Norms of parameters, statistics and average: not finite when anything in them is not."""
    return {
        "generator_norm": optax.tree.norm((state.generator, state.generator_opt)),
        "discriminator_norm": optax.tree.norm((state.discriminator, state.discriminator_opt)),
        "average_norm": optax.tree.norm(state.average),
    }
