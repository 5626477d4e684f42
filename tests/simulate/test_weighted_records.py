"""Records of one head: honest coarser truths, lesions kept for tests, one key one result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weighted_heads import LESION_SLICE, TISSUES, known_head, labels

from qsr_jax.data.records.weighted import CONTRAST_SLOPE, weighted_features
from qsr_jax.maps import MAPS
from qsr_jax.physics.weighted_signal import USUAL, weighted_signals
from qsr_jax.simulate.weighted_records import Plan, coarser_labels, head_records
from qsr_jax.simulate.weighted_scan import CLINICAL

STILL = CLINICAL._replace(still_share=1.0, snr=(1e6, 1e6), resolution_mm=(1e-3, 1e-3))
PLAN = Plan(draws=2, every=1, matrix=(32, 32), lesions=True, limits=STILL)
KEY = jax.random.key(0)


def test_a_record_holds_what_is_allowed_and_one_key_gives_one_result():
    records = head_records(KEY, known_head(lesion=True), PLAN, case="sim-1")
    again = head_records(KEY, known_head(lesion=True), PLAN, case="sim-1")
    assert [(r["draw"], r["slice_index"]) for r in records] == [
        (draw, index) for draw in range(2) for index in range(3)
    ]
    for one, other in zip(records, again, strict=True):
        assert set(one) == set(weighted_features())
        jax.tree.map(np.testing.assert_array_equal, one, other)
        assert one["lr"].shape == one["hr"].shape == (32, 32, 3)
        assert one["mask"].shape == one["tissue"].shape == (32, 32, 1)
        assert one["spacing_mm"].tolist() == [5.0, 6.0, 6.0] and one["slice_mm"] % 5.0 == 0.0
    first, second = records[0]["acquisition_ms"], records[3]["acquisition_ms"]
    assert (first == records[1]["acquisition_ms"]).all() and (first != second).all()


def test_images_follow_from_the_maps_and_the_times():
    """Inside white matter, away from edges, without noise: the signal within the hidden draws."""
    plan = PLAN._replace(draws=1, matrix=(64, 64))
    (record, *_) = head_records(KEY, known_head(factor=1), plan, case="x")
    t1_ms, t2_ms, pd = TISSUES[3]
    found = record["lr"][16, 32] * CONTRAST_SLOPE
    np.testing.assert_allclose(record["hr"][16, 32] * 0.1, TISSUES[3], rtol=1e-3)
    usual = weighted_signals(t1_ms, t2_ms, pd, jnp.asarray(record["acquisition_ms"]), hidden=USUAL)
    np.testing.assert_allclose(found, usual, rtol=0.08)  # trains and inversions differ by so much


def test_slices_with_lesions_only_test():
    head = known_head(lesion=True)
    kept = head_records(KEY, head, PLAN._replace(lesions=False), case="x")
    assert {r["slice_index"] for r in kept} == {0, 1, 2} - {LESION_SLICE}
    assert not any(r["lesion"].any() for r in kept)
    every = head_records(KEY, head, PLAN, case="x")
    sick = [r for r in every if r["lesion"].any()]
    assert {r["slice_index"] for r in sick} == {LESION_SLICE}
    for record in sick:
        np.testing.assert_array_equal(record["lesion"] > 0, record["tissue"] == 4)
        assert record["mask"][record["lesion"] > 0].all()


def test_draws_take_turns_with_the_slices():
    records = head_records(KEY, known_head(), PLAN._replace(draws=4, every=3), case="x")
    assert [(r["draw"], r["slice_index"]) for r in records] == [(0, 0), (1, 1), (2, 2), (3, 0)]
    empty = known_head()._replace(tissue=np.zeros_like(known_head().tissue))
    assert head_records(KEY, empty, PLAN, case="x") == []


def test_low_field_shortens_t1_of_simulated_subjects_alone():
    plan = PLAN._replace(draws=1, low_field_share=1.0)
    for source, field_t in (("simulated", 1.5), ("measured", 3.0)):
        (record, *_) = head_records(KEY, known_head(source=source), plan, case="x")
        assert record["field_t"] == field_t
        white_ms = record["hr"][..., 0][record["tissue"][..., 0] == 3].mean() * 0.1
        assert (white_ms < 0.85 * TISSUES[3][0]) == (field_t == 1.5)
        fluid_ms = np.percentile(record["hr"][..., 0], 99.9) * 0.1
        assert fluid_ms == pytest.approx(TISSUES[1][0], rel=0.01)


def test_coarser_labels_follow_most_of_a_pixel():
    tissue = np.array([[3, 3, 4, 4], [2, 3, 4, 0]], np.uint8)
    lesions = np.where(tissue == 4, 7, 0).astype(np.uint8)
    most, lesion = coarser_labels(tissue, lesions, 2)
    assert most.tolist() == [[3, 4]] and lesion.tolist() == [[0, 7]]


@pytest.mark.parametrize("side", [48, 80])
def test_heads_are_cut_or_filled_around_their_middle(side):
    plan = PLAN._replace(draws=1, every=3, matrix=(64, 64))
    (record,) = head_records(KEY, known_head(factor=1, side=side), plan, case="x")
    rows, columns = np.nonzero(record["mask"][..., 0])
    assert record["lr"].shape == (64, 64, 3)
    assert rows.min() + rows.max() == columns.min() + columns.max() == 63
    assert np.ptp(rows) == min(63, np.ptp(np.nonzero(labels(side=side)[0][0] % 6)[0]))


def test_signals_that_do_not_fit_are_refused():
    head = known_head()
    loud = head._replace(maps=head.maps * np.array([0.1, 1.0, 3.9], np.float32))
    with pytest.raises(ValueError, match=r"cannot be stored; expected at most 327"):
        head_records(KEY, loud, PLAN, case="x")
    narrow = CLINICAL.acquisition[:6] + ((860.0, 861.0),)
    with pytest.raises(ValueError, match="x: flair_ti_ms is 860.*expected 1000 to 3500 ms"):
        head_records(KEY, head, PLAN._replace(limits=STILL._replace(acquisition=narrow)), case="x")
    wrong = head._replace(maps=head.maps * np.array([3.0, 1.0, 1.0], np.float32))
    with pytest.raises(ValueError, match="is the unit or the rescale slope wrong"):
        head_records(KEY, wrong, PLAN, case="x")
    assert MAPS["pd"].readable_max == 400.0
