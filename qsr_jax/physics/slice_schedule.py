"""Which pulses a slice meets in a repetition, and when.

QRAPMASTER (Warntjes 2008, doi:10.1002/mrm.21635): in every slot of a repetition one slice is
saturated and then another excited and refocused by the train; a delay is the number of slots
between the two. So the tails of a slice meet the pulses of its neighbours too, each at its own
time.
"""

from typing import NamedTuple

from qsr_jax.physics.effective_angles import INTERLEAVED
from qsr_jax.physics.mdme_protocol import Protocol

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
    if order == INTERLEAVED:
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
    slot_ms = protocol.played_tr_ms / protocol.slots
    train_ms = protocol.train_length * protocol.played.echo_spacing_ms
    whole, rest_ms = divmod(td_ms, slot_ms)
    if rest_ms + train_ms - slot_ms > slot_ms - rest_ms:  # hardly less than whole slots
        whole, rest_ms = whole + 1, 0.0
    events = [Event(td_ms, True, 0)]
    for offset, apart in slots_apart(protocol.slots, protocol.played.slice_order).items():
        if not cross_talk:
            break
        saturated = apart * slot_ms % protocol.played_tr_ms
        if td_ms < saturated < td_ms + train_ms / 2:
            saturated = td_ms
        excited = ((apart + whole) * slot_ms + rest_ms) % protocol.played_tr_ms
        events += [Event(saturated, False, offset), Event(excited, True, offset)]
    return sorted(events)
