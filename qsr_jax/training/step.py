"""One training step as a pure function of (state, frozen, batch), for any task and objective.

The served network runs forward once; every role is updated from that one output:

1. the task makes an example, the served network its output, the pull-back kept (``jax.vjp``);
2. the other roles are updated, in the order of the objective's turns;
3. the gradient of every term at the output, against the roles as they are now, goes back through
   the kept pull-back.

A batch taken in parts keeps nothing: each part's output is computed again for 3, after the others
have been updated on all of them. Reduction over the batch is global: every term is a sum over all
samples of all devices, divided where a mean is wanted. So N devices do what one does.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from qsr_jax.objectives import Objective, Term, Variables
from qsr_jax.tasks import Example, Task
from qsr_jax.training.compute_options import PLAIN, ComputeOptions
from qsr_jax.training.reduction import Reduction
from qsr_jax.training.state import Optimizers, Player, TrainState
from qsr_jax.types import Batch

Metrics = dict[str, jax.Array]
Step = Callable[[TrainState, Any, Batch], tuple[TrainState, Metrics]]

SQUARES = "_gradient_square"
"""Until the devices' shares are added up: what becomes a term's ``*_gradient_size``."""


def make_step(
    task: Task,
    objective: Objective,
    optimizers: Optimizers,
    *,
    batch_size: int,
    average_decay: float,
    axis_name: str | None,
    options: ComputeOptions = PLAIN,
) -> Step:
    """Builds ``step(state, frozen, batch) -> (state, metrics)``.

    Args:
        task: makes examples of batches.
        objective: who learns what.
        optimizers: one for every role that has its turn.
        batch_size: samples in the global batch, all devices together.
        average_decay: of the running average of the served network; 0 keeps none.
        axis_name: device axis of :mod:`qsr_jax.training.parallel`, or None for one device.
        options: precision and memory.

    Returns:
        The step. Its metrics are scalars of the global batch: every term raw, ``*_weighted`` and
        ``*_gradient_size`` (norm of its weighted gradient at the output), ``total``, what the
        objective watches, the loss of every other role by its name, norms of gradients, and norms
        of everything that the state holds after the step.
    """
    trainer = _Trainer(
        task, objective, optimizers, Reduction(batch_size, axis_name), options, average_decay
    )
    return trainer.step


@dataclasses.dataclass(frozen=True)
class _Trainer:
    task: Task
    objective: Objective
    optimizers: Optimizers
    over: Reduction
    options: ComputeOptions
    average_decay: float

    def step(self, state: TrainState, frozen: Any, batch: Batch) -> tuple[TrainState, Metrics]:
        players, metrics = dict(state.players), Metrics()
        with jax.default_matmul_precision(self.options.matmul):
            whole = self.forward(players, batch, state.step) if self.options.parts == 1 else None
            for role in self.objective.turns:

                def one(part: Batch, role: str = role, now: Mapping = dict(players)) -> tuple:
                    passed = whole or self.forward(now, part, state.step)
                    return self.shares(role, now, frozen, *passed)

                players[role], told = self.updated(role, players[role], one, batch)
                metrics |= told
        served = players[self.objective.served].variables
        average = follow(state.average, served, self.average_decay, state.step)
        metrics |= {f"{r}_norm": norm((p.variables, p.opt)) for r, p in players.items()}
        metrics["average_norm"] = norm(average)
        state = dataclasses.replace(state, step=state.step + 1, players=players, average=average)
        return state, metrics

    def forward(self, players: Mapping[str, Player], part: Batch, step: jax.Array) -> tuple:
        """The example, and the served network's output, pull-back and new collections."""
        example = self.task.example(part, step=step)
        params, rest = split(players[self.objective.served].variables)
        passed = jax.vjp(
            lambda p: self.objective.forward({"params": p, **rest}, example), params, has_aux=True
        )
        return example, *passed

    def shares(
        self,
        role: str,
        players: Mapping[str, Player],
        frozen: Any,
        example: Example,
        output: Any,
        pull_back: Callable,
        collections: Variables,
    ) -> tuple[Any, Variables, Metrics]:
        """This device's shares of a role's gradients, its new collections, its metrics."""
        variables = {name: player.variables for name, player in players.items()}
        if role == self.objective.served:
            terms = self.objective.terms(variables, frozen, example)
            gradient, metrics = self.weighed(terms, output)
            return pull_back(gradient)[0], collections, metrics
        params, rest = split(variables[role])

        def total(params: Any) -> tuple[jax.Array, tuple[Variables, Metrics]]:
            mine = {"params": params, **rest}
            values, watched, new = self.objective.opposed(role, mine, output, example)
            value = self.over.mean(values)
            seen = {name: self.over.mean(v) for name, v in watched.items()}
            return value, (new, {role: value} | seen)

        gradients, (new, metrics) = jax.grad(total, has_aux=True)(params)
        return gradients, new, metrics

    def weighed(self, terms: Mapping[str, Term], output: Any) -> tuple[Any, Metrics]:
        """The gradient of the weighted total at the output, and every term's share of metrics."""
        gradient, metrics, totals = None, Metrics(), []
        for name, term in terms.items():

            def weighted(output: Any, term: Term = term) -> tuple[jax.Array, jax.Array]:
                raw = self.over.share(term.values(output), term.reduction)
                return raw * term.weight, raw

            (value, raw), mine = jax.value_and_grad(weighted, has_aux=True)(output)
            gradient = mine if gradient is None else jax.tree.map(jnp.add, gradient, mine)
            square = optax.tree.norm(mine, squared=True)
            metrics |= {name: raw, f"{name}_weighted": value, f"{name}{SQUARES}": square}
            totals.append(value)
        return gradient, metrics | {"total": jnp.stack(totals).sum()}

    def updated(
        self, role: str, player: Player, shares: Callable, batch: Batch
    ) -> tuple[Player, Metrics]:
        """The role after its update, and its metrics of the global batch."""
        gradients, rest, told = self.options.summed(shares, batch)
        if role == self.objective.served and self.objective.frozen_norm:
            rest = split(player.variables)[1]  # a sum divided again would round
        else:
            rest = self.followed(rest)
        gradients = self.over.total(gradients)
        params, opt = moved(self.optimizers[role], player, gradients)
        variables = {"params": params, **rest}
        metrics = gradient_sizes(self.over.total(told))
        metrics[f"{role}_gradient_norm"] = norm(gradients)
        return Player(variables, opt), metrics

    def followed(self, statistics: Variables) -> Variables:
        """Running statistics of all parts and devices, from their sums over this device's parts."""
        if self.options.parts > 1:
            statistics = jax.tree.map(lambda x: x / self.options.parts, statistics)
        if self.options.batch_norm == "all":
            return statistics  # the same on every device already
        return self.over.total(self.over.mean_of_devices(statistics))


def split(variables: Variables) -> tuple[Any, dict[str, Any]]:
    """Parameters, and the collections beside them."""
    return variables["params"], {k: v for k, v in variables.items() if k != "params"}


def norm(tree: Any) -> jax.Array:
    """Euclidean norm of all leaves.

    Leaf by leaf, two kernels for each made up a quarter of a GPU's step; there all leaves are one
    vector. A CPU would only copy them into it.
    """
    return jax.lax.platform_dependent(tree, cpu=optax.tree.norm, default=norm_of_one_vector)


def norm_of_one_vector(tree: Any) -> jax.Array:
    """The same, in one pass over all leaves behind one another."""
    leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)]
    total = jnp.square(jnp.concatenate(leaves)).sum() if leaves else 0.0
    return jnp.sqrt(total).astype(jax.eval_shape(optax.tree.norm, tree).dtype)


def moved(
    optimizer: optax.GradientTransformation, player: Player, gradients: Any
) -> tuple[Any, optax.OptState]:
    """New parameters and state of an optimiser that works element by element.

    It sees every leaf as a vector: a GPU keeps the kernels of convolutions transposed, and XLA
    would take their updates there too, unable to write them where the old values lie.
    """
    given = jax.lax.platform_dependent(gradients, cpu=in_vectors, default=in_one_vector)
    params, opt = in_vectors(player.variables["params"]), in_vectors(player.opt)
    updates, opt = optimizer.update(given, opt, params)
    made = optax.apply_updates(params, updates), opt
    made = jax.lax.platform_dependent(
        made, cpu=lambda made: made, default=jax.lax.optimization_barrier
    )
    old = player.variables["params"], player.opt
    return jax.tree.map(lambda new, leaf: new.reshape(jnp.shape(leaf)), made, old)


def in_vectors(tree: Any) -> Any:
    """Every leaf as a vector; single numbers stay."""
    return jax.tree.map(lambda leaf: jnp.ravel(leaf) if jnp.ndim(leaf) else leaf, tree)


def in_one_vector(tree: Any) -> Any:
    """The same, as parts of one vector, which turns a GPU's transposed gradients in one pass."""
    leaves, structure = jax.tree.flatten(in_vectors(tree))
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    whole = jax.lax.optimization_barrier(jnp.concatenate(leaves))
    return jax.tree.unflatten(structure, jnp.split(whole, ends))


def gradient_sizes(metrics: Metrics) -> Metrics:
    """Metrics with the square of every term's gradient turned into its size."""
    return {
        name.replace(SQUARES, "_gradient_size"): jnp.sqrt(v) if name.endswith(SQUARES) else v
        for name, v in metrics.items()
    }


def follow(average: Variables, new: Variables, decay: float, step: jax.Array) -> Variables:
    """Exponential average of variables; young averages forget faster, ``(1 + t) / (10 + t)``."""
    if not decay:
        return average
    kept = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, now: kept * old + (1.0 - kept) * now, average, new)
