"""A trained network as a predictor of maps from T1w, T2w and FLAIR images and their times."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np

from qsr_jax.acquisition import ACQUISITION, Ranges, check_acquisition, parse_bands
from qsr_jax.checkpoint import DRAWN, LATEST, CheckpointError
from qsr_jax.objectives.weighted_asking import said_of
from qsr_jax.predictors.batched import BATCH, clamp, clamp_spread
from qsr_jax.predictors.opened import Opened, open_trained
from qsr_jax.tasks import WeightedToMaps
from qsr_jax.tasks.spread import SpreadCalibration
from qsr_jax.tasks.weighted_gains import FITTED, Said, asked
from qsr_jax.types import Familiarity, Geometry, Prediction

SPACING_FACTOR = 1.6
"""Pixels beyond so many times the trained size, or below its part, are out of range."""


OUT_OF_BAND = 1.1
"""Score of a time in a band that was kept from training: beyond 1, as any that is out of range."""


@dataclasses.dataclass(frozen=True)
class WeightedPredictor:
    """A network with everything needed to read its numbers.

    Attributes:
        network: maps what the task shows to maps and their spreads in network scale.
        variables: of the network.
        task: what its numbers mean.
        spacing_mm: distance between (slices, rows, columns) it was trained on.
        description: one line for people and DICOM headers; its first word is the network's name.
        weights_sha256: digest over names, shapes and bytes of its variables.
        ranges: of the seven times it was trained on, ms.
        notes: what a reader of its numbers must know.
        calibration: factors on the standard deviations, or None.
        batch: slices at a time.
    """

    network: nn.Module
    variables: Mapping[str, Any] = dataclasses.field(repr=False)
    task: WeightedToMaps
    spacing_mm: tuple[float, float, float]
    description: str
    weights_sha256: str
    ranges: Ranges
    notes: tuple[str, ...] = ()
    calibration: SpreadCalibration | None = None
    batch: int = BATCH

    @property
    def names(self) -> tuple[str, ...]:
        """The maps it makes, in the order of the channels."""
        return self.task.names

    def __call__(
        self,
        images: np.ndarray,
        acquisition_ms: np.ndarray,
        geometry: Geometry,
        *,
        brain: np.ndarray,
        gains: str = FITTED,
    ) -> Prediction:
        """Maps of one study; 0 outside the brain, which is all that the network has learned.

        Args:
            images: (z, y, x, 3) T1w, T2w, FLAIR on one grid, not negative.
            acquisition_ms: (7,), NaN where nobody knows.
            geometry: of the grid.
            brain: (z, y, x) bool; also what brightness is judged by.
            gains: one of :data:`qsr_jax.tasks.weighted_gains.GAINS`.

        Raises:
            ValueError: images that cannot be, impossible times, no such gains, or a brain of no
                voxel.
        """
        _check(images, geometry, brain)
        times = check_acquisition(acquisition_ms, where="the study")
        said = self._asked(images, times, brain, gains=gains)
        std = self._calibrated(said)
        mean, clamped = clamp(
            np.where(brain[..., None], said.mean, 0.0).astype(np.float32), self.names
        )
        if std is not None:
            std = clamp_spread(np.where(brain[..., None], std, 0.0).astype(np.float32), self.names)
        known = None if std is None else self.calibration
        return Prediction(
            mean=mean,
            std=std,
            names=self.names,
            geometry=geometry,
            clamped=clamped,
            mean_laws=None if known is None else known.of(said.gains[0]).laws_of(self.names),
            familiarity=self.judged(times, geometry.spacing_mm),
            std_against=None if std is None else self.task.target,
        )

    def say(
        self,
        images: np.ndarray,
        acquisition_ms: np.ndarray,
        brain: np.ndarray,
        *,
        gains: str = FITTED,
        studies: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Values and calibrated standard deviations (z, y, x, c) everywhere, not clamped.

        Standard deviations are calibrated for the gains that a slice was made with, so that 68 %
        of the voxels lie within one; see :func:`qsr_jax.tasks.weighted_gains.asked`.

        Args:
            images: (z, y, x, 3).
            acquisition_ms: (7,), or (z, 7) where slices differ.
            brain: (z, y, x).
            gains: one of :data:`qsr_jax.tasks.weighted_gains.GAINS`.
            studies: (z,) which slices are of one study; None: all.

        Raises:
            ValueError: no such gains.
        """
        said = self._asked(images, acquisition_ms, brain, gains=gains, studies=studies)
        return said.mean, self._calibrated(said)

    def _asked(
        self,
        images: np.ndarray,
        acquisition_ms: np.ndarray,
        brain: np.ndarray,
        *,
        gains: str,
        studies: np.ndarray | None = None,
    ) -> Said:
        """What the network says itself."""
        times = np.broadcast_to(acquisition_ms, (len(images), len(ACQUISITION)))
        fits = self.task.fits_gains
        return asked(self._once, images, times, brain, gains=gains, fits=fits, studies=studies)

    def _once(
        self, images: np.ndarray, times: np.ndarray, brain: np.ndarray, /, *, common: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What the network says of (z, y, x, 3) with the times (z, 7)."""
        of = (self.network, self.variables, self.task)
        return said_of(*of, images, times, brain, common=common, batch=self.batch)

    def _calibrated(self, said: Said) -> np.ndarray | None:
        """Its standard deviations, each by what is known of its kind of gains."""
        if said.std is None or self.calibration is None:
            return said.std
        std = np.empty_like(said.std)
        for kind in set(said.gains):
            here, known = said.gains == kind, self.calibration.of(kind)
            std[here] = known.scaled(said.std[here], said.mean[here], self.names)
        return std

    def judged(
        self, acquisition_ms: np.ndarray, spacing_mm: tuple[float, float, float]
    ) -> Familiarity:
        """Whether times and pixels are of the kind it was trained on; unknown times are."""
        scores, reasons = {"times": 0.0}, []
        rows = zip(ACQUISITION, acquisition_ms, self.ranges, strict=True)
        for name, value, (low, high) in rows:
            if not np.isfinite(value):
                continue
            scores[name] = _beyond(float(value), low, high)
            if scores[name] > 1.0:
                reasons.append(f"{name} {value:.5g}, trained on {low:g} to {high:g}")
        for name, low, high in parse_bands(self.task.held_out):
            if low <= (value := float(acquisition_ms[ACQUISITION.index(name)])) <= high:
                scores[name] = max(scores[name], OUT_OF_BAND)
                reasons.append(f"{name} {value:.5g}, not trained on {low:g} to {high:g}")
        trained = math.sqrt(self.spacing_mm[1] * self.spacing_mm[2])
        pixel = math.sqrt(spacing_mm[1] * spacing_mm[2])
        scores["pixel"] = _beyond(pixel, trained / SPACING_FACTOR, trained * SPACING_FACTOR)
        if scores["pixel"] > 1.0:
            reasons.append(f"pixels of {pixel:.2f} mm, trained on {trained:.2f} mm")
        return Familiarity(scores, tuple(reasons))


def _beyond(value: float, low: float, high: float) -> float:
    """0 in the middle of a range (logarithmic), 1 at its ends, more beyond."""
    middle, half = math.log(low * high) / 2.0, math.log(high / low) / 2.0
    return abs(math.log(value) - middle) / half


def _check(images: np.ndarray, geometry: Geometry, brain: np.ndarray) -> None:
    """Refuses images that cannot be."""
    if images.shape != (*geometry.shape, 3) or brain.shape != geometry.shape:
        raise ValueError(
            f"images have shape {images.shape}, brain {brain.shape}; expected "
            f"{(*geometry.shape, 3)} and {geometry.shape}: T1w, T2w, FLAIR on one grid"
        )
    if not np.isfinite(images).all() or images.min() < 0.0:
        raise ValueError("images hold values that are negative or not finite; expected magnitudes")
    if not brain.any():
        raise ValueError("the brain is empty; expected a mask with one voxel or more")


def load_weighted(model: Path | str, *, which: str = LATEST) -> WeightedPredictor:
    """Loads a trained network that takes weighted images.

    Args:
        model: name of a model that ships, a model file, or the workdir of a training.
        which: "latest" or "best", see :func:`qsr_jax.predictors.opened.open_trained`.

    Raises:
        CheckpointError: as there; or the network takes maps, or its document does not say which
            times it was trained on.
    """
    opened = open_trained(model, which=which)
    if not isinstance(opened.task, WeightedToMaps):
        raise CheckpointError(
            f"{opened.path}: takes maps, not weighted images: see docs/weighted.md"
        )
    dz, dy, dx = opened.document["lr_spacing_mm"]
    return WeightedPredictor(
        network=opened.network,
        variables=opened.variables,
        task=opened.task,
        spacing_mm=(dz, dy, dx),
        description=opened.description,
        weights_sha256=opened.weights_sha256,
        ranges=_ranges(opened),
        notes=opened.notes,
        calibration=opened.calibration,
    )


def _ranges(opened: Opened) -> Ranges:
    """Of the times in the records it was trained on."""
    drawn = opened.document.get(DRAWN, {}).get("limits", {}).get("acquisition", ())
    if len(drawn) != len(ACQUISITION):
        raise CheckpointError(
            f"{opened.path}: does not say which TR, TE and TI it was trained on; train it again "
            "with this version on records of qsr synthesise-weighted"
        )
    return tuple((float(low), float(high)) for low, high in drawn)
