"""``launch.agreement --plan``: subjects for each verdict, stated or from a pilot."""

import numpy as np
import pytest
from agreement_table import SUBJECTS, made_values, write_table

from launch import agreement as door
from qsr_jax.agreement_report import agreement
from qsr_jax.agreement_report.study import Expected, expected_of_pilot, plan_study
from qsr_jax.statistics.planning import individual_power, individual_subjects, mean_subjects

STATED = ["--plan", "--margin-percent", "5", "--sd-percent", "1.8"]


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("pilot") / "values.csv", made_values())


def printed(capsys, *flags):
    door.main([*map(str, flags)])
    return capsys.readouterr().out


def test_stated_spreads_give_the_subjects_of_the_statistics(capsys):
    told = printed(capsys, *STATED, "--spread-percent", "2.8", "--subjects", "40,60")
    line = told.splitlines()[1].split()
    each = {"margin": 5.0, "sd": 1.8, "spread": 2.8}
    wanted = [mean_subjects(margin=5.0, sd=1.8).n, individual_subjects(**each).n]
    assert [int(cell) for cell in line[9:11]] == wanted
    assert float(line[12]) == pytest.approx(individual_power(40, **each), abs=0.005)
    assert "n: each subject" in told and "power at 60: mean, each" in told


def test_without_the_spread_of_the_reference_there_is_one_verdict(capsys):
    assert printed(capsys, *STATED).splitlines()[1].split()[-2:] == ["10", "–"]


def test_a_family_costs_subjects(capsys):
    expected = [Expected("any", 5.0, 1.8, 2.8, 0.5, "%")]
    alone, family = (plan_study(expected, comparisons=k).rows[0] for k in (1, 6))
    assert family.individual.n > alone.individual.n
    sure = individual_subjects(margin=5.0, sd=1.8, spread=2.8, difference=0.5, alpha=0.05 / 6)
    assert family.individual.n == sure.n
    text = printed(capsys, *STATED, "--comparisons", "6")
    assert "Each test at 0.00833, the worst case of Holm's correction over 6" in text


def test_what_no_study_shows_says_so(capsys):
    text = printed(capsys, *STATED, "--difference-percent", "5.5")
    assert "none (100000 subjects would show it with a chance of" in text


def test_a_pilot_brings_its_differences_and_the_bounds_of_its_spreads(pilot, capsys):
    found = agreement(pilot, reference="routine", margin_percent=5.0, test="trained")
    study = plan_study(expected_of_pilot(found))
    assert study.comparisons == 3 and study.alpha == pytest.approx(0.05 / 3)
    values = made_values()
    for row, comparison in zip(study.rows, found.comparisons, strict=True):
        region = comparison.endpoint.region
        x, y = values[region, "trained"], values[region, "routine"]
        percent = 200.0 * (x - y) / (x + y)
        assert row.expected.difference == pytest.approx(percent.mean())
        # 13.716 is the lower fifth of chi-squared with 19 degrees of freedom (tables).
        bound = np.sqrt((SUBJECTS - 1) / 13.716)
        assert row.expected.sd == pytest.approx(percent.std(ddof=1) * bound, rel=1e-4)
        assert row.expected.spread == pytest.approx(100.0 * y.std(ddof=1) / y.mean())
    text = printed(
        capsys, pilot, "--plan", "--reference", "routine", "--test", "trained",
        "--margin-percent", "5",
    )  # fmt: skip
    assert text.strip() == str(study).strip()


def test_a_pilot_with_a_margin_in_units_is_planned_in_units(pilot):
    found = agreement(
        pilot, reference="routine", margin_percent=5.0, test="trained", margins={"t1": 40.0}
    )
    (first, *_) = expected_of_pilot(found)
    assert (first.margin, first.unit) == (40.0, "ms")
    values = made_values()
    difference = values["GM", "trained"] - values["GM", "routine"]
    assert first.difference == pytest.approx(difference.mean())
    assert first.spread == pytest.approx(values["GM", "routine"].std(ddof=1))


def test_two_questions_are_no_plan(pilot):
    found = agreement(pilot, reference="routine", margin_percent=5.0)
    with pytest.raises(ValueError, match="made for one question, got trained, poor; choose one"):
        expected_of_pilot(found)
    with pytest.raises(ValueError, match="comparisons: 2, expected 3 or more"):
        few = agreement(pilot, reference="routine", margin_percent=5.0, test="poor")
        plan_study(expected_of_pilot(few), comparisons=2)


def test_a_pilot_without_spread_plans_nothing():
    rows = [
        {"subject": f"p{i}", "region": "GM", "map": "t1", "unit": "ms", "method": m, "value": v + i}
        for i in range(12) for m, v in (("routine", 900.0), ("same", 900.0))
    ]  # fmt: skip
    found = agreement(rows, reference="routine", margin_percent=5.0)
    with pytest.raises(ValueError, match="nothing of the pilot could be computed: zero variance"):
        expected_of_pilot(found)


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--plan", "--margin-percent", "5"], 2),
        (["--plan", "--sd-percent", "2"], 2),
        (["values.csv", *STATED], 2),
        (["values.csv", "--plan", "--margin-percent", "5"], 2),
        (["--plan", "--help"], 0),
        ([*STATED, "--power", "1.5"], "error: power must lie between 0 and 1, got 1.5"),
        ([*STATED, "--comparisons", "0"], "error: comparisons: 0, expected 1 or more"),
        (["no.csv", "--plan", "--reference", "a", "--margin-percent", "5"],
         "error: no.csv: no such file; expected a csv file with one value per line"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_told(flags, code):
    with pytest.raises(SystemExit) as stop:
        door.main(flags)
    assert stop.value.code == code
