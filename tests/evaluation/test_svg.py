"""Plots: marks stand where their values are, tell them, and hold nothing that could do harm."""

from xml.etree import ElementTree

import pytest

from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.formats import svg
from qsr_jax.evaluation.report import charts, curves, forest
from qsr_jax.evaluation.sections.common import POOLED

PANEL = svg.Panel(svg.AxisScale(0, 10, 100, 200), svg.AxisScale(-5, 5, 80, 20), "title", "x", "y")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (-0.3, 0.32, [-0.2, 0, 0.2]),
        (20, 1e4, [2000 * i for i in range(1, 6)]),
    ],
)  # fmt: skip
def test_ticks_are_round_and_on_the_scale(low, high, expected):
    assert svg.ticks(svg.AxisScale(low, high, 0, 1)) == pytest.approx(expected)


def test_marks_stand_where_their_values_are():
    drawn = svg.mark(PANEL, 2.5, -5.0, shape="ring", kind="k", says="a < b", values=(2.5, 1e-7))
    group = ElementTree.fromstring(drawn)
    assert group.get("data-v") == "2.5 1e-07"
    assert group.find("title").text == "a < b"
    circles = [(c.get("class"), c.get("cx"), c.get("cy")) for c in group.iter("circle")]
    assert circles == [("hit", "125.0", "80.0"), ("ring", "125.0", "80.0")]


def test_rules_and_bands_stay_on_the_panel():
    assert svg.rule(PANEL, x=11.0, kind="k") == ""
    band = ElementTree.fromstring(svg.band(PANEL, y=(-50.0, 50.0), kind="k"))
    assert [band.get(k) for k in ("x", "y", "width", "height")] == [
        "100.0",
        "20.0",
        "100.0",
        "60.0",
    ]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="needs a value"):
        svg.spanning([], start=0, end=1)
    with pytest.raises(ValueError, match="no mark of shape 'star'"):
        svg.mark(PANEL, 1, 1, shape="star", kind="", says="", values=())


def test_a_single_value_has_a_scale():
    scale = svg.spanning([7.0, 7.0], start=0, end=1)
    assert scale.low < 7.0 < scale.high


@pytest.fixture(scope="module")
def tables(cohort_and_examples):
    return compute_tables(cohort_and_examples[0])


@pytest.fixture(scope="module")
def drawings(tables):
    rows = [
        r for r in tables.agreement
        if (r.tissue, r.test, r.reference) == (POOLED, "trained", "routine")
    ]  # fmt: skip
    points = [p for p in tables.points if (p.test, p.reference) == ("trained", "routine")]
    return {
        "agreement": charts.agreement_chart(rows, points),
        "psnr": charts.psnr_chart(tables.subjects),
        "calibration": curves.calibration_chart(tables.calibration, "truth"),
        "forest": forest.forest_chart(tables.regions),
    }


def marks_of(drawing):
    root = ElementTree.fromstring(drawing)
    return [g for g in root.iter("g") if "v" in (g.get("class") or "").split()]


@pytest.mark.parametrize(
    ("name", "count"), [("agreement", 2 * 3 * 6), ("psnr", 2 * 3 * 4), ("forest", 2 * 3 * 3)]
)
def test_every_value_has_its_mark(drawings, name, count):
    marks = marks_of(drawings[name])
    assert len(marks) == count
    assert all(mark.find("title").text and mark.get("data-v") for mark in marks)


def test_axes_carry_units(drawings):
    for drawing in drawings.values():
        labels = [
            t.text for t in ElementTree.fromstring(drawing).iter("text")
            if "label" in (t.get("class") or "") and t.text
        ]  # fmt: skip
        assert labels
        assert all("(" in label for label in labels), labels


def test_everything_lies_inside_the_picture(drawings):
    for drawing in drawings.values():
        root = ElementTree.fromstring(drawing)
        width, height = map(float, root.get("viewBox").split()[2:])
        for circle in root.iter("circle"):
            assert 0 <= float(circle.get("cx")) <= width
            assert 0 <= float(circle.get("cy")) <= height


def test_calibration_marks_tell_the_tables_numbers(drawings, tables):
    told = {g.get("data-v").split()[0] for g in marks_of(drawings["calibration"])}
    shown = {"bicubic", "trained", "routine"}
    wanted = {
        repr(r.difference.mean) for r in tables.calibration
        if r.reference == "truth" and r.method in shown
    }  # fmt: skip
    assert told == wanted
