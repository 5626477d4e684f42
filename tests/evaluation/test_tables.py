"""From subjects to tables: what was put in comes out, with the right n."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import NAMES, make_case, make_cohort, make_predictions

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.statistics import Outcome


@pytest.fixture(scope="module")
def tables(cohort_and_examples):
    return compute_tables(cohort_and_examples[0])


def one(rows, **where):
    (row,) = (r for r in rows if all(getattr(r, k) == v for k, v in where.items()))
    return row


def test_place_rows_recover_the_injected_gain(tables):
    """The trained maps are routine times 1.01 plus noise: +1 % in every tissue, region and map."""
    rows = [r for r in tables["places"] if r.method == "trained"]
    assert len(rows) == (3 + 3) * 3 + 3  # tissues, regions, and the lesions of one patient
    for row in rows:
        assert row.n == (1 if row.kind == "lesion" else 3)
        assert row.difference_percent == pytest.approx(1.0, abs=0.9), row.row
        ratio = row.value.mean / row.routine.mean
        assert row.difference_percent == pytest.approx(100 * (ratio - 1))
    for row in (r for r in rows if r.n == 3):
        assert row.test.difference == pytest.approx(row.value.mean - row.routine.mean)
        assert row.mean.estimate == pytest.approx(row.difference_percent)
        assert row.mean.outcome is row.individual.outcome is Outcome.TOO_FEW
        assert row.limits.low < row.limits.bias < row.limits.high
        assert row.individual.interval.low < row.limits.low


def test_table_1_has_the_papers_numbers_and_both_tests(tables):
    assert len(tables["paper_tissues"]) == 2 * 3
    for row in tables["paper_tissues"]:
        mine = one(tables["places"], place=row.tissue, map=row.map, method="trained")
        assert row.equivalence.difference == pytest.approx(mine.test.difference)
        assert row.equivalence.equivalent
        fast = one(tables["places"], place=row.tissue, map=row.map, method="fast")
        assert row.against_fast.difference == pytest.approx(mine.value.mean - fast.value.mean)
    assert one(tables["paper_tissues"], tissue="GM", map="t1").paper.network.mean == 1230.17


def test_agreement_rows(tables):
    pooled = one(tables["agreement"], map="t1", test="trained", reference="routine")
    assert pooled.n == 3
    assert pooled.percent.points == 6
    assert pooled.percent.bias == pytest.approx(100 * 0.01 / 1.005, abs=0.1)
    assert pooled.regression.slope == pytest.approx(1.01, abs=0.01)
    assert pooled.paper.slope == 0.9418
    assert one(tables["agreement"], map="t1", test="fast", reference="routine").paper is None
    comparisons = {(row.test, row.reference) for row in tables["agreement"]}
    assert comparisons == {("trained", "routine"), ("trained", "fast"), ("fast", "routine")}


def test_region_table_has_the_papers_regions_beside(tables):
    rows = [r for r in tables["places"] if (r.kind, r.method) == ("region", "trained")]
    assert {row.place for row in rows} == {"frontal", "occipital", "cerebral_peduncle"}
    row = one(rows, place="frontal", map="t2")
    assert one(tables["paper_regions"], row=row.row).paper.between == 5.17
    assert row.variation.between == pytest.approx(100 * 0.01 / 1.005 / np.sqrt(2), abs=0.1)


def test_calibration_recovers_the_injected_gain(tables):
    """The trained maps are routine times 1.01: +1 % in every bin, of every subject."""
    rows = [r for r in tables["calibration"] if (r.method, r.reference) == ("trained", "routine")]
    assert {row.map for row in rows} == set(NAMES)
    for row in rows:
        if row.map != "pd":  # 12 % of noise
            off = row.difference.mean / ((row.low + row.high) / 2)
            assert off == pytest.approx(0.01, abs=0.02), row.row
    assert {row.reference for row in tables["calibration"]} == {"routine", "truth"}


def test_worst_slices_are_the_worst(tables, cohort_and_examples):
    for name in NAMES:
        sizes = [
            v.value for v in cohort_and_examples[0].values
            if (v.kind, v.map, v.method, v.quantity) == ("slice", name, "trained", "rmse")
        ]  # fmt: skip
        rows = [row for row in tables["slices"] if row.map == name]
        assert [row.rmse["trained"] for row in rows] == sorted(sizes, reverse=True)[: len(rows)]
        assert [row.rank for row in rows] == [1, 2, 3, 4, 5]


def test_readings_of_lesions_follow_the_rule(tables):
    for row in tables["lesion_contrast"]:
        assert row.present == {m: abs(v) >= 3.0 for m, v in row.contrast_to_noise.items()}


def test_weighted_images_of_every_method(tables):
    assert [row.row for row in tables["weighted"]] == ["T1w", "T2w", "FLAIR"]
    for row in tables["weighted"]:
        assert set(row.by_method) == {"fast", "bicubic", "trained"}
        gain = row.by_method["trained"]["psnr"].mean - row.by_method["bicubic"]["psnr"].mean
        assert row.gain.difference == pytest.approx(gain)


def test_lesion_table_is_of_patients(tables, cohort_and_examples):
    cohort, _ = cohort_and_examples
    assert {cohort.group[row.subject] for row in tables["lesions"]} == {"patient"}
    assert [row.lesion for row in tables["lesions"] if row.map == "t1"] == [
        "1 WMH",
        "2 infarct",
        "3 WMH",
    ]
    test = one(tables["lesion_tests"], map="t2", method="trained")
    assert (test.n_lesions, test.n_subjects, test.lower) == (3, 1, 0)
    assert test.percent.difference == pytest.approx(1.0, abs=1.0)
    assert test.percent.p is None and "spread between subjects needs 3" in test.percent.reason
    drawn = cohort.of("lesion contrast", "1 WMH", "", "voxels", "label")
    row = one(tables["lesions"], map="t1", lesion="1 WMH")
    assert {row.subject: row.voxels} == drawn and row.volume_mm3 > row.voxels


def test_degenerate_values_cost_only_their_own_row(cohort_and_examples):
    values = [
        dataclasses.replace(v, value=7.0) if v.place == "frontal" and v.map == "t2" else v
        for v in cohort_and_examples[0].values
    ]
    rows = compute_tables(Cohort(values))["places"]
    bad = one(rows, place="frontal", map="t2", method="trained")
    assert bad.mean.outcome is Outcome.NOT_COMPUTED
    assert "zero variance" in bad.mean.reason
    assert (bad.test, bad.limits) == (None, None)
    assert one(rows, place="frontal", map="t1", method="trained").test


def test_image_quality_is_mean_over_slices_then_over_subjects(rng, tables, cohort_and_examples):
    cohort, _ = cohort_and_examples
    row = one(tables["quality"], map="t1", place="brain")
    per_subject = [
        v.value for v in cohort.values
        if (v.kind, v.place, v.map, v.quantity, v.method)
        == ("image", "brain", "t1", "psnr", "trained")
    ]  # fmt: skip
    sample = row.by_method["trained"]["psnr"]
    assert (sample.n, row.n) == (4, 4)
    assert (sample.mean, sample.sd) == (
        pytest.approx(np.mean(per_subject)),
        pytest.approx(np.std(per_subject, ddof=1)),
    )
    assert row.convention == "brain, L = 4300 ms"
    assert one(tables["quality"], map="t1", place="frame").paper.psnr_db.mean == 21.94


def test_two_healthy_subjects_get_means_and_no_tests(rng):
    cohort, _ = make_cohort(rng, healthy=2, patients=0)
    tables = compute_tables(cohort)
    assert all(row.n == 2 and row.value.sd > 0 for row in tables["places"])
    assert all(row.test is row.limits is None for row in tables["places"])
    assert all(row.percent is None and row.regression is None for row in tables["agreement"])
    assert not tables["lesions"]
    assert not tables["lesion_tests"]


def test_subjects_without_truth_get_image_quality_only(rng):
    values = []
    for i in range(3):
        case = dataclasses.replace(make_case(rng, subject=str(i)), truth=None)
        values += measure(case, make_predictions(rng, case), split="test")
    tables = compute_tables(Cohort(values))
    assert len(tables["quality"]) == 2 * 3
    assert not (tables["places"] or tables["agreement"] or tables["paper_regions"])
    assert {(r.place, r.reference, r.base) for r in tables["error_shares"]} == {
        ("brain", "routine", "fast")
    }


def test_a_model_of_one_map_gives_a_report_of_one_map(rng):
    cohort, examples = make_cohort(rng, healthy=3, patients=0, names=("t2",))
    assert cohort.maps == ("t2",)
    assert list(examples[0].images) == ["t2"]
    assert [row.map for row in compute_tables(cohort)["error_shares"]] == ["t2"]


def test_cohort_refuses_missing_baselines_and_doubled_values(cohort_and_examples):
    values = cohort_and_examples[0].values
    with pytest.raises(ValueError, match="no values of bicubic"):
        Cohort([v for v in values if v.method != "bicubic"])
    with pytest.raises(ValueError, match="two values of"):
        Cohort([*values, values[0]])


def test_maps_keep_their_order(cohort_and_examples):
    assert cohort_and_examples[0].maps == NAMES
