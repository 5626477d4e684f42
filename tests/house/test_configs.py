"""Every page opens, every key is read, and mistakes in overrides are told."""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from launch.config.build import experiment_of
from launch.config.page import ConfigError, load_config
from qsr_jax.models import NETWORKS
from qsr_jax.models.build import own_fields
from qsr_jax.objectives import TermOptions
from qsr_jax.tasks import TASKS
from qsr_jax.training import plan
from qsr_jax.training.assemble import frozen_parameters, stages_of, task_of
from qsr_jax.training.experiment import Experiment, LossOptions
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.options import Options
from qsr_jax.training.parallel import AXIS
from qsr_jax.training.plan import sample_example
from qsr_jax.training.run import train
from qsr_jax.training.state import init_state
from qsr_jax.training.step import make_step

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
NO_PAGES = (CONFIGS / "__init__.py", CONFIGS / "study/__init__.py", CONFIGS / "study/cells.py")
PAGES = sorted(p for p in CONFIGS.rglob("*.py") if p not in NO_PAGES)
TRAINED = [p for p in PAGES if p.parent == CONFIGS or p.stem in ("residual", "equation_4")]
"""Other pages of the study are these two with another network."""


def name_of(page: Path) -> str:
    return page.relative_to(CONFIGS).with_suffix("").as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_opens_and_its_steps_can_be_traced(page):
    """Every stage of each page, at its own width, by shapes alone (nothing is computed)."""
    config = load_config(str(page))
    experiment = experiment_of(_random(config))
    task = task_of(experiment, scale=TASKS[experiment.task.name].ONLY_SCALE or 2)
    total = experiment.schedule.steps or 1000
    stages = stages_of(experiment, task, total)
    example = sample_example(task)
    roles = jax.eval_shape(lambda: stages[-1].objective.init(jax.random.key(0), example))
    optimizers = make_optimizers(
        tuple(roles), experiment.optimizer, total_steps=total, warmup_steps=0
    )
    state = jax.eval_shape(
        lambda: init_state(
            jax.random.key(0), stages[-1].objective, example, optimizers, averaged=True
        )
    )
    size = experiment.data.batch_size
    shapes = {
        name: jax.ShapeDtypeStruct((1, size, *array.shape[1:]), array.dtype)
        for name, array in task.blank(64).items()
    }
    frozen = jax.eval_shape(lambda: frozen_parameters(experiment))
    for stage in stages:
        step = make_step(
            task,
            stage.objective,
            optimizers,
            batch_size=size,
            average_decay=0.9,
            axis_name="batch",
        )
        mapped = jax.vmap(step, in_axes=(None, None, 0), axis_name="batch")
        _, metrics = jax.eval_shape(mapped, state, frozen, shapes)
        assert {"total", "average_norm"} <= set(metrics)
    terms = {k for k, o in experiment.loss.terms.items() if o.weight}
    assert terms <= set(metrics), "the last stage has every term of the page"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_has_a_heading(page):
    heading = page.read_text("utf-8").split('"""')[1]
    for word in ("What:", "Command:", "Hardware", "esult"):
        assert word in heading, f"{page.name}: the heading lacks {word!r}"


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("page", TRAINED, ids=name_of)
def test_no_dead_knobs(page, tmp_path, monkeypatch, request):
    """A run of two steps reads every setting of the page, and of every option class, by name.

    What a step reads it reads when it is traced; to compile it would take most of the time.
    """
    monkeypatch.setattr(plan, "compile_step", _traced)
    seen: set[str] = set()
    seen_by = load_config(str(page)).task.name
    records = "weighted_data" if seen_by.startswith("weighted") else "tiny_data"
    tiny_data = request.getfixturevalue(records)
    for kind in (*Options.__subclasses__(), Experiment, LossOptions, TermOptions):
        _watch(kind, seen, monkeypatch)
    experiment = experiment_of(load_config(str(page), tiny_overrides(page)))
    # What is only copied into the checkpoint's document and compared must not count as read.
    leaves = experiment.leaves()
    monkeypatch.setattr(Experiment, "leaves", lambda self: leaves)
    seen.clear()
    train(experiment, data_dir=tiny_data, workdir=tmp_path / "run", strict=True)
    own = set(own_fields(NETWORKS[leaves["model.name"]]))
    unread = {key for key in leaves if not _is_read(key, seen, own)}
    if "vgg.path" in unread:  # read where the weights are a file
        seen.clear()
        changed = dataclasses.replace(experiment.vgg, weights="file")
        with pytest.raises(ValueError, match="no VGG-19 weight file"):
            frozen_parameters(dataclasses.replace(experiment, vgg=changed))
        unread -= {f"vgg.{name}" for name in ("path", "sha256") if f"VggOptions.{name}" in seen}
    assert not unread, f"settings nothing reads: {sorted(unread)}"


def _traced(step):
    """A step over devices that leaves the state as it is; its metrics are zeros."""

    def taken(state, frozen, batch):
        mapped = jax.vmap(step, in_axes=(None, None, 0), axis_name=AXIS)
        _, metrics = jax.eval_shape(mapped, state, frozen, batch)
        return state, {name: np.zeros(one.shape[1:], one.dtype) for name, one in metrics.items()}

    return taken


def _watch(kind, seen, monkeypatch):
    """Notes which attributes of a class are read."""
    plain = kind.__getattribute__

    def noted(self, name):
        seen.add(f"{type(self).__name__}.{name}")
        return plain(self, name)

    monkeypatch.setattr(kind, "__getattribute__", noted)


def _is_read(key: str, seen: set[str], own: set[str]) -> bool:
    section, _, name = key.partition(".")
    if section == "model":
        return name in own | {"name"}  # build_model refuses a field that the network has not
    if section == "loss":
        return f"TermOptions.{key.rsplit('.', 1)[-1]}" in seen
    if not name:
        return f"Experiment.{key}" in seen
    (kind,) = [kind for kind in Options.__subclasses__() if section == kind.SECTION]
    return f"{kind.__name__}.{name}" in seen


def tiny_overrides(page: Path) -> list[str]:
    words = {"data.crop": 16, "schedule.steps": 2, "schedule.epochs": 0.0, "data.batch_size": 4}
    words |= {"model.features": 4, "model.blocks": 1}
    words |= {"data.resident": "no"}  # so that readers are asked for
    if load_config(str(page)).objective.name == "srgan":
        words |= {"schedule.warmup_steps": 1, "schedule.frozen_norm_steps": 1}
        words |= {"vgg.layer": "conv1_1", "vgg.weights": "random"}
        words |= {"discriminator.features": "(4,4)"}
    return [f"--config.{key}={value}" for key, value in words.items()]


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


BROKEN = {
    "a key that is not there": (
        "from configs import srgan\ndef get_config():\n    c = srgan.get_config()\n"
        "    c.schedul.steps = 3\n    return c\n",
        r"own\.py, line 4: AttributeError: .*schedul",
    ),
    "a value of another kind": (
        "from configs import srgan\ndef get_config():\n    c = srgan.get_config()\n"
        "    c.model.features = float('nan')\n    return c\n",
        r"own\.py, line 4: TypeError: ",
    ),
    "no get_config": ("def get_cfg(): pass\n", r"own\.py: has no get_config\(\)"),
    "no config": ("def get_config(): return 3\n", r"get_config\(\) returns int, not a ConfigDict"),
    "no Python": ("def get_config(:\n", r"own\.py, line 1: SyntaxError: "),
    "a wrong import": ("from configs import srgn\n", r"own\.py, line 1: ImportError: .*srgn"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_page_that_cannot_be_run_is_told_in_one_line(what, tmp_path):
    """The first of them recursed until the interpreter lost its standard error."""
    text, message = BROKEN[what]
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(tmp_path / "own.py", ["--config.seed=1"])
    assert "\n" not in str(caught.value)


def test_a_missing_page_is_told():
    with pytest.raises(ConfigError, match=r"config configs/srgam\.py: no such file"):
        load_config("configs/srgam.py")


def _random(config: ConfigDict) -> ConfigDict:
    copy = config.copy_and_resolve_references()
    if "vgg" in copy:
        copy.vgg.weights = "random"
    return copy
