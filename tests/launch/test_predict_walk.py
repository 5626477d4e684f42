"""The walk goes on: trained models predict series and whole studies, and are evaluated."""

import json
import shutil

import numpy as np
import pydicom
import pytest
from walk_fixtures import run_with_full_disk

from launch import evaluate, predict
from qsr_jax.checkpoint import BEST, load_document
from qsr_jax.data.dicom import read_series
from qsr_jax.maps import MAPS
from qsr_jax.predictors import load_predictor
from qsr_jax.provenance import software_version


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


def test_a_full_disk_while_predicting_leaves_nothing(trained, patient, tmp_path):
    out = tmp_path / "deep" / "sr"
    words = ["--workdir", str(trained / "t1"), "--input", str(patient / "fast_t1")]
    done = run_with_full_disk("predict", [*words, "--output", str(out)])
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert str(out) in done.stderr
    assert not out.exists()
    assert not list(tmp_path.rglob("*.dcm"))


# --- evaluation and benchmarks --------------------------------------------------------------------


def test_the_report_comes_from_the_walk(trained, tiny_cohort, tmp_path, capsys):
    models = [word for name in MAPS for word in ("--workdir", str(trained / name))]
    out = tmp_path / "report"
    evaluate.main(["--manifest", str(tiny_cohort / "manifest.json"), *models, "--out", str(out)])
    assert str(out / "index.html") in capsys.readouterr().out
    assert "random" in (out / "index.html").read_text("utf-8")
    assert json.loads((out / "tables.json").read_text("utf-8"))
