"""NIQE of the routine scan, bicubic and the trained model, one value per subject and map.

The paper's Table 5 has the fast scan as well. On its own grid a block covers four times the area
and shows other detail, so its number would not be comparable; bicubic stands for it.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.measure.image_quality import brain_mask
from qsr_jax.evaluation.measure.subject import channel, covered_maps
from qsr_jax.evaluation.values import BICUBIC, TRAINED, Value
from qsr_jax.maps import MapSpec, spec_of
from qsr_jax.metrics.niqe import (
    NiqeError,
    NiqeModel,
    fit_model,
    niqe,
    niqe_of_stack,
    to_grey,
)
from qsr_jax.types import Prediction, Volume

KIND = "niqe"
FITTED_BLOCK = 48
"""Pixels; small enough for blocks inside a brain, in the routine grid."""

NATURAL, FITTED = "frame, natural images", "brain, routine maps"
"""Places of the values: what was looked at, and what it was compared with."""


def fit_models(scans: Sequence[Volume]) -> dict[str, NiqeModel]:
    """A model of each map, from routine scans of training subjects; empty if they are too few."""
    models = {}
    for name in scans[0].names if scans else ():
        spec = spec_of(name)
        stacks = ((_grey(scan, spec), scan.mask) for scan in scans if scan.mask is not None)
        source = f"routine {spec.label} maps of {len(scans)} training subjects"
        try:
            models[name] = fit_model(stacks, block=FITTED_BLOCK, source=source)
        except NiqeError:
            return {}
    return models


def niqe_values(
    case: Case,
    predictions: Mapping[str, Prediction],
    natural: NiqeModel | None,
    fitted: Mapping[str, NiqeModel],
    *,
    split: str,
    run: str,
    measures: Callable[[str], bool] = lambda _: True,
) -> Iterator[Value]:
    """NIQE of bicubic, trained and routine.

    Args:
        case: the subject.
        predictions: method name to maps.
        natural: model of natural images for the whole frame, as in the paper; used if given.
        fitted: map to a model of routine maps for the brain; used if there is no other.
        split: the split the subject belongs to.
        run: which training made the predictions.
        measures: which of these methods.
    """
    chosen = {m: predictions[m] for m in (BICUBIC, TRAINED) if m in predictions}
    scans = {ROUTINE: case.routine} if BICUBIC in predictions else {}
    mask = brain_mask(case)
    for name in covered_maps(predictions):
        spec, model = spec_of(name), natural or fitted.get(name)
        if model is None:
            continue
        place = NATURAL if natural else FITTED
        base = Value(
            subject=case.subject, group=case.group, split=split, run=run, kind=KIND, place=place,
            map=name, quantity="niqe", unit="", method="", value=0.0, count=len(mask),
            convention=model.text(
                crop=place.split(",")[0], grey_max=spec.niqe_grey_max, unit=spec.unit
            ),
        )  # fmt: skip
        volumes: dict[str, Volume | Prediction] = {**scans, **chosen}
        for method, volume in volumes.items():
            if not measures(method):
                continue
            value = _niqe(_grey(volume, spec), mask, model, whole=natural is not None)
            if np.isfinite(value):
                yield dataclasses.replace(base, method=method, value=value)


def _grey(volume: Volume | Prediction, spec: MapSpec) -> np.ndarray:
    """(z, y, x) grey levels of one map."""
    values = jnp.asarray(channel(volume, spec.name)[..., 0])
    return np.asarray(to_grey(values, grey_max=spec.niqe_grey_max))


def _niqe(grey: np.ndarray, mask: np.ndarray, model: NiqeModel, *, whole: bool) -> float:
    """Mean over whole frames, or of all brains together; NaN where there is too little."""
    if not whole:
        return niqe_of_stack(grey, mask, model)
    per_slice = niqe(grey, np.ones_like(mask), model)
    known = per_slice[np.isfinite(per_slice)]
    return float(known.mean()) if len(known) else float("nan")
