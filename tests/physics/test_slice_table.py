"""The table is what it tabulates, and made once."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.physics.effective_angles import EFFECTIVE
from qsr_jax.physics.mdme_protocol import FAST, ROUTINE
from qsr_jax.physics.slice_state import slice_state
from qsr_jax.physics.slice_table import (
    B1_RANGE,
    T1_RANGE_MS,
    T2_RANGE_MS,
    amplitudes,
    slice_table,
    within,
)


def read(table, t1_ms, t2_ms, b1):
    """(delay, echo, points) from the table."""
    found = amplitudes(table, *(jnp.asarray(v, jnp.float32) for v in (t1_ms, t2_ms, b1)))
    return np.einsum("dsp,es->dep", np.asarray(found), table.echoes)


@pytest.mark.parametrize("cross_talk", [True, False])
def test_table_is_the_slice_between_its_nodes(cross_talk, rng):
    t1_ms = np.exp(rng.uniform(np.log(250), np.log(5000), 6))
    t2_ms = np.exp(rng.uniform(np.log(25), np.log(2000), 6))
    b1 = rng.uniform(0.8, 1.2, 4)
    direct = slice_state(ROUTINE, t1_ms, t2_ms, b1, cross_talk=cross_talk).signal()
    points = [axis.ravel() for axis in np.meshgrid(t1_ms, t2_ms, b1, indexing="ij")]
    found = read(slice_table(ROUTINE, cross_talk=cross_talk), *points).reshape(direct.shape)
    error = np.abs(found - direct)
    assert error.max() < 2.5e-3
    assert error[:, np.array(ROUTINE.echo_numbers) - 1].max() < 1e-3
    assert np.sqrt(np.mean(error**2)) < 5e-4


def test_beyond_its_range_the_table_keeps_its_edge():
    table = slice_table(ROUTINE, cross_talk=True)
    low, high = zip(T1_RANGE_MS, T2_RANGE_MS, B1_RANGE, strict=True)
    edge = read(table, *([value] for value in low))
    np.testing.assert_allclose(read(table, [50.0], [1.0], [0.1]), edge, atol=1e-5)
    edge = read(table, *([value] for value in high))
    np.testing.assert_allclose(read(table, [9e3], [9e3], [2.0]), edge, atol=1e-5)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((700, 70, 0.9), (900, 90, 1.1)),
        ((4200, 2000, 1.0), (9000, 4000, 1.5)),  # beyond the table's range
        ((800, 80, 1.0), (800, 80, 1.0)),  # one single tissue
        ((200, 15, 0.65), (6000, 2500, 1.35)),  # all of it
    ],
)
def test_part_of_a_table_is_that_table(low, high, rng):
    """To the rounding of float32 (the table itself may err by 1e-3), with fewer terms."""
    table = slice_table(ROUTINE, cross_talk=True)
    part = within(table, np.array(low), np.array(high))
    points = [rng.uniform(a, b, 50) for a, b in zip(low, high, strict=True)]
    np.testing.assert_allclose(read(part, *points), read(table, *points), atol=1e-5)
    if high[0] < 1000:
        assert len(part.terms) < len(table.terms) / 3


def test_one_table_for_all_that_play_alike():
    table = slice_table(ROUTINE, cross_talk=True)
    read_otherwise = dataclasses.replace(FAST, played=ROUTINE.played, angles=EFFECTIVE)
    assert slice_table(read_otherwise, cross_talk=True) is table
    later = dataclasses.replace(FAST, played=dataclasses.replace(ROUTINE.played, td_offset_ms=12.0))
    assert slice_table(later, cross_talk=True) is not table
    assert slice_table(ROUTINE, cross_talk=False) is not table


def test_table_reads_alike_compiled():
    table = slice_table(ROUTINE, cross_talk=True)
    values = jnp.array([800.0, 1300.0]), jnp.array([80.0, 90.0]), 1.0
    eager = amplitudes(table, *values)
    np.testing.assert_allclose(jax.jit(amplitudes)(table, *values), eager, atol=1e-6)
