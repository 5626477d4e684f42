"""Plots: marks stand where their values are, tell them, and hold nothing that could do harm."""

from xml.etree import ElementTree

import pytest

from qsr_jax.evaluation.sections import agreement, calibration, image_quality, regions
from qsr_jax.formats.plots import BLUE, Mark, Plot, as_bytes, styled


def marks_of(drawing):
    return [g for g in ElementTree.fromstring(drawing).iter("g") if g.get("class") == "v"]


@styled
def draw(marks, *, shape="dot"):
    plot = Plot(height_inch=2.0, label="a < b")
    (axes,) = plot.panels(1)
    axes.set(xlim=(0.0, 10.0), ylim=(5.0, -5.0), xlabel="x (ms)", title="<b>")
    plot.draw(axes, marks, shape=shape, colour=BLUE, label="these")
    return plot.svg()


@pytest.mark.parametrize("shape", ["dot", "ring", "diamond", "cross"])
def test_marks_stand_where_their_values_are(shape):
    marks = [Mark(x, 0.0, f"{x} < 9", (x, 1e-7)) for x in (0.0, 2.5, 5.0)]
    found = marks_of(draw(marks, shape=shape))
    assert [g.get("data-v") for g in found] == ["0.0 1e-07", "2.5 1e-07", "5.0 1e-07"]
    assert [g.find("title").text for g in found] == ["0.0 < 9", "2.5 < 9", "5.0 < 9"]
    uses = [float(g.find("use").get("x")) for g in found]
    assert uses[1] - uses[0] == pytest.approx(uses[2] - uses[1], abs=0.01) != 0.0
    hits = [(g.find("circle").get("cx"), g.find("circle").get("cy")) for g in found]
    assert hits == [(g.find("use").get("x"), g.find("use").get("y")) for g in found]


def test_what_lies_beyond_the_panel_stands_at_its_edge():
    places = [
        (float(g.find("use").get("x")), float(g.find("use").get("y")))
        for g in marks_of(draw([Mark(10.0, 5.0, "", (1.0,)), Mark(99.0, 99.0, "", (1.0,))]))
    ]
    assert places[0] == places[1]


def test_nothing_from_outside_and_nothing_twice():
    text = draw([Mark(1.0, 1.0, "<script>", (1.0,))])
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == "a < b"
    tags = {element.tag for element in root.iter()}
    assert not tags & {"script", "style", "metadata", "image", "a"}
    links = [v for e in root.iter() for k, v in e.attrib.items() if k == "href"]
    assert all(link.startswith("#") for link in links)
    assert "these" not in text  # a legend is drawn where the caller wants one
    assert text == draw([Mark(1.0, 1.0, "<script>", (1.0,))])


def test_no_marks_no_groups():
    assert not marks_of(draw([]))


def test_an_unknown_shape_is_refused():
    with pytest.raises(KeyError, match="star"):
        draw([Mark(1.0, 1.0, "", (1.0,))], shape="star")


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_files_are_the_same_every_time(kind, start):
    plots = [Plot(height_inch=1.0, label="") for _ in range(2)]
    first, second = (as_bytes(plot.figure, kind) for plot in plots)
    assert first.startswith(start)
    assert first == second


@pytest.fixture(scope="module")
def cohort(cohort_and_examples):
    return cohort_and_examples[0]


@pytest.fixture(scope="module")
def drawings(cohort):
    return {
        "agreement": agreement.plots(cohort)["plots"][0][-1],
        "psnr": image_quality.psnr_plot(cohort),
        "calibration": calibration.plots(cohort)["plots"][-1][-1],
        "forest": regions.plots(cohort)["forest"],
    }


@pytest.mark.parametrize(
    ("name", "count"), [("agreement", 2 * 3 * 6), ("psnr", 2 * 3 * 4), ("forest", 2 * 3 * 3)]
)
def test_every_value_has_its_mark(drawings, name, count):
    marks = marks_of(drawings[name])
    assert len(marks) == count
    assert all(mark.find("title").text and mark.get("data-v") for mark in marks)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("agreement", ("routine T1 (ms)", "mean of both, PD (%)", "trained − routine (%)")),
        ("psnr", ("brain-masked PSNR (dB)",)),
        ("calibration", ("truth T2 (ms), by bin", "mean difference (% of the bin)")),
        ("forest", ("difference from routine (%)", "cerebral peduncle")),
    ],
)
def test_axes_carry_their_words_and_units(drawings, name, words):
    texts = [text.text for text in ElementTree.fromstring(drawings[name]).iter("text")]
    for said in words:
        assert said in texts


def test_every_mark_lies_inside_the_picture(drawings):
    for drawing in drawings.values():
        root = ElementTree.fromstring(drawing)
        width, height = map(float, root.get("viewBox").split()[2:])
        for circle in root.iter("circle"):
            assert 0 <= float(circle.get("cx")) <= width
            assert 0 <= float(circle.get("cy")) <= height


def test_calibration_marks_tell_the_tables_numbers(drawings, cohort):
    told = {g.get("data-v").split()[0] for g in marks_of(drawings["calibration"])}
    wanted = {
        repr(r.difference.mean) for r in cohort.rows(calibration.calibration_rows)
        if r.reference == "truth" and r.method in ("bicubic", "trained", "routine")
    }  # fmt: skip
    assert told == wanted
