"""The steady state at every place through a slice, and the echoes it gives.

QRAPMASTER (Warntjes 2008, doi:10.1002/mrm.21635): in every slot of a repetition one slice is
saturated and then another excited and refocused by the train; a delay is the number of slots
between the two. So the tails of a slice meet the pulses of its neighbours too, each at its own
time. Transverse magnetisation is spoiled between slots; all that happens to the longitudinal one
is affine, and a repetition of it has one fixed point.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qsr_jax.physics.extended_phase_graph import train_echoes, train_recovery
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.rf_pulses import Rotation, excited, selective

SATURATION_DEG, EXCITATION_DEG, REFOCUSING_DEG = 120.0, 90.0, 180.0
"""Nominal flip angles (Warntjes 2008; refocusing as in its train)."""

STEP, REACH = 0.05, 1.25
"""Spacing of the places and the furthest of them from the slice's middle, in thicknesses."""

REFERENCE_TISSUE = (760.0, 67.0, 66.0)
"""T1 (ms), T2 (ms), PD (%) of the white matter whose profile and SNR are stated."""

NEIGHBOURS = (-2, -1, 1, 2)
"""Slices whose pulses reach a slice's tails, by their distance in slices."""


class Event(NamedTuple):
    """A pulse or train that a slice meets, from its own saturation on.

    Attributes:
        start_ms: after the slice's own saturation.
        train: whether it is an excitation with its train, or a saturation.
        slice_offset: whose: 0 its own, 1 that of the next slice along the stack.
    """

    start_ms: float
    train: bool
    slice_offset: int


def slots_apart(slots: int, order: str) -> dict[int, int]:
    """Slots between the saturation of a slice in the middle and those of its neighbours.

    >>> slots_apart(24, "linear")
    {-2: -2, -1: -1, 1: 1, 2: 2}
    >>> slots_apart(24, "interleaved")  # even slices first, then the odd ones
    {-2: -1, -1: 11, 1: 12, 2: 1}
    """
    order_of = list(range(slots))
    if order == "interleaved":
        order_of = order_of[::2] + order_of[1::2]
    middle = 2 * (slots // 4)
    place = {number: slot for slot, number in enumerate(order_of)}
    near = (offset for offset in NEIGHBOURS if 0 <= middle + offset < slots)
    return {offset: place[middle + offset] - place[middle] for offset in near}


def repetition(protocol: Protocol, td_ms: float, *, cross_talk: bool) -> list[Event]:
    """What a slice in the middle of the stack meets between two of its own saturations.

    Neighbours are played on the grid of slots; where the delay leaves a remainder, every
    excitation follows its slot's saturation by it.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> [(round(e.start_ms), e.train, e.slice_offset) for e in
    ...  repetition(ROUTINE, 670.0, cross_talk=False)]
    [(670, True, 0)]
    >>> [(round(e.start_ms), e.train, e.slice_offset) for e in
    ...  repetition(ROUTINE, 670.0, cross_talk=True)][:4]
    [(167, False, 1), (333, False, 2), (337, True, -2), (503, True, -1)]
    """
    slot_ms = protocol.tr_ms / protocol.slots
    train_ms = protocol.train_length * protocol.played.echo_spacing_ms
    whole, rest_ms = divmod(td_ms, slot_ms)
    if rest_ms + train_ms - slot_ms > slot_ms - rest_ms:  # hardly less than whole slots
        whole, rest_ms = whole + 1, 0.0
    events = [Event(td_ms, True, 0)]
    for offset, apart in slots_apart(protocol.slots, protocol.played.slice_order).items():
        if not cross_talk:
            break
        saturated = apart * slot_ms % protocol.tr_ms
        if td_ms < saturated < td_ms + train_ms / 2:
            saturated = td_ms
        excited = ((apart + whole) * slot_ms + rest_ms) % protocol.tr_ms
        events += [Event(saturated, False, offset), Event(excited, True, offset)]
    return sorted(events)


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


def places() -> np.ndarray:
    """Places from the middle of a slice to the furthest at which a neighbour's pulse counts."""
    return STEP * np.arange(round((REACH + max(NEIGHBOURS)) / STEP) + 1)


def slice_state(
    protocol: Protocol, t1_ms: Sequence[float], t2_ms: Sequence[float], b1: Sequence[float], *, cross_talk: bool
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
    place, field = places().reshape(shape), np.asarray(b1, float)
    t1, t2 = np.asarray(t1_ms, float)[:, None, None], np.asarray(t2_ms, float)[:, None]
    narrow = place / played.saturation_width
    saturation = selective(SATURATION_DEG * played.saturation_scale, narrow, field).cosine
    refocusing = selective(REFOCUSING_DEG, place / played.refocusing_width, field)
    train = {"spacing_ms": played.echo_spacing_ms, "echoes": protocol.train_length}
    factor, gain = train_recovery(refocusing, t1, t2, **train)
    factor = factor * selective(EXCITATION_DEG, place, field).cosine

    inner = round(REACH / STEP) + 1
    own = Rotation(*(part[:inner] for part in refocusing))
    tipped = excited(EXCITATION_DEG, place[:inner], field)
    weight = np.where(place[:inner] > 0, STEP, STEP / 2)
    echoes = train_echoes(tipped, own, t1, t2, **train).real * weight * field
    maps = PulseMaps(saturation, factor, gain, protocol.train_length * played.echo_spacing_ms)
    ready = [
        _ready(repetition(protocol, td, cross_talk=cross_talk), protocol.tr_ms, maps, t1, inner)
        for td in protocol.played_td_ms
    ]
    return SliceState(echoes, np.stack(ready))


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
    below = np.concatenate([[0.0], np.cumsum(np.interp((fine[1:] + fine[:-1]) / 2, place, density))])
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
    total = 0.0
    for side in (1, -1):
        index = {d: np.abs(np.arange(inner) - side * d * round(1 / STEP)) for d in NEIGHBOURS}
        index[0] = np.arange(inner)
        slope, level, now = maps.saturation[:inner], 0.0, 0.0
        at_excitation = slope, level
        for event in events:
            recovered = np.exp(-max(0.0, event.start_ms - now) / t1_ms)
            slope, level = slope * recovered, level * recovered + 1 - recovered
            now = max(now, event.start_ms)
            where = index[event.slice_offset]
            if event.train:
                if event.slice_offset == 0:
                    at_excitation = slope, level
                slope = slope * maps.factor[where]
                level = level * maps.factor[where] + maps.gain[where]
                now += maps.train_ms
            else:
                slope, level = slope * maps.saturation[where], level * maps.saturation[where]
        recovered = np.exp(-max(0.0, tr_ms - now) / t1_ms)
        slope, level = slope * recovered, level * recovered + 1 - recovered
        total = total + at_excitation[0] * level / (1 - slope) + at_excitation[1]
    return total
