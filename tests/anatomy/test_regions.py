"""Label means by hand, and fast voxels read on the routine grid."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.anatomy.label_means import label_means, nearest_on, same_grid
from qsr_jax.types import CORNER, SAMPLE, Geometry, Volume

COARSE = Geometry(
    (-110.0, -90.0, 5.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 2.0), (2, 4, 6)
)


@pytest.fixture
def fast(rng):
    return Volume(rng.uniform(50, 2000, (2, 4, 6, 2)), ("t1", "t2"), COARSE)


def test_label_means_by_hand():
    maps = np.arange(8.0).reshape(1, 2, 4, 1)
    labels = np.array([[[0, 1, 1, 9], [2, 2, 3, 0]]])
    means = label_means(maps, labels, {1: "a", 2: "b", 3: "b", 5: "absent"})
    assert {name: (n, mean.tolist()) for name, (n, mean) in means.items()} == {
        "a": (2, [1.5]),
        "b": (3, [5.0]),
    }


def test_corner_grids_repeat_every_voxel(fast):
    expected = fast.maps.repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(nearest_on(fast, COARSE.refined(2, CORNER)), expected)


def test_sample_grids_share_between_equally_near_voxels(fast):
    on_fine = nearest_on(fast, COARSE.refined(2, SAMPLE))
    np.testing.assert_allclose(on_fine[:, ::2, ::2], fast.maps)
    np.testing.assert_allclose(on_fine[:, 0, 1], (fast.maps[:, 0, 0] + fast.maps[:, 0, 1]) / 2)
    np.testing.assert_allclose(on_fine[:, 0, -1], fast.maps[:, 0, -1])


def test_header_rounding_does_not_matter(fast):
    fine = COARSE.refined(2, SAMPLE)
    rounded = dataclasses.replace(fine, origin_mm=tuple(v + 2e-5 for v in fine.origin_mm[:3]))
    np.testing.assert_allclose(nearest_on(fast, rounded), nearest_on(fast, fine))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"row_dir": (0.0, 1.0, 0.0), "col_dir": (1.0, 0.0, 0.0)}, "turned"),
        ({"origin_mm": (-110.0, -90.0, 10.0)}, "same slices"),
        ({"spacing_mm": (4.0, 1.0, 1.0)}, "same slices"),
        ({"shape": (1, 8, 12)}, "same slices"),
    ],
)
def test_foreign_grids_are_refused(fast, change, reason):
    with pytest.raises(ValueError, match=reason):
        nearest_on(fast, dataclasses.replace(COARSE.refined(2, CORNER), **change))


def test_same_grid():
    assert same_grid(COARSE, dataclasses.replace(COARSE, origin_mm=(-110.0, -90.0, 5.0005)))
    assert not same_grid(COARSE, dataclasses.replace(COARSE, origin_mm=(-110.0, -90.0, 5.1)))
    assert not same_grid(COARSE, dataclasses.replace(COARSE, shape=(2, 4, 5)))
