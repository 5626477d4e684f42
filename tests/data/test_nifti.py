"""NIfTI turns (z, y, x) LPS into (x, y, z) RAS and back."""

import nibabel
import numpy as np
import pytest

from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.types import Geometry

GEOMETRY = Geometry(
    (-50.0, -40.0, -30.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 1.0), (3, 4, 6)
)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_round_trip(tmp_path, rng, dtype):
    array = (rng.random(GEOMETRY.shape) * 200).astype(dtype)
    write_nifti(array, GEOMETRY, tmp_path / "a.nii.gz")
    again, affine = read_nifti(tmp_path / "a.nii.gz")
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, array)
    np.testing.assert_allclose(affine, GEOMETRY.affine_lps(), atol=1e-5)


def test_a_marked_voxel_lies_where_nibabel_says(tmp_path):
    """Golden by hand: voxel (z 2, y 1, x 5) is at LPS (-45, -38, -20), RAS (45, 38, -20)."""
    array = np.zeros(GEOMETRY.shape, np.float32)
    array[2, 1, 5] = 1
    write_nifti(array, GEOMETRY, tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    voxel = np.argwhere(np.asarray(image.dataobj) == 1)[0]
    np.testing.assert_array_equal(voxel, [5, 1, 2])
    np.testing.assert_allclose((image.affine @ [*voxel, 1])[:3], [45, 38, -20])
    for code in ("qform_code", "sform_code"):
        assert image.header[code] == 1
    assert image.header.get_xyzt_units()[0] == "mm"


def test_bytes_are_reproducible(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_nifti(np.ones(GEOMETRY.shape, np.float32), GEOMETRY, tmp_path / name / "x.nii.gz")
    assert (tmp_path / "a/x.nii.gz").read_bytes() == (tmp_path / "b/x.nii.gz").read_bytes()


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="float64"):
        write_nifti(np.ones(GEOMETRY.shape), GEOMETRY, tmp_path / "a.nii")
    with pytest.raises(ValueError, match="shape"):
        write_nifti(np.ones((2, 2, 2), np.float32), GEOMETRY, tmp_path / "a.nii")
    (tmp_path / "text.nii.gz").write_text("no")
    (tmp_path / "text.nii").write_text("no")
    for name in ("text.nii.gz", "text.nii"):
        with pytest.raises(ValueError, match="NIfTI"):
            read_nifti(tmp_path / name)
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2), np.float32), np.eye(4)), tmp_path / "2.nii")
    with pytest.raises(ValueError, match="2 axes"):
        read_nifti(tmp_path / "2.nii")
