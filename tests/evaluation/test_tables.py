"""From subjects to tables: what was put in comes out, with the right n."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import NAMES, make_case, make_cohort, make_predictions

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.sections.common import POOLED


@pytest.fixture(scope="module")
def tables(cohort_and_examples):
    return compute_tables(cohort_and_examples[0])


def one(rows, **where):
    (row,) = (r for r in rows if all(getattr(r, k) == v for k, v in where.items()))
    return row


def test_tissue_table_recovers_the_injected_gain(tables):
    """The trained maps are routine times 1.01 plus noise: +1 % in every tissue and map."""
    assert len(tables["tissue"]) == 2 * 3
    for row in tables["tissue"]:
        assert row.n == 3
        ratio = row.means["trained"].mean / row.means["routine"].mean
        assert ratio == pytest.approx(1.01, abs=6e-3), row.row
        equivalence = row.equivalence["trained-routine"]
        assert equivalence.equivalent
        assert equivalence.margin == pytest.approx(0.05 * row.means["routine"].mean)
        assert row.tests["trained-routine"].difference == pytest.approx(
            row.means["trained"].mean - row.means["routine"].mean
        )


def test_agreement_rows(tables):
    pooled = one(tables["agreement"], map="t1", tissue=POOLED, test="trained", reference="routine")
    assert pooled.n == 3
    assert pooled.percent.points == 6
    assert pooled.percent.bias == pytest.approx(100 * 0.01 / 1.005, abs=0.1)
    assert pooled.regression.slope == pytest.approx(1.01, abs=0.01)
    assert pooled.paper.slope == 0.9418
    single = one(tables["agreement"], map="t1", tissue="GM", test="trained", reference="fast")
    assert single.percent.points == 3
    assert single.paper is None
    comparisons = {(row.test, row.reference) for row in tables["agreement"]}
    assert comparisons == {
        ("trained", "routine"), ("bicubic", "routine"), ("truth", "routine"), ("trained", "fast")
    }  # fmt: skip


def test_region_table_has_the_papers_regions_beside(tables):
    found = {row.region for row in tables["regions"]}
    assert found == {"frontal", "occipital", "cerebral_peduncle"}
    row = one(tables["regions"], region="frontal", map="t2")
    assert row.paper.between == 5.17
    assert row.variation.between == pytest.approx(100 * 0.01 / 1.005 / np.sqrt(2), abs=0.1)


def test_region_p_values_are_corrected_for_one_another(tables):
    """Holm by hand: sorted P times what is left to test, never falling."""
    rows = sorted(tables["regions"], key=lambda row: row.test.p)
    left = len(rows)
    assert left == 9
    steps = [row.test.p * (left - i) for i, row in enumerate(rows)]
    expected = np.minimum(np.maximum.accumulate(steps), 1.0)
    assert [row.p_holm for row in rows] == pytest.approx(expected.tolist())


def test_equivalence_has_both_margins(tables):
    """In units against 5 % of the routine mean, and each subject's own percent against 5 %."""
    for row in tables["tissue"]:
        units, percent = row.equivalence["trained-routine"], row.percent["trained-routine"]
        assert units.margin == pytest.approx(0.05 * row.means["routine"].mean)
        assert percent.margin == 5.0
        assert percent.difference == pytest.approx(
            100 * units.difference / row.means["routine"].mean, abs=0.05
        )


def test_pd_differences_in_units_are_not_relative(tables):
    """PD's unit is a percent of water: its absolute difference is not that in percent of itself."""
    row = one(tables["agreement"], map="pd", tissue="WM", test="trained", reference="routine")
    mean = one(tables["tissue"], map="pd", tissue="WM").means["routine"].mean
    assert row.units.bias == pytest.approx(row.percent.bias * mean / 100, rel=0.02)


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
    for row in tables["lesion_visibility"]:
        mine = [r for r in tables["lesion_contrast"] if r.map == row.map]
        assert row.n_lesions == len(mine) == 3
        assert row.present == sum(r.present[row.method] for r in mine)
        assert row.lost == sum(r.present["routine"] and not r.present[row.method] for r in mine)
        if row.method == "truth":
            assert row.recovered_percent == pytest.approx(100.0)


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
    assert test.percent == pytest.approx(1.0, abs=1.0)


def test_verdict_names_the_worse_side(tables):
    """20 ms of noise beats bicubic's edges on T1; 12 % of noise does not on PD."""
    verdict = {row.map: row for row in tables["verdict"]}
    assert verdict["t1"].nearer_psnr
    assert verdict["t1"].wins == verdict["t1"].n == 4
    assert not verdict["pd"].nearer_psnr
    assert verdict["pd"].gain_db < 0
    assert verdict["pd"].wins == 0
    for row in tables["verdict"]:
        assert row.bias_percent["trained"] == pytest.approx(1.0, abs=0.5)
        smaller = row.absolute_bias_percent["trained"] < row.absolute_bias_percent["bicubic"]
        assert row.nearer_bias == smaller


def test_opposite_biases_do_not_cancel_in_the_verdict(rng):
    """GM +4 %, WM -4 %: the pooled bias is nothing, the absolute bias is 4 %."""
    values = []
    for i in range(3):
        case = make_case(rng, subject=str(i))
        made = make_predictions(rng, case)
        tissue = case.truth.tissue[..., None]
        skewed = case.routine.maps * np.select([tissue == 2, tissue == 3], [1.04, 0.96], 1.0)
        made["trained"] = dataclasses.replace(made["trained"], mean=skewed.astype(np.float32))
        values += measure(case, made, split="test")
    for row in compute_tables(Cohort(values))["verdict"]:
        assert abs(row.bias_percent["trained"]) < 0.2
        assert row.absolute_bias_percent["trained"] == pytest.approx(4.0, abs=0.1)


def test_a_model_that_is_bicubic_gains_nothing(rng):
    values = []
    for i in range(3):
        case = make_case(rng, subject=str(i))
        made = make_predictions(rng, case)
        values += measure(case, made | {"trained": made["bicubic"]}, split="test")
    for row in compute_tables(Cohort(values))["verdict"]:
        assert (row.gain_db, row.gain, row.wins, row.nearer_psnr) == (0.0, None, 0, False)
        assert not row.nearer_bias


def test_degenerate_values_are_named_by_row(cohort_and_examples):
    values = [
        dataclasses.replace(v, value=7.0) if v.place == "frontal" and v.map == "t2" else v
        for v in cohort_and_examples[0].values
    ]
    with pytest.raises(ValueError, match=r"frontal T2 \(ms\): zero variance"):
        compute_tables(Cohort(values))


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
    assert all(row.n == 2 and row.means["trained"].sd > 0 for row in tables["tissue"])
    assert all(test is None for row in tables["tissue"] for test in row.tests.values())
    assert all(row.percent is None and row.regression is None for row in tables["agreement"])
    assert all(row.gain is None and row.nearer_bias is None for row in tables["verdict"])
    assert not tables["lesions"]
    assert not tables["lesion_tests"]


def test_subjects_without_truth_get_image_quality_only(rng):
    values = []
    for i in range(3):
        case = dataclasses.replace(make_case(rng, subject=str(i)), truth=None)
        values += measure(case, make_predictions(rng, case), split="test")
    tables = compute_tables(Cohort(values))
    assert len(tables["quality"]) == 2 * 3
    assert not (tables["tissue"] or tables["agreement"] or tables["regions"])
    assert all(row.gain for row in tables["verdict"])


def test_a_model_of_one_map_gives_a_report_of_one_map(rng):
    cohort, examples = make_cohort(rng, healthy=3, patients=0, names=("t2",))
    assert cohort.maps == ("t2",)
    assert list(examples[0].images) == ["t2"]
    assert [row.map for row in compute_tables(cohort)["verdict"]] == ["t2"]


def test_cohort_refuses_missing_baselines_and_doubled_values(cohort_and_examples):
    values = cohort_and_examples[0].values
    with pytest.raises(ValueError, match="no values of bicubic"):
        Cohort([v for v in values if v.method != "bicubic"])
    with pytest.raises(ValueError, match="two values of"):
        Cohort([*values, values[0]])


def test_maps_keep_their_order(cohort_and_examples):
    assert cohort_and_examples[0].maps == NAMES
