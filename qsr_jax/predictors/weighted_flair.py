"""FLAIR from the maps of T1w and T2w alone, and how like the real one it is."""

import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.metrics.ssim import ssim
from qsr_jax.physics.weighted_signal import weighted_signals
from qsr_jax.predictors.weighted_network import WeightedPredictor

FLAIR = CONTRASTS.index("flair")
BRIGHT_PERCENT = 99.5
"""Of the real FLAIR in the brain: the range of PSNR and SSIM."""


def flair_of_two(
    predictor: WeightedPredictor,
    images: np.ndarray,
    acquisition_ms: np.ndarray,
    brain: np.ndarray,
    *,
    gains: str,
) -> np.ndarray:
    """What FLAIR shows by the maps of T1w and T2w alone, (z, y, x), of any gain.

    Args:
        predictor: that can do without a contrast.
        images: (z, y, x, 3); the third is not looked at.
        acquisition_ms: (z, 7).
        brain: (z, y, x) bool.
        gains: as :meth:`WeightedPredictor.say` takes them; two contrasts cannot tell them.

    Raises:
        ValueError: the model needs all contrasts, or a time of the FLAIR is not known.
    """
    if not predictor.task.absent:
        raise ValueError(
            f"{predictor.description}: was not trained to do without a contrast; train one with "
            "--config.weighted.absent=0.15"
        )
    if not np.isfinite(acquisition_ms[:, 4:]).all():
        raise ValueError("TR, TE and TI of the FLAIR must be known; give --tr, --te and --ti")
    maps = predictor.say(without(images), acquisition_ms, brain, gains=gains)[0]
    return shown_by(maps, acquisition_ms)


def without(images: np.ndarray) -> np.ndarray:
    """Images (z, y, x, 3) whose FLAIR is absent."""
    return images * (np.arange(len(CONTRASTS)) != FLAIR).astype(images.dtype)


def shown_by(maps: np.ndarray, acquisition_ms: np.ndarray) -> np.ndarray:
    """The FLAIR (z, y, x) of maps (z, y, x, 3) at times (z, 7)."""
    values, times = jnp.asarray(maps), jnp.asarray(acquisition_ms)[:, None, None]
    made = weighted_signals(values[..., 0], values[..., 1], values[..., 2], times)
    return np.asarray(made[..., FLAIR])


def mixture(images: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The best mixture of a constant, T1w and T2w, by least squares of FLAIR in the brain."""
    two = np.concatenate([np.ones_like(images[..., :1]), images[..., :FLAIR]], -1)
    weights = np.linalg.lstsq(two[brain], images[..., FLAIR][brain], rcond=None)[0]
    return np.asarray(two @ weights)


def fitted(made: np.ndarray, real: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """An image times its gain, by least squares in the brain."""
    a, b = (image[brain].astype(float) for image in (made, real))
    return made * (a @ b / max(a @ a, 1e-20))


def brightest(real: np.ndarray, brain: np.ndarray) -> float:
    """The bright end of a FLAIR's window."""
    return float(np.percentile(real[brain], BRIGHT_PERCENT))


def likeness(made: np.ndarray, real: np.ndarray, brain: np.ndarray) -> dict[str, float]:
    """PSNR and SSIM in the brain, mean over slices, of images (z, y, x), after the gain."""
    shown, top = fitted(made, real, brain), brightest(real, brain)
    a, b = (np.clip(image, 0.0, top).astype(np.float32) for image in (shown, real))
    rows = []
    for one, other, inside in zip(a, b, brain, strict=True):
        if not inside.any():
            continue
        off = np.square(one[inside] - other[inside]).mean()
        pair = [jnp.asarray(x)[None, ..., None] for x in (one, other)]
        alike = ssim(pair[0], pair[1], jnp.asarray(inside)[None], data_range=jnp.float32(top))
        rows.append((10.0 * np.log10(top**2 / max(off, 1e-20)), float(np.ravel(alike)[0])))
    psnr_db, alike = np.nanmean(rows, 0)
    return {"psnr_db": round(float(psnr_db), 2), "ssim": round(float(alike), 4)}
