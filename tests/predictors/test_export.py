"""A workdir as one file: the same predictions, bit for bit, and nothing of a person's places."""

import shutil

import numpy as np
import pytest
from small_predictors import MODELS, save, scan, small_predictor
from test_spread_predicted import factors

from qsr_jax.checkpoint import BEST, CheckpointError, load_document, read_model_file
from qsr_jax.checkpoint.model_file import write_model_file
from qsr_jax.predictors import load_predictor
from qsr_jax.predictors.export import export_model
from qsr_jax.predictors.opened import SPREAD, UNCALIBRATED
from qsr_jax.tasks.spread import write_calibrations

ALL = ("t1", "t2", "pd")
LEARNED = {"salt": "s", "subjects": ["a" * 16], "values": ["b" * 16]}
SETTINGS = {"seed": 3, "vgg.path": "/home/anna/vgg.npz", "compile.cache_dir": "C:\\anna\\compiled"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A workdir of a network that tells its spread, with a newest checkpoint and a best one."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "residual", MODELS["residual"] | {"spread": True})
        predictor = small_predictor("residual", names=ALL, margin=2, log_maps=("t2",))
        about = {"learned": LEARNED, "config": SETTINGS}
        for which in ("latest", BEST):
            save(root / "run", predictor, "residual", which=which, **about)
    return root / "run"


@pytest.fixture
def workdir(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "run")


def test_a_file_predicts_what_its_workdir_predicts(workdir, tmp_path, rng):
    write_calibrations(workdir, {10: factors(0.1 + 0.2)})
    out = tmp_path / "model.safetensors"
    export_model(workdir, out)
    theirs = load_predictor(workdir)
    mine, volume = load_predictor(out), scan(rng, ALL)
    made, expected = mine(volume), theirs(volume)
    np.testing.assert_array_equal(made.mean, expected.mean)
    np.testing.assert_array_equal(made.std, expected.std)
    assert made.std.min() > 0
    for fact in ("weights_sha256", "description", "notes", "task", "lr_shape", "calibration"):
        assert getattr(mine, fact) == getattr(theirs, fact)
    export_model(workdir, out)  # again: the same bytes, so nothing to refuse


def test_the_document_travels_without_a_person_s_places(workdir, tmp_path):
    export_model(workdir, tmp_path / "model.safetensors")
    step, held = load_document(tmp_path / "model.safetensors")
    mine = load_document(workdir)
    expected = {"seed": 3, "vgg.path": "vgg.npz", "compile.cache_dir": "compiled"}
    assert (step, held) == (10, mine[1] | {"config": expected})
    assert held["learned"] == LEARNED
    assert b"anna" not in (tmp_path / "model.safetensors").read_bytes()


def test_the_best_stays_the_best_and_the_uncalibrated_says_so(workdir, tmp_path):
    out = tmp_path / "model.safetensors"
    export_model(workdir, out, which=BEST)
    found = load_predictor(out)
    assert found.description.endswith("10 training steps, chosen on validation subjects")
    assert found.notes == ("drawn weights", UNCALIBRATED)
    assert SPREAD not in read_model_file(out).extras


def test_a_calibration_that_is_none_is_refused(workdir, tmp_path):
    export_model(workdir, tmp_path / "model.safetensors")
    held = read_model_file(tmp_path / "model.safetensors")
    bad = tmp_path / "bad.safetensors"
    write_model_file(bad, step=held.step, document=held.document, variables=held.network,
                     extras={SPREAD: {"t1": [1.0]}}, arrays={})  # fmt: skip
    with pytest.raises(CheckpointError, match="bad.safetensors: no calibration of spreads"):
        load_predictor(bad)


def test_what_is_no_workdir_is_told(workdir, tmp_path):
    export_model(workdir, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="expected the workdir of a training, a folder"):
        export_model(tmp_path / "model.safetensors", tmp_path / "again.safetensors")
