"""Numbers as text, and the report's first paragraph: composed from what was computed."""

from collections.abc import Sequence

from qsr_jax.data.studies.manifest import HEALTHY, PATIENT, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED, TRUTH
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.tables.rows import Tables, VerdictRow
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.predictors.baselines import CALIBRATED

DIGITS = {spec.name: spec.digits for spec in MAPS.values()}
"""Decimals of a mean value of each map."""

LABELS = {CALIBRATED: "bicubic, calibrated", REPEAT: "routine, repeated"}
"""How methods are called where their own name will not do."""

NO_TEST = "n < 3"
"""Stands where a statistic needs more subjects than there are."""


def name_of(method: str) -> str:
    """How a method is called."""
    return LABELS.get(method, method)


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with a true minus sign; ``signed`` shows a plus as well."""
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if not any(figure in text for figure in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def pair(first: float, second: float, digits: int) -> tuple[str, str]:
    """Two numbers that are compared, with as many more digits as it takes to tell them apart.

    Beyond three more they are left equal: who reads them may then say so.
    """
    for more in range(4):
        texts = number(first, digits + more), number(second, digits + more)
        if texts[0] != texts[1]:
            return texts
    return number(first, digits), number(second, digits)


def against(first: float, second: float, digits: int, unit: str) -> str:
    """Two compared numbers in words: "0.84 against 4.83 %", or "equal, 0.57 %"."""
    texts = pair(first, second, digits)
    told = f"equal, {texts[0]}" if texts[0] == texts[1] else f"{texts[0]} against {texts[1]}"
    return f"{told} {unit}"


def p_value(p: float) -> str:
    """A P value as journals print it: three decimals, no leading zero, never 0."""
    return "<.001" if p < 0.001 else f"{p:.3f}".replace("0.", ".", 1)


def joined(parts: Sequence[str]) -> str:
    """A list in words: "a, b and c"."""
    *head, tail = parts
    return f"{', '.join(head)} and {tail}" if head else tail


def plural(n: int, noun: str) -> str:
    """The number with its noun: "1 subject", "3 subjects"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def opening(tables: Tables, cohort: Cohort) -> list[str]:
    """The first paragraph, sentence by sentence: did training help, and does it agree?

    A network behind bicubic is named as such here. Equivalence is claimed only where TOST shows
    it, and a large P value is never turned into a claim.
    """
    sentences = [_who(cohort), *_trainings(tables), _psnr(tables.verdict), *_simple(tables.verdict)]
    if any(row.bias_percent for row in tables.verdict):
        sentences += [_bias(tables.verdict), *_equivalence(tables)]
    elif tables.tissue:
        n = plural(tables.tissue[0].n, "healthy subject")
        sentences.append(f"With {n} no test and no interval is possible; at least 3 are needed.")
    return sentences


def _who(cohort: Cohort) -> str:
    groups = list(cohort.group.values())
    healthy, patients = groups.count(HEALTHY), groups.count(PATIENT)
    return (
        f"In {plural(healthy, 'healthy subject')} and {plural(patients, 'patient')}, a trained "
        "model and bicubic interpolation of the fast scan were compared with the routine scan."
    )


def _trainings(tables: Tables) -> list[str]:
    """How many trainings there were, where there were several."""
    runs = {row.run for row in tables.runs}
    if not runs:
        return []
    folds = plural(len({row.fold for row in tables.runs}), "fold")
    return [
        f"The model was trained {len(runs)} times ({folds}); everybody was predicted by trainings "
        "that had not seen them, and counts once."
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
    said = [
        (
            f"{row.row} ({_sizes(row)})",
            row.nearer_bias,
        )
        for row in rows
    ]
    verdict = _sides(said, "smaller than that of bicubic", "not smaller than that of bicubic")
    return f"The size of its bias in grey and white matter was {verdict}."


def _sizes(row: VerdictRow) -> str:
    """The sizes of bias of the trained model and of bicubic."""
    return against(row.bias_size_percent[TRAINED], row.bias_size_percent[BICUBIC], 2, "%")


def _equivalence(tables: Tables) -> list[str]:
    """What TOST shows of the trained model, and that the rest is open."""
    shown, unshown = [], []
    for row in tables.tissue:
        result = row.equivalence[f"{TRAINED}-{ROUTINE}"]
        (shown if result.equivalent else unshown).append(f"{row.tissue} {spec_of(row.map).label}")
    total = len(tables.tissue)
    start = (
        f"Equivalence of the tissue means with routine within ±{published.MARGIN_PERCENT:g} % of "
        f"the routine mean ({_margins(tables)}; TOST, 90 % intervals, n = {tables.tissue[0].n} "
        "healthy subjects)"
    )
    if not unshown:
        return [f"{start} was shown for {joined(shown)}, {total} of {total}."]
    done = f"was shown for {joined(shown)} and " if shown else ""
    return [
        f"{start} {done}was not shown for {joined(unshown)}.",
        "Where it was not shown the question is open: neither a difference nor agreement follows, "
        "whatever the P value of a t-test.",
    ]


def _margins(tables: Tables) -> str:
    """The margins in units, per tissue: "GM ±61.3 ms, ±4.60 ms, ±4.1 %"."""
    by_tissue: dict[str, list[str]] = {}
    for row in tables.tissue:
        margin = row.equivalence[f"{TRAINED}-{ROUTINE}"].margin
        said = f"{spec_of(row.map).label} ±{number(margin, DIGITS[row.map])} {row.unit}"
        by_tissue.setdefault(row.tissue, []).append(said)
    return "; ".join(f"{tissue}: {', '.join(said)}" for tissue, said in by_tissue.items())
