"""The steady state at every place through a slice, and the echoes it gives.

A slice's tails meet the pulses of its neighbours at their own times
(:mod:`qsr_jax.physics.slice_schedule`). Transverse magnetisation is spoiled between slots; all that
happens to the longitudinal one is affine, and a repetition of it has one fixed point.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qsr_jax.physics.extended_phase_graph import train_echoes, train_recovery
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.rf_pulses import Rotation, excited, selective
from qsr_jax.physics.slice_schedule import NEIGHBOURS, Event, repetition

SATURATION_DEG, EXCITATION_DEG, REFOCUSING_DEG = 120.0, 90.0, 180.0
"""Nominal flip angles (Warntjes 2008; refocusing as in its train)."""

STEP, REACH = 0.05, 1.25
"""Spacing of the places and the furthest of them from the slice's middle, in thicknesses."""

REFERENCE_TISSUE = (760.0, 67.0, 66.0)
"""T1 (ms), T2 (ms), PD (%) of the white matter whose profile and SNR are stated."""


class SliceState(NamedTuple):
    """A slice from its middle outwards, axes (place, T1, T2, B1); the other side mirrors it.

    Attributes:
        echoes: (echo, place, ...) in-phase echoes of unit longitudinal magnetisation, their places'
            weights and the receive sensitivity included.
        ready: (delay, place, ...) longitudinal magnetisation at the excitation, of both sides
            together, over M0.
    """

    echoes: np.ndarray
    ready: np.ndarray

    def signal(self) -> np.ndarray:
        """(delay, echo, T1, T2, B1), 1 = fully relaxed, all of one thickness, perfectly excited."""
        return np.einsum("dz...,ez...->de...", self.ready, self.echoes)


def _places() -> np.ndarray:
    """Places from the middle of a slice to the furthest at which a neighbour's pulse counts."""
    return STEP * np.arange(round((REACH + max(NEIGHBOURS)) / STEP) + 1)


def slice_state(
    protocol: Protocol,
    t1_ms: Sequence[float] | np.ndarray,
    t2_ms: Sequence[float] | np.ndarray,
    b1: Sequence[float] | np.ndarray,
    *,
    cross_talk: bool,
) -> SliceState:
    """Steady state and echoes of a homogeneous object as the protocol plays it.

    The receive sensitivity is proportional to the transmit field (reciprocity), as
    :func:`qsr_jax.physics.mdme_signal.receive_gain` takes it.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> slice_state(ROUTINE, [800.0], [80.0], [1.0], cross_talk=False).signal().shape
    (4, 16, 1, 1, 1)

    Args:
        protocol: TR, delays, train and pulses as played.
        t1_ms: (i,) ms.
        t2_ms: (j,) ms.
        b1: (k,) transmit field relative to nominal.
        cross_talk: whether the neighbours' pulses act.
    """
    played = protocol.played
    shape = (-1, 1, 1, 1)
    place, field = _places().reshape(shape), np.asarray(b1, float)
    t1, t2 = np.asarray(t1_ms, float)[:, None, None], np.asarray(t2_ms, float)[:, None]
    narrow = place / played.saturation_width
    saturation = selective(SATURATION_DEG * played.saturation_scale, narrow, field).cosine
    refocusing = selective(REFOCUSING_DEG, place / played.refocusing_width, field)
    spacing_ms, count = played.echo_spacing_ms, protocol.train_length
    factor, gain = train_recovery(refocusing, t1, t2, spacing_ms=spacing_ms, echoes=count)
    factor = factor * selective(EXCITATION_DEG, place, field).cosine

    inner = round(REACH / STEP) + 1
    own = Rotation(*(part[:inner] for part in refocusing))
    tipped = excited(EXCITATION_DEG, place[:inner], field)
    weight = np.where(place[:inner] > 0, STEP, STEP / 2)
    echoes = train_echoes(tipped, own, t1, t2, spacing_ms=spacing_ms, echoes=count)
    maps = PulseMaps(saturation, factor, gain, count * spacing_ms)
    schedules = [repetition(protocol, td, cross_talk=cross_talk) for td in protocol.played_td_ms]
    ready = [_ready(events, protocol.played_tr_ms, maps, t1, inner) for events in schedules]
    return SliceState(echoes.real * weight * field, np.stack(ready))


@functools.lru_cache(maxsize=8)
def plane_weights(protocol: Protocol, planes: int, *, cross_talk: bool) -> tuple[float, ...]:
    """Where a slice's signal comes from: its ``planes`` and one beyond on either side; sums to 1.

    Of the longest delay at the first echo image's centre, in :data:`REFERENCE_TISSUE` at B1 = 1.
    Beyond counts all the signal from outside the slice (Warntjes 2008: 7 % without a gap).

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> weights = plane_weights(ROUTINE, 5, cross_talk=True)
    >>> len(weights), round(sum(weights), 6), weights[0] < weights[1] < weights[2]
    (7, 1.0, True)
    """
    t1_ms, t2_ms, _ = REFERENCE_TISSUE
    state = slice_state(protocol, [t1_ms], [t2_ms], [1.0], cross_talk=cross_talk)
    density = state.ready[-1, :, 0, 0, 0] * state.echoes[protocol.echo_numbers[0] - 1, :, 0, 0, 0]
    density[0] *= 2  # only half of the middle's step lies on this side
    place = STEP * np.arange(len(density))
    fine = np.linspace(0.0, place[-1], 20 * len(density) * planes + 1)
    below = np.concatenate(
        [[0.0], np.cumsum(np.interp((fine[1:] + fine[:-1]) / 2, place, density))]
    )
    edges = np.append(np.interp(np.abs(np.arange(planes + 1) / planes - 0.5), fine, below), 0.0)
    signs = np.sign(np.arange(planes + 1) / planes - 0.5)
    inside = np.diff(signs * edges[:-1])
    outside = below[-1] - edges[0]
    total = inside.sum() + 2 * outside
    weights = np.concatenate([[outside], inside, [outside]]) / total
    return tuple(weights.tolist())


class PulseMaps(NamedTuple):
    """What pulses do to the longitudinal magnetisation, axes (place, T1, T2, B1).

    Attributes:
        saturation: its factor by a saturation.
        factor: by an excitation with its train.
        gain: what recovery during the train adds.
        train_ms: how long the train lasts.
    """

    saturation: np.ndarray
    factor: np.ndarray
    gain: np.ndarray
    train_ms: float


def _ready(
    events: list[Event], tr_ms: float, maps: PulseMaps, t1_ms: np.ndarray, inner: int
) -> np.ndarray:
    """(place, ...) longitudinal magnetisation at the own excitation, both sides added."""
    outwards, slice_steps = np.arange(inner), round(1 / STEP)
    sides = []
    for side in (1, -1):
        # Magnetisation is slope times that before the own saturation, plus level
        slope, now = maps.saturation[:inner], 0.0
        level, before = np.zeros_like(slope), (slope, slope)
        for event in events:
            slope, level = _recover(slope, level, event.start_ms - now, t1_ms)
            now = max(now, event.start_ms)
            where = np.abs(outwards - side * slice_steps * event.slice_offset)
            if event.train:
                if event.slice_offset == 0:
                    before = slope, level
                slope = slope * maps.factor[where]
                level = level * maps.factor[where] + maps.gain[where]
                now += maps.train_ms
            else:
                slope, level = slope * maps.saturation[where], level * maps.saturation[where]
        slope, level = _recover(slope, level, tr_ms - now, t1_ms)
        sides.append(before[0] * level / (1 - slope) + before[1])
    return sides[0] + sides[1]


def _recover(
    slope: np.ndarray, level: np.ndarray, ms: float, t1_ms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Free recovery for some time, none where pulses follow each other at once."""
    left = np.exp(-max(0.0, ms) / t1_ms)
    return slope * left, level * left + 1 - left
