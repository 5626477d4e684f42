"""Simulates a cohort: people scanned fast and routine, as DICOM series with their truth beside.

Every person is one folder sub-NNN with six series (fast and routine, T1, T2, PD) and truth/ (NIfTI
maps, tissue, region and lesion labels). Healthy people come first, patients (with lesions) after
them; participants.tsv says who is who. A rerun keeps finished people and redoes half-written ones.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from data_tools.simulated_person import Cohort, simulate_person
from qsr_jax.physics.protocol import PROTOCOLS
from qsr_jax.types import ALIGNMENTS, CORNER

SETTINGS = "cohort.json"
PARTICIPANTS = "participants.tsv"


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    names = [field.name for field in dataclasses.fields(Cohort)]
    cohort = Cohort(**{name: getattr(args, name) for name in names})
    try:
        _check(cohort, args.workers)
        _open_folder(args.out, cohort)
        people = cohort.people()
        missing = [name for name in people if not (args.out / name).exists()]
        if len(missing) < len(people):
            print(f"{args.out}: {len(people) - len(missing)} people found finished, kept")
        done = _simulate(cohort, missing, args.out, args.workers)
        for _ in tqdm(done, desc="simulating", total=len(missing), unit="person", mininterval=1):
            pass
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{args.out}: {cohort.subjects} healthy people, {cohort.patients} patients")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_tools.simulate_cohort",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="new folder, or one to continue")
    add("--subjects", type=int, required=True, metavar="N", help="number of healthy people")
    add("--patients", type=int, required=True, metavar="M", help="number of people with lesions")
    add("--seed", type=int, default=0, help="person k depends on the seed and on k alone")
    add("--snr", type=float, default=45.0, help="of white matter in the routine scan")
    add(
        "--alignment",
        choices=ALIGNMENTS,
        default=CORNER,
        help="fast and routine grid share the outer edge, or pixel N/2",
    )
    add(
        "--protocol",
        choices=list(PROTOCOLS),
        default="paper",
        help="tiny: the same physics on 6 slices and a quarter of the matrix, to try things out",
    )
    add("--workers", type=int, default=1, help="processes; each takes up to 3 GB")
    return parser


def _check(cohort: Cohort, workers: int) -> None:
    """Refuses numbers that no cohort can have."""
    for name, value, least in (
        ("--subjects", cohort.subjects, 0),
        ("--patients", cohort.patients, 0),
        ("--seed", cohort.seed, 0),
        ("--workers", workers, 1),
        ("--subjects plus --patients", len(cohort.people()), 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}")
    if not cohort.snr > 0:
        raise ValueError(f"--snr must be positive; got {cohort.snr}")


def _open_folder(out: Path, cohort: Cohort) -> None:
    """Makes the folder, or checks that it holds this very cohort.

    Raises:
        ValueError: the folder holds something else, or a cohort with other settings.
    """
    settings = dataclasses.asdict(cohort)
    path = out / SETTINGS
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ValueError(f"{out} holds something else; choose a new or empty --out")
        out.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(settings, indent=1) + "\n")
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.keys() != settings.keys():
        raise ValueError(f"{path} is not this program's; choose another --out")
    for key, value in settings.items():
        if found[key] != value:
            raise ValueError(
                f"{out} holds a cohort with {key} {found[key]}, asked for {value}; "
                "use the same settings to continue it, or another --out"
            )
    table = [f"{name}\t{group}\n" for name, group in cohort.people().items()]
    _write(out / PARTICIPANTS, "participant_id\tgroup\n" + "".join(table))


def _write(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    part = path.with_name(f".{path.name}.incomplete")
    part.write_text(text)
    part.replace(path)


def _simulate(cohort: Cohort, names: list[str], out: Path, workers: int) -> Iterator[None]:
    """Simulates the named people and yields after each."""
    if workers == 1:
        for name in names:
            yield simulate_person(cohort, name, out / name)
        return
    context = multiprocessing.get_context("spawn")  # a forked JAX would hang
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [pool.submit(simulate_person, cohort, name, out / name) for name in names]
        for job in concurrent.futures.as_completed(jobs):
            yield job.result()


if __name__ == "__main__":
    main()
