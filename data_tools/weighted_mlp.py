"""Fits the network of every pixel that stands beside those that see neighbours."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_tools.weighted_cases import Slices
from qsr_jax.predictors.weighted_baselines import PixelMlp, PixelNetwork, pixel_signals
from qsr_jax.tasks.scaling import CENTRED
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.options import OptimizerOptions

RATE, VOXELS, STEPS = 3e-3, 4096, 1500
"""Of Adam at first (cosine to 0), of a step, and of all."""


def fit_pixel_mlp(train: Slices, *, common: bool, steps: int = STEPS, seed: int = 0) -> PixelMlp:
    """Fits it to the brain's voxels by absolute error in network scale.

    Args:
        train: slices to learn from.
        common: whether the three images share one gain.
        steps: of :data:`VOXELS` voxels.
        seed: of weights and voxels.
    """
    inside = np.flatnonzero(train.brain.ravel())
    told = pixel_signals(train.images, train.brain, train.acquisition_ms, common=common)
    signals, numbers = (np.asarray(array)[inside] for array in told)
    wanted = jnp.asarray(train.truth.reshape(-1, 3)[inside])
    scales = enumerate(CENTRED.values())
    target = np.stack([np.asarray(s.to_network(wanted[:, i])) for i, s in scales], -1)
    network, role = PixelNetwork(), "network"
    options = OptimizerOptions(learning_rate=RATE, schedule="cosine")
    optimizer = make_optimizers((role,), options, total_steps=steps, warmup_steps=0)[role]
    variables: Any = network.init(jax.random.key(seed), signals[:1], numbers[:1])
    state = optimizer.init(variables)

    @jax.jit
    def step(variables: Any, state: Any, *part: jax.Array) -> tuple[Any, Any]:
        def loss(v: Any) -> jax.Array:
            return jnp.abs(jnp.asarray(network.apply(v, part[0], part[1])) - part[2]).mean()

        updates, state = optimizer.update(jax.grad(loss)(variables), state, variables)
        return jax.tree.map(jnp.add, variables, updates), state

    draws = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = draws.integers(0, len(signals), VOXELS)
        variables, state = step(variables, state, *(a[chosen] for a in (signals, numbers, target)))
    return PixelMlp(variables)
