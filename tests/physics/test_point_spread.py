"""What a scan resolves along both axes, and the window that decides it."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.ops import fourier
from qsr_jax.physics.mdme_protocol import FAST, ROUTINE
from qsr_jax.physics.point_spread import full_width_mm, k_space_window, point_spread

DISC = 1.41
"""Width at half maximum of the image of a disc in k-space (2 J1(x) / x), over pi / its radius."""


@pytest.mark.parametrize("protocol", [ROUTINE, FAST])
def test_points_are_wider_where_t2_is_short(protocol):
    widths = []
    for t2_ms in (40.0, 80.0, 300.0, 1e6):
        place, spread = point_spread(protocol, t2_ms, echo=0, points=8192)["phase"]
        assert place[np.argmax(spread)] == pytest.approx(0.0, abs=1e-9)
        widths.append(full_width_mm(place, spread))
    assert widths == sorted(widths, reverse=True)
    pixel_mm = protocol.fov_mm / protocol.matrix[1]
    assert widths[-1] == pytest.approx(DISC * pixel_mm / 0.9, rel=0.02)
    assert widths[0] > 1.15 * widths[-1]


@pytest.mark.parametrize(("protocol", "phase", "frequency"), [(ROUTINE, 1.50, 1.02),
                                                              (FAST, 2.96, 1.72)])  # fmt: skip
def test_widths_are_those_of_a_point_through_the_scan(protocol, phase, frequency):
    """Measured in 2-D on the images of a simulated point in white matter, by somebody else."""
    found = point_spread(protocol, 80.0, echo=0, points=8192)
    widths = [full_width_mm(*found[axis]) for axis in ("phase", "frequency")]
    np.testing.assert_allclose(widths, (phase, frequency), rtol=0.02)


def test_the_cuts_are_those_of_the_image():
    """The image of a point by the inverse transform of the windowed k-space, no decay."""
    image = np.asarray(fourier.to_image(k_space_window(ROUTINE).astype(np.complex64)))
    found = point_spread(ROUTINE, 1e9, echo=0, points=256)
    mine = np.abs(image[160, :]) / image.size
    np.testing.assert_allclose(found["phase"][1], mine, atol=1e-4 * mine.max())


def test_both_echoes_have_one_point_spread_function():
    first, second = (point_spread(ROUTINE, 80.0, echo=e, points=512)["phase"][1] for e in (0, 1))
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_filters_and_partial_echoes_do_what_they_say():
    widths = {}
    for name, change in {
        "plain": {}, "sharp": {"edge_gain": 0.5}, "smooth": {"edge_gain": -0.5},
        "partial": {"partial_echo": 0.7},
    }.items():  # fmt: skip
        one = dataclasses.replace(ROUTINE, **change)
        found = point_spread(one, 80.0, echo=0, points=8192)
        widths[name] = [full_width_mm(*found[axis]) for axis in ("phase", "frequency")]
    assert widths["sharp"] < widths["plain"] < widths["smooth"]
    # Of the frequency direction 40 % of one half is lost, of the phase direction nothing much
    assert widths["partial"][1] > 1.1 * widths["plain"][1]
    assert widths["partial"][0] == pytest.approx(widths["plain"][0], rel=0.05)
