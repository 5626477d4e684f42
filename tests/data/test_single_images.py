"""Single weighted images: volumes on one grid, people apart, or the contrasts of records."""

import numpy as np
import pytest

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.records.open import DatasetError
from qsr_jax.data.records.weighted import open_weighted
from qsr_jax.data.records.weighted_images import SIDE, at_one_mm, has_signal, open_images
from qsr_jax.types import Geometry


def write(path, *, side=256, spacing_mm=0.75, slices=5, gain=300.0):
    """A disc of 160 mm in air; its last slice is air alone."""
    y, x = (np.mgrid[:side, :side] - (side - 1) / 2) * spacing_mm
    disc = (np.hypot(y, x) < 80.0) * np.float32(gain)
    volume = np.repeat(disc[None], slices, 0)
    volume[-1] = 0.0
    spacing = (4.0, spacing_mm, spacing_mm)
    place = Geometry((0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), spacing, volume.shape)
    write_nifti(volume.astype(np.float32), place, path)


def test_volumes_come_to_one_grid_and_people_stay_apart(tmp_path):
    for name in ("ann_1_t1w", "ann_2_t1w", "bea_1_flair"):
        write(tmp_path / f"{name}.nii.gz")
    train, validation = open_images(tmp_path, "train"), open_images(tmp_path, "validation")
    assert (len(train), len(validation), len(open_images(tmp_path, "test"))) == (8, 1, 0)
    assert {train[i]["subject"] for i in range(8)}.isdisjoint({validation[0]["subject"]})
    assert len(train.learned["subjects"]) == 2 and train.fingerprint == validation.fingerprint
    record = train[3]
    assert record["lr"].shape == record["mask"].shape == (SIDE, SIDE, 1)
    np.testing.assert_array_equal(record["lr"], record["hr"])
    # A constant is its own 99.5 % percentile: 100 %, 1000 stored units
    assert record["lr"][120, 120, 0] == 1000 and record["lr"][0, 0, 0] == 0
    assert record["mask"].sum() == pytest.approx(np.pi * 80**2, rel=0.03)


def test_an_image_larger_than_the_square_is_cut_in_its_middle():
    image = np.zeros((150, 130), np.float32)
    image[75, 65] = 1.0
    (found,) = at_one_mm([image], np.array([2.0, 2.0]))
    peak = np.unravel_index(found.argmax(), found.shape)
    assert found.shape == (SIDE, SIDE) and np.abs(np.array(peak) - 120.5).max() <= 1.0


def test_what_has_no_head_is_no_slice():
    image = np.zeros((20, 20))
    assert not has_signal(image)
    image[:2] = 1.0
    assert not has_signal(image)
    image[:4] = 1.0
    assert has_signal(image)


def test_every_contrast_of_a_record_is_an_image(weighted_data):
    records, studies = open_images(weighted_data, "train"), open_weighted(weighted_data, "train")
    assert len(records) == len(CONTRASTS) * len(studies)
    image, whole = records[4], studies[1]["lr"][..., 1]  # 4 = 1 * 3 + 1
    scale = 1000 / np.percentile(whole, 99.5)
    np.testing.assert_allclose(image["lr"][..., 0], np.minimum(whole * scale, 4000), atol=0.5)
    assert image["subject"] == studies[1]["subject"]


def test_what_holds_no_images_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="volumes of 0 people; expected NIfTI files called"):
        open_images(tmp_path, "train")
    write(tmp_path / "ann_t1w.nii.gz", side=16)
    with pytest.raises(DatasetError, match="volumes of 1 people"):
        open_images(tmp_path, "train")
    with pytest.raises(ValueError, match="split 'all' is not one of"):
        open_images(tmp_path, "all")
