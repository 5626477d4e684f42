"""What training carries from step to step."""

from collections.abc import Mapping

import flax.struct
import jax
import jax.numpy as jnp
import optax

from qsr_jax.objectives import Objective, Variables
from qsr_jax.tasks import Example

Optimizers = Mapping[str, optax.GradientTransformation]
"""Role to its optimiser."""


@flax.struct.dataclass
class Player:
    """One network that learns: its variables and its optimiser's state."""

    variables: Variables
    opt: optax.OptState


@flax.struct.dataclass
class TrainState:
    """A complete, donated-in donated-out training state.

    Attributes:
        step: finished steps.
        players: role to its network and optimiser.
        average: running average of the served network's variables, empty if none is kept.
        served_name: the role whose network predicts.
    """

    step: jax.Array
    players: Mapping[str, Player]
    average: Variables
    served_name: str = flax.struct.field(pytree_node=False)

    @property
    def served(self) -> Variables:
        """What validation and prediction use: the average where one is kept."""
        return self.average or self.players[self.served_name].variables


def init_state(
    key: jax.Array,
    objective: Objective,
    example: Example,
    optimizers: Optimizers,
    *,
    averaged: bool,
    served: Variables | None = None,
) -> TrainState:
    """Draws every player and its optimiser's state.

    Args:
        key: PRNG key.
        objective: who plays.
        example: of any batch size; only its shapes matter.
        optimizers: one for every role.
        averaged: whether to keep a running average of the served network.
        served: variables that the served network begins with instead.
    """
    drawn = dict(objective.init(key, example))
    if served is not None:
        drawn[objective.served] = served
    players = {
        role: Player(variables, optimizers[role].init(variables["params"]))
        for role, variables in drawn.items()
    }
    # A copy: the compiled step donates its state, and one buffer cannot be given away twice.
    average = jax.tree.map(jnp.copy, drawn[objective.served]) if averaged else {}
    return TrainState(jnp.zeros((), jnp.int32), players, average, objective.served)
