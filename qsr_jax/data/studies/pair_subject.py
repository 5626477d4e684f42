"""From the readable series of one subject to three pairs, judged, or the reason why not.

Fast and routine are told apart by their matrix. What the values say is judged by
:mod:`qsr_jax.data.studies.pair_quality`; a person may overrule a refusal, by name, and the manifest
keeps that.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from qsr_jax.data.dicom import Series, named_tag
from qsr_jax.data.studies import pair_quality
from qsr_jax.data.studies.geometry_match import (
    PairError,
    check_one_grid,
    check_pair,
    disagreement,
    grid_shift,
)
from qsr_jax.data.studies.manifest import ACCEPTED, FAST, FLAGGED, ROUTINE, SIDES
from qsr_jax.data.studies.pair_content import Content, content_of
from qsr_jax.data.studies.pair_quality import QualityIssue
from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import tissue_mask


@dataclasses.dataclass(frozen=True)
class PairedMaps:
    """All pairs of one subject.

    Attributes:
        series: map, then "fast" or "routine", to the series.
        grid_alignment: how the routine grid lies on the fast one.
        qc: map to numbers.
        findings: map to what the rules found; a refusal here is one that a person overruled.
    """

    series: Mapping[str, Mapping[str, Series]]
    grid_alignment: str
    qc: Mapping[str, Mapping[str, float]]
    findings: Mapping[str, tuple[QualityIssue, ...]]


def pair_subject(
    series: Sequence[Series],
    *,
    scale: int,
    accepted: Collection[str] = (),
    any_study: bool = False,
) -> PairedMaps:
    """Pairs all map series of one subject.

    Args:
        series: what can be read of the subject.
        scale: routine matrix over fast matrix.
        accepted: rules of :data:`qsr_jax.data.studies.pair_quality.OVERRULED` that a person
            overruled.
        any_study: whether the scans of one session may stand in several studies.

    Raises:
        PairError: a map or a side is missing, two series compete, geometry disagrees, or values
            cannot be what they are said to be.
    """
    pairs = {name: _fast_and_routine(name, series) for name in MAPS}
    any_frame = pair_quality.FRAME in accepted
    found = {
        name: check_pair(*pair, scale=scale, any_frame=any_frame, any_study=any_study)
        for name, pair in pairs.items()
    }
    if len(set(found.values())) > 1:
        raise PairError(f"grid alignment differs between maps: {found}")
    sides = {side: [pair[i] for pair in pairs.values()] for i, side in enumerate(SIDES)}
    for same_scan in sides.values():
        check_one_grid(same_scan)
    qc, findings = _judged(pairs, {side: _tissue(scan) for side, scan in sides.items()}, found)
    return PairedMaps(
        series={name: dict(zip(SIDES, pair, strict=True)) for name, pair in pairs.items()},
        grid_alignment=found["t1"],
        qc=qc,
        findings=_overruled(pairs, findings, accepted),
    )


def _fast_and_routine(name: str, series: Sequence[Series]) -> tuple[Series, Series]:
    """The two series of one map, the smaller matrix first."""
    mine = [s for s in series if s.map_name == name]
    if len(mine) != len(SIDES):
        folders = ", ".join(str(s.place) for s in mine) or "none"
        raise PairError(
            f"{MAPS[name].label}: {len(mine)} readable series ({folders}); expected one fast and "
            "one routine" + ("; leave repeated ones out with --exclude" * (len(mine) > len(SIDES)))
        )
    fast, routine = sorted(mine, key=lambda s: s.volume.geometry.shape[1])
    if fast.volume.geometry.shape[1] == routine.volume.geometry.shape[1]:
        raise disagreement(fast, routine, "same matrix, so fast and routine cannot be told apart")
    return fast, routine


def _tissue(same_scan: Sequence[Series]) -> np.ndarray:
    """The tissue mask of one scan."""
    maps = {s.map_name: s.volume.maps[..., 0] for s in same_scan}
    try:
        return tissue_mask(maps["t1"], maps["t2"], maps["pd"])
    except ValueError as error:
        raise PairError(f"{same_scan[0].place}: {error}") from None


def _judged(
    pairs: Mapping[str, tuple[Series, Series]],
    masks: Mapping[str, np.ndarray],
    alignments: Mapping[str, str],
) -> tuple[dict[str, dict[str, float]], dict[str, list[QualityIssue]]]:
    """The numbers of every pair, and what the rules say about them."""
    scans = {
        side: {name: pair[i].volume.maps[..., 0] for name, pair in pairs.items()}
        for i, side in enumerate(SIDES)
    }
    content = content_of(scans[FAST], scans[ROUTINE], masks[ROUTINE], alignment=alignments["t1"])
    if content is None:
        raise disagreement(*pairs["t1"], "no slice holds enough tissue to judge the pair")
    fraction = min(
        float((scans[side]["t1"] > scans[side]["t2"])[masks[side]].mean()) for side in SIDES
    )
    swapped = pair_quality.judge_order(fraction)
    qc, findings = {}, {}
    for name, (fast, routine) in pairs.items():
        medians = {side: float(np.median(scans[side][name][masks[side]])) for side in SIDES}
        findings[name] = pair_quality.judge_content(name, content)
        findings[name] += swapped if name != "pd" else []
        findings[name] += pair_quality.judge_medians(name, *medians.values())
        findings[name] += [
            QualityIssue(pair_quality.CUT_OFF, FLAGGED, f"{side}: {series.cut_off}")
            for side, series in zip(SIDES, (fast, routine), strict=True)
            if series.cut_off
        ]
        if fast.frame_uid != routine.frame_uid:
            text = f"{named_tag('FrameOfReferenceUID')} differs"
            findings[name].append(QualityIssue(pair_quality.FRAME, pair_quality.REFUSED, text))
        qc[name] = _numbers(name, fast, routine, medians, content, fraction)
    return qc, findings


def _numbers(
    name: str,
    fast: Series,
    routine: Series,
    medians: Mapping[str, float],
    content: Content,
    fraction: float,
) -> dict[str, float]:
    """What a subject looks at to trust a pair; shifts in fast pixels, medians in the map's unit."""
    row, column = grid_shift(fast.volume.geometry, routine.volume.geometry)
    image_row, image_column = content.shift_of(name)
    numbers = {
        "median_fast": medians[FAST],
        "median_routine": medians[ROUTINE],
        "median_ratio": medians[FAST] / medians[ROUTINE] if medians[ROUTINE] else 0.0,
        "row_shift_px": row,
        "column_shift_px": column,
        "image_row_shift_px": image_row,
        "image_column_shift_px": image_column,
        "image_shift_px": np.hypot(image_row, image_column),
        "apart_px": content.apart(name),
        "likeness": content.likeness[name],
        "kinship": content.kinship[name],
        "t1_above_t2": fraction,
    }
    return {key: float(f"{value:.6g}") for key, value in numbers.items()}


def _overruled(
    pairs: Mapping[str, tuple[Series, Series]],
    findings: Mapping[str, Sequence[QualityIssue]],
    accepted: Collection[str],
) -> dict[str, tuple[QualityIssue, ...]]:
    """The findings of a subject, with refusals turned to "accepted"; raises on what is left."""
    result, reasons, rules = {}, [], []
    for name, found in findings.items():
        kept = []
        for finding in found:
            if finding.verdict == pair_quality.REFUSED:
                if finding.rule in accepted:
                    finding = dataclasses.replace(finding, verdict=ACCEPTED)
                else:
                    where = " and ".join(str(series.place) for series in pairs[name])
                    reasons.append((finding.text, where))
                    rules.append(finding.rule)
            kept.append(finding)
        result[name] = tuple(kept)
    if reasons:
        first_place = {text: where for text, where in reversed(reasons)}
        why = "; ".join(f"{where}: {text}" for text, where in reversed(first_place.items()))
        raise PairError(why, rules=tuple(dict.fromkeys(rules)))
    return result
