"""Where the angle comes from decides whether delays that are wrong end in T1."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.physics.effective_angles import EFFECTIVE
from qsr_jax.physics.flip_angle_map import angles_on
from qsr_jax.physics.mdme_fit import first_pass, second_pass
from qsr_jax.physics.mdme_protocol import FAST, ROUTINE, geometries
from qsr_jax.physics.mdme_signal import signal

GREY = (1230.0, 93.0, 80.0)
PLAIN = dataclasses.replace(ROUTINE, angles=EFFECTIVE)


def read(protocol, off_ms, b1=1.0, **given):
    """T1, T2, PD of grey matter whose delays are all longer than the protocol says."""
    played = dataclasses.replace(protocol, td_ms=tuple(td + off_ms for td in protocol.td_ms))
    values = [jnp.full((8, 8), value) for value in GREY]
    first = first_pass(signal(*values, b1, played).astype(jnp.complex64), protocol)
    fitted = second_pass([first], protocol, **given)
    return np.array([m[0, 4, 4] for m in (fitted.t1_ms, fitted.t2_ms, fitted.pd_percent)])


def test_an_offset_of_the_delays_hides_in_an_angle_of_the_scan_s_own():
    np.testing.assert_allclose(read(PLAIN, 12.0), GREY, rtol=1e-3)


@pytest.mark.parametrize("source", ["nominal", "map"])
def test_with_another_angle_the_offset_goes_into_t1(source):
    """The issue's own numbers at +12 ms: T1 -2.6 %, PD -0.7 %, T2 untouched."""
    protocol = dataclasses.replace(PLAIN, theta_source=source)
    given = {"theta_deg": np.full((1, 8, 8), 106.0, "f4")} if source == "map" else {}
    np.testing.assert_allclose(read(protocol, 0.0, **given), GREY, rtol=1e-3)
    change = 100 * (read(protocol, 12.0, **given) / GREY - 1)
    np.testing.assert_allclose(change, (-2.6, 0.0, -0.7), atol=0.1)


def test_the_nominal_angle_misreads_where_b1_is_not_nominal():
    nominal = dataclasses.replace(PLAIN, theta_source="nominal")
    low, high = (read(nominal, 0.0, b1=b1)[0] / GREY[0] for b1 in (0.95, 1.05))
    assert low < 0.97
    assert high > 1.03


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        ("map", {}, "takes its angle from 'map'; got no map"),
        ("data", {"theta_deg": np.full((1, 8, 8), 106.0)}, "from 'data'; got a map"),
        ("map", {"theta_deg": np.full((1, 4, 4), 106.0)}, "needs a map of its shape"),
    ],
)
def test_maps_that_do_not_fit_are_refused(source, given, said):
    with pytest.raises(ValueError, match=said):
        read(dataclasses.replace(PLAIN, theta_source=source), 0.0, **given)


@pytest.mark.parametrize("alignment", ["corner", "sample"])
def test_a_map_of_angles_changes_grids_where_it_lies(alignment):
    """A plane in millimetres is the same plane on the other grid."""
    routine, fast = geometries(ROUTINE, FAST, alignment)
    planes = []
    for grid in (routine, fast):
        y, x = (
            grid.origin_mm[2 - a] + np.arange(grid.shape[a]) * grid.spacing_mm[a] for a in (1, 2)
        )
        plane = 100.0 + 0.05 * y[:, None] + 0.02 * x
        planes.append(np.broadcast_to(plane.astype("f4"), (2, *plane.shape)))
    np.testing.assert_allclose(angles_on(planes[0], routine, fast), planes[1], atol=1e-3)
