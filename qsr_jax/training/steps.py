"""One training step as a pure function of (state, frozen features, batch).

The generator runs forward once; both updates come from that one image:

1. sr = G(lr), its pull-back kept (``jax.vjp``);
2. D is updated on (hr, sr);
3. the gradient of equation 4 at sr, with the updated D, goes back through the kept pull-back.

A batch taken in parts keeps nothing: each part's image is computed again for 3, after D has been
updated on all of them.

Reduction over the batch is global: every term is a sum over all samples of all devices, divided
where the paper says mean. So N devices do what one does with the same global batch.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from qsr_jax.maps import MapSpec
from qsr_jax.tasks.crops import prepare
from qsr_jax.training.compute_options import PLAIN, Computing
from qsr_jax.training.state import GanState, Networks, Variables
from qsr_jax.training.terms import (
    LossWeights,
    Metrics,
    Reduction,
    discriminator_shares,
    paper_terms,
    pixel_terms,
)
from qsr_jax.types import Batch

Step = Callable[[GanState, Any, Batch], tuple[GanState, Metrics]]


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
    flip: bool = False,
    computing: Computing = PLAIN,
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
        axis_name: device axis of :mod:`qsr_jax.training.parallel`, or None for one device.
        flip: whether half of the samples are mirrored, left to right.
        computing: precision and memory.

    Returns:
        The step. Its metrics are scalars of the global batch: every term raw and ``*_weighted``,
        ``total``, and for the adversarial stage ``discriminator``, ``p_real``, ``p_fake``; norms
        of the gradients, and of everything that the state holds of the networks after the step.
    """
    work = _Work(
        networks=computing.applied_to(networks),
        over=Reduction(batch_size, axis_name),
        weights=weights,
        computing=computing,
        adversarial=adversarial,
        frozen_norm=frozen_norm,
    )
    load = functools.partial(
        prepare, spec=spec, scale=networks.generator.scale, crop=crop, flip=flip, seed=seed
    )

    def step(state: GanState, features_params: Any, batch: Batch) -> tuple[GanState, Metrics]:
        how = work.whole if computing.parts == 1 else work.in_parts
        with jax.default_matmul_precision(computing.matmul):
            images = functools.partial(load, step=state.step)
            state, gradients, statistics, metrics = how(state, features_params, batch, images)
        state = _improved(networks.optimizer, state, gradients, statistics, average_decay)
        norms = {"generator_gradient_norm": optax.tree.norm(gradients)} | _sizes(state)
        return state, metrics | norms

    return step


@dataclasses.dataclass(frozen=True)
class _Work:
    """Both ways to the generator's gradients.

    Each returns the state with D updated, G's global gradients and new statistics, and metrics.
    """

    networks: Networks
    over: Reduction
    weights: LossWeights
    computing: Computing
    adversarial: bool
    frozen_norm: bool

    def whole(self, state: GanState, features_params: Any, batch: Batch, load: Callable) -> tuple:
        """One generator pass serves both updates."""
        lr, hr = load(batch)
        sr, pull_back, statistics = self._forward(state.generator, lr)
        metrics, norm = {}, {}
        if self.adversarial:
            shares = discriminator_shares(self.networks, self.over, state.discriminator, hr, sr)
            state, metrics, norm = self._judged(state, *shares)
        sr_gradient, more = self._improve(state, features_params, sr, hr, batch)
        gradients = self.over.total(pull_back(sr_gradient)[0])
        return state, gradients, statistics, self.over.total(metrics | more) | norm

    def in_parts(
        self, state: GanState, features_params: Any, batch: Batch, load: Callable
    ) -> tuple:
        """Piece by piece, twice: for D, then with the updated D for G."""

        def judge(part: Batch) -> tuple:
            lr, hr = load(part)
            sr = self._forward(state.generator, lr)[0]
            return discriminator_shares(self.networks, self.over, state.discriminator, hr, sr)

        metrics, norm, judged = {}, {}, state
        if self.adversarial:
            gradients, stats, metrics = self.computing.summed(judge, batch)
            judged, metrics, norm = self._judged(state, gradients, self._mean(stats), metrics)

        def improve(part: Batch) -> tuple:
            lr, hr = load(part)
            sr, pull_back, statistics = self._forward(state.generator, lr)
            sr_gradient, more = self._improve(judged, features_params, sr, hr, part)
            return pull_back(sr_gradient)[0], statistics, more

        gradients, statistics, more = self.computing.summed(improve, batch)
        unchanged = state.generator["batch_stats"]
        statistics = unchanged if self.frozen_norm else self._mean(statistics)
        return (
            judged,
            self.over.total(gradients),
            statistics,
            self.over.total(metrics | more) | norm,
        )

    def _forward(self, generator: Variables, lr: jax.Array) -> tuple:
        """G(lr), its pull-back to the parameters, and its new running statistics."""
        statistics, network = generator["batch_stats"], self.networks.generator

        def run(params: Any) -> tuple[jax.Array, Any]:
            variables = {"params": params, "batch_stats": statistics}
            if self.frozen_norm:
                return network.apply(variables, lr, train=False), statistics
            sr, updates = network.apply(variables, lr, train=True, mutable=["batch_stats"])
            return sr, updates["batch_stats"]

        return jax.vjp(run, generator["params"], has_aux=True)

    def _judged(self, state: GanState, gradients: Any, stats: Any, metrics: Metrics) -> tuple:
        """State with an updated D, this device's shares of the metrics, the gradient's norm."""
        gradients = self.over.total(gradients)
        optimizer = self.networks.optimizer
        params, opt = _apply(optimizer, gradients, state.discriminator, state.discriminator_opt)
        discriminator = {"params": params, "batch_stats": stats}
        norm = {"discriminator_gradient_norm": optax.tree.norm(gradients)}
        return state.replace(discriminator=discriminator, discriminator_opt=opt), metrics, norm

    def _improve(
        self, state: GanState, features_params: Any, sr: jax.Array, hr: jax.Array, batch: Batch
    ) -> tuple[jax.Array, Metrics]:
        """Gradient of the loss at sr, and this device's shares of its terms."""
        terms = pixel_terms(self.over, self.weights, hr)
        if self.adversarial:
            terms = paper_terms(
                self.networks,
                self.over,
                self.weights,
                state.discriminator,
                features_params,
                hr,
                batch,
            )
        return jax.grad(terms, has_aux=True)(sr)

    def _mean(self, summed: Any) -> Any:
        return jax.tree.map(lambda x: x / self.computing.parts, summed)


def _apply(
    optimizer: optax.GradientTransformation, gradients: Any, network: Variables, opt: Any
) -> tuple:
    updates, opt = optimizer.update(gradients, opt, network["params"])
    return optax.apply_updates(network["params"], updates), opt


def _improved(
    optimizer: optax.GradientTransformation,
    state: GanState,
    gradients: Any,
    statistics: Any,
    average_decay: float,
) -> GanState:
    """The state after the generator's update, one step further."""
    params, opt = _apply(optimizer, gradients, state.generator, state.generator_opt)
    generator = {"params": params, "batch_stats": statistics}
    return state.replace(
        step=state.step + 1,
        generator=generator,
        generator_opt=opt,
        average=_follow(state.average, generator, average_decay, state.step),
    )


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
