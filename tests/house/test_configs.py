"""Every page opens, every key is read, and mistakes in overrides are told."""

import dataclasses
import math
import re
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from launch.config.build import experiment_of
from launch.config.page import ConfigError, flatten, load_config
from qsr_jax.models import NETWORKS
from qsr_jax.models.build import own_fields
from qsr_jax.objectives import TermOptions
from qsr_jax.tasks import build_task
from qsr_jax.training import checks, options
from qsr_jax.training.assemble import describe_features, frozen_parameters, stages_of
from qsr_jax.training.experiment import Experiment, LossOptions
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.options import OptionError, Options
from qsr_jax.training.plan import sample_example
from qsr_jax.training.run import train
from qsr_jax.training.state import init_state
from qsr_jax.training.step import make_step

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in (ROOT / "configs").glob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_page_opens_and_its_steps_can_be_traced(page):
    """Every stage of each page, at its own width, by shapes alone (nothing is computed)."""
    config = load_config(str(page))
    experiment = experiment_of(_random(config))
    task = build_task(
        experiment.task.name,
        names=experiment.names,
        scale=2,
        context=experiment.task.context,
        margin=experiment.task.margin,
        log_maps=experiment.task.log_maps,
        crop=experiment.data.crop,
        flip=experiment.data.flip,
    )
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
    size, side, count = experiment.data.batch_size, 64, len(task.names)
    shapes = {
        "lr": jax.ShapeDtypeStruct((1, size, side, side, count * task.context), "uint16"),
        "hr": jax.ShapeDtypeStruct((1, size, 2 * side, 2 * side, count), "uint16"),
        "mask": jax.ShapeDtypeStruct((1, size, 2 * side, 2 * side, 1), "uint8"),
        "sample_id": jax.ShapeDtypeStruct((1, size), "int32"),
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


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_page_has_a_heading(page):
    heading = page.read_text("utf-8").split('"""')[1]
    for word in ("What:", "Command:", "Hardware", "esult"):
        assert word in heading, f"{page.name}: the heading lacks {word!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_no_dead_knobs(page, tiny_data, tmp_path, monkeypatch):
    """A run of two steps reads every setting of the page, and of every option class, by name."""
    seen: set[str] = set()
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
    if page.stem != "joint_maps":
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


def test_a_missing_page_is_told():
    with pytest.raises(ConfigError, match=r"config configs/srgam\.py: no such file"):
        load_config("configs/srgam.py")


def scheduled(**changes):
    return Experiment(schedule=options.ScheduleOptions(**changes))


@pytest.mark.parametrize(("epochs", "steps"), [(1.0, 5), (0.0, 0)])
def test_durations_are_given_once(epochs, steps):
    with pytest.raises(OptionError, match="give exactly one of them"):
        checks.planned_steps(scheduled(epochs=epochs, steps=steps), 100)


def test_epochs_become_steps():
    assert checks.planned_steps(Experiment(), 2900) == 200 * (2900 // 8)
    with pytest.raises(OptionError, match="batch_size is 8, the data set has 5 records"):
        checks.planned_steps(Experiment(), 5)
    with pytest.raises(OptionError, match="schedule.epochs is 0.01: not one step"):
        checks.planned_steps(scheduled(epochs=0.01), 100)


@pytest.mark.parametrize("key", ["warmup_steps", "frozen_norm_steps"])
def test_a_stage_is_no_longer_than_the_training(key):
    with pytest.raises(OptionError, match=f"schedule.{key} is 72401; expected 0 to 72400"):
        checks.planned_steps(scheduled(**{key: 72401}), 2900)


def test_weights_must_be_chosen():
    with pytest.raises(OptionError, match="vgg.weights is 'none'; known: file, random"):
        options.VggOptions(weights="none")
    experiment = experiment_of(_random(load_config(str(ROOT / "configs/srgan.py"))))
    assert "random" in describe_features(experiment)
    silent = {name: TermOptions(0.0) for name in ("gan", "vgg")} | {"mae": TermOptions()}
    without = dataclasses.replace(experiment, loss=LossOptions(silent))
    assert frozen_parameters(without) == {}
    assert "none" in describe_features(without)


# --- every number has a range ---------------------------------------------------------------------

NUMBERS = [
    (kind.SECTION, field)
    for kind in Options.__subclasses__()
    for field in dataclasses.fields(kind)
    if field.type in (int, float, int | None, float | None)
]
HAVE_OWN = {"objective.sigma_max"}
"""Checked by the objective that reads them (tests/objectives)."""


@pytest.mark.parametrize(("section", "field"), NUMBERS, ids=lambda x: getattr(x, "name", x))
def test_every_number_is_refused_outside_its_range_and_by_its_name(section, field):
    key = f"{section}.{field.name}"
    if key in HAVE_OWN:
        return
    assert "low" in field.metadata, f"{key} has no range"
    low, high = field.metadata["low"], field.metadata["high"]
    whole = field.type in (int, int | None)
    bad = [low - 1] + ([high * 2 + 1] if high < math.inf else []) + ([] if whole else [math.nan])
    for value in bad:
        with pytest.raises(OptionError, match=re.escape(f"{key} is {value!r}; expected")):
            options.check_value(key, value, field)
    for value in (low, high if high < math.inf else low + 1):
        options.check_value(key, value if not whole else int(value), field)
    with pytest.raises(OptionError, match=f"{key} is 'x'"):
        options.check_value(key, "x", field)


TYPED = {
    "optimizer.learning_rate": (-1.0, math.nan, 0.0),
    "optimizer.decay_every": (0,),
    "optimizer.decay_factor": (0.0,),
    "average.decay": (1.5,),
    "model.norm_momentum": (1.5,),
    "model.blocks": (-1, 0),
    "model.features": (0,),
    "loss.terms.mae.weight": (-1.0,),
    "cadence.log_every": (0,),
    "cadence.save_every": (0,),
    "cadence.keep": (0,),
    "data.batch_size": (0,),
    "data.threads": (0,),
    "memory.accumulate": (0,),
    "seed": (-1,),
}
"""Trained in silence once, or ended in a traceback, or late."""


@pytest.mark.parametrize("key", TYPED)
def test_what_a_person_may_type_is_refused_before_anything_runs(key, tiny_data, tmp_path):
    for value in TYPED[key]:
        with pytest.raises(ValueError, match=_said(key)) as caught:
            config = load_config(str(ROOT / "configs/quickstart.py"), [f"--config.{key}={value}"])
            train(experiment_of(config), data_dir=tiny_data, workdir=tmp_path / "run")
        assert str(value).rstrip(".0") in str(caught.value)
        assert not (tmp_path / "run").exists()


def _said(key: str) -> str:
    return "loss weight is" if key.startswith("loss.") else f"^{re.escape(key)} is"


SECTIONS = {
    "the page has a section 'extra'; known: map, seed, task": {"extra": 1},
    "data.cropp: no such key; data has batch_size": {"data": ConfigDict({"cropp": 1})},
    "map is 't9'; expected t1, t2, pd, or several joined by +": {"map": "t9"},
    "seed is 1.5; expected a whole number": {"seed": 1.5},
    "expected loss.terms.NAME with weight": {"loss": ConfigDict({"terms": {"mae": 1.0}})},
    "expected terms alone": {"loss": ConfigDict({"mae": 1.0})},
    "discriminator.features is (0,)": {"discriminator": ConfigDict({"features": (0,)})},
    "optimizer.schedule 'cosine' does not use optimizer.decay_every": {
        "optimizer": ConfigDict(
            {"learning_rate": 1e-3, "schedule": "cosine", "decay_every": 5, "decay_factor": 0.5}
        )
    },
    "optimizer.schedule 'staircase' needs optimizer.decay_factor": {
        "optimizer": ConfigDict({"learning_rate": 1e-3, "decay_every": 5})
    },
}


@pytest.mark.parametrize("message", SECTIONS)
def test_pages_that_are_no_experiment_are_refused(message):
    config = load_config(str(ROOT / "configs/srgan.py")).copy_and_resolve_references()
    with config.unlocked():
        for key, value in SECTIONS[message].items():
            with config.ignore_type():
                config[key] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        experiment_of(config)


OBJECTIVES = {
    "objective.name is 'srgam'; known: srgan, regression, denoising": {"name": "srgam"},
    "objective 'regression' does not use discriminator": {"name": "regression"},
    "objective 'denoising' needs objective.sigma_max": {"name": "denoising", "discriminator": None},
    "objective 'srgan' does not use objective.sigma_max": {"sigma_max": 0.1},
    "objective 'srgan' needs vgg in its page": {"vgg": None},
    "has no warm-up: set it to 0": {
        "name": "regression",
        "discriminator": None,
        "vgg": None,
        "warmup": 1,
    },
    "model.name is 'unett'": {"model": {"name": "unett"}},
    "vgg.layer: VGG-19 has no layer 'pool9'": {"vgg": options.VggOptions(layer="pool9")},
}


@pytest.mark.parametrize("message", OBJECTIVES)
def test_sections_must_belong_to_the_objective(message):
    changes = dict(OBJECTIVES[message])
    objective = options.ObjectiveOptions(
        changes.pop("name", "srgan"), changes.pop("sigma_max", None)
    )
    schedule = options.ScheduleOptions(warmup_steps=changes.pop("warmup", 0))
    terms = {"mae": TermOptions()}
    if objective.name == "srgan":
        terms |= {"gan": TermOptions(), "vgg": TermOptions()}
    experiment = Experiment(
        objective=objective, schedule=schedule, loss=LossOptions(terms), **changes
    )
    task = build_task("super_resolution", names=("t1",), scale=2)
    with pytest.raises(OptionError, match=re.escape(message)):
        stages_of(experiment, task, 10)


def test_stages_follow_their_steps():
    """Warm-up, both, frozen statistics; equal starts are one stage."""
    task = build_task("super_resolution", names=("t1",), scale=2)
    experiment = scheduled(epochs=0.0, steps=100, warmup_steps=30, frozen_norm_steps=20)
    found = [
        (s.first_step, s.objective.adversarial, s.objective.frozen_norm)
        for s in stages_of(experiment, task, 100)
    ]
    assert found == [(0, False, False), (30, True, False), (80, True, True)]
    experiment = scheduled(epochs=0.0, steps=100)
    assert [s.first_step for s in stages_of(experiment, task, 100)] == [0]
    experiment = scheduled(epochs=0.0, steps=100, warmup_steps=100, frozen_norm_steps=100)
    (only,) = stages_of(experiment, task, 100)
    assert (only.first_step, only.objective.adversarial, only.objective.frozen_norm) == (
        0,
        False,
        True,
    )


def test_an_experiment_in_a_notebook_is_the_page():
    """The defaults of the option classes are those of the paper's page."""
    page = experiment_of(load_config(str(ROOT / "configs/srgan.py")))
    assert page.leaves() == Experiment().leaves()
    assert page.leaves() == dict(flatten(load_config(str(ROOT / "configs/srgan.py"))))


def _random(config: ConfigDict) -> ConfigDict:
    copy = config.copy_and_resolve_references()
    if "vgg" in copy:
        copy.vgg.weights = "random"
    return copy
