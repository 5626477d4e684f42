"""Errors in one place: on planted errors, against either reference, and in air."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import make_case, make_predictions

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import error_by_place
from qsr_jax.evaluation.measure.error_by_place import air_of, error_fields, places_of
from qsr_jax.evaluation.measure.labels import true_labels
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.sections.error_by_place import air_rows, error_rows, truth_shares

OFF = {"GM": 20.0, "WM": -10.0, "lesion": 100.0}
"""What is added to T1 in each place, ms; 1000 ms elsewhere."""


@pytest.fixture(scope="module")
def case():
    return make_case(np.random.default_rng(4), subject="a", group="patient", lesions=3)


def found(case, sources, **options):
    fields = error_fields(case, ("t1",), sources, true_labels(case.truth), **options)
    return {(f["kind"], f["place"], f["quantity"], f["method"]): f["value"] for f in fields}


def test_errors_planted_in_each_place_are_found(case):
    tissue = case.truth.tissue
    routine = case.routine.maps[..., :1]
    off = np.select([tissue == 2, tissue == 3, tissue == 4], [*OFF.values()], 1000.0)
    sources = {"m": routine + off[..., None], "routine": routine, "truth": routine + 5.0}
    values = found(case, sources, wanted=sources)
    for place, size in OFF.items():
        key = error_by_place.KIND, place
        assert values[(*key, "bias against routine", "m")] == pytest.approx(size, abs=1e-3)
        assert values[(*key, "rmse against routine", "m")] == pytest.approx(abs(size), abs=1e-3)
        assert values[(*key, "bias against truth", "m")] == pytest.approx(size - 5, abs=1e-3)
    parts = np.array([(tissue == code).sum() for code in (2, 3, 4)])
    pooled = np.sqrt((parts * np.square([*OFF.values()])).sum() / parts.sum())
    parenchyma = values[error_by_place.KIND, "parenchyma", "rmse against routine", "m"]
    assert parenchyma == pytest.approx(pooled, abs=1e-3)
    frame, brain = (
        values[error_by_place.KIND, place, "rmse against routine", "m"]
        for place in ("frame", "brain")
    )
    assert frame > brain > 5 * parenchyma  # water and air, not tissue, decide them
    assert values[error_by_place.KIND, "GM", "rmse against truth", "routine"] == pytest.approx(5.0)


def test_what_is_not_wanted_is_a_reference_only(case):
    sources = {"m": case.truth.maps[..., :1], "routine": case.routine.maps[..., :1]}
    sources["truth"] = case.truth.maps[..., :1]
    assert {key[-1] for key in found(case, sources, wanted={"m"})} == {"m"}


def test_air_is_away_from_the_head_and_is_read_there(case):
    air, said = air_of(case)
    assert "true head" in said and air.any() and not (air & (case.truth.tissue > 0)).any()
    maps = np.where(air, 7.0, 900.0)[..., None].astype(np.float32)
    sources = {"m": maps, "routine": case.routine.maps[..., :1]}
    values = found(case, sources, wanted={"m"})
    at = error_by_place.AIR_KIND, error_by_place.AIR_PLACE
    assert values[(*at, "mean", "m")] == values[(*at, "99th percentile", "m")] == 7.0


def test_without_truth_air_is_far_from_the_brain(case):
    scanned = dataclasses.replace(case, truth=None)
    air, said = air_of(scanned)
    step = case.routine.geometry.spacing_mm[1]
    brain, empty = (np.argwhere(part[0]) * step for part in (case.routine.mask, air))
    nearest = min(np.hypot(*(brain - place).T).min() for place in empty)
    assert "30 mm from the brain" in said
    assert 30.0 < nearest < 30.0 + 2 * step
    assert set(places_of(scanned, None)) == {"brain", "frame"}


def test_rows_hold_shares_of_routines_own_error(rng):
    values = []
    for name in ("a", "b", "c"):
        one = make_case(rng, subject=name)
        values += measure(one, make_predictions(rng, one), split="test")
    cohort = Cohort(values)
    rows = {row.row: row for row in cohort.rows(error_rows)}
    row = rows["T1 parenchyma against truth"]
    shares = truth_shares(cohort, "parenchyma", "t1", "trained")
    assert row.n == len(shares) == 3
    assert row.share["trained"].mean == pytest.approx(np.mean(list(shares.values())))
    assert row.share["routine"].mean == 1.0
    assert "fast" in row.rmse and not rows["T1 brain against routine"].share
    assert {r.map for r in cohort.rows(air_rows)} == {"t1", "t2", "pd"}
