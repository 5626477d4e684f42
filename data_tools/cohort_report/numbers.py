"""What the cohort report shows, read from a cohort's folder."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from data_tools.protocol_file import SCANS, protocols_from
from qsr_jax.data.dicom import read_series
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.studies.truth import TRUTH_JSON, Truth, read_truth
from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import tissue_mask
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.types import Volume

ROUTINE, FAST, TRUE, NOISE_FREE = "routine", "fast", "truth", "noise-free"
TISSUES = {1: "CSF", 2: "GM", 3: "WM"}
BRAIN_CODES = (1, 2, 3, 4)
RANGES = {spec.name: spec.display_window for spec in MAPS.values()}
NOISE_WINDOW = 9
"""Pixels along the side of the window in which noise is measured."""


@dataclasses.dataclass(frozen=True)
class SimulatedSubject:
    """One subject as read.

    Attributes:
        name: of the folder.
        group: "healthy" or "patient".
        scans: "routine" and "fast".
        truth: maps and labels on the routine grid.
        fast_truth: likewise where the head lay in the fast scan; older cohorts have the one alone.
        g_factors: scan to (z, y, x), empty where nobody wrote them.
        about: truth.json.
    """

    name: str
    group: str
    scans: Mapping[str, Volume]
    truth: Truth
    fast_truth: Truth
    g_factors: Mapping[str, np.ndarray]
    about: Mapping[str, Any]

    def met_by(self, method: str) -> Truth:
        """The truth as the scan of a method met it."""
        return self.fast_truth if method == FAST else self.truth


def read_subject(folder: Path) -> SimulatedSubject:
    """Reads one folder of a cohort; raises ValueError where a file is missing or damaged."""
    scans = {}
    for scan in SCANS:
        series = [read_series(folder / f"{scan}_{name}") for name in MAPS]
        maps = np.concatenate([one.volume.maps for one in series], axis=-1)
        scans[scan] = Volume(maps, tuple(MAPS), series[0].volume.geometry)
    about = json.loads((folder / "truth" / TRUTH_JSON).read_text())
    geometry = scans[ROUTINE].geometry
    truth = fast_truth = read_truth(folder / "truth", geometry)
    if (folder / "truth" / FAST).is_dir():
        fast_truth = read_truth(folder / "truth", geometry, scan=FAST)
    files = {scan: folder / "truth" / f"g_factor_{scan}.nii.gz" for scan in SCANS}
    return SimulatedSubject(
        name=folder.name,
        group=about["group"],
        scans=scans,
        truth=truth,
        fast_truth=fast_truth,
        g_factors={scan: read_nifti(path)[0] for scan, path in files.items() if path.is_file()},
        about=about,
    )


def read_protocols(settings: Mapping[str, Any]) -> tuple[Protocol, Protocol]:
    """(routine, fast) of a cohort.json; raises ValueError where they are missing."""
    if "protocols" not in settings:
        raise ValueError("cohort.json names no protocols: it was made by an older simulator")
    tables = {
        name: {key: value for key, value in table.items() if key != "name"}
        for name, table in settings["protocols"].items()
    }
    return protocols_from(tables)


def methods_of(subject: SimulatedSubject) -> dict[str, np.ndarray]:
    """Maps (z, y, x, 3) on the routine grid, truth first."""
    found = {TRUE: subject.truth.maps}
    if subject.truth.noise_free is not None:
        found[NOISE_FREE] = subject.truth.noise_free
    return found | {ROUTINE: subject.scans[ROUTINE].maps}


def fast_on_routine(subject: SimulatedSubject) -> np.ndarray:
    """The fast maps, every routine pixel from its nearest one."""
    fast, routine = subject.scans[FAST], subject.scans[ROUTINE]
    scale = routine.geometry.shape[1] // fast.geometry.shape[1]
    return fast.maps.repeat(scale, axis=1).repeat(scale, axis=2)


@dataclasses.dataclass
class Sums:
    """What is added up over subjects, so that one is in memory at a time.

    Attributes:
        counts: map name to method to histogram of brain voxels.
        means: (tissue, map, method) to one mean per healthy subject.
        dice: overlap of the mask told from the routine maps with the true brain, per subject.
        noise: (tissue, map) to the routine scan's noise per subject, in units of the map.
        lesions: one row per lesion.
    """

    counts: dict[str, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    means: dict[tuple[str, str, str], list[float]] = dataclasses.field(default_factory=dict)
    dice: list[float] = dataclasses.field(default_factory=list)
    noise: dict[tuple[str, str], list[float]] = dataclasses.field(default_factory=dict)
    lesions: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def add(self, subject: SimulatedSubject) -> None:
        """Adds one subject."""
        brain = np.isin(subject.truth.tissue, BRAIN_CODES)
        mask = tissue_mask(*np.moveaxis(subject.scans[ROUTINE].maps, -1, 0))
        self.dice.append(2 * (mask & brain).sum() / (mask.sum() + brain.sum()))
        methods = methods_of(subject) | {FAST: fast_on_routine(subject)}
        for index, name in enumerate(MAPS):
            edges = edges_of(name)
            for method, maps in methods.items():
                tissue = subject.met_by(method).tissue
                inside = np.isin(tissue, BRAIN_CODES)
                counts, _ = np.histogram(maps[..., index][inside], edges)
                mine = self.counts.setdefault(name, {})
                mine[method] = mine[method] + counts if method in mine else counts
                if subject.group == "healthy":
                    for code, label in TISSUES.items():
                        mean = float(maps[..., index][tissue == code].mean())
                        self.means.setdefault((label, name, method), []).append(mean)
            if subject.truth.noise_free is not None:
                rest = methods[ROUTINE][..., index] - subject.truth.noise_free[..., index]
                for code, label in TISSUES.items():
                    here = rest[subject.truth.tissue == code]
                    spread = np.percentile(here, [15.87, 84.13])
                    self.noise.setdefault((label, name), []).append(float(np.ptp(spread) / 2))
        self.lesions += list(_lesion_rows(subject, methods))


def edges_of(name: str) -> np.ndarray:
    """Histogram edges of a map."""
    return np.linspace(*RANGES[name], 101)


def _lesion_rows(
    subject: SimulatedSubject, methods: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """How every lesion looks to every method: its ROI's mean T1 (ms) against its surroundings."""
    rows = []
    for number, kind in subject.truth.lesion_kinds.items():
        voxels = int((subject.truth.lesions == number).sum())
        row = {"subject": subject.name, "kind": kind, "voxels": voxels}
        for method, maps in methods.items():
            t1_ms, met = maps[..., 0], subject.met_by(method)
            roi = met.lesions == number
            around = ndimage.binary_dilation(roi, np.ones((1, 3, 3)), iterations=6)
            around &= met.tissue == 3
            row[method] = float(t1_ms[roi].mean() - t1_ms[around].mean()) if around.any() else None
        rows.append(row)
    return rows


def noise_map(subject: SimulatedSubject, index: int) -> dict[str, np.ndarray]:
    """Local standard deviation of routine minus noise-free maps in one slice, in their units."""
    fields = {}
    for channel, name in enumerate(MAPS):
        rest = (subject.scans[ROUTINE].maps - subject.truth.noise_free)[index, ..., channel]
        mean = ndimage.uniform_filter(rest, NOISE_WINDOW)
        square = ndimage.uniform_filter(rest * rest, NOISE_WINDOW)
        spread = np.sqrt(np.maximum(square - mean * mean, 0))
        fields[name] = np.where(np.isin(subject.truth.tissue[index], BRAIN_CODES), spread, np.nan)
    return fields


def flat(table: Mapping[str, Any], *, within: str = "") -> dict[str, str]:
    """Nested settings as rows: dotted key to text."""
    rows: dict[str, str] = {}
    for key, value in table.items():
        name = f"{within}{key}"
        if isinstance(value, Mapping):
            rows |= flat(value, within=f"{name}.")
        else:
            rows[name] = "–" if value is None else str(value)
    return rows
