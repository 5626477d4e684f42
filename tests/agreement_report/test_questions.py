"""One question of one table: its family, its two verdicts, what the reference itself can keep."""

import pytest

from qsr_jax import statistics
from qsr_jax.agreement_report import agreement
from qsr_jax.agreement_report.cells import TableError
from qsr_jax.statistics import Outcome

SUBJECTS = 24
LEVELS = {("t1", "GM"): 1200.0, ("t1", "WM"): 850.0, ("t2", "GM"): 90.0, ("t2", "WM"): 78.0}


@pytest.fixture
def rows(rng):
    """Routine and its repeat (0.5 % apart), a good method, one that prints the mean, a biased."""
    made = []
    for (name, region), mean in LEVELS.items():
        for i in range(SUBJECTS):
            true = mean * rng.normal(1.0, 0.03)
            for method, value in (
                ("routine", true),
                ("again", true * rng.normal(1.0, 0.005)),
                ("good", true * rng.normal(1.0, 0.008)),
                ("mean", mean * rng.normal(1.0, 1e-4)),
                ("biased", true * rng.normal(1.06, 0.008)),
            ):
                made.append(
                    {"subject": f"p{i}", "region": region, "map": name, "unit": "ms",
                     "kind": "tissue", "method": method, "value": value}
                )  # fmt: skip
    return made


def found(rows, **options):
    return agreement(rows, **{"reference": "routine", "margin_percent": 5.0} | options)


def question(result, test, family=""):
    (one,) = [q for q in result.questions if (q.test, q.family) == (test, family)]
    return one


def test_a_method_that_prints_the_mean_passes_on_average_and_for_nobody(rows):
    result = found(rows)
    mean, good = question(result, "mean"), question(result, "good")
    assert (mean.mean.shown, mean.individual.shown) == (4, 0)
    assert mean.mean_everywhere.outcome is Outcome.SHOWN
    assert mean.individual_everywhere.outcome is Outcome.NOT_SHOWN
    assert (good.mean.shown, good.individual.shown) == (4, 4)
    assert question(result, "biased").mean.shown == 0


def test_a_question_is_the_same_whoever_else_is_in_the_table(rows):
    """Other methods belong to other families: they cost this one nothing."""
    beside = question(found(rows), "good")
    asked = found(rows, test="good")
    alone = found([r for r in rows if r["method"] in ("routine", "good")])
    for other in (asked, alone):
        (one,) = other.questions
        assert [(r.mean, r.individual, r.adjusted) for r in one.rows] == [
            (r.mean, r.individual, r.adjusted) for r in beside.rows
        ]


@pytest.mark.parametrize(
    ("family", "names"),
    [("", [""]), ("map", ["t1", "t2"]), ("region", ["GM", "WM"]), ("kind", ["tissue"]),
     (["map", "region"], ["t1, GM", "t1, WM", "t2, GM", "t2, WM"])],
)  # fmt: skip
def test_columns_tell_families_apart(rows, family, names):
    result = found(rows, test="good", family=family)
    assert [q.family for q in result.questions] == names
    for one in result.questions:
        assert len(one.rows) == len(LEVELS) // (1 if family == "kind" else len(names))
        p = [row.mean.p for row in one.rows]
        assert [row.mean.p_holm for row in one.rows] == pytest.approx(
            statistics.adjust(p).holm.tolist()
        )


def test_our_column_makes_families_under_the_tables_own_name(rows):
    renamed = [{("place" if k == "region" else k): v for k, v in row.items()} for row in rows]
    result = found(renamed, test="good", family="place", columns={"region": "place"})
    assert [q.family for q in result.questions] == ["GM", "WM"]


@pytest.mark.parametrize("name", ["subject", "method", "value", "unit"])
def test_what_makes_no_families_is_told(rows, name):
    with pytest.raises(TableError, match=f"family '{name}': expected map, region or a further"):
        found(rows, family=name)


def test_a_comparison_without_numbers_counts_in_its_family(rows):
    """It was asked about: Holm's correction is over four comparisons, not three."""
    short = [r for r in rows if (r["subject"], r["map"], r["region"]) != ("p1", "t2", "WM")]
    short += [r for r in rows if (r["subject"], r["map"], r["region"], r["method"])
              == ("p1", "t2", "WM", "good")]  # fmt: skip
    (one,) = found(short, test="good").questions
    assert [row.missing != "" for row in one.rows] == [False, False, False, True]
    least = min(one.rows[:3], key=lambda row: row.mean.p)
    assert least.mean.p_holm == pytest.approx(4 * least.mean.p)
    assert one.mean_everywhere.outcome is Outcome.NOT_COMPUTED


def test_a_margin_below_the_repeatability_coefficient_is_undecidable(rows):
    """Repeats lie 0.5 % apart: the coefficient is near 1.96 x 0.5 = 1 % of the mean."""
    narrow = question(found(rows, repeat="again", margin_percent=0.6), "good")
    for row in narrow.rows:
        assert 0.6 < row.repeatability < 1.6
        assert row.individual.outcome is Outcome.UNDECIDABLE
    wide = question(found(rows, repeat="again"), "good")
    assert wide.individual.shown == 4
    assert [row.repeatability for row in wide.rows] == [row.repeatability for row in narrow.rows]
    unknown = question(found(rows, margin_percent=0.6), "good")
    assert {row.individual.outcome for row in unknown.rows} == {Outcome.NOT_SHOWN}


def test_a_repeatability_coefficient_can_be_stated(rows, tmp_path):
    table = tmp_path / "rc.csv"
    table.write_text("map,region,unit,value\nt1,GM,ms,120\nt2,,%,2.5\n", encoding="utf-8")
    mean = sum(r["value"] for r in rows if (r["map"], r["region"], r["method"])
               == ("t1", "GM", "routine")) / SUBJECTS  # fmt: skip
    for given in (str(table), ["t1=120", "t2=2.5%"]):
        t1_gm, *_, t2_gm, t2_wm = question(found(rows, repeatability=given), "good").rows
        assert t1_gm.repeatability == pytest.approx(100.0 * 120.0 / mean)
        assert (t2_gm.repeatability, t2_wm.repeatability) == (2.5, 2.5)
        assert t1_gm.individual.outcome is Outcome.UNDECIDABLE
    in_ms = question(found(rows, repeatability="t1=120", margins={"t1": 60.0}), "good").rows[0]
    assert in_ms.repeatability == 120.0 and in_ms.mean.unit == "" and in_ms.mean.margin == 60.0


def test_what_is_stated_comes_before_what_was_measured(rows):
    options = {"repeat": "again", "repeatability": "t1=1%"}
    stated, measured = question(found(rows, **options), "good").rows[::2]
    assert stated.repeatability == 1.0 and measured.repeatability != 1.0


def test_fewer_than_ten_subjects_get_numbers_and_no_verdict(rows):
    few = [row for row in rows if int(row["subject"][1:]) < statistics.LEAST_SUBJECTS - 1]
    result = found(few)
    for row in result.rows:
        assert row.mean.outcome is row.individual.outcome is Outcome.TOO_FEW
        assert row.mean.interval is not None and not row.missing
    assert "too few subjects to decide" in question(result, "good").mean.said


def test_of_many_comparisons_the_farthest_are_shown_and_all_are_saved(rng, tmp_path):
    """Seventy regions: bias grows with the number of the region, so the first lie farthest in."""
    made = []
    for region in range(70):
        for i, true in enumerate(rng.normal(1000.0, 40.0, 12)):
            other = true * (1.0 + 0.001 * region) + rng.normal(0.0, 2.0)
            same = {"subject": f"p{i}", "region": f"r{region}", "map": "t1", "unit": "ms"}
            made += [
                same | {"method": "routine", "value": true},
                same | {"method": "m", "value": other},
            ]
    result = found(made, out=tmp_path / "out")
    text = str(result)
    assert "... and 10 comparisons that lie farther inside" in text
    assert "\nr69 " in text and "\nr0 " not in text
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert "The 60 comparisons that reach farthest; 10 more in agreement.csv." in page
    assert "The 24 comparisons that reach farthest, of 70." in page
    svg = (tmp_path / "out/verdicts_m.svg").read_text("utf-8")
    assert svg.count("<title>") == 2 * 24 and "r69 t1" in svg and "r40 t1" not in svg
    assert len((tmp_path / "out/agreement.csv").read_text("utf-8").split("mean.estimate")) == 71
