"""Who is pulsed when, and where a slice's signal comes from."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics import slice_state as room
from qsr_jax.physics.effective_angles import SLICE_ORDERS
from qsr_jax.physics.mdme_protocol import PROTOCOLS, ROUTINE, Played
from qsr_jax.physics.slice_schedule import repetition, slots_apart
from qsr_jax.physics.slice_state import plane_weights, slice_state


def playing(**changes):
    return dataclasses.replace(ROUTINE, played=Played(9.14, **changes))


@pytest.mark.parametrize("order", SLICE_ORDERS)
@pytest.mark.parametrize("td_ms", ROUTINE.td_ms)
def test_every_neighbour_is_saturated_and_excited_once_per_repetition(order, td_ms):
    events = repetition(playing(slice_order=order), td_ms, cross_talk=True)
    assert sorted((e.train, e.slice_offset) for e in events) == sorted(
        [(True, 0), *((train, d) for train in (False, True) for d in (-2, -1, 1, 2))]
    )
    assert all(0 <= event.start_ms < 4000 for event in events)
    # A neighbour's delay is the slice's own, modulo the repetition
    starts = {(e.train, e.slice_offset): e.start_ms for e in events}
    for d in (-2, -1, 1, 2):
        delay = (starts[True, d] - starts[False, d]) % 4000
        assert delay == pytest.approx(td_ms, abs=1e-6)


def test_interleaving_parts_neighbours_by_half_a_repetition():
    assert {abs(slots_apart(24, "interleaved")[d]) for d in (-1, 1)} <= {11, 12, 13}
    assert [slots_apart(24, "linear")[d] for d in (-1, 1)] == [-1, 1]
    assert slots_apart(1, "linear") == {}


def test_delays_a_little_short_of_whole_slots_stay_on_the_grid():
    """165 ms is less than the slot of 166.7: neighbours keep theirs."""
    early = playing(td_offset_ms=-5.0)
    events = repetition(early, early.played_td_ms[0], cross_talk=True)
    slot_ms = 4000 / 24
    trains = [e.start_ms for e in events if e.train and e.slice_offset]
    np.testing.assert_allclose(np.mod(np.array(trains) / slot_ms + 0.5, 1), 0.5, atol=1e-9)
    near, far = (
        slice_state(p, [815.0], [78.7], [1.0], cross_talk=True).signal()
        for p in (early, playing(td_offset_ms=-3.3))
    )
    np.testing.assert_allclose(near, far, atol=0.02)


def test_places_and_reach_are_fine_enough(monkeypatch):
    """Steps half as long over a slice half as wide again: 1e-4."""
    known = [300.0, 4000.0], [30.0, 1000.0], [0.8, 1.2]
    usual = slice_state(ROUTINE, *known, cross_talk=True).signal()
    monkeypatch.setattr(room, "STEP", 0.025)
    monkeypatch.setattr(room, "REACH", 1.5)
    finer = slice_state(ROUTINE, *known, cross_talk=True).signal()
    np.testing.assert_allclose(usual, finer, atol=1e-4)


def test_without_cross_talk_the_stack_does_not_matter():
    known = [815.0], [78.7], [1.0]
    alone = slice_state(ROUTINE, *known, cross_talk=False).signal()
    for change in ({"slots": 12}, {"played": Played(9.14, slice_order="interleaved")}):
        other = slice_state(dataclasses.replace(ROUTINE, **change), *known, cross_talk=False)
        np.testing.assert_array_equal(other.signal(), alone)


def test_the_tiny_protocol_plays_the_paper_s_slots():
    known = [815.0], [78.7], [1.0]
    paper, tiny = (
        slice_state(PROTOCOLS[name][0], *known, cross_talk=True).signal()
        for name in ("paper", "tiny")
    )
    np.testing.assert_array_equal(paper, tiny)


def test_plane_weights_are_the_profile():
    """Symmetric, soft at the edges, some percent from outside (Warntjes 2008: 7 %)."""
    for cross_talk in (True, False):
        weights = plane_weights(ROUTINE, 5, cross_talk=cross_talk)
        assert sum(weights) == pytest.approx(1.0)
        np.testing.assert_allclose(weights, weights[::-1], atol=1e-12)
        assert 0.01 < weights[0] + weights[-1] < 0.04
        assert 0.4 < weights[1] / weights[3] < 0.6
    wide = dataclasses.replace(ROUTINE, played=Played(9.14, refocusing_width=1.3))
    wider, usual = (plane_weights(p, 5, cross_talk=False)[0] for p in (wide, ROUTINE))
    assert wider > 2 * usual
