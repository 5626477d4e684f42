"""Which values are compared: every method against the reference, subject by subject."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from qsr_jax.evaluation.agreement_report.long_table import LongTable, TableError
from qsr_jax.evaluation.formats.numbers import plural
from qsr_jax.statistics import Endpoint


@dataclasses.dataclass(frozen=True)
class Block:
    """Comparisons over the same subjects.

    Attributes:
        subjects: n names.
        endpoints: what is compared.
        test: (endpoints, n) float64.
        reference: (endpoints, n) float64.
    """

    subjects: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    test: np.ndarray
    reference: np.ndarray


def blocks_of(table: LongTable, *, reference: str) -> list[Block]:
    """Every other method against ``reference``, comparisons over the same subjects together.

    They are in order of map, then method, then region, each in order of appearance.

    Raises:
        TableError: no such method, no other method, or a subject with one method and not the other.
    """
    methods = list(dict.fromkeys(method for _, _, method in table.values))
    if reference not in methods or len(methods) < 2:
        raise TableError(
            f"{table.name}: expected the reference {reference!r} and another method, got "
            f"{', '.join(methods)}"
        )
    found: dict[tuple[str, ...], list[tuple[Endpoint, list[float], list[float]]]] = {}
    maps = list(table.units)
    keys = sorted(table.values, key=lambda key: (maps.index(key[0]), methods.index(key[2])))
    for name, region, method in keys:
        if method == reference:
            continue
        endpoint = Endpoint(name, region, table.units[name], method, reference)
        test, partners = table.values[name, region, method], _partners(table, endpoint)
        subjects = tuple(sorted(test))
        row = endpoint, [test[p] for p in subjects], [partners[p] for p in subjects]
        found.setdefault(subjects, []).append(row)
    return [
        Block(
            subjects,
            tuple(endpoint for endpoint, _, _ in rows),
            np.array([values for _, values, _ in rows]),
            np.array([values for _, _, values in rows]),
        )
        for subjects, rows in found.items()
    ]


def _partners(table: LongTable, endpoint: Endpoint) -> Mapping[str, float]:
    """The reference's values of the same subjects."""
    key = (endpoint.map, endpoint.region, endpoint.reference)
    if key not in table.values:
        raise TableError(f"{table.name}: {endpoint}: the reference has no values there")
    against = table.values[key]
    test = table.values[endpoint.map, endpoint.region, endpoint.test]
    unpaired = sorted(test.keys() ^ against.keys())
    if unpaired:
        raise TableError(
            f"{table.name}: {endpoint}: {plural(len(unpaired), 'subject')} with one method and "
            f"not the other ({', '.join(unpaired[:3])}{' ...' if len(unpaired) > 3 else ''}); "
            "both are needed"
        )
    return against
