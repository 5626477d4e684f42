"""Beginning from a trained network: whose weights, whether they mean the same, what they bring.

The network that predicts and its running average begin as the model; optimisers, and a
discriminator where one judges, begin fresh. A model of another grid or voxel size may begin a
training, which is what finetuning is for; one whose numbers mean something else may not.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from qsr_jax.checkpoint import CheckpointError, load_document, load_network, variables_sha256
from qsr_jax.checkpoint.model_file import SUFFIX
from qsr_jax.data.studies.learned import BEFORE, LEARNED, lineage
from qsr_jax.models import NETWORKS
from qsr_jax.models.build import own_fields
from qsr_jax.objectives import Variables
from qsr_jax.pretrained import find_model
from qsr_jax.training.options import OptionError, StartOptions

START = "start"
"""Key of a checkpoint's document: model, step, sha256 and target of what it began from."""

GRID = ("grid_alignment", "lr_shape", "lr_spacing_mm")
"""Facts of a document in which a model and the records may differ."""


@dataclasses.dataclass(frozen=True)
class Start:
    """A trained network that a training begins from.

    Attributes:
        name: of its file or folder.
        step: training steps behind it.
        document: of its checkpoint.
        variables: its weights and running statistics.
    """

    name: str
    step: int
    document: Mapping[str, Any]
    variables: Variables

    @property
    def sha256(self) -> str:
        """Of the weights, as predictions made with them say it."""
        return variables_sha256(self.variables)

    def added_to(self, mine: Mapping[str, Any]) -> dict[str, Any]:
        """The document of a training that begins here: also whom the model has learned from."""
        told = {"model": self.name, "step": self.step, "sha256": self.sha256}
        return {
            **mine,
            START: told | {"target": self.document["task"]["target"]},
            BEFORE: lineage(self.document),
            "notes": [*mine["notes"], *self.notes(mine)],
        }

    def notes(self, mine: Mapping[str, Any]) -> list[str]:
        """What a person must know of a training with the document ``mine`` that begins here."""
        said = [f"began from {self.name}: {self.step} steps, weights {self.sha256[:12]}…"]
        theirs, target = self.document["task"]["target"], mine["task"]["target"]
        if theirs != target:
            said.append(
                f"{self.name} had learned {theirs!r}, this training learned {target!r}: what is "
                f"systematically wrong with {target!r} it has learned too"
            )
        for fact in GRID:
            if self.document[fact] != mine[fact]:
                said.append(
                    f"{self.name} was trained at {fact} {self.document[fact]}, these records have "
                    f"{mine[fact]}"
                )
        return said


def read_start(
    options: StartOptions, mine: Mapping[str, Any], template: Callable[[], Any]
) -> Start | None:
    """The model that a training begins from, or None.

    Args:
        options: which.
        mine: document of the training.
        template: gives the shapes of the variables of the network that predicts.

    Raises:
        OptionError: its numbers would mean something else in this training.
        CheckpointError: no such model, it is damaged, or it does not say whom it learned from.
    """
    model, which = options.model, options.checkpoint
    if not model:
        return None
    path = find_model(model)
    step, document = load_document(path, which=which)
    check_same_meaning(path, document, mine)
    if LEARNED not in document:
        raise CheckpointError(
            f"{path}: does not say whom it learned from (an older version wrote it), so what "
            "begins from it could be tested on nobody; train it again"
        )
    variables = load_network(path, step, template(), which=which)
    return Start(path.name.removesuffix(SUFFIX), step, document, jax.device_get(variables))


def check_same_meaning(model: Path, document: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """Refuses weights that would mean something else in the training with the document ``mine``.

    Raises:
        OptionError: naming a key in which they differ, and both values.
    """
    theirs, here = _meaning(document), _meaning(mine)
    for key in [*theirs, *(key for key in here if key not in theirs)]:
        if theirs.get(key) != here.get(key):
            raise OptionError(
                f"start.model is {model}, whose {key} is {theirs.get(key)!r}; this training has "
                f"{here.get(key)!r}. Train with the model's own (qsr finetune takes them over), or "
                "begin fresh: start.model=''"
            )


def _meaning(document: Mapping[str, Any]) -> dict[str, Any]:
    """What gives weights their meaning, by the key of a page or a document."""
    task, fields = document["task"], dict(document["model"])
    meaning = {
        "map": "+".join(document["maps"]),
        "unit": document["unit"],
        "network_max": document["network_max"],
        "scale": document["scale"],
        "objective 'denoising'": document["objective"] == "denoising",
        "model.name": fields["name"],
        **{f"model.{name}": value for name, value in (_defaults(fields) | fields).items()},
        "task.context": task["context"],
        "task.log_maps": sorted(task["log_maps"]),
    }
    return {key: list(v) if isinstance(v, tuple) else v for key, v in meaning.items()}


def _defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a network that a page may leave out."""
    network = NETWORKS[fields["name"]]
    given = {f.name: f.default for f in dataclasses.fields(network)}
    own = own_fields(network)
    return {k: v for k, v in given.items() if k in own and v is not dataclasses.MISSING}
