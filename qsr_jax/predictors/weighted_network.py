"""A trained network as a predictor of maps from T1w, T2w and FLAIR images and their times."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import ACQUISITION, Ranges, check_acquisition, parse_bands
from qsr_jax.checkpoint import DRAWN, LATEST, CheckpointError
from qsr_jax.objectives.objective import output_of, told_to
from qsr_jax.predictors.batched import BATCH, clamp, clamp_spread
from qsr_jax.predictors.opened import Opened, open_trained
from qsr_jax.predictors.weighted_gains import FITTED, FREE, GAINS, ONE, fitted_gains
from qsr_jax.tasks import WeightedToMaps
from qsr_jax.tasks.spread import SpreadCalibration
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
            gains: one of :data:`qsr_jax.predictors.weighted_gains.GAINS`.

        Raises:
            ValueError: images that cannot be, impossible times, no such gains, or a brain of no
                voxel.
        """
        _check(images, geometry, brain)
        times = check_acquisition(acquisition_ms, where="the study")
        mean, std = self.say(images, times, brain, gains=gains)
        mean, clamped = clamp(np.where(brain[..., None], mean, 0.0).astype(np.float32), self.names)
        if std is not None:
            std = clamp_spread(np.where(brain[..., None], std, 0.0).astype(np.float32), self.names)
        laws = None if self.calibration is None else self.calibration.laws_of(self.names)
        return Prediction(
            mean=mean,
            std=std,
            names=self.names,
            geometry=geometry,
            clamped=clamped,
            mean_laws=laws if std is not None else None,
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

        Where gains are to be fitted and cannot be (a time or a contrast is missing, or the network
        takes no pixelwise solution), they are free. The standard deviations of fitted gains are
        those of free ones: what the first maps did not know, the gains do not either.

        Args:
            images: (z, y, x, 3).
            acquisition_ms: (7,), or (z, 7) where slices differ.
            brain: (z, y, x).
            gains: one of :data:`qsr_jax.predictors.weighted_gains.GAINS`.
            studies: (z,) which slices are of one study; None: all.

        Raises:
            ValueError: no such gains.
        """
        if gains not in GAINS:
            raise ValueError(f"gains is {gains!r}; expected one of {', '.join(GAINS)}")
        times = np.broadcast_to(acquisition_ms, (len(images), len(ACQUISITION)))
        mean, std = self._once(images, times, brain, common=gains == ONE)
        if gains != FITTED or not self.fits_gains:
            return mean, std
        found = fitted_gains(images, mean, brain, times, studies=studies)
        known = np.isfinite(found).all(-1)
        if not known.any():
            return mean, std
        brought = (images[known] / found[known][:, None, None]).astype(np.float32)
        again = self._once(brought, times[known], brain[known], common=True)[0]
        mean = mean.copy()
        mean[known] = again
        return mean, std

    @property
    def fits_gains(self) -> bool:
        """Whether images brought to one gain tell the network more."""
        return self.task.physics and self.task.intensities != FREE

    def _once(
        self, images: np.ndarray, times: np.ndarray, brain: np.ndarray, *, common: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What the network says of (z, y, x, 3) with the times (z, 7), calibrated."""
        parts = []
        for start in range(0, len(images), self.batch):
            places = np.clip(np.arange(start, start + self.batch), 0, len(images) - 1)
            part = (images[places], brain[places][..., None], times[places])
            given = [jnp.asarray(array, jnp.float32) for array in part]
            parts.append(_made(self.variables, *given, network=self.network, task=self.task,
                               common=common))  # fmt: skip
        made = np.concatenate([np.asarray(part) for part in parts])[: len(images)]
        mean, std = made[..., : len(self.names)], made[..., len(self.names) :]
        if not std.size:
            return mean, None
        if self.calibration is not None:
            std = self.calibration.scaled(std, mean, self.names)
        return mean, std

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


@functools.partial(jax.jit, static_argnames=("network", "task", "common"))
def _made(
    variables: Mapping[str, Any],
    images: jax.Array,
    brain: jax.Array,
    acquisition_ms: jax.Array,
    *,
    network: nn.Module,
    task: WeightedToMaps,
    common: bool,
) -> jax.Array:
    """Maps of a batch of slices and, where the network tells them, their standard deviations."""
    count = len(task.names)
    with jax.default_matmul_precision("highest"):
        inputs = task.seen(images, brain, acquisition_ms, common=common)
        told = told_to(network, inputs)
        output = output_of(network, variables, inputs["lr"], train=False, **told)
        maps, log_spread = output[..., :count], output[..., count:]
        if not log_spread.size:
            return task.physical(maps)
        return jnp.concatenate([task.physical(maps), task.physical_spread(maps, log_spread)], -1)


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
