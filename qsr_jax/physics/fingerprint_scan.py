"""What a fingerprinting scan is: its train, where it sampled k-space, and the coils that saw it."""

import dataclasses

import numpy as np

from qsr_jax.physics.fingerprint_train import FispTrain

ARMS, SAMPLES, RADIAL_POWER = 48, 920, 1.35
"""Spiral arms that sample all of k-space, samples of one, and how its radius grows with time."""
NEXT_ARM = 19
"""Arms from one frame's first to the next one's; it shares no factor with 48."""
INTERLEAVES = 8
"""Arms of every frame where nothing is left out (acceleration 1)."""
ACCELERATIONS = (1, 2, 4, 8)


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Where and when k-space is sampled.

    Attributes:
        points: (arm, sample, 2) float32 along y and x, radians per pixel.
        weights: (arm, sample) float32 area of k-space that a sample stands for, in cycles per
            pixel; times the number of arms of a whole set over those of a frame.
        arm_of: (frame, interleaf) int32, the arm that was played.

    Raises:
        ValueError: the three contradict each other, or hold what they cannot.
    """

    points: np.ndarray
    weights: np.ndarray
    arm_of: np.ndarray

    def __post_init__(self) -> None:
        """Refuses what is no trajectory."""
        if self.points.ndim != 3 or self.points.shape[-1] != 2 or not self.points.size:
            raise ValueError(
                f"trajectory has shape {self.points.shape}; expected points of (arm, sample, 2)"
            )
        if self.weights.shape != self.points.shape[:2]:
            raise ValueError(
                f"weights have shape {self.weights.shape}; expected one for each of "
                f"{self.points.shape[:2]} samples"
            )
        largest = np.abs(self.points).max()
        if not largest <= np.pi * 1.001:
            raise ValueError(
                f"trajectory: a coordinate of {largest:g}; expected finite ones of at most pi: "
                "radians per pixel"
            )
        if not np.all(self.weights >= 0) or not np.all(np.isfinite(self.weights)):
            raise ValueError("weights of samples: expected finite ones >= 0")
        arms = self.arm_of
        if arms.ndim != 2 or not arms.size or arms.min() < 0 or arms.max() >= len(self.points):
            raise ValueError(
                f"arms of frames have shape {arms.shape}; expected (frame, interleaf) with numbers "
                f"of the {len(self.points)} arms"
            )


@dataclasses.dataclass(frozen=True)
class FingerprintScan:
    """What all slices of a scan have in common.

    Attributes:
        train: the pulses, one frame each.
        sampling: where each frame sampled.
        coils: (coil, y, x) complex64 sensitivities.

    Raises:
        ValueError: the parts contradict each other.
    """

    train: FispTrain
    sampling: Sampling
    coils: np.ndarray

    def __post_init__(self) -> None:
        """Refuses parts that contradict each other."""
        frames = len(self.sampling.arm_of)
        if frames != self.train.frames:
            raise ValueError(
                f"the trajectory has {frames} frames, the train {self.train.frames} pulses; "
                "expected one frame for each pulse"
            )
        if self.coils.ndim != 3 or not self.coils.size or not np.all(np.isfinite(self.coils)):
            raise ValueError(
                f"coils have shape {self.coils.shape}; expected finite sensitivities (coil, y, x)"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) of the images."""
        rows, columns = self.coils.shape[1:]
        return rows, columns

    def checked(self, kspace: np.ndarray, *, where: str) -> np.ndarray:
        """Samples (coil, frame, interleaf, sample) of a slice, if they are this scan's.

        Args:
            kspace: complex.
            where: what they belong to; opens the error message.

        Raises:
            ValueError: another shape, NaN or infinity, or nothing at all.
        """
        expected = (len(self.coils), *self.sampling.arm_of.shape, self.sampling.points.shape[1])
        if kspace.shape != expected:
            raise ValueError(
                f"{where}: samples have shape {kspace.shape}; expected {expected}: (coil, frame, "
                "interleaf, sample) of the trajectory and the coils"
            )
        if not np.all(np.isfinite(kspace)):
            raise ValueError(f"{where}: samples hold NaN or infinity; expected finite values")
        if not np.any(kspace):
            raise ValueError(f"{where}: all samples are 0; expected a signal")
        return kspace


def spiral_sampling(pixels: int, frames: int, *, acceleration: int = 8) -> Sampling:
    """Spirals of variable density, nested: what acceleration 8 samples, 4, 2 and 1 sample too.

    Sample j of 920 has radius ``pi tau^1.35``, ``tau = (j + 1/2) / 920``, and turns at an even pace
    so often that 48 arms lie one pixel's frequency apart at the edge. Frame t plays the arms
    ``19 t + 48 g / G`` modulo 48, g = 0 .. G - 1, with G = 8 / acceleration. The weights are areas
    of rings, shared by the 48 arms; all together pi/4 times 48 / G.

    >>> found = spiral_sampling(32, 10, acceleration=4)
    >>> found.points.shape, found.arm_of[:3].tolist()
    ((48, 920, 2), [[0, 24], [19, 43], [38, 14]])
    >>> round(float(found.weights.sum()) * 4 / np.pi * 2 / 48, 4)
    1.0

    Args:
        pixels: of the image, along y and x.
        frames: of the train.
        acceleration: one of :data:`ACCELERATIONS`.

    Raises:
        ValueError: another acceleration, or no pixel or frame.
    """
    if acceleration not in ACCELERATIONS:
        raise ValueError(f"acceleration {acceleration}; expected one of {ACCELERATIONS}")
    if pixels < 2 or frames < 1:
        raise ValueError(f"{pixels} pixels, {frames} frames; expected at least 2 and 1")
    per_frame = INTERLEAVES // acceleration
    tau = (np.arange(SAMPLES) + 0.5) / SAMPLES
    edges = np.pi * (np.arange(SAMPLES + 1) / SAMPLES) ** RADIAL_POWER
    turns = pixels / 2 / ARMS * RADIAL_POWER
    angle = 2 * np.pi * (turns * tau + np.arange(ARMS)[:, None] / ARMS)
    radius = np.pi * tau**RADIAL_POWER
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1)
    ring = np.pi * np.diff((edges / (2 * np.pi)) ** 2) / ARMS * (ARMS / per_frame)
    first = NEXT_ARM * np.arange(frames)[:, None]
    arm_of = (first + np.arange(per_frame) * (ARMS // per_frame)) % ARMS
    return Sampling(
        points.astype(np.float32),
        np.broadcast_to(ring, (ARMS, SAMPLES)).astype(np.float32),
        arm_of.astype(np.int32),
    )
