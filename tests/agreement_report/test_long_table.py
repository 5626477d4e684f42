"""Anybody's table is read cell by cell, and what is wrong is said with its line and cause."""

import numpy as np
import pytest

from qsr_jax.agreement_report import cells
from qsr_jax.agreement_report.cells import TableError
from qsr_jax.agreement_report.long_table import Key, read_long_table
from qsr_jax.agreement_report.pairs import Choice, pairs_of

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


def held(table):
    """Key to subject to value."""
    found = {}
    for i, key in enumerate(table.keys):
        who, values = table.of(i)
        names = [table.subjects[w] for w in who]
        found[tuple(key[:3])] = dict(zip(names, values.tolist(), strict=True))
    return found


def pairs(path, reference="routine", options=None, **choice):
    return pairs_of(read(path, **(options or {})), Choice(reference, **choice))


def test_a_table_becomes_comparisons(save):
    found = pairs(save(HEAD, *ROWS))
    assert [str(pair.endpoint) for pair in found] == [
        f"t1 {region}, {method} vs routine"
        for method in ("trained", "fast")
        for region in ("GM", "WM")
    ]
    assert found[0].subjects == ("p0", "p1", "p2", "p3")
    np.testing.assert_array_equal(found[2].test, [990, 991, 992, 993])
    for pair in found:
        np.testing.assert_array_equal(pair.reference, np.arange(1000, 1004))
    assert found[0].endpoint.unit == "ms" and not any(pair.reason for pair in found)


def test_the_order_of_lines_and_columns_and_a_byte_order_mark_do_not_matter(save):
    one = held(read(save(HEAD, *ROWS)))
    turned = [",".join(reversed(row.split(","))) for row in (HEAD, *sorted(ROWS))]
    assert held(read(save(*turned, encoding="utf-8-sig"))) == one


def test_many_chunks_are_one_table(save, monkeypatch):
    one = read(save(HEAD, *ROWS))
    monkeypatch.setattr(cells, "CHUNK", 5)
    many = read(save(HEAD, *ROWS))
    assert (held(many), many.units, many.keys) == (held(one), one.units, one.keys)


def test_other_names_and_more_columns_and_only_some_lines(save):
    head = f"{HEAD},group".replace("region", "place")
    rows = [f"{row},healthy" for row in ROWS] + ["p9,GM,t1,ms,fast,oops,patient"]
    table = read(save(head, *rows), columns={"region": "place"}, where={"group": "healthy"})
    assert len(table.keys) == 6 and not table.missing


def test_further_columns_tell_keys_apart(save):
    rows = [f"{row},{kind}" for row in ROWS for kind in ("tissue", "region")]
    table = read(save(f"{HEAD},kind", *rows), more=("kind",))
    assert len(table.keys) == 12
    assert Key("t1", "GM", "fast", ("region",)) in table.keys
    with pytest.raises(TableError, match="second value of t1, GM, routine"):
        read(save(f"{HEAD},kind", *rows))


def test_values_of_several_runs_become_their_mean(save):
    again = [f"p{i},GM,t1,ms,trained,{1030.0 + i},2" for i in range(4)]
    table = save(f"{HEAD},run", *(f"{row},1" for row in ROWS), *again)
    with pytest.raises(
        TableError, match="second value of t1, GM, trained .* take means over a column .*--average"
    ):
        read(table)
    values = held(read(table, average="run"))
    assert values["t1", "GM", "trained"] == {f"p{i}": 1020.0 + i for i in range(4)}
    assert values["t1", "WM", "trained"]["p3"] == 1013.0
    twice = save(f"{HEAD},run", *(f"{row},1" for row in ROWS), *again, again[0])
    with pytest.raises(TableError, match="line 30: subject p0 has a second value"):
        read(twice, average="run")


BAD_TABLES = {
    "p0,GM,t1,s,other,1.2": "line 26: t1 in 's' after 'ms'; convert to one unit",
    "p0,GM,t1,ms,fast,5": r"line 26: subject p0 has a second value of t1, GM, fast \(the first is "
    r"in line 4\)",
    ROWS[2]: r"line 26: .* \(the first is in line 4, and is the same: a copied line\?\)",
    "p0,GM,t2,ms,fast": "line 26: 5 cells, expected 6$",
    "p0,GM,t2,ms,fast,81,5": "line 26: 7 cells, expected 6; a decimal comma",
    "p0,GM, left,t2,ms,fast,81.5": "line 26: 7 cells, expected 6; a comma inside a name",
    ",GM,t2,ms,fast,5": "line 26: subject is empty",
    'p0,"GM,t2': "after line 26: not a UTF-8 csv file",
}


@pytest.mark.parametrize("line", BAD_TABLES)
def test_what_puts_a_table_in_doubt_is_refused_with_its_line(save, line):
    with pytest.raises(TableError, match=f"values.csv, {BAD_TABLES[line]}"):
        read(save(HEAD, *ROWS, line))


def test_blank_lines_and_a_spreadsheets_commas_are_left_out(save):
    whole = held(read(save(HEAD, *ROWS)))
    assert held(read(save(HEAD, *ROWS[:3], "", *ROWS[3:], "", ",,,,,", " ", ""))) == whole


def test_what_is_not_utf8_is_refused(save):
    with pytest.raises(TableError, match="not a UTF-8 csv file"):
        read(save(HEAD, "p\xe4,GM,t1,ms,fast,5", encoding="latin-1"))
    with pytest.raises(TableError, match=r"values.csv: UTF-16 text; save it as UTF-8"):
        read(save(HEAD, *ROWS, encoding="utf-16"))


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("subject,place,map,unit,method,value", "got subject, place"),
        (f"{HEAD},region", "got .*value, region"),
        ("", "got nothing; the first line is blank"),
        (HEAD.replace(",", ";"), "cells are separated by semicolons: save the table with commas"),
        (HEAD.replace(",", "\t"), "cells are separated by tabs"),
        (HEAD.replace("region", "Region "), "names count with their capitals and blanks"),
    ],
)
def test_columns_stand_once(save, head, why):
    with pytest.raises(TableError, match=f"line 1: expected each of.*region.* once, .*{why}"):
        read(save(head, *ROWS))


def test_a_filter_that_keeps_nothing(save):
    with pytest.raises(TableError, match="no lines with method = bicubic"):
        read(save(HEAD, *ROWS), where={"method": "bicubic"})
    with pytest.raises(TableError, match="values.csv: no lines$"):
        read(save(HEAD))


def test_seconds_that_are_called_milliseconds_are_refused(save):
    cut = [row.rpartition(",") for row in ROWS]
    rows = [f"{names},{float(value) / 1000}" for names, _, value in cut]
    with pytest.raises(TableError, match="t1 in 'ms' with a median of 1.00.*these are s;"):
        read(save(HEAD, *rows))
    assert read(save(HEAD, *(row.replace(",ms,", ",s,") for row in rows))).units == {"t1": "s"}
    with pytest.raises(TableError, match="t1 in 's' with a median of .*these are ms"):
        read(save(HEAD, *(row.replace(",ms,", ",s,") for row in ROWS)))


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
        assert (held(in_memory), in_memory.units) == (held(on_disk), on_disk.units)
        assert in_memory.name == "table"


def test_a_data_frame_is_a_table_in_memory():
    pandas = pytest.importorskip("pandas", reason="pandas absent: statsmodels brings it")
    rows = as_rows(ROWS)
    frame = pandas.DataFrame(rows)
    assert held(read(frame)) == held(read(rows))
    assert held(read(frame, where={"region": "GM"})).keys() == {
        ("t1", "GM", method) for method in ("routine", "trained", "fast")
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unit": "s"}, "table, row 24: t1 in 's' after 'ms'"),
        ({"region": None}, "table, row 24: region is empty"),
        ({"subject": "p0"}, r"subject p0 has a second value .*\(the first is in row 0,"),
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
    marked = {("\ufeff" if name == "subject" else "") + name: c for name, c in columns.items()}
    with pytest.raises(TableError, match="a byte order mark stands before the first name"):
        read(marked)


def test_the_old_name_of_a_column_is_told(save):
    lines = save(HEAD.replace("subject", "person"), *ROWS)
    with pytest.raises(TableError, match="'person' is called 'subject' now: rename it"):
        read(lines)
    assert read(lines, columns={"subject": "person"}).keys
