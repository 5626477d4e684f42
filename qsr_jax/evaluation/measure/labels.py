"""Where tissues, regions and lesions of one subject lie, and how far two such opinions agree.

Simulated subjects have a truth. Scanned subjects have an anatomy that was found in their maps, and
lesions that somebody drew. Both are labels on the routine grid, and every later table takes either.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from qsr_jax.anatomy.label_means import label_means
from qsr_jax.anatomy.label_subject import SubjectLabels
from qsr_jax.anatomy.regions import GREY, WHITE
from qsr_jax.anatomy.segmentation import eroded
from qsr_jax.data.studies.truth import Truth
from qsr_jax.maps import spec_of
from qsr_jax.types import Geometry

TISSUES = {GREY: "GM", WHITE: "WM"}
"""Codes of tissue labels that the paper measures."""

LESION = 4
"""Tissue code of a lesion: neither grey nor white matter."""

KIND = "labels"
"""Kind of a value that compares two opinions; such a value has no method."""
DICE, CENTROID, SHIFT = "Dice", "centroid distance", "shift of the routine mean"
"""Its quantities."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """What lies where in one subject.

    Attributes:
        tissue: (z, y, x) uint8, 2 grey and 3 white matter among its codes.
        regions: (z, y, x) uint8 labels of ``region_names``.
        region_names: label to name.
        lesions: (z, y, x) uint8 number of the lesion, 0 elsewhere.
        lesion_kinds: number of the lesion to its kind or name.
        said: how a voxel was chosen, in words, "voxels of the true label".
        lesions_said: likewise of the lesions.
    """

    tissue: np.ndarray
    regions: np.ndarray
    region_names: Mapping[int, str]
    lesions: np.ndarray
    lesion_kinds: Mapping[int, str]
    said: str
    lesions_said: str


def true_labels(truth: Truth, *, erode_pixels: int = 0) -> Labels:
    """The truth's own labels.

    Args:
        truth: of a simulated subject.
        erode_pixels: how far voxels of a tissue or region lie from its border at least.
    """
    return _thinned(
        Labels(
            truth.tissue,
            truth.regions,
            truth.region_names,
            truth.lesions,
            truth.lesion_kinds,
            said="voxels of the true label",
            lesions_said="voxels of the true label",
        ),
        erode_pixels,
    )


def found_labels(
    anatomy: SubjectLabels,
    drawn: tuple[np.ndarray, Mapping[int, str]] | None,
    *,
    erode_pixels: int,
    lesions_said: str,
) -> Labels:
    """Labels of an anatomy that was found in the maps, and lesions from elsewhere.

    Args:
        anatomy: of the subject, not eroded.
        drawn: (z, y, x) numbers of lesions and their names; None without lesions.
        erode_pixels: see :func:`true_labels`.
        lesions_said: where the lesions come from, in words.
    """
    lesions, kinds = drawn or (np.zeros(anatomy.tissue.shape, np.uint8), {})
    inside = lesions > 0
    labels = Labels(
        np.where(inside, np.uint8(LESION), anatomy.tissue),
        np.where(inside, np.uint8(0), anatomy.regions),
        anatomy.region_names,
        lesions,
        kinds,
        said="voxels of the label found in the maps",
        lesions_said=lesions_said,
    )
    return _thinned(labels, erode_pixels)


def no_labels(shape: tuple[int, int, int]) -> Labels:
    """Nothing is labelled."""
    empty = np.zeros(shape, np.uint8)
    return Labels(empty, empty, {}, empty, {}, said="", lesions_said="")


def _thinned(labels: Labels, pixels: int) -> Labels:
    """Tissues and regions without their borders; lesions are left as they are."""
    if pixels == 0:
        return labels
    return dataclasses.replace(
        labels,
        tissue=eroded(labels.tissue, pixels=pixels),
        regions=eroded(labels.regions, pixels=pixels),
        said=f"{labels.said}, {pixels} pixels or more from its border",
    )


def label_rows(
    sources: Mapping[str, np.ndarray], names: tuple[str, ...], labels: Labels
) -> Iterator[dict]:
    """Means over every label, of every method.

    Args:
        sources: method to (z, y, x, c) physical units.
        names: c map names.
        labels: what lies where.

    Yields:
        The fields of a value but the subject's.
    """
    lesions = {code: f"{code} {kind}" for code, kind in labels.lesion_kinds.items()}
    for method, maps in sources.items():
        for kind, array, places, said in (
            ("tissue", labels.tissue, TISSUES, labels.said),
            ("region", labels.regions, labels.region_names, labels.said),
            ("lesion", labels.lesions, lesions, labels.lesions_said),
        ):
            if not places:
                continue
            for place, (count, means) in label_means(maps, array, places).items():
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
                        "convention": said,
                    }


def comparison_rows(
    found: Labels,
    true: Labels,
    routine: np.ndarray,
    names: tuple[str, ...],
    geometry: Geometry,
) -> Iterator[dict]:
    """How far labels found in the maps agree with the truth, place by place.

    Dice; the distance of the centres of mass, mean over left and right where both hold the place;
    and by how many percent the mean of the routine maps moves.

    Args:
        found: from the maps.
        true: the truth's.
        routine: (z, y, x, c) physical units.
        names: c map names.
        geometry: of all arrays.

    Yields:
        The fields of a value but the subject's.
    """
    shared = {"kind": KIND, "method": "", "convention": "found in the maps, against the truth"}
    left = _left(true.tissue, geometry)
    places = [(name, found.tissue == code, true.tissue == code) for code, name in TISSUES.items()]
    codes = {name: code for code, name in found.region_names.items()}
    places += [
        (name, found.regions == codes[name], true.regions == code)
        for code, name in true.region_names.items()
        if name in codes
    ]
    for place, mine, theirs in places:
        if not (mine.any() and theirs.any()):
            continue
        row = shared | {"place": place, "count": int(theirs.sum())}
        overlap = 2.0 * float((mine & theirs).sum()) / float(mine.sum() + theirs.sum())
        yield row | {"map": "", "quantity": DICE, "unit": "", "value": overlap}
        apart = _centres_apart_mm(mine, theirs, left, geometry)
        if apart is not None:
            yield row | {"map": "", "quantity": CENTROID, "unit": "mm", "value": apart}
        moved = 100.0 * (routine[mine].mean(0, dtype=float) / routine[theirs].mean(0, dtype=float))
        for name, value in zip(names, moved.tolist(), strict=True):
            yield row | {"map": name, "quantity": SHIFT, "unit": "%", "value": value - 100.0}


def _left(tissue: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(z, y, x) bool, True on one side of the sagittal plane through the middle of the brain."""
    affine = geometry.affine_lps()
    z, y, x = np.ogrid[tuple(slice(n) for n in tissue.shape)]
    across = affine[0, 0] * z + affine[0, 1] * y + affine[0, 2] * x + affine[0, 3]
    brain = np.isin(tissue, list(TISSUES))
    return across > np.broadcast_to(across, tissue.shape)[brain].mean()


def _centres_apart_mm(
    mine: np.ndarray, theirs: np.ndarray, left: np.ndarray, geometry: Geometry
) -> float | None:
    """Mean over the sides that both labels reach; None where they share no side."""
    affine = geometry.affine_lps()
    apart = []
    for side in (left, ~left):
        pair = [np.nonzero(label & side) for label in (mine, theirs)]
        if all(len(index[0]) for index in pair):
            first, second = (np.array([np.mean(i) for i in index]) for index in pair)
            apart.append(float(np.linalg.norm(affine[:3, :3] @ (first - second))))
    return float(np.mean(apart)) if apart else None
