"""Simulates a cohort: subjects scanned fast and routine, as DICOM series with their truth beside.

Every subject is one folder sub-NNN with six series (fast and routine, T1, T2, PD) and truth/ (NIfTI
maps, tissue, region and lesion labels). Healthy subjects come first, patients (with lesions) after
them; participants.tsv says who is who, cohort.json holds everything that decides the data. A rerun
keeps finished subjects and redoes half-written ones; it is refused with other settings.

Subjects are bent from the MNI152 templates, or made from label maps (--anatomy), or are measured
heads that are scanned again (--measured).
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from data_tools.anatomy_files import ANATOMIES
from data_tools.cohort_settings import UNWRITTEN, CohortSettings
from data_tools.write_simulated_subject import simulate_subject
from qsr_jax.cli import program
from qsr_jax.files.processes import in_processes
from qsr_jax.phantom.lesions import FREQUENCY, RADIUS_MM, SPECKS
from qsr_jax.phantom.tissue_values import POPULATION, VALUES
from qsr_jax.physics.effective_angles import SLICE_ORDERS
from qsr_jax.physics.installation import DRAWN, DRAWS, INSTALLATIONS
from qsr_jax.physics.mdme_protocol import PROTOCOLS, THETA_SOURCES
from qsr_jax.physics.scanner import Scanner
from qsr_jax.types import ALIGNMENTS, CORNER

SETTINGS = "cohort.json"
PARTICIPANTS = "participants.tsv"
SCANNER = {
    "cross_talk": "neighbouring slices' pulses act on a slice's edges",
    "motion_mm": "head movement between delays, standard deviation",
    "motion_deg": "head rotation between delays, standard deviation; both cost time",
    "pose_mm": "head movement between the scans, standard deviation along x, y and z",
    "pose_deg": "head rotation between the scans, standard deviation about x, y and z",
    "csf_pulsation": "most that CSF signal changes between delays, either way, 0.1 = 10 %%",
}
"""Options of the scanner that are flags, and what they say."""

USUAL = {"pose_mm": 0.4, "pose_deg": 0.4, "csf_pulsation": 0.03}
"""Defaults of this door where they are not those of a scanner that disturbs nothing. The paper's
volunteers lay still between two scans of a session; how still is our choice, and so is how much of
the heart beat the flow suppression and a delay's many shots leave in CSF."""


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        cohort = _cohort(args)
        if args.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {args.workers}")
        cohort.check()
        for note in cohort.notes():
            print(note)
        _open_folder(args.out, cohort)
        subjects = cohort.groups()
        missing = [name for name in subjects if not (args.out / name).exists()]
        if len(missing) < len(subjects):
            print(f"{args.out}: {len(subjects) - len(missing)} subjects found finished, kept")
        done = _simulate(cohort, missing, args.out, args.workers)
        for _ in tqdm(done, desc="simulating", total=len(missing), unit="subject", mininterval=1):
            pass
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{args.out}: {cohort.subjects} healthy subjects, {cohort.patients} patients")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.simulate_cohort"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="new folder, or one to continue")
    add("--subjects", type=int, required=True, metavar="N", help="number of healthy subjects")
    add("--patients", type=int, required=True, metavar="M", help="number of subjects with lesions")
    add("--seed", type=int, default=0, help="subject k depends on the seed and on k alone")
    add("--workers", type=int, default=1, help="processes; each takes up to 3 GB")
    _add_scan(parser.add_argument_group("scans"))
    _add_draws(
        parser.add_argument_group(
            "the installation",
            "What has a law is drawn where no value is given; per cohort: for each of --scanners.",
        )
    )
    subjects = parser.add_argument_group("subjects")
    _add_heads(subjects)
    _add_subjects(subjects)
    return parser


def _add_scan(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--protocol",
        default="paper",
        metavar="NAME|FILE",
        help=f"{', '.join(PROTOCOLS)}, or a .json or .toml file with both scans; tiny is the same "
        "physics on 6 slices and a quarter of the matrix, to try things out",
    )
    add(
        "--alignment",
        choices=ALIGNMENTS,
        default=CORNER,
        help="fast and routine grid share the outer edge, or pixel N/2",
    )
    fields = {field.name: field for field in dataclasses.fields(Scanner)}
    for name, said in SCANNER.items():
        default = USUAL.get(name, fields[name].default)
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            add(flag, action=argparse.BooleanOptionalAction, default=default, help=said)
        else:
            add(flag, type=type(default), default=default, help=said)
    add(
        "--noiseless",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep the noise-free routine fit in the truth, too (a tenth of the time)",
    )


def _add_draws(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--installation",
        choices=INSTALLATIONS,
        default=DRAWN,
        help="the scanner's properties are drawn by the seed, or are the means of the laws",
    )
    add(
        "--scanners",
        type=int,
        default=1,
        metavar="N",
        help="how many scanners take the subjects in turn; networks that learn from few of them "
        "take their errors for the truth",
    )
    for name, law in DRAWS.items():
        kind = type(law.values[0])
        choices = {"slice_order": SLICE_ORDERS, "fast_theta_source": THETA_SOURCES}.get(name)
        text = f"{law.said} ({law})".replace("%", "%%")
        add(
            f"--{name.replace('_', '-')}",
            type=kind,
            choices=choices,
            default=argparse.SUPPRESS,
            help=text,
        )


def _add_heads(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--anatomy", type=Path, metavar="DIR", help="label maps, T2-weighted images; in turn")
    add(
        "--anatomy-share",
        type=float,
        default=1.0,
        help="part of the subjects that are made from --anatomy; the others from the templates",
    )
    add(
        "--labels",
        choices=list(ANATOMIES),
        help="codes of the label maps, or t2w for T2-weighted images of whole heads (for healthy "
        "subjects of --values wide); not needed where subfolders have these names",
    )
    add(
        "--measured",
        type=Path,
        metavar="DIR",
        help="t1, t2 and pd.nii.gz with units.json, or subfolders of these; the protocol is scaled "
        "to their resolution",
    )


def _add_subjects(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--values",
        choices=VALUES,
        default=POPULATION,
        help="tissue values and textures: healthy people's on this scanner, or so wide that a "
        "network trained on them knows none by heart (docs/transfer.md)",
    )
    add(
        "--lesions",
        default=",".join(FREQUENCY),
        metavar="KIND,...",
        help=f"kinds that patients get, of {'; '.join(RADIUS_MM)}",
    )
    add("--specks", type=int, default=SPECKS, help="lesions of about 1 mm per patient")
    add("--lesion-masks", type=Path, metavar="DIR", help="NIfTI masks in MNI space, 1 per patient")
    for name, what in (("aal", "AAL3"), ("jhu", "JHU-ICBM 48")):
        add(
            f"--atlas-{name}",
            type=Path,
            nargs=2,
            metavar=("VOLUME", "TABLE"),
            help=f"{what} labels in MNI space and their names, instead of our geometric regions",
        )


def _cohort(args: argparse.Namespace) -> CohortSettings:
    """The settings that the flags say; raises ValueError."""
    names = {field.name for field in dataclasses.fields(CohortSettings)}
    given = {name: value for name, value in vars(args).items() if name in names}
    given |= {
        "fixed": {name: value for name, value in vars(args).items() if name in DRAWS},
        "scanner": Scanner(**{name: getattr(args, name) for name in SCANNER}),
        "lesions": tuple(kind.strip() for kind in args.lesions.split(",")),
        "atlas_aal": args.atlas_aal and tuple(args.atlas_aal),
        "atlas_jhu": args.atlas_jhu and tuple(args.atlas_jhu),
    }
    return CohortSettings(**given)


def _open_folder(out: Path, cohort: CohortSettings) -> None:
    """Makes the folder, or checks that it holds this very cohort.

    Raises:
        ValueError: the folder holds something else, or a cohort with other settings.
    """
    settings = cohort.settings()
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
    is_cohort = isinstance(found, dict) and {"seed", "protocols"} <= found.keys()
    if is_cohort and found.get("edition") != settings["edition"]:
        raise ValueError(
            f"{out} holds a cohort of another edition of the simulator "
            f"({found.get('edition', 1)}, this is {settings['edition']}), whose subjects differ; "
            "choose another --out and simulate it anew"
        )
    settings = UNWRITTEN | settings
    if not isinstance(found, dict) or (found := UNWRITTEN | found).keys() != settings.keys():
        raise ValueError(f"{path} is not this program's; choose another --out")
    for key, value in settings.items():
        if found[key] != value:
            where, old, new = _difference(key, found[key], value)
            raise ValueError(
                f"{out} holds a cohort with {where} {old}, asked for {new}; "
                "use the same settings to continue it, or another --out"
            )
    table = ["participant_id\tgroup\tanatomy\n"]
    for number, (name, group) in enumerate(cohort.groups().items(), start=1):
        table.append(f"{name}\t{group}\t{cohort.made_from(number)}\n")
    _write(out / PARTICIPANTS, "".join(table))


def _difference(key: str, old: object, new: object) -> tuple[str, object, object]:
    """The first place where two settings differ, and both values there."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            pair = [table.get(name) for table in (old, new)]
            if pair[0] != pair[1]:
                return _difference(f"{key}.{name}", *pair)
    return key, old, new


def _write(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    part = path.with_name(f".{path.name}.incomplete")
    part.write_text(text)
    part.replace(path)


def _simulate(cohort: CohortSettings, names: list[str], out: Path, workers: int) -> Iterator[None]:
    """Simulates the named subjects and yields after each."""
    jobs = [(cohort, name, out / name) for name in names]
    yield from in_processes(simulate_subject, jobs, workers=workers)


if __name__ == "__main__":
    main()
