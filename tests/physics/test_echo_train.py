"""Lines find their echoes, the expansion its decays, and blurring grows as T2 falls."""

import dataclasses

import numpy as np
import pytest
from scipy import linalg

from qsr_jax.physics import echo_train
from qsr_jax.physics.mdme_protocol import FAST, PROTOCOLS, ROUTINE

ALL = [*PROTOCOLS["paper"], *PROTOCOLS["tiny"]]


@pytest.mark.parametrize(("protocol", "lines"), [(ROUTINE, 128), (FAST, 43)])
def test_the_paper_s_numbers_of_lines(protocol, lines):
    found = echo_train.sampled_lines(protocol)
    assert len(found) == lines
    assert set(np.diff(found)) == {protocol.acceleration}
    assert 0 in found
    assert np.abs(found).max() <= protocol.matrix[1] // 2


@pytest.mark.parametrize("protocol", ALL)
def test_the_centre_belongs_to_the_effective_echo_and_time_grows_outwards(protocol):
    lines, echoes = echo_train.sampled_lines(protocol), echo_train.line_echoes(protocol)
    middle = np.argmin(np.abs(lines))
    assert tuple(echoes[:, middle]) == protocol.echo_numbers
    # Both images order their halves alike, so they are blurred alike
    np.testing.assert_array_equal(echoes[1] - echoes[0], protocol.lines_per_echo)
    away = np.abs(echoes[0] - protocol.echo_numbers[0])
    assert (np.diff(away[np.argsort(np.abs(lines), kind="stable")]) >= 0).all()
    shots = -(-len(lines) // protocol.lines_per_echo)
    assert np.bincount(echoes[0])[1:].max() == shots


def test_played_spacing_sets_the_times():
    nominal = dataclasses.replace(FAST, played=ROUTINE.played)
    slower, faster = echo_train.line_times_ms(nominal), echo_train.line_times_ms(FAST)
    np.testing.assert_allclose(faster / slower, 8.73 / 9.14)


def test_expansion_over_echo_times():
    """Five anchors, 5e-4 at worst, near the best of that rank; tested between its own points."""
    times = np.unique(
        np.concatenate([echo_train.line_times_ms(p).ravel() for p in (ROUTINE, FAST)])
    )
    anchors, weights = echo_train.expand_decays(tuple(times.tolist()))
    assert len(anchors) == 5
    rates = 1 / np.geomspace(20, 2000, 777)
    decays = np.exp(-np.outer(times, rates))
    error = np.abs(weights @ np.exp(-np.outer(anchors, rates)) - decays)
    best = linalg.svd(decays, compute_uv=False)
    assert error.max() < 6e-4
    assert np.linalg.norm(error) < 4 * np.linalg.norm(best[5:])
    # Tissue, T2 40 to 200 ms, at the effective echoes
    tissue = (rates < 1 / 40) & (rates > 1 / 200)
    assert error[:, tissue].max() < 4e-4


def test_one_time_needs_one_anchor():
    anchors, weights = echo_train.expand_decays((20.0,))
    assert anchors == (20.0,)
    np.testing.assert_allclose(weights, 1.0)
