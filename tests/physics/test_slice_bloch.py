"""The slice against isochromats, and what the W08 fit reads of it against published limits.

The readings' golden numbers were computed before this code by an independent slice-selective Bloch
simulation with the same kind of pulse, whose sampling and rephasing were its own; one point of T2
and a third of a point of T1 are what such details move.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from isochromats import scanned

from qsr_jax.physics.effective_angles import IDEAL
from qsr_jax.physics.extended_phase_graph import train_recovery
from qsr_jax.physics.mdme_protocol import ROUTINE
from qsr_jax.physics.mdme_signal import recovery
from qsr_jax.physics.mdme_voxel_fit import fit_density, fit_echoes, fit_saturation
from qsr_jax.physics.rf_pulses import selective
from qsr_jax.physics.slice_schedule import Event
from qsr_jax.physics.slice_state import PulseMaps, _ready, slice_state

WHITE, GREY, CSF = (815.0, 78.7), (1195.0, 88.0), (4200.0, 1500.0)
WIDE = dataclasses.replace(ROUTINE.played, saturation_width=1.2, refocusing_width=1.3)


@pytest.mark.parametrize(
    ("tissue", "b1", "td_ms", "near"),
    [(WHITE, 1.0, 670.0, 2), (GREY, 0.8, 1840.0, 2), (CSF, 1.15, 170.0, 2), (WHITE, 1.0, 170.0, 0)],
)
def test_slice_agrees_with_isochromats(tissue, b1, td_ms, near):
    """Profiles, train, neighbours and steady state: 1e-3 of fully relaxed water."""
    protocol = dataclasses.replace(ROUTINE, td_ms=(td_ms, td_ms + 1, td_ms + 2))
    state = slice_state(protocol, [tissue[0]], [tissue[1]], [b1], cross_talk=near > 0)
    judge = scanned(tissue, td_ms, b1=b1, near=near)
    np.testing.assert_allclose(state.signal()[0, :, 0, 0, 0] / b1, judge.real, atol=1e-3)
    # Neighbours leave the two sides unequal; what is out of phase is lost to the phase reference
    assert np.abs(judge.imag).max() < 0.02


def test_wider_pulses_agree_with_isochromats():
    protocol = dataclasses.replace(ROUTINE, played=WIDE, td_ms=(670.0, 671.0, 672.0))
    state = slice_state(protocol, [WHITE[0]], [WHITE[1]], [1.0], cross_talk=True).signal()
    judge = scanned(WHITE, 670.0, saturation_width=1.2, refocusing_width=1.3)
    np.testing.assert_allclose(state[0, :, 0, 0, 0], judge.real, atol=1e-3)


def read(tissue, protocol, *, cross_talk):
    """(T1, T2) errors in percent of the fit without any gains, B1 = 1."""
    t1_ms, t2_ms = tissue
    state = slice_state(protocol, [t1_ms], [t2_ms], [1.0], cross_talk=cross_talk)
    echoes = state.signal()[:, np.array(protocol.echo_numbers) - 1, 0, 0]
    plain = dataclasses.replace(protocol, angles=IDEAL)
    found_t2, relaxed = fit_echoes(jnp.asarray(echoes), plain)
    theta = fit_saturation(relaxed, plain)
    found_t1, _ = fit_density(relaxed, theta, plain)
    return 100 * (found_t1.item() / t1_ms - 1), 100 * (found_t2.item() / t2_ms - 1)


@pytest.mark.parametrize(("tissue", "t2_error"), [(WHITE, 20.6), (GREY, 21.1)])
def test_a_slice_alone_reads_t2_long_and_t1_right(tissue, t2_error):
    t1, t2 = read(tissue, ROUTINE, cross_talk=False)
    assert t1 == pytest.approx(0.0, abs=0.01)
    assert t2 == pytest.approx(t2_error, abs=1.0)


@pytest.mark.parametrize(
    ("tissue", "narrow", "wide"), [(WHITE, -2.0, -5.6), (GREY, -2.2, -6.3), (CSF, -5.2, -15.0)]
)
def test_neighbours_shorten_t1(tissue, narrow, wide):
    t1, _ = read(tissue, ROUTINE, cross_talk=True)
    assert t1 == pytest.approx(narrow, abs=0.3)
    t1, _ = read(tissue, dataclasses.replace(ROUTINE, played=WIDE), cross_talk=True)
    assert t1 == pytest.approx(wide, abs=0.3)


@pytest.mark.parametrize(("tissue", "error"), [(WHITE, 0.08), (GREY, 0.26), (CSF, 1.2)])
def test_hard_pulses_give_the_w08_equation_but_for_recovery_in_the_train(tissue, error):
    """In the middle of the slice, at the longest delay; percent of the signal."""
    t1_ms, t2_ms = (np.full((1, 1, 1, 1), value) for value in tissue)
    at = np.zeros((1, 1, 1, 1))
    factor, gain = train_recovery(
        selective(180.0, at, 1.0), t1_ms, t2_ms, spacing_ms=9.14, echoes=16
    )
    factor = factor * selective(90.0, at, 1.0).cosine
    maps = PulseMaps(selective(120.0, at, 1.0).cosine, factor, gain, 16 * 9.14)
    both_sides = _ready([Event(3840.0, True, 0)], 4000.0, maps, t1_ms, 1)
    angles = np.deg2rad([120.0, 90.0])
    closed = recovery(tissue[0], *angles, td_ms=3840.0, tr_ms=4000.0)
    assert 100 * (both_sides.item() / 2 / closed - 1) == pytest.approx(error, abs=0.1)
