"""Lines find their echoes, and the echoes their times."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics import echo_train
from qsr_jax.physics.mdme_protocol import FAST, PROTOCOLS, ROUTINE, Played

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
    quick = dataclasses.replace(FAST, played=Played(8.73))
    slower, faster = echo_train.line_times_ms(FAST), echo_train.line_times_ms(quick)
    np.testing.assert_allclose(faster / slower, 8.73 / 9.14)
