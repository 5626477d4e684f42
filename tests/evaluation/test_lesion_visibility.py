"""Lesions against control sites of their own size: where the sites lie, and what is told apart."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import make_case, make_predictions
from test_lesion_contrast import SPACING, make_truth

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_contrast import LESION_KIND, RING_MM, lesion_sites
from qsr_jax.evaluation.measure.lesion_visibility import (
    CONTROLS,
    KIND,
    MARGIN_MM,
    matched_sites,
    visibility_fields,
)
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.sections.lesion_visibility import ALL, readings, roc_rows
from qsr_jax.evaluation.values import Value


@pytest.mark.parametrize("radius_mm", [1, 4])
def test_control_sites_are_as_large_as_the_lesion_and_far_from_it(radius_mm):
    truth = make_truth(radius_mm=radius_mm)
    lesion = lesion_sites(truth, SPACING)[1]
    sites = matched_sites(truth, lesion, SPACING, {})
    assert len(sites) == CONTROLS
    marked = np.argwhere(truth.lesions[0])
    for site in sites:
        assert len(site.inside[0]) == len(lesion.inside[0])
        assert (truth.tissue[site.inside] == 3).all() and (truth.tissue[site.ring] == 3).all()
        z, y, x = (part[0] for part in site.inside)
        if z == 0:
            assert np.hypot(*(marked - (y, x)).T).min() > RING_MM[1]
    again = matched_sites(truth, lesion, SPACING, {})
    assert all((a.inside[2] == b.inside[2]).all() for a, b in zip(sites, again, strict=True))


def test_where_no_place_is_large_enough_a_smaller_one_is_taken():
    """The only white matter away from the lesion is a strip of 9 mm: no disc of 24 mm fits."""
    truth = make_truth(radius_mm=12)
    _, down, across = np.indices(truth.tissue.shape)
    tissue = np.where(np.hypot(down - 40, across - 40) < 20, truth.tissue, 2)
    tissue[1] = np.where(np.abs(across[1] - 40) < 5, 3, 2)
    strip = dataclasses.replace(truth, tissue=tissue.astype(np.uint8))
    lesion = lesion_sites(strip, SPACING)[1]
    sites = matched_sites(strip, lesion, SPACING, {})
    assert sites
    for site in sites:
        assert (site.inside[0] == 1).all() and (strip.tissue[site.inside] == 3).all()
        assert 10 < len(site.inside[0]) < 0.1 * len(lesion.inside[0])


def test_no_tissue_no_control_site():
    truth = make_truth(radius_mm=4)
    lesion = lesion_sites(truth, SPACING)[1]
    bare = dataclasses.replace(truth, tissue=np.where(truth.lesions > 0, 4, 0).astype(np.uint8))
    assert matched_sites(bare, lesion, SPACING, {}) == []
    assert MARGIN_MM[3] > 0.0


def test_sizes_are_those_of_the_label():
    truth = make_truth(radius_mm=4)
    fields = visibility_fields({}, (), truth, SPACING)
    sizes = {f["quantity"]: f["value"] for f in fields}
    voxels = (truth.lesions > 0).sum()
    assert sizes["voxels"] == voxels
    assert sizes["volume"] == pytest.approx(5.0 * voxels)
    assert sizes["diameter"] == pytest.approx(8.0, rel=0.05)


@pytest.fixture(scope="module")
def cohort():
    """Four patients; "trained" erases the lesions, routine and bicubic show them."""
    rng, values = np.random.default_rng(8), []
    for name in "abcd":
        case = make_case(rng, subject=name, group="patient", lesions=3)
        made = make_predictions(rng, case, noise=(30.0, 3.0, 2.0))
        white = case.routine.maps[case.truth.tissue == 3].mean(0)
        erased = np.where((case.truth.lesions > 0)[..., None], white, made["trained"].mean)
        noise = rng.normal(0.0, (30.0, 3.0, 2.0), erased.shape)
        made["trained"] = dataclasses.replace(made["trained"], mean=erased + noise)
        values += measure(case, made, split="test")
    return Cohort(values)


def test_a_method_that_erases_lesions_is_told_by_its_area(cohort):
    rows = {(row.map, row.method): row for row in roc_rows(cohort) if row.lesions == ALL}
    trained, routine = rows["t1", "trained"], rows["t1", "routine"]
    assert trained.n_subjects == 4 and trained.n_lesions == routine.n_lesions
    assert routine.area > 0.99 and routine.found_percent == 100.0
    assert 0.2 < trained.area < 0.8 and trained.found_percent < 50.0
    assert trained.auc.interval.low < trained.area < trained.auc.interval.high
    assert trained.froc_percent < routine.froc_percent == 100.0


@pytest.mark.parametrize(("ratio", "percent"), [(2.9, 0.0), (3.1, 100.0)])
def test_control_sites_are_counted_by_the_rule_of_lesions(ratio, percent):
    values = [
        Value("a", "patient", "test", "1", kind, place, name, quantity, "", method, value, 9, "")
        for kind, place, name, quantity, method, value in (
            (LESION_KIND, "1 WMH", "t1", "contrast to noise", "trained", -ratio),
            (LESION_KIND, "1 WMH", "t1", "contrast", "truth", 400.0),
            (LESION_KIND, "1 WMH", "", "diameter", "label", 5.0),
            (KIND, "1 WMH, control 1", "t1", "contrast to noise", "trained", ratio),
            ("tissue", "WM", "t1", "mean", "truth", 800.0),
            ("image", "brain", "t1", "psnr", "trained", 30.0),
            ("image", "brain", "t1", "psnr", "bicubic", 30.0),
        )
    ]
    row = next(r for r in roc_rows(Cohort(values)) if r.lesions == ALL)
    assert (row.found_percent, row.false_percent) == (percent, percent)
    assert row.area == 0.5 and row.auc.interval is None


def test_lesions_are_sorted_by_size_and_by_contrast(cohort):
    rows = [row for row in roc_rows(cohort) if (row.map, row.method) == ("t1", "routine")]
    counted = {row.lesions: row.n_lesions for row in rows}
    assert counted[ALL] == sum(n for name, n in counted.items() if " mm" in name)
    assert counted["contrast 25 % or more"] == counted[ALL]
    assert all(r.controls and r.contrast_percent > 25 for r in readings(cohort, "t1", "routine"))
    assert {v.map for v in cohort.values if v.kind == KIND} == {"t1", "t2", "pd"}
