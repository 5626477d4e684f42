"""One set of formulas, two ways to compute it: NumPy for one comparison, compiled JAX for many.

A program is compiled for every shape it meets. That pays for thousands of comparisons and for a
bootstrap, and costs a hundred times the answer for a single one: a notebook with cohorts of forty
sizes would wait for forty compilers. Either way everything is float64. The sums of squares of T1
values near 1000 ms keep no digit of a difference of 1 ms in float32; the networks stay in float32.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike


def in_double(
    formulas: Callable[..., dict[str, jax.Array]],
) -> Callable[..., dict[str, np.ndarray]]:
    """Makes ``formulas(xp, *arrays)`` callable as ``computed(*arrays, many=...)``.

    Args:
        formulas: written for both array namespaces, given first: ``numpy`` or ``jax.numpy``.

    Returns:
        What takes the arrays (any real dtype) and ``many``, whether they hold more than one
        comparison, and gives float64 arrays by name. Divisions by zero give infinity or NaN in
        silence: who asked for that estimate refuses it.

    >>> squares = in_double(lambda xp, x: {"sum": xp.sum(x**2, -1)})
    >>> squares([3.0, 4.0], many=False)["sum"].tolist()
    25.0
    >>> squares([[3.0, 4.0], [0.0, 1.0]], many=True)["sum"].tolist()
    [25.0, 1.0]
    """
    compiled = jax.jit(functools.partial(formulas, jnp))

    @functools.wraps(formulas)
    def computed(*arrays: ArrayLike, many: bool) -> dict[str, np.ndarray]:
        double = [np.asarray(v, np.float64) for v in arrays]
        if many:
            with jax.enable_x64(True):
                found = compiled(*double)
                return {name: np.asarray(v) for name, v in found.items()}
        with np.errstate(all="ignore"):
            return {name: np.asarray(v) for name, v in formulas(np, *double).items()}

    return computed


BLOCK = 4_000_000
"""Numbers of one intermediate array that are held at once, 32 MB."""


def in_blocks(
    compute: Callable[..., Mapping[str, np.ndarray]],
    *arrays: np.ndarray,
    lead: tuple[int, ...],
    cost: int,
) -> dict[str, np.ndarray]:
    """Computes many comparisons block by block, so that memory does not grow with their number.

    Args:
        compute: of arrays (block, ...), gives arrays (block, ...) by name.
        *arrays: (*lead, ...) each.
        lead: shape of the comparisons.
        cost: numbers that one comparison takes in between.

    Returns:
        Arrays (*lead, ...) by name.

    >>> halves = in_blocks(lambda x: {"sum": x.sum(-1)}, np.ones((5, 3)), lead=(5,), cost=BLOCK)
    >>> halves["sum"].tolist()
    [3.0, 3.0, 3.0, 3.0, 3.0]
    """
    flat = [a.reshape(-1, *a.shape[len(lead) :]) for a in arrays]
    many = len(flat[0])
    size = max(min(BLOCK // max(cost, 1), many), 1)
    parts = []
    for start in range(0, many, size):
        # The last block is filled up: one shape, one compilation.
        index = np.minimum(np.arange(start, start + size), many - 1)
        parts.append(compute(*(a[index] for a in flat)))
    joined = {name: np.concatenate([p[name] for p in parts])[:many] for name in parts[0]}
    return {name: a.reshape((*lead, *a.shape[1:])) for name, a in joined.items()}
