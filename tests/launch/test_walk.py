"""The whole walk on a tiny cohort: train, be killed, go on, predict, evaluate; and mistakes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest

from launch import evaluate, predict, status, train
from launch.bench import data, door, material
from qsr_jax.checkpoint import BEST, LATEST, load_document
from qsr_jax.checkpoint.seal import SEAL
from qsr_jax.data.dicom import read_series
from qsr_jax.maps import MAPS
from qsr_jax.predictors import load_predictor
from qsr_jax.provenance import software_version
from qsr_jax.training.metric_log import read_metrics
from qsr_jax.training.scores import SelectionScore
from qsr_jax.training.stopping import STOPPED

ROOT = Path(__file__).parents[2]
STEPS, SAVE_EVERY = 12, 3


def arguments(map_name: str, data_dir: Path, workdir: Path, *more: str) -> list[str]:
    return [
        "--config",
        str(ROOT / "configs/quickstart.py"),
        f"--config.map={map_name}",
        f"--config.schedule.steps={STEPS}",
        "--config.schedule.warmup_steps=6",
        "--config.schedule.frozen_norm_steps=3",
        "--config.data.batch_size=4",
        "--config.data.crop=16",
        "--config.model.features=8",
        "--config.model.blocks=1",
        "--config.discriminator.features=(4,4,8,8)",
        "--config.vgg.layer=conv1_2",
        "--config.cadence.log_every=1",
        "--config.cadence.validate_every=6",
        f"--config.cadence.save_every={SAVE_EVERY}",
        *more,
        "--data_dir",
        str(data_dir),
        "--workdir",
        str(workdir),
    ]


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory) -> Path:
    """One workdir per map, trained without interruption."""
    root = tmp_path_factory.mktemp("trained")
    for name in MAPS:
        train.main(arguments(name, tiny_data, root / name))
    return root


@pytest.fixture(scope="module")
def patient(tiny_cohort) -> Path:
    """The study folder of the simulated patient (a test subject)."""
    return tiny_cohort / "cohort" / "sub-007"


# --- training -------------------------------------------------------------------------------------


def test_training_leaves_a_complete_record(trained, tiny_data):
    step, document = load_document(trained / "t1")
    assert step == STEPS
    assert document["maps"] == ["t1"]
    assert document["network_max"] == [4500.0]
    assert document["data_fingerprint"]
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


@pytest.mark.parametrize("kills", [1, 2])
def test_killed_and_rerun_ends_in_the_same_weights(kills, trained, tiny_data, tmp_path):
    """SIGKILL once a checkpoint stands, run again, and compare every bit with the run in peace."""
    workdir, environment = tmp_path / "t1", os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "launch.train", *arguments("t1", tiny_data, workdir)]
    for kill in range(kills):
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        wait_for(workdir / LATEST / str(SAVE_EVERY * (1 + kill)) / SEAL, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"goes on after step \d+, bit for bit", done.stdout)
    mine, theirs = load_predictor(workdir), load_predictor(trained / "t1")
    assert mine.weights_sha256 == theirs.weights_sha256
    assert losses_of(workdir) == losses_of(trained / "t1")


def test_asked_to_stop_it_saves_and_goes_on_to_the_same_weights(trained, tiny_data, tmp_path):
    """SIGTERM, as a scheduler sends it: a step boundary, a checkpoint, a status of its own."""
    workdir, environment = tmp_path / "t1", os.environ | {"PYTHONPATH": str(ROOT)}
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
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert f"goes on after step {step}, bit for bit" in done.stdout, done.stderr
    mine, theirs = load_predictor(workdir), load_predictor(trained / "t1")
    assert mine.weights_sha256 == theirs.weights_sha256


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


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, "no checkpoint within two minutes"
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read().decode()
            return  # finished before it could be killed: the rerun must then say so
        time.sleep(0.01)


def test_a_workdir_of_another_config_is_refused(trained, tiny_data):
    with pytest.raises(SystemExit, match="run with seed = 0, this config says 5"):
        train.main(arguments("t1", tiny_data, trained / "t1", "--config.seed=5"))


def test_a_workdir_of_other_data_is_refused(trained, tiny_cohort, tmp_path):
    from data_tools import build_dataset, pair_studies

    manifest = tmp_path / "manifest.json"
    cohort = str(tiny_cohort / "cohort")
    split = ["--test-fraction", "0.5", "--validation-fraction", "0.16", "--seed", "1"]
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
    train.main(arguments("t1", tiny_data, tmp_path, "--config.schedule.steps=6"))


def test_a_missing_data_set_is_told(tmp_path):
    with pytest.raises(SystemExit, match=f"{tmp_path}/nowhere.*data_tools.build_dataset"):
        train.main(arguments("t1", tmp_path / "nowhere", tmp_path / "run"))


# --- prediction -----------------------------------------------------------------------------------


def test_one_series_in_one_series_out(trained, patient, tmp_path, capsys):
    out = tmp_path / "sr_t1"
    words = ["--workdir", str(trained / "t1"), "--input", str(patient / "fast_t1")]
    predict.main([*words, "--output", str(out)])
    assert str(out) in capsys.readouterr().out
    source, result = read_series(patient / "fast_t1"), read_series(out)
    assert result.map_name == "t1"
    assert result.volume.geometry.shape == (6, 128, 128)
    assert (result.patient_id, result.study_uid) == (source.patient_id, source.study_uid)
    assert result.series_uid != source.series_uid
    expected = load_predictor(trained / "t1")(source.volume)
    np.testing.assert_allclose(result.volume.maps, expected.mean, atol=0.05 + 1e-3)
    routine = read_series(patient / "routine_t1").volume.geometry
    np.testing.assert_allclose(result.volume.geometry.origin_mm, routine.origin_mm, atol=1e-3)


def test_a_whole_study_with_three_models(trained, patient, tmp_path):
    models = [word for name in MAPS for word in ("--workdir", str(trained / name))]
    predict.main([*models, "--input", str(patient), "--output", str(tmp_path / "sr")])
    for name in MAPS:
        assert read_series(tmp_path / "sr" / name).map_name == name
    assert {p.name for p in tmp_path.iterdir()} == {"sr"}


def test_the_derived_series_says_where_it_comes_from(trained, patient, tmp_path):
    out = tmp_path / "sr"
    words = ["--workdir", str(trained / "pd"), "--input", str(patient / "fast_pd")]
    predict.main([*words, "--output", str(out)])
    header = pydicom.dcmread(out / "001.dcm", stop_before_pixels=True)
    sha256 = load_predictor(trained / "pd").weights_sha256
    assert sha256 in header.DerivationDescription
    assert "not for diagnostic use" in header.DerivationDescription
    assert software_version() in str(header.ContributingEquipmentSequence[0].SoftwareVersions)
    mapping = header.RealWorldValueMappingSequence[0]
    assert float(mapping.RealWorldValueSlope) == float(header.RescaleSlope) == 0.1
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "%"


def test_the_best_checkpoint_may_be_asked_for(trained, patient, tmp_path):
    """In a workdir where nothing but the best is left."""
    shutil.copytree(trained / "pd" / BEST, tmp_path / "pd" / BEST)
    words = ["--workdir", str(tmp_path / "pd"), "--input", str(patient / "fast_pd")]
    with pytest.raises(SystemExit, match="no complete checkpoint in latest/"):
        predict.main([*words, "--output", str(tmp_path / "sr")])
    predict.main([*words, "--output", str(tmp_path / "sr"), "--checkpoint", BEST])
    said = pydicom.dcmread(tmp_path / "sr" / "001.dcm").DerivationDescription
    step, _ = load_document(trained / "pd", which=BEST)
    assert f"{step} training steps, chosen on validation subjects" in said


@pytest.mark.parametrize(
    ("series", "match"),
    [
        ("fast_t2", "trained on t1, the scan is t2"),
        ("routine_t1", "trained on 64 x 64 images, the scan has 128 x 128"),
        ("nothing", "no such folder"),
        ("truth", "holds no DICOM files"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(series, match, trained, patient, tmp_path):
    out = tmp_path / "out"
    words = ["--workdir", str(trained / "t1"), "--input", str(patient / series)]
    with pytest.raises(SystemExit, match=match):
        predict.main([*words, "--output", str(out)])
    assert not out.exists()


def test_a_missing_slice_is_refused(trained, patient, tmp_path):
    source, out = tmp_path / "gap", tmp_path / "out"
    source.mkdir()
    for file in sorted((patient / "fast_t1").iterdir()):
        (source / file.name).write_bytes(file.read_bytes())
    (source / "003.dcm").unlink()
    with pytest.raises(SystemExit, match="ImagePositionPatient"):
        predict.main(
            ["--workdir", str(trained / "t1"), "--input", str(source), "--output", str(out)]
        )
    assert not out.exists()


def test_an_existing_output_is_left_alone(trained, patient, tmp_path):
    words = ["--workdir", str(trained / "t1"), "--input", str(patient / "fast_t1")]
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SystemExit, match="exist"):
        predict.main([*words, "--output", str(tmp_path)])
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_untrained_workdir_is_told(patient, tmp_path):
    words = ["--workdir", str(tmp_path), "--input", str(patient / "fast_t1")]
    with pytest.raises(SystemExit, match="holds no trained model"):
        predict.main([*words, "--output", str(tmp_path / "out")])


def test_two_models_of_one_map_are_refused(trained, patient, tmp_path):
    twice = ["--workdir", str(trained / "t1")] * 2
    with pytest.raises(SystemExit, match="same map"):
        predict.main([*twice, "--input", str(patient), "--output", str(tmp_path / "out")])


NO_CUT_PROGRAMS = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1e9"}
"""Reads the suite's compiled programs but writes none: a cut one would be in the others' way."""


def run_with_full_disk(door: str, words: list[str]) -> subprocess.CompletedProcess:
    """Runs a door in a process whose files may not grow past 10 KiB."""
    limited = ["bash", "-c", 'ulimit -f 10; exec "$@"', "limited"]
    return subprocess.run(
        [*limited, sys.executable, "-m", f"launch.{door}", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | NO_CUT_PROGRAMS,
        capture_output=True,
        text=True,
    )


def test_a_full_disk_while_predicting_leaves_nothing(trained, patient, tmp_path):
    out = tmp_path / "deep" / "sr"
    words = ["--workdir", str(trained / "t1"), "--input", str(patient / "fast_t1")]
    done = run_with_full_disk("predict", [*words, "--output", str(out)])
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert str(out) in done.stderr
    assert not out.exists()
    assert not list(tmp_path.rglob("*.dcm"))


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


# --- evaluation and benchmarks --------------------------------------------------------------------


def test_the_report_comes_from_the_walk(trained, tiny_cohort, tmp_path, capsys):
    models = [word for name in MAPS for word in ("--workdir", str(trained / name))]
    out = tmp_path / "report"
    evaluate.main(["--manifest", str(tiny_cohort / "manifest.json"), *models, "--out", str(out)])
    assert str(out / "index.html") in capsys.readouterr().out
    assert "random" in (out / "index.html").read_text("utf-8")
    assert json.loads((out / "tables.json").read_text("utf-8"))


@pytest.mark.parametrize("what", ["step", "input", "predict", "ingest", "simulate"])
@pytest.mark.parametrize("with_data", [False, True])
def test_benchmarks_print_json_lines(what, with_data, tiny_data, capsys, monkeypatch):
    monkeypatch.setattr(material, "SIDE", 64)
    monkeypatch.setattr(material, "SLICES", 4)
    words = arguments("t1", tiny_data, Path("unused"))[:-4]  # config and overrides alone
    words += ["--what", what, "--repeats", "2"]
    if with_data:
        words += ["--data_dir", str(tiny_data)]
        if what != "input":
            with pytest.raises(SystemExit) as stopped:
                door.main(words)
            assert stopped.value.code == 2
            return
    monkeypatch.setitem(data.PROTOCOLS, "paper", data.PROTOCOLS["tiny"])
    door.main(words)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"device", "jax"} <= set(rows[0])
    assert len(rows) == {"step": 2, "input": 1, "predict": 2, "ingest": 2, "simulate": 1}[what]
    measured = "ratio_to_plain_loop" if what == "ingest" else "median_s"
    assert all(row["what"] == what and row[measured] > 0 for row in rows)
    if what != "ingest":
        assert {"first_s", "quartiles_s", "peak_memory_mib"} <= set(rows[0])
    if what == "input":
        assert rows[0]["ratio_to_bare_arrays"] > 0
