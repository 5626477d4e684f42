"""Reports on a simulated cohort: one HTML page that says whether to trust it as an instrument.

Example slices, histograms, tissue means beside the paper's, noise and g-factor maps, point-spread
functions, lesions, the calibration table (if given) and all parameters.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_tools.cohort_report.numbers import SimulatedSubject, Sums, read_protocols, read_subject
from data_tools.cohort_report.page import context_of, render
from qsr_jax.cli import program
from qsr_jax.files.staged import staged_folder

PAGE = "index.html"


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        if args.subjects < 1:
            raise ValueError(f"--subjects must be at least 1; got {args.subjects}")
        if args.out.exists():
            raise ValueError(f"{args.out} exists; choose a new --out")
        settings = _read_json(args.cohort / "cohort.json")
        protocols = read_protocols(settings)
        calibration = args.calibration and _read_json(args.calibration)
        folders = _chosen(args.cohort, args.subjects)
        sums, subjects = Sums(), []
        examples: list[SimulatedSubject] = []
        for folder in tqdm(folders, desc="reading", unit="subject", mininterval=1):
            subject = read_subject(folder)
            sums.add(subject)
            subjects.append((subject.name, subject.group, subject.about["traits"]))
            if subject.group not in [one.group for one in examples]:
                examples.append(subject)
        context = context_of(
            args.cohort.resolve().name, settings, examples, subjects, sums, protocols, calibration
        )
        with staged_folder(args.out) as out:
            (out / PAGE).write_text(render(context), encoding="utf-8")
    except (ValueError, KeyError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(args.out / PAGE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.describe_cohort"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--cohort", type=Path, required=True, metavar="DIR", help="made by simulate_cohort")
    add("--out", type=Path, required=True, metavar="DIR", help="new folder for index.html")
    add("--calibration", type=Path, metavar="FILE", help="made by calibrate_simulator")
    add("--subjects", type=int, default=10, help="most subjects to read, patients among them")
    return parser


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not readable JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object")
    return content


def _chosen(cohort: Path, most: int) -> list[Path]:
    """Folders of subjects, healthy first; at least one patient if there are any."""
    found = sorted(path.parent.parent for path in cohort.glob("sub-*/truth/truth.json"))
    if not found:
        raise ValueError(f"{cohort}: no finished subjects")
    groups = {path: _read_json(path / "truth/truth.json")["group"] for path in found}
    patients = [path for path in found if groups[path] == "patient"]
    healthy = [path for path in found if groups[path] != "patient"]
    kept = patients[: max(most - len(healthy), min(len(patients), max(most // 3, 1)))]
    return (healthy[: most - len(kept)] + kept)[:most]


if __name__ == "__main__":
    main()
