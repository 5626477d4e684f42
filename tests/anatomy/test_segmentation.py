"""Tissues told from maps: known mixtures are found again, and borders can be left out."""

import sys

import numpy as np
import pytest
from evaluation_subjects import LEVELS, make_labels

from qsr_jax.anatomy.optional_dependency import MissingExtraError, needs_atlas_extra
from qsr_jax.anatomy.segmentation import classify_tissue, eroded

SPACING = (5.0, 1.0, 1.0)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture
def subject(rng):
    """(labels, maps (z, y, x, 3)) with 4 % noise, and 2000 ms PD unchanged."""
    labels, _, _ = make_labels((4, 128, 128), 0)
    maps = LEVELS[labels] * (1 + 0.04 * rng.standard_normal((*labels.shape, 3)))
    return labels, maps


def classify(maps, brain):
    return classify_tissue(*np.moveaxis(maps, -1, 0), brain, spacing_mm=SPACING)


@pytest.mark.parametrize("shift", [0.9, 1.0, 1.1])
def test_tissues_are_found_whatever_the_scanner_adds(shift, subject):
    pytest.importorskip("sklearn")
    labels, maps = subject
    found = classify(maps * shift, labels > 0)
    assert [dice(found == k, labels == k) > 0.97 for k in (1, 2, 3)] == [True] * 3
    assert not found[labels == 0].any()


def test_what_lies_outside_the_brain_does_not_matter(subject):
    pytest.importorskip("sklearn")
    labels, maps = subject
    brain = labels > 0
    dirty = np.where(brain[..., None], maps, 1e5)
    np.testing.assert_array_equal(classify(dirty, brain), classify(maps, brain))


def test_too_little_tissue_is_refused(subject):
    pytest.importorskip("sklearn")
    labels, maps = subject
    with pytest.raises(ValueError, match="0 voxels of solid tissue"):
        classify(maps / 1000 * 1e6, labels > 0)
    with pytest.raises(ValueError, match="expected one .z, y, x."):
        classify(maps, labels[:2] > 0)


def test_erosion_by_hand():
    labels = np.zeros((1, 5, 8), np.uint8)
    labels[:, :, :4], labels[:, :, 4:] = 2, 3
    kept = eroded(labels, pixels=1)
    assert kept[0, 2].tolist() == [2, 2, 2, 0, 0, 3, 3, 3]
    assert eroded(labels, pixels=2)[0, 2].tolist() == [2, 2, 0, 0, 0, 0, 3, 3]
    assert eroded(labels, pixels=0) is labels
    with pytest.raises(ValueError, match="erode by -1 pixels"):
        eroded(labels, pixels=-1)


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dipy.align", None)
    with pytest.raises(MissingExtraError, match=r'pip install "qsr_jax\[atlas\]"'):
        needs_atlas_extra("dipy.align")
