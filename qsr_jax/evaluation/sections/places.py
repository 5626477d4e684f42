"""Every method against routine in every tissue, region and lesion: the rows that tables share.

Two questions are asked of each: is the *mean* right, and is the value of each *individual*
(:mod:`qsr_jax.statistics.verdicts`)? The trained model is also held against fast and bicubic. One
question about one method in one kind of place is one family, decided as ``qsr agreement`` does.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import MAIN, PAPER_TISSUES, TableRow, if_enough, title
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.maps import spec_of
from qsr_jax.statistics import BlandAltman, PairedT, Sample, Variation, Verdict
from qsr_jax.statistics.repeatability import Repeatability, repeatability

ALPHA = 0.05
MARGIN_PERCENT = published.MARGIN_PERCENT
NO_WORSE_PERCENT = 1.0
"""By how much, in percent of routine, the trained error may exceed that of fast or bicubic and
still count as no worse: a fifth of the margin."""
SIMPLER = (FAST, BICUBIC)
"""What the trained model must not be worse than."""

LESIONS = "lesions"
"""Place of a subject's mean over their lesions; its kind is "lesion"."""

BySubject = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class PlaceRow(TableRow):
    """One method against routine in one place and map, over the subjects that have both.

    ``difference_percent`` is of the means, in percent of routine's; ``no_worse`` holds the trained
    model's non-inferiority to each of :data:`SIMPLER`.
    """

    kind: str
    place: str
    map: str
    unit: str
    method: str
    n: int
    value: Sample
    routine: Sample
    difference_percent: float
    test: PairedT | None
    limits: BlandAltman | None
    variation: Variation | None
    repeatability: Repeatability | None
    mean: Verdict
    individual: Verdict
    no_worse: Mapping[str, Verdict]


@dataclasses.dataclass(frozen=True)
class FamilyRow(TableRow):
    """One question about one method in one kind of place, all maps.

    ``everywhere`` answers whether all claims hold together (intersection-union, ``places`` tests at
    alpha); ``shown`` counts claims that hold by themselves (Holm).
    """

    question: str
    kind: str
    method: str
    n: int
    places: int
    everywhere: str
    shown: int
    worst: str | None


def subject_values(cohort: Cohort, kind: str, place: str, name: str) -> dict[str, BySubject]:
    """Method to subject to mean: healthy subjects, of lesions whoever has them; in order."""
    known = dict.fromkeys((*MAIN, *cohort.methods))
    if kind != "lesion":
        found = {m: cohort.of(kind, place, name, "mean", m) for m in known}
        return {m: _of_group(cohort, by, HEALTHY) for m, by in found.items() if by}
    values: dict[str, dict[str, list[float]]] = {}
    for m in known:
        for lesion in cohort.places(kind, None):
            for subject, value in cohort.of(kind, lesion, name, "mean", m).items():
                values.setdefault(m, {}).setdefault(subject, []).append(value)
    means = {m: {s: float(np.mean(v)) for s, v in by.items()} for m, by in values.items()}
    return {m: _of_group(cohort, by, None) for m, by in means.items()}


def _of_group(cohort: Cohort, by: BySubject, group: str | None) -> BySubject:
    return {s: by[s] for s, of in cohort.group.items() if group in (None, of) and s in by}


def place_rows(cohort: Cohort) -> list[PlaceRow]:
    """Every place, map and method; single claims are those that stand after Holm's correction."""
    rows = list(cohort.rows(_asked))
    for (_, _, question), members in _families(rows).items():
        decided = statistics.decide_family(_verdicts(rows, members, question), rule="each")
        for i, verdict in zip(members, decided.members.values(), strict=True):
            changed: dict[str, Any] = {question: verdict}
            rows[i] = dataclasses.replace(rows[i], **changed)
    return rows


def family_rows(cohort: Cohort) -> Iterator[FamilyRow]:
    """One row per family."""
    asked, rows = cohort.rows(_asked), cohort.rows(place_rows)
    for (kind, method, question), members in _families(asked).items():
        together = statistics.decide_family(_verdicts(asked, members, question), rule="all")
        yield FamilyRow(
            row=f"{kind}, {method}, {question}",
            question=question,
            kind=kind,
            method=method,
            n=min(rows[i].n for i in members),
            places=len(members),
            everywhere=together.outcome.value,
            shown=sum(v.shown for v in _verdicts(rows, members, question).values()),
            worst=together.worst,
        )


def _families(rows: Sequence[PlaceRow]) -> dict[tuple[str, str, str], list[int]]:
    """(kind, method, question) to the rows decided together; CSF stands apart from the tissues."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        apart = row.kind == "tissue" and row.place not in PAPER_TISSUES
        for question in ("mean", "individual"):
            key = (row.place if apart else row.kind, row.method, question)
            found.setdefault(key, []).append(i)
    return found


def _verdicts(
    rows: Sequence[PlaceRow], members: Sequence[int], question: str
) -> dict[str, Verdict]:
    return {f"{rows[i].place} {spec_of(rows[i].map).label}": getattr(rows[i], question)
            for i in members}  # fmt: skip


def _asked(cohort: Cohort) -> Iterator[PlaceRow]:
    """The rows before their families are decided."""
    places = [(k, p) for k in ("tissue", "region") for p in cohort.places(k, HEALTHY)]
    if cohort.places("lesion", None):
        places.append(("lesion", LESIONS))
    for kind, place in places:
        for name in cohort.maps:
            values = subject_values(cohort, kind, place, name)
            for method in (m for m in values if m != ROUTINE):
                if paired(values, method, ROUTINE)[0].size:
                    yield _row(kind, place, name, method, values)


def _row(
    kind: str, place: str, name: str, method: str, values: Mapping[str, BySubject]
) -> PlaceRow:
    row = f"{title(place, name)}, {method}"
    x, y = paired(values, method, ROUTINE)
    twice = if_enough(row, repeatability, *paired(values, ROUTINE, REPEAT))
    floor = twice.percent if twice else None
    options: dict[str, Any] = {"margin_percent": MARGIN_PERCENT, "alpha": ALPHA}
    return PlaceRow(
        row=row,
        kind=kind,
        place=place,
        map=name,
        unit=spec_of(name).unit,
        method=method,
        n=len(x),
        value=statistics.describe(x),
        routine=statistics.describe(y),
        difference_percent=float(100.0 * (x.mean() / y.mean() - 1.0)),
        test=if_enough(row, statistics.paired_t, x, y),
        limits=if_enough(row, statistics.bland_altman, x, y, unit="%", percent=True),
        variation=if_enough(row, statistics.variation, x, y),
        repeatability=twice,
        mean=statistics.mean_verdict(x, y, **options, repeatability=floor),
        individual=statistics.individual_verdict(x, y, **options, repeatability=floor),
        no_worse={
            other: statistics.non_inferiority(
                *paired(values, method, other, ROUTINE),
                margin_percent=NO_WORSE_PERCENT, alpha=ALPHA,
            )
            for other in SIMPLER
            if method == TRAINED and other in values
        },
    )  # fmt: skip


def paired(values: Mapping[str, BySubject], *methods: str) -> list[np.ndarray]:
    """(n,) of each method, of the subjects that have them all; empty where one is not there."""
    columns = [values.get(m, {}) for m in methods]
    subjects = [s for s in columns[0] if all(s in column for column in columns)]
    return [np.array([column[s] for s in subjects]) for column in columns]
