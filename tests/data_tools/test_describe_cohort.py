"""The cohort report: one file that opens by itself and says what the cohort measures."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from data_tools.cohort_report.numbers import Sums, flat, read_subject
from data_tools.cohort_report.tables import bias_rows
from data_tools.describe_cohort import main


class References(HTMLParser):
    """Collects the schemes of everything a page would fetch or lead to."""

    fetching = ("src", "srcset", "href", "data", "poster", "action", "background")

    def __init__(self):
        super().__init__()
        self.schemes = set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in self.fetching:
                self.schemes.add(value.partition(":")[0])
            elif name == "style":
                self.handle_data(value)

    def handle_data(self, text):
        if re.search(r"url\(|@import", text):
            self.schemes.add(text)


def references_of(page):
    parser = References()
    parser.feed(page)
    return parser.schemes


@pytest.mark.parametrize(
    "tag",
    ['<img src="https://x/a.png">', '<link href="a.css">', '<p style="background: url(a.png)">',
     "<style>@import 'a.css'</style>", '<script src="//x/a.js"></script>'],
)  # fmt: skip
def test_a_page_that_fetches_is_told(tag):
    assert references_of(f"<p>http://words are fine</p>{tag}") != set()
    assert references_of("<p>http://words are fine</p>") == set()


def test_the_page_stands_alone(tiny_cohort, tmp_path):
    cohort = tiny_cohort / "cohort"
    row = {"quantity": "routine mean", "tissue": "GM", "map": "t1", "unit": "ms", "paper": 1232.65,
           "ours": 1240.5, "residue": 7.85, "reach": 35.0, "reached": True}  # fmt: skip
    table = {"rows": [row], "subjects": ["sub-001"], "erode_px": 1}
    (tmp_path / "calibration.json").write_text(json.dumps(table))
    given = ["--calibration", str(tmp_path / "calibration.json"), "--subjects", "3"]
    main(["--cohort", str(cohort), "--out", str(tmp_path / "page"), *given])
    text = (tmp_path / "page/index.html").read_text(encoding="utf-8")
    assert "1240.50 ms" in text
    assert "g-factor" in text or "Noise amplification" in text
    assert text.count("data:image/png;base64,") >= 4
    assert text.count("data:image/svg+xml;base64,") == 2
    assert references_of(text) == {"data"}
    for said in (
        "protocols.routine.te_ms",
        "punctate",
        "sub-001",
        "atrophy",
        "1232.7",
        "noise-free routine scan over truth",
        "fast scan over truth",
        "fast_td_offset_ms",
        "per cohort, uniform",
        "phase × frequency",
        "normal 0 ± 0.4 mm along and ± 0.4° about each axis",
    ):
        assert said in text
    assert "sub-007" in text  # the patient is among the three


def test_a_subject_is_read_whole(tiny_cohort):
    subject = read_subject(tiny_cohort / "cohort/sub-001")
    assert set(subject.g_factors) == {"routine", "fast"}
    assert all(np.all(factor >= 0.99) for factor in subject.g_factors.values())
    assert subject.truth.noise_free is not None
    assert subject.met_by("routine") is subject.truth
    assert (subject.met_by("fast").maps != subject.truth.maps).any()  # the head had moved


def test_the_bias_is_told_without_a_noise_free_scan_too():
    """White matter 1.5 % below the truth, in two subjects who differ by 1 %, and in one."""
    means = {("WM", name, "truth"): [100.0, 60.0] for name in ("t1", "t2", "pd")}
    means |= {("WM", name, "routine"): [98.0, 59.4] for name in ("t1", "t2", "pd")}
    (row,) = bias_rows(Sums(means=means), "routine")
    assert row == {"tissue": "WM", "bias": ["-1.5 ± 0.7 %"] * 3}
    (row,) = bias_rows(Sums(means={key: found[:1] for key, found in means.items()}), "routine")
    assert row == {"tissue": "WM", "bias": ["-2.0 %"] * 3}


def test_flat_names_every_setting():
    assert flat({"a": {"b": [1, 2]}, "c": None}) == {"a.b": "[1, 2]", "c": "–"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: (c / "cohort.json").unlink(), "cohort.json"),
        (lambda c: (c / "cohort.json").write_text("{"), "not readable JSON"),
        (lambda c: (c / "cohort.json").write_text("[]"), "expected a JSON object"),
        (lambda c: (c / "cohort.json").write_text("{}"), "names no protocols"),
        (lambda c: shutil.rmtree(c / "sub-001"), "no finished subjects"),
    ],
)
def test_damaged_cohorts_are_refused(tiny_cohort, tmp_path, spoil, said):
    cohort = tmp_path / "cohort"
    shutil.copytree(tiny_cohort / "cohort", cohort, ignore=shutil.ignore_patterns("sub-00[2-9]"))
    spoil(cohort)
    with pytest.raises(SystemExit, match=f"error: .*{said}"):
        main(["--cohort", str(cohort), "--out", str(tmp_path / "page")])
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("more", "said"), [(["--subjects", "0"], "at least 1; got 0"), ([], "exists")]
)
def test_impossible_pages_are_refused(tmp_path, more, said):
    with pytest.raises(SystemExit, match=said):
        main(["--cohort", str(tmp_path), "--out", str(tmp_path), *more])


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--calibration" in capsys.readouterr().out
