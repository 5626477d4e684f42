"""From a config page to an experiment of plain option classes. Config objects stop here."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from launch.config.page import ConfigError
from qsr_jax.objectives import TermOptions
from qsr_jax.training.assemble import check_experiment
from qsr_jax.training.experiment import Experiment, LossOptions
from qsr_jax.training.options import OptionError, Options

SECTIONS = {field.name: field.type for field in dataclasses.fields(Experiment)}


OPTIONAL = ("discriminator", "vgg", "weighted")
"""Sections that a page may leave out: its objective or task then has no use for them."""


def experiment_of(config: ConfigDict) -> Experiment:
    """The experiment of a page; every key of the page is a field of it.

    Raises:
        ConfigError: a section or key that an experiment does not have.
        OptionError: a value that cannot be.
    """
    given = {name: _section(name, value) for name, value in config.items()}
    experiment = Experiment(**(dict.fromkeys(OPTIONAL) | given))
    check_experiment(experiment)
    return experiment


def _section(name: str, value: Any) -> Any:
    if name not in SECTIONS:
        raise ConfigError(f"the page has a section {name!r}; known: {', '.join(SECTIONS)}")
    if not isinstance(value, ConfigDict):
        return value
    plain = value.to_dict()
    if name == "loss":
        return LossOptions(_terms(plain))
    if name == "model":
        return plain
    kind = options_class(name)
    known = {field.name for field in dataclasses.fields(kind)}
    for key in plain.keys() - known:
        raise ConfigError(f"{name}.{key}: no such key; {name} has {', '.join(sorted(known))}")
    return kind(**plain)


def _terms(loss: Mapping[str, Any]) -> dict[str, TermOptions]:
    if loss.keys() != {"terms"}:
        raise ConfigError(f"loss has the keys {', '.join(loss)}; expected terms alone")
    terms = {}
    for name, term in loss["terms"].items():
        try:
            terms[name] = TermOptions(**term)
        except TypeError as error:
            raise ConfigError(
                f"loss.terms.{name}: {error}; expected loss.terms.NAME with weight, region, "
                "reduction"
            ) from error
        except ValueError as error:
            raise OptionError(f"loss.terms.{name}: {error}") from error
    return terms


def options_class(section: str) -> type[Options]:
    """The option class of a section of a page."""
    kinds = [kind for kind in Options.__subclasses__() if section == kind.SECTION]
    (kind,) = kinds
    return kind
