"""From stored to physical values: Rescale and RealWorldValueMapping, which must say the same."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from qsr_jax.data.dicom.frames import MAPPING, Frame
from qsr_jax.data.dicom.redaction import redacted, redacted_all
from qsr_jax.maps import MapSpec

_RANGES = (
    ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"),
    ("DoubleFloatRealWorldValueFirstValueMapped", "DoubleFloatRealWorldValueLastValueMapped"),
)
_QUANTITY = ("246205007", "G-C1C6")
"""The concept "Quantity" in SNOMED CT, and in the older SNOMED RT."""
DERIVATION = ("121401", "DCM", "Derivation")
STANDARD_DEVIATION = ("386136009", "SCT", "Standard Deviation")
"""Qualify a quantity: the values are not it but its spread (PS3.16, CID 7464)."""
_DEVIATIONS = (STANDARD_DEVIATION[0], "R-10047")
"""In SNOMED CT, and in the older SNOMED RT."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """``physical = slope * stored + intercept``.

    Attributes:
        slope: physical value of one stored unit, > 0.
        intercept: physical value of a stored 0.
        unit: UCUM code of the physical value, None where the file does not say it.
        quantity: codes of what is measured (QuantityDefinitionSequence); empty likewise.
        mapped: first and last stored value that has a physical one, None where not said.
        spread: whether the values are said to be standard deviations of the quantity.
    """

    slope: float
    intercept: float
    unit: str | None = None
    quantity: tuple[str, ...] = ()
    mapped: tuple[float, float] | None = None
    spread: bool = False


def scale_of(frame: Frame) -> Scale | None:
    """How this slice is scaled; None where it says nothing about it.

    Raises:
        DicomInputError: half a mapping, a slope that is not positive, a lookup table, or mappings
            that contradict each other.
    """
    rescale = _rescale(frame)
    stated = [_real_world(frame, item) for item in frame.value(MAPPING) or ()]
    if not stated:
        return rescale
    first = stated[0]
    for other in stated:
        numbers = other.slope, other.intercept
        reference = rescale or first
        if not np.allclose(numbers, (reference.slope, reference.intercept), rtol=1e-6, atol=1e-9):
            named = "Rescale" if rescale else "the first mapping"
            why = f"{named} has {reference.slope:g}, {reference.intercept:g}; both cannot hold"
            got = f"slope, intercept {numbers[0]:g}, {numbers[1]:g} in {frame.label}"
            frame.refuse(MAPPING, why, got=got)
        if (other.unit, other.quantity, other.spread) != (first.unit, first.quantity, first.spread):
            frame.refuse(MAPPING, f"several units or quantities in {frame.label}")
    if rescale is not None:  # its numbers are decimal text, exact where a double is rounded
        first = dataclasses.replace(first, slope=rescale.slope, intercept=rescale.intercept)
    return first


def required_scale(
    frame: Frame, spec: MapSpec, *, spread: bool = False, declared: Scale | None = None
) -> Scale:
    """How a slice of a map is scaled.

    A classic MR image has no attribute for it but the RealWorldValueMapping: RescaleSlope is in
    none of 5,562 real GE files. Where the mapping stands alone it must name the quantity too.

    Args:
        frame: the slice.
        spec: the map.
        spread: whether standard deviations of the map are expected, not the map.
        declared: what the row that recognised the map says, for files that say nothing.

    Raises:
        DicomInputError: see :func:`scale_of`; also where nothing is said, or another unit or
            quantity than that of ``spec``, or a map where its spread is expected or the reverse.
    """
    scale = scale_of(frame) or declared
    if scale is None:
        frame.refuse(
            "RescaleSlope", f"missing, and so is {MAPPING}; a row of --protocols may say it"
        )
    alone = frame.index is None and frame.value("RescaleSlope") is None and scale is not declared
    if alone and not scale.quantity:
        frame.refuse("RescaleSlope", f"missing, and {MAPPING} does not say what is measured")
    if scale.unit is not None and scale.unit != spec.ucum[0]:
        expected = f"{spec.ucum[0]} for {spec.label}"
        frame.refuse(MAPPING, got=f"unit {redacted(scale.unit)}", expected=expected)
    if scale.quantity and spec.quantity[0] not in scale.quantity:
        expected = f"{spec.quantity[0]} for {spec.label}"
        got = f"quantity {redacted_all(scale.quantity, between=', ')}"
        frame.refuse(MAPPING, got=got, expected=expected)
    if scale.spread != spread:
        kinds = (f"{spec.label} itself", f"standard deviations of {spec.label}")
        frame.refuse(MAPPING, got=kinds[scale.spread], expected=kinds[spread])
    return scale


def _rescale(frame: Frame) -> Scale | None:
    """What RescaleSlope and RescaleIntercept say."""
    if frame.value("RescaleSlope") is None and frame.value("RescaleIntercept") is None:
        return None
    slope, intercept = frame.number("RescaleSlope"), frame.number("RescaleIntercept")
    if slope <= 0:
        frame.refuse("RescaleSlope", got=f"{slope:g}", expected="> 0")
    return Scale(slope, intercept)


def _real_world(frame: Frame, item: Dataset) -> Scale:
    """What one item of RealWorldValueMappingSequence says."""
    if frame.look_up(item, "RealWorldValueLUTData") is not None:
        frame.refuse(MAPPING, "a lookup table; expected slope and intercept")
    try:
        slope, intercept = float(item.RealWorldValueSlope), float(item.RealWorldValueIntercept)
        unit = str(item.MeasurementUnitsCodeSequence[0].CodeValue)
    except Exception:  # pydicom parses on access; anything may come
        frame.refuse(MAPPING, "slope, intercept or unit missing or not readable")
    if not (np.isfinite([slope, intercept]).all() and slope > 0):
        frame.refuse(MAPPING, got=f"slope {slope:g}, intercept {intercept:g}", expected="slope > 0")
    spread = any(found in _DEVIATIONS for found in _defined(frame, item, DERIVATION[:1]))
    quantity = _defined(frame, item, _QUANTITY)
    return Scale(slope, intercept, unit, quantity, _mapped(frame, item), spread)


def _defined(frame: Frame, item: Dataset, concepts: Sequence[str]) -> tuple[str, ...]:
    """What the mapping says about a concept of its quantity, as codes."""
    try:
        return tuple(
            str(concept.CodeValue)
            for part in item.get("QuantityDefinitionSequence") or ()
            if part.ConceptNameCodeSequence[0].CodeValue in concepts
            for concept in part.ConceptCodeSequence
        )
    except Exception:  # as above
        frame.refuse(MAPPING, "QuantityDefinitionSequence is not readable")


def _mapped(frame: Frame, item: Dataset) -> tuple[float, float] | None:
    """First and last stored value that the mapping holds for."""
    for keywords in _RANGES:
        limits: Sequence[Any] = [frame.look_up(item, keyword) for keyword in keywords]
        if None not in limits:
            try:
                return float(limits[0]), float(limits[1])
            except (TypeError, ValueError):
                frame.refuse(MAPPING, "first or last value mapped is not a number")
    return None
