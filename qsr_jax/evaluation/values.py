"""One number about one subject: the row of ``values.csv`` that every later number comes from."""

import dataclasses
from typing import Any

BICUBIC, TRAINED, TRUTH = "bicubic", "trained", "truth"
NEEDS_BOTH = (BICUBIC, TRAINED)
"""Methods that every report compares."""

SLICES = "slice"
"""Kind of a value about one slice; its place is "slice 7", counted from 1."""

Fields = dict[str, Any]
"""The fields of a :class:`Value` but the subject's: what a measurement yields."""


@dataclasses.dataclass(frozen=True)
class Value:
    """One row of ``values.csv``: one number about one subject.

    Attributes:
        subject: pseudonym.
        group: "healthy" or "patient".
        split: "train", "validation" or "test".
        run: which training made the trained maps, "1" where there is one.
        kind: "tissue", "region", "lesion" (means of maps), "image" or "slice" (against routine), or
            what a file of :mod:`qsr_jax.evaluation.measure` calls its own.
        place: "GM", a region's name, "1 WMH", "brain", "frame", "slice 7" or "700 to 800".
        map: key of :data:`qsr_jax.maps.MAPS`, or of a weighted image; "" for places alone.
        quantity: "mean" or a metric's name.
        unit: unit of the value ("" for SSIM).
        method: which map was measured.
        value: the number.
        count: voxels (means) or slices (images) it averages.
        convention: data range and mask of an image metric, else how voxels were chosen.
    """

    subject: str
    group: str
    split: str
    run: str
    kind: str
    place: str
    map: str
    quantity: str
    unit: str
    method: str
    value: float
    count: int
    convention: str


def slice_index(place: str) -> int:
    """The index from 0 of the place "slice 7"."""
    return int(place.removeprefix("slice ")) - 1
