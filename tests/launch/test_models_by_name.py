"""The doors of model files: export, models, and predict by a model's name."""

import shutil

import numpy as np
import pytest
from dicom_factory import fast_geometry, write_subject
from small_predictors import save, small_predictor

import qsr_jax
import qsr_jax.pretrained as pretrained
from launch import export, models, predict
from qsr_jax.data.dicom import read_series
from qsr_jax.predictors import load_predictor

PLACE = fast_geometry(32)
GRID = {"lr_shape": [32, 32], "lr_spacing_mm": list(PLACE.spacing_mm)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workdir, and what the door exported from it: a file and its card."""
    root = tmp_path_factory.mktemp("made")
    (root / "pretrained").mkdir()
    settings = qsr_jax.load_experiment("srgan", {"seed": 5, "map": "t2"}).leaves()
    save(root / "run", small_predictor(), config=settings, **GRID)
    (root / "words.md").write_text("# x\n\nSmall and drawn.\n\n## Limits\n\nEverything.\n")
    words = ["--workdir", str(root / "run"), "--card", str(root / "words.md")]
    export.main([*words, "--out", str(root / "pretrained" / "tiny.safetensors")])
    return root


@pytest.fixture
def shipped(made, tmp_path, monkeypatch):
    """A package that ships this one model."""
    folder = shutil.copytree(made / "pretrained", tmp_path / "pretrained")
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    return folder


def test_export_writes_a_file_and_a_card_that_keeps_what_was_written_in(
    made, shipped, tmp_path, capsys
):
    words = ["--workdir", str(made / "run"), "--out", str(shipped / "tiny.safetensors")]
    export.main(words)
    assert "not stated yet: Data, Numbers, Licence\n" in capsys.readouterr().out
    card = (shipped / "tiny.md").read_text()
    assert "Small and drawn." in card and "## Limits\n\nEverything." in card
    command = "qsr train --config srgan --config.map=t2 --config.seed=5 --data_dir RECORDS"
    assert f"{command} --workdir DIR\n" in card
    (shipped / "tiny.md").write_text(card.replace("(not stated)", "Now it is."))
    export.main(words)
    assert "not stated" not in capsys.readouterr().out
    assert "## Licence\n\nNow it is." in (shipped / "tiny.md").read_text()
    save(tmp_path / "other", small_predictor(seed=1), **GRID)
    words[1] = str(tmp_path / "other")
    with pytest.raises(SystemExit, match="error: .*tiny.safetensors: holds something else"):
        export.main(words)
    with pytest.raises(SystemExit, match="error: config nopage: no such file"):
        export.main([*words[:3], str(tmp_path / "o.safetensors"), "--config", "nopage"])


def test_settings_that_no_page_gives_have_no_command():
    settings = qsr_jax.load_experiment("srgan").leaves()
    assert export.retraining_command(settings | {"model.gone": 1}, "srgan") == ""
    assert export.retraining_command(settings | {"data.crop": "x"}, "srgan") == ""
    fewer = {key: value for key, value in settings.items() if not key.startswith("loss.terms.gan")}
    assert export.retraining_command(fewer, "srgan") == ""
    older = {key: value for key, value in settings.items() if key != "data.flip"}
    assert export.retraining_command(older, "srgan").startswith("qsr train --config srgan --data_d")
    said = export.retraining_command(settings | {"discriminator.features": [4, 4]}, "srgan")
    assert "'--config.discriminator.features=(4, 4)'" in said


def test_the_models_that_ship_are_listed_and_shown(shipped, capsys, monkeypatch, tmp_path):
    capsys.readouterr()
    models.main([])
    first, summary, size = capsys.readouterr().out.splitlines()
    assert first.startswith("tiny: T1, 32 x 32 to 64 x 64, slices 5 mm apart")
    assert first.endswith("target routine") and summary == "  Small and drawn."
    digest = (shipped / "tiny.md").read_text().split("sha256 of the file | `")[1][:64]
    assert size.endswith(f"MB, sha256 {digest}")
    models.main(["tiny"])
    assert capsys.readouterr().out.startswith("# tiny\n\nSmall and drawn.")
    with pytest.raises(SystemExit, match="error: tiyn: no such model; .*Did you mean tiny"):
        models.main(["tiyn"])
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "none")
    models.main([])
    assert "no models ship" in capsys.readouterr().out


def test_a_name_predicts_what_its_workdir_predicts(made, shipped, tmp_path, capsys):
    """One scan by name; a cohort begun by name goes on from a copy of the file."""
    write_subject(tmp_path / "scans" / "sub-1", seed=1)
    source = tmp_path / "scans" / "sub-1"
    words = ["--input", str(source), "--output"]
    predict.main(["--model", "tiny", *words, str(tmp_path / "named")])
    predict.main(["--workdir", str(made / "run"), *words, str(tmp_path / "trained")])
    named, trained = (read_series(tmp_path / name).volume.maps for name in ("named", "trained"))
    np.testing.assert_array_equal(named, trained)
    said = (tmp_path / "named" / "001.dcm").read_bytes()
    assert load_predictor("tiny").weights_sha256.encode() in said and b"shipped as tiny" in said
    copy = shutil.copy(shipped / "tiny.safetensors", tmp_path / "copy.safetensors")
    cohort = ["--cohort", str(tmp_path / "scans"), "--output", str(tmp_path / "all")]
    predict.main(["--model", "tiny", *cohort])
    capsys.readouterr()
    predict.main(["--model", str(copy), *cohort])
    assert "0 scans predicted, 1 were there before" in capsys.readouterr().out


def test_a_scan_of_another_protocol_is_sent_to_finetune(shipped, tmp_path):
    write_subject(tmp_path / "sub-1", seed=1, side=16)
    words = ["--input", str(tmp_path / "sub-1" / "fast_t1"), "--output", str(tmp_path / "o")]
    with pytest.raises(SystemExit, match="trained on 32 x 32 images, .*16 x 16; `qsr finetune`"):
        predict.main(["--model", "tiny", *words])
    with pytest.raises(SystemExit, match=r"tiyn: no such model; .*ships \(tiny\). Did you mean"):
        predict.main(["--model", "tiyn", *words])
