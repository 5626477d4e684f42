"""From a checkpoint's document back to the same network and the same numbers."""

import numpy as np
import pytest
from small_predictors import SHAPE, SPACING_MM, Doubler, save, scan, small_predictor

from qsr_jax.checkpoint import BEST, CheckpointError, variables_sha256
from qsr_jax.predictors import MismatchError, load, load_predictor, load_predictors

ALL = ("t1", "t2", "pd")


JOINT = {"names": ALL, "context": 3, "margin": 2, "log_maps": ("t2",), "alignment": "sample"}


@pytest.mark.parametrize(
    ("model", "options"), [("srgan", {}), ("residual", JOINT)], ids=["one map", "joint"]
)
def test_what_was_saved_predicts_the_same_bits(model, options, rng, tmp_path):
    predictor = small_predictor(model, **options)
    found = load_predictor(save(tmp_path, predictor, model))
    volume = scan(rng, predictor.names)
    np.testing.assert_array_equal(found(volume).mean, predictor(volume).mean)
    assert (found.network, found.task) == (predictor.network, predictor.task)
    assert (found.lr_shape, found.lr_spacing_mm) == (SHAPE, SPACING_MM)
    assert found.notes == ("drawn weights",)
    assert found.weights_sha256 == variables_sha256(predictor.variables)
    labels = "T1+T2+PD" if options else "T1"
    assert found.description == f"{model} {labels}, 10 training steps"


def test_the_best_may_be_asked_for(tmp_path):
    save(tmp_path, small_predictor(), which=BEST)
    found = load_predictor(tmp_path, which=BEST)
    assert found.description.endswith("10 training steps, chosen on validation subjects")
    with pytest.raises(CheckpointError, match="no complete checkpoint in latest/"):
        load_predictor(tmp_path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"network_max": [4000.0]}, "trained with T1 normalised by 4000.0 ms, this version uses"),
        ({"unit": ["s"]}, "normalised by 4500.0 s"),
        ({"objective": "denoising"}, "holds a denoiser, which makes no maps"),
    ],
)  # fmt: skip
def test_what_would_be_read_wrongly_is_refused(changes, match, tmp_path):
    save(tmp_path, small_predictor(), **changes)
    with pytest.raises(CheckpointError, match=match):
        load_predictor(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    other = {"name": "srgan", "features": 8, "blocks": 1, "norm_momentum": 0.9}
    save(tmp_path, small_predictor(), model=other)
    wanted = r"do not fit their document .*/mean: \(4,\), expected \(8,\)"
    with pytest.raises(CheckpointError, match=wanted):
        load_predictor(tmp_path)


class TestSeveral:
    """Workdirs that stand for models; nothing is read."""

    MODELS = {
        "t1": Doubler(names=("t1",), weights_sha256="1"),
        "t1b": Doubler(names=("t1",), weights_sha256="2"),
        "pd": Doubler(names=("pd",), weights_sha256="3"),
        "joint": Doubler(names=("t1", "t2"), weights_sha256="4"),
        "jointb": Doubler(names=("t1", "t2"), weights_sha256="5"),
    }

    @pytest.fixture(autouse=True)
    def without_disk(self, monkeypatch):
        monkeypatch.setattr(load, "load_predictor", lambda path, **_: self.MODELS[path])

    def test_stand_in_the_order_of_the_maps(self):
        assert load_predictors(["pd", "joint"]) == [self.MODELS["joint"], self.MODELS["pd"]]
        assert load_predictors(["pd", "t1"]) == [self.MODELS["t1"], self.MODELS["pd"]]

    @pytest.mark.parametrize("workdirs", [["t1", "t1b"], ["t1", "joint"]])
    def test_of_the_same_map_are_refused(self, workdirs):
        with pytest.raises(MismatchError, match="two of the same map; give one per map, or ask"):
            load_predictors(workdirs)

    def test_of_the_same_map_become_an_ensemble_when_asked(self):
        (made,) = load_predictors(["jointb", "joint"], ensemble=True)
        assert made.names == ("t1", "t2")
        assert made.members == (self.MODELS["jointb"], self.MODELS["joint"])
        with pytest.raises(MismatchError, match="an ensemble of 1; expected 2"):
            load_predictors(["t1", "t1b", "pd"], ensemble=True)

    def test_ensembles_of_overlapping_maps_are_refused(self):
        with pytest.raises(MismatchError, match="two of the same map"):
            load_predictors(["t1", "t1b", "joint", "jointb"], ensemble=True)
