"""The door: from a manifest and workdirs to a report; small subjects in place of the readers."""

import csv
import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest
from evaluation_house import arguments, make_manifest, make_subject, manifest_of

import launch.evaluate as door
import qsr_jax
import qsr_jax.evaluation.trainings as runs
from qsr_jax.evaluation.cohort import FoldSeed
from qsr_jax.evaluation.label_plan import LabelOptions
from qsr_jax.evaluation.report import page
from qsr_jax.evaluation.report.about import describe
from qsr_jax.predictors.baselines import BASELINES


@pytest.fixture
def unseen(monkeypatch):
    """No page is drawn: the walk draws it, and others look at numbers."""
    monkeypatch.setattr(page, "_render", lambda *_: "")


def test_the_whole_walk(tmp_path, house, capsys):
    out = tmp_path / "report"
    door.main(arguments(out, "pd", "t1"))
    assert sorted(house.measured) == [f"{i:016x}" for i in range(4)]
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[-1] == f"report: {out / 'index.html'}"
    document = json.loads((out / "tables.json").read_text())
    row = next(r for r in document["tables"]["places"] if r["method"] == "trained")
    assert document["opening"][0].startswith(lines[0])
    assert any(f"{row['difference_percent']:+.2f}".replace("-", "−") in line for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("GM")] == ["T1", "PD"]
    about = document["about"]
    assert about["data"] == "simulated subjects"
    assert about["subjects"]["test"] == {"healthy": 3, "patient": 1}
    assert about["slices"] == {"train": 6, "validation": 0, "test": 12}
    (training,) = about["trainings"]
    assert [model["map"] for model in training["models"]] == ["t1", "pd"]
    assert not document["tables"]["runs"]
    assert set(document["tables"]["quality"][0]["by_method"]) == {*BASELINES, "trained", "truth"}
    assert "4/4" in printed.err


@pytest.mark.parametrize(("flags", "asked"), [([], "latest"), (["--checkpoint", "best"], "best")])
@pytest.mark.usefixtures("unseen")
def test_the_checkpoint_asked_for_is_measured(flags, asked, tmp_path, house):
    door.main([*arguments(tmp_path / "report", "t1"), *flags])
    assert house.checkpoints == {asked}


def test_two_models_of_one_map_are_refused(tmp_path, house):
    with pytest.raises(SystemExit, match="error: .*t1, t1: two of the same map"):
        door.main(arguments(tmp_path / "r", "t1", "t1"))


def test_an_empty_split_is_refused(tmp_path, house):
    with pytest.raises(SystemExit, match="nobody in split 'validation'"):
        door.main([*arguments(tmp_path / "r", "t1"), "--split", "validation"])


def test_a_foreign_folder_is_refused_before_any_work(tmp_path, house):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match="error: .*thesis.txt"):
        door.main(arguments(tmp_path, "t1"))
    assert not house.measured


def test_scanned_subjects_are_not_called_simulated(house):
    manifest = house.manifests["manifest.json"]
    scanned = tuple(dataclasses.replace(p, truth=None) for p in manifest.subjects_of(split="test"))
    run = runs.Run("1", Path("m"), manifest, scanned, (), FoldSeed("1", None))
    about = describe([run], subjects=set(), split="test", labels="none", movement="none")
    assert about.data == "scanned subjects"


def test_a_follow_up_does_not_count_its_subject_twice(house):
    whole = house.manifests["manifest.json"]
    follow_up = dataclasses.replace(whole.subjects[0], session="2")
    manifest = manifest_of((*whole.subjects, follow_up))
    house.manifests["manifest.json"] = manifest
    given = [(Path("manifest.json"), [Path("runs/t1")])]
    house.fingerprints["runs"] = manifest.fingerprint
    (run,) = runs.load_runs(given, split="test", trained_on=None, which="latest")
    assert run.subjects == whole.subjects[:4]
    about = describe([run], subjects=set(), split="test", labels="none", movement="none")
    assert about.data.endswith("the first session of each (1 further ones not measured)")
    assert about.subjects["test"] == {"healthy": 3, "patient": 1}


@pytest.mark.usefixtures("unseen")
def test_chosen_baselines_only_and_always_bicubic(tmp_path, house):
    out = tmp_path / "report"
    door.main([*arguments(out, "t2"), "--baselines", "lanczos"])
    row = json.loads((out / "tables.json").read_text())["tables"]["quality"][0]
    assert list(row["by_method"]) == ["bicubic", "lanczos", "trained", "truth"]
    with pytest.raises(SystemExit, match="error: baselines cubic: not known"):
        door.main([*arguments(out, "t2"), "--baselines", "cubic"])


@pytest.mark.usefixtures("unseen")
def test_a_model_trained_on_other_subjects_is_refused_unless_they_are_shown_to_be_new(
    tmp_path, house, capsys
):
    """The manifest must be the one of training; --trained-on shows that nobody was learned from."""
    new = ["train", "train", "validation", "test", "test", "test"]
    house.manifests["old.json"] = make_manifest(new)
    house.fingerprints["runs"] = house.manifests["old.json"].fingerprint
    with pytest.raises(SystemExit, match="error: runs/t1: trained on data .*--trained-on MANIFEST"):
        door.main(arguments(tmp_path / "r", "t1"))
    with pytest.raises(SystemExit, match=r"runs/t1 learned from subject 0000000000000000"):
        door.main([*arguments(tmp_path / "r", "t1"), "--trained-on", "old.json"])
    shifted = [make_subject(i + 10, split="train") for i in range(3)]
    house.manifests["old.json"] = manifest_of(tuple(shifted))
    house.fingerprints["runs"] = house.manifests["old.json"].fingerprint
    assert not house.measured
    door.main([*arguments(tmp_path / "r", "t1"), "--trained-on", "old.json", "--baselines", ""])
    assert len(house.measured) == 4
    assert "not checked" not in capsys.readouterr().out


def test_what_cannot_be_checked_is_told_on_terminal_and_page(tmp_path, house, capsys):
    shifted = manifest_of(tuple(make_subject(i + 10, split="train") for i in range(3)))
    house.manifests["old.json"] = dataclasses.replace(shifted, salt="another")
    house.fingerprints["runs"] = shifted.fingerprint
    flags = ["--trained-on", "old.json", "--baselines", ""]
    door.main([*arguments(tmp_path / "r", "t1"), *flags])
    assert "not checked: no scan that the model learned from" in capsys.readouterr().out
    assert "in another session cannot be told" in (tmp_path / "r/index.html").read_text("utf-8")


FOLDS = (
    ["test", "test", "train", "test", "train", "test"],
    ["train", "train", "test", "test", "test", "train"],
)


@pytest.fixture
def folded(house):
    """Two folds of one manifest, the first trained from two seeds; the patient tests in both."""
    manifest = make_manifest(["test"] * 4 + ["train"] * 2, *FOLDS)
    house.manifests["manifest.json"] = manifest
    for run, fold in (("a", "1/2"), ("bb", "1/2"), ("c", "2/2")):
        house.fingerprints[run] = manifest.in_fold(fold).fingerprint
    return ["--run", "manifest.json", "a/t1", "--run", "manifest.json", "bb/t1",
            "--run", "manifest.json", "c/t1"]  # fmt: skip


def test_out_of_fold_predictions_of_everybody_in_one_report(tmp_path, house, folded):
    out = tmp_path / "report"
    door.main([*folded, "--baselines", "bicubic_calibrated", "--out", str(out)])
    assert sorted(house.measured) == [f"{i:016x}" for i in range(6)]
    document = json.loads((out / "tables.json").read_text())
    tables = document["tables"]
    assert tables["quality"][0]["n"] == 6
    runs_ = [(r["run"], r["fold"], r["seed"], r["n"]) for r in tables["runs"]]
    assert runs_ == [("1", "1/2", 1, 4), ("2", "1/2", 2, 4), ("3", "2/2", 1, 3)]
    gain = next(row for row in tables["spread"] if row["quantity"] == "gain over bicubic")
    assert (gain["runs"], gain["folds"]) == (3, 2)
    assert gain["sd_seeds"] == 0.0  # the stand-in does not learn
    assert gain["sd_folds"] > 0.0
    assert "6 measured" in (out / "index.html").read_text("utf-8")
    with (out / "values.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["kind"] == "image" and r["quantity"] == "mae"]
    counted = Counter((r["subject"], r["method"]) for r in rows if r["place"] == "brain")
    assert counted[f"{3:016x}", "trained"] == counted[f"{3:016x}", "bicubic_calibrated"] == 3
    assert counted[f"{3:016x}", "bicubic"] == counted[f"{4:016x}", "trained"] == 1


def test_runs_that_cannot_stand_beside_each_other_are_refused(tmp_path, house, folded):
    out = ["--out", str(tmp_path / "r")]
    for flags, message in (
        ([*folded, "--split", "train"], "not on 'train'"),
        ([*folded[:6], *folded[:3]], "given twice"),
        ([*folded[:3], "--run", "manifest.json", "c/t2"], "models of t2; the first run has t1"),
        (["--run", "manifest.json", "a/t1", "c/t2"], "a/t1: trained on data"),
        ([*folded, "--manifest", "manifest.json"], "give one kind"),
        (["--run", "manifest.json"], "expected a folder with manifest.json"),
        (["--run", str(tmp_path)], "no folder with a checkpoint in it"),
        (["--manifest", "manifest.json"], "nothing to measure"),
    ):
        with pytest.raises(SystemExit, match=f"error: .*{message}"):
            door.main([*flags, *out])
    assert not house.measured


@pytest.mark.parametrize("text", ["0", "-1", "two"])
def test_workers_are_a_whole_number(tmp_path, capsys, text):
    with pytest.raises(SystemExit) as exit_:
        door.main(["--run", str(tmp_path), "--out", str(tmp_path / "r"), "--workers", text])
    assert exit_.value.code == 2
    assert "expected a whole number from 1 on" in capsys.readouterr().err


def test_an_interrupted_evaluation_keeps_its_finished_subjects(tmp_path, house):
    """Killed in the third subject, it measures that one alone; then all come from the cache."""
    flags = [*arguments(tmp_path / "r", "t1"), "--baselines", "", "--cache", str(tmp_path / "c")]
    house.failing = f"{2:016x}"
    with pytest.raises(SystemExit, match="error: killed"):
        door.main([*flags, "--workers", "1"])
    house.failing = None
    assert {f"{i:016x}" for i in range(2)} <= set(house.measured)
    kept = len(list((tmp_path / "c").iterdir()))
    door.main(flags)
    assert kept >= 2
    first = (tmp_path / "r" / "tables.json").read_bytes()
    assert Counter(house.measured)[f"{2:016x}"] == 1
    assert len(list((tmp_path / "c").iterdir())) == 4
    door.main([*arguments(tmp_path / "fresh", "t1"), "--baselines", ""])
    assert (tmp_path / "fresh" / "tables.json").read_bytes() == first
    whole = (tmp_path / "fresh" / "index.html").read_bytes()
    assert (tmp_path / "r" / "index.html").read_bytes() == whole
    for file in (tmp_path / "c").iterdir():
        file.write_text("{")
    house.measured.clear()
    door.main(flags)
    assert len(house.measured) == 4  # damaged files are no answer


def test_help(capsys):
    with pytest.raises(SystemExit) as exit_:
        door.main(["--help"])
    assert exit_.value.code == 0
    assert "--workdir" in capsys.readouterr().out


def test_a_missing_manifest_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"error: .*absent.json"):
        door.main(
            ["--manifest", str(tmp_path / "absent.json"), "--workdir", "x", "--out", str(tmp_path)]
        )  # fmt: skip


@pytest.mark.usefixtures("unseen")
def test_a_notebook_calls_what_the_door_calls(tmp_path, house, capsys):
    """One function, paths as text, a result with every value; the same report as the door's."""
    labels = LabelOptions(erode_pixels=1)
    options = {"baselines": ["lanczos"], "labels": labels, "workers": 1}
    found = qsr_jax.evaluate([["manifest.json", "runs/t2"]], out=str(tmp_path / "a"), **options)
    flags = ["--baselines", "lanczos", "--erode-pixels", "1", "--workers", "1"]
    door.main([*arguments(tmp_path / "b", "t2"), *flags])
    assert (tmp_path / "a/tables.json").read_bytes() == (tmp_path / "b/tables.json").read_bytes()
    assert found.page == tmp_path / "a" / "index.html" and found.page.exists()
    row = next(row for row in found.tables["quality"] if row.place == "brain")
    assert row.n == len(found.cohort.group) == 4
    assert str(found) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: 0; expected a whole number from 1 on"),
        ({"baselines": ["cubic"]}, "baselines cubic: not known"),
        ({"split": "validation"}, "nobody in split 'validation'"),
    ],
)
def test_impossible_wishes_of_a_notebook_are_refused(tmp_path, house, options, message):
    with pytest.raises(ValueError, match=message):
        qsr_jax.evaluate([["manifest.json", "runs/t1"]], out=tmp_path / "r", **options)
    assert not house.measured


@pytest.mark.parametrize("text", ["-1", "1.5", "one"])
def test_eroded_pixels_are_a_whole_number(tmp_path, capsys, text):
    with pytest.raises(SystemExit) as exit_:
        door.main([*arguments(tmp_path / "r", "t1"), "--erode-pixels", text])
    assert exit_.value.code == 2
    assert "expected a whole number from 0 on" in capsys.readouterr().err


@pytest.mark.usefixtures("unseen")
def test_one_model_of_all_maps_is_measured_like_three_of_one(tmp_path, house):
    """The report names the one model with every map, and its numbers are those of three."""
    few = ["--baselines", "", "--workers", "1"]
    for name, maps in (("three", ("t1", "t2", "pd")), ("joint", ("joint",))):
        door.main([*arguments(tmp_path / name, *maps), *few])
    documents = [json.loads((tmp_path / n / "tables.json").read_text()) for n in ("three", "joint")]
    assert documents[0]["tables"] == documents[1]["tables"]
    (training,) = documents[1]["about"]["trainings"]
    assert [model["map"] for model in training["models"]] == ["t1", "t2", "pd"]
