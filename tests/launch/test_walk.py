"""The walk on a tiny cohort begins: train, be killed, go on; and mistakes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from walk_fixtures import QUICKLY, SAVE_EVERY, STEPS, arguments, run_with_full_disk

from launch import status, train
from qsr_jax.checkpoint import BEST, LATEST, load_document
from qsr_jax.checkpoint.seal import SEAL
from qsr_jax.predictors import load_predictor
from qsr_jax.training.metric_log import read_metrics
from qsr_jax.training.scores import SelectionScore
from qsr_jax.training.stopping import STOPPED

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("compiled_quickly")


def test_training_leaves_a_complete_record(trained, tiny_data):
    step, document = load_document(trained / "t1")
    assert step == STEPS
    assert document["maps"] == ["t1"]
    assert document["network_max"] == [4500.0]
    assert document["data_fingerprint"]
    assert len(document["learned"]["subjects"]) == 3  # two of train, one of validation
    assert len(document["learned"]["values"]) == 3 * 3 * 2
    assert "random" in document["notes"][0]
    lines = read_metrics(trained / "t1", "train")
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert "gan" not in lines[5]
    assert {"mae", "gan", "vgg", "gan_weighted", "p_real", "p_fake"} <= set(lines[6])
    validation = read_metrics(trained / "t1", "validation")
    assert [line["step"] for line in validation] == [6, 12]
    assert {"mae_ms", "bias_ms", "pooled_psnr_db", "baseline_pooled_psnr_db"} <= set(validation[0])


def test_a_finished_run_says_so(trained, tiny_data, capsys):
    train.main(arguments("t1", tiny_data, trained / "t1"))
    assert "already trained, 12 steps; nothing to do" in capsys.readouterr().out


def test_stopped_then_killed_and_rerun_ends_in_the_same_weights(trained, tiny_data, tmp_path):
    """SIGTERM, as a scheduler sends it: a step boundary, a checkpoint, a status of its own.

    Then SIGKILL once a later checkpoint stands; run again, every bit is that of the run in peace.
    """
    workdir, environment = tmp_path / "t1", os.environ | {"PYTHONPATH": str(ROOT)} | QUICKLY
    command = [sys.executable, "-m", "launch.train", *arguments("t1", tiny_data, workdir)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    wait_for(workdir / "metrics.jsonl", process)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == STOPPED, said
    step = int(re.search(r"stopped by SIGTERM after step (\d+) of 12", said)[1])
    assert load_document(workdir)[0] == step
    assert [line["step"] for line in read_metrics(workdir, "train")][-1] == step
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        later = SAVE_EVERY * (step // SAVE_EVERY + 1)
        wait_for(workdir / LATEST / str(later) / SEAL, process, tmp_path / "log")
        process.kill()
        process.wait()
    assert f"goes on after step {step}, bit for bit" in (tmp_path / "log").read_text()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"goes on after step \d+, bit for bit|already trained", done.stdout)
    mine, theirs = load_predictor(workdir), load_predictor(trained / "t1")
    assert mine.weights_sha256 == theirs.weights_sha256
    assert losses_of(workdir) == losses_of(trained / "t1")


def test_status_tells_where_a_run_stands(trained, capsys):
    status.main([str(trained / "t1"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["map"], found["step"], found["total_steps"]) == ("t1", STEPS, STEPS)
    assert found["latest"][0] == STEPS
    assert found["seconds_left"] == 0
    assert found["environment"]["packages"]["jax"]
    status.main([str(trained / "t1"), str(trained / "pd")])
    text = capsys.readouterr().out
    assert "step         12 of 12 (100 %)" in text
    assert text.count("validation   step 12: bias") == 2


def test_status_of_another_folder_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"error: .*no run\.json; expected the --workdir"):
        status.main([str(tmp_path)])


def test_the_best_is_kept_apart_with_its_scores(trained):
    step, document = load_document(trained / "t1", which=BEST)
    scores = {line["step"]: line for line in read_metrics(trained / "t1", "validation")}
    assert document["validation"]["pooled_psnr_db"] == pytest.approx(scores[step]["pooled_psnr_db"])
    merits = {k: SelectionScore.of(line) for k, line in scores.items()}
    assert not any(one.beats(merits[step], bias_percent=2.0) for one in merits.values())


def losses_of(workdir: Path) -> list[float]:
    return [line["total"] for line in read_metrics(workdir, "train")]


def wait_for(path: Path, process: subprocess.Popen, log: Path | None = None) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, "no checkpoint within two minutes"
        if process.poll() is not None:
            assert process.returncode == 0, "" if log is None else log.read_text()
            return  # finished before it could be killed: the rerun must then say so
        time.sleep(0.01)


def test_a_workdir_of_another_config_is_refused(trained, tiny_data):
    with pytest.raises(SystemExit, match="run with seed = 0, this config says 5"):
        train.main(arguments("t1", tiny_data, trained / "t1", "--config.seed=5"))


def test_a_workdir_of_other_data_is_refused(trained, tiny_cohort, tmp_path):
    from data_tools import build_dataset, pair_studies

    manifest = tmp_path / "manifest.json"
    cohort = str(tiny_cohort / "cohort")
    split = ["--test-fraction", "0", "--test", "sub-004", "--validation", "sub-005"]
    pair_studies.main(["--dicom", cohort, "--out", str(manifest), *split])
    build_dataset.main(["--manifest", str(manifest), "--data_dir", str(tmp_path / "records")])
    with pytest.raises(SystemExit, match=r"trained on data \w+…, --data_dir holds \w+…"):
        train.main(arguments("t1", tmp_path / "records", trained / "t1"))


def test_a_longer_schedule_may_be_allowed(trained, tiny_data, tmp_path, capsys):
    workdir = Path(shutil.copytree(trained / "pd", tmp_path / "pd"))
    longer = arguments("pd", tiny_data, workdir, f"--config.schedule.steps={STEPS + 1}")
    with pytest.raises(SystemExit, match=f"steps = {STEPS}, this config says {STEPS + 1}"):
        train.main(longer)
    train.main([*longer, "--allow-changed", "schedule.steps"])
    assert "bit for bit; changed and allowed: schedule.steps" in capsys.readouterr().out
    assert load_document(workdir)[0] == STEPS + 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (["--config.map=t9"], "map is 't9'; expected t1, t2, pd"),
        (["--config.vgg.weights=file"], "no VGG-19 weight file"),
        (["--config.data.batch_size=6"], "does not divide by 4 devices"),
        (["--config.data.batch_size=4000"], "the data set has"),
        (["--config.data.crop=65"], r"data.crop is 65; expected 0 \(whole slices\) to 64"),
        (["--config.vgg.layer=conv9_9"], "no layer 'conv9_9'"),
    ],
)
def test_settings_that_cannot_work_are_told(change, match, tiny_data, tmp_path):
    with pytest.raises(SystemExit, match=match):
        train.main(arguments("t1", tiny_data, tmp_path / "run", *change))


def test_a_run_that_never_began_does_not_claim_its_workdir(tiny_data, tmp_path):
    with pytest.raises(SystemExit, match="no layer"):
        train.main(arguments("t1", tiny_data, tmp_path, "--config.vgg.layer=conv9_9"))
    one_stage = ("steps=2", "warmup_steps=2", "frozen_norm_steps=0")
    words = (f"--config.schedule.{word}" for word in one_stage)
    train.main(arguments("t1", tiny_data, tmp_path, *words))


def test_a_missing_data_set_is_told(tmp_path):
    with pytest.raises(SystemExit, match=f"{tmp_path}/nowhere.*qsr build"):
        train.main(arguments("t1", tmp_path / "nowhere", tmp_path / "run"))


def test_a_full_disk_while_saving_is_told_and_leaves_no_checkpoint(tiny_data, tmp_path):
    workdir = tmp_path / "t1"
    only_saves = ("--config.cadence.log_every=12", "--config.cadence.validate_every=12")
    done = run_with_full_disk("train", arguments("t1", tiny_data, workdir, *only_saves))
    assert done.returncode == 1
    assert re.search(
        rf"^error: {workdir}/{LATEST}: a checkpoint could not be written ",
        done.stderr,
        re.MULTILINE,
    )
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert not [p for p in (workdir / LATEST).iterdir() if p.name.isdigit()]


def test_a_full_disk_while_recording_is_told(tiny_data, tmp_path):
    done = run_with_full_disk("train", arguments("t1", tiny_data, tmp_path / "t1"))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert f"while recording: '{tmp_path}/t1/tensorboard'" in last
