"""A status is told of runs that were cut short, damaged, or on a machine whose clock jumped."""

import json
import os
import time

import pytest

from launch import status

RUN = {"map": "t1", "total_steps": 8, "batch_size": 4, "environment": {}}
TRAIN = {
    "step": 2,
    "group": "train",
    "total": 0.5,
    "mae": 0.4,
    "mae_weighted": 0.4,
    "images_per_second": 8.0,
    "data_wait_share": 0.1,
}


@pytest.fixture
def workdir(tmp_path):
    """A run of two steps, as the trainer leaves it."""
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "metrics.jsonl").write_text(json.dumps(TRAIN) + "\n")
    return tmp_path


def told(workdir, capsys):
    status.main([str(workdir)])
    return capsys.readouterr().out


def test_what_is_left_at_its_speed(workdir, capsys):
    said = told(workdir, capsys)
    assert "step         2 of 8 (25 %)" in said
    assert "0:00:03 left at its speed" in said
    assert "loss         total 0.5, mae 0.4" in said


def test_a_half_written_line_is_left_out(workdir, capsys):
    with (workdir / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4, "group": "tr')
    assert "step         2 of 8" in told(workdir, capsys)


def test_a_damaged_line_is_told_and_the_rest_too(workdir, capsys):
    later = json.dumps(TRAIN | {"step": 6})
    with (workdir / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4, "gr\n' + later + "\n")
    said = told(workdir, capsys)
    assert "step         6 of 8" in said
    assert "damaged      line 2 of metrics.jsonl" in said


@pytest.mark.parametrize("ahead_s", [86397, 2])
def test_a_clock_set_back_is_said_and_no_age_below_zero(workdir, ahead_s, capsys):
    later = time.time() + ahead_s
    os.utime(workdir / "metrics.jsonl", (later, later))
    said = told(workdir, capsys)
    assert "the clock was set back" in said
    assert "-" not in said.split("last line")[1].split("\n")[0]
    assert status.status(workdir)["seconds_since_last_line"] is None


def test_a_run_that_has_not_logged_yet(workdir, capsys):
    (workdir / "metrics.jsonl").unlink()
    assert "step         0 of 8 (0 %)" in told(workdir, capsys)


def test_json_has_no_nan(workdir, capsys):
    (workdir / "metrics.jsonl").write_text(json.dumps(TRAIN | {"total": float("nan")}) + "\n")
    status.main([str(workdir), "--json"])

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found["train"]["total"] is None


def test_a_speed_of_nothing_promises_nothing(workdir, capsys):
    (workdir / "metrics.jsonl").write_text(json.dumps(TRAIN | {"images_per_second": 0.0}) + "\n")
    assert "left at its speed" not in told(workdir, capsys)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"map": "t1", "tot', "run.json: damaged"),
        ("", "run.json: damaged"),
        ("[]", "run.json: damaged"),
        ('{"map": "t1"}', "run.json: lacks batch_size, environment, total_steps"),
    ],
)
def test_a_damaged_run_file_is_named_and_the_other_runs_told(workdir, text, says, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(text)
    with pytest.raises(SystemExit, match=f"error: .*other/{says}"):
        status.main([str(other), str(workdir)])
    assert "step         2 of 8" in capsys.readouterr().out


def test_each_workdir_that_cannot_be_read_is_told(workdir, tmp_path, capsys):
    folders = [str(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(SystemExit, match=r"error: .*b: no run\.json"):
        status.main(folders)
    assert "a: no run.json" in capsys.readouterr().err
