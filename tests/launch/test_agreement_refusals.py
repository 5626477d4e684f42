"""What is no table, or no number, is refused in one sentence."""

import pytest

from launch import agreement as door
from qsr_jax.evaluation.agreement_report import agreement
from qsr_jax.evaluation.agreement_report.long_table import TableError


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
