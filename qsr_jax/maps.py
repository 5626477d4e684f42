"""What a map is: T1, T2 and PD, each with its unit, ranges, network scale, windows and codes.

This is the ground floor (F0): every room takes its constants from here and none repeats them, so
that a new map is one :class:`MapSpec` (``tests/house/test_map_facts.py`` looks for other tables).
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
    """One kind of quantitative map; every value is in ``unit`` unless its line says otherwise.

    Attributes:
        name: key used in configs, manifests and folder names.
        label: how people write it.
        unit: physical unit, "ms" or "%".
        unit_word: the unit as a word, in questions.
        file_stem: how a file is called that holds this map alone.
        slope: physical value of one stored unit (RescaleSlope of the scanner, paper p. 4).
        scanner_max: largest physical value the scanner writes (paper: stored 43 000 for T1,
            20 000 for T2, 1 600 for PD).
        network_max: physical value that becomes +1 in network scale (paper: stored 45 000 for T1,
            22 000 for T2, 1 800 for PD); 0 becomes -1.
        readable_max: largest physical value accepted from a file; beyond it the unit or the sign
            of the pixels is in doubt.
        median_usual: (low, high) of the median over brain tissue; outside, a person should look.
            Grey and white matter have T1 884 to 1820 ms and T2 69 to 99 ms at 1.5 and 3 tesla
            (Stanisz et al. 2005, doi:10.1002/mrm.20605).
        median_possible: (low, high) of the same; outside, a pair of scans is not used.
        scans_alike: correlation of the structure of the fast and the routine map of one subject:
            (looked at, not used) below.
        maps_alike: the same of this map and the subject's T1 (T1: T2).
        measured_min: least value inside a measured head; below it, nothing was measured there.
        solid_max: grey and white matter lie below, fluid beyond, whose spread would rule a fit over
            tissue; None where the map does not tell tissue from fluid.
        tissue_levels: (white, grey matter) typical at 3 tesla (paper, Table 1, rounded); what
            benchmarks make their material from.
        remap_about: value that stays where training moves values by a power at random.
        subjects_differ_by: one tissue of several subjects, in ln of the value; our choice.
        display_window: (black, white) of pictures; the same in every report.
        error_window: half width of the colour scale of errors.
        digits: decimals of a mean value in text.
        value_bins: edges of the bins of the calibration curve; the same in every report.
        niqe_grey_max: value that becomes grey level 255 for NIQE; larger ones go beyond, unclipped.
        bids_suffix: of the file's name in BIDS.
        bids_units: (word of a side-car, factor to ``unit``), the one BIDS wants first.
        ucum: (code, meaning) of the unit in UCUM.
        quantity: (code, meaning) in DCM, for the RealWorldValueMapping (PS3.16).
        image_type: third value of ImageType in a derived series.
    """

    name: str
    label: str
    unit: str
    unit_word: str
    file_stem: str
    slope: float
    scanner_max: float
    network_max: float
    readable_max: float
    median_usual: tuple[float, float]
    median_possible: tuple[float, float]
    scans_alike: tuple[float, float]
    maps_alike: tuple[float, float]
    measured_min: float
    solid_max: float | None
    tissue_levels: tuple[float, float]
    remap_about: float
    subjects_differ_by: float
    display_window: tuple[float, float]
    error_window: float
    digits: int
    value_bins: tuple[float, ...]
    niqe_grey_max: float
    bids_suffix: str
    bids_units: tuple[tuple[str, float], ...]
    ucum: tuple[str, str]
    quantity: tuple[str, str]
    image_type: str


MILLISECOND = ("ms", "millisecond")
SECONDS = (("s", 1000.0), ("ms", 1.0))

MAPS: dict[str, MapSpec] = {
    "t1": MapSpec(
        name="t1",
        label="T1",
        unit="ms",
        unit_word="milliseconds",
        file_stem="t1_ms",
        slope=0.1,
        scanner_max=4300.0,
        network_max=4500.0,
        readable_max=6553.5,
        median_usual=(500.0, 2000.0),
        median_possible=(200.0, 4300.0),
        scans_alike=(0.8, 0.4),
        maps_alike=(0.7, 0.4),
        measured_min=50.0,
        solid_max=1900.0,
        tissue_levels=(840.0, 1230.0),
        remap_about=1000.0,
        subjects_differ_by=0.12,
        display_window=(0.0, 2500.0),
        error_window=300.0,
        digits=1,
        value_bins=(300, 500, 600, 700, 800, 900, 1000, 1100, 1200, 1350, 1500, 2000, 3000, 4300),
        niqe_grey_max=2500.0,
        bids_suffix="T1map",
        bids_units=SECONDS,
        ucum=MILLISECOND,
        quantity=("113063", "T1"),
        image_type="T1 MAP",
    ),
    "t2": MapSpec(
        name="t2",
        label="T2",
        unit="ms",
        unit_word="milliseconds",
        file_stem="t2_ms",
        slope=0.1,
        scanner_max=2000.0,
        network_max=2200.0,
        readable_max=6553.5,
        median_usual=(40.0, 250.0),
        median_possible=(15.0, 1000.0),
        scans_alike=(0.8, 0.4),
        maps_alike=(0.7, 0.4),
        measured_min=5.0,
        solid_max=180.0,
        tissue_levels=(80.0, 93.0),
        remap_about=80.0,
        subjects_differ_by=0.15,
        display_window=(0.0, 250.0),
        error_window=40.0,
        digits=2,
        value_bins=(30, 50, 60, 70, 80, 90, 100, 120, 150, 200, 300, 500, 1000, 2000),
        niqe_grey_max=250.0,
        bids_suffix="T2map",
        bids_units=SECONDS,
        ucum=MILLISECOND,
        quantity=("113065", "T2"),
        image_type="T2 MAP",
    ),
    "pd": MapSpec(
        name="pd",
        label="PD",
        unit="%",
        unit_word="percent",
        file_stem="pd_percent",
        slope=0.1,
        scanner_max=160.0,
        network_max=180.0,
        readable_max=400.0,
        median_usual=(40.0, 120.0),
        median_possible=(15.0, 200.0),
        scans_alike=(0.6, 0.3),
        maps_alike=(0.3, 0.1),
        measured_min=1.0,
        solid_max=None,
        tissue_levels=(68.0, 80.0),
        remap_about=75.0,
        subjects_differ_by=0.10,
        display_window=(40.0, 120.0),
        error_window=10.0,
        digits=2,
        value_bins=(40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 110, 160),
        niqe_grey_max=160.0,
        bids_suffix="PDmap",
        bids_units=(("%", 1.0), ("percent", 1.0)),
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
