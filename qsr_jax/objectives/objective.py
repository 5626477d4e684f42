"""What an objective is: who plays, and what each of them minimises, sample by sample."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import flax.linen as nn
import jax

from qsr_jax.tasks import Example, Task

Variables = Mapping[str, Any]
"""{"params": ..., and any mutable collections} of one network."""

Watched = dict[str, jax.Array]
"""Values that are logged and not minimised, one per sample."""

REDUCTIONS = ("mean", "sum")


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of the served network's loss.

    Attributes:
        values: the network's output to one value per sample, (n,).
        weight: of the term in the total.
        reduction: over the samples of the global batch.
    """

    values: Callable[[Any], jax.Array]
    weight: float = 1.0
    reduction: Literal["mean", "sum"] = "mean"


class Objective(Protocol):
    """Who learns and what each minimises.

    ``turns`` is the order in which roles are updated; ``served`` is the role whose output everybody
    judges and whose network predicts. The served network runs forward once per step: the terms of
    all roles are functions of that one output.
    """

    @property
    def task(self) -> Task:
        """What the served network learns."""
        ...

    @property
    def served(self) -> str:
        """The role that predicts."""
        ...

    @property
    def turns(self) -> tuple[str, ...]:
        """Roles in the order of their updates."""
        ...

    @property
    def frozen_norm(self) -> bool:
        """Whether the served network's mutable collections stay as they are."""
        ...

    def init(self, key: jax.Array, example: Example) -> dict[str, Variables]:
        """Draws the variables of every role that any stage may update."""
        ...

    def forward(self, variables: Variables, example: Example) -> tuple[Any, Variables]:
        """The served network's output in training, and its new mutable collections."""
        ...

    def terms(
        self, players: Mapping[str, Variables], frozen: Any, example: Example
    ) -> dict[str, Term]:
        """What the served network minimises, given the other roles as they are now."""
        ...

    def opposed(
        self, role: str, variables: Variables, output: Any, example: Example
    ) -> tuple[jax.Array, Watched, Variables]:
        """What another role minimises (n,), what to watch, and its new mutable collections."""
        ...

    def probe(self, variables: Variables, example: Example) -> jax.Array:
        """What the served network makes of an example as a predictor: what validation scores."""
        ...

    def baseline(self, task: Task, example: Example) -> jax.Array:
        """What costs nothing, to stand beside :meth:`probe`."""
        ...


def run(
    network: nn.Module, variables: Variables, *inputs: Any, train: bool, **told: Any
) -> tuple[jax.Array, Variables]:
    """The network's output and its mutable collections, new in training if it has any."""
    rest = {name: value for name, value in variables.items() if name != "params"}
    if not train or not rest:
        return output_of(network, variables, *inputs, train=False, **told), rest
    output, new = network.apply(variables, *inputs, train=True, mutable=list(rest), **told)
    return output, dict(new)


def told_to(network: nn.Module, inputs: Mapping[str, jax.Array]) -> dict[str, Any]:
    """What a network takes by name, of an example's inputs."""
    return {name: inputs[name] for name in names_told(network)}


def names_told(network: nn.Module) -> tuple[str, ...]:
    """Names of what a network takes beside the image; most take nothing."""
    return tuple(getattr(network, "told", ()))


def output_of(network: nn.Module, variables: Variables, *inputs: Any, **options: Any) -> jax.Array:
    """The output of a network that changes nothing."""
    output = network.apply(variables, *inputs, **options)
    assert not isinstance(output, tuple)
    return output


def exact(network: nn.Module) -> nn.Module:
    """The same network computing in the precision of its inputs, as predictions are made."""
    return network.clone(dtype=None) if hasattr(network, "dtype") else network
