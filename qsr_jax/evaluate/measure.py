"""From one person's maps to tidy values: every later number comes from these rows."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from qsr_jax.data.cases import Case
from qsr_jax.data.manifest import FAST, ROUTINE
from qsr_jax.evaluate.metrics import BRAIN, METRICS, PAPER, whole_windows
from qsr_jax.evaluate.regions import label_means, nearest_on, same_grid
from qsr_jax.maps import spec_of
from qsr_jax.physics.regions import GREY, WHITE
from qsr_jax.types import Prediction, Volume

BICUBIC, TRAINED, TRUTH = "bicubic", "trained", "truth"
TISSUES = {GREY: "GM", WHITE: "WM"}
"""Codes of the truth's tissue labels that the paper measures."""


@dataclasses.dataclass(frozen=True)
class Value:
    """One row of ``values.csv``: one number about one person.

    Attributes:
        person: pseudonym.
        group: "healthy" or "patient".
        split: "train", "validation" or "test".
        kind: "tissue", "region", "lesion" (means of maps) or "image" (against routine).
        place: "GM", a region's name, "1 WMH", "brain" or "frame".
        map: key of :data:`qsr_jax.maps.MAPS`.
        quantity: "mean" or a metric's name.
        unit: unit of the value ("" for SSIM).
        method: which map was measured.
        value: the number.
        count: voxels (means) or slices (images) it averages.
        convention: data range and mask of an image metric, else how voxels were chosen.
    """

    person: str
    group: str
    split: str
    kind: str
    place: str
    map: str
    quantity: str
    unit: str
    method: str
    value: float
    count: int
    convention: str


@dataclasses.dataclass(frozen=True)
class Example:
    """One slice of one person, to be looked at.

    Attributes:
        person: pseudonym.
        group: "healthy" or "patient".
        slice_index: which slice, from 0.
        mask: (y, x) bool of the routine grid.
        lesion: (y, x) bool, or None where no label is known.
        images: map to method to (y, x); fast on its own grid, the others on the routine grid.
    """

    person: str
    group: str
    slice_index: int
    mask: np.ndarray
    lesion: np.ndarray | None
    images: dict[str, dict[str, np.ndarray]]


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


def measure(case: Case, predictions: Mapping[str, Prediction], *, split: str) -> list[Value]:
    """All values of one person.

    Args:
        case: the person's scans, and truth where there is one.
        predictions: method name to what it made of ``case.fast``.
        split: the split the person belongs to.

    Raises:
        ValueError: no common map, a prediction off the routine grid, or no usable mask.
    """
    for method, made in predictions.items():
        if not same_grid(made.geometry, case.routine.geometry):
            raise ValueError(
                f"person {case.person}: the {method} maps do not lie on the routine grid; was the "
                "model trained with another grid alignment or scale?"
            )
    who = {"person": case.person, "group": case.group, "split": split}
    rows = [*_image_rows(case, predictions), *_label_rows(case, predictions)]
    return [Value(**who, **row) for row in rows]


def example_slice(case: Case, predictions: Mapping[str, Prediction]) -> Example:
    """The slice with most lesion, or with most brain where there is no lesion."""
    lesions = None if case.truth is None else case.truth.lesions > 0
    marked = case.routine.mask if lesions is None or not lesions.any() else lesions
    index = int(marked.sum((1, 2)).argmax())
    sources = {FAST: case.fast, **predictions, **_references(case)}
    images = {
        # Copies: a view would keep the whole volume of every example in memory.
        name: {m: _channel(source, name)[index, ..., 0].copy() for m, source in sources.items()}
        for name in covered_maps(predictions)
    }
    lesion = None if lesions is None else lesions[index]
    return Example(case.person, case.group, index, case.routine.mask[index], lesion, images)


def _image_rows(case: Case, predictions: Mapping[str, Prediction]) -> Iterator[dict]:
    """Metrics against routine: per slice, then the mean over slices that hold a whole window."""
    if case.routine.mask is None:
        raise ValueError(f"person {case.person}: the routine maps have no mask")
    usable = np.asarray(whole_windows(case.routine.mask)).any((1, 2))
    if not usable.any():
        raise ValueError(f"person {case.person}: the mask holds no 11 x 11 window in any slice")
    masks = {BRAIN: case.routine.mask, PAPER: np.ones_like(case.routine.mask)}
    for name in covered_maps(predictions):
        spec, reference = spec_of(name), _channel(case.routine, name)
        for method, made in predictions.items():
            test = _channel(made, name)
            for (convention, mask), quantity in itertools.product(masks.items(), METRICS):
                metric = METRICS[quantity]
                options = {"data_range": convention.data_range(spec)} if metric.ranged else {}
                # All slices, chosen afterwards: one shape, one compilation for all persons.
                per_slice = np.asarray(metric.compute(test, reference, mask, **options), float)
                yield {
                    "kind": "image",
                    "place": convention.place,
                    "map": name,
                    "quantity": quantity,
                    "unit": spec.unit if metric.unit == "map" else metric.unit,
                    "method": method,
                    "value": float(per_slice[usable].mean()),
                    "count": int(usable.sum()),
                    "convention": convention.text(spec),
                }


def _references(case: Case) -> dict[str, Volume]:
    """The routine scan and, where it is known, the truth on its grid."""
    references = {ROUTINE: case.routine}
    if case.truth is not None:
        references[TRUTH] = dataclasses.replace(case.routine, maps=case.truth.maps)
    return references


def _channel(volume: Volume | Prediction, name: str) -> np.ndarray:
    """(z, y, x, 1) of one map of a volume or a prediction."""
    maps = volume.mean if isinstance(volume, Prediction) else volume.maps
    channel = volume.names.index(name)
    return maps[..., channel : channel + 1]


def _label_rows(case: Case, predictions: Mapping[str, Prediction]) -> Iterator[dict]:
    """Means over the truth's labels for every method, the scans and the truth itself."""
    if case.truth is None:
        return
    names = covered_maps(predictions)
    truth = case.truth
    carried = dataclasses.replace(case.routine, maps=nearest_on(case.fast, case.routine.geometry))
    sources = {FAST: carried, **predictions, **_references(case)}
    lesions = {code: f"{code} {kind}" for code, kind in truth.lesion_kinds.items()}
    for method, source in sources.items():
        maps = np.concatenate([_channel(source, name) for name in names], axis=-1)
        for kind, labels, places in (
            ("tissue", truth.tissue, TISSUES),
            ("region", truth.regions, truth.region_names),
            ("lesion", truth.lesions, lesions),
        ):
            if not places:
                continue
            for place, (count, means) in label_means(maps, labels, places).items():
                for name, mean in zip(names, means.tolist(), strict=True):
                    yield {
                        "kind": kind,
                        "place": place,
                        "map": name,
                        "quantity": "mean",
                        "unit": spec_of(name).unit,
                        "method": method,
                        "value": mean,
                        "count": count,
                        "convention": "voxels of the true label",
                    }
