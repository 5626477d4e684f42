"""The ground floor: what a map's numbers mean, and volumes that contradict themselves."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.maps import MAPS, check, from_network, spec_of, to_network, to_stored
from qsr_jax.types import Geometry, Volume

GEOMETRY = Geometry(
    origin_mm=(10.0, -20.0, 30.0),
    row_dir=(1.0, 0.0, 0.0),
    col_dir=(0.0, 1.0, 0.0),
    spacing_mm=(5.0, 2.0, 1.0),
    shape=(2, 3, 4),
)


@pytest.mark.parametrize("name", MAPS)
def test_network_scale_is_inverted_exactly_and_has_headroom(name, rng):
    spec = MAPS[name]
    values = rng.uniform(0, spec.scanner_max, 1000)
    network = to_network(values, spec)
    np.testing.assert_allclose(from_network(network, spec), values, rtol=1e-12)
    assert network.max() < 1.0, "tanh never reaches 1: the scanner's largest value needs headroom"


@pytest.mark.parametrize("name", MAPS)
def test_stored_values_are_within_half_a_step(name, rng):
    spec = MAPS[name]
    values = rng.uniform(0, spec.readable_max, 1000)
    stored = to_stored(values, spec, where="test")
    assert stored.dtype == np.uint16
    assert np.abs(stored * spec.slope - values).max() <= spec.slope / 2 + 1e-9


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1e5])
def test_values_that_cannot_be_a_map_are_refused(name, bad):
    with pytest.raises(ValueError, match=f"here: {MAPS[name].label}"):
        check(np.array([1.0, bad]), MAPS[name], where="here")


def test_an_unknown_map_is_told():
    with pytest.raises(ValueError, match="map 't3' is not known; expected one of t1, t2, pd"):
        spec_of("t3")


def test_positions_and_affine_agree():
    turned = dataclasses.replace(GEOMETRY, row_dir=(0.0, 1.0, 0.0), col_dir=(-1.0, 0.0, 0.0))
    for geometry in (GEOMETRY, turned):
        affine = geometry.affine_lps()
        for z, position in enumerate(geometry.slice_positions_mm()):
            np.testing.assert_allclose(affine @ (z, 0, 0, 1), (*position, 1))
        last = affine @ (0, 2, 3, 1)
        expected = (
            np.array(geometry.origin_mm)
            + 2 * 2.0 * np.array(geometry.col_dir)
            + 3 * 1.0 * np.array(geometry.row_dir)
        )
        np.testing.assert_allclose(last[:3], expected)


def test_volumes_that_contradict_themselves_are_refused():
    maps = np.zeros((2, 3, 4, 1), np.float32)
    Volume(maps, ("t1",), GEOMETRY)
    with pytest.raises(ValueError, match=r"maps have shape .* expected \(2, 3, 4, 2\)"):
        Volume(maps, ("t1", "t2"), GEOMETRY)
    with pytest.raises(ValueError, match="mask has shape"):
        Volume(maps, ("t1",), GEOMETRY, mask=np.zeros((1, 3, 4), bool))
