"""How far TF32 moves a prediction, in grey and white matter of a simulated subject.

On a GPU both precisions are run. A CPU has no TF32: there the factors of every convolution and
matrix product that "tf32" lets a GPU round are rounded to its 10 bits of mantissa (nearest, ties to
even), and added up in float32, as such a GPU does.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.extend.core as jex
import numpy as np

from launch.bench import data
from qsr_jax.maps import MAPS
from qsr_jax.phantom.volume_fractions import CLASSES
from qsr_jax.predictors.batched import BATCH, TF32, predict_maps, super_resolve
from qsr_jax.predictors.load import load_predictor
from qsr_jax.predictors.network import NetworkPredictor

MODEL = "default"
TISSUES = ("cortex", "white")
PURE = 0.9
"""Volume fraction from which a voxel counts as one tissue."""
EXPONENT_BITS, MANTISSA_BITS = 8, 10
"""Of TF32 (NVIDIA, "A100 Tensor Core GPU Architecture", 2020)."""
PRODUCTS = ("conv_general_dilated", "dot_general")
ROUNDED = (jax.lax.Precision.HIGH, jax.lax.Precision.DEFAULT)
"""Precisions in which a GPU takes TF32."""
ONCE = ("jit", "pjit", "custom_jvp_call", "custom_vjp_call", "closed_call")
"""Primitives that run a program of their own once."""


def bench(protocol: str = "paper", slices: int = 24) -> Iterator[dict[str, Any]]:
    """A row for every map and tissue.

    Args:
        protocol: key of :data:`qsr_jax.physics.mdme_protocol.PROTOCOLS`.
        slices: of its middle that are predicted, at most.
    """
    model, device = load_predictor(MODEL), jax.default_backend()
    phantom, scans = data.one_subject(0, protocol)
    chosen = _middle(len(phantom.fractions), slices)
    exact, rough = both(model, next(v for k, v in scans.items() if k.startswith("fast"))[chosen])
    for name in TISSUES:
        inside = phantom.fractions[chosen, CLASSES.index(name)] > PURE
        for channel, spec in enumerate(MAPS.values()):
            apart = (rough - exact)[..., channel][inside]
            yield {
                "what": "tf32", "how": "emulated" if device == "cpu" else device,
                "map": spec.name, "unit": spec.unit, "tissue": name, "voxels": apart.size,
                "rms": float(np.sqrt(np.mean(np.square(apart, dtype=np.float64)))),
                "bias": float(np.mean(apart, dtype=np.float64)),
                "largest": float(np.abs(apart).max()),
            }  # fmt: skip


def _middle(count: int, wanted: int) -> slice:
    first = max(0, (count - wanted) // 2)
    return slice(first, first + wanted)


def both(model: NetworkPredictor, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a model makes of (z, y, x, c) maps in float32 and in TF32."""
    given = (model.network, model.variables, model.task, maps)
    exact = predict_maps(*given, batch=BATCH)
    if jax.default_backend() != "cpu":
        return exact, predict_maps(*given, batch=BATCH, precision=TF32)
    how = {"network": model.network, "task": model.task, "precision": TF32}
    rough = jax.jit(as_tf32(functools.partial(super_resolve, **how)))
    beside, last = model.task.context // 2, len(maps) - 1
    around = [np.clip(np.arange(z - beside, z + beside + 1), 0, last) for z in range(len(maps))]
    made = [np.asarray(rough(model.variables, maps[places])) for places in around]
    return exact, np.concatenate(made)


def as_tf32(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A function with the factors of its products rounded, but for those that ask for float32.

    Raises:
        ValueError: when called: the function holds a loop or a branch, whose inside is not seen.

    Example:
        >>> third = jax.numpy.full((1, 1), 1 / 3, jax.numpy.float32)
        >>> product = as_tf32(lambda x: x @ jax.numpy.ones((1, 1)))
        >>> float(product(third)[0, 0])
        0.333251953125
    """

    def rounded(*args: Any) -> jax.Array:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        made = _run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), made)

    return rounded


def _run(program: jex.Jaxpr, consts: list[Any], given: list[Any]) -> list[Any]:
    known = dict(zip([*program.constvars, *program.invars], [*consts, *given], strict=True))
    for one in program.eqns:
        read = [x.val if isinstance(x, jex.Literal) else known[x] for x in one.invars]
        inside = [x for x in one.params.values() if isinstance(x, jex.ClosedJaxpr)]
        if inside and one.primitive.name not in ONCE:
            raise ValueError(
                f"{one.primitive.name} holds a program of its own, whose products would not be "
                "rounded; expected a network without loops and branches"
            )
        made = _run(inside[0].jaxpr, inside[0].consts, read) if inside else _once(one, read)
        known.update(zip(one.outvars, made, strict=True))
    return [x.val if isinstance(x, jex.Literal) else known[x] for x in program.outvars]


def _once(one: jex.JaxprEqn, read: list[Any]) -> list[Any]:
    if one.primitive.name in PRODUCTS and set(one.params["precision"] or ROUNDED) <= set(ROUNDED):
        read = [jax.lax.reduce_precision(x, EXPONENT_BITS, MANTISSA_BITS) for x in read]
    made = one.primitive.bind(*read, **one.params)
    return list(made) if one.primitive.multiple_results else [made]
