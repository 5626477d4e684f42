"""What is no table, or no number, is refused in one sentence."""

import pytest
from agreement_table import made_values, run, write_table

from launch import agreement as door
from qsr_jax.agreement_report import agreement
from qsr_jax.agreement_report.cells import TableError


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "values.csv", made_values())


def test_no_table_is_one_sentence(tmp_path, monkeypatch):
    flags = ["--reference", "routine", "--margin-percent", "5", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        door.main([str(tmp_path / "nofile.csv"), *flags])
    said = (
        f"error: {tmp_path}/nofile.csv: no such file; expected a csv file with one value per line"
    )
    assert str(stop.value) == said
    with pytest.raises(TableError, match="a folder; expected a csv file"):
        agreement(tmp_path, reference="routine", margin_percent=5)
    closed = tmp_path / "closed.csv"
    closed.write_text("")

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(closed), "open", refuse)
    with pytest.raises(TableError, match=r"closed.csv: cannot be read \(Permission denied\)"):
        agreement(closed, reference="routine", margin_percent=5)


@pytest.mark.parametrize("nothing", [None, 3, ["a", "b"]])
def test_what_is_no_table_is_said(nothing):
    with pytest.raises(TableError, match="expected the path of a csv file, columns by name"):
        agreement(nothing, reference="routine", margin_percent=5)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"margin_percent": "5"}, "margin_percent: '5' is a str"),
        ({"margin_percent": None}, "margin_percent: None is a NoneType"),
        ({"margin_percent": 5, "margins": {"t1": "40"}}, r"margins\['t1'\]: '40' is a str"),
        ({"margin_percent": 5, "alpha": "0.05"}, "alpha: '0.05' is a str"),
    ],
)
def test_an_option_that_is_no_number_is_said(options, name):
    with pytest.raises(ValueError, match=f"{name}; expected a number"):
        agreement([], reference="routine", **options)


@pytest.mark.parametrize(
    "flags",
    [
        ["--margin-percent", "0"],
        ["--margin-percent", "x"],
        ["--margin-raw", "t1"],
        ["--margin-raw", "t1=-4"],
        ["--margin-raw", "t1=4", "--margin-raw", "t1=5"],
        ["--column", "place=region"],
        ["--alpha", "nan"],
        ["--plots", "gif"],
        ["--plots", "png"],
        ["--margin", "5"],
    ],
)
def test_mistyped_flags_are_refused(table, tmp_path, flags):
    with pytest.raises(SystemExit) as stop:
        run(table, tmp_path / "out", *flags)
    assert stop.value.code == 2


@pytest.mark.parametrize("left_out", ["--reference", "--margin-percent", "--out"])
def test_reference_margin_and_folder_have_no_default(table, tmp_path, left_out):
    flags = {"--reference": "routine", "--margin-percent": "5", "--out": str(tmp_path / "out")}
    del flags[left_out]
    with pytest.raises(SystemExit) as stop:
        door.main([str(table), *(text for flag in flags.items() for text in flag)])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--margin-raw", "t2=3"], "margin for t2, but the maps are t1"),
        (["--alpha", "0.7"], "alpha must lie between"),
        (["--resamples", "10"], "bootstrap: 10 samples; at least 100 are needed"),
        (["--where", "method=routine"], "and another method, got routine"),
        (["--where", "subject=p1"], "nothing can be compared; t1 GM, trained .* n = 1 subjects"),
        (["--test", "best"], "'routine' and 'best', got routine, trained, poor"),
        (["--exclude", "p99"], "excluded subject 'p99' is not in the table"),
        (["--family", "unit"], "family 'unit': expected map, region or a further column"),
        (["--family", "kind"], "expected each of the columns kind once"),
        (["--repeat", "again"], "repeat 'again' is no method of the table"),
        (["--repeatability", "t2=3"], "repeatability of 't2', but the maps are t1"),
        (["--repeatability", "t1=x"], "--repeatability t1=x: expected a positive number, got 'x'"),
        (["--repeatability", "rc.csv"], "rc.csv: no such file; expected MAP=X, or a csv file"),
    ],
)
def test_what_cannot_be_done_is_one_line(table, tmp_path, flags, reason):
    with pytest.raises(SystemExit, match=f"^error: .*{reason}") as stop:
        run(table, tmp_path / "out", *flags)
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "out").exists()


def test_no_table(tmp_path):
    with pytest.raises(SystemExit, match="error: .*no such file; expected a csv"):
        run(tmp_path / "absent.csv", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"margin_percent": -1.0}, "margin of -1 %, expected a positive number"),
        ({"margin_percent": float("inf")}, "margin of inf %, expected a positive number"),
        ({"margins": {"t1": 0.0}}, "margin of t1 of 0, expected a positive number"),
        ({"resamples": -5}, "bootstrap: -5 samples; at least 100"),
        ({"plots": "gif"}, "plots 'gif' is not one of none, main, all"),
        ({"bootstrap": "normal"}, "bootstrap 'normal' is not one of bca, percentile"),
        ({"error_ratio": 0.0}, "ratio of error variances must be positive"),
    ],
)
def test_a_notebook_is_told_what_makes_no_sense(table, options, reason):
    with pytest.raises(ValueError, match=reason):
        agreement(table, **{"reference": "routine", "margin_percent": 5.0, **options})
