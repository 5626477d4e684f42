"""A head that lies elsewhere is the same head, elsewhere."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.phantom.slices import slice_fractions
from qsr_jax.physics.mdme_protocol import PROTOCOLS
from qsr_jax.physics.scanner import SCANNER
from qsr_jax.simulate.motion import in_plane, tilt_of
from qsr_jax.simulate.moved_truth import moved_truth
from qsr_jax.simulate.simulate import scan

TINY_ROUTINE, TINY_FAST = PROTOCOLS["tiny"]


def test_a_whole_plane_up_is_the_next_plane(toy_subjects):
    """Displaced down by 1 mm, a slice is cut where the head's planes lie 1 mm higher."""
    phantom = toy_subjects["healthy"]
    down = tilt_of(np.array([0.0, 0.0, -1.0, 0.0, 0.0, 0.0]))
    one = slice_fractions(phantom, 2, size=64, weights=(0.2,) * 5, tilt=down)
    planes = phantom.planes
    shifted = dataclasses.replace(
        phantom, log_odds=np.concatenate([phantom.log_odds[1:], phantom.log_odds[-1:]])
    )
    other = slice_fractions(shifted, 2, size=64, weights=(0.2,) * 5)
    assert planes.per_slice == 5
    np.testing.assert_allclose(one, other, atol=2e-5)


def test_a_pitch_cuts_higher_at_one_side(toy_subjects):
    planes = toy_subjects["healthy"].planes
    ramp = np.broadcast_to(planes.z_mm[:, None, None], (len(planes.z_mm), planes.size, planes.size))
    part = planes.around(3, 5)
    tilt = tilt_of(np.array([0.0, 0.0, 0.3, 1.0, -0.5, 0.0]))
    height = np.asarray(planes.tilted(np.ascontiguousarray(ramp, np.float32), part, tilt))
    y, x = planes.axis_mm[:, None], planes.axis_mm
    turn = np.deg2rad([1.0, -0.5])
    expected = planes.z_mm[part][:, None, None] - 0.3 - turn[0] * y + turn[1] * x
    np.testing.assert_allclose(height, expected, atol=1e-3)


def test_what_stays_in_the_plane_depends_on_the_slice():
    pose = np.array([1.0, 2.0, 3.0, 2.0, 1.0, 0.5])
    low, high = (in_plane(pose, z_mm=z, fov_mm=200.0) for z in (-50.0, 50.0))
    np.testing.assert_allclose((low + high) / 2, (0.01, 0.005, np.deg2rad(0.5)))
    np.testing.assert_allclose(high - low, (-np.deg2rad(2) / 2, np.deg2rad(1) / 2, 0))


@pytest.fixture(scope="module")
def scans(toy_subjects, tiny_grids):
    def one(**change):
        return scan(
            np.random.default_rng(3), toy_subjects["healthy"], tiny_grids, snr=1e4,
            reference=TINY_ROUTINE, scanner=dataclasses.replace(SCANNER, **change),
        )  # fmt: skip

    return {"still": one(), "posed": one(pose_mm=2.0, pose_deg=2.0)}


def test_the_reference_scan_lies_where_the_truth_does(scans):
    """Only the other scan moves, in all its delays alike; the pose is told."""
    still, posed = scans["still"], scans["posed"]
    np.testing.assert_allclose(posed.scans["routine"], still.scans["routine"], rtol=1e-5)
    assert not posed.poses["routine"].any()
    assert (posed.poses["fast"] == posed.poses["fast"][0]).all()
    assert posed.poses["fast"].any(axis=0).all()
    np.testing.assert_array_equal(posed.truth, still.truth)
    assert np.abs(posed.scans["fast"] - still.scans["fast"]).mean() > 1.0


def test_the_truth_is_cut_where_the_head_lay(scans, toy_subjects, tiny_grids):
    """Read against it, a moved scan errs as a still one does; a pose of 0 gives the truth itself.

    The grids differ by 2 in the plane; sampling every second pixel is enough to tell 2 mm.
    """
    phantom = toy_subjects["healthy"]
    same = moved_truth(phantom, np.zeros(6))
    np.testing.assert_allclose(same.maps, scans["still"].truth, rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(same.tissue, phantom.tissue)
    np.testing.assert_array_equal(same.regions, phantom.regions)
    posed = moved_truth(phantom, scans["posed"].poses["fast"].mean(0))

    def error(scanned, truth, tissue):
        off = scanned[..., 0] - truth[:, ::2, ::2, 0]
        return np.sqrt(np.mean(off[np.isin(tissue[:, ::2, ::2], (2, 3))] ** 2))

    still = error(scans["still"].scans["fast"], same.maps, same.tissue)
    moved = scans["posed"].scans["fast"]
    assert error(moved, posed.maps, posed.tissue) < 1.2 * still
    assert error(moved, same.maps, same.tissue) > 1.3 * still


def test_moved_lesions_keep_their_numbers(toy_subjects):
    phantom = toy_subjects["patient"]
    found = moved_truth(phantom, np.array([1.0, -1.0, 0.5, 1.0, 0.0, 1.0]))
    assert set(np.unique(found.lesions)) == set(np.unique(phantom.lesion_labels))
    assert (found.lesions != phantom.lesion_labels).any()
