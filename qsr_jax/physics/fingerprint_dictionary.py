"""The dictionary of a fingerprinting train: signals on a grid of T1 and T2, and their subspace.

A grid of equal steps in ln T1 and ln T2 (Ma 2013, doi:10.1038/nature11971); its signals lie almost
in a space of few dimensions (McGivney 2014, doi:10.1109/TMI.2014.2337321), in which images are
reconstructed and matched.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.fingerprint_train import STATES, FispTrain, train_signals

T1_MS, T2_MS, STEPS = (80.0, 5000.0), (8.0, 3500.0), 140
"""Ends of the two axes in ms, and values along each: steps of 3.0 % in T1 and 4.5 % in T2."""
COMPONENTS = 5
"""Dimensions of the subspace; noiseless maps with 6, 8 or 10 are no better."""


class Dictionary(NamedTuple):
    """Signals on a grid, as coefficients in their subspace.

    Attributes:
        atoms: (t1, t2, k) float32, for M0 = 1; 0 where T2 would exceed T1.
        t1_ms: (t1,) float32, equal steps of the logarithm.
        t2_ms: (t2,) float32, likewise.
        basis: (frames, k) float32, orthonormal: ``signal = basis @ coefficients``.
    """

    atoms: jax.Array
    t1_ms: jax.Array
    t2_ms: jax.Array
    basis: jax.Array


@functools.lru_cache(maxsize=4)
def make_dictionary(
    train: FispTrain,
    *,
    t1_ms: tuple[float, float] = T1_MS,
    t2_ms: tuple[float, float] = T2_MS,
    steps: int = STEPS,
    components: int = COMPONENTS,
    states: int = STATES,
    b1: float = 1.0,
) -> Dictionary:
    """Computes the dictionary of a train; in one process only once.

    The subspace holds most of the energy of all signals, every signal of norm 1.

    >>> from qsr_jax.physics.fingerprint_train import ramps
    >>> train = FispTrain(ramps((0.0, 40.0, 0.0), (10, 10)))
    >>> found = make_dictionary(train, steps=6, components=3, states=16)
    >>> found.atoms.shape, found.basis.shape, int(jnp.sum(jnp.any(found.atoms != 0, axis=-1)))
    ((6, 6, 3), (20, 3), 24)

    Args:
        train: the pulses.
        t1_ms: first and last T1.
        t2_ms: first and last T2.
        steps: values along each axis.
        components: dimensions of the subspace.
        states: orders of dephasing that are followed.
        b1: what every angle is multiplied by.

    Raises:
        ValueError: ends in another order, too few steps or frames, or every T2 above every T1.
    """
    if not (0 < t1_ms[0] < t1_ms[1] and 0 < t2_ms[0] < t2_ms[1] and steps >= 4):
        raise ValueError(
            f"grid of T1 {t1_ms}, T2 {t2_ms} ms, {steps} steps; expected rising ends above 0 and "
            "at least 4 steps"
        )
    if not 1 <= components <= train.frames:
        raise ValueError(f"{components} components of {train.frames} frames; expected fewer")
    axes = [np.geomspace(*ends, steps) for ends in (t1_ms, t2_ms)]
    t1, t2 = np.meshgrid(*axes, indexing="ij")
    exists = t2 <= t1
    if not exists.any():
        raise ValueError(f"T2 of {t2_ms} ms all exceed T1 of {t1_ms} ms; expected shorter T2")
    pairs = jnp.asarray(np.stack([t1[exists], t2[exists]]), jnp.float32)
    signals = np.asarray(train_signals(pairs[0], pairs[1], train, states=states, b1=b1))
    basis = _subspace(signals, components)
    atoms = np.zeros((steps, steps, components), np.float32)
    atoms[exists] = signals @ basis
    return Dictionary(*(jnp.asarray(part, jnp.float32) for part in (atoms, *axes, basis)))


def _subspace(signals: np.ndarray, components: int) -> np.ndarray:
    """(frames, components) orthonormal, the first holding most; its sign makes the sum positive."""
    unit = signals / np.linalg.norm(signals, axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(unit.T.astype(np.float64) @ unit)
    basis = vectors[:, : -components - 1 : -1]
    return (basis * np.where(basis.sum(axis=0) < 0, -1.0, 1.0)).astype(np.float32)


def with_channels(dictionary: Dictionary, channels: jax.Array) -> Dictionary:
    """The dictionary with further channels behind its coefficients, to be matched together.

    >>> axis = jnp.asarray([100.0, 200.0])
    >>> small = Dictionary(jnp.ones((2, 2, 3)), axis, axis, jnp.eye(3))
    >>> with_channels(small, jnp.ones((2, 2, 1))).atoms.shape
    (2, 2, 4)

    Args:
        dictionary: of any number of channels.
        channels: (t1, t2, n); what stands where T2 exceeds T1 is dropped.
    """
    exists = jnp.any(dictionary.atoms != 0, axis=-1, keepdims=True)
    return dictionary._replace(
        atoms=jnp.concatenate([dictionary.atoms, jnp.where(exists, channels, 0.0)], axis=-1)
    )
