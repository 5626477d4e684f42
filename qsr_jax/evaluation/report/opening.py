"""The report's first paragraph: composed from what was computed."""

from collections.abc import Sequence

from qsr_jax.data.studies.manifest import HEALTHY, PATIENT, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import against, joined, name_of, number, plural
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.folds_and_seeds import run_rows
from qsr_jax.evaluation.sections.summary import VerdictRow, verdict_rows
from qsr_jax.evaluation.sections.tissue import TissueRow, tissue_rows
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Equivalence


def opening(cohort: Cohort) -> list[str]:
    """The first paragraph, sentence by sentence: did training help, and does it agree?

    A network behind bicubic is named as such here. Equivalence is claimed only where TOST shows
    it, and a large P value is never turned into a claim.

    Args:
        cohort: the values of all subjects.
    """
    verdict, tissue = cohort.rows(verdict_rows), cohort.rows(tissue_rows)
    sentences = [_who(cohort), *_trainings(cohort), _psnr(verdict), *_simple(verdict)]
    if any(row.bias_percent for row in verdict):
        sentences += [_bias(verdict), *_equivalence(tissue)]
    elif tissue:
        n = plural(tissue[0].n, "healthy subject")
        sentences.append(f"With {n} no test and no interval is possible; at least 3 are needed.")
    return sentences


def _who(cohort: Cohort) -> str:
    groups = list(cohort.group.values())
    healthy, patients = groups.count(HEALTHY), groups.count(PATIENT)
    return (
        f"In {plural(healthy, 'healthy subject')} and {plural(patients, 'patient')}, a trained "
        "model and bicubic interpolation of the fast scan were compared with the routine scan."
    )


def _trainings(cohort: Cohort) -> list[str]:
    """How many trainings there were, where there were several."""
    rows = cohort.rows(run_rows)
    if not rows:
        return []
    folds = plural(len({row.fold for row in rows}), "fold")
    return [
        f"The model was trained {len({row.run for row in rows})} times ({folds}); everybody was "
        "predicted by trainings that had not seen them, and counts once."
    ]


def _sides(said: Sequence[tuple[str, bool | None]], good: str, bad: str) -> str:
    """What is said of each map, the good side first and the bad side never left out."""
    won = [text for text, flag in said if flag]
    lost = [text for text, flag in said if not flag]
    return ", but ".join(
        [*([f"{good} for {joined(won)}"] if won else []),
         *([f"{bad} for {joined(lost)}"] if lost else [])]
    )  # fmt: skip


def _psnr(rows: Sequence[VerdictRow]) -> str:
    said = [
        (
            f"{row.row} ({against(row.psnr[TRAINED].mean, row.psnr[BICUBIC].mean, 2, 'dB')}, "
            f"better in {row.wins} of {plural(row.n, 'subject')})",
            row.nearer_psnr,
        )
        for row in rows
    ]
    verdict = _sides(said, "nearer to routine than bicubic", "not nearer to routine than bicubic")
    return f"By brain-masked PSNR the trained model was {verdict}."


def _simple(rows: Sequence[VerdictRow]) -> list[str]:
    """The other interpolations, where one comes nearer than the trained model."""
    apart = {TRAINED, BICUBIC, TRUTH, REPEAT}
    nearer = []
    for row in rows:
        others = {m: sample.mean for m, sample in row.psnr.items() if m not in apart}
        best = max(others, key=others.__getitem__, default=None)
        if best is not None and others[best] > row.psnr[TRAINED].mean:
            nearer.append(f"{name_of(best)} for {row.row} ({number(others[best], 2)} dB)")
    return [f"Nearer than the trained model by PSNR was {joined(nearer)}."] if nearer else []


def _bias(rows: Sequence[VerdictRow]) -> str:
    said = []
    for row in rows:
        trained, bicubic = (row.absolute_bias_percent[m] for m in (TRAINED, BICUBIC))
        said.append((f"{row.row} ({against(trained, bicubic, 2, '%')})", row.nearer_bias))
    verdict = _sides(said, "smaller than that of bicubic", "not smaller than that of bicubic")
    return f"The trained model’s absolute bias in grey and white matter was {verdict}."


def _equivalence(rows: Sequence[TissueRow]) -> list[str]:
    """What TOST shows of the trained model, and that the rest is open."""
    shown: list[str] = []
    unshown: list[str] = []
    for row in rows:
        name = f"{row.tissue} {spec_of(row.map).label}"
        (shown if _result(row).equivalent else unshown).append(name)
    start = (
        f"Equivalence of the tissue means with routine within ±{published.MARGIN_PERCENT:g} % of "
        f"the routine mean ({_margins(rows)}; TOST, 90 % intervals, n = {rows[0].n} healthy "
        "subjects)"
    )
    if not unshown:
        return [f"{start} was shown for {joined(shown)}, {len(rows)} of {len(rows)}."]
    done = f"was shown for {joined(shown)} and " if shown else ""
    return [
        f"{start} {done}was not shown for {joined(unshown)}.",
        "Where it was not shown the question is open: neither a difference nor agreement follows, "
        "whatever the P value of a t-test.",
    ]


def _result(row: TissueRow) -> Equivalence:
    result = row.equivalence[f"{TRAINED}-{ROUTINE}"]
    assert result is not None  # there is a bias, so there are enough subjects
    return result


def _margins(rows: Sequence[TissueRow]) -> str:
    """The margins in units, per tissue: "GM ±61.3 ms, ±4.60 ms, ±4.1 %"."""
    by_tissue: dict[str, list[str]] = {}
    for row in rows:
        spec = spec_of(row.map)
        said = f"{spec.label} ±{number(_result(row).margin, spec.digits)} {row.unit}"
        by_tissue.setdefault(row.tissue, []).append(said)
    return "; ".join(f"{tissue}: {', '.join(said)}" for tissue, said in by_tissue.items())
