"""Labels of a subject: from the truth, found in the maps, drawn; and how two opinions compare."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import make_case

from qsr_jax.anatomy.label_subject import SubjectLabels
from qsr_jax.anatomy.region_sources import NUCLEI, GeometricRegions
from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE, label_regions
from qsr_jax.data.studies.truth import Truth
from qsr_jax.evaluation.measure.label_agreement import CENTROID, DICE, SHIFT, agreement_fields
from qsr_jax.evaluation.measure.labels import (
    LESION,
    Labels,
    found_labels,
    label_fields,
    no_labels,
    true_labels,
)
from qsr_jax.evaluation.measure.subject import compare_labels
from qsr_jax.types import Geometry

SHAPE = (3, 40, 40)
GEOMETRY = Geometry((-40.0, -40.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 2.0), SHAPE)


def make_labels(*, moved=0, lesion=False):
    """Two grey blocks, left and right, in white matter; the blocks can be moved along rows."""
    tissue = np.zeros(SHAPE, np.uint8)
    tissue[:, 4:36, 4:36] = WHITE
    regions = np.zeros(SHAPE, np.uint8)
    for first in (8, 26):
        block = np.s_[:, 12 + moved : 20 + moved, first : first + 6]
        tissue[block], regions[block] = GREY, 1
    lesions = np.zeros(SHAPE, np.uint8)
    if lesion:
        lesions[1, 26:30, 18:22] = 1
        tissue[lesions > 0] = LESION
    return Labels(tissue, regions, {1: "insula"}, lesions, {1: "WMH"} if lesion else {}, "x", "y")


def of(rows, place, quantity, name=""):
    (value,) = (
        r["value"] for r in rows if (r["place"], r["quantity"], r["map"]) == (place, quantity, name)
    )
    return value


def test_the_same_labels_agree():
    labels = make_labels()
    maps = np.random.default_rng(0).uniform(500, 1500, (*SHAPE, 1))
    rows = list(agreement_fields(labels, labels, maps, ("t1",), GEOMETRY))
    assert {row["place"] for row in rows} == {"GM", "WM", "insula"}
    for place in ("GM", "WM", "insula"):
        assert of(rows, place, DICE) == 1.0
        assert of(rows, place, CENTROID) == 0.0
        assert of(rows, place, SHIFT, "t1") == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("moved", [1, 3])
def test_moved_labels_are_that_far_apart(moved):
    true, found = make_labels(), make_labels(moved=moved)
    maps = np.where(true.tissue == GREY, 1200.0, 800.0)[..., None]
    rows = list(agreement_fields(found, true, maps, ("t1",), GEOMETRY))
    assert of(rows, "insula", CENTROID) == pytest.approx(2.0 * moved)
    assert of(rows, "insula", DICE) == pytest.approx(1.0 - moved / 8.0)
    mean = (1200.0 * (8 - moved) + 800.0 * moved) / 8.0
    assert of(rows, "insula", SHIFT, "t1") == pytest.approx(100.0 * (mean / 1200.0 - 1.0))


def test_a_place_that_only_one_opinion_knows_is_left_out():
    true, found = make_labels(), make_labels()
    found.regions[:] = 0
    rows = agreement_fields(found, true, np.ones((*SHAPE, 1)), ("t1",), GEOMETRY)
    assert {row["place"] for row in rows} == {"GM", "WM"}


def test_lesions_are_neither_grey_nor_white_matter():
    true = make_labels()
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[1, 13:16, 9:12] = 2
    anatomy = SubjectLabels(true.tissue, true.regions, true.region_names, np.zeros((*SHAPE, 3)))
    labels = found_labels(anatomy, (drawn, {2: "drawn"}), erode_pixels=0, lesions_said="by hand")
    assert (labels.tissue[drawn > 0] == LESION).all() and not labels.regions[drawn > 0].any()
    assert (labels.tissue == GREY).sum() == (true.tissue == GREY).sum() - (drawn > 0).sum()
    maps = np.where(drawn > 0, 1400.0, 1000.0)[..., None]
    rows = {(r["kind"], r["place"]): r for r in label_fields({"trained": maps}, ("t1",), labels)}
    assert rows["lesion", "2 drawn"]["value"] == 1400.0
    assert rows["lesion", "2 drawn"]["convention"] == "by hand"
    assert rows["tissue", "GM"]["value"] == rows["region", "insula"]["value"] == 1000.0


def test_borders_can_be_left_out():
    true = make_labels(lesion=True)
    truth = Truth(np.zeros((*SHAPE, 3)), true.tissue, true.regions, true.region_names,
                  true.lesions, true.lesion_kinds)  # fmt: skip
    whole, thin = (true_labels(truth, erode_pixels=n) for n in (0, 1))
    assert thin.said == "voxels of the true label, 1 pixels or more from its border"
    assert (thin.regions > 0).sum() == 2 * 3 * 6 * 4 and (whole.regions > 0).sum() == 2 * 3 * 8 * 6
    assert (thin.lesions == whole.lesions).all()


def test_nothing_labelled_gives_no_rows():
    maps = {"trained": np.ones((*SHAPE, 1))}
    assert not list(label_fields(maps, ("t1",), no_labels(SHAPE)))


def test_our_geometry_is_read_in_lps_and_knows_nothing_outside_the_template(rng):
    ras = rng.uniform(-60, 60, (400, 3)).astype(np.float32)
    tissue = rng.choice([GREY, WHITE], 400)
    lps = ras * np.array([-1, -1, 1], np.float32)
    lps[:50] = np.nan
    source = GeometricRegions()
    found = source.regions(lps, tissue)
    np.testing.assert_array_equal(found[50:], label_regions(ras[50:], tissue[50:]))
    assert not found[:50].any() and not source.in_nuclei(lps)[:50].any()
    centre = np.array([[-28.0, -3.0, 1.0]])  # the putamen of the table, mirrored to LPS
    assert source.in_nuclei(centre).all()
    (code,) = source.regions(centre, np.array([GREY]))
    assert REGION_NAMES[code - 1] == "putamen" and "putamen" in NUCLEI


def test_labels_are_compared_with_a_truth_only(rng):
    case = dataclasses.replace(make_case(rng, subject="a"), truth=None)
    with pytest.raises(ValueError, match="subject a has no truth"):
        compare_labels(case, no_labels(case.routine.geometry.shape), split="test")
