"""A trained network as a predictor: whole slices, physical units in, physical units out."""

import dataclasses

import flax.linen as nn
import numpy as np

from qsr_jax.familiarity import KnownScans, check_units
from qsr_jax.predictors.batched import (
    BATCH,
    FLOAT32,
    PRECISIONS,
    Variables,
    clamp,
    clamp_spread,
    predict_maps,
)
from qsr_jax.predictors.trained import MismatchError
from qsr_jax.tasks import JointMaps
from qsr_jax.tasks.spread import SpreadCalibration
from qsr_jax.types import Prediction, Volume

SPACING_TOLERANCE = 0.01
"""Relative difference of voxel size up to which a scan counts as the trained one's protocol."""

FINETUNE = "; `qsr finetune` adapts a model to another protocol, from a few pairs of its scans"


@dataclasses.dataclass(frozen=True)
class NetworkPredictor:
    """A network with everything needed to read its numbers; of one map or of several at once.

    What it makes is clamped to the range of each map and the voxels are counted, see
    :func:`qsr_jax.predictors.batched.clamp`. It computes in float32 on every device, unless TF32 is
    asked for.

    Attributes:
        network: maps (n, h, w, c * context) to (n, scale*h, scale*w, c) in network scale.
        variables: of the network.
        task: its maps, and how network scale and physical units belong together.
        lr_shape: (rows, columns) it was trained on.
        lr_spacing_mm: distance between (slices, rows, columns) it was trained on.
        description: one line for people and DICOM headers; its first word is the network's name.
        weights_sha256: digest over names, shapes and bytes of its variables.
        notes: what a reader of its numbers must know.
        batch: slices at a time.
        calibration: factors on the standard deviations of a network that tells them, or None.
        familiarity: the scans it learned from, with which every scan is compared; or None.
        precision: "float32", or "tf32": faster on NVIDIA GPUs that have it, and rougher; see
            :data:`qsr_jax.predictors.batched.PRECISIONS` and docs/speed.md.

    Raises:
        ValueError: ``batch`` is below 1, or no such precision.
    """

    network: nn.Module
    variables: Variables = dataclasses.field(repr=False)
    task: JointMaps
    lr_shape: tuple[int, int]
    lr_spacing_mm: tuple[float, float, float]
    description: str
    weights_sha256: str
    notes: tuple[str, ...] = ()
    batch: int = BATCH
    calibration: SpreadCalibration | None = None
    familiarity: KnownScans | None = None
    precision: str = FLOAT32

    def __post_init__(self) -> None:
        """Refuses a batch without slices, and a precision that is not there."""
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise ValueError(f"precision is {self.precision!r}; expected one of {known}")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; expected 1 slice or more")

    @property
    def names(self) -> tuple[str, ...]:
        """The maps it takes and makes, in the order of the channels."""
        return self.task.names

    def __call__(self, volume: Volume) -> Prediction:
        """Super-resolves all its maps of one scan.

        The standard deviations of a network that tells them are in the units of the maps, to first
        order (:meth:`qsr_jax.tasks.JointMaps.physical_spread`), and calibrated where they were.

        Raises:
            MismatchError: other maps, matrix or voxel size than trained on.
            ScaleError: the values cannot be in the units of their maps.
        """
        if volume.names != self.names:
            raise self._other_maps(volume)
        self.check(volume)
        check_units(volume)
        familiarity = None if self.familiarity is None else self.familiarity.judge(volume)
        made = predict_maps(
            self.network,
            self.variables,
            self.task,
            volume.maps,
            batch=self.batch,
            precision=self.precision,
        )
        mean, clamped = clamp(made[..., : len(self.names)], self.names)
        std = made[..., len(self.names) :] if made.shape[-1] > len(self.names) else None
        laws = None
        if std is not None and self.calibration is not None:
            std = self.calibration.scaled(std, mean, self.names)
            laws = self.calibration.laws_of(self.names)
        return Prediction(
            mean=mean,
            std=None if std is None else clamp_spread(std, self.names),
            names=self.names,
            geometry=volume.geometry.refined(self.task.scale, self.task.alignment),
            clamped=clamped,
            familiarity=familiarity,
            mean_laws=laws,
            std_against=None if std is None else self.task.target,
        )

    def check(self, volume: Volume) -> None:
        """Raises MismatchError unless the network was trained on such maps and such a grid."""
        if not set(volume.names) <= set(self.names):
            raise self._other_maps(volume)
        trained, shape = self.lr_shape, volume.geometry.shape
        if shape[1:] != trained:
            raise MismatchError(
                f"the model was trained on {trained[0]} x {trained[1]} images, the scan has "
                f"{shape[1]} x {shape[2]}{FINETUNE}"
            )
        spacing, given = self.lr_spacing_mm, volume.geometry.spacing_mm
        if not np.allclose(given, spacing, rtol=SPACING_TOLERANCE):
            raise MismatchError(
                f"the model was trained on voxels of {spacing} mm, not {given} mm{FINETUNE}"
            )

    def _other_maps(self, volume: Volume) -> MismatchError:
        trained, given = ", ".join(self.names), ", ".join(volume.names)
        return MismatchError(f"the model was trained on {trained}, the scan is {given}")
