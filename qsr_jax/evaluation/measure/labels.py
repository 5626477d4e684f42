"""Where tissues, regions and lesions of one subject lie, and the means of maps over them.

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
from qsr_jax.data.studies.registration import on_fast_head
from qsr_jax.data.studies.truth import Truth
from qsr_jax.evaluation.values import Fields
from qsr_jax.maps import spec_of
from qsr_jax.types import Geometry

TISSUES = {GREY: "GM", WHITE: "WM"}
"""Codes of tissue labels that the paper measures."""

FLUID = {1: "CSF"}
"""Measured beside them: its T1 and T2 are the longest, and a lesion may be made of it."""

LESION = 4
"""Tissue code of a lesion: neither grey nor white matter."""


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


def moved_labels(labels: Labels, geometry: Geometry, pose: np.ndarray) -> Labels:
    """Labels where the head lay in another scan, every voxel from its nearest; no lesion is lost.

    Args:
        labels: where the routine scan saw the head.
        geometry: their grid.
        pose: (6,), see :func:`qsr_jax.data.studies.registration.rigid_pose`.
    """
    tissue, regions = (
        on_fast_head(part, geometry, pose, order=0).astype(np.uint8)
        for part in (labels.tissue, labels.regions)
    )
    lesions = np.zeros_like(labels.lesions)
    for code in np.unique(labels.lesions[labels.lesions > 0]).tolist():
        part = on_fast_head((labels.lesions == code).astype(np.float32), geometry, pose, order=1)
        lesions[part >= max(min(0.5, 0.5 * part.max()), 1e-3)] = code
    return dataclasses.replace(labels, tissue=tissue, regions=regions, lesions=lesions)


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


def label_fields(
    sources: Mapping[str, np.ndarray], names: tuple[str, ...], labels: Labels
) -> Iterator[Fields]:
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
            ("tissue", labels.tissue, TISSUES | FLUID, labels.said),
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
