"""The script of the day with a GPU, tried on a CPU: rows, what is kept, what is refused."""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from launch.config.page import load_config
from launch.gpu_day import beside, door, environment, measure, parity
from launch.gpu_day.book import NOT_YET, Book
from launch.gpu_day.day import Day, RowError, within
from launch.gpu_day.rows import table

ROOT = Path(__file__).parents[2]
HERE = "parity_prediction,parity_steps,brain_24,brain_tf32,default_step,cohort,resume,training"
"""Rows of the test; the paper's step, simulate and metrics have tests of their own benches."""
DRY_S = 150.0
"""Processor time of a dry day, with PyTorch: a fifth above what docs/gpu_day.md tells."""


@pytest.fixture
def day(tmp_path):
    soon = time.monotonic() + 600.0
    return Day(tmp_path, Book(tmp_path), None, True, soon, soon)


@pytest.fixture
def doors_in_this_process(monkeypatch):
    """Not even a training that goes on starts a process: what the door does is the same."""
    child = Day.child
    monkeypatch.setattr(Day, "child", lambda *words, anew=False, **how: child(*words, **how))


def test_a_day_is_measured_row_by_row_and_gone_on_with(
    tiny_data, tmp_path, doors_in_this_process, monkeypatch, capsys
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        beside.importlib.util, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    moved = {"map": "t1", "tissue": "white", "rms": 0.25, "largest": 1.5}
    monkeypatch.setattr(measure.rounding, "bench", lambda _: [moved])
    words = ["--dry", "--out", str(tmp_path / "day"), "--data_dir", str(tiny_data), "--rows"]
    with pytest.raises(SystemExit) as ended:
        door.main([*words, f"{HERE},torch_step"])
    assert ended.value.code == door.FAILED
    rows = json.loads((tmp_path / "day" / "gpu_day.json").read_text())["rows"]
    assert rows["torch_step"] == {"error": "RowError: torch not installed"}
    failed = {name: row["error"] for name, row in rows.items() if "error" in row}
    assert list(failed) == ["torch_step"], failed
    assert rows["environment"]["jax"] == jax.__version__
    assert len(rows["environment"]["code_sha256"]) == 64
    assert rows["parity_prediction"]["of_allowed"] <= 1.0
    assert rows["parity_steps"]["of_allowed"] <= 1.0
    step = rows["default_step"]
    assert step["resident"] and step["ms"] > 0.0 and step["gib"] > 0.0
    assert rows["resume"]["unequal_bits"] == 0
    assert rows["brain_tf32"]["ms"] > 0.0 and rows["brain_tf32"]["t1_white_largest"] == 1.5
    assert (rows["training"]["steps"], rows["training"]["of"]) == (4, 4)
    capsys.readouterr()
    door.main([*words, HERE])  # all of it is there
    said = capsys.readouterr().out
    assert said.count(": there") == len(HERE.split(","))
    page = (tmp_path / "day" / "gpu_day.md").read_text()
    assert "failed: RowError: torch not installed" in page
    assert page.count(NOT_YET) == len(table()) - len(HERE.split(",")) - 2
    assert page.startswith(door.TRIED) and page.count("\n") == len(table()) + 4


def test_what_is_not_begun_in_time_is_left_for_the_next_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        door.main(["--dry", "--out", str(tmp_path), "--minutes", "0.0001", "--rows", "brain_24"])
    assert ended.value.code == door.NOT_DONE
    assert "the time was up before brain_24: the same command goes on" in capsys.readouterr().out
    book = Book(tmp_path)
    assert book.has("environment") and not book.has("brain_24")
    book.begin("step")  # the process ended in it
    assert [row.entry.name for row in door._chosen(table(), "", book)][-1] == "step"
    book.write("environment", book.rows["environment"] | {"code_sha256": "0"})
    with pytest.raises(SystemExit, match="holds rows of another code_sha256: 0, here it is"):
        door.main(["--dry", "--out", str(tmp_path), "--rows", "brain_24"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--minutes", "0"], "--minutes is 0; expected more than 0"),
        (["--rows", "speed"], "--rows names 'speed'; the rows are environment, parity_pred"),
    ],
)
def test_what_cannot_be_asked_is_refused(words, why, tmp_path):
    with pytest.raises(SystemExit, match=why):
        door.main(["--dry", "--out", str(tmp_path), *words])


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "gpu_day.json").write_text("[]")
    with pytest.raises(ValueError, match="expected the file of an earlier run; name another --out"):
        Book(tmp_path)


def test_goals_are_judged_and_numbers_that_lack_are_dashes():
    steps = {row.entry.name: row.entry for row in table()}
    values = {"ms": 22.5, "quartiles_ms": [22.0, 23.0]}
    said, wanted, reached = steps["step"].cells(values)
    assert said.startswith("22.5 ms (22.0–23.0), – images/s")
    assert (wanted, reached) == ("≤ 22 ms", "**no**")
    assert steps["step"].cells(values | {"ms": 21.9})[2] == "yes"
    assert steps["torch_step"].cells({})[2] == "not told"
    for entry in steps.values():
        assert "{" not in entry.cells({})[0]
    assert len(steps) == len(table())


def test_a_process_of_its_own_is_heard_stopped_and_its_last_line_told(day):
    assert day.child(["-c", "print(1)"], row="a") == "1\n"
    with pytest.raises(RowError, match="ended with 1: error: no luck"):
        day.child(["-c", "import sys; sys.exit('error: no luck')"], row="a")
    stops = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(75)); time.sleep(60)"
    day.child(["-c", stops], row="b", stop_after_s=2.0)
    with pytest.raises(RowError, match="not done within its 0 s"), within(0.2):
        time.sleep(30)
    with pytest.raises(RowError, match="door ended with error: --minutes is 0; expected more"):
        day.child(["-m", "launch.gpu_day.door", "--dry", "--minutes", "0"], row="c")  # here
    with pytest.raises(RowError, match="nothing was logged"):
        beside._pace(day.out)


def test_pytorch_wants_a_clone(day, monkeypatch):
    monkeypatch.setattr(beside.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(beside, "SIDE_BY_SIDE", Path("nowhere.py"))
    with pytest.raises(RowError, match=r"nowhere.py is not here: run from a clone"):
        beside.beside_torch(day, "srgan", "step")


def test_pytorch_s_rows_read_what_the_race_prints(day, monkeypatch):
    line = {"program": "torch.compile", "median_s": 0.02, "first_s": 9.0}
    lines = [line, line | {"program": "torch", "median_s": 0.03}]
    monkeypatch.setattr(beside.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(Day, "child", lambda *_, **__: "\n".join(map(json.dumps, lines)))
    day.book.write("step_resident", {"ms": 14.0})
    measured = {row.entry.name: row.measure for row in table()}["torch_step"](day)
    assert (measured["torch_ms"], measured["torch_compile_ms"]) == (30.0, 20.0)
    assert measured["ratio"] == pytest.approx(0.7)


def test_packages_are_listed_with_what_is_missing(monkeypatch, capsys):
    there = environment.installed.distribution

    def distribution(name):
        if name == "optax":
            raise environment.installed.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(environment.installed, "distribution", distribution)
    door.main(["--wheels"])
    said = capsys.readouterr().out
    assert "missing here: optax\n" in said and "pip download" in said
    assert f"flax=={there('flax').version}" in said and "compiled" in said
    assert " jax==" not in said  # comes with the machine


def test_goldens_come_from_a_cpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with pytest.raises(ValueError, match="goldens come from a CPU, not gpu"):
        parity.make_golden()
    assert parity.GOLDEN.stat().st_size < 100_000


def test_the_script_passes_its_flags_on(tmp_path):
    words = ["bash", str(ROOT / "launch/gpu_day.sh"), "--dry", "--out", "here"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    said = subprocess.run(
        words, env=clean | {"PYTHON": "echo"}, cwd=tmp_path, capture_output=True, text=True
    )
    assert said.stdout == f"-m launch.gpu_day --dry --out here --out {tmp_path}/here\n"


@pytest.mark.skipif("QSR_TEST_LONG" not in os.environ, reason="QSR_TEST_LONG=1: a walk of a minute")
def test_all_of_it_tiny(tmp_path):
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    before = spent.ru_utime + spent.ru_stime
    done = subprocess.run(
        ["bash", str(ROOT / "launch/gpu_day.sh"), "--dry", "--out", str(tmp_path)],
        env=os.environ | {"PYTHON": sys.executable, "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
    )
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert spent.ru_utime + spent.ru_stime - before <= DRY_S
    rows = json.loads((tmp_path / "gpu_day.json").read_text())["rows"]
    bare = importlib.util.find_spec("torch") is None
    allowed = {name for name in rows if bare and name.startswith("torch_")}
    failed = {name for name, row in rows.items() if "error" in row}
    assert failed <= allowed, done.stdout + done.stderr
    assert len(rows) == len(table())


def test_what_pytorch_tries_holds_the_crop_of_the_default_page():
    assert load_config("default").data.crop <= beside.DRY_SIDES["default"]
