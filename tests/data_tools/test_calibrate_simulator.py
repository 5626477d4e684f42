"""The calibration says what a cohort measures and what it does not reach."""

import csv
import json
import shutil

import numpy as np
import pytest

from data_tools.calibrate_simulator import main, measure_subject
from data_tools.cohort_report.calibration import (
    TISSUES,
    as_markdown,
    compare,
    differences,
    mechanisms_markdown,
    null_means,
    score,
)
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.truth import read_truth
from qsr_jax.evaluation.sections.published import TABLE_1
from qsr_jax.maps import MAPS
from qsr_jax.physics import mechanisms


def paper_subjects(subjects=4):
    """Means (subject, scan, tissue, map) with exactly the paper's means and spreads."""
    unit = np.linspace(-1, 1, subjects)
    unit = unit / unit.std(ddof=1)
    cells = [[TABLE_1[tissue, name] for name in MAPS] for tissue in TISSUES.values()]
    scans = [[[getattr(c, scan) for c in row] for row in cells] for scan in ("routine", "fast")]
    mean = np.array([[[c.mean for c in row] for row in scan] for scan in scans])
    spread = np.array([[[c.sd for c in row] for row in scan] for scan in scans])
    return mean + unit[:, None, None, None] * spread


def test_the_paper_s_own_subjects_reach_everything():
    rows = compare(paper_subjects())
    assert len(rows) == 6 * 4
    assert all(row.reached for row in rows)
    for row in rows:
        assert row.residue == pytest.approx(1.0 if "spread" in row.quantity else 0.0, abs=1e-9)
    differences = [r.paper for r in rows if r.quantity == "fast minus routine"]
    np.testing.assert_allclose(differences, (-2.65, 4.86, -0.52, -2.74, 5.82, -0.97), atol=0.01)


@pytest.mark.parametrize(
    ("scan", "factor", "missed"),
    [(0, 1.06, "routine mean"), (1, 1.02, "fast minus routine")],
)
def test_what_is_out_of_reach_is_said(scan, factor, missed):
    subjects = paper_subjects()
    subjects[:, scan, 0, 0] *= factor  # T1 of grey matter
    rows = {(r.quantity, r.tissue, r.map): r for r in compare(subjects)}
    assert not rows[missed, "GM", "t1"].reached
    assert rows[missed, "WM", "t1"].reached
    text = as_markdown(rows.values())
    assert text.count("**no**") == sum(not row.reached for row in rows.values())


def test_differences_have_signs_errors_and_spreads():
    subjects = paper_subjects(4)
    subjects[:, 1, 0, 0] = subjects[:, 0, 0, 0] * np.array([1.01, 1.02, 1.03, 1.04])
    found = {(one.tissue, one.map): one for one in differences(subjects)}
    wrong = found["GM", "t1"]
    assert (wrong.mean, wrong.same_sign) == (pytest.approx(2.5), False)
    assert wrong.spread == pytest.approx(np.std([1, 2, 3, 4], ddof=1))
    assert wrong.error == pytest.approx(wrong.spread / 2)
    assert all(one.same_sign for key, one in found.items() if key != ("GM", "t1"))


def test_the_null_simulator_is_scored_beside():
    """A fast scan that is the routine scan reaches most lines and no sign."""
    subjects = paper_subjects()
    assert (null_means(subjects)[:, 1] == subjects[:, 0]).all()
    mine, null = score(subjects).split("; ")
    assert mine.startswith("this cohort: 24 of 24 lines within reach, 6 of 6 differences")
    assert null.startswith("the null simulator: 17 of 24 lines within reach, 2 of 6 differences")
    assert null.endswith("0 of 6 with the paper's sign")


def test_mechanisms_are_printed(monkeypatch, capsys):
    monkeypatch.setattr(mechanisms, "MECHANISMS", mechanisms.MECHANISMS[:1])
    main(["--mechanisms"])
    printed = capsys.readouterr().out.strip()
    assert printed == mechanisms_markdown()
    assert "| fast delays +12 ms, the routine scan’s angle | -2.46" in printed
    assert printed.endswith("| the paper | -2.65 | -2.74 | +4.86 | +5.82 | -0.52 | -0.97 |")


def test_spread_is_a_factor():
    subjects = paper_subjects()
    middle = subjects.mean(axis=0)
    rows = compare(middle + 1.6 * (subjects - middle))
    spreads = [row for row in rows if "spread" in row.quantity]
    assert all(row.residue == pytest.approx(1.6) and not row.reached for row in spreads)


def test_means_are_those_of_the_eroded_labels(tiny_cohort):
    subject = tiny_cohort / "cohort/sub-001"
    found = measure_subject(subject, erode_px=0)
    routine = read_series(subject / "routine_t2").volume
    white = read_truth(subject / "truth", routine.geometry).tissue == 3
    assert found[0, 1, 1] == pytest.approx(routine.maps[white].mean(), rel=1e-5)
    assert found.shape == (2, 2, 3)
    eroded = measure_subject(subject, erode_px=1)
    assert np.abs(eroded / found - 1).max() > 1e-3
    with pytest.raises(ValueError, match="no pixels of GM"):
        measure_subject(subject, erode_px=40)


def test_a_cohort_is_measured_and_written(tiny_cohort, tmp_path, capsys):
    out = tmp_path / "calibration"
    main(["--cohort", str(tiny_cohort / "cohort"), "--out", str(out)])
    assert "within reach" in capsys.readouterr().out
    document = json.loads((out / "calibration.json").read_text())
    assert np.shape(document["means"]) == (6, 2, 2, 3)  # the patient is left out
    assert len(document["differences"]) == 6
    assert "the null simulator" in document["score"]
    assert document["cohort"]["drawn"]["coils"] in (8, 16, 32)
    with (out / "calibration.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(document["rows"]) == 24
    assert (out / "calibration.md").read_text().startswith("| quantity")
    with pytest.raises(SystemExit, match="error: .*exists already"):
        main(["--cohort", str(tiny_cohort / "cohort"), "--out", str(out)])


def test_refusals(tiny_cohort, tmp_path):
    with pytest.raises(SystemExit):
        main([])
    with pytest.raises(SystemExit, match="error: .*holds 0 healthy simulated subjects"):
        main(["--cohort", str(tmp_path)])
    with pytest.raises(SystemExit, match="--erode-px must be at least 0"):
        main(["--cohort", str(tiny_cohort / "cohort"), "--erode-px", "-1"])
    broken = tmp_path / "broken"
    for name in ("sub-001", "sub-002"):
        shutil.copytree(tiny_cohort / "cohort" / name / "truth", broken / name / "truth")
    with pytest.raises(SystemExit, match="error: "):
        main(["--cohort", str(broken)])


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--erode-px" in capsys.readouterr().out
