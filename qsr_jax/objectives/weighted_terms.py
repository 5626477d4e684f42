"""A page's table of losses as terms: ``loss.terms`` over :data:`qsr_jax.losses.LOSSES`."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.losses import LOSSES
from qsr_jax.objectives.objective import REDUCTIONS, Term, output_of
from qsr_jax.tasks import Example, Task
from qsr_jax.tasks.joint_maps import inner_part

FEATURES_HR = "features_hr"
"""Among an example's extras: features of the targets, where they need not be computed again."""

REGIONS = ("frame", "head", "brain")

OF_PIXELS = ("pixel", "maps", "measured", "likelihood")
"""Kinds of losses that a region confines."""

HEAD_PIXELS = 32
"""How far skull and scalp reach beyond the brain, fine pixels: 14 mm at the paper's 0.43 mm."""


@dataclasses.dataclass(frozen=True)
class TermOptions:
    """How one loss counts.

    Attributes:
        weight: in the total; a term of weight 0 is not computed at all.
        region: where a pixel loss counts: the whole frame, the head (what lies within
            :data:`HEAD_PIXELS` of the brain), or the brain.
        reduction: over the samples of a batch, "mean" or "sum".

    Raises:
        ValueError: a negative or infinite weight, an unknown region or reduction.
    """

    weight: float = 1.0
    region: str = "frame"
    reduction: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        numeric = isinstance(self.weight, int | float) and not isinstance(self.weight, bool)
        if not numeric or not 0.0 <= self.weight < math.inf:
            raise ValueError(f"loss weight is {self.weight!r}; expected 0 or more")
        if self.region not in REGIONS:
            raise ValueError(f"loss region is {self.region!r}; expected one of {REGIONS}")
        if self.reduction not in REDUCTIONS:
            raise ValueError(
                f"loss reduction is {self.reduction!r}; expected 'sum' (equation 2 as printed) or "
                "'mean'"
            )


def check_terms(terms: Mapping[str, TermOptions], *, known: frozenset[str]) -> None:
    """Refuses a table that an objective cannot minimise.

    Args:
        terms: loss name to its options.
        known: kinds of losses that the objective has what they need for.

    Raises:
        ValueError: an unknown loss, one the objective has nothing for, or no weight above 0.
    """
    for name, options in terms.items():
        if name not in LOSSES:
            raise ValueError(f"loss.terms.{name}: no such loss; known: {', '.join(LOSSES)}")
        kind = LOSSES[name].kind
        if options.weight and kind not in known:
            raise ValueError(
                f"loss.terms.{name} is a loss of {kind}, which this objective does not have; set "
                "its weight to 0, or use objective srgan"
            )
        if options.region != "frame" and kind not in OF_PIXELS:
            raise ValueError(f"loss.terms.{name} has no pixels; its region can only be 'frame'")
    if not any(options.weight for options in terms.values()):
        raise ValueError("loss.terms: every weight is 0; nothing would be learned")


def check_spread(table: Mapping[str, TermOptions], network: nn.Module) -> None:
    """Refuses a spread that nothing teaches, and a likelihood without one.

    Raises:
        ValueError: only one of a network that tells its spread and a loss of likelihood.
    """
    tells = getattr(network, "spread", False)
    taught = [k for k, o in table.items() if o.weight and LOSSES[k].kind == "likelihood"]
    if taught and not tells:
        raise ValueError(
            f"loss.terms.{taught[0]} needs a network that tells its spread: set model.spread to "
            "True"
        )
    if tells and not taught:
        known = [name for name, loss in LOSSES.items() if loss.kind == "likelihood"]
        raise ValueError(
            f"model.spread is True, and no loss teaches a spread: weigh one of {', '.join(known)} "
            "with objective regression, or set it to False"
        )


def maps_of(output: jax.Array, task: Task) -> jax.Array:
    """The maps of an output, without the spreads that may stand behind them."""
    return output[..., : len(task.names)]


def pixel_terms(table: Mapping[str, TermOptions], task: Task, example: Example) -> dict[str, Term]:
    """The terms of pixels, in network scale, in physical units, and in what a scan would show."""
    weights = functools.cache(functools.partial(region_weights, example))
    terms = {}
    for name, options in table.items():
        if not options.weight or LOSSES[name].kind not in OF_PIXELS:
            continue
        values = _values(name, task, example, weights(options.region))
        terms[name] = Term(values, options.weight, options.reduction)
    return terms


def _values(
    name: str, task: Task, example: Example, weights: jax.Array | None
) -> Callable[[jax.Array], jax.Array]:
    loss, margin, target = LOSSES[name], example.margin, example.target
    count = len(task.names)

    def of_pixels(output: jax.Array) -> jax.Array:
        return loss.values(maps_of(output, task), target, weights)

    def of_likelihood(output: jax.Array) -> jax.Array:
        return loss.values(output[..., :count], output[..., count:], target, weights)

    def of_maps(output: jax.Array) -> jax.Array:
        maps = (task.physical(images) for images in (maps_of(output, task), target))
        inner = None if weights is None else inner_part(weights, margin)
        return loss.values(*maps, inner, names=task.names)

    def of_measured(output: jax.Array) -> jax.Array:
        fine = task.in_units(maps_of(output, task))
        coarse = task.in_units(task.middle(example.inputs["lr"]))
        counted = None if weights is None else weights[:, :: task.scale, :: task.scale]
        return loss.values(fine, coarse, counted, names=task.names, alignment=task.alignment)

    kinds = {"pixel": of_pixels, "likelihood": of_likelihood, "maps": of_maps}
    return kinds.get(loss.kind, of_measured)


def feature_terms(
    table: Mapping[str, TermOptions], network: nn.Module | None, frozen: Any, example: Example
) -> dict[str, Term]:
    """The terms of frozen features; those of the target come with the example or are computed."""
    chosen = {k: o for k, o in table.items() if o.weight and LOSSES[k].kind == "features"}
    if not chosen or network is None:
        return {}
    if FEATURES_HR in example.extras:
        wanted = example.extras[FEATURES_HR].astype(jnp.float32)
    else:
        wanted = output_of(network, {"params": frozen}, example.target)

    def term(name: str, options: TermOptions) -> Term:
        def values(output: jax.Array) -> jax.Array:
            seen = output[..., : example.target.shape[-1]]  # a spread is no picture
            found = output_of(network, {"params": frozen}, seen)
            return LOSSES[name].values(found, wanted)

        return Term(values, options.weight, options.reduction)

    return {name: term(name, options) for name, options in chosen.items()}


def region_weights(example: Example, region: str) -> jax.Array | None:
    """(n, h, w, 1), 1 where a loss of a region counts; None where every pixel does."""
    if region == "frame" and not example.margin:
        return None
    inner = jnp.pad(
        inner_part(jnp.ones_like(example.mask), example.margin),
        ((0, 0), (example.margin,) * 2, (example.margin,) * 2, (0, 0)),
    )
    if region == "frame":
        return inner
    return inner * (example.mask if region == "brain" else _within(example.mask, HEAD_PIXELS))


def _within(mask: jax.Array, pixels: int) -> jax.Array:
    """The mask and what lies within so many rows and columns of it.

    A window's maximum is that of two windows half as wide: seven passes for one 65 wide.
    """
    whole = 2 * pixels + 1
    for axis in (1, 2):
        mask, width = jnp.pad(mask, [(pixels * (a == axis),) * 2 for a in range(mask.ndim)]), 1
        while width < whole:
            step, length = min(width, whole - width), mask.shape[axis]
            first = jax.lax.slice_in_dim(mask, 0, length - step, axis=axis)
            mask = jnp.maximum(first, jax.lax.slice_in_dim(mask, step, length, axis=axis))
            width += step
    return mask
