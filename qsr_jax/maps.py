"""What a map is: T1, T2 and PD, each with its unit, ranges, network scale and DICOM codes.

This is the ground floor (F0): every room takes its constants from here and none repeats them.
Values are *physical* (ms for T1 and T2, percent for PD) unless a name says ``stored`` (the integers
of a DICOM file or a record, physical / ``slope``) or ``network`` (the generator's range [-1, 1]).
"""

import dataclasses
from typing import TypeVar

import jax
import numpy as np

ArrayT = TypeVar("ArrayT", np.ndarray, jax.Array)


@dataclasses.dataclass(frozen=True)
class MapSpec:
    """One kind of quantitative map.

    Attributes:
        name: key used in configs, manifests and folder names.
        label: how people write it.
        unit: physical unit, "ms" or "%".
        slope: physical value of one stored unit (RescaleSlope of the scanner, paper p. 4).
        scanner_max: largest physical value the scanner writes (paper: stored 43 000 for T1,
            20 000 for T2, 1 600 for PD).
        network_max: physical value that becomes +1 in network scale (paper: stored 45 000 for T1,
            22 000 for T2, 1 800 for PD); 0 becomes -1.
        readable_max: largest physical value accepted from a file; beyond it the unit or the sign
            of the pixels is in doubt.
        ucum: (code, meaning) of the unit in UCUM.
        quantity: (code, meaning) in DCM, for the RealWorldValueMapping (PS3.16).
        image_type: third value of ImageType in a derived series.
    """

    name: str
    label: str
    unit: str
    slope: float
    scanner_max: float
    network_max: float
    readable_max: float
    ucum: tuple[str, str]
    quantity: tuple[str, str]
    image_type: str


MILLISECOND = ("ms", "millisecond")

MAPS: dict[str, MapSpec] = {
    "t1": MapSpec(
        name="t1",
        label="T1",
        unit="ms",
        slope=0.1,
        scanner_max=4300.0,
        network_max=4500.0,
        readable_max=6553.5,
        ucum=MILLISECOND,
        quantity=("113063", "T1"),
        image_type="T1 MAP",
    ),
    "t2": MapSpec(
        name="t2",
        label="T2",
        unit="ms",
        slope=0.1,
        scanner_max=2000.0,
        network_max=2200.0,
        readable_max=6553.5,
        ucum=MILLISECOND,
        quantity=("113065", "T2"),
        image_type="T2 MAP",
    ),
    "pd": MapSpec(
        name="pd",
        label="PD",
        unit="%",
        slope=0.1,
        scanner_max=160.0,
        network_max=180.0,
        readable_max=400.0,
        ucum=("%", "percent"),
        quantity=("113058", "Proton Density"),
        image_type="DENSITY MAP",
    ),
}


def spec_of(name: str) -> MapSpec:
    """Returns the spec of a map, or raises ValueError naming the known ones."""
    if name not in MAPS:
        raise ValueError(f"map {name!r} is not known; expected one of {', '.join(MAPS)}")
    return MAPS[name]


def to_network(physical: ArrayT, spec: MapSpec) -> ArrayT:
    """Physical value to network scale, ``x / network_max * 2 - 1`` (paper, Implementation)."""
    return physical * (2.0 / spec.network_max) - 1.0


def from_network(network: ArrayT, spec: MapSpec) -> ArrayT:
    """Network scale to physical value; the inverse of :func:`to_network`."""
    return (network + 1.0) * (0.5 * spec.network_max)


def check(values: np.ndarray, spec: MapSpec, *, where: str) -> np.ndarray:
    """Returns ``values`` if they can be a map of this kind, else raises ValueError.

    Args:
        values: any shape, physical unit of ``spec``.
        spec: the kind of map.
        where: what the values belong to; opens the error message.

    Raises:
        ValueError: a value is not finite, negative, or above ``readable_max``.
    """
    if not np.isfinite(values).all():
        raise ValueError(f"{where}: {spec.label} holds values that are not finite")
    low, high = float(values.min()), float(values.max())
    if low < 0.0 or high > spec.readable_max:
        raise ValueError(
            f"{where}: {spec.label} values {low:g}..{high:g} {spec.unit} lie outside "
            f"0..{spec.readable_max:g} {spec.unit}; is the unit or the rescale slope wrong?"
        )
    return values


def to_stored(physical: np.ndarray, spec: MapSpec, *, where: str) -> np.ndarray:
    """Physical values to the unsigned 16-bit integers of a file; refuses what does not fit."""
    check(physical, spec, where=where)
    return np.round(np.asarray(physical, np.float64) / spec.slope).astype(np.uint16)
