"""The lesion reading: planted contrasts are found, blurred ones are lost."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import make_case
from scipy import ndimage

from qsr_jax.data.studies.truth import Truth
from qsr_jax.evaluation.measure import lesion_contrast
from qsr_jax.evaluation.measure.lesion_contrast import (
    contrast_fields,
    contrasts,
    lesion_sites,
)

SPACING = (5.0, 1.0, 1.0)


def make_truth(*, radius_mm, shape=(2, 80, 80)):
    """White matter everywhere, grey at the rim, one lesion in the middle of slice 0."""
    down, across = np.indices(shape[1:]) - 40
    lesions = np.zeros(shape, np.uint8)
    lesions[0, np.hypot(down, across) <= radius_mm] = 1
    tissue = np.full(shape, 3, np.uint8)
    tissue[:, :6] = tissue[:, -6:] = 2
    tissue[lesions > 0] = 4
    maps = np.where(lesions[..., None] > 0, 1200.0, 800.0).astype(np.float32)
    return Truth(maps, tissue, 0 * tissue, {}, lesions, {1: "WMH"})


def test_contrast_is_inside_minus_ring_over_the_rings_sd(rng):
    truth = make_truth(radius_mm=4)
    noisy = truth.maps + 40.0 * rng.standard_normal(truth.maps.shape)
    (site,) = lesion_sites(truth, SPACING).values()
    contrast, ratio = contrasts(noisy, site)
    assert contrast[0] == pytest.approx(400.0, abs=20.0)
    assert ratio[0] == pytest.approx(10.0, rel=0.15)
    inside, ring = (np.array(indices).T for indices in (site.inside, site.ring))
    assert len(inside) == (truth.lesions > 0).sum()
    from_centre = np.hypot(*(ring[:, 1:] - 40).T)
    assert from_centre.min() > 4 + 1.4
    assert from_centre.max() < 4 + 6.6
    assert set(ring[:, 0]) == {0}
    assert (truth.tissue[site.ring] == 3).all()


def test_blurring_loses_the_small_lesion_and_keeps_the_large_one(rng):
    """At the edge of resolution contrast goes first; the noise is the same in both maps."""
    found = {}
    for radius_mm in (1, 6):
        truth = make_truth(radius_mm=radius_mm)
        noise = 30.0 * rng.standard_normal(truth.maps.shape)
        blurred = ndimage.gaussian_filter(truth.maps, (0, 2.5, 2.5, 0)) + noise
        sources = {"sharp": truth.maps + noise, "blurred": blurred}
        rows = list(contrast_fields(sources, ("t1",), truth, SPACING))
        for row in rows:
            if (row["kind"], row["quantity"]) == (lesion_contrast.LESION_KIND, lesion_contrast.CNR):
                found[radius_mm, row["method"]] = row["value"] >= lesion_contrast.READ_AT
    assert found == {
        (1, "sharp"): True, (1, "blurred"): False, (6, "sharp"): True, (6, "blurred"): True
    }  # fmt: skip


def test_methods_do_not_move_each_others_numbers(rng):
    case = make_case(rng, subject="a", group="patient", lesions=2)
    spacing = case.routine.geometry.spacing_mm
    sources = {"a": case.routine.maps, "b": case.truth.maps}
    both = list(contrast_fields(sources, case.routine.names, case.truth, spacing))
    alone = list(contrast_fields({"a": sources["a"]}, case.routine.names, case.truth, spacing))
    assert [row for row in both if row["method"] == "a"] == alone
    assert all(np.isfinite(row["value"]) for row in both)  # the truth has no noise at all


def test_no_white_matter_no_ring():
    truth = make_truth(radius_mm=4)
    bare = dataclasses.replace(truth, tissue=np.where(truth.lesions > 0, 4, 0).astype(np.uint8))
    assert not lesion_sites(bare, SPACING)
    assert not list(contrast_fields({"a": truth.maps}, ("t1",), bare, SPACING))
