"""Drawn regions from NIfTI and from DICOM-SEG, on the scan's grid or refused."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.evaluation.measure import rois
from qsr_jax.evaluation.measure.rois import RoiError, read_rois
from qsr_jax.types import Geometry

GRID = Geometry((-20.0, -30.0, 5.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 1.5), (4, 8, 6))


def drawn():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1, 2:4, 3] = 3
    labels[2, 5, 1:4] = 7
    return labels


def test_labels_of_a_nifti_file(tmp_path):
    write_nifti(drawn(), GRID, tmp_path / "roi.nii.gz")
    labels, names = read_rois(tmp_path / "roi.nii.gz", GRID)
    np.testing.assert_array_equal(labels, drawn())
    assert names == {3: "3", 7: "7"}


def test_segments_get_numbers_and_the_later_one_wins(tmp_path, monkeypatch):
    first, second = drawn() == 3, drawn() > 0
    monkeypatch.setattr(rois, "read_segmentation", lambda *_: {"WMH": first, "infarct": second})
    labels, names = read_rois(tmp_path / "seg.dcm", GRID)
    assert names == {1: "WMH", 2: "infarct"}
    np.testing.assert_array_equal(labels, 2 * second)


@pytest.mark.parametrize(
    ("array", "change", "match"),
    [
        (drawn(), {"origin_mm": (-20.0, -30.0, 6.0)}, r"first at \[-20.0, -30.0, 6.0\] mm"),
        (drawn() * 0, {}, "holds no region"),
        (drawn().astype(np.float32) * 0.5, {}, "whole numbers from 0 to 255"),
    ],
)
def test_unusable_regions_are_refused(array, change, match, tmp_path):
    write_nifti(array, dataclasses.replace(GRID, **change), tmp_path / "roi.nii.gz")
    with pytest.raises(RoiError, match=match):
        read_rois(tmp_path / "roi.nii.gz", GRID)
