"""In which precision a prediction multiplies: asked for, told in what is written, same on a CPU."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pydicom
import pytest
from small_predictors import SHAPE, Doubler, save, scan, small_predictor

from launch import predict as door
from launch.bench.material import write_scan
from qsr_jax.predictors import Models, load_predictor, load_predictors, predict
from qsr_jax.predictors.batched import super_resolve
from qsr_jax.predictors.cohort import predict_cohort
from qsr_jax.predictors.ensemble import Ensemble
from qsr_jax.predictors.scans import scans_below


@pytest.mark.parametrize(
    ("words", "wanted"), [({}, "HIGHEST"), ({"precision": "tf32"}, "HIGH")], ids=["usual", "tf32"]
)
def test_every_convolution_is_asked_for_in_it(words, wanted):
    """JAX's "highest" is float32 everywhere, "high" TF32 on a GPU; read from the program."""
    one = small_predictor("residual")
    text = str(
        jax.make_jaxpr(
            lambda v, x: super_resolve(v, x, network=one.network, task=one.task, **words)
        )(one.variables, jnp.zeros((4, *SHAPE, 1)))
    )
    products = re.findall(r"precision=\(?(?:Precision\.)?(\w+)", text)
    assert wanted == "HIGH" or set(products) == {wanted}, "matrix products, too"
    convolution = r"conv_general_dilated\[.*?precision=\(?(?:Precision\.)?(\w+)"
    asked = re.findall(convolution, text, flags=re.DOTALL)
    assert len(asked) == text.count("conv_general_dilated[") >= 5
    assert set(asked) == {wanted}


@pytest.mark.parametrize("name", ["residual", "srgan"])
def test_on_a_cpu_both_have_the_same_bits(name, rng):
    exact, volume = small_predictor(name), scan(rng, slices=2)
    rough = dataclasses.replace(exact, precision="tf32")
    np.testing.assert_array_equal(rough(volume).mean, exact(volume).mean)


def test_loaded_models_keep_what_was_asked_for(tmp_path):
    folders = [save(tmp_path / str(n), small_predictor(seed=n)) for n in (0, 1)]
    assert load_predictor(folders[0]).precision == "float32"
    (both,) = load_predictors(folders, ensemble=True, precision="tf32")
    assert both.precision == "tf32"
    (one,) = Models((folders[0],), "latest", precision="tf32")()
    mixed = Ensemble((one, load_predictor(folders[1])))
    assert mixed.precision == "tf32 and float32"
    with pytest.raises(ValueError, match="precision is 'fp16'; expected one of float32, tf32"):
        load_predictor(folders[0], precision="fp16")


def test_what_is_written_says_it(tmp_path, monkeypatch):
    write_scan(tmp_path / "fast_t1", "t1", "fast")
    loaded = lambda _, *, precision, **__: [Doubler(precision=precision)]  # noqa: E731
    monkeypatch.setattr(door, "load_predictors", loaded)
    words = ["--workdir", "a", "--input", str(tmp_path / "fast_t1"), "--output"]
    for flags, said in (([], "float32"), (["--precision", "tf32"], "tf32")):
        door.main([*words, str(tmp_path / said), *flags])
        header = pydicom.dcmread(tmp_path / said / "001.dcm", stop_before_pixels=True)
        assert f"products asked for in {said};" in header.DerivationDescription
    model = Doubler(precision="tf32")
    predict(model, tmp_path / "fast_t1", tmp_path / "bids", format="nifti", subject="01")
    car = json.loads(next((tmp_path / "bids").rglob("*T1map.json")).read_text())
    assert "products asked for in tf32;" in car["EstimationAlgorithm"]


def rough():
    return [Doubler(precision="tf32")]


def exact():
    return [Doubler()]


def test_a_cohort_is_not_gone_on_with_in_another(tmp_path):
    write_scan(tmp_path / "tree" / "sub-1" / "fast_t1", "t1", "fast")
    scans, _ = scans_below(tmp_path / "tree", kind="dicom", rows=())
    predict_cohort(exact, scans, tmp_path / "out", format="dicom")
    with pytest.raises(ValueError, match="was predicted otherwise"):
        predict_cohort(rough, scans, tmp_path / "out", format="dicom")


def test_weighted_images_have_float32_alone(tmp_path):
    words = ["--model", "weighted", "--t1w", "a", "--t2w", "b", "--flair", "c"]
    with pytest.raises(SystemExit, match="--precision, 1 models; weighted images take one model"):
        door.main([*words, "--precision", "tf32", "--output", str(tmp_path / "out")])
