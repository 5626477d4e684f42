"""Weighted signals: Bloch's equations pulse by pulse, limits, gradients, every time acts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.acquisition import ACQUISITION, TYPICAL_MS, WIDE
from qsr_jax.physics.weighted_acquisition import draw_acquisition
from qsr_jax.physics.weighted_signal import (
    IDEAL,
    USUAL,
    Hidden,
    inversion_recovery,
    spin_echo,
    weighted_signals,
)
from tests.fixtures.isochromats import ISOCHROMATS, about_z, play_train, relax, spoil, turns

TISSUES = {
    "white": (815.0, 78.7, 68.2),
    "grey": (1210.0, 90.0, 82.5),
    "fluid": (4200.0, 1500.0, 100),
}
TYPICAL = jnp.asarray(TYPICAL_MS)
X, Y = np.eye(3)[:1], np.eye(3)[1:2]
signals = jax.jit(weighted_signals, static_argnames="signed")


def played(t1_ms, t2_ms, *, tr_ms, flip_deg, echoes, spacing_ms, ti_ms=None, efficiency=1.0):
    """Middle echo of a train in the steady state, isochromats turned pulse by pulse."""
    excitation = turns(Y, np.deg2rad([flip_deg]))
    refocusing = turns(X, np.array([np.pi]))
    inversion = turns(X, np.arccos([1.0 - 2.0 * efficiency]))
    rest = tr_ms - echoes * spacing_ms - (ti_ms or 0.0)
    m = np.zeros((1, ISOCHROMATS, 3))
    m[..., 2] = 1.0
    for _ in range(40):
        if ti_ms is not None:
            m = spoil(np.einsum("pij,pmj->pmi", inversion, m))
            m = relax(m, t1_ms, t2_ms, ti_ms)
        found, m = play_train(
            m, excitation, refocusing, t1_ms, t2_ms, spacing_ms=spacing_ms, echoes=echoes
        )
        m = relax(m, t1_ms, t2_ms, rest)
    return abs(found[(echoes - 1) // 2, 0])


@pytest.mark.parametrize("tissue", TISSUES)
@pytest.mark.parametrize("flip_deg", [90.0, 70.0])
@pytest.mark.parametrize("efficiency", [None, 1.0, 0.95])
def test_closed_forms_are_blochs(tissue, flip_deg, efficiency):
    """Eight echoes, 8 ms apart, the fourth counts; 1e-4 of the fully relaxed signal."""
    t1_ms, t2_ms, _ = TISSUES[tissue]
    train = {"flip_deg": flip_deg, "train_ms": 64.0, "te_ms": 32.0}
    told = {"flip_deg": flip_deg, "echoes": 8, "spacing_ms": 8.0}
    maps = jnp.float32(t1_ms), jnp.float32(t2_ms), jnp.float32(1.0)
    if efficiency is None:
        found = spin_echo(*maps, tr_ms=2500.0, **train)
        expected = played(t1_ms, t2_ms, tr_ms=2500.0, **told)
    else:
        more = {"ti_ms": 2100.0, "efficiency": efficiency}
        found = inversion_recovery(*maps, tr_ms=7000.0, **train, **more)
        expected = played(t1_ms, t2_ms, tr_ms=7000.0, **told, **more)
    scale = np.sin(np.deg2rad(flip_deg))  # left out, see the module
    assert abs(float(found)) * scale == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("tissue", TISSUES)
def test_one_refocusing_pulse_after_ninety_degrees(tissue):
    """An odd train is the same after 90 degrees: the usual T1-weighted spin echo."""
    t1_ms, t2_ms, _ = TISSUES[tissue]
    maps = jnp.float32(t1_ms), jnp.float32(t2_ms), jnp.float32(1.0)
    found = spin_echo(*maps, tr_ms=500.0, te_ms=12.0, train_ms=12.0)
    expected = played(t1_ms, t2_ms, tr_ms=500.0, flip_deg=90.0, echoes=1, spacing_ms=12.0)
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_isochromats_judge():
    """The judge knows a free decay: no pulse but excitation and one refocusing at TR >> T1."""
    found = played(800.0, 80.0, tr_ms=20000.0, flip_deg=90.0, echoes=1, spacing_ms=80.0)
    assert found == pytest.approx(np.exp(-1.0), abs=1e-6)
    m = np.ones((1, 4, 3))
    assert np.allclose(np.einsum("pij,pmj->pmi", about_z(np.array([2 * np.pi])), m), m)


def test_printed_equations_are_the_ideal_case():
    t1_ms, t2_ms, pd = TISSUES["grey"]
    tr1, te1, tr2, te2, tr, te, ti = TYPICAL_MS
    e = lambda t, over: np.exp(-t / over)  # noqa: E731
    expected = [
        pd * (1 - e(tr1, t1_ms)) * e(te1, t2_ms),
        pd * (1 - e(tr2, t1_ms)) * e(te2, t2_ms),
        pd * abs(1 - 2 * e(ti, t1_ms) + e(tr, t1_ms)) * e(te, t2_ms),
    ]
    found = weighted_signals(t1_ms, t2_ms, pd, TYPICAL, hidden=IDEAL)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_limits_and_scale():
    endless = jnp.asarray([1e7, 1e-3, 1e7, 1e-3, 1e7, 1e-3, 1e6])
    found = weighted_signals(800.0, 80.0, 70.0, endless)
    np.testing.assert_allclose(found, 70.0, rtol=1e-4)
    for gone in ((0.0, 80.0, 70.0), (800.0, 0.0, 70.0), (800.0, 80.0, 0.0)):
        found = np.asarray(weighted_signals(*gone, TYPICAL))
        assert np.isfinite(found).all() and (gone[0] == 0.0 or not found.any())
    one, two = (weighted_signals(800.0, 80.0, pd, TYPICAL) for pd in (35.0, 70.0))
    np.testing.assert_allclose(2 * one, two, rtol=1e-6)


def test_broadcasting_is_one_by_one():
    rng = np.random.default_rng(0)
    maps = [jnp.asarray(rng.uniform(50, 2000, (2, 3, 4)), jnp.float32) for _ in range(3)]
    times = draw_acquisition(jax.random.key(1), WIDE, 2)
    efficiency = jnp.asarray([0.95, 1.0])
    hidden = USUAL._replace(efficiency=efficiency[:, None, None])
    found = signals(*maps, times[:, None, None], hidden=hidden)
    assert found.shape == (2, 3, 4, 3)
    own = USUAL._replace(efficiency=efficiency[1])
    single = signals(*(m[1, 2, 0] for m in maps), times[1], hidden=own)
    np.testing.assert_allclose(found[1, 2, 0], single, rtol=1e-5)


def total(maps, times, hidden):
    return weighted_signals(*maps, times, hidden=hidden).sum()


def test_gradients_are_finite_everywhere():
    """To maps, times and hidden values, for relaxation times from nothing to endless."""
    hidden = Hidden(*(jnp.asarray(one) for one in USUAL))
    slopes = jax.jit(jax.vmap(jax.grad(total, (0, 1, 2)), (0, None, None)))
    t1_ms, t2_ms = np.meshgrid([0.0, 1e-5, 5.0, 1200.0, 1e5], [0.0, 1e-5, 0.3, 90.0, 2000.0])
    maps = [jnp.asarray(one.ravel(), jnp.float32) for one in (t1_ms, t2_ms, 80.0 + 0 * t1_ms)]
    found = slopes(maps, TYPICAL, hidden)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_gradients_are_finite_at_the_null_and_right_beside_it():
    """Where fluid is nulled the magnitude folds; there the gradient is 0, beside it signed."""

    @jax.jit
    def flair(ti_ms):
        times = TYPICAL.at[6].set(ti_ms)
        return weighted_signals(4200.0, 1500.0, 100.0, times, hidden=IDEAL)[2]

    tr_ms = TYPICAL_MS[4]
    null = 4200.0 * np.log(2 / (1 + np.exp(-tr_ms / 4200.0)))
    slope = jax.jit(jax.grad(flair))
    assert float(flair(null)) < 1e-3 and np.isfinite(slope(null))
    before, after = (float(slope(null + by)) for by in (-50.0, 50.0))
    assert before < 0 < after
    assert float(flair(null - 50.0)) == pytest.approx(float(flair(null + 50.0)), rel=0.05)
    signed = weighted_signals(
        4200.0, 1500.0, 100.0, TYPICAL.at[6].set(null - 50.0), hidden=IDEAL, signed=True
    )
    assert float(signed[2]) == pytest.approx(-float(flair(null - 50.0)), rel=1e-5)


@pytest.mark.parametrize("index", range(7), ids=ACQUISITION)
def test_every_time_acts(index):
    """Gradients to the times agree with differences, so none of them is left out."""
    maps = [jnp.float32(value) for value in TISSUES["grey"]]
    slope = float(jax.grad(total, 1)(maps, TYPICAL, USUAL)[index])
    step = 0.01 * TYPICAL_MS[index]
    up, down = (total(maps, TYPICAL.at[index].add(by), USUAL) for by in (step, -step))
    assert slope == pytest.approx(float(up - down) / (2 * step), rel=0.02)
    assert abs(slope) * TYPICAL_MS[index] > 0.01


def test_hidden_values_act():
    maps = [jnp.float32(value) for value in TISSUES["grey"]]
    plain = weighted_signals(*maps, TYPICAL)
    for changed in (
        USUAL._replace(flip_deg=(80.0, 80.0, 80.0)),
        USUAL._replace(train_per_te=(2.0, 3.0, 3.0)),
        USUAL._replace(efficiency=0.9),
    ):
        assert (np.abs(weighted_signals(*maps, TYPICAL, hidden=changed) - plain) > 1e-3).any()
