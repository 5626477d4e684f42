"""What a training to evaluate may be: a folder of workdirs, or a manifest and its workdirs."""

from pathlib import Path

import pytest

import qsr_jax
import qsr_jax.evaluation.trainings as runs


def test_a_folder_is_a_run(tmp_path):
    (tmp_path / "t2").mkdir()
    found = runs.paths_of([tmp_path])
    assert found == (tmp_path / "manifest.json", [tmp_path / "t2"])


@pytest.fixture
def trained_folder(tmp_path, monkeypatch):
    """Makes workdirs with a checkpoint, by name the maps they make; and some that are none."""
    made = {}

    def fake_document(workdir, *, which):
        return 1, {"maps": made[workdir.name]}

    def make(**maps):
        made.update(maps)
        for name in maps:
            step = tmp_path / name / "latest" / "1"
            step.mkdir(parents=True)
            (step / "SEAL.json").write_text("{}")
        (tmp_path / "report").mkdir()
        (tmp_path / "manifest.json").write_text("{}")
        return tmp_path

    monkeypatch.setattr(runs, "load_document", fake_document)
    return make


def test_a_folder_holds_workdirs_of_any_name(trained_folder):
    folder = trained_folder(joint=["t1", "pd"], t2=["t2"])
    expected = folder / "manifest.json", [folder / "t2", folder / "joint"]
    assert runs.paths_of([folder]) == expected


def test_a_folder_of_two_workdirs_of_one_map_is_refused(trained_folder):
    folder = trained_folder(joint=["t1", "t2", "pd"], t1=["t1"])
    with pytest.raises(ValueError, match="t1 and joint both make t1; give the manifest"):
        runs.paths_of([folder])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nope.json", "'nope.json' is one path, not trainings; expected such as"),
        (Path("nope.json"), "'nope.json' is one path"),
        ([], "none given; expected such as"),
        (["folder"], "'folder' is no training"),
        ([[]], r"\[\] is no training"),
    ],
)
def test_a_notebook_that_gives_no_trainings_is_told_what_to_give(tmp_path, given, message):
    with pytest.raises(ValueError, match=f"runs: {message}"):
        qsr_jax.evaluate(given, out=tmp_path / "report")
