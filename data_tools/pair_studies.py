"""Finds out which series of a tree of scans form fast-routine pairs and writes a manifest.

Nothing in the tree is changed. What is not used is listed in the manifest with its reason. Each
pair carries its numbers and a verdict; "flagged" means that a person should look.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from data_tools.schedule_options import SHARD_DONE, add_schedule, schedule_of
from qsr_jax.cli import program
from qsr_jax.data.studies.manifest import BIDS, DICOM, SPLITS, VERDICTS, Manifest
from qsr_jax.data.studies.pair_folder import pair_folder, write_manifest
from qsr_jax.data.studies.pair_tree import PARTICIPANTS
from qsr_jax.data.studies.sessions import ALL, FIRST, LAST, SessionChoice
from qsr_jax.data.studies.split import TEST, VALIDATION


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        manifest = _pair(args)
        if manifest is None:
            print(f"{args.out}: {SHARD_DONE}")
            return
        if not write_manifest(manifest, args.out, further=args.append):
            print(f"{args.out} exists and is the same")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    _report(manifest, args.out)


def _report(manifest: Manifest, out: Path) -> None:
    """Prints what was refused, what a person should look at, and the counts."""
    for item in manifest.refused:
        print(f"refused  {item['what']}: {item['reason']}")
    for item in manifest.flagged:
        print(f"flagged  {item['what']}: {item['reason']}")
    pairs = [pair for subject in manifest.subjects for pair in subject.maps.values()]
    for pair in pairs:
        for finding in pair.findings:
            print(f"{finding['verdict']:8} {pair.folders['fast']}: {finding['text']}")
    verdicts = ", ".join(
        f"{sum(pair.verdict == verdict for pair in pairs)} {verdict}" for verdict in VERDICTS
    )
    print(f"{len(pairs)} pairs: {verdicts}")
    counts = ", ".join(f"{manifest.count(split=split)} {split}" for split in SPLITS)
    more = len(manifest.subjects) - manifest.count()
    sessions = f", {more} further sessions of theirs" if more else ""
    print(f"{out}: {manifest.count()} subjects ({counts}){sessions}")
    print(f"{len(manifest.refused)} refused, {len(manifest.ignored)} other files ignored")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.pair_studies"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    trees = parser.add_mutually_exclusive_group(required=True)
    trees.add_argument("--dicom", type=Path, metavar="DIR", help="tree of DICOM files")
    trees.add_argument(
        "--bids",
        type=Path,
        metavar="DIR",
        help="BIDS data set, sub-*/anat/*_acq-fast_T1map.nii.gz and so on, units in side-cars",
    )
    _add_output(add)
    _add_split(add)
    _add_rules(add)
    _add_sessions(add)
    add_schedule(parser)
    return parser


def _add_output(add: Callable[..., argparse.Action]) -> None:
    add("--out", type=Path, required=True, metavar="FILE", help="manifest (json) to write")
    add(
        "--append",
        action="store_true",
        help="add the subjects that are new in the tree to a manifest; all others stay as they are",
    )
    add(
        "--journal",
        type=Path,
        metavar="DIR",
        help="keep what was found of each subject here, so that the next --append reads new ones "
        "alone; without it, it is kept beside --out until the manifest is written",
    )


def _add_split(add: Callable[..., argparse.Action]) -> None:
    add(
        "--test-fraction",
        type=float,
        default=0.2,
        help="fraction of the healthy subjects that test beside the patients, on average: each is "
        "dealt by the hash of its PatientID, so that adding subjects moves nobody",
    )
    add(
        "--validation-fraction",
        type=float,
        default=0.0,
        help="fraction of the healthy subjects set aside for validation, likewise",
    )
    for split in (TEST, VALIDATION):
        add(
            f"--{split}",
            action="append",
            default=[],
            metavar="SUBJECT",
            help=f"put this subject (PatientID or top folder) into {split}; may be repeated",
        )
    add(
        "--folds", type=int, default=0, help="also deal the healthy subjects to N folds; 0 for none"
    )
    add("--seed", type=int, default=0, help="of the split by subject")
    add(
        "--participants",
        type=Path,
        metavar="FILE",
        help=f"tsv with participant_id and group; {PARTICIPANTS} in the tree is used when present",
    )
    add(
        "--salt-file",
        type=Path,
        metavar="FILE",
        help="secret that turns PatientIDs into hashes; made beside the manifest when missing",
    )


def _add_rules(add: Callable[..., argparse.Action]) -> None:
    add(
        "--protocols",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with rows that recognise other scanners' maps; kept in the manifest",
    )
    add(
        "--accept",
        action="append",
        default=[],
        metavar="FOLDER:RULE",
        help="use this subject although the rule refuses it; kept in the manifest; may be repeated",
    )


def _add_sessions(add: Callable[..., argparse.Action]) -> None:
    add(
        "--session",
        default=ALL,
        metavar="LABEL",
        help=f"which sessions of each subject: {ALL}, {FIRST}, {LAST}, or one label (the number of "
        "the study, in BIDS the name of the session); a subject's sessions share a split",
    )
    add(
        "--join-studies",
        action="store_true",
        help="the studies of a subject on one day are one session (the console was restarted); "
        "without it each study is one",
    )
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="PLACE",
        help="leave out this series, or all series below this folder; may be repeated",
    )


def _pair(args: argparse.Namespace) -> Manifest | None:
    root = args.bids if args.dicom is None else args.dicom
    return pair_folder(
        root.resolve(),
        args.out,
        kind=BIDS if args.dicom is None else DICOM,
        seed=args.seed,
        test_fraction=args.test_fraction,
        validation_fraction=args.validation_fraction,
        folds=args.folds,
        named={TEST: args.test, VALIDATION: args.validation},
        participants=args.participants,
        salt_file=args.salt_file,
        rules=args.protocols,
        accepted=args.accept,
        choice=SessionChoice(args.session, args.join_studies, tuple(args.exclude)),
        journal=args.journal,
        schedule=schedule_of(args),
    )


if __name__ == "__main__":
    main()
