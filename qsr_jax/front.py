"""What a notebook calls where a door would read a config page: the same page, the same training."""

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from qsr_jax.cli import doors_folder
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.run import TrainingResult
from qsr_jax.training.run import train as train_experiment

DOOR_PACKAGES = ("launch", "data_tools", "configs")


def train(
    experiment: Experiment | str | Path,
    *,
    data_dir: str | Path,
    workdir: str | Path,
    overrides: Mapping[str, object] | None = None,
    strict: bool = False,
    allowed: Collection[str] = (),
) -> TrainingResult:
    """Trains a network, or goes on with a training that was stopped.

    Args:
        experiment: option classes; or a config page, by its path or, of those that are shipped, by
            its name ("srgan", "quickstart").
        data_dir: records made by ``qsr build``.
        workdir: folder of this run: checkpoints, ``metrics.jsonl``, TensorBoard. An unfinished run
            in it is resumed, bit for bit on the same machine and devices.
        overrides: key of the page to its value, such as ``{"map": "t2", "schedule.steps": 500}``.
        strict: refuse a damaged or unfinished checkpoint instead of going back to the one before.
        allowed: keys whose value may differ from when the run began; or "data", "version".

    Returns:
        How it ended; :func:`qsr_jax.load_predictor` reads the workdir.

    Raises:
        ConfigError: no such page, or an override that the page does not know.
        OptionError: a value cannot be used, or the workdir belongs to other settings.
        ValueError: overrides of option classes, which are no page.
        LockedError: another process trains in the workdir.
        CheckpointError: the workdir was trained on other data, or, if ``strict``, its newest
            checkpoint is damaged or unfinished.
        DatasetError: the records are missing, incomplete or of another map.
        NonFiniteError: a step made NaN or infinity.
    """
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment, overrides)
    elif overrides:
        raise ValueError(
            f"overrides {', '.join(overrides)} of an Experiment; expected a config page. Change "
            "its fields with dataclasses.replace instead"
        )
    return train_experiment(
        experiment, data_dir=Path(data_dir), workdir=Path(workdir), strict=strict, allowed=allowed
    )


def load_experiment(page: str | Path, overrides: Mapping[str, object] | None = None) -> Experiment:
    """The experiment that a config page describes, as plain option classes.

    Args:
        page: a file, or the name of a shipped page ("srgan", "quickstart").
        overrides: key of the page to its value, such as ``{"map": "t2"}``.

    Raises:
        ConfigError: no such page, an unknown key, or a value of another type.
        OptionError: a value that cannot be used.
    """
    words = [f"--config.{key}={value}" for key, value in (overrides or {}).items()]
    with _doors_importable():
        from launch.config.build import experiment_of
        from launch.config.page import load_config

        return experiment_of(load_config(str(page), words))


@contextlib.contextmanager
def _doors_importable() -> Iterator[None]:
    """``launch`` and its sisters by their names, which are not ours to keep in a notebook.

    A module of such a name that is not ours is set aside meanwhile and stands there again after.
    """
    folder = doors_folder()
    before = {name: module for name, module in sys.modules.items() if _is_of_doors(name)}
    homes = (getattr(module, "__file__", None) or "" for module in before.values())
    ours = bool(before) and all(Path(home).is_relative_to(folder) for home in homes)
    if not ours:
        _forget_doors()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if not ours:
            _forget_doors()
            sys.modules.update(before)


def _is_of_doors(module: str) -> bool:
    return module.partition(".")[0] in DOOR_PACKAGES


def _forget_doors() -> None:
    for name in [name for name in sys.modules if _is_of_doors(name)]:
        del sys.modules[name]
