"""The gains of three contrasts that share none, from maps that are nearly right.

Where every series has a gain of its own, three signals do not tell three unknowns. But the first
maps, which lean on anatomy, tell what every contrast should show; the ratio of what it shows to
that is its gain, alike in all of a study's white and grey matter. With the images brought to one
gain pixels can be solved, and the network is asked again, as if they had shared it all along. What
the first maps get wrong of all tissue alike, the gains get wrong too.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.physics.weighted_signal import weighted_signals

ONE, FITTED, FREE = "one", "fitted", "free"
GAINS = (ONE, FITTED, FREE)
"""What the intensities of three contrasts are taken for: of one gain; of three, which are found in
the images; of three that nobody knows."""

FLUID_MS = 2000.0
"""T1 from which a voxel is not tissue: FLAIR shows noise there, T1w little more."""

LEAST_VOXELS = 50
"""Of tissue in a study; fewer tell no gain."""


class Ask(Protocol):
    """A network, asked for values and standard deviations of slices, all of one kind of gains."""

    def __call__(
        self, images: np.ndarray, times: np.ndarray, brain: np.ndarray, /, *, common: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Images (z, y, x, 3), times (z, 7) and brain (z, y, x) to (z, y, x, c), twice."""


class Said(NamedTuple):
    """What a network says of slices.

    Attributes:
        mean: (z, y, x, c).
        std: the same shape, or None.
        gains: (z,) which of :data:`GAINS` each slice was made with.
    """

    mean: np.ndarray
    std: np.ndarray | None
    gains: np.ndarray


def asked(
    ask: Ask,
    images: np.ndarray,
    acquisition_ms: np.ndarray,
    brain: np.ndarray,
    *,
    gains: str,
    fits: bool = True,
    studies: np.ndarray | None = None,
) -> Said:
    """What a network says of slices whose gains are of a kind.

    Where gains are to be fitted and cannot be (a time or a contrast is missing, or the network
    takes no pixelwise solution), they are free. The standard deviations of fitted gains are
    those of free ones: what the first maps did not know, the gains do not either.

    Args:
        ask: the network.
        images: (z, y, x, 3).
        acquisition_ms: (z, 7); NaN is unknown.
        brain: (z, y, x) bool.
        gains: one of :data:`GAINS`.
        fits: whether images brought to one gain tell the network more.
        studies: (z,) which slices are of one study; None: all.

    Raises:
        ValueError: no such gains.
    """
    if gains not in GAINS:
        raise ValueError(f"gains is {gains!r}; expected one of {', '.join(GAINS)}")
    mean, std = ask(images, acquisition_ms, brain, common=gains == ONE)
    kinds = np.full(len(images), ONE if gains == ONE else FREE, object)
    if gains != FITTED or not fits:
        return Said(mean, std, kinds)
    found = fitted_gains(images, mean, brain, acquisition_ms, studies=studies)
    known = np.isfinite(found).all(-1)
    if known.any():
        brought = (images[known] / found[known][:, None, None]).astype(np.float32)
        mean, kinds[known] = mean.copy(), FITTED
        mean[known] = ask(brought, acquisition_ms[known], brain[known], common=True)[0]
    return Said(mean, std, kinds)


def fitted_gains(
    images: np.ndarray,
    maps: np.ndarray,
    brain: np.ndarray,
    acquisition_ms: np.ndarray,
    *,
    studies: np.ndarray | None = None,
) -> np.ndarray:
    """Gain of every contrast over that of T2w, of every slice, (z, 3); NaN where nothing tells it.

    The median, over the tissue of a study, of the signal over what the maps say it is.

    >>> maps = np.full((1, 8, 8, 3), (850.0, 70.0, 70.0), np.float32)
    >>> times = np.array([[530.0, 12.6, 4400.0, 98.0, 8370.0, 106.0, 2380.0]], np.float32)
    >>> seen = np.asarray(weighted_signals(*np.moveaxis(maps, -1, 0), times[:, None, None]))
    >>> found = fitted_gains(seen * (3.0, 1.0, 0.5), maps, np.ones((1, 8, 8), bool), times)
    >>> found.round(3).tolist()
    [[3.0, 1.0, 0.5]]

    Args:
        images: (z, y, x, 3) T1w, T2w, FLAIR.
        maps: (z, y, x, 3) T1 ms, T2 ms, PD, nearly right.
        brain: (z, y, x) bool.
        acquisition_ms: (z, 7); NaN is unknown.
        studies: (z,) which slices belong together; None: all.
    """
    belongs = np.zeros(len(images), int) if studies is None else np.asarray(studies)
    tissue = brain & (maps[..., 0] > 0.0) & (maps[..., 0] < FLUID_MS)
    found = np.full((len(images), len(CONTRASTS)), np.nan)
    with jax.default_matmul_precision("highest"):
        told = np.asarray(_signals(jnp.asarray(maps), jnp.asarray(acquisition_ms)))
    for study in np.unique(belongs):
        mine = belongs == study
        inside = tissue[mine]
        shown, expected = images[mine][inside], told[mine][inside]
        if len(shown) < LEAST_VOXELS or not np.isfinite(acquisition_ms[mine]).all():
            continue
        gain = np.median(shown / np.maximum(expected, 1e-6), axis=0)
        if (gain > 0.0).all():
            found[mine] = gain / gain[CONTRASTS.index("t2w")]
    return found


@jax.jit
def _signals(maps: jax.Array, acquisition_ms: jax.Array) -> jax.Array:
    t1_ms, t2_ms, density = jnp.moveaxis(maps, -1, 0)
    return weighted_signals(t1_ms, t2_ms, density, acquisition_ms[:, None, None])
