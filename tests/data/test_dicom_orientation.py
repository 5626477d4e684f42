"""Directions as real headers write them: rounded, and not quite the same in every slice."""

import numpy as np
import pydicom
import pytest
from dicom_factory import make_slices, save
from scipy.spatial.transform import Rotation

from qsr_jax.data.dicom import DicomInputError, read_series
from qsr_jax.data.dicom.stack import SAME_TOLERANCE

SPACING_MM = 5.0


def written(folder, directions, *, decimals=6):
    """A series whose slice k has ``directions(k)``, (2, 3), k * 5 mm along the first's normal."""
    slices = make_slices()
    folder.mkdir(parents=True)
    for k, ds in enumerate(slices):
        rows = directions(k)
        normal = np.cross(*directions(0))
        place = np.array([-40.0, -50.0, -20.0]) + k * SPACING_MM * normal / np.linalg.norm(normal)
        ds.ImageOrientationPatient = [f"{v:.{decimals}f}" for v in rows.ravel()]
        ds.ImagePositionPatient = [f"{v:.4f}" for v in place]
        save(ds, folder / f"{k}.dcm")
    return folder


def oblique(seed):
    return Rotation.random(random_state=seed).as_matrix()[:2]


@pytest.mark.parametrize("seed", range(40))
def test_any_oblique_stack_of_four_decimals_is_read(tmp_path, seed):
    """11.8 % of random orientations were refused as not orthonormal."""
    rows = oblique(seed)
    grid = read_series(written(tmp_path / "s", lambda _: rows, decimals=4)).volume.geometry
    assert grid.spacing_mm[0] == pytest.approx(SPACING_MM, abs=1e-3)
    exact = np.vstack([rows, np.cross(*rows)])
    along = np.abs(np.stack([grid.row_dir, grid.col_dir]) @ exact.T).max(axis=1)
    np.testing.assert_allclose(along, 1.0, atol=1e-6)


@pytest.mark.parametrize("size", [6e-8, 0.9 * SAME_TOLERANCE])
def test_slices_may_differ_by_rounding(tmp_path, size):
    """Real GE SIGNA Pioneer series differ by 3e-8 to 6e-8 between slices."""
    rows = oblique(3)
    sign = np.array([[1, -1, 1], [-1, 1, -1]])
    folder = written(tmp_path / "s", lambda k: rows + size * (k % 2) * sign, decimals=10)
    assert read_series(folder).volume.maps.shape[0] == 5


@pytest.mark.parametrize(
    "turned",
    [
        lambda rows: rows * [[1], [-1]],
        lambda rows: rows[::-1],
        lambda rows: rows @ Rotation.from_euler("z", 0.02, degrees=True).as_matrix(),
    ],
    ids=["sign", "order", "0.02 degrees"],
)
def test_another_direction_is_refused(tmp_path, turned):
    rows = np.eye(3)[:2]
    folder = written(tmp_path / "s", lambda k: turned(rows) if k == 3 else rows)
    with pytest.raises(DicomInputError, match="ImageOrientationPatient"):
        read_series(folder)


@pytest.mark.parametrize("size", [0.0, 6e-8])
def test_highdicom_places_the_same_stacks_when_told_our_tolerance(tmp_path, size):
    """A library that nobody here wrote; without the tolerance it refuses what GE writes."""
    highdicom = pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map]")
    sign = np.array([[1, -1, 1], [-1, 1, -1]])
    folder = written(
        tmp_path / "s", lambda k: oblique(5) + size * (k % 2) * sign, decimals=10 if size else 4
    )
    images = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    tolerances = {"orientation_tol": SAME_TOLERANCE, "atol": 0.01, "rtol": None}
    theirs = highdicom.get_volume_from_series(images, **tolerances)
    mine = read_series(folder).volume
    to_mine = np.linalg.inv(mine.geometry.affine_lps()) @ theirs.affine
    index = np.stack([*np.indices(theirs.array.shape).reshape(3, -1), np.ones(theirs.array.size)])
    found = (to_mine @ index)[:3]
    nearest = np.round(found).astype(int)
    off_mm = np.abs(found - nearest) * np.array(mine.geometry.spacing_mm)[:, None]
    assert off_mm.max() < 6e-3  # two cosines rounded to 5e-5 each, at 55 mm: 5.5e-3
    np.testing.assert_allclose(mine.maps[..., 0][tuple(nearest)], theirs.array.ravel(), rtol=1e-6)
