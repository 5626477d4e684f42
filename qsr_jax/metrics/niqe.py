"""NIQE, the distance of an image's local statistics from those of good images; no reference.

Mittal, Soundararajan and Bovik 2013 (doi:10.1109/LSP.2012.2227726), as in the authors' release: 18
features of the contrast-normalised image in every block, at full and at half size, one Gaussian
through the blocks of good images (the model), another through those of the image, and the distance
between the two. Low is natural.

A distance from *photographs* says little of a T1 map and is comparable only at the same grey scale
and crop; a model fitted on routine maps says how far a map is from looking like a routine map.
Neither sees a wrong value: never rank by NIQE alone.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax
import numpy as np
from scipy.io import loadmat

from qsr_jax.metrics.niqe_features import FEATURES, block_features

NATURAL_BLOCK = 96
"""Side of the blocks of the published model, pixels."""
SHARP_FRACTION = 0.75
"""Blocks of good images count when their mean local SD exceeds this much of the sharpest one's."""
LEAST_BLOCKS = 2
"""Fewer blocks have no covariance."""

_KEYS = (
    ("mu_pris_param", "cov_pris_param"),
    ("mu_prisparam", "cov_prisparam"),
    ("mean", "covariance"),
)


class NiqeError(ValueError):
    """A model that cannot be used, or too little to fit one."""


@dataclasses.dataclass(frozen=True)
class NiqeModel:
    """The Gaussian of good images.

    Attributes:
        mean: (36,) of the features.
        covariance: (36, 36) likewise.
        block: side of a block at full size, pixels; even.
        source: what the good images were, to stand beside every number.
        sha256: hex digest of the file, or of the fitted numbers.
    """

    mean: np.ndarray
    covariance: np.ndarray
    block: int
    source: str
    sha256: str

    def text(self, *, crop: str, grey_max: float, unit: str) -> str:
        """The convention in words: model, digest, crop and grey scale."""
        return (
            f"NIQE against {self.source} (sha256 {self.sha256[:8]}), {self.block} pixel blocks, "
            f"{crop}, grey 255 = {grey_max:g} {unit}"
        )


def load_model(path: Path) -> NiqeModel:
    """Reads the published model of natural images: .npz, or the authors' .mat.

    Raises:
        NiqeError: the file holds no mean (1, 36) and covariance (36, 36).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "m.npz", mean=np.zeros((1, 36)), covariance=np.eye(36))
    ...     load_model(Path(folder) / "m.npz").block
    96
    """
    try:
        raw = path.read_bytes()
        arrays = loadmat(path) if path.suffix == ".mat" else np.load(path)
        mean, covariance = next(
            (np.asarray(arrays[m], np.float64), np.asarray(arrays[c], np.float64))
            for m, c in _KEYS
            if m in arrays and c in arrays
        )
    except (OSError, ValueError, StopIteration) as error:
        names = " or ".join(" and ".join(keys) for keys in _KEYS)
        raise NiqeError(
            f"{path}: no NIQE model ({type(error).__name__}); expected {names}"
        ) from None
    if mean.size != FEATURES or covariance.shape != (FEATURES, FEATURES):
        raise NiqeError(
            f"{path}: mean {mean.shape} and covariance {covariance.shape}, "
            f"expected (1, {FEATURES}) and ({FEATURES}, {FEATURES})"
        )
    digest = hashlib.sha256(raw).hexdigest()
    return NiqeModel(mean.ravel(), covariance, NATURAL_BLOCK, "natural images", digest)


def fit_model(
    stacks: Iterable[tuple[np.ndarray, np.ndarray]], *, block: int, source: str
) -> NiqeModel:
    """Fits the model of good images from their sharp blocks.

    Args:
        stacks: per subject and map (images (n, y, x) in grey levels, mask (n, y, x) bool).
        block: side of a block, pixels; even.
        source: what the images are, such as "routine T1 maps of 8 training subjects".

    Raises:
        NiqeError: fewer sharp blocks than features; a covariance would mean nothing.

    >>> images = np.random.default_rng(0).normal(128, 20, (2, 128, 128)).astype("f4")
    >>> mask = np.ones(images.shape, bool)
    >>> model = fit_model([(images, mask)], block=16, source="noise")
    >>> model.mean.shape, model.block
    ((36,), 16)
    """
    kept = []
    for images, mask in stacks:
        blocks = block_features(images, mask, block=block)
        for i in np.unique(blocks.sample):
            mine = blocks.sample == i
            sharp = blocks.sharpness[mine] > SHARP_FRACTION * blocks.sharpness[mine].max()
            kept.append(blocks.features[mine][sharp])
    features = _whole_rows(np.concatenate(kept) if kept else np.empty((0, FEATURES)))
    if len(features) <= FEATURES:
        raise NiqeError(
            f"{source}: {len(features)} sharp blocks of {block} pixels, more than {FEATURES} are "
            "needed; give more subjects or smaller blocks"
        )
    mean, covariance = features.mean(0), np.cov(features, rowvar=False)
    digest = hashlib.sha256(mean.tobytes() + covariance.tobytes()).hexdigest()
    return NiqeModel(mean, covariance, block, source, digest)


def save_model(model: NiqeModel, path: Path) -> None:
    """Writes a model as .npz that :func:`load_fitted` reads.

    >>> import tempfile
    >>> model = NiqeModel(np.zeros(36), np.eye(36), 32, "nothing", "")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "model.npz")
    ...     load_fitted(Path(folder) / "model.npz").source
    'nothing'
    """
    np.savez(
        path, mean=model.mean, covariance=model.covariance, block=model.block, source=model.source
    )


def load_fitted(path: Path) -> NiqeModel:
    """Reads what :func:`save_model` wrote.

    Raises:
        NiqeError: not such a file.

    >>> import tempfile
    >>> model = NiqeModel(np.zeros(36), np.eye(36), 32, "nothing", "")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "model.npz")
    ...     load_fitted(Path(folder) / "model.npz").block
    32
    """
    model = load_model(path)
    with np.load(path) as arrays:
        if "block" not in arrays or "source" not in arrays:
            raise NiqeError(f"{path}: block and source are missing; was it fitted here?")
        return dataclasses.replace(model, block=int(arrays["block"]), source=str(arrays["source"]))


def niqe(images: np.ndarray, mask: np.ndarray, model: NiqeModel) -> np.ndarray:
    """NIQE of every image, from its blocks that lie wholly inside the mask.

    Blocks are counted from the upper left corner; what is left over at the right and below is
    cropped, as in the authors' release. Pixels outside the mask are read as 0.

    Args:
        images: (n, y, x) grey levels, 255 = white.
        mask: (n, y, x) bool; ones for the whole frame.
        model: what is good.

    Returns:
        (n,) float64, no unit; NaN for images with fewer than two such blocks.

    >>> images = np.random.default_rng(0).normal(128, 20, (2, 128, 128)).astype("f4")
    >>> mask = np.ones(images.shape, bool)
    >>> model = fit_model([(images, mask)], block=16, source="noise")
    >>> niqe(images, mask, model).shape
    (2,)
    """
    blocks = block_features(images, mask, block=model.block)
    members = [blocks.features[blocks.sample == i] for i in range(len(images))]
    return _distances(members, model)


def niqe_of_stack(images: np.ndarray, mask: np.ndarray, model: NiqeModel) -> float:
    """NIQE of one subject's slices taken together: steadier than the mean over single slices.

    Args:
        images: (n, y, x) grey levels of one subject.
        mask: (n, y, x) bool.
        model: what is good.

    >>> images = np.random.default_rng(0).normal(128, 20, (2, 128, 128)).astype("f4")
    >>> mask = np.ones(images.shape, bool)
    >>> model = fit_model([(images, mask)], block=16, source="noise")
    >>> niqe_of_stack(images, mask, model) < 0.5  # the images of the model
    True
    """
    blocks = block_features(images, mask, block=model.block)
    return float(_distances([blocks.features], model)[0])


def to_grey(physical: jax.Array, *, grey_max: float) -> jax.Array:
    """Physical values to grey levels: ``grey_max`` becomes 255, nothing is clipped or rounded.

    >>> round(float(to_grey(1250.0, grey_max=2500.0)), 3)
    127.5
    """
    return physical * (255.0 / grey_max)


def _whole_rows(features: np.ndarray) -> np.ndarray:
    """Blocks whose every feature is a number; a constant block has none."""
    return features[np.isfinite(features).all(-1)]


def _distances(members: Sequence[np.ndarray], model: NiqeModel) -> np.ndarray:
    """``sqrt((m - m_0)' ((C + C_0) / 2)^-1 (m - m_0))`` of every group of blocks (b, 36).

    As in the authors' code a constant block, of air say, counts in the mean with the features that
    it has, and not at all in the covariance.
    """
    found = np.full(len(members), np.nan)
    rows = {i: _whole_rows(features) for i, features in enumerate(members)}
    usable = [i for i, features in rows.items() if len(features) >= LEAST_BLOCKS]
    if not usable:
        return found
    offset = np.stack([np.nanmean(members[i], 0) for i in usable]) - model.mean
    spread = np.stack([np.cov(rows[i], rowvar=False) for i in usable])
    precision = np.linalg.pinv(
        (spread + model.covariance) / 2, rcond=FEATURES * np.finfo(float).eps, hermitian=True
    )
    found[usable] = np.sqrt(np.einsum("bi,bij,bj->b", offset, precision, offset))
    return found
