"""Three maps by one network, through the doors of every other page; and five tries.

Train, resume, predict, evaluate. Then somebody has an idea: each takes one file and one line.
"""

import json
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch import evaluate, predict, train
from launch.config.build import experiment_of
from launch.config.page import load_config
from qsr_jax.checkpoint import load_document
from qsr_jax.data.dicom import read_series
from qsr_jax.maps import MAPS
from qsr_jax.models import NETWORKS
from qsr_jax.models.unet import UNet
from qsr_jax.predictors import load_predictor
from qsr_jax.training import run
from qsr_jax.training.metric_log import read_metrics

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("compiled_quickly")
PAGE = ROOT / "configs/joint_maps.py"
SMALL = {
    "schedule.steps": 6,
    "data.batch_size": 4,
    "data.crop": 12,
    "task.margin": 4,
    "model.features": 8,
    "model.blocks": 1,
    "cadence.log_every": 1,
    "cadence.validate_every": 3,
    "cadence.save_every": 3,
}


def flags(changes=None, page=PAGE):
    words = [f"--config.{key}={value}" for key, value in (SMALL | (changes or {})).items()]
    return ["--config", str(page), *words]


@pytest.fixture(scope="module")
def trained(compiled_quickly, tiny_data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("joint") / "t1+t2+pd"
    train.main([*flags(), "--data_dir", str(tiny_data), "--workdir", str(workdir)])
    return workdir


def test_three_maps_train_and_each_is_validated(trained):
    step, document = load_document(trained)
    assert (step, document["maps"]) == (6, ["t1", "t2", "pd"])
    assert document["task"]["log_maps"] == ["t2"]
    assert "none" in document["notes"][0], "no VGG weights were asked for"
    (first, *_, last) = read_metrics(trained, "validation")
    for name in MAPS:
        assert np.isfinite(last[f"{name}_pooled_psnr_db"])
        assert f"baseline_{name}_pooled_psnr_db" in first
    assert all("charbonnier_gradient_size" in line for line in read_metrics(trained, "train"))


def test_a_stopped_run_ends_in_the_same_weights(trained, tiny_data, tmp_path, monkeypatch):
    """Stopped after three steps as by a signal, begun again: bit for bit the run in peace."""
    experiment = experiment_of(load_config(str(PAGE), flags()[2:]))
    places = {"data_dir": tiny_data, "workdir": tmp_path / "run"}

    class Asked(run.StopRequest):
        def __enter__(self):
            self.name = "SIGTERM"
            return super().__enter__()

    with monkeypatch.context() as stopped:
        stopped.setattr(run, "StopRequest", Asked)
        result = run.train(experiment, **places)
    assert (result.step, result.stopped_by, result.is_finished) == (1, "SIGTERM", False)
    assert run.train(experiment, **places).is_finished
    digests = [load_predictor(path).weights_sha256 for path in (trained, tmp_path / "run")]
    assert digests[0] == digests[1]


def test_one_call_predicts_dicom_of_all_maps_and_the_report_takes_it(
    trained, tiny_cohort, tmp_path
):
    study = tiny_cohort / "cohort" / "sub-007"
    predict.main(
        ["--workdir", str(trained), "--input", str(study), "--output", str(tmp_path / "o")]
    )
    written = [read_series(folder) for folder in sorted((tmp_path / "o").iterdir())]
    assert sorted(s.volume.names[0] for s in written) == ["pd", "t1", "t2"]
    manifest, out = tiny_cohort / "manifest.json", tmp_path / "report"
    words = ["--manifest", str(manifest), "--workdir", str(trained), "--out", str(out)]
    evaluate.main([*words, "--baselines", "bicubic"])
    assert (out / "index.html").is_file()
    tables = json.loads((out / "tables.json").read_text())
    assert {row["map"] for row in tables["tables"]["quality"]} == set(MAPS)


# --- five tries -----------------------------------------------------------------------------------


class Wide(UNet):
    """A U-Net with a knob of its own: the gain of what it adds to the interpolation."""

    RANGES = UNet.RANGES | {"gain": (0.0, 2.0)}
    gain: float = 0.5

    @nn.compact
    def __call__(self, x, sigma=None, *, train):
        return self.gain * super().__call__(x, sigma, train=train)


class Plain(nn.Module):
    """Two convolutions and no batch norm, no residual, no knob but its width."""

    RANGES = {"features": (1, 64)}  # noqa: RUF012
    features: int
    scale: int
    channels: int = 1

    @nn.compact
    def __call__(self, x, *, train):
        del train
        n, h, w, _ = x.shape
        x = nn.relu(nn.Conv(self.features, (3, 3))(x))
        x = jax.image.resize(x, (n, h * self.scale, w * self.scale, self.features), "nearest")
        return nn.Conv(self.channels, (3, 3))(x)


TRIES = {
    "a U-Net with its own knob": (
        "wide",
        Wide,
        'config.model = ConfigDict({"name": "wide", "features": 4, "depth": 1, "blocks": 1})\n'
        "    config.model.gain = 0.25",
    ),
    "a network without batch norm": (
        "plain",
        Plain,
        'config.model = ConfigDict({"name": "plain", "features": 8})\n'
        '    config.map, config.task.name = "pd", "super_resolution"\n'
        "    config.task.log_maps = ()",
    ),
    "windows that tell their spread, of values at random, towards the truth": (
        "swinir",
        None,
        'config.model = ConfigDict({"name": "swinir", "features": 8, "blocks": 1, "layers": 2})\n'
        "    config.model.update(heads=2, window=4, spread=True)\n"
        '    config.task.context, config.task.target = 1, "truth"\n'
        "    config.task.remap_scale, config.task.remap_power = 0.25, 0.35\n"
        '    config.loss.terms = ConfigDict({"laplace": srgan.term(1.0, region="head")})\n'
        '    config.loss.terms.measurement = srgan.term(1.0, region="head")',
    ),
    "dense blocks against a discriminator that compares": (
        "rrdb",
        None,
        'config.model = ConfigDict({"name": "rrdb", "features": 4, "growth": 2, "blocks": 1})\n'
        "    config.discriminator = ConfigDict({'features': (4, 4)})\n"
        '    config.objective.name, config.objective.relativistic = "srgan", True\n'
        '    config.vgg = ConfigDict({"weights": "random", "layer": "conv1_1"})\n'
        "    config.loss.terms.gan = srgan.term(1e-3)",
    ),
    "a page of its own": (
        "srgan",
        None,
        "config = srgan.get_config()\n"
        '    config.vgg.weights, config.vgg.layer = "random", "conv1_1"\n'
        "    config.discriminator.features = (4, 4)\n"
        '    config.loss.terms.mse = srgan.term(0.1, region="head")\n'
        "    config.schedule.epochs = 0.0",
    ),
}

OWN_PAGE = '''"""What: a try. Command: this test. Hardware: any. Result: it trains."""

from ml_collections import ConfigDict

from configs import joint_maps, srgan


def get_config() -> ConfigDict:
    config = joint_maps.get_config()
    {change}
    return config
'''


@pytest.mark.parametrize("what", TRIES)
def test_an_idea_takes_one_file_and_one_line(what, tiny_data, tmp_path, monkeypatch):
    """Train, resume exactly, predict: nothing else has to know of it."""
    name, network, change = TRIES[what]
    if network is not None:
        monkeypatch.setitem(NETWORKS, name, network)  # the one line
    page = tmp_path / "own.py"
    page.write_text(OWN_PAGE.format(change=change))  # the one file
    changes = {"task.margin": 2}
    kept = {k: v for k, v in (SMALL | changes).items() if not k.startswith("model.")}
    kept |= {"schedule.steps": 2, "cadence.save_every": 1}
    if what == "a page of its own":
        kept |= {"model.features": 4, "model.blocks": 1}
    words = [f"--config.{key}={value}" for key, value in kept.items()]
    workdir = tmp_path / "run"
    arguments = ["--config", str(page), *words, "--data_dir", str(tiny_data)]
    train.main([*arguments, "--workdir", str(workdir)])
    assert load_document(workdir)[1]["model"]["name"] == name
    predictor = load_predictor(workdir)
    assert predictor.description.split()[0] == name
    assert (predictor.calibration is not None) == (name == "swinir"), "it tells its spread"
    lines = read_metrics(workdir, "train")
    assert all(np.isfinite(line["total"]) for line in lines)
    if network is Wide:
        assert json.loads((workdir / "config.json").read_text())["model.gain"] == 0.25
        x = jnp.zeros((1, 8, 8, 9))
        variables = predictor.network.init(jax.random.key(0), x, train=False)
        whole = predictor.network.clone(gain=1.0).apply(variables, x, train=False)
        quarter = predictor.network.apply(variables, x, train=False)
        np.testing.assert_allclose(quarter, 0.25 * whole, rtol=1e-5)
