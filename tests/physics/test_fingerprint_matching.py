"""Dictionary, subspace and matching: grid, energies, and the coarse search against brute force."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.physics.fingerprint_dictionary import make_dictionary, with_channels
from qsr_jax.physics.fingerprint_matching import match, matching_table, receiver_phase
from qsr_jax.physics.fingerprint_train import DELI_CS, train_signals

STATES = 32
"""Fewer than are shipped, for speed; signals and dictionary have the same."""
TIE = 3e-7
"""Scores that single precision cannot tell apart."""


@functools.cache
def dictionary():
    return make_dictionary(DELI_CS, states=STATES)


@functools.cache
def drawn():
    """3000 exact pairs inside the grid, their coefficients, and the share of signal left out."""
    rng = np.random.default_rng(0)
    t1, t2 = (np.exp(rng.uniform(*np.log(ends), 4200)) for ends in ((90, 4800), (10, 3300)))
    pairs = np.stack([t1, t2])[:, t2 < t1][:, :3000].astype(np.float32)
    signals = np.asarray(train_signals(*jnp.asarray(pairs), DELI_CS, states=STATES))
    basis = np.asarray(dictionary().basis)
    coefficients = signals @ basis
    left = np.linalg.norm(signals - coefficients @ basis.T, axis=1)
    return pairs, coefficients, left / np.linalg.norm(signals, axis=1)


def matched(coefficients):
    """Matched as part of 3000: a program for one shape is enough."""
    padded = np.zeros((3000, 5), np.float32)
    padded[: len(coefficients)] = coefficients
    found = match(jnp.asarray(padded), matching_table(dictionary()))
    return jax.tree.map(lambda array: np.asarray(array)[: len(coefficients)], found)


def test_the_grid_has_14006_atoms_and_five_components_hold_them():
    """Of the whole energy .9983, of the median atom all but 3.1 %, at worst 9 % (99 of 100)."""
    found = dictionary()
    exists = np.any(np.asarray(found.atoms) != 0, axis=-1)
    assert exists.sum() == 14006
    assert (found.t1_ms[0], found.t1_ms[-1]) == pytest.approx((80.0, 5000.0))
    assert (found.t2_ms[0], found.t2_ms[-1]) == pytest.approx((8.0, 3500.0), rel=1e-5)
    basis = np.asarray(found.basis)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-5)
    left = drawn()[2]
    assert 1 - np.mean(left**2) == pytest.approx(0.9983, abs=3e-4)
    assert np.median(left) == pytest.approx(0.031, abs=0.003)
    assert np.percentile(left, 99) == pytest.approx(0.09, abs=0.01)


def test_matching_is_brute_force_and_finer_than_the_grid():
    pairs, coefficients, _ = drawn()
    found = matched(coefficients)
    atoms = np.asarray(dictionary().atoms).reshape(-1, 5)
    unit = atoms / np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-20)
    scores = coefficients.astype(float) @ unit.T.astype(float)
    reached = np.take_along_axis(scores, np.asarray(found.atom)[:, None], axis=1)[:, 0]
    assert np.mean(reached >= (1 - TIE) * scores.max(axis=1)) >= 0.995
    tissue = (pairs[0] < 1900) & (pairs[1] < 200) & (pairs[0] > 400)
    for values, true, worst in ((found.t1_ms, pairs[0], 0.2), (found.t2_ms, pairs[1], 0.4)):
        off = 100 * np.abs(np.asarray(values) / true - 1)[tissue]
        assert off.mean() < worst  # half a step would leave 0.75 and 1.1
    assert np.abs(np.asarray(found.pd)[tissue] - 1).mean() < 2e-3


def test_what_lies_on_the_grid_is_found_as_it_is():
    places = np.asarray([(40, 30), (90, 70), (120, 110), (139, 10)])
    atoms = dictionary().atoms[places[:, 0], places[:, 1]]
    found = matched(3.0 * np.asarray(atoms))
    np.testing.assert_array_equal(found.atom, places[:, 0] * 140 + places[:, 1])
    np.testing.assert_allclose(found.grid_pd, 3.0, rtol=1e-5)


def test_a_wrong_b1_goes_into_t2():
    """Angles 10 % off: T1 within 1 %, T2 15 to 19 % the other way, PD 5 %."""
    white = jnp.asarray([[850.0], [60.0]])
    basis = dictionary().basis
    for b1, t2_off in ((0.9, 19.2), (1.1, -15.1)):
        played = train_signals(white[0], white[1], DELI_CS, states=STATES, b1=b1) @ basis
        found = matched(np.asarray(played))
        assert float(found.t1_ms[0]) == pytest.approx(850.0, rel=0.01)
        assert 100 * (float(found.t2_ms[0]) / 60.0 - 1) == pytest.approx(t2_off, abs=1.0)


def test_scale_changes_pd_alone_and_nothing_matches_nothing():
    coefficients = drawn()[1][:50]
    once, twice = matched(coefficients), matched(2.0 * coefficients)
    np.testing.assert_allclose(twice.pd, 2.0 * once.pd, rtol=1e-5)
    np.testing.assert_allclose(twice.t2_ms, once.t2_ms, rtol=1e-3)
    none = matched(np.zeros((2, 5)))
    assert np.all(np.asarray(none.pd) == 0) and np.all(np.isfinite(np.asarray(none.t1_ms)))


def test_further_channels_take_part():
    """Where coefficients say nothing of T2, a channel that tells it does."""
    t2 = jnp.broadcast_to(jnp.log(dictionary().t2_ms), (140, 140))[..., None]
    joint = with_channels(dictionary(), t2)
    atom = joint.atoms[100, 60]
    found = match(atom[None], matching_table(joint))
    assert int(found.atom[0]) == 100 * 140 + 60
    assert float(jnp.abs(joint.atoms[0, 100]).max()) == 0.0  # T2 above T1 stays no atom


def test_the_receiver_s_phase_is_told_and_smooth():
    rng = np.random.default_rng(1)
    y, x = np.indices((24, 24)) / 24
    phase = 2.0 * np.sin(2 * x + y)
    clean = drawn()[1][rng.integers(0, 3000, 576)]
    noise = rng.standard_normal((2, 576, 5)) * 0.05 * np.abs(clean).max()
    image = (clean + noise[0] + 1j * noise[1]) * np.exp(1j * phase.ravel())[:, None]
    table = matching_table(dictionary())
    found = receiver_phase(jnp.asarray(image), jnp.arange(576), table, (24, 24))
    off = np.angle(np.asarray(found) * np.exp(-1j * phase.ravel())).reshape(24, 24)
    assert np.abs(off[4:-4, 4:-4]).max() < 0.1
    turned, opposite = (
        receiver_phase(jnp.asarray(image * by), jnp.arange(576), table, (24, 24)) for by in (1j, -1)
    )
    np.testing.assert_allclose(opposite, -found, atol=1e-6)
    # Two atoms of nearly one score may change places where real and imaginary part do.
    assert np.abs(np.angle(np.asarray(turned) / (1j * np.asarray(found)))).max() < 0.01


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"t1_ms": (5.0, 7.0)}, "all exceed T1"),
        ({"t2_ms": (90.0, 80.0)}, "expected rising ends above 0"),
        ({"steps": 3}, "at least 4 steps"),
        ({"components": 501}, "501 components of 500 frames"),
    ],
)
def test_grids_that_cannot_be(options, said):
    with pytest.raises(ValueError, match=said):
        make_dictionary(DELI_CS, **options)
