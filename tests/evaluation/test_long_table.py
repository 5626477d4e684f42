"""Anybody's table is read line by line, and what is wrong is said with its line."""

import numpy as np
import pytest

from qsr_jax.evaluation.agreement_report.blocks import blocks_of
from qsr_jax.evaluation.agreement_report.long_table import TableError, read_long_table

HEAD = "subject,region,map,unit,method,value"
ROWS = [
    f"p{i},{region},t1,ms,{method},{value + i}"
    for i in range(4)
    for region in ("GM", "WM")
    for method, value in (("routine", 1000.0), ("trained", 1010.0), ("fast", 990.0))
]


@pytest.fixture
def save(tmp_path):
    def write(*lines, encoding="utf-8"):
        path = tmp_path / "values.csv"
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    return write


def read(path, **options):
    return read_long_table(path, **{"columns": {}, "where": {}, "average": None, **options})


def test_a_table_becomes_comparisons(save):
    (block,) = blocks_of(read(save(HEAD, *ROWS)), reference="routine")
    assert [str(s) for s in block.endpoints] == [
        f"t1 {region}, {method} vs routine"
        for method in ("trained", "fast")
        for region in ("GM", "WM")
    ]
    assert block.subjects == ("p0", "p1", "p2", "p3")
    np.testing.assert_array_equal(block.test[2], [990, 991, 992, 993])
    np.testing.assert_array_equal(block.reference, np.tile(np.arange(1000, 1004), (4, 1)))
    assert block.endpoints[0].unit == "ms"


def test_the_order_of_lines_and_columns_and_a_byte_order_mark_do_not_matter(save):
    one = blocks_of(read(save(HEAD, *ROWS)), reference="routine")
    turned = [",".join(reversed(row.split(","))) for row in (HEAD, *sorted(ROWS))]
    two = blocks_of(read(save(*turned, encoding="utf-8-sig")), reference="routine")
    for first, second in zip(one, two, strict=True):
        order = [second.endpoints.index(endpoint) for endpoint in first.endpoints]
        np.testing.assert_array_equal(first.test, second.test[order])
        np.testing.assert_array_equal(first.reference, second.reference[order])


def test_other_names_and_more_columns_and_only_some_lines(save):
    head = f"{HEAD},group".replace("region", "place")
    rows = [f"{row},healthy" for row in ROWS] + ["p9,GM,t1,ms,fast,oops,patient"]
    table = read(save(head, *rows), columns={"region": "place"}, where={"group": "healthy"})
    assert len(table.values) == 6


def test_regions_of_other_subjects_make_another_block(save):
    rows = [f"q{i},lesion,t1,ms,{m},{900 + i}" for i in range(3) for m in ("routine", "fast")]
    blocks = blocks_of(read(save(HEAD, *ROWS, *rows)), reference="routine")
    assert [block.subjects for block in blocks] == [("p0", "p1", "p2", "p3"), ("q0", "q1", "q2")]


def test_values_of_several_runs_become_their_mean(save):
    again = [f"p{i},GM,t1,ms,trained,{1030.0 + i},2" for i in range(4)]
    table = save(f"{HEAD},run", *(f"{row},1" for row in ROWS), *again)
    with pytest.raises(
        TableError, match="second value of t1, GM, trained .* take means over a column .*--average"
    ):
        read(table)
    values = read(table, average="run").values
    assert values["t1", "GM", "trained"] == {f"p{i}": 1020.0 + i for i in range(4)}
    assert values["t1", "WM", "trained"]["p3"] == 1013.0
    twice = save(f"{HEAD},run", *(f"{row},1" for row in ROWS), *again, again[0])
    with pytest.raises(TableError, match="line 30: subject p0 has a second value"):
        read(twice, average="run")


NUMBER = "expected a positive number"
BAD_LINES = {
    "p0,GM,t2,ms,fast,ten": f"line 26: value 'ten', {NUMBER}",
    "p0,GM,t2,ms,fast,nan": f"line 26: value 'nan', {NUMBER}",
    "p0,GM,t2,ms,fast,inf": f"line 26: value 'inf', {NUMBER}",
    "p0,GM,t2,ms,fast,-3": f"line 26: value '-3', {NUMBER}",
    "p0,GM,t2,ms,fast,": "line 26: value is empty",
    "p0,GM,t1,s,other,1.2": "line 26: t1 in 's' after 'ms'; convert to one unit",
    "p0,GM,t1,ms,fast,5": r"line 26: subject p0 has a second value of t1, GM, fast \(the first is "
    "in line 4",
    "p0,GM,t2,ms,fast": "line 26: 5 cells, expected 6",
    ",GM,t2,ms,fast,5": "line 26: subject is empty",
    'p0,"GM,t2': "after line 26: not a UTF-8 csv file",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_refused_with_its_number(save, line):
    with pytest.raises(TableError, match=f"values.csv, {BAD_LINES[line]}"):
        read(save(HEAD, *ROWS, line))


def test_bytes_that_are_not_utf8_are_refused(save):
    with pytest.raises(TableError, match="not a UTF-8 csv file"):
        read(save(HEAD, "p\xe4,GM,t1,ms,fast,5", encoding="latin-1"))


@pytest.mark.parametrize(
    ("head", "got"),
    [
        ("subject,place,map,unit,method,value", "subject, place"),
        (f"{HEAD},region", "value, region"),
        ("", "nothing"),
    ],
)
def test_columns_stand_once(save, head, got):
    with pytest.raises(TableError, match=f"line 1: expected each of.*region.* once, got.*{got}"):
        read(save(head, *ROWS))


def test_a_filter_that_keeps_nothing(save):
    with pytest.raises(TableError, match="no lines with method = bicubic"):
        read(save(HEAD, *ROWS), where={"method": "bicubic"})
    with pytest.raises(TableError, match="values.csv: no lines$"):
        read(save(HEAD))


@pytest.mark.parametrize(
    ("rows", "reference", "reason"),
    [
        (ROWS, "truth", "expected the reference 'truth' and another method, got routine, trained"),
        (ROWS[::3], "routine", "another method, got routine"),
        (ROWS[1:], "routine", r"t1 GM, trained vs routine: 1 subject with one method .* \(p0\)"),
        (
            [row for row in ROWS if "WM,t1,ms,routine" not in row],
            "routine",
            "t1 WM, trained vs routine: the reference has no values there",
        ),
    ],
)
def test_pairs_are_whole(save, rows, reference, reason):
    with pytest.raises(TableError, match=reason):
        blocks_of(read(save(HEAD, *rows)), reference=reference)


def as_rows(lines, head=HEAD):
    """The same table in memory, values as numbers."""
    rows = [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
    return [row | {"value": float(row["value"])} for row in rows]


def as_columns(rows):
    return {column: [row[column] for row in rows] for column in rows[0]}


def test_a_table_in_memory_is_the_table_on_disk(save):
    rows = as_rows(ROWS)
    on_disk = read(save(HEAD, *ROWS))
    for table in (rows, as_columns(rows)):
        in_memory = read(table)
        assert (in_memory.values, in_memory.units) == (on_disk.values, on_disk.units)
        assert in_memory.name == "table"


def test_a_data_frame_is_a_table_in_memory():
    pandas = pytest.importorskip("pandas", reason="pandas absent: statsmodels brings it")
    rows = as_rows(ROWS)
    frame = pandas.DataFrame(rows)
    assert read(frame).values == read(rows).values
    assert read(frame, where={"region": "GM"}).values.keys() == {
        ("t1", "GM", method) for method in ("routine", "trained", "fast")
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": None}, "table, row 24: value is empty"),
        ({"value": "ten"}, "table, row 24: value 'ten', expected a positive number"),
        ({"value": [1.0]}, r"table, row 24: value \[1.0\], expected a positive number"),
        ({"unit": "s"}, "table, row 24: t1 in 's' after 'ms'"),
        ({"subject": "p0"}, r"subject p0 has a second value .*\(the first is in row 0\)"),
    ],
)
def test_a_bad_row_in_memory_is_refused_with_its_number(change, reason):
    rows = as_rows(ROWS)
    with pytest.raises(TableError, match=reason):
        read([*rows, rows[0] | {"subject": "p9"} | change])


def test_columns_in_memory_are_whole():
    columns = as_columns(as_rows(ROWS))
    with pytest.raises(TableError, match="table: columns of unequal lengths: .*'value': 23"):
        read(columns | {"value": columns["value"][1:]})
    with pytest.raises(TableError, match="table: expected each of the columns unit once"):
        read({name: cells for name, cells in columns.items() if name != "unit"})
    with pytest.raises(TableError, match="table, row 0: expected each of the columns value once"):
        read([{"subject": "p0", "region": "GM", "map": "t1", "unit": "ms", "method": "fast"}])


def test_the_old_name_of_a_column_is_told(save):
    lines = save(HEAD.replace("subject", "person"), *ROWS)
    with pytest.raises(TableError, match="'person' is called 'subject' now: rename it"):
        read(lines)
    assert read(lines, columns={"subject": "person"}).values
