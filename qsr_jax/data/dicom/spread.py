"""The standard deviation of a map as a series of its own, which no reader takes for the map.

It has the unit and the quantity of the map, and beside the quantity, as its Derivation, "Standard
Deviation" (PS3.16, CID 7464). Its ImageType does not name the map; a program that looks for "T1
MAP" there passes by.
"""

import dataclasses

import numpy as np
from pydicom.dataset import Dataset

from qsr_jax.data.dicom.elements import UINT16_MAX, code
from qsr_jax.data.dicom.scaling import DERIVATION, STANDARD_DEVIATION
from qsr_jax.maps import MapSpec
from qsr_jax.types import Prediction

SLOPES = (0.001, 0.01, 0.1)
"""Physical units of a stored step; the finest that holds the largest value is taken."""
LABEL = "SD"
IMAGE_TYPE = "OTHER"
"""Third value of ImageType (PS3.3 C.8.3.1.1.1), where a map has its name."""


def values_of(prediction: Prediction, spec: MapSpec, *, std: bool) -> tuple[np.ndarray, MapSpec]:
    """What a series of one map stores, and how: the mean, or its standard deviation.

    Args:
        prediction: one map.
        spec: the map.
        std: whether the standard deviation is wanted.

    Returns:
        (z, y, x) physical units, and ``spec`` with the label, slope and ImageType of the series.

    Raises:
        ValueError: a standard deviation is wanted and there is none.
    """
    if not std:
        return prediction.mean[..., 0], spec
    if prediction.std is None:
        raise ValueError(
            f"this prediction of {spec.label} knows no standard deviation; expected one, as an "
            "ensemble makes it"
        )
    values = prediction.std[..., 0]
    largest = float(values.max())
    fine = [slope for slope in SLOPES if largest <= slope * UINT16_MAX]
    changed = dataclasses.replace(
        spec,
        label=f"{spec.label} {LABEL}",
        slope=fine[0] if fine else SLOPES[-1],
        scanner_max=max(largest, SLOPES[0]),
        image_type=IMAGE_TYPE,
    )
    return values, changed


def say_deviation(mapping: Dataset) -> None:
    """Adds to an item of RealWorldValueMappingSequence that its quantity is a spread."""
    item = Dataset()
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence = code(*DERIVATION)
    item.ConceptCodeSequence = code(*STANDARD_DEVIATION)
    mapping.QuantityDefinitionSequence.append(item)
