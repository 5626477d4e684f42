"""One network that minimises a table of losses, and nobody who judges it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax

from qsr_jax.objectives.objective import (
    Term,
    Variables,
    Watched,
    exact,
    names_told,
    run,
    told_to,
)
from qsr_jax.objectives.weighted_terms import (
    OF_PIXELS,
    TermOptions,
    check_spread,
    check_terms,
    feature_terms,
    maps_of,
    pixel_terms,
)
from qsr_jax.tasks import Example, Task

NETWORK = "network"


@dataclasses.dataclass(frozen=True)
class Regression:
    """The weighted sum of losses of pixels, maps and, where there is a feature network, features.

    A network may tell how sure it is (``spread``); a loss of likelihood then teaches it, and every
    other loss sees its maps alone.

    Attributes:
        task: what the network learns.
        network: maps the inputs, in the order of ``inputs``, to the output.
        table: loss name to its options.
        features: a frozen network for losses of features, or None.
        inputs: which of the example's inputs the network takes.
        frozen_norm: True leaves running statistics as they are, where the network has any.

    Raises:
        ValueError: a loss that is not known or needs what is not there, no weight, a spread that
            nothing teaches, or a network that wants to be told what the task does not tell.
    """

    task: Task
    network: nn.Module
    table: Mapping[str, TermOptions]
    features: nn.Module | None = None
    inputs: tuple[str, ...] = ("lr",)
    frozen_norm: bool = False
    served: str = NETWORK
    turns: tuple[str, ...] = (NETWORK,)

    def __post_init__(self) -> None:
        """Refuses a table that cannot be minimised."""
        kinds = {*OF_PIXELS} | ({"features"} if self.features is not None else set())
        check_terms(self.table, known=frozenset(kinds))
        check_spread(self.table, self.network)
        missing = [name for name in names_told(self.network) if name not in self.task.TOLD]
        if missing:
            raise ValueError(
                f"the network wants to be told {', '.join(missing)}, and task {self.task.KIND} "
                "tells nothing of the kind: set model.film and model.encoders to False"
            )

    def seen(self, example: Example) -> tuple[jax.Array, ...]:
        """What the network takes."""
        return tuple(example.inputs[name] for name in self.inputs)

    def init(self, key: jax.Array, example: Example) -> dict[str, Variables]:
        """Draws the network."""
        told = told_to(self.network, example.inputs)
        return {NETWORK: self.network.init(key, *self.seen(example), train=False, **told)}

    def forward(self, variables: Variables, example: Example) -> tuple[jax.Array, Variables]:
        """The output in training, and new running statistics, if any."""
        told = told_to(self.network, example.inputs)
        seen = self.seen(example)
        return run(self.network, variables, *seen, train=not self.frozen_norm, **told)

    def terms(
        self, players: Mapping[str, Variables], frozen: Any, example: Example
    ) -> dict[str, Term]:
        """The table."""
        del players
        features = feature_terms(self.table, self.features, frozen, example)
        return pixel_terms(self.table, self.task, example) | features

    def opposed(
        self, role: str, variables: Variables, output: jax.Array, example: Example
    ) -> tuple[jax.Array, Watched, Variables]:
        """Nobody."""
        del variables, output, example
        raise ValueError(f"a regression has no role {role!r}; its only one is {NETWORK!r}")

    def probe(self, variables: Variables, example: Example) -> jax.Array:
        """The network's maps as it predicts them."""
        return maps_of(self.said(variables, example), self.task)

    def said(self, variables: Variables, example: Example) -> jax.Array:
        """All that the network says as it predicts: maps, and their spreads if it tells them."""
        told = told_to(self.network, example.inputs)
        return run(exact(self.network), variables, *self.seen(example), train=False, **told)[0]

    def baseline(self, task: Task, example: Example) -> jax.Array:
        """Interpolation."""
        return task.baseline(example.inputs)
