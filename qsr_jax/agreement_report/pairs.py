"""Which values are compared: every method against the reference, subject by subject."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from qsr_jax.agreement_report.cells import TableError
from qsr_jax.agreement_report.long_table import Key, LongTable
from qsr_jax.formats.numbers import plural
from qsr_jax.statistics import MIN_SUBJECTS, Endpoint

TOLD = 3
"""Names that a message tells one by one."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One comparison's values.

    Attributes:
        endpoint: what is compared.
        more: cells of the further columns.
        subjects: n names.
        test: (n,) float64 in the unit of the map.
        reference: (n,) likewise.
        reason: why it cannot be computed; "" where it can.
    """

    endpoint: Endpoint
    more: tuple[str, ...]
    subjects: tuple[str, ...]
    test: np.ndarray
    reference: np.ndarray
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """What of a table is compared.

    Attributes:
        reference: method that the others are compared with.
        tests: the others that are asked about; empty for all.
        excluded: subjects left out everywhere.
        complete_cases: whether a comparison leaves out who lacks one of its two values; otherwise
            it is not computed.
    """

    reference: str
    tests: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    complete_cases: bool = False


def pairs_of(table: LongTable, choice: Choice) -> list[Pair]:
    """Every comparison of a table, in order of map, then method, then appearance.

    Raises:
        TableError: no such method or subject, no other method, or nothing that can be compared.
    """
    methods = list(dict.fromkeys(key.method for key in table.keys))
    _check(table, choice, methods)
    tests = choice.tests or tuple(m for m in methods if m != choice.reference)
    left_out = np.isin(table.subjects, choice.excluded)
    index = {key: i for i, key in enumerate(table.keys)}
    maps = list(table.units)
    wanted = [key for key in table.keys if key.method in tests]
    wanted.sort(key=lambda key: (maps.index(key.map), tests.index(key.method)))
    pairs = [_pair(table, index, key, choice, left_out) for key in wanted]
    if all(pair.reason for pair in pairs):
        first = f"{pairs[0].endpoint}: {pairs[0].reason}"
        others = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
        raise TableError(f"{table.name}: nothing can be compared; {first}{others}")
    return pairs


def _check(table: LongTable, choice: Choice, methods: Sequence[str]) -> None:
    """Raises TableError for methods and subjects that are not there."""
    absent = [m for m in (choice.reference, *choice.tests) if m not in methods]
    if absent or len(methods) < 2:
        raise TableError(
            f"{table.name}: expected the reference {choice.reference!r} and "
            f"{' and '.join(map(repr, choice.tests)) or 'another method'}, got "
            f"{', '.join(methods)}"
        )
    if choice.reference in choice.tests:
        raise TableError(f"{choice.reference!r} is the reference; it cannot be tested as well")
    unknown = sorted(set(choice.excluded) - set(table.subjects))
    if unknown:
        raise TableError(
            f"{table.name}: excluded subject {unknown[0]!r} is not in the table; it has "
            f"{', '.join(table.subjects[:TOLD])} ..."
        )


def _pair(
    table: LongTable,
    index: Mapping[Key, int],
    key: Key,
    choice: Choice,
    left_out: np.ndarray,
) -> Pair:
    endpoint = Endpoint(key.map, key.region, table.units[key.map], key.method, choice.reference)
    partner = index.get(key._replace(method=choice.reference))
    if partner is None:
        nobody = np.zeros(0)
        reason = f"{choice.reference} has no values there"
        return Pair(endpoint, key.more, (), nobody, nobody, reason)
    sides = [_there(table, k, left_out) for k in (index[key], partner)]
    (who, test), (others, reference) = sides
    unpaired = np.zeros(0, int)
    if not np.array_equal(who, others):
        unpaired = np.setxor1d(who, others, assume_unique=True)
        both = np.intersect1d(who, others, assume_unique=True)
        test, reference = test[np.isin(who, both)], reference[np.isin(others, both)]
        who = both
    names = tuple(table.subjects[i] for i in who.tolist())
    reason = ""
    if len(unpaired) and not choice.complete_cases:
        bad = [*table.reasons(index[key]), *table.reasons(partner)]
        reason = _unpaired([table.subjects[i] for i in unpaired], bad)
    elif len(who) < MIN_SUBJECTS:
        reason = f"n = {len(who)} subjects; at least {MIN_SUBJECTS} are needed"
    return Pair(endpoint, key.more, names, test, reference, reason)


def _there(table: LongTable, key: int, left_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subjects that are not left out and have a value, and their values."""
    who, values = table.of(key)
    kept = ~(left_out[who] | np.isnan(values))
    return who[kept], values[kept]


def _unpaired(names: Sequence[str], bad: Sequence[str]) -> str:
    """Why a comparison with missing values is not computed, and what to do."""
    told = f"{', '.join(sorted(names)[:TOLD])}{' ...' if len(names) > TOLD else ''}"
    cause = f" [{'; '.join(bad[:TOLD])}]" if bad else ""
    return (
        f"{plural(len(names), 'subject')} with one method and not the other ({told}){cause}; both "
        "are needed: leave them out here (complete_cases, --complete-cases) or everywhere "
        "(exclude, --exclude)"
    )
