"""Numbers as text, and the report's first paragraph: composed from what was computed."""

from collections.abc import Sequence

from qsr_jax.evaluate import published
from qsr_jax.evaluate.cohort import HEALTHY, PATIENT, Cohort
from qsr_jax.evaluate.measure import BICUBIC, ROUTINE, TRAINED
from qsr_jax.evaluate.rows import Tables, VerdictRow
from qsr_jax.maps import spec_of

DIGITS = {"t1": 1, "t2": 2, "pd": 2}
"""Decimals of a mean value of each map."""

NO_TEST = "n < 3"
"""Stands where a statistic needs more persons than there are."""


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with a true minus sign; ``signed`` shows a plus as well."""
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if not any(figure in text for figure in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def p_value(p: float) -> str:
    """A P value as journals print it: three decimals, no leading zero, never 0."""
    return "<.001" if p < 0.001 else f"{p:.3f}".replace("0.", ".", 1)


def joined(parts: Sequence[str], last: str = "and") -> str:
    """A list in words: "a, b and c"."""
    *head, tail = parts
    return f"{', '.join(head)} {last} {tail}" if head else tail


def plural(n: int, noun: str) -> str:
    """The number with its noun: "1 person", "3 persons"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def opening(tables: Tables, cohort: Cohort) -> list[str]:
    """The first paragraph, sentence by sentence: did training help, and does it agree?

    A network behind bicubic is named as such here. Equivalence is claimed only where TOST shows
    it, and a large P value is never turned into a claim.
    """
    sentences = [_who(cohort), *_psnr(tables.verdict)]
    if any(row.bias_percent for row in tables.verdict):
        sentences += [*_bias(tables.verdict), *_equivalence(tables)]
    elif tables.tissue:
        n = tables.tissue[0].n
        sentences.append(
            f"With {plural(n, 'healthy person')} no test and no interval is possible; at least 3 "
            "are needed."
        )
    return sentences


def _who(cohort: Cohort) -> str:
    groups = list(cohort.group.values())
    healthy, patients = groups.count(HEALTHY), groups.count(PATIENT)
    return (
        f"The trained model and bicubic interpolation were compared with the routine scan in "
        f"{plural(healthy, 'healthy person')} and {plural(patients, 'patient')}."
    )


def _sides(rows: Sequence[VerdictRow], flags: Sequence[bool], closer: str, not_closer: str) -> str:
    """Which maps are on which side, the worse side never left out."""
    good = [row.row for row, flag in zip(rows, flags, strict=True) if flag]
    bad = [row.row for row, flag in zip(rows, flags, strict=True) if not flag]
    said = [f"{closer} on {joined(good)}"] if good else []
    return ", but ".join([*said, *([f"{not_closer} on {joined(bad)}"] if bad else [])])


def _psnr(rows: Sequence[VerdictRow]) -> list[str]:
    verdict = _sides(
        rows,
        [row.nearer_psnr for row in rows],
        "was closer to routine than bicubic",
        "did not beat bicubic",
    )
    details = []
    for row in rows:
        text = (
            f"{row.row} {number(row.psnr[TRAINED].mean, 2)} dB against "
            f"{number(row.psnr[BICUBIC].mean, 2)} dB "
            f"({number(row.gain_db, 2, signed=True)} dB"
        )
        if row.gain:
            low, high = row.gain.interval.low, row.gain.interval.high
            text += f", 95 % interval {number(low, 2, signed=True)} to "
            text += number(high, 2, signed=True)
        details.append(f"{text}; better in {row.wins} of {plural(row.n, 'person')})")
    return [f"By brain-masked PSNR the trained model {verdict}.", f"{'; '.join(details)}."]


def _bias(rows: Sequence[VerdictRow]) -> list[str]:
    verdict = _sides(
        rows,
        [bool(row.nearer_bias) for row in rows],
        "was smaller than that of bicubic",
        "was not smaller than that of bicubic",
    )
    details = [
        f"{row.row} {number(row.bias_percent[TRAINED], 2, signed=True)} % (bicubic "
        f"{number(row.bias_percent[BICUBIC], 2, signed=True)} %; the paper's network "
        f"{number(row.paper.bias_percent, 2, signed=True)} % on its own data)"
        for row in rows
    ]
    return [
        f"The size of its bias in grey and white matter {verdict}.",
        f"Both tissues pooled, the bias was {joined(details)}.",
    ]


def _equivalence(tables: Tables) -> list[str]:
    shown, open_ = [], []
    for row in tables.tissue:
        result = row.equivalence[f"{TRAINED}-{ROUTINE}"]
        place = f"{spec_of(row.map).label} of {row.row.split()[0]}"
        (shown if result.equivalent else open_).append(place)
    margin = f"{published.MARGIN_PERCENT:g} %"
    start = f"Equivalence of the trained model with routine within ±{margin} of the routine mean"
    how = f"(TOST, 90 % intervals, n = {tables.tissue[0].n} healthy persons)"
    if not open_:
        return [f"{start} was shown for {joined(shown)} {how}."]
    done = f"was shown for {joined(shown)} and " if shown else ""
    return [
        f"{start} {done}was not shown for {joined(open_)} {how}.",
        "Where it was not shown the question is open: neither a difference nor agreement follows, "
        "whatever the P value of a t-test.",
    ]
