"""Cohorts from T2-weighted images: whom they may be, and what is refused."""

import json

import nibabel
import numpy as np
import pytest

from data_tools.simulate_cohort import main
from tests.fixtures.t2_weighted_head import AFFINE, image

ZOOM = 1.5
FINE = AFFINE @ np.diag([1 / ZOOM, 1 / ZOOM, 1.0, 1.0])
"""Pixels of 1.33 mm: fine enough for the tiny protocol's 2.75 mm."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images/t2w").mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(image(zoom=ZOOM), FINE), tmp_path / "images/t2w/head.nii.gz")
    return tmp_path / "images"


def door(tmp_path, folder, *more, protocol="tiny", patients="0", values="wide"):
    main(
        ["--out", str(tmp_path / "out"), "--subjects", "1", "--patients", patients]
        + ["--protocol", protocol, "--values", values, "--anatomy", str(folder)]
        + ["--no-noiseless", *more]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patients": "1"}, "--patients must be 0, and --values wide"),
        ({"values": "population"}, "--patients must be 0, and --values wide"),
        ({"protocol": "paper"}, "pixels of 0.69 mm, but the image tells 2.67 mm at best"),
    ],
)
def test_whom_an_image_cannot_be_is_refused(tmp_path, folder, options, said):
    with pytest.raises(SystemExit, match=said):
        door(tmp_path, folder, **options)
    assert not (tmp_path / "out").exists()


def test_slices_that_do_not_rise_along_the_body_are_refused(tmp_path, folder):
    turned = FINE[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(image(zoom=ZOOM), turned), folder / "t2w/head.nii.gz")
    with pytest.raises(SystemExit, match="expected axial slices"):
        door(tmp_path, folder)


def test_an_image_makes_a_subject(tmp_path, folder):
    door(tmp_path, folder)
    about = json.loads((tmp_path / "out/sub-001/truth/truth.json").read_text())
    assert about["anatomy"] == "head.nii.gz"
    assert about["traits"]["grey_t1"] > about["traits"]["white_t1"]
    labels = np.asarray(nibabel.load(tmp_path / "out/sub-001/truth/tissue.nii.gz").dataobj)
    assert {1, 2, 3} <= set(np.unique(labels).tolist())
