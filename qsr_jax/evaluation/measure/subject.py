"""From one subject's maps to tidy values: every later number comes from these rows."""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from qsr_jax.anatomy.label_means import nearest_on, same_grid
from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.measure import lesion_contrast, synthetic_contrast
from qsr_jax.evaluation.measure.calibration import calibration_fields
from qsr_jax.evaluation.measure.coverage import coverage_fields
from qsr_jax.evaluation.measure.error_by_place import error_fields
from qsr_jax.evaluation.measure.image_quality import brain_box, brain_mask, image_fields
from qsr_jax.evaluation.measure.label_agreement import agreement_fields
from qsr_jax.evaluation.measure.labels import Labels, label_fields, true_labels
from qsr_jax.evaluation.measure.lesion_visibility import visibility_fields
from qsr_jax.evaluation.measure.noise_and_resolution import resolution_fields
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.values import NEEDS_BOTH, TRUTH, Fields, Value
from qsr_jax.predictors.baselines import CALIBRATED
from qsr_jax.types import Prediction, Volume

CURVED = (FAST, *NEEDS_BOTH, CALIBRATED, REPEAT, ROUTINE, TRUTH)
"""Methods that are followed over bins of values; other interpolations are left out."""


def covered_maps(predictions: Mapping[str, Prediction]) -> tuple[str, ...]:
    """The maps that all methods made, in the order of the first.

    Raises:
        ValueError: none is common.
    """
    first, *others = predictions.values()
    names = tuple(n for n in first.names if all(n in other.names for other in others))
    if not names:
        raise ValueError("the methods have no map in common; nothing can be compared")
    return names


def measure(
    case: Case,
    predictions: Mapping[str, Prediction],
    *,
    split: str,
    run: str = "1",
    scans: bool = True,
    labels: Labels | None = None,
    measures: Callable[[str], bool] = lambda _: True,
) -> list[Value]:
    """All values of one subject.

    Args:
        case: the subject's scans, and truth where there is one.
        predictions: method name to what it made of ``case.fast``.
        split: the split the subject belongs to.
        run: which training made the predictions.
        scans: whether fast, routine and truth are measured too; once per subject is enough.
        labels: where tissues, regions and lesions lie; None for the truth's, where there is one.
        measures: which methods are measured; the others are there to be compared with.

    Raises:
        ValueError: no common map, a prediction off the routine grid, or no usable mask.
    """
    for method, made in predictions.items():
        if not same_grid(made.geometry, case.routine.geometry):
            raise ValueError(
                f"subject {case.subject}: the {method} maps do not lie on the routine grid; was "
                "the model trained with another grid alignment or scale?"
            )
    who: Fields = {"subject": case.subject, "group": case.group, "split": split, "run": run}
    sources = _sources(case, predictions)
    own = [m for m in sources if (scans or m in predictions) and measures(m)]
    if labels is None and case.truth is not None:
        labels = true_labels(case.truth)
    names = covered_maps(predictions)
    rows = itertools.chain(
        _rows(case, names, sources, labels, own, sizes=scans),
        error_fields(case, names, sources, labels, wanted=own),
        resolution_fields(case, names, sources, wanted=own),
        coverage_fields(
            case,
            names,
            {m: made for m, made in predictions.items() if measures(m)},
            references(case),
            labels,
        ),
    )
    return [Value(**who, **row) for row in rows if measures(row["method"])]


def compare_labels(case: Case, found: Labels, *, split: str, run: str = "1") -> list[Value]:
    """How far labels found in a simulated subject's maps agree with the truth.

    Args:
        case: the subject, with truth.
        found: labels of the routine scan, not eroded.
        split: the split the subject belongs to.
        run: the first training that tests on them.

    Raises:
        ValueError: the subject has no truth.
    """
    who: Fields = {"subject": case.subject, "group": case.group, "split": split, "run": run}
    if case.truth is None:
        raise ValueError(f"subject {case.subject} has no truth; labels are compared with a truth")
    rows = agreement_fields(
        found,
        true_labels(case.truth),
        case.routine.maps,
        case.routine.names,
        case.routine.geometry,
    )
    return [Value(**who, **row) for row in rows]


def _rows(
    case: Case,
    names: tuple[str, ...],
    sources: Mapping[str, np.ndarray],
    labels: Labels | None,
    own: Collection[str],
    *,
    sizes: bool,
) -> Iterator[Fields]:
    """Every measurement of the house of ``own`` methods, and what routine is compared with."""
    shown = {m: s for m, s in sources.items() if m in own or m == ROUTINE}
    mask, spacing_mm = brain_mask(case), case.routine.geometry.spacing_mm
    yield from image_fields(case, names, shown)
    curved = {m: s for m, s in shown.items() if m in CURVED}
    yield from calibration_fields(curved, names, mask, reference=ROUTINE)
    pictured = {m: s for m, s in shown.items() if m in (FAST, *NEEDS_BOTH, ROUTINE)}
    yield from synthetic_contrast.contrast_fields(
        pictured, names, mask, reference=ROUTINE, box=brain_box(mask)
    )
    if case.truth is not None:
        known = _channels(case.truth.maps, case.routine.names, names)
        yield from calibration_fields(
            {**curved, TRUTH: known}, names, mask & (case.truth.tissue > 0), reference=TRUTH
        )
    if labels is not None:
        measured = {m: s for m, s in sources.items() if m in own}
        yield from label_fields(measured, names, labels)
        yield from lesion_contrast.contrast_fields(measured, names, labels, spacing_mm)
        read = {m: s for m, s in measured.items() if m in CURVED}
        yield from visibility_fields(read, names, labels, spacing_mm, sizes=sizes)


def references(case: Case) -> dict[str, Volume]:
    """The routine scan and, where it is known, the truth on its grid."""
    references = {ROUTINE: case.routine}
    if case.truth is not None:
        references[TRUTH] = dataclasses.replace(case.routine, maps=case.truth.maps)
    return references


def _sources(case: Case, predictions: Mapping[str, Prediction]) -> dict[str, np.ndarray]:
    """Method to (z, y, x, c) on the routine grid, of the maps that all predictions have."""
    names = covered_maps(predictions)
    carried = dataclasses.replace(case.routine, maps=nearest_on(case.fast, case.routine.geometry))
    volumes: dict[str, Volume | Prediction] = {FAST: carried, **predictions, **references(case)}
    return {
        method: _channels(v.mean if isinstance(v, Prediction) else v.maps, v.names, names)
        for method, v in volumes.items()
    }


def _channels(maps: np.ndarray, has: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray:
    """(z, y, x, c) of the wanted maps, in their order."""
    return maps if has == wanted else maps[..., [has.index(name) for name in wanted]]


def channel(volume: Volume | Prediction, name: str) -> np.ndarray:
    """(z, y, x, 1) of one map of a volume or a prediction."""
    maps = volume.mean if isinstance(volume, Prediction) else volume.maps
    return _channels(maps, volume.names, (name,))
