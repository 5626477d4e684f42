"""A study of two tiny cells through its door: trained, killed, measured, kept, written down."""

import json
import shutil
import textwrap
from pathlib import Path

import pytest

from launch.study import door
from launch.study import run as runner
from launch.study.cells import load_study
from launch.study.numbers import numbers_of
from launch.study.page import MARKER
from launch.study.results import KEYS, read_result
from launch.study.run import StoppedError
from qsr_jax.training.stopping import STOPPED

ROOT = Path(__file__).parents[2]
RESULT = "work/dry/results/one.seed-0.json"
CELLS = """
GROUPS = {"base": "Base"}
CELLS = [
    {"name": "one", "group": "base", "says": "first", "page": "residual", "overrides": {},
     "maps": ("t1+t2+pd",), "trained_on": "tiny", "measured_on": ("tiny", "elsewhere"),
     "seeds": 1, "minutes": 1.0},
    {"name": "two", "group": "base", "says": "no records", "page": "residual", "overrides": {},
     "maps": ("t1",), "trained_on": "absent", "measured_on": ("tiny",), "seeds": 1,
     "minutes": 1.0},
]
"""


@pytest.fixture
def study(tiny_cohort, tmp_path) -> list[str]:
    """Words of the door for a study of the tiny cohort, in ``tmp_path``."""
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "cells.py").write_text(textwrap.dedent(CELLS))
    shutil.copy(ROOT / "configs/study/residual.py", tmp_path / "study")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny").symlink_to(tiny_cohort / "records")
    (tmp_path / "data" / "tiny.json").symlink_to(tiny_cohort / "manifest.json")
    (tmp_path / "data" / "cohort").symlink_to(tiny_cohort / "cohort")
    places = {"study": "study/cells.py", "data": "data", "work": "work"}
    flags = [word for flag, name in places.items() for word in (f"--{flag}", str(tmp_path / name))]
    return [*flags, "--split", "validation", "--dry"]


@pytest.mark.usefixtures("compiled_quickly")
def test_a_cell_is_trained_measured_and_kept_and_goes_on_after_a_stop(
    study, tmp_path, monkeypatch, capsys
):
    train = runner.train

    def stopped(experiment, **where):
        done = train(experiment, **where)
        raise StoppedError(f"stopped by SIGTERM after step {done.step}")

    monkeypatch.setattr(runner, "train", stopped)
    with pytest.raises(SystemExit) as ending:
        door.main([*study, "--cells", "one"])
    assert ending.value.code == STOPPED
    assert not (tmp_path / RESULT).exists()
    monkeypatch.setattr(runner, "train", train)
    capsys.readouterr()
    door.main(study)
    printed = capsys.readouterr()
    assert "already trained" in printed.out + printed.err, "what was trained is not trained again"
    said = printed.out + printed.err
    assert "one.seed-0: not measured on elsewhere: no elsewhere.json" in said
    assert "two.seed-0: left out: no records absent" in said
    path = tmp_path / RESULT
    check(read_result(path), tmp_path)
    written = path.stat().st_mtime_ns
    door.main(study)
    assert path.stat().st_mtime_ns == written, "what is finished is kept"


def check(result, tmp_path):
    """The json says what was done, and nothing of where."""
    assert result.keys() == KEYS | {"format", "says"}
    assert str(tmp_path) not in json.dumps(result)
    assert (result["steps"], result["dry"], result["target"]) == (2, True, "routine")
    measured = result["measured"]["tiny"]
    assert measured["subjects"] == {"healthy": 1}
    for numbers in measured["maps"].values():
        assert numbers["rmse"]["trained"]["n"] == 1
        # After two steps a network still is its interpolation, of T2 on a logarithmic scale.
        assert numbers["share"]["bicubic"]["mean"] == pytest.approx(1.0, abs=0.2)
        assert abs(numbers["gain_db"]["mean"]) < 2.0
        assert set(numbers["bias_percent"]["truth"]["routine"]) == {"GM", "WM"}
        assert set(numbers["fidelity"]["noise"]) == {"trained", "routine", "bicubic"}
        assert numbers["lesions"]["n"] == numbers["lesions"]["sites"] == 0
        assert numbers["repeatability_percent"] == {}, "nobody was scanned twice"


def test_the_numbers_are_those_of_the_cohort(cohort_and_examples):
    """Its trained maps are the routine scan's with 1 % more, and noise."""
    for name, numbers in numbers_of(cohort_and_examples[0]).items():
        error = numbers["rmse"]
        assert error["trained"]["n"] == 4
        assert error["trained"]["low"] < error["trained"]["mean"] < error["trained"]["high"]
        assert numbers["share"]["routine"]["mean"] > 1.0, "noise was added to routine"
        for tissue in ("GM", "WM"):
            bias = numbers["bias_percent"]["routine"]["trained"][tissue]
            assert bias["mean"] == pytest.approx(1.0, abs=0.5), name
        lesions = numbers["lesions"]
        assert lesions["kept"] + lesions["omitted"] == lesions["shown_by_routine"] > 0
        assert set(lesions["median_error_percent"]["truth"]) == {"trained", "routine", "bicubic"}
        assert numbers["fidelity"]["noise"]["trained"] > numbers["fidelity"]["noise"]["routine"]
        assert (numbers["gain_db"]["mean"] > 0.0) == (name != "pd")


def test_a_result_of_other_settings_is_told(study, tmp_path, capsys):
    (tmp_path / RESULT).parent.mkdir(parents=True)
    told = dict.fromkeys(KEYS, "") | {"format": "qsr_jax-study 1", "measured": {}}
    (tmp_path / RESULT).write_text(json.dumps(told))
    with pytest.raises(SystemExit, match=r"error: not finished: one\.seed-0"):
        door.main(study)
    assert "made with other settings of cell one" in capsys.readouterr().err


def test_the_list_and_the_page_need_no_data(tmp_path, capsys):
    door.main(["--list", "--results", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(load_study().runs()) + 1
    assert "to do" in lines[0]
    page = tmp_path / "study.md"
    page.write_text(f"# Mine\n\n{MARKER}\nold\n")
    door.main(["--page", str(page), "--results", str(tmp_path)])
    assert "old" not in page.read_text()
    assert page.read_text().startswith("# Mine\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--cells", "nobody", "--list"], "--cells nobody: no such cell"),
        (["--list", "--cells", "base", "nobody"], "--cells nobody: no such cell"),
        (["--study", "nothing.py", "--list"], "nothing.py: FileNotFoundError"),
        (["--page", "README.md"], "README.md: no line"),
        (["--data", "nowhere", "--work", "work"], "--data nowhere: no such folder"),
    ],
)
def test_mistakes_are_told(words, says, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match=f"error: .*{says}"):
        door.main(words)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["base.seed-1"], ["base.seed-1"]),
        (["truth", "base.seed-?"], [f"{name}.seed-{k}" for name in ("base", "truth")
                                    for k in range(3)]),
        (["unet", "un*"], ["unet.seed-0"]),
    ],
)  # fmt: skip
def test_several_patterns_name_each_training_once_in_the_order_of_the_list(patterns, names):
    assert [run.name for run in load_study().runs(*patterns)] == names


def test_cells_run_only_with_data_and_work(capsys):
    with pytest.raises(SystemExit) as ending:
        door.main(["--cells", "base"])
    assert ending.value.code == 2
    assert "--data and --work are needed" in capsys.readouterr().err


def test_weights_that_are_not_given_are_said(tmp_path, capsys):
    (tmp_path / "population-24").mkdir()
    where = ["--data", str(tmp_path), "--work", str(tmp_path), "--results", str(tmp_path)]
    door.main([*where, "--cells", "esrgan"])
    assert "esrgan.seed-0: left out: no weights of VGG-19: give --vgg" in capsys.readouterr().out


def test_every_cell_of_ours_is_an_experiment_of_three_maps(tmp_path):
    study = load_study()
    place = runner.Place(tmp_path, tmp_path, tmp_path, "test", None, False)
    for run in (run for run in study.runs() if run.seed == 0):
        experiments = runner.experiments_of(study, run, place)
        assert "+".join(experiments) == "t1+t2+pd", run.name
        for key, value in run.cell.overrides.items():
            settings = next(iter(experiments.values())).leaves()
            assert settings[key] == value, f"{run.name}: {key}"
        assert run.cell.minutes <= 15.0
