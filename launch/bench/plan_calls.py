"""Notes which compiled functions of the house a piece of Python calls, and with what shapes."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

ROOMS = ("qsr_jax.", "launch.")
_COMPILED = type(jax.jit(lambda x: x))


class Calls:
    """Every compiled function that was called from Python, by its arguments' shapes."""

    def __init__(self) -> None:
        self._seen: dict[Any, list[Any]] = {}

    def note(self, function: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        """Counts one call."""
        given = jax.tree.map(_shape, (args, kwargs))
        leaves, structure = jax.tree.flatten(given)
        key = id(function), structure, tuple(map(str, leaves))
        self._seen.setdefault(key, [function, given, 0])[2] += 1

    def __iter__(self) -> Iterator[tuple[Any, tuple, dict[str, Any], int]]:
        """Function, arguments with shapes for arrays, and how often it was called so."""
        for function, (args, kwargs), count in self._seen.values():
            yield function, args, kwargs, count


class _Noted:
    """Stands in for a compiled function."""

    def __init__(self, function: Any, calls: Calls) -> None:
        self._function, self._calls = function, calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            self._calls.note(self._function, args, kwargs)
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


@contextlib.contextmanager
def noted() -> Iterator[Calls]:
    """While open, every function that a module of the house holds compiled is noted when called.

    What Python computes between them array by array, and functions compiled inside others, are not
    seen.
    """
    calls, replaced = Calls(), []
    modules = [m for name, m in list(sys.modules.items()) if name.startswith(ROOMS)]
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, _COMPILED):
                replaced.append((module, name, value))
                setattr(module, name, _Noted(value, calls))
    try:
        yield calls
    finally:
        for module, name, value in replaced:
            setattr(module, name, value)


def _shape(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array | np.ndarray | np.generic):
        return jax.ShapeDtypeStruct(leaf.shape, jax.dtypes.canonicalize_dtype(leaf.dtype))
    return leaf
