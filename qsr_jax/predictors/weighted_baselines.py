"""Everything simple that a network of weighted images is compared with.

- the pixelwise maximum-likelihood fit (:mod:`qsr_jax.physics.weighted_fit`), one gain;
- closed forms of two log ratios, in the manner of Moskovich 2024 (Hum Brain Mapp 45:e70102), whose
  third image is proton-density weighted and ours is not: T2 from T1w against T2w at a usual T1, T1
  from T1w at a usual PD;
- the mean of every tissue, by its true label: how much anatomy alone tells;
- a small network of every pixel and the times, without neighbours.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import ACQUISITION
from qsr_jax.models.embedding import told_features
from qsr_jax.objectives.objective import output_of
from qsr_jax.physics.weighted_fit import T1_RANGE_MS, T2_RANGE_MS, weighted_fit
from qsr_jax.physics.weighted_signal import weighted_signals
from qsr_jax.tasks.scaling import CENTRED
from qsr_jax.tasks.weighted_inputs import known_receive, numbers_of

USUAL_T1_MS, USUAL_PD = 1100.0, 0.75
"""Of brain tissue, where a closed form needs one; PD in parts of water."""

LASTING_MS = 1e9
WIDTH, LAYERS = 64, 3
"""Of the pixelwise network."""


@jax.jit
def pixel_fit(images: jax.Array, brain: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    """Maximum likelihood by pixel, one gain: T1 ms, T2 ms, PD percent, (z, h, w, 3).

    Args:
        images: (z, h, w, 3) T1w, T2w, FLAIR.
        brain: (z, h, w), what the gain is judged by.
        acquisition_ms: (z, 7).
    """
    receive = known_receive(images, brain[..., None], acquisition_ms, common=True)
    return weighted_fit(images / receive.gain, receive.filled_ms) * jnp.array([1.0, 1.0, 100.0])


@jax.jit
def log_ratios(images: jax.Array, brain: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    """Closed forms of T1w and T2w, one gain; arguments as of :func:`pixel_fit`."""
    receive = known_receive(images, brain[..., None], acquisition_ms, common=True)
    seen = jnp.maximum(images / receive.gain, 1e-4)
    times = receive.filled_ms[:, None, None]
    tr_ms, te_ms, te2_ms = (
        times[..., ACQUISITION.index(f"{name}_ms")] for name in ("t1w_tr", "t1w_te", "t2w_te")
    )
    usual = weighted_signals(
        jnp.float32(USUAL_T1_MS), jnp.float32(LASTING_MS), jnp.float32(1.0), times
    )
    ratio = jnp.log(seen[..., 0] / seen[..., 1]) - jnp.log(usual[..., 0] / usual[..., 1])
    t2_ms = jnp.clip((te2_ms - te_ms) / jnp.maximum(ratio, 1e-6), *T2_RANGE_MS)
    risen = seen[..., 0] * jnp.exp(te_ms / t2_ms) / USUAL_PD
    t1_ms = jnp.clip(-tr_ms / jnp.log1p(-jnp.clip(risen, 1e-4, 0.999)), *T1_RANGE_MS)
    one = weighted_signals(t1_ms, t2_ms, jnp.float32(1.0), times)
    density = seen[..., 1] / jnp.maximum(one[..., 1], 1e-6)
    return jnp.stack([t1_ms, t2_ms, 100.0 * density], -1)


def tissue_means(truth: np.ndarray, tissue: np.ndarray) -> dict[int, np.ndarray]:
    """Label to the mean maps (3,) of everybody's voxels.

    Args:
        truth: (n, h, w, 3).
        tissue: (n, h, w) labels; 0 is none.
    """
    labels = [int(label) for label in np.unique(tissue) if label]
    return {label: truth[tissue == label].mean(0, dtype=np.float64) for label in labels}


def by_tissue(tissue: np.ndarray, means: Mapping[int, np.ndarray]) -> np.ndarray:
    """Every voxel as its tissue's mean, (n, h, w, 3); 0 where the label has none."""
    made = np.zeros((*tissue.shape, 3), np.float32)
    for label, mean in means.items():
        made[tissue == label] = mean
    return made


class PixelNetwork(nn.Module):
    """Three signals and the numbers of their scan (n, 3), (n, 15) to maps in network scale."""

    @nn.compact
    def __call__(self, signals: jax.Array, numbers: jax.Array) -> jax.Array:
        """Runs the network."""
        logs = jnp.log(jnp.maximum(signals, 1e-3))
        y = jnp.concatenate([signals, logs, told_features(numbers)], -1)
        for _ in range(LAYERS):
            y = nn.relu(nn.Dense(WIDTH)(y))
        return nn.Dense(3)(y)


@dataclasses.dataclass(frozen=True)
class PixelMlp:
    """A fitted :class:`PixelNetwork`.

    Attributes:
        variables: of it.
    """

    variables: Any

    def __call__(
        self, images: np.ndarray, brain: np.ndarray, acquisition_ms: np.ndarray, *, common: bool
    ) -> np.ndarray:
        """T1 ms, T2 ms, PD percent; arguments as of :func:`pixel_fit`."""
        signals, numbers = pixel_signals(images, brain, acquisition_ms, common=common)
        return np.asarray(_apply(self.variables, signals, numbers)).reshape(images.shape)


def pixel_signals(
    images: np.ndarray, brain: np.ndarray, acquisition_ms: np.ndarray, *, common: bool
) -> tuple[jax.Array, jax.Array]:
    """Signals (voxels, 3) without their gain, and the numbers of each voxel's scan."""
    told = (jnp.asarray(array) for array in (images, brain[..., None], acquisition_ms))
    seen, mask, times = told
    receive = known_receive(seen, mask, times, common=common)
    numbers = jnp.repeat(numbers_of(receive), seen.shape[1] * seen.shape[2], axis=0)
    return (seen / receive.gain).reshape(-1, 3), numbers


@jax.jit
def _apply(variables: Any, signals: jax.Array, numbers: jax.Array) -> jax.Array:
    made = output_of(PixelNetwork(), variables, signals, numbers)
    scales = list(CENTRED.values())
    return jnp.stack([s.from_network(made[..., i]) for i, s in enumerate(scales)], -1)
