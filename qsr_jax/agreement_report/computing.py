"""Every statistic of every comparison; what cannot be computed says why, and the rest goes on."""

from collections.abc import Sequence

import numpy as np

from qsr_jax.agreement_report.pairs import Pair
from qsr_jax.statistics import Comparison, Plan, compare

VALUES = 250_000
"""Pairs of values that are compared at once: a gigabyte less than a million of them."""


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
    chunks = [
        places[start : start + max(1, VALUES // n)]
        for n, places in by_n.items()
        for start in range(0, len(places), max(1, VALUES // n))
    ]
    for places in chunks:
        mine = [pairs[i] for i in places]
        test, reference = (np.array([getattr(p, s) for p in mine]) for s in ("test", "reference"))
        made = compare([p.endpoint for p in mine], test, reference, plan=plan)
        for i, result in zip(places, made, strict=True):
            found[i] = result
    return found
