"""LaTeX tables: text stays text, numbers keep their sign, columns keep their number."""

import re

import pytest

from qsr_jax.evaluation.formats import latex
from qsr_jax.evaluation.formats.latex import Column

COLUMNS = [
    Column("Region", align="l"),
    Column("T1", "ms", group="test & co"),
    Column("PD", "%", group="test & co"),
    Column("n", align="c"),
]
ROWS = [["GM", "1200", "80", "3"], [], [latex.escape("a_b"), "1", "2", "3"]]


@pytest.mark.parametrize("character", latex.SPECIAL)
def test_no_special_character_survives_alone(character):
    escaped = latex.escape(f"a{character}b")
    assert escaped == f"a{latex.SPECIAL[character]}b"
    # Outside commands, braces and mathematics nothing is left that LaTeX would obey or lack.
    bare = re.sub(r"\\[a-z]+(\{\d?\})?|\\.|\$[^$]*\$", "", escaped)
    assert not set(bare) & {*"\\&%$#_{}~^<>", "±", "−", "×", "²", "–"}


def test_a_backslash_is_escaped_once():
    assert latex.escape(r"\input{x}") == r"\textbackslash{}input\{x\}"


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (1.25, 1, False, "1.2"),
        (-1.26, 1, False, "$-$1.3"),
        (3.0, 2, True, "$+$3.00"),
        (-0.004, 2, True, "0.00"),
        (None, 2, False, "--"),
    ],
)
def test_numbers(value, digits, signed, text):
    assert latex.number(value, digits, signed=signed) == text


def test_intervals_and_p_values():
    assert latex.interval(-1.0, 2.5, 1) == "$-$1.0 to 2.5"
    assert [latex.p_value(p) for p in (0.0004, 0.0168, 1.0, None)] == [
        "$<$.001",
        ".017",
        "1.000",
        "--",
    ]


def test_a_table():
    text = latex.table(COLUMNS, ROWS, caption="5 % margin", label="tab:one", notes=["n_1 & more"])
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    rules = [text.index(rf"\{name}") for name in ("toprule", "midrule", "bottomrule")]
    assert rules == sorted(rules)
    assert text.count(r"\midrule") == 2
    assert r"\begin{tabular}{lrrc}" in text
    assert r"\caption{5 \% margin}" in text
    assert r" & \multicolumn{2}{c}{test \& co} & " in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"Region & T1 (ms) & PD (\%) & n \\" in text
    assert r"a\_b & 1 & 2 & 3 \\" in text
    assert r"n\_1 \& more" in text


def test_braces_and_columns_balance():
    text = latex.table(COLUMNS, ROWS, caption="{", label="tab:one")
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    bodies = [line for line in text.splitlines() if line.endswith(r"\\")]
    widths = [len(re.findall(r"(?<!\\)&", line)) + 1 for line in bodies]
    spans = [sum(int(n) - 1 for n in re.findall(r"multicolumn\{(\d+)\}", line)) for line in bodies]
    assert [w + s for w, s in zip(widths, spans, strict=True)] == [4] * len(bodies)


def test_no_groups_no_second_heading():
    text = latex.table(COLUMNS[:1], [["GM"]], caption="", label="tab:two")
    assert "multicolumn" not in text
    assert "cmidrule" not in text


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="row 1 has 2 cells, expected 4"):
        latex.table(COLUMNS, [[], ["a", "b"]], caption="", label="x")
