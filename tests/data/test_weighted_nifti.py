"""Weighted NIfTI files as a study: on one grid, with given times and movement."""

import numpy as np
import pytest

from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.studies.registration import RegistrationError
from qsr_jax.data.studies.regrid import on_grid
from qsr_jax.data.studies.weighted_study import (
    StudyError,
    parse_times,
    read_itk_affine,
    read_nifti_study,
)
from qsr_jax.types import Geometry

STATED = parse_times("600,4500,11000", "15,100,140", "2800")


def head(place):
    """A smooth head of two blobs at fixed places of the world, sampled on a grid."""
    index = np.stack(np.meshgrid(*map(np.arange, place.shape), indexing="ij"), -1)
    world = index @ place.affine_lps()[:3, :3].T + place.affine_lps()[:3, 3]
    blobs = [((0, 0, 0), 30.0, 100.0), ((25.0, -20.0, 8.0), 12.0, 80.0), ((-30, 10, -9), 9.0, 60.0)]
    return sum(a * np.exp(-((world - c) ** 2).sum(-1) / (2 * s * s)) for c, s, a in blobs).astype(
        np.float32
    )


COARSE = Geometry((-63.0, -63.0, -30.0), (1.0, 0, 0), (0, 1.0, 0), (5.0, 3.0, 3.0), (13, 43, 43))
FINE = Geometry((-60.5, -64.5, -33.0), (1.0, 0, 0), (0, 1.0, 0), (3.0, 1.5, 1.5), (23, 86, 86))


def test_an_image_is_read_where_the_other_grid_lies():
    found = on_grid(head(FINE), FINE, COARSE, np.eye(4))
    inside = found > 0
    np.testing.assert_allclose(
        found[inside], head(COARSE)[inside], atol=1.5
    )  # the mean of a box: -1 %
    assert inside[1:-1, 2:-2, 2:-2].all()
    np.testing.assert_array_equal(on_grid(head(COARSE), COARSE, COARSE, np.eye(4)), head(COARSE))
    moved = np.eye(4)
    moved[:3, 3] = (6.0, -3.0, 5.0)  # whole pixels: two columns, one row, one slice
    shifted = on_grid(head(COARSE), COARSE, COARSE, moved)
    np.testing.assert_allclose(shifted[:-1, 1:, :-2], head(COARSE)[1:, :-1, 2:], atol=1e-3)
    assert not shifted[-1].any() and not shifted[:, 0].any()


@pytest.fixture
def files(tmp_path):
    found = {}
    for name, place in (("t1w", FINE), ("t2w", COARSE), ("flair", COARSE)):
        found[name] = tmp_path / f"{name}.nii.gz"
        write_nifti(head(place), place, found[name])
    return found


def test_nifti_files_need_times_and_lie_on_one_grid(files):
    study = read_nifti_study(files, acquisition_ms=parse_times("600,?,11000", "15,100,140", "?"))
    assert np.isnan(study.acquisition_ms[[2, 6]]).all() and study.source is None
    np.testing.assert_allclose(study.images[1:-1, 3:-3, 3:-3, 0], head(COARSE)[1:-1, 3:-3, 3:-3],
                               atol=1.5)  # fmt: skip
    np.testing.assert_allclose(study.geometry.affine_lps(), COARSE.affine_lps(), atol=1e-5)
    shift = np.eye(4)
    shift[0, 3] = 3.0
    moved = read_nifti_study(files, acquisition_ms=STATED, transforms={"flair": shift})
    np.testing.assert_allclose(moved.images[..., :-1, 2], head(COARSE)[..., 1:], atol=1e-3)


def test_movement_between_contrasts_is_found(files, tmp_path):
    """A T1w that lies 4 mm further left and 3 mm up, dark where the other is bright."""
    pytest.importorskip("SimpleITK")
    x, y, z = FINE.origin_mm
    wrong = Geometry((x + 4.0, y, z + 3.0), FINE.row_dir, FINE.col_dir, FINE.spacing_mm, FINE.shape)
    image = head(FINE)
    write_nifti(np.where(image > 2, 200.0 - image, 0.0).astype(np.float32), wrong, files["t1w"])
    found = read_nifti_study(files, acquisition_ms=STATED, register="rigid").images[..., 0]
    truth = head(COARSE)
    inner = (slice(2, -2), slice(6, -6), slice(6, -6))
    away = np.abs(200.0 - truth - found)[inner][truth[inner] > 20]
    assert np.median(away) < 2.0
    far = Geometry((x + 900.0, y, z), FINE.row_dir, FINE.col_dir, FINE.spacing_mm, FINE.shape)
    write_nifti(image, far, files["t1w"])
    with pytest.raises(RegistrationError, match="cannot be brought together"):
        read_nifti_study(files, acquisition_ms=STATED, register="rigid")


def test_nifti_studies_that_cannot_be_are_refused(files, tmp_path):
    with pytest.raises(StudyError, match="files for t1w; expected t1w, t2w, flair"):
        read_nifti_study({"t1w": files["t1w"]}, acquisition_ms=STATED)
    for transforms in ({"t2w": np.eye(4)}, {"t1w": np.eye(3)}, {"pd": np.eye(4)}):
        with pytest.raises(StudyError, match=r"expected a \(4, 4\) matrix from the grid of t2w"):
            read_nifti_study(files, acquisition_ms=STATED, transforms=transforms)
    with pytest.raises(ValueError, match="flair_ti_ms is 860"):
        read_nifti_study(files, acquisition_ms=parse_times("600,4500,11000", "15,100,140", "860"))
    write_nifti(-head(COARSE), COARSE, files["flair"])
    with pytest.raises(StudyError, match="expected a magnitude image"):
        read_nifti_study(files, acquisition_ms=STATED)
    files["flair"].write_bytes(b"no")
    with pytest.raises(StudyError, match="not a readable NIfTI file"):
        read_nifti_study(files, acquisition_ms=STATED)


@pytest.mark.parametrize(
    "times", [("600,4500", "15,100,140", "2800"), ("a,b,c", "1,2,3", "4"), ("1,2,3", "1,2,3", "")]
)
def test_times_that_cannot_be_parsed_are_refused(times):
    with pytest.raises(StudyError, match="expected"):
        parse_times(*times)


def test_itk_affines(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\n"
                    "Parameters: 0 -1 0 1 0 0 0 0 1 5 6 7\nFixedParameters: 1 2 3\n")  # fmt: skip
    matrix = read_itk_affine(path)
    np.testing.assert_allclose(matrix @ [1, 2, 3, 1], [6, 8, 10, 1])  # the centre moves by t
    np.testing.assert_allclose(matrix @ [2, 2, 3, 1], [6, 9, 10, 1])  # x turns to y
    path.write_text("Parameters: 1 2\n")
    with pytest.raises(StudyError, match="not an affine transform of ITK"):
        read_itk_affine(path)


def test_a_real_study_comes_together(test_data, who="patient12_study2"):
    """After the published affines the brain's outline and the ventricles of all three agree."""
    folder = test_data(f"weighted/{who}_FLAIR.nii.gz").parent
    names = {"t1w": "T1W", "t2w": "T2W", "flair": "FLAIR"}
    files = {name: folder / f"{who}_{word}.nii.gz" for name, word in names.items()}
    itk = {n: read_itk_affine(folder / f"{who}_{names[n]}_to_FLAIR.txt") for n in ("t1w", "t2w")}
    study = read_nifti_study(files, acquisition_ms=STATED, grid="flair", transforms=itk)
    assert study.images.shape == (*study.geometry.shape, 3)
    shown = [one > 0.3 * np.percentile(one, 99) for one in np.moveaxis(study.images, -1, 0)]
    both = np.logical_and(shown[1], shown[0]).sum() / np.logical_or(shown[1], shown[0]).sum()
    assert both > 0.6
    fluid = study.images[..., 1] > np.percentile(study.images[..., 1], 99.5)
    flair = study.images[..., 2]
    assert np.median(flair[fluid]) < 0.8 * np.median(flair[flair > np.percentile(flair, 80)])
