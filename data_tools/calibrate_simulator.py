"""Compares a simulated cohort with the paper's Table 1: tissue means, spreads, fast minus routine.

Reads the cohort's DICOM maps and true labels as evaluation does and writes calibration.json, .csv
and .md. Every line says whether it is within reach: routine means within one standard deviation of
the paper's, fast minus routine within 1.0 percentage points, spread between subjects within a
factor of 1.5. A null simulator, whose fast scan is its routine scan, is scored beside it: most
lines are easy. Nothing is adjusted here, and what the physics does not reach stays in the table.

--mechanisms prints what single mechanisms would do to homogeneous tissue, without a cohort.

Means are taken over the true tissue labels without their outermost pixels, where the paper has the
masks of a segmentation (SPM): its borders follow each scan's own contrast and cannot be known here.
The fast maps are read at the nearest pixel, and the labels of each scan are cut where the head lay
in it, as masks of its own would be: both scans are measured in the same places of the head.
"""

import argparse
import csv
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from data_tools.cohort_report.calibration import (
    SCANS,
    TISSUES,
    CalibrationLine,
    as_markdown,
    compare,
    differences,
    differences_markdown,
    mechanisms_markdown,
    score,
)
from qsr_jax.anatomy.label_means import label_means, nearest_on
from qsr_jax.cli import program
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.truth import TRUTH_JSON, read_truth
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.types import Volume

FEWEST_SUBJECTS = 2

NOTES = """\
Tissue means were chosen to match this table. The means of the installation's fast delays, echo
spacing and refocused width were chosen on the differences of T1 and T2 and on the sign of PD's:
their agreement is by construction, and no source says that they are what the paper's scanner
played. The routine scan's clock is that of the printed scan time. The sizes of PD's differences are
predictions.
Not modelled: magnetisation transfer, and tissue masks drawn on each scan's own maps.
"""
"""What the table cannot say; written below it."""


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    if args.mechanisms:
        print(mechanisms_markdown())
        return
    try:
        subjects = _subjects(args.cohort)
        bar = tqdm(subjects, desc="measuring", unit="subject", mininterval=1)
        means = np.stack([measure_subject(folder, erode_px=args.erode_px) for folder in bar])
        rows = compare(means)
        out = args.out or args.cohort.with_name(f"{args.cohort.name}_calibration")
        _write(out, rows, means, subjects, args.cohort, args.erode_px)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{as_markdown(rows)}\n\n{differences_markdown(differences(means))}\n")
    print(f"{score(means)}; written to {out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.calibrate_simulator"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cohort", type=Path, metavar="DIR", help="made by simulate_cohort")
    what.add_argument("--mechanisms", action="store_true", help="print their table (a minute)")
    add("--out", type=Path, metavar="DIR", help="new folder; without it, DIR_calibration")
    add("--erode-px", type=int, default=2, metavar="N", help="routine pixels off every label's rim")
    return parser


def _subjects(cohort: Path) -> list[Path]:
    """Folders of the subjects with truth, or ValueError where there are too few."""
    subjects = sorted(path.parent.parent for path in cohort.glob(f"*/truth/{TRUTH_JSON}"))
    healthy = [folder for folder in subjects if _group(folder) == "healthy"]
    if len(healthy) < FEWEST_SUBJECTS:
        raise ValueError(
            f"{cohort}: holds {len(healthy)} healthy simulated subjects, expected at least "
            f"{FEWEST_SUBJECTS}; make them with data_tools.simulate_cohort"
        )
    return healthy


def _group(folder: Path) -> str:
    return json.loads((folder / "truth" / TRUTH_JSON).read_text())["group"]


def measure_subject(folder: Path, *, erode_px: int) -> np.ndarray:
    """Means (scan, tissue, map) of one subject, scans and tissues in the order of the constants.

    Raises:
        ValueError: a series or the truth cannot be read, or a tissue has no pixels left.
    """
    if erode_px < 0:
        raise ValueError(f"--erode-px must be at least 0; got {erode_px}")
    volumes = {scan: _read_scan(folder, scan) for scan in SCANS}
    geometry = volumes["routine"].geometry
    means = []
    for scan, volume in volumes.items():
        seen = read_truth(folder / "truth", geometry, scan=scan)
        labels = _eroded(seen.tissue, erode_px)
        maps = volume.maps if volume.geometry == geometry else nearest_on(volume, geometry)
        found = label_means(maps, labels, TISSUES)
        missing = set(TISSUES.values()) - set(found)
        if missing:
            raise ValueError(f"{folder}: no pixels of {', '.join(sorted(missing))} are left")
        means.append([found[name][1] for name in TISSUES.values()])
    return np.array(means)


def _read_scan(folder: Path, scan: str) -> Volume:
    volumes = [read_series(folder / f"{scan}_{name}").volume for name in MAPS]
    maps = np.concatenate([volume.maps for volume in volumes], axis=-1)
    return Volume(maps, tuple(MAPS), volumes[0].geometry)


def _eroded(labels: np.ndarray, pixels: int) -> np.ndarray:
    """The labels without their outer ``pixels`` in the plane of the slices."""
    kept = np.zeros_like(labels)
    plus = ndimage.generate_binary_structure(2, 1)[None]
    for code in TISSUES:
        inside = labels == code
        if pixels:
            inside = ndimage.binary_erosion(inside, plus, iterations=pixels)
        kept[inside] = code
    return kept


def _write(
    out: Path,
    rows: Sequence[CalibrationLine],
    means: np.ndarray,
    subjects: Sequence[Path],
    cohort: Path,
    erode_px: int,
) -> None:
    """Writes the three files, all or none."""
    document = {
        "cohort": json.loads((cohort / "cohort.json").read_text()),
        "subjects": [folder.name for folder in subjects],
        "erode_px": erode_px,
        "axes": ["subject", list(SCANS), list(TISSUES.values()), list(MAPS)],
        "means": means.tolist(),
        "notes": NOTES,
        "score": score(means),
        "differences": [dataclasses.asdict(one) for one in differences(means)],
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    with staged_folder(out) as folder:
        (folder / "calibration.json").write_text(json.dumps(document, indent=1) + "\n")
        parts = as_markdown(rows), differences_markdown(differences(means)), score(means), NOTES
        (folder / "calibration.md").write_text("\n\n".join(parts))
        with (folder / "calibration.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow([field.name for field in dataclasses.fields(CalibrationLine)])
            table.writerows(dataclasses.astuple(row) for row in rows)


if __name__ == "__main__":
    main()
