"""Every page opens, every key is read, and mistakes in overrides are told."""

import re
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from launch import train
from launch.config import build
from launch.config.build import describe_features, features_parameters
from launch.config.page import (
    ConfigError,
    flatten,
    load_config,
)
from qsr_jax.maps import MAPS
from qsr_jax.training.state import init_state
from qsr_jax.training.steps import LossWeights, make_step

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in (ROOT / "configs").glob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_page_opens_and_its_step_can_be_traced(page):
    """The step of each page, at its own size, by shapes alone (nothing is computed)."""
    config = load_config(str(page))
    networks = build.build_networks(config, scale=2)
    side, batch = 64, config.data.batch_size
    shapes = {
        "lr": jax.ShapeDtypeStruct((batch, side, side, 1), "uint16"),
        "hr": jax.ShapeDtypeStruct((batch, 2 * side, 2 * side, 1), "uint16"),
        "mask": jax.ShapeDtypeStruct((batch, 2 * side, 2 * side, 1), "uint8"),
        "sample_id": jax.ShapeDtypeStruct((batch,), "int32"),
    }
    state = jax.eval_shape(
        lambda: init_state(jax.random.key(0), networks, lr_shape=(side, side), averaged=True)
    )
    step = make_step(
        networks,
        spec=MAPS[config.map],
        weights=LossWeights(**config.loss),
        batch_size=batch,
        crop=config.data.crop,
        seed=config.seed,
        adversarial=True,
        frozen_norm=False,
        average_decay=0.9,
        axis_name="batch",
    )
    vgg = jax.eval_shape(lambda: features_parameters(_random(config)))
    mapped = jax.vmap(step, in_axes=(None, None, 0), axis_name="batch")
    one = jax.tree.map(lambda s: jax.ShapeDtypeStruct((1, *s.shape), s.dtype), shapes)
    _, metrics = jax.eval_shape(mapped, state, vgg, one)
    assert {"mae", "gan", "vgg", "total"} <= set(metrics)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_page_has_a_heading(page):
    heading = page.read_text("utf-8").split('"""')[1]
    for word in ("What:", "Command:", "Hardware", "esult"):
        assert word in heading, f"{page.name}: the heading lacks {word!r}"


class Watched(ConfigDict):
    """A config that remembers which leaves were read."""

    def __init__(self, source: ConfigDict, seen: set, prefix: str = "") -> None:
        super().__init__()
        object.__setattr__(self, "_seen", seen)
        object.__setattr__(self, "_prefix", prefix)
        for key, value in source.items():
            nested = isinstance(value, ConfigDict)
            self[key] = Watched(value, seen, f"{prefix}{key}.") if nested else value

    def __getattr__(self, name):
        value = super().__getattr__(name)
        if not name.startswith("_") and not isinstance(value, ConfigDict):
            self._seen.add(f"{self._prefix}{name}")
        return value


def test_no_dead_knobs(tiny_data, tmp_path, monkeypatch):
    """A run of two steps reads every leaf of the page of defaults by name."""
    config = load_config(str(ROOT / "configs/quickstart.py"), tiny_overrides())
    seen: set[str] = set()
    monkeypatch.setattr(train, "describe", _reads_nothing(train.describe, config))
    monkeypatch.setattr(train, "claim_workdir", lambda *_, **__: None)
    train.train(Watched(config, seen), data_dir=tiny_data, workdir=tmp_path / "run", strict=True)
    vgg = Watched(load_config(str(ROOT / "configs/srgan.py")), seen)
    with pytest.raises(ValueError, match="no VGG-19 weight file"):
        features_parameters(vgg)  # path and sha256 are read where the weights are a file
    unread = set(flatten(config)) - seen
    assert not unread, f"keys nothing reads: {sorted(unread)}"


def _reads_nothing(describe, config):
    """The document copies the whole config; that must not count as reading it."""
    return lambda _, spec, records: describe(config, spec, records)


def tiny_overrides() -> list[str]:
    return [
        "--config.map=t1",
        "--config.schedule.steps=2",
        "--config.schedule.warmup_steps=1",
        "--config.schedule.frozen_norm_steps=1",
        "--config.data.batch_size=4",
        "--config.data.crop=16",
        "--config.vgg.layer=conv1_1",
        "--config.generator.blocks=1",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.mpa=t1", "no key 'mpa'; did you mean map"),
        ("--config.data.cropp=1", "no key 'data.cropp'; did you mean data.crop"),
        ("--config.data.crop=big", "data.crop=big"),
        ("--config.seed=1.5", "seed=1.5"),
    ],
)
def test_mistyped_overrides_are_told(override, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(str(ROOT / "configs/srgan.py"), [override])


def test_a_missing_page_is_told():
    with pytest.raises(ConfigError, match=r"config configs/srgam\.py: no such file"):
        load_config("configs/srgam.py")


@pytest.mark.parametrize(("epochs", "steps"), [(1.0, 5), (0.0, 0)])
def test_durations_are_given_once(epochs, steps):
    config = load_config(str(ROOT / "configs/srgan.py"))
    config.schedule.epochs, config.schedule.steps = epochs, steps
    with pytest.raises(ConfigError, match="give exactly one of them"):
        build.planned_steps(config, 100)


def test_epochs_become_steps():
    config = load_config(str(ROOT / "configs/srgan.py"))
    assert build.planned_steps(config, 2900) == 200 * (2900 // 8)
    with pytest.raises(ConfigError, match="batch_size is 8, the data set has 5 records"):
        build.planned_steps(config, 5)


@pytest.mark.parametrize("wrong", [-1, 72401])
@pytest.mark.parametrize("key", ["warmup_steps", "frozen_norm_steps"])
def test_a_stage_is_no_longer_than_the_training(key, wrong):
    config = load_config(str(ROOT / "configs/srgan.py"))
    config.schedule[key] = wrong
    with pytest.raises(ConfigError, match=f"schedule.{key} is {wrong}; expected 0 to 72400"):
        build.planned_steps(config, 2900)


def test_weights_must_be_chosen():
    config = load_config(str(ROOT / "configs/srgan.py"), ["--config.vgg.weights=none"])
    with pytest.raises(ConfigError, match="expected 'file' or 'random'"):
        features_parameters(config)
    assert "random" in describe_features(_random(config))


def test_an_unknown_generator_is_told():
    config = load_config(str(ROOT / "configs/srgan.py"), ["--config.generator.name=unet"])
    with pytest.raises(ConfigError, match="known: srgan"):
        build.build_networks(config, scale=2)


def _random(config: ConfigDict) -> ConfigDict:
    copy = config.copy_and_resolve_references()
    copy.vgg.weights = "random"
    return copy
