"""Scans simulated subjects a second time with the routine protocol: the same subject, other noise.

What differs between the two scans is the floor that no method can beat; ``launch.evaluate`` finds
the series (``routine2_t1``, ...) beside the others and reports them as "routine, retest". Pair
first: a tree in which subjects have two routine scans of a map does not pair.

Cohorts of simulate_cohort that were made from the MNI152 templates with a named protocol.
"""

import argparse
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from data_tools.cohort_settings import EDITION, UNWRITTEN, CohortSettings
from data_tools.freed_memory import keep_freed_memory
from data_tools.simulate_cohort import SETTINGS
from data_tools.write_simulated_subject import (
    number_of,
    phantom_of,
    rounded_poses,
    write_moved_truth,
    write_scan,
)
from qsr_jax.cli import program
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.studies.manifest import ROUTINE, Manifest
from qsr_jax.data.studies.truth import MAP_FILES, TRUTH_JSON
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.processes import in_processes
from qsr_jax.files.staged import staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.phantom.phantom import Phantom
from qsr_jax.physics.mdme_protocol import PROTOCOLS, geometries
from qsr_jax.physics.scanner import Scanner
from qsr_jax.simulate.simulate import SimulatedScans, scan, true_maps

SECOND = 2
"""Seeds the second scan, beside the cohort's seed and the subject's number."""
SAME_TRUTH = 1e-3
"""Largest difference, in ms or percent, of a subject's truth that is drawn anew."""


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        cohort = read_cohort(args.cohort)
        subjects = args.subjects.split(",") if args.subjects else list(cohort.groups())
        if args.manifest:
            tested = tested_in(args.manifest)
            subjects = [name for name in subjects if name in tested]
        unknown = [name for name in subjects if name not in cohort.groups()]
        if unknown:
            raise ValueError(f"{args.cohort} has no {', '.join(unknown)}")
        missing = [n for n in subjects if not (args.cohort / n / f"{REPEAT}_t1").exists()]
        done = _scan_again(cohort, missing, args.cohort, args.workers)
        for _ in tqdm(done, "scanning again", len(missing), unit="subject", mininterval=1):
            pass
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(
        f"{args.cohort}: {len(missing)} subjects scanned again, {len(subjects) - len(missing)} kept"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.repeat_scan"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cohort", type=Path, required=True, metavar="DIR", help="made by simulate_cohort")
    add("--subjects", metavar="NAME,...", help="such as sub-001,sub-004 (default: all of them)")
    add("--manifest", type=Path, metavar="FILE", help="of these only who tests in this manifest")
    add("--workers", type=int, default=1, help="processes; each takes up to 2 GB (default: 1)")
    return parser


def tested_in(manifest: Path) -> set[str]:
    """Folders of the subjects who test.

    Raises:
        ManifestError: no such manifest.
    """
    pairs = [s.maps.values() for s in Manifest.load(manifest).subjects_of(split="test")]
    return {PurePosixPath(pair.folders[ROUTINE]).parts[0] for of in pairs for pair in of}


def _scan_again(
    cohort: CohortSettings, names: list[str], folder: Path, workers: int
) -> Iterator[None]:
    """Scans the named subjects and yields after each."""
    jobs = [(cohort, name, folder / name) for name in names]
    yield from in_processes(repeat_scan, jobs, workers=workers)


def read_cohort(folder: Path) -> CohortSettings:
    """The settings a cohort was made with.

    Raises:
        ValueError: not such a cohort, made from files, or made by another version.
    """
    path = folder / SETTINGS
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["edition"] != EDITION:
            raise KeyError
        known = UNWRITTEN | document
        fields = {f.name: known[f.name] for f in dataclasses.fields(CohortSettings)}
        scanner = Scanner(**fields["scanner"])
    except KeyError:
        raise ValueError(
            f"{path}: made by another version of this software; simulate it anew"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a cohort's settings ({type(error).__name__})") from None
    from_files = [n for n in ("measured", "lesion_masks", "atlas_aal") if fields[n]]
    from_files += ["label maps"] if isinstance(fields["anatomy"], dict) else []
    if from_files or fields["protocol"] not in PROTOCOLS:
        raise ValueError(
            f"{path}: made from files ({', '.join(from_files) or 'a protocol'}); only subjects of "
            "the MNI152 templates with a named protocol can be scanned again"
        )
    fields |= {"scanner": scanner, "lesions": tuple(fields["lesions"]), "anatomy": None}
    cohort = CohortSettings(**fields)
    if cohort.settings() != document:
        raise ValueError(f"{path}: made by another version of this software; simulate it anew")
    return cohort


@threadpool_limits.wrap(limits=1, user_api="blas")  # two wait busily, and sum in another order
def repeat_scan(cohort: CohortSettings, participant: str, home: Path) -> None:
    """Writes ``routine2_t1``, ``_t2``, ``_pd`` and ``truth/routine2`` into a subject's folder.

    Raises:
        ValueError: the subject is not whom this version draws.
        OSError: a folder could not be written.
    """
    keep_freed_memory()
    number = number_of(participant)
    routine, fast = cohort.protocols(number)
    geometry, _ = geometries(routine, fast, cohort.alignment)
    phantom = phantom_of(cohort, participant, geometry)
    _check_same(home, phantom)
    again = dataclasses.replace(routine, name=REPEAT)
    scans = scan(
        np.random.default_rng([cohort.seed, number, SECOND]),
        phantom,
        {again: geometry},  # not the reference scan: the head lies a little elsewhere
        snr=cohort.snr_of(number),
        reference=routine,
        scanner=cohort.scanner_of(number),
    )
    with staged_folder(home / f".{REPEAT}") as folder:
        write_scan(folder, scans.scans[REPEAT], geometry, again, cohort.patient_id(number),
                   f"{cohort.uid_seed(number)}/{REPEAT}")  # fmt: skip
    _tell_truth(home / "truth", scans, phantom)
    for series in sorted((home / f".{REPEAT}").iterdir(), reverse=True):  # t1, looked for, is last
        series.rename(home / series.name)
    (home / f".{REPEAT}").rmdir()


def _tell_truth(folder: Path, scans: SimulatedScans, phantom: Phantom) -> None:
    """Writes the truth as the second scan met it, and adds its poses to those in truth.json."""
    shutil.rmtree(folder / REPEAT, ignore_errors=True)  # of a scan that was cut off
    write_moved_truth(folder, REPEAT, scans, phantom)
    about = json.loads((folder / TRUTH_JSON).read_text(encoding="utf-8"))
    about["poses"] = about.get("poses", {}) | rounded_poses(scans)
    write_text_atomically(folder / TRUTH_JSON, json.dumps(about, indent=1) + "\n")


def _check_same(home: Path, phantom: Phantom) -> None:
    """Raises ValueError unless the truth in a subject's folder is that of ``phantom``."""
    drawn = true_maps(phantom)
    for index, name in enumerate(MAPS):
        before, _ = read_nifti(home / "truth" / MAP_FILES[name])
        if np.abs(before - drawn[..., index]).max() > SAME_TRUTH:
            raise ValueError(
                f"{home}: {MAPS[name].label} of its truth is not what this version draws; "
                "simulate the cohort anew"
            )


if __name__ == "__main__":
    main()
