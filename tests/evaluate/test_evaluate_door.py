"""The door: from a manifest and workdirs to a report, with the readers replaced by small people."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_people import make_case

import launch.evaluate as door
from qsr_jax.data.manifest import Manifest, Person
from qsr_jax.evaluate import predict
from qsr_jax.evaluate.interpolate import interpolator
from qsr_jax.types import CORNER


@dataclasses.dataclass(frozen=True)
class Linear:
    """A stand-in for a trained network: linear interpolation of one map."""

    map_name: str
    description: str = "linear"
    weights_sha256: str = "0" * 64
    notes: tuple[str, ...] = ("a stand-in",)

    def __call__(self, volume):
        assert volume.names == (self.map_name,)
        return interpolator(scale=2, alignment=CORNER, method="linear")(volume)


@pytest.fixture
def house(monkeypatch):
    """Four test persons and two training ones; a workdir is named after its map."""
    persons = tuple(
        Person(
            person=f"{i:016x}",
            group="patient" if i == 3 else "healthy",
            split="test" if i < 4 else "train",
            grid_alignment=CORNER,
            fast_shape=(3, 32, 32),
            fast_spacing_mm=(5.0, 6.875, 6.875),
            truth="truth",
            maps={},
        )
        for i in range(6)
    )
    manifest = Manifest(Path("dicom"), 2, 0, persons, (), ())
    held = []

    def load_case(_, person):
        held.append(person.person)
        rng = np.random.default_rng(int(person.person, 16))
        lesions = 3 if person.group == "patient" else 0
        return make_case(
            rng, person=person.person, group=person.group, slices=3, lesions=lesions
        )  # fmt: skip

    monkeypatch.setattr(door.Manifest, "load", lambda _: manifest)
    monkeypatch.setattr(door, "load_case", load_case)
    monkeypatch.setattr(predict, "load_predictor", lambda workdir: Linear(workdir.name))
    return held


def arguments(out, *maps):
    workdirs = [text for name in maps for text in ("--workdir", f"runs/{name}")]
    return ["--manifest", "manifest.json", *workdirs, "--out", str(out)]


def test_the_whole_walk(tmp_path, house, capsys):
    out = tmp_path / "report"
    door.main(arguments(out, "pd", "t1"))
    assert house == [f"{i:016x}" for i in range(4)]
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[-1] == f"report: {out / 'index.html'}"
    assert [line.split()[0] for line in lines[2:-1]] == ["T1", "PD"]
    document = json.loads((out / "tables.json").read_text())
    row = document["tables"]["verdict"][0]
    assert f"{row['psnr']['trained']['mean']:.2f}" in lines[2]
    assert "[0.93]" in lines[2]
    about = document["about"]
    assert about["data"] == "simulated people"
    assert about["persons"]["test"] == {"healthy": 3, "patient": 1}
    assert about["slices"] == {"train": 6, "validation": 0, "test": 12}
    assert [model["map"] for model in about["models"]] == ["t1", "pd"]
    assert "4/4" in printed.err


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
    assert not house


def test_scanned_people_are_not_called_simulated(house):
    people = [dataclasses.replace(p, truth=None) for p in door.Manifest.load("").people()]
    manifest = dataclasses.replace(door.Manifest.load(""), persons=tuple(people))
    assert door.describe(manifest, people, [], split="test").data == "scanned people"


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
