"""Every statistic of every comparison; what cannot be computed says why, and the rest goes on."""

from collections.abc import Sequence

import numpy as np

from qsr_jax.evaluation.agreement_report.pairs import Pair
from qsr_jax.statistics import Comparison, DegenerateError, Plan, compare

ELEMENTS = 4_000_000
"""Largest (comparisons, n, n) that is computed at once, 32 MB in double."""


def compare_all(pairs: Sequence[Pair], *, plan: Plan) -> list[Comparison | str]:
    """The comparison of each pair, or the reason why there is none.

    Pairs of equal n are computed together, whoever their subjects are.

    Raises:
        ValueError: an option that makes no sense; a margin for a map that is not there.
    """
    maps = list(dict.fromkeys(pair.endpoint.map for pair in pairs))
    unknown = sorted(plan.margins.keys() - set(maps))
    if unknown:
        raise ValueError(f"margin for {', '.join(unknown)}, but the maps are {', '.join(maps)}")
    found: list[Comparison | str] = [pair.reason for pair in pairs]
    by_n: dict[int, list[int]] = {}
    for i, pair in enumerate(pairs):
        if not pair.reason:
            by_n.setdefault(len(pair.test), []).append(i)
    for n, places in by_n.items():
        size = max(1, ELEMENTS // n**2)
        for start in range(0, len(places), size):
            chunk = places[start : start + size]
            for i, result in zip(chunk, _chunk([pairs[i] for i in chunk], plan), strict=True):
                found[i] = result
    return found


def _chunk(pairs: Sequence[Pair], plan: Plan) -> list[Comparison | str]:
    """Comparisons of equal n. What is degenerate is taken out and the rest computed again."""
    found: dict[int, Comparison | str] = {}
    left = list(range(len(pairs)))
    while left:
        mine = [pairs[i] for i in left]
        test, reference = (np.array([getattr(p, s) for p in mine]) for s in ("test", "reference"))
        try:
            made = compare([p.endpoint for p in mine], test, reference, plan=plan)
        except ValueError as error:
            if not isinstance(error.__cause__, DegenerateError):
                raise
            index = error.__cause__.index
            found[left.pop(index[0] if index else 0)] = error.__cause__.reason
        else:
            found |= dict(zip(left, made, strict=True))
            left = []
    return [found[i] for i in range(len(pairs))]
