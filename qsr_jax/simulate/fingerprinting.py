"""A fingerprinting scan of known maps: every frame's own signal, spiral samples, coils and noise.

Nothing of the reconstruction's dictionary, grid or subspace is used here.
"""

import jax.numpy as jnp
import numpy as np

from qsr_jax.ops.nufft import samples_of_image
from qsr_jax.ops.partitions import partitions_of
from qsr_jax.physics.coils import places
from qsr_jax.physics.fingerprint_scan import INTERLEAVES, FingerprintScan, spiral_sampling
from qsr_jax.physics.fingerprint_train import STATES, FispTrain, train_signals

COIL_RADIUS = 1.5
"""Distance of the coils' wires from the middle, in half fields of view."""
PHASE_RAD = 0.6
"""Size of the object's phase ``0.6 sin(2 x + y)``, x and y in half fields of view."""
SAME_SIGNAL = 1e-5
"""Largest part of a signal that is left out where the signals of a slice are written as sums of
fewer: 100 dB below it."""


def wire_coils(count: int, pixels: int) -> np.ndarray:
    """Coils of straight wires around the field of view, (coil, y, x) complex64.

    A wire along z at w in the complex plane receives ``1 / (z - w)``. The root of their sum of
    squares is 1 everywhere; a single coil has magnitude 1.

    Args:
        count: number of coils.
        pixels: along y and x.

    Raises:
        ValueError: no coil.
    """
    if count < 1:
        raise ValueError(f"{count} coils; expected at least 1")
    y, x = places((pixels, pixels))
    wires = COIL_RADIUS * np.exp(2j * np.pi * np.arange(count) / count)
    received = 1.0 / (2 * (x + 1j * y) - wires[:, None, None])
    return (received / np.linalg.norm(received, axis=0)).astype(np.complex64)


def simulate_kspace(
    seed: tuple[int, ...],
    maps: np.ndarray,
    scan: FingerprintScan,
    *,
    snr_db: float,
    b1: float = 1.0,
    where: str = "maps",
) -> tuple[np.ndarray, float]:
    """Samples of one slice, and the standard deviation of their complex noise.

    The noise is that of acceleration 1 whatever the scan's own is, and the same samples have the
    same noise: scans of all accelerations are parts of one.

    Args:
        seed: of the noise, such as the seed of a run and the number of the slice.
        maps: (y, x, 3) T1 ms, T2 ms, PD in any unit; nothing is where one of them is 0.
        scan: train, sampling of :func:`spiral_sampling` and coils.
        snr_db: mean squared sample over the noise's variance at acceleration 1; infinity for none.
        b1: what every flip angle is multiplied by.
        where: what the maps belong to; opens the error message.

    Returns:
        (coil, frame, interleaf, sample) complex64, and the standard deviation.

    Raises:
        ValueError: maps that cannot be, or a sampling of another kind.
    """
    weights, signals = _weights(maps, scan.train, b1=b1, where=where)
    whole = spiral_sampling(scan.shape[0], scan.train.frames, acceleration=1)
    kept = _kept_interleaves(scan, whole.arm_of)
    images = weights * _object_phase(scan.shape)
    found = np.empty((len(scan.coils), *scan.sampling.arm_of.shape, whole.points.shape[1]), "c8")
    power = 0.0
    points = jnp.asarray(whole.points.reshape(-1, 2))
    for coil, sensitivity in enumerate(scan.coils):
        parts = np.asarray(samples_of_image(jnp.asarray(images * sensitivity), points))
        played = _played(parts.reshape(len(images), *whole.points.shape[:2]), signals, whole.arm_of)
        power += float(np.mean(np.abs(played) ** 2, dtype=float)) / len(scan.coils)
        found[coil] = played[:, kept]
    std = float(np.sqrt(power * 10 ** (-snr_db / 10)))
    for place, interleaf in enumerate(kept):
        rng = np.random.default_rng([*seed, interleaf])
        shape = (2, *found[:, :, place].shape)
        noise = rng.standard_normal(shape, np.float32) * np.float32(std / np.sqrt(2))
        found[:, :, place] += noise[0] + 1j * noise[1]
    return found, std


def simulate_slab(
    seed: int,
    maps: np.ndarray,
    scan: FingerprintScan,
    *,
    snr_db: float,
    b1: float = 1.0,
    where: str = "maps",
) -> tuple[np.ndarray, float]:
    """Samples of a stack of spirals: the steps of phase encoding across a slab, all encoded.

    Coils are the same in all slices. The noise is white and as strong in every step, so many dB
    below the slab's mean squared sample.

    Args:
        seed: of the noise.
        maps: (z, y, x, 3), as those of :func:`simulate_kspace`.
        scan: what all steps share.
        snr_db: infinity for none.
        b1: what every flip angle is multiplied by.
        where: opens the error message.

    Returns:
        (step, coil, frame, interleaf, sample) complex64, and the noise's standard deviation.

    Raises:
        ValueError: as :func:`simulate_kspace`.
    """
    slices = [
        simulate_kspace((seed,), one, scan, snr_db=float("inf"), b1=b1, where=f"{where}, slice {n}")
        for n, one in enumerate(maps)
    ]
    steps = partitions_of(np.stack([kspace for kspace, _ in slices]))
    power = float(np.mean([np.mean(np.abs(step) ** 2, dtype=float) for step in steps]))
    std = float(np.sqrt(power * 10 ** (-snr_db / 10)))
    for number, step in enumerate(steps):
        rng = np.random.default_rng([seed, number])
        noise = rng.standard_normal((2, *step.shape), np.float32) * np.float32(std / np.sqrt(2))
        step += noise[0] + 1j * noise[1]
    return steps, std


def _weights(
    maps: np.ndarray, train: FispTrain, *, b1: float, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Images (k, y, x) and signals (frame, k) whose products add up to the series of the slice."""
    checked_maps(maps, where=where)
    there = np.all(maps > 0, axis=-1)
    pairs, index = np.unique(maps[there][:, :2], axis=0, return_inverse=True)
    found = train_signals(
        jnp.asarray(pairs[:, 0]), jnp.asarray(pairs[:, 1]), train, states=STATES, b1=b1
    )
    exact = np.asarray(found, np.float64)
    vectors = np.linalg.eigh(exact.T @ exact)[1][:, ::-1]
    parts = exact @ vectors
    left = np.sqrt(np.maximum(np.cumsum(parts[:, ::-1] ** 2, axis=1)[:, ::-1], 0))
    needed = int(np.sum(np.any(left > SAME_SIGNAL * left[:, :1], axis=0)))
    images = np.zeros((needed, *there.shape), np.float32)
    images[:, there] = (parts[index.ravel(), :needed] * maps[there][:, 2:]).T
    return images, vectors[:, :needed].astype(np.float32)


def checked_maps(maps: np.ndarray, *, where: str) -> np.ndarray:
    """Maps (..., 3) of T1, T2 (ms) and PD, if there can be such.

    Args:
        maps: any shape before the last axis.
        where: what they belong to; opens the error message.

    Raises:
        ValueError: not finite, negative, T2 above T1, or nothing there.
    """
    if not np.all(np.isfinite(maps)) or maps.min() < 0:
        raise ValueError(f"{where}: maps hold NaN, infinity or negative values")
    there = np.all(maps > 0, axis=-1)
    if not there.any():
        raise ValueError(f"{where}: nowhere are T1, T2 and PD all above 0")
    longer = int(np.sum(maps[there][:, 1] > maps[there][:, 0]))
    if longer:
        raise ValueError(
            f"{where}: T2 exceeds T1 in {longer} pixels; expected T2 <= T1. Are the two swapped?"
        )
    return maps


def _object_phase(shape: tuple[int, int]) -> np.ndarray:
    y, x = (2 * axis for axis in places(shape))
    return np.exp(1j * PHASE_RAD * np.sin(2 * x + y)).astype(np.complex64)


def _kept_interleaves(scan: FingerprintScan, whole: np.ndarray) -> list[int]:
    """Which of the 8 interleaves of acceleration 1 this scan has."""
    per_frame = scan.sampling.arm_of.shape[1]
    kept = list(range(0, INTERLEAVES, INTERLEAVES // max(per_frame, 1)))
    if len(kept) != per_frame or not np.array_equal(whole[:, kept], scan.sampling.arm_of):
        raise ValueError(
            "the sampling is none of spiral_sampling; expected nested spirals of 48 arms"
        )
    return kept


def _played(parts: np.ndarray, signals: np.ndarray, arm_of: np.ndarray) -> np.ndarray:
    """Parts (k, arm, sample) of the slice in every frame: (frame, interleaf, sample)."""
    found = np.empty((*arm_of.shape, parts.shape[-1]), np.complex64)
    for arm in range(parts.shape[1]):
        frame, interleaf = np.nonzero(arm_of == arm)
        found[frame, interleaf] = signals[frame] @ parts[:, arm]
    return found
