"""The mixed model of the differences: what a subject's regions have in common, map by map."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from qsr_jax.agreement_report.judged import Question
from qsr_jax.agreement_report.tables import anchor_of, digits_of, span, title_of
from qsr_jax.formats.table import MISSING, Cell, Column, Group, Line, Num, Table
from qsr_jax.statistics import LEAST_SUBJECTS, Comparison
from qsr_jax.statistics.mixed_model import MixedModel, mixed_model

NONE, MIXED = MODELS = ("none", "mixed")
COLUMNS = (
    Column("region", align="l"),
    Column("map", align="l"),
    Column("n"),
    Column("difference"),
    Column("95 % interval"),
    Column("P (Holm)"),
    Column("SD of error"),
)


@dataclasses.dataclass(frozen=True)
class Mixed:
    """The model of one question's differences in one map, in the unit of the map."""

    question: Question
    map: str
    unit: str
    model: MixedModel


def mixed_models(questions: Sequence[Question]) -> list[Mixed]:
    """A model per question and map, of the comparisons that could be computed.

    Below :data:`LEAST_SUBJECTS` subjects there is none: with three, a region's variance of error
    was estimated as zero on the quickstart's subjects, and its P with it.
    """
    return [one for question in questions for one in _of(question)]


def _of(question: Question) -> Iterator[Mixed]:
    computed = [row.pair for row in question.rows if isinstance(row.statistics, Comparison)]
    for name in dict.fromkeys(pair.endpoint.map for pair in computed):
        mine = [pair for pair in computed if pair.endpoint.map == name]
        subjects = [subject for pair in mine for subject in pair.subjects]
        if len(set(subjects)) < LEAST_SUBJECTS:
            n = len(set(subjects))
            why = f"n = {n} subjects; a variance of error for every region needs {LEAST_SUBJECTS}"
            model = MixedModel(n, len(subjects), {}, None, None, None, why)
        else:
            model = mixed_model(
                np.concatenate([pair.test for pair in mine]),
                np.concatenate([pair.reference for pair in mine]),
                subjects=subjects,
                regions=[pair.endpoint.region for pair in mine for _ in pair.subjects],
            )
        yield Mixed(question, name, mine[0].endpoint.unit, model)


def mixed_tables(found: Sequence[Mixed]) -> Iterator[Table]:
    """A table per question: every region's difference, and below them what regions share."""
    questions = {id(one.question): one.question for one in found}
    for question in questions.values():
        mine = [one for one in found if one.question is question]
        reasons = dict.fromkeys(
            f"{one.map}: {one.model.reason}." for one in mine if one.model.reason
        )
        yield Table(
            name=f"mixed-{anchor_of(question)}",
            title=f"Mixed model: {title_of(question)}",
            caption="Difference = region + subject + error, by REML; a variance of error for every "
            "region; Student’s t with n − 1 degrees of freedom, n counts subjects. The last line "
            "of a map: the mean of its regions, and the SD of what a subject’s regions share. "
            + " ".join(reasons),
            columns=COLUMNS,
            groups=[Group(list(_lines(one))) for one in mine],
        )


def _lines(one: Mixed) -> Iterator[Line]:
    model, label = one.model, f"{one.map} ({one.unit})"
    if model.reason:
        yield Line(["all", label, str(model.n), "not computed", *3 * [""]])
        return
    for region, effect in model.regions.items():
        digits = digits_of(effect.error_sd)
        cells: list[Cell] = [region, label, str(effect.n), Num(effect.difference, digits, True)]
        cells += [span(effect.interval.low, effect.interval.high, digits)]
        yield Line([*cells, Num(effect.p_holm, p=True), Num(effect.error_sd, digits)])
    assert model.interval is not None and model.subject_sd is not None
    digits = digits_of(model.interval.high - model.interval.low)
    between = span(model.interval.low, model.interval.high, digits)
    shared = ("subject ", Num(model.subject_sd, digits))
    yield Line(
        ["mean of regions", label, str(model.n), Num(model.difference, digits, True), between,
         MISSING, shared], kind="main",
    )  # fmt: skip
