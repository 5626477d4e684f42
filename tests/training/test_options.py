"""Every setting is refused when it is given, by its name, and sections must fit together."""

import concurrent.futures
import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from launch.config.build import experiment_of
from launch.config.page import flatten, load_config
from qsr_jax.objectives import TermOptions
from qsr_jax.tasks import build_task
from qsr_jax.training import checks, options
from qsr_jax.training.assemble import describe_features, frozen_parameters, stages_of
from qsr_jax.training.experiment import Experiment, LossOptions
from qsr_jax.training.options import OptionError, Options
from qsr_jax.training.run import train
from qsr_jax.training.task_options import TaskOptions

ROOT = Path(__file__).parents[2]


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
HAVE_OWN = {"objective.sigma_max", "objective.sigma_min"}
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
            config = load_config(
                str(ROOT / "configs/quickstart_srgan.py"), [f"--config.{key}={value}"]
            )
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
    "objective 'srgan' does not use objective.sigma_min": {"sigma_min": 0.1},
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
    own = {k: changes.pop(k) for k in ("name", "sigma_max", "sigma_min") if k in changes}
    objective = options.ObjectiveOptions(**own)
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


WRONG_SECTIONS = {
    "task is 'joint_maps'; expected TaskOptions": {"task": "joint_maps"},
    "data is {'batch_size': 3}; expected DataOptions": {"data": {"batch_size": 3}},
    "model is 'srgan'; expected a name and the network's fields": {"model": "srgan"},
    "model is {}; expected a name": {"model": {}},
    "loss is {'mae': 1.0}; expected LossOptions": {"loss": {"mae": 1.0}},
    "loss.terms.mae is no TermOptions": {"loss": LossOptions({"mae": 1.0})},
    "optimizer is None; expected OptimizerOptions": {"optimizer": None},
    "map is None; expected t1, t2, pd": {"map": None},
    "map is ('t1', 't2')": {"map": ("t1", "t2")},
    "seed is True; expected a whole number": {"seed": True},
}


@pytest.mark.parametrize("message", WRONG_SECTIONS)
def test_an_experiment_made_by_hand_takes_sections_of_their_own_kind(message):
    with pytest.raises(OptionError, match=re.escape(message)):
        Experiment(**WRONG_SECTIONS[message])
    assert Experiment(seed=np.int64(3)).leaves()["seed"] == 3


WRONG_OPTIONS = {
    "task.name is 'nope'; known: super_resolution": lambda: TaskOptions(name="nope"),
    "task.context is 2; expected one of": lambda: TaskOptions(context=2),
    "task.log_maps is 't2'; expected some of": lambda: TaskOptions(log_maps="t2"),
    "task.log_maps is ('t9',)": lambda: TaskOptions(log_maps=("t9",)),
    "task.target is 'best'; known: routine, truth, repeat": lambda: TaskOptions(target="best"),
    "task.remap_power is 3.0; expected 0 to 2": lambda: TaskOptions(remap_power=3.0),
    "discriminator.features is 4;": lambda: options.DiscriminatorOptions(features=4),
    "discriminator.features is (4.5,)": lambda: options.DiscriminatorOptions(features=(4.5,)),
    "loss weight is '1'": lambda: TermOptions(weight="1"),
    "loss weight is True": lambda: TermOptions(weight=True),
}


@pytest.mark.parametrize("message", WRONG_OPTIONS)
def test_options_are_refused_when_they_are_given(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        WRONG_OPTIONS[message]()


EARLY = {
    "loss.terms.mae: loss weight is -1.0": ["loss.terms.mae.weight=-1"],
    "loss.terms.gan: loss region is 'leg'": ["loss.terms.gan.region=leg"],
    "model.features is -1; expected 1 to 4096": ["model.features=-1"],
    "objective.name is 'gan'; known": ["objective.name=gan"],
    "model.name is 'residual', which cannot be told the noise": [],
}


@pytest.mark.parametrize("message", EARLY)
def test_a_page_is_refused_before_there_are_records(message):
    """So a sweep tells it before its first run, and each loss by its own key."""
    page, words = ("srgan", EARLY[message]) if EARLY[message] else ("denoiser", None)
    config = load_config(page, [f"--config.{word}" for word in words or ()])
    if words is None:
        with config.unlocked():
            config.model = ConfigDict({"name": "residual", "features": 4, "blocks": 1})
    with pytest.raises(OptionError, match=re.escape(message)):
        experiment_of(config)


@pytest.mark.usefixtures("compiled_quickly")
def test_a_training_in_another_thread_hears_no_signals(tiny_data, tmp_path):
    """Python gives signals to the main thread alone; a notebook's worker may train all the same."""
    words = {"schedule.steps": 1, "data.batch_size": 4, "data.crop": 12, "task.margin": 2}
    words |= {"model.features": 4, "model.blocks": 1}
    flags = [f"--config.{key}={value}" for key, value in words.items()]
    experiment = experiment_of(load_config("joint_maps", flags))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        result = pool.submit(
            train, experiment, data_dir=tiny_data, workdir=tmp_path / "run"
        ).result()
    assert result.is_finished


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
