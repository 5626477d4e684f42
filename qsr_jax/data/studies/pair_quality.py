"""Numbers that tell whether a pair can be trusted, and what follows from them.

Headers cannot show everything: images may lie a quarter of a pixel beside their header, a map may
be in another unit, two maps may be swapped. These rules look at the values. A number beyond a
rule's first limits flags the pair; beyond the second it is refused, unless a subject overrules it.
"""

import dataclasses

import numpy as np

from qsr_jax.data.studies.manifest import FLAGGED, GOOD, VERDICTS
from qsr_jax.data.studies.pair_content import Content
from qsr_jax.maps import MAPS, spec_of

REFUSED = "refused"
"""Beside the verdicts of a manifest, which holds no refused pair."""
FRAME, SHIFT, APART, LIKENESS, KINSHIP, FLIPPED = (
    "frame", "shift", "apart", "likeness", "kinship", "flipped"
)  # fmt: skip
ORDER, RATIO, RANGE = "order", "ratio", "range"
CUT_OFF = "cut off"
"""Flags alone: the scanner ran out of numbers, in fluid as a rule, and the tissues are whole."""
OVERRULED = (FRAME, SHIFT, APART, LIKENESS, KINSHIP, FLIPPED, ORDER, RATIO, RANGE)
"""Rules that a person may overrule; the others make pairs that no record could hold."""

FLIP_GAIN = 0.05
"""A map is flipped where that makes its two scans so much more alike; heads are nearly symmetric:
on 64 x 64 pixels the mirrored map of one subject still had 0.81 of 0.97."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a number may be.

    Attributes:
        flagged: (low, high); outside, a person should look.
        refused: (low, high); outside, the pair is not used.
        question: what may be wrong.
    """

    flagged: tuple[float, float]
    refused: tuple[float, float]
    question: str

    def judge(self, value: float) -> str:
        """The verdict on ``value``; what is no number is refused."""
        if not self.refused[0] <= value <= self.refused[1]:
            return REFUSED
        return GOOD if self.flagged[0] <= value <= self.flagged[1] else FLAGGED


SHIFT_LIMITS = Limits(
    (0.0, 1.0),
    (0.0, 2.5),
    "did the head move between the scans (build with --register rigid), or do the images not lie "
    "where their headers say?",
)
"""Coarse pixels of 0.86 mm. A head that lies still between two scans moves by some 0.5 mm; 0.25 mm
take 0.8 dB from the PSNR of an interpolated T1 map, 1 mm 5.6 dB. A grid that is off by a fraction
of a pixel cannot be told from a head that moved; the headers are checked for it."""
APART_LIMITS = Limits(
    (0.0, 0.25), (0.0, 0.75), "does this map come from the same acquisition as the others?"
)
"""Coarse pixels between a map and the median of the three. A scanner fits T1, T2 and PD voxel by
voxel to the same images, so a head that moves takes all of them along; 0.09 was the most in 36
simulated subjects."""
LIKENESS_LIMITS = {
    spec.name: Limits(
        (spec.scans_alike[0], 1.0),
        (spec.scans_alike[1], 1.0),
        "are the two scans of one subject?",
    )
    for spec in MAPS.values()
}
"""Correlation of fast and routine structure: 0.95 and more (PD 0.74) in one subject, at most 0.22
(PD 0.15) between two on the paper's grid. Below some 64 pixels two heads are alike up to 0.70 (PD
0.55), which is flagged."""
KINSHIP_LIMITS = {
    spec.name: Limits(
        (spec.maps_alike[0], 1.0),
        (spec.maps_alike[1], 1.0),
        f"are {spec.label} and {'T2' if spec.name == 't1' else 'T1'} of one subject?",
    )
    for spec in MAPS.values()
}
"""Correlation of a map's structure with T1's (T1's with T2's): 0.82 and more (PD 0.46) in one
subject, at most 0.18 (PD 0.14) between two on the paper's grid. PD shows little of grey and white
matter: a foreign PD in both scans is not always noticed on coarse grids."""
ORDER_LIMITS = Limits((0.98, 1.0), (0.95, 1.0), "are the maps swapped?")
"""Fraction of tissue where T1 exceeds T2; over 0.99 in brains, the rest is noise at the rim."""
RATIO_LIMITS = Limits((0.8, 1.25), (0.5, 2.0), "is one of the two in another unit?")
"""Median of the fast map over median of the routine map."""
RANGE_LIMITS = {
    spec.name: Limits(spec.median_usual, spec.median_possible, f"is the unit {spec.unit_word}?")
    for spec in MAPS.values()
}
"""Median over tissue, physical unit; outside the first pair a person should look."""


@dataclasses.dataclass(frozen=True)
class QualityIssue:
    """One rule that a pair did not pass cleanly.

    Attributes:
        rule: the rule's name.
        verdict: "flagged", "refused" or "accepted".
        text: the number, the limit, the question.
    """

    rule: str
    verdict: str
    text: str


def worst(findings: tuple[QualityIssue, ...]) -> str:
    """The verdict on a pair: that of its worst finding."""
    return max((f.verdict for f in findings), key=VERDICTS.index, default=GOOD)


def judge_content(name: str, content: Content) -> list[QualityIssue]:
    """Findings on where a map lies, whose it is and which way round."""
    label, likeness, kinship = MAPS[name].label, content.likeness[name], content.kinship[name]
    shift_px, apart_px = float(np.hypot(*content.shift_of(name))), content.apart(name)
    flip, flipped = max(content.flips[name].items(), key=lambda item: item[1])
    found = _found(
        SHIFT, SHIFT_LIMITS, shift_px,
        f"fast and routine {label} lie {shift_px:.3f} fast pixels apart",
    ) + _found(
        APART, APART_LIMITS, apart_px,
        f"{label} lies {apart_px:.3f} fast pixels from where the three maps lie",
    )  # fmt: skip
    if flipped > likeness + FLIP_GAIN:
        text = f"the routine {label} is more like the fast one ({flipped:.2f}, not {likeness:.2f})"
        found.append(QualityIssue(FLIPPED, REFUSED, f"{text} when it is {flip}"))
    for rule, limits, value, whose in (
        (LIKENESS, LIKENESS_LIMITS[name], likeness, f"fast and routine {label}"),
        (KINSHIP, KINSHIP_LIMITS[name], kinship, f"{label} and {'T2' if name == 't1' else 'T1'}"),
    ):
        text = f"structure of {whose} correlates with {value:.2f}"
        found += _found(rule, limits, value, text)
    return found


def judge_order(fraction: float) -> list[QualityIssue]:
    """Findings on the fraction of tissue where T1 exceeds T2."""
    return _found(ORDER, ORDER_LIMITS, fraction, f"T1 exceeds T2 in {fraction:.1%} of the tissue")


def judge_medians(name: str, fast: float, routine: float) -> list[QualityIssue]:
    """Findings on the medians over tissue of one map."""
    spec, found = spec_of(name), []
    for side, median in (("fast", fast), ("routine", routine)):
        text = f"median {spec.label} of the {side} scan is {median:.4g} {spec.unit}"
        found += _found(RANGE, RANGE_LIMITS[name], median, text)
    ratio = fast / routine if routine else np.nan
    text = f"median {spec.label} of the fast over the routine scan is {ratio:.3f}"
    return found + _found(RATIO, RATIO_LIMITS, ratio, text)


def _found(rule: str, limits: Limits, value: float, text: str) -> list[QualityIssue]:
    verdict = limits.judge(value)
    if verdict == GOOD:
        return []
    low, high = limits.refused if verdict == REFUSED else limits.flagged
    return [QualityIssue(rule, verdict, f"{text}, expected {low:g} to {high:g}; {limits.question}")]
