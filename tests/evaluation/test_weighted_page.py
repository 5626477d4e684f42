"""The page of models of weighted images shows the numbers it is given, and marks what is missed."""

from qsr_jax.evaluation.report.weighted import Pictured, tables_of, weighted_page
from qsr_jax.formats.table import Styled, to_text

ACCURACY = {
    "slices": 6,
    "mpe": [4.7, 3.9, 4.2],
    "bias": [-0.5, 1.25, 0.0],
    "roi": {"WM": {"error": [1.0, 2.0, 3.0]}, "GM": {"error": [4.0, 5.0, 6.0]}},
    "covered_68": {"CSF": [75.0, 81.0, 80.0], "GM": [60.0, 76.0, 59.9], "WM": [70.0, 70.0, 70.0]},
}
FOUND = {
    "accuracy": {"simulated": {"one": ACCURACY}},
    "shuffled": {"one": {"ratio": [10.3, 15.9, 3.8]}, "fitted": {"ratio": [1.8, 2.9, 2.6]}},
    "bands": {"in_range": [4.0, 4.0, 4.0], "loss_outside_percent": [-15.0, 27.0, -18.0]},
    "lesions": {"one": {"lesions": 0}},
}


def test_intervals_that_do_not_hold_are_marked():
    intervals = list(tables_of(FOUND))[1]
    (line,) = intervals.groups[0].lines
    marked = [to_text(cell) for cell in line.cells if isinstance(cell, Styled)]
    assert marked == ["81", "80", "60"], "59.9 is below 60"


def test_a_part_that_was_not_looked_at_has_no_table():
    assert [table.name for table in tables_of(FOUND)] == ["errors", "intervals", "proofs"]
    plain = {k: v for k, v in ACCURACY.items() if k != "covered_68"}
    found = {"accuracy": {"measured": {"one": plain}}}
    assert [table.name for table in tables_of(found)] == ["errors"]
    lines = [to_text(line.cells[0]) for line in list(tables_of(FOUND))[2].groups[0].lines]
    assert len(lines) == 3 and "gains fitted" in lines[1] and "times outside" in lines[2]


def test_the_page_holds_every_number_and_picture_and_what_it_is_for():
    shown = [Pictured("A measured head, gains fitted", "data:image/png;base64,AAAA")]
    page = weighted_page({"net <1>": FOUND}, {"net <1>": shown}, about={"split": "test"})
    for words in ("net &lt;1&gt;", "split: test", "15.90", "+1.25", "data:image/png;base64,AAAA",
                  "research use; not for diagnosis"):  # fmt: skip
        assert words in page
