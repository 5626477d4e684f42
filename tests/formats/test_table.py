"""Tables: said once, printed as HTML, LaTeX and text; numbers keep their sign and their value."""

import re
from html.parser import HTMLParser

import pytest

from qsr_jax.formats import latex
from qsr_jax.formats.html import cell_html, to_html
from qsr_jax.formats.latex import cell_latex, escape_latex, to_latex
from qsr_jax.formats.table import (
    Column,
    Group,
    Line,
    Num,
    Styled,
    Table,
    to_terminal,
    to_text,
)

COLUMNS = [
    Column("Region", align="l"),
    Column("T1", "ms", group="test & co"),
    Column("PD", "%", group="test & co"),
    Column("n", align="c"),
    Column("page only", latex=False),
]
GROUPS = [
    Group([Line(["GM", Num(1200.04, 0), "80", "3", "x"], kind="main")]),
    Group([Line(["a_b", "1", Num(-2.5, 1), "3", "x"])], head="head_1"),
]
TABLE = Table("one", "Title", "5 % margin", COLUMNS, GROUPS, notes=["n_1 & more"])


@pytest.mark.parametrize("character", latex.SPECIAL)
def test_no_special_character_survives_alone(character):
    escaped = escape_latex(f"a{character}b")
    assert escaped == f"a{latex.SPECIAL[character]}b"
    # Outside commands, braces and mathematics nothing is left that LaTeX would obey or lack.
    bare = re.sub(r"\\[a-z]+(\{\d?\})?|\\.|\$[^$]*\$", "", escaped)
    assert bare.isascii() and not set(bare) & {*"\\&%$#_{}~^<>"}


def test_a_backslash_is_escaped_once():
    assert escape_latex(r"\input{x}") == r"\textbackslash{}input\{x\}"


@pytest.mark.parametrize(
    ("cell", "text", "tex", "html"),
    [
        (Num(1.25, 1), "1.2", "1.2", '<data value="1.25">1.2</data>'),
        (Num(-1.26, 1), "−1.3", "$-$1.3", '<data value="-1.26">−1.3</data>'),
        (Num(3.0, 2, signed=True), "+3.00", "$+$3.00", '<data value="3.0">+3.00</data>'),
        (Num(-0.004, 2, signed=True), "0.00", "0.00", '<data value="-0.004">0.00</data>'),
        (Num(None), "–", "--", "–"),
        (Num(0.0004, p=True), "<.001", "$<$.001", '<data value="0.0004">&lt;.001</data>'),
        (Num(0.0168, p=True), ".017", ".017", '<data value="0.0168">.017</data>'),
        (("a & b ", Styled("sd", ("(", Num(2.0, 0), ")"))), "a & b (2)", r"a \& b (2)",
         'a &amp; b <span class="sd">(<data value="2.0">2</data>)</span>'),
        ((Num(1.0, 0), Styled("sub", "x")), "1x", "1 x",
         '<data value="1.0">1</data><span class="sub">x</span>'),
    ],
)  # fmt: skip
def test_cells(cell, text, tex, html):
    assert to_text(cell) == text
    assert cell_latex(cell) == tex
    assert cell_html(cell) == html


def test_a_latex_table():
    text = to_latex(TABLE)
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    rules = [text.index(rf"\{name}") for name in ("toprule", "midrule", "bottomrule")]
    assert rules == sorted(rules)
    assert text.count(r"\midrule") == 2  # below the heads, and between the groups
    assert r"\begin{tabular}{lrrc}" in text
    assert r"\caption{Title. 5 \% margin}" in text
    assert r"\label{tab:one}" in text
    assert r" & \multicolumn{2}{c}{test \& co} & " in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"Region & T1 (ms) & PD (\%) & n \\" in text
    assert r"\multicolumn{4}{l}{head\_1} \\" in text
    assert r"a\_b & 1 & $-$2.5 & 3 \\" in text
    assert r"n\_1 \& more" in text
    assert "page only" not in text


def test_braces_and_columns_balance():
    text = to_latex(Table("one", "{", "", COLUMNS, GROUPS))
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    bodies = [line for line in text.splitlines() if line.endswith(r"\\")]
    widths = [len(re.findall(r"(?<!\\)&", line)) + 1 for line in bodies]
    spans = [sum(int(n) - 1 for n in re.findall(r"multicolumn\{(\d+)\}", line)) for line in bodies]
    assert [w + s for w, s in zip(widths, spans, strict=True)] == [4] * len(bodies)


def test_no_groups_no_second_heading():
    plain = Table("two", "", "", COLUMNS[:1], [Group([Line(["GM"])])])
    assert "multicolumn" not in to_latex(plain)
    assert "cmidrule" not in to_latex(plain)
    assert to_html(plain).count("<tr>") == 2
    assert "<caption>" not in to_html(plain)


class Rows(HTMLParser):
    """Cells of every line of a table, each as wide as it spans."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        assert not self.open, "what was opened is closed"

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1] += int(dict(attributes).get("colspan", 1)) * [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_an_html_table():
    text = to_html(TABLE)
    assert [len(row) for row in Rows(text).rows] == [5] * 5
    assert '<table id="one" class="wide">' in text
    assert "<caption><b>Title.</b> 5 % margin</caption>" in text
    assert '<tr class="main"><td class="left">GM</td><td><data value="1200.04">1200' in text
    assert '<th class="span" colspan="2">test &amp; co</th>' in text


def test_words_cannot_become_tags():
    cells = ["<b>", Styled('"x', "<i>")]
    text = to_html(Table("t", "<u>", "<p>", [Column("<s>"), Column("")], [Group([Line(cells)])]))
    assert not re.search(r"<[bisup]>(?!<u>|&lt;)", text.replace("<b>&lt;u&gt;.</b>", ""))


def test_a_terminal_table():
    assert to_terminal([["a", "b"], ["long", (Num(-1.0, 1), " x")]]).splitlines() == [
        "a          b",
        "long  −1.0 x",
    ]


def test_a_line_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"table x: a line has 2 cells, expected 5: a \| 1.50"):
        Table("x", "", "", COLUMNS, [Group([Line(["a", Num(1.5)])])])
