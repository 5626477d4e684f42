"""Numbers that tell whether a pair can be trusted, and what follows from them.

Headers cannot show everything: images may lie a quarter of a pixel beside their header, a map may
be in another unit, two maps may be swapped. These rules look at the values. A number beyond a
rule's first limits flags the pair; beyond the second it is refused, unless a subject overrules it.
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from qsr_jax.data.studies.manifest import FLAGGED, GOOD, VERDICTS
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.ops import fourier
from qsr_jax.types import CORNER

REFUSED = "refused"
"""Beside the verdicts of a manifest, which holds no refused pair."""
FRAME, SHIFT, ORDER, RATIO, RANGE = "frame", "shift", "order", "ratio", "range"
CUT_OFF = "cut off"
"""Flags alone: the scanner ran out of numbers, in fluid as a rule, and the tissues are whole."""
OVERRULED = (FRAME, SHIFT, ORDER, RATIO, RANGE)
"""Rules that a person may overrule; the others make pairs that no record could hold."""

SOFT_EDGE_PX = 2.0
"""Standard deviation of the edge of the weight, in coarse pixels."""
MOST_SLICES = 8
"""Slices per map that are compared, evenly spread over those with tissue."""
UPSAMPLING = 100
"""Shifts are found to a hundredth of a coarse pixel."""
LEAST_TISSUE = 0.05
"""Slices with a smaller fraction of tissue say nothing about a shift."""


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


def judge_shift(shift_px: float) -> list[QualityIssue]:
    """Findings on the shift of a subject's pairs."""
    text = f"fast and routine images lie {shift_px:.3f} fast pixels apart"
    return _found(SHIFT, SHIFT_LIMITS, shift_px, text)


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


def shifts_of(
    fast: Mapping[str, np.ndarray],
    routine: Mapping[str, np.ndarray],
    mask: np.ndarray,
    *,
    alignment: str,
) -> dict[str, np.ndarray]:
    """How far the fast images lie from the routine images brought to their grid.

    Air is noise in a map, so both images are weighted by the tissue mask, after their mean was
    taken off; the mask's edge is soft, because a sharp one would hold the correlation at zero.
    Cross-correlation with an upsampled peak (doi:10.1364/OL.33.000156), not normalised by the
    amplitude, as noise rules where that is small. On simulated scans moved by 0.1 and 0.25 pixels
    the medians of the three maps were 0.09 to 0.125 and 0.235 to 0.26.

    Args:
        fast: map to (z, y, x).
        routine: map to (z, s*y, s*x), the same field of view.
        mask: (z, s*y, s*x) tissue of the routine scan.
        alignment: how the routine grid lies on the fast one.

    Returns:
        Map to (slices compared, 2) shifts along (rows, columns), in fast pixels.
    """
    shape = fast["t1"].shape
    used = np.flatnonzero(mask.mean(axis=(1, 2)) > LEAST_TISSUE)
    used = used[np.linspace(0, len(used) - 1, min(len(used), MOST_SLICES)).round().astype(int)]
    weights = [_soft(part) for part in to_coarse(mask, shape, CORNER)]
    shifts = {}
    for name in MAPS:
        coarse = to_coarse(routine[name], shape, alignment)
        found = [_shift(fast[name][z], coarse[z], weights[z]) for z in used]
        shifts[name] = np.array(found).reshape(-1, 2)
    return shifts


def _soft(mask: np.ndarray) -> np.ndarray:
    """A mask (y, x) of fractions of a pixel, rounded and with soft edges."""
    return ndimage.gaussian_filter((mask > 0.5).astype(np.float32), SOFT_EDGE_PX)


def _shift(reference: np.ndarray, moving: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Shift (rows, columns) that brings ``moving`` onto ``reference``, pixels."""
    total = max(weight.sum(), 1e-6)
    a, b = ((image - (image * weight).sum() / total) * weight for image in (reference, moving))
    return phase_cross_correlation(a, b, upsample_factor=UPSAMPLING, normalization=None)[0]


def to_coarse(images: np.ndarray, shape: tuple[int, ...], alignment: str) -> np.ndarray:
    """Brings (z, s*y, s*x) images to the coarse grid without moving them.

    A block's mean lies at the block's centre, which is the coarse pixel of the "corner" grid;
    cropped k-space keeps pixel N/2, which is the "sample" grid.
    """
    slices, rows, columns = shape
    if alignment == CORNER:
        blocks = images.reshape(slices, rows, images.shape[1] // rows, columns, -1)
        return blocks.mean(axis=(2, 4))
    kspace = fourier.crop(fourier.to_kspace(jnp.asarray(images, jnp.float32)), (rows, columns))
    return np.asarray(fourier.to_image(kspace).real)
