"""Layouts are told apart by whole tokens; every row is reachable and no two compete."""

import json

import pytest

from qsr_jax.data.dicom.series_rules import (
    IMAGE_TYPE,
    MAP,
    NOT_MAPS,
    PROTOCOLS,
    NotAMapError,
    ProtocolError,
    SeriesRule,
    load_rows,
    recognise,
)

ROWS = [(row, token, name) for row in PROTOCOLS for token, name in row.maps.items()]


@pytest.mark.parametrize(("row", "token", "name"), ROWS)
def test_every_row_recognises_its_own_maps(row, token, name):
    image_type = [token if part == MAP else part for part in row.image_type]
    assert recognise(image_type) == (name if row.by == IMAGE_TYPE else None, row)


@pytest.mark.parametrize("token", NOT_MAPS)
def test_tokens_of_other_images_are_refused_wherever_they_stand(token):
    for image_type in (
        ["DERIVED", "PRIMARY", "T1", token],
        ["DERIVED", "PRIMARY", token, "T1"],
        ["DERIVED", "PRIMARY", f"T1W_{token}"],
        ["DERIVED", "PRIMARY", "MULTI_QMAP", token, "T1", "T2", "PD"],
    ):
        with pytest.raises(NotAMapError, match="is a"):
            recognise(image_type)


@pytest.mark.parametrize("image_type", [["DERIVED", "PRIMARY", "T1W"], ["T1"], [], ["DERIVED"]])
def test_unknown_layouts_are_refused_with_the_known_ones(image_type):
    with pytest.raises(NotAMapError, match="expected one of"):
        recognise(image_type)


def test_two_rows_that_match_raise():
    twice = (*PROTOCOLS, SeriesRule("copy", ("DERIVED", "PRIMARY", MAP), {"T1": "t1"}))
    with pytest.raises(ProtocolError, match="matches the rows GE MAGiC, SyMRI, copy"):
        recognise(["DERIVED", "PRIMARY", "T1"], protocols=twice)


RELAX = """
[[protocol]]
name = "Relax"
image_type = ["DERIVED", "PRIMARY", "RELAX", "<map>"]
maps = { T1_MS = "t1", T2_MS = "t2", PD_PU = "pd" }

[[protocol]]
name = "Relax, bundle"
image_type = ["DERIVED", "PRIMARY", "RELAX"]
maps = { a = "t1", b = "t2" }
by = "blocks"
bundle = true
"""


def test_a_file_adds_rows_to_the_table(tmp_path):
    toml, plain = tmp_path / "rows.toml", tmp_path / "rows.json"
    toml.write_text(RELAX)
    table = load_rows(toml)
    assert table[: len(PROTOCOLS)] == PROTOCOLS
    assert recognise(["DERIVED", "PRIMARY", "RELAX", "T2_MS"], protocols=table)[0] == "t2"
    assert recognise(["DERIVED", "PRIMARY", "RELAX"], protocols=table) == (None, table[-1])
    assert (table[-1].by, table[-1].bundle) == ("blocks", True)
    fields = ("name", "image_type", "maps", "by", "bundle")
    rows = [{key: getattr(row, key) for key in fields} for row in table[-2:]]
    plain.write_text(json.dumps({"protocol": rows}))
    assert load_rows(plain) == table


ROW = {"name": "mine", "image_type": ["DERIVED", "PRIMARY", "X", MAP], "maps": {"A": "t1"}}
BAD = [
    ({"other": []}, "expected one list, protocol"),
    ({"protocol": {}}, "expected one list, protocol"),
    ({"protocol": ["x"]}, "protocol 1: expected a table"),
    ({"protocol": [ROW | {"units": "ms"}]}, "unknown key units"),
    ({"protocol": [{"name": "x"}]}, "key image_type is missing"),
    ({"protocol": [ROW | {"maps": "t1"}]}, "maps is str, expected dict"),
    ({"protocol": [ROW | {"image_type": [1, MAP]}]}, "expected texts"),
    ({"protocol": [ROW | {"maps": {"A": "r1"}}]}, "maps: r1; expected some of t1, t2, pd"),
    ({"protocol": [ROW | {"maps": {}}]}, "maps: nothing"),
    ({"protocol": [ROW | {"image_type": ["A"]}]}, "expected <map> exactly once"),
    ({"protocol": [ROW | {"by": "quantity"}]}, "expected <map> nowhere, by quantity"),
    ({"protocol": [ROW | {"by": "turns", "image_type": ["A"]}]}, "only a bundle holds"),
    ({"protocol": [ROW | {"image_type": ["MYC", MAP]}]}, "myelin"),
    ({"protocol": [ROW, ROW]}, "protocol 2 .mine.: .* is taken by the row mine already"),
    (
        {"protocol": [ROW | {"image_type": ["DERIVED", "PRIMARY", MAP], "maps": {"T1": "t1"}}]},
        "taken by the row GE MAGiC, SyMRI already",
    ),
]


@pytest.mark.parametrize(("content", "text"), BAD)
def test_bad_rows_are_refused_by_file_row_and_key(tmp_path, content, text):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ProtocolError, match=text) as caught:
        load_rows(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "rows.toml").write_text("[[protocol]\n")
    for name in ("rows.toml", "absent.toml"):
        with pytest.raises(ProtocolError, match=f"{name}: cannot be read as TOML or JSON"):
            load_rows(tmp_path / name)
