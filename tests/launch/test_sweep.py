"""A grid of runs: what it trains, keeps, gathers and refuses."""

import csv
import json
import threading
from pathlib import Path

import pytest
from walk_fixtures import QUICKLY

from launch import sweep
from qsr_jax.checkpoint import load_document

ROOT = Path(__file__).parents[2]
SMALL = [
    "--config.schedule.steps=2",
    "--config.schedule.warmup_steps=2",
    "--config.schedule.frozen_norm_steps=0",
    "--config.data.batch_size=4",
    "--config.data.crop=16",
    "--config.model.features=8",
    "--config.model.blocks=1",
    "--config.discriminator.features=(4,4,8,8)",
    "--config.vgg.layer=conv1_2",
]
"""One stage, the one that the walk compiles."""


def command(data_dir, out, *more):
    page = str(ROOT / "configs/quickstart_srgan.py")
    return ["--config", page, "--data_dir", str(data_dir), "--out", str(out), *more]


def table(out):
    with (out / sweep.TABLE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_grid_is_every_combination_in_order():
    runs = dict(sweep.grid([("map", ["t1", "pd"]), ("optimizer.learning_rate", ["1e-3", "1e-4"])]))
    assert list(runs) == [
        "map=t1,learning_rate=1e-3",
        "map=t1,learning_rate=1e-4",
        "map=pd,learning_rate=1e-3",
        "map=pd,learning_rate=1e-4",
    ]
    assert runs["map=pd,learning_rate=1e-4"] == {"map": "pd", "optimizer.learning_rate": "1e-4"}


def test_it_trains_one_by_one_keeps_what_is_finished_and_gathers(
    tiny_data, tmp_path, monkeypatch, capsys
):
    for name, value in {"PYTHONPATH": str(ROOT), **QUICKLY}.items():
        monkeypatch.setenv(name, value)
    grid = ["--over", "seed=0,1", *SMALL]
    sweep.main(command(tiny_data, tmp_path, *grid, "--only", "1"))
    rows = table(tmp_path)
    assert [(row["run"], row["step"]) for row in rows] == [("seed=0", "0"), ("seed=1", "2")]
    assert float(rows[1]["pooled_psnr_db"]) > 0
    assert load_document(tmp_path / "seed=1")[1]["config"]["seed"] == 1
    written = (tmp_path / "seed=1" / "config.json").stat().st_mtime_ns
    sweep.main(command(tiny_data, tmp_path, *grid))
    assert [row["step"] for row in table(tmp_path)] == ["2", "2"]
    assert (tmp_path / "seed=1" / "config.json").stat().st_mtime_ns == written
    assert "already trained" in (tmp_path / "seed=1.log").read_text()


def test_a_failing_run_is_told_and_the_table_still_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(SystemExit) as stopped:
        sweep.main(command(tmp_path / "nothing", tmp_path / "out", "--over", "seed=0"))
    assert stopped.value.code == 1
    assert "seed=0 (status 1, see seed=0.log)" in capsys.readouterr().err
    assert "error: " in (tmp_path / "out" / "seed=0.log").read_text()
    assert table(tmp_path / "out")[0]["step"] == "0"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--over", "seed"], "expected KEY=VALUE"),
        (["--over", "seed=1,,2"], "expected KEY=VALUE"),
        (["--over", "seed=1", "--parallel", "0"], "'0': expected 1 or more"),
        (["--over", "seed=1", "--parallel", "two"], "'two': expected 1 or more"),
        (["--over", "seed=1", "--only", "1"], "--only 1: expected 0 to 0"),
        (["--over", "seed=1", "--paralel", "2"], "unrecognized arguments: --paralel 2"),
    ],
)
def test_mistyped_flags(more, says, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        sweep.main(command(tmp_path, tmp_path / "out", *more))
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_key_is_told_before_anything_runs(tmp_path):
    with pytest.raises(SystemExit, match="error: .*no key 'sed'; did you mean seed"):
        sweep.main(command(tmp_path, tmp_path / "out", "--over", "sed=0,1"))
    assert not (tmp_path / "out").exists()


def test_more_runs_at_a_time_than_gpus_are_refused_before_any_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    grid = ["--over", "seed=0,1,2", "--parallel", "3"]
    with pytest.raises(SystemExit, match="error: --parallel 3: expected 1 to 2"):
        sweep.main(command(tmp_path, tmp_path / "out", *grid))
    assert not (tmp_path / "out").exists()


def test_each_run_gets_its_share_and_gives_it_back(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    seen, both = [], threading.Barrier(2, timeout=30)

    class Run:
        def __init__(self, command, *, env, **_):
            seen.append(env["CUDA_VISIBLE_DEVICES"])
            assert command[1:4] == ["-m", "qsr_jax", "train"]

        def wait(self, timeout=None):
            both.wait()  # two run side by side
            return 0

    monkeypatch.setattr(sweep.subprocess, "Popen", Run)
    sweep.main(command(tmp_path, tmp_path / "out", "--over", "seed=0,1,2,3", "--parallel", "2"))
    assert sorted(seen) == ["2", "2", "5", "5"]


def test_a_damaged_run_does_not_cost_the_others_their_line(tmp_path, capsys):
    run = {"map": "t1", "total_steps": 8, "batch_size": 4, "environment": {}}
    scores = {"step": 3, "group": "validation", "pooled_psnr_db": 30.5}
    train = {"step": 3, "group": "train", "images_per_second": 1.0}
    runs = {name: {"seed": name} for name in ("whole", "cut", "broken", "absent")}
    for name in ("whole", "cut", "broken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(run))
        lines = json.dumps(train) + "\n" + json.dumps(scores) + "\n"
        (tmp_path / name / "metrics.jsonl").write_text(lines)
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4')
    (tmp_path / "broken" / "run.json").write_text('{"map"')
    sweep.gather(tmp_path, runs)
    rows = {row["run"]: (row["step"], row["pooled_psnr_db"]) for row in table(tmp_path)}
    assert rows["whole"] == rows["cut"] == ("3", "30.5")
    assert rows["broken"] == rows["absent"] == ("0", "")
    assert "not in the table: " in capsys.readouterr().err


def test_a_tuple_is_one_value_of_an_axis():
    """Its commas stand inside parentheses."""
    axis = sweep._axis("discriminator.features=(4,4),(8,8),16")
    assert axis == ("discriminator.features", ("(4,4)", "(8,8)", "16"))
    assert sweep._axis("map=t1,t2") == ("map", ("t1", "t2"))
