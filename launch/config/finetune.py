"""From a trained model's document to the page that goes on with it."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from launch.config.page import ConfigError
from qsr_jax.losses import LOSSES
from qsr_jax.objectives.weighted_terms import OF_PIXELS
from qsr_jax.tasks import TASKS

TASK = ("name", "context", "margin", "log_maps")
DATA = ("crop", "flip")


def after_model(page: ConfigDict, document: Mapping[str, Any], *, steps: int) -> ConfigDict:
    """The page with maps, task, crops, network, objective and losses of a model.

    Its target stays the page's: the records of scans carry no truth. A generator goes on alone, on
    the losses of pixels: a fresh discriminator knows nothing, and few pairs teach it little.
    Running statistics of batch norm stay as they are, for those of few pairs are not those of many.

    Args:
        page: of defaults.
        document: of the model's checkpoint.
        steps: of the training.

    Raises:
        ConfigError: the document does not say how the model was trained, or no maps go in.
    """
    if "config" not in document:
        raise ConfigError("the model's document has no config: how it was trained is not known")
    if not TASKS[document["task"]["name"]].SEES_MAPS:
        raise ConfigError(
            f"the model learned {document['task']['name']}, which takes weighted images; pairs of "
            "maps cannot teach it more. How such a model is trained: docs/weighted.md"
        )
    config, leaves = page.copy_and_resolve_references().unlock(), document["config"]
    config.map = "+".join(document["maps"])
    config.schedule.epochs, config.schedule.steps = 0.0, steps
    for key in TASK:
        config.task[key] = _plain(document["task"][key])
    for key in DATA:
        config.data[key] = leaves[f"data.{key}"]
    config.model = _section(document["model"])
    if "norm_momentum" in config.model:
        config.schedule.frozen_norm_steps = steps
    terms, kinds = _terms(leaves), set(OF_PIXELS)
    if document["objective"] != "srgan":
        config.objective = _section(_below(leaves, "objective"))
        kinds.add("features")
    config.loss.terms = ConfigDict({k: v for k, v in terms.items() if LOSSES[k].kind in kinds})
    if any(LOSSES[k].kind == "features" for k in config.loss.terms):
        config.vgg = _section(_below(leaves, "vgg"))
    return config


def _terms(leaves: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The losses that count, by name."""
    terms: dict[str, dict[str, Any]] = {}
    for key, value in _below(leaves, "loss.terms").items():
        name, _, field = key.partition(".")
        terms.setdefault(name, {})[field] = value
    return {name: term for name, term in terms.items() if term["weight"]}


def _below(leaves: Mapping[str, Any], section: str) -> dict[str, Any]:
    """What stands under a dotted key."""
    first = f"{section}."
    return {k.removeprefix(first): v for k, v in leaves.items() if k.startswith(first)}


def _section(fields: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict({name: _plain(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(value) if isinstance(value, list) else value
