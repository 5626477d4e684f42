"""A reader study: the key solves it, and nothing that readers are given tells a method."""

import csv
import io

import numpy as np
import pytest
from evaluation_house import make_subject
from PIL import Image

import launch.reader_study as door
import qsr_jax.evaluation.measure_cohort as subjects
from qsr_jax.evaluation import reader_study
from qsr_jax.evaluation.reader_study import ANSWERS, FORM, GAP, METHODS
from qsr_jax.maps import spec_of


@pytest.fixture
def made(house, tmp_path, monkeypatch):
    """The folder of a study of four small subjects, and their cases by pseudonym."""
    monkeypatch.setattr(reader_study, "load_case", subjects.load_case)
    monkeypatch.setattr(reader_study, "REPEATED", 0.3)
    out = tmp_path / "study"
    door.main(["--manifest", "manifest.json", "--workdir", "runs/t1", "--workdir", "runs/pd",
               "--out", str(out), "--seed", "7"])  # fmt: skip
    cases = {f"{i:016x}": subjects.load_case(None, make_subject(i, group=g))
             for i, g in enumerate(["healthy"] * 3 + ["patient"])}  # fmt: skip
    return out, cases


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def expected(case, row):
    """The routine side as a picture shows it, 0 to 255."""
    low, high = spec_of(row["map"]).display_window
    maps = case.routine.maps[int(row["slice"]) - 1, ..., case.routine.names.index(row["map"])]
    return 255.0 * np.clip((maps - low) / (high - low), 0.0, 1.0)


def test_the_key_says_which_side_is_which(made):
    out, cases = made
    key = rows_of(out / "key/key.csv")
    assert {frozenset((row["left"], row["right"])) for row in key} == {
        frozenset(("trained", "routine"))
    }
    for row in key:
        pixels = np.asarray(Image.open(out / "readers" / row["picture"]).convert("L"), float)
        size = (pixels.shape[1] - GAP) // 2
        sides = {"left": pixels[:, :size], "right": pixels[:, size + GAP :]}
        routine = "left" if row["left"] == "routine" else "right"
        other = "right" if routine == "left" else "left"
        wanted = expected(cases[row["subject"]], row)
        assert np.abs(sides[routine] - wanted).max() < 2.0
        assert np.abs(sides[other] - wanted).mean() > 2.0


def test_both_sides_and_repetitions_are_drawn(made):
    key = rows_of(made[0] / "key/key.csv")
    left = sum(row["left"] == "routine" for row in key)
    again = [row for row in key if row["again"] == "True"]
    assert 0.2 * len(key) < left < 0.8 * len(key)
    assert again
    for row in again:
        place = ("subject", "map", "slice")
        (first,) = (r for r in key if r["again"] == "False"
                    and all(r[p] == row[p] for p in place))  # fmt: skip
        assert (first["left"], first["right"]) == (row["right"], row["left"])
    subjects_in_order = [row["subject"] for row in key]
    assert subjects_in_order != sorted(subjects_in_order)


def test_nothing_that_readers_are_given_tells_the_method(made):
    out, _ = made
    names = sorted(path.name for path in (out / "readers").iterdir())
    numbers = [f"case-{i:04d}.png" for i in range(1, len(names))]
    assert names == sorted([*numbers, FORM])
    words = [*METHODS, "seed", "0000000000000", "qsr", "matplotlib"]
    for path in (out / "readers").iterdir():
        raw = path.read_bytes().lower()
        assert not [word for word in words if word.encode() in raw], path
        if path.suffix == ".png":
            assert Image.open(io.BytesIO(path.read_bytes())).text == {}
    times = {path.stat().st_size for path in (out / "readers").glob("*.png")}
    assert len(times) > 1  # pictures of their own


def test_the_same_seed_makes_the_same_study(made, tmp_path):
    out, _ = made
    again = tmp_path / "again"
    base = ["--manifest", "manifest.json", "--workdir", "runs/t1", "--workdir", "runs/pd"]
    door.main([*base, "--out", str(again), "--seed", "7"])
    other = tmp_path / "other"
    door.main([*base, "--out", str(other), "--seed", "8"])
    texts = [(folder / "key/key.csv").read_text() for folder in (out, again, other)]
    assert texts[0] == texts[1] != texts[2]


def test_a_filled_form_is_solved(made, tmp_path, capsys):
    out, _ = made
    key = {row["picture"]: row for row in rows_of(out / "key/key.csv")}
    form = rows_of(out / "readers" / FORM)
    for row in form:  # this reader prefers routine in T1 and sees no difference in PD
        side = "left" if key[row["picture"]]["left"] == "routine" else "right"
        row["better"] = side if row["map"] == "T1" else "equal"
    form[0]["better"] = ""
    filled = tmp_path / "filled.csv"
    with filled.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(form[0]))
        writer.writeheader()
        writer.writerows(form)
    capsys.readouterr()
    door.main(["--solve", str(filled), str(out / "key/key.csv")])
    printed = capsys.readouterr().out
    found = {p.map: p for p in reader_study.solve(filled, out / "key/key.csv")}
    assert set(found["t1"].preferred) == {"routine"}
    assert set(found["pd"].preferred) == {"equal"}
    assert found["t1"].consistent[0] == found["t1"].consistent[1]
    assert "T1: routine " in printed and "PD: equal " in printed


@pytest.mark.parametrize("change", [{"better": "both"}, {"picture": "case-9999.png"}])
def test_an_answer_that_is_none_is_refused(made, change, tmp_path):
    out, _ = made
    row = rows_of(out / "readers" / FORM)[0] | {"better": ANSWERS[0]} | change
    filled = tmp_path / "filled.csv"
    filled.write_text("picture,better\n" + f"{row['picture']},{row['better']}\n")
    with pytest.raises(SystemExit, match="expected pictures of"):
        door.main(["--solve", str(filled), str(out / "key/key.csv")])


@pytest.mark.parametrize(
    ("flags", "match"),
    [(["--methods", "trained"], "expected two of"), (["--methods", "trained,trained"], "different"),
     (["--methods", "trained,truth"], "different"), (["--slices", "0"], "1 slice or more")],
)  # fmt: skip
def test_what_makes_no_study_is_refused(house, tmp_path, flags, match):
    base = ["--manifest", "manifest.json", "--workdir", "runs/t1", "--out", str(tmp_path / "s")]
    with pytest.raises(SystemExit, match=match):
        door.main([*base, *flags])
    with pytest.raises(SystemExit, match="give --manifest, --model and --out"):
        door.main(["--out", str(tmp_path / "s")])


def test_other_methods_may_be_shown(house, tmp_path, monkeypatch):
    monkeypatch.setattr(reader_study, "load_case", subjects.load_case)
    out = tmp_path / "s"
    door.main(["--manifest", "manifest.json", "--workdir", "runs/t1", "--out", str(out),
               "--methods", "fast,bicubic", "--slices", "1"])  # fmt: skip
    key = rows_of(out / "key/key.csv")
    assert {method for row in key for method in (row["left"], row["right"])} == {"fast", "bicubic"}
