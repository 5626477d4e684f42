"""The mixed model of a table: a model per question and map, on page, in csv and json."""

import csv
import json

import numpy as np
import pytest

from qsr_jax.agreement_report import agreement
from qsr_jax.statistics.mixed_model import mixed_model

SUBJECTS, REGIONS = 14, ("GM", "WM", "pons")


@pytest.fixture(scope="module")
def rows():
    """What a subject's regions share has an SD of 12 ms, the rest one of 4 ms."""
    rng = np.random.default_rng(11)
    shared = rng.normal(0.0, 12.0, SUBJECTS)
    made = []
    for region, mean in zip(REGIONS, (1200.0, 850.0, 1000.0), strict=True):
        for i, value in enumerate(rng.normal(mean, 40.0, SUBJECTS)):
            both = {"routine": value, "trained": value + 10.0 + shared[i] + rng.normal(0.0, 4.0)}
            same = {"subject": f"p{i}", "region": region, "map": "t1", "unit": "ms"}
            made += [same | {"method": m, "value": v} for m, v in both.items()]
    return made


def found(rows, **options):
    options = {"reference": "routine", "margin_percent": 5.0, "model": "mixed"} | options
    return agreement(rows, **options)


def test_it_is_the_model_of_the_statistics(rows):
    (one,) = found(rows).mixed
    of = {m: [r["value"] for r in rows if r["method"] == m] for m in ("routine", "trained")}
    mine = [r for r in rows if r["method"] == "routine"]
    expected = mixed_model(
        of["trained"], of["routine"], subjects=[r["subject"] for r in mine],
        regions=[r["region"] for r in mine],
    )  # fmt: skip
    assert one.model.difference == pytest.approx(expected.difference, rel=1e-6)
    assert one.model.subject_sd == pytest.approx(expected.subject_sd, rel=1e-4)
    assert 6.0 < one.model.subject_sd < 24.0  # 12 by a factor of two
    assert (one.map, one.unit, tuple(one.model.regions)) == ("t1", "ms", REGIONS)


def test_it_is_on_the_page_and_every_number_in_the_csv(rows, tmp_path):
    result = found(rows, out=tmp_path / "out", plots="none")
    with (tmp_path / "out/agreement.csv").open(newline="", encoding="utf-8") as file:
        lines = {(r["region"], r["quantity"]): r for r in csv.DictReader(file)}
    (one,) = result.mixed
    told = lines["", "mixed_model.subject_sd"]
    assert (float(told["value"]), told["unit"]) == (one.model.subject_sd, "ms")
    for region, effect in one.model.regions.items():
        low = lines[region, "mixed_model.interval.low"]
        assert (float(low["value"]), low["unit"]) == (effect.interval.low, "ms")
        assert lines[region, "mixed_model.p_holm"]["unit"] == ""
    document = json.loads((tmp_path / "out/agreement.json").read_text("utf-8"))
    assert document["mixed_models"][0]["subject_sd"] == one.model.subject_sd
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert f'<data value="{one.model.subject_sd!r}">' in page
    assert "Mixed model: trained against routine" in str(result)
    assert r"\label{tab:mixed-trained}" in (tmp_path / "out/agreement.tex").read_text("utf-8")


def test_without_it_nothing_is_said(rows, tmp_path):
    result = found(rows, model="none", out=tmp_path / "out", plots="none")
    assert not result.mixed and "ixed model" not in str(result)
    assert "Mixed model" not in (tmp_path / "out/index.html").read_text("utf-8")


def test_one_region_has_no_model_and_says_so(rows):
    result = found([row for row in rows if row["region"] == "GM"])
    assert "1 region; a mixed model needs 2" in result.mixed[0].model.reason


def test_nine_subjects_have_no_model(rows):
    few = [row for row in rows if int(row["subject"][1:]) < 9]
    (one,) = found(few).mixed
    assert one.model.reason.startswith("n = 9 subjects; a variance of error for every region needs")
    assert "not computed" in str(found(few))


def test_an_unknown_model_is_told(rows):
    with pytest.raises(ValueError, match="model 'lme' is not one of none, mixed"):
        found(rows, model="lme")
