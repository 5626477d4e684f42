"""The report's first lines: composed from what was computed, the worst first."""

from collections.abc import Iterator, Mapping, Sequence

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.coverage import BELIEVED_PERCENT, judged
from qsr_jax.evaluation.sections.error_by_place import AirRow, air_rows
from qsr_jax.evaluation.sections.folds_and_seeds import run_rows
from qsr_jax.evaluation.sections.lesion_detection import invention_rows
from qsr_jax.evaluation.sections.lesions_kept import LARGE_VOXELS, KeptRow, kept_rows
from qsr_jax.evaluation.sections.places import (
    MARGIN_PERCENT,
    SIMPLER,
    FamilyRow,
    PlaceRow,
    family_rows,
    place_rows,
)
from qsr_jax.evaluation.sections.summary import ErrorShareRow, share_rows
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.numbers import joined, number, plural, sentence
from qsr_jax.maps import spec_of
from qsr_jax.statistics import LEAST_SUBJECTS, Interval, Outcome

GM_AND_WM = "GM and WM in every map"
QUESTIONS = {"mean": "on average", "individual": "in individuals"}


def opening(cohort: Cohort) -> list[str]:
    """The outcome, then what a reader must know before any table, sentence by sentence.

    Every verdict stands with its interval; what was lost and what got worse is never left out, and
    a large P value is never turned into a claim.

    Args:
        cohort: the values of all subjects.
    """
    kept, shares = cohort.rows(kept_rows), cohort.rows(share_rows)
    found = [outcome(cohort), *_lesions(kept), *_worst(cohort, kept), *_worse(cohort)]
    return [
        *found,
        *_verdicts(cohort),
        *_truth(shares),
        *_invented(cohort),
        *_believed(cohort),
        *_trainings(cohort),
    ]


def tissue_families(cohort: Cohort) -> list[FamilyRow]:
    """The trained model in grey and white matter: on average, and in individuals."""
    return [f for f in cohort.rows(family_rows) if (f.kind, f.method) == ("tissue", TRAINED)]


def outcome(cohort: Cohort) -> str:
    """One sentence: may the trained maps stand for the routine scan?"""
    clauses = [*_lost(cohort.rows(kept_rows))]
    answers = {f.question: f for f in tissue_families(cohort)}
    if not answers:
        clauses.append("without labels of tissues nothing is decided")
    elif answers["mean"].everywhere == Outcome.TOO_FEW.value:
        clauses.append(
            f"too few subjects to decide whether tissues agree with routine (n = "
            f"{answers['mean'].n}, {LEAST_SUBJECTS} are needed)"
        )
    else:
        said = ", ".join(f"{QUESTIONS[q]} {f.everywhere}" for q, f in answers.items())
        clauses.append(f"agreement of {GM_AND_WM} with routine: {said}")
    return f"{sentence('; '.join(clauses))}."


def _lost(rows: Sequence[KeptRow]) -> Iterator[str]:
    """That lesions are lost, in the map that loses most, beside what a second scan loses."""
    losing = [row for row in rows if row.lost[TRAINED]]
    if losing:
        row = max(losing, key=lambda r: r.lost[TRAINED] / r.present[ROUTINE])
        again = f"; a second routine scan loses {row.lost[REPEAT]}" if REPEAT in row.lost else ""
        lost = f"{spec_of(row.map).label} {row.lost[TRAINED]} of {row.present[ROUTINE]}"
        large = (
            f", {row.lost_large[TRAINED]} of {row.shown_large} of {LARGE_VOXELS} voxels or more"
            if row.n_large
            else ""
        )
        yield f"lesions are lost ({lost} that routine shows{large}{again})"


def _lesions(rows: Sequence[KeptRow]) -> Iterator[str]:
    """How many are shown, and whether they are read worse than simpler methods read them."""
    if not rows:
        return
    others = [m for m in (ROUTINE, FAST, BICUBIC, TRUTH) if m in rows[0].present]
    shown = [
        f"{spec_of(row.map).label} {row.present[TRAINED]} ("
        + ", ".join(f"{name_of(m)} {row.present[m]}" for m in others)
        + ")"
        for row in rows
    ]
    yield f"Of {plural(rows[0].n_lesions, 'lesion')} trained shows: {'; '.join(shown)}."
    worse = [
        _beside(spec_of(r.map).label, r.error_percent, digits=1)
        for r in rows
        if _is_worse(r.error_percent)
    ]
    if worse:
        yield f"It reads lesions worse than {joined(SIMPLER)} do: {'; '.join(worse)}."


def _excess(row: AirRow) -> float:
    """What trained writes into air beyond routine, in parts of what white matter has."""
    return (row.mean[TRAINED].mean - row.mean[ROUTINE].mean) / spec_of(row.map).tissue_levels[0]


def _is_worse(off: Mapping[str, float]) -> bool:
    """Whether trained is further off than one of the simpler methods."""
    return TRAINED in off and any(abs(off[TRAINED]) > abs(off[m]) for m in SIMPLER if m in off)


def _beside(place: str, off: Mapping[str, float], *, digits: int) -> str:
    """Trained, and in brackets the simpler methods: "WM T1 +0.86 % (fast +0.39, bicubic +0.28)"."""
    simple = [f"{m} {number(off[m], digits, signed=True)}" for m in SIMPLER if m in off]
    return f"{place} {_percent(off[TRAINED], digits)} ({', '.join(simple)})"


def _worst(cohort: Cohort, kept: Sequence[KeptRow]) -> Iterator[str]:
    """The largest bias in a tissue and in lesions, the widest limits, and most written into air."""
    rows = [r for r in cohort.rows(place_rows) if (r.kind, r.method) == ("tissue", TRAINED)]
    said = []
    if read := [row for row in kept if TRAINED in row.error_percent]:
        row = max(read, key=lambda r: abs(r.error_percent[TRAINED]))
        said.append(f"lesions {spec_of(row.map).label} {_percent(row.error_percent[TRAINED], 1)}")
    if rows:
        one = max(rows, key=lambda r: abs(r.difference_percent))
        said.append(f"tissues {_name(one)} {_percent(one.difference_percent, 2)}")
    wide = [r for r in rows if r.individual.reach is not None]
    if wide:
        one = max(wide, key=lambda r: r.individual.reach or 0.0)
        said.append(f"limits of agreement {_name(one)} {_reach(one.individual.interval)}")
    air = [r for r in cohort.rows(air_rows) if TRAINED in r.mean and ROUTINE in r.mean]
    if air:
        high = max(air, key=_excess)
        spec = spec_of(high.map)
        mine, theirs = (number(high.mean[m].mean, 1) for m in (TRAINED, ROUTINE))
        said.append(f"air {spec.label} {mine} {spec.unit} (routine {theirs})")
    if said:
        yield f"Worst of trained against routine: {'; '.join(said)}."


def _worse(cohort: Cohort) -> Iterator[str]:
    """Every tissue where the trained model is further from routine than fast or bicubic is."""
    off: dict[str, dict[str, float]] = {}
    for row in (r for r in cohort.rows(place_rows) if r.kind == "tissue"):
        off.setdefault(_name(row), {})[row.method] = row.difference_percent
    worse = [_beside(name, by, digits=2) for name, by in off.items() if _is_worse(by)]
    if worse:
        yield f"Further from routine than {' or '.join(SIMPLER)}: {'; '.join(worse)}."


def _verdicts(cohort: Cohort) -> Iterator[str]:
    """How many single claims hold on average and in individuals, and the farthest interval."""
    rows = [r for r in cohort.rows(place_rows) if (r.kind, r.method) == ("tissue", TRAINED)]
    said = []
    for family in tissue_families(cohort):
        ends = [getattr(r, family.question).interval for r in rows if _name(r) == family.worst]
        name = "90 % interval" if family.question == "mean" else "outer bounds of the limits"
        far = f", farthest {family.worst} ({name} {_reach(ends[0])})" if ends and ends[0] else ""
        few = family.everywhere == Outcome.TOO_FEW.value
        count = "" if few else f" in {family.shown} of {family.places}"
        said.append(f"{QUESTIONS[family.question]}{count}{far}")
    if said:
        few = tissue_families(cohort)[0].everywhere == Outcome.TOO_FEW.value
        start = "Not decided" if few else f"Within ±{MARGIN_PERCENT:g} % of routine"
        yield f"{start}, {GM_AND_WM}: {'; '.join(said)}."


def _truth(rows: Sequence[ErrorShareRow]) -> Iterator[str]:
    """Errors in parenchyma in parts of those of the scan they stand for."""
    if not rows or TRAINED not in rows[0].share:
        return
    said = []
    for row in rows:
        mine = row.share[TRAINED]
        ends = f" ({_reach(mine.interval, percent=False)})" if mine.interval else ""
        fast = f", fast {number(row.share[FAST].value, 2)}" if FAST in row.share else ""
        said.append(f"{spec_of(row.map).label} {number(mine.value, 2)}{ends}{fast}")
    first = rows[0]
    below = " (below 1: nearer to the truth)" if first.reference == TRUTH else ""
    own = f"as a share of {name_of(first.base)}’s own"
    yield f"Error in {first.place} against {first.reference}, {own}: {'; '.join(said)}{below}."


def _invented(cohort: Cohort) -> Iterator[str]:
    """What is made up where there is no lesion, in parts of what routine's noise makes up."""
    said = []
    for row in cohort.rows(invention_rows):
        if row.method == TRAINED:
            ends, share = row.share.interval, number(row.share.value, 2)
            between = f" ({_reach(ends, percent=False)})" if ends else ""
            said.append(f"{spec_of(row.map).label} {share}{between}, {row.verdict}")
    if said:
        yield (
            "Contrast made up where there is no lesion, as a share of what routine’s noise makes "
            f"up: {'; '.join(said)}."
        )


def _believed(cohort: Cohort) -> Iterator[str]:
    """Whether the model's own intervals hold what they say, and where they hold least."""
    rows = judged(cohort)
    if rows:
        least = min(rows, key=lambda row: row.inside_percent)
        good, (low, high) = sum(row.believed for row in rows), BELIEVED_PERCENT
        yield (
            f"Its own 95 % intervals hold {low:g} to {high:g} % of the errors against "
            f"{least.reference} in {good} of {len(rows)} places and maps, least in {least.place} "
            f"{spec_of(least.map).label} ({number(least.inside_percent, 1)} %)."
        )


def _trainings(cohort: Cohort) -> Iterator[str]:
    """How many trainings there were, where there were several."""
    rows = cohort.rows(run_rows)
    if rows:
        folds = plural(len({row.fold for row in rows}), "fold")
        yield (
            f"The model was trained {len({row.run for row in rows})} times ({folds}); everybody "
            "was predicted by trainings that had not seen them, and counts once."
        )


def _name(row: PlaceRow) -> str:
    return f"{row.place} {spec_of(row.map).label}"


def _percent(value: float, digits: int) -> str:
    return f"{number(value, digits, signed=True)} %"


def _reach(ends: Interval | None, *, percent: bool = True) -> str:
    if ends is None:
        return "unknown"
    low, high = (number(v, 2, signed=percent) for v in (ends.low, ends.high))
    return f"{low} to {high}{' %' if percent else ''}"
