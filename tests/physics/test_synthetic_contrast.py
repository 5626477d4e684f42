"""Weighted images: the published equations, their limits, and the contrasts subjects expect."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.phantom.tissue_values import LESIONS, TISSUES
from qsr_jax.physics.synthetic_contrast import SEQUENCES, Sequence, weighted

MAPS = {name: jnp.array(tissue.mean, jnp.float32) for name, tissue in TISSUES.items()}


def shown(name, tissue):
    return float(weighted(*MAPS[tissue], SEQUENCES[name]))


def simulate(t1_ms, t2_ms, pd, sequence):
    """Bloch's longitudinal equation, block after block, until the steady state; then the echo."""
    z, flip = 1.0, np.deg2rad(sequence.flip_deg)
    for _ in range(200):
        now, remaining = z, sequence.tr_ms
        waits = [*sequence.ti_ms, 0.0]
        now = 1 - (1 - now) * np.exp(-(remaining - waits[0]) / t1_ms)
        for wait, following in zip(waits, waits[1:], strict=False):
            now = 1 - (1 + now) * np.exp(-(wait - following) / t1_ms)
        z = now * np.cos(flip)
    return pd * now * np.sin(flip) * np.exp(-sequence.te_ms / t2_ms)


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
@pytest.mark.parametrize("t1_ms", [250.0, 800.0, 4200.0])
def test_closed_forms_are_the_steady_state_of_the_pulses(sequence, t1_ms):
    expected = simulate(t1_ms, 90.0, 80.0, sequence)
    found = float(weighted(jnp.float32(t1_ms), 90.0, 80.0, sequence))
    assert found == pytest.approx(expected if sequence.signed else abs(expected), abs=2e-4)


@pytest.mark.parametrize("flip_deg", [30.0, 60.0, 120.0])
@pytest.mark.parametrize("ti_ms", [(), (400.0,)])
def test_other_excitation_angles(flip_deg, ti_ms):
    """The equations leave out sin a, which scales the whole image alike (W08 eq. 6, 7)."""
    sequence = Sequence("x", "x", 1500.0, 10.0, ti_ms, flip_deg, signed=True)
    expected = simulate(900.0, 80.0, 70.0, sequence) / np.sin(np.deg2rad(flip_deg))
    assert float(weighted(900.0, 80.0, 70.0, sequence)) == pytest.approx(expected, rel=1e-4)


def test_limits():
    long = Sequence("x", "x", 1e6, 1e-3)
    assert float(weighted(800.0, 80.0, 70.0, long)) == pytest.approx(70.0, rel=1e-4)
    for sequence in SEQUENCES.values():
        zero = jnp.zeros(3)
        t1_ms, t2_ms, pd = jnp.array([0.0, 800.0, 800.0]), jnp.array([80.0, 0.0, 80.0]), zero
        assert np.isfinite(weighted(t1_ms, t2_ms, pd + 50, sequence)).all()
        assert not weighted(t1_ms, t2_ms, pd, sequence).any()


def test_what_inversions_leave_is_as_said():
    """Double inversion: 1 - 2 E(470) + 2 E(3750) - E(15000), by hand; FLAIR nulls at TI 2795 ms."""
    assert float(weighted(700.0, 1e9, 100.0, SEQUENCES["dir"])) == pytest.approx(1.253, abs=0.01)
    assert float(weighted(4200.0, 1e9, 100.0, SEQUENCES["dir"])) == pytest.approx(0.259, abs=0.01)
    assert float(weighted(4200.0, 1e9, 100.0, SEQUENCES["flair"])) == pytest.approx(4.90, abs=0.02)
    null = Sequence("x", "x", 15000.0, 100.0, (2795.0,), signed=True)
    assert float(weighted(4200.0, 1e9, 100.0, null)) == pytest.approx(0.0, abs=0.02)


def test_contrasts_are_those_a_reader_expects():
    assert shown("t1w", "white") > shown("t1w", "cortex") > shown("t1w", "csf")
    assert shown("t2w", "csf") > shown("t2w", "cortex") > shown("t2w", "white")
    assert shown("flair", "cortex") > shown("flair", "white") > 2 * shown("flair", "csf")
    lesion = float(weighted(*LESIONS["WMH"].mean, SEQUENCES["flair"]))
    assert lesion > 1.15 * shown("flair", "cortex")


def test_signs_are_kept_by_psir_alone():
    for name, sequence in SEQUENCES.items():
        assert (shown(name, "csf") < 0.0) == sequence.signed


def test_jit_and_units():
    for sequence in SEQUENCES.values():
        jitted = jax.jit(lambda *maps, s=sequence: weighted(*maps, s))
        eager = weighted(*MAPS["white"], sequence)
        assert float(jitted(*MAPS["white"])) == pytest.approx(float(eager), rel=1e-5)
        double = weighted(*(MAPS["white"] * jnp.array([1.0, 1.0, 2.0])), sequence)
        assert float(double) == pytest.approx(2 * float(eager), rel=1e-6)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((500.0, 600.0), "TE < TR"),
        ((500.0, 10.0, (100.0, 200.0)), "longer one first"),
        ((500.0, 10.0, (300.0, 200.0, 100.0)), "at most two"),
        ((500.0, 10.0, (600.0,)), "between 0 and TR"),
        ((500.0, 10.0, (300.0, 200.0), 60.0), "90 deg"),
    ],
)
def test_impossible_sequences_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        Sequence("x", "x", *times)
