"""Finds out which series of a tree of scans form fast-routine pairs and writes a manifest.

Nothing in the tree is changed. What is not used is listed in the manifest with its reason. Each
pair carries its numbers and a verdict; "flagged" means that a person should look.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from qsr_jax.cli import program
from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule, load_rows
from qsr_jax.data.studies.manifest import BIDS, DICOM, SPLITS, VERDICTS, Manifest, ManifestError
from qsr_jax.data.studies.pair_tree import PARTICIPANTS, pair_studies
from qsr_jax.data.studies.pseudonyms import load_salt, read_groups
from qsr_jax.files.staged import WriteError

SCALE = 2


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        manifest = _pair(args)
        _write(manifest, args.out)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    _report(manifest, args.out)


def _report(manifest: Manifest, out: Path) -> None:
    """Prints what was refused, what a person should look at, and the counts."""
    for item in manifest.refused:
        print(f"refused  {item['what']}: {item['reason']}")
    pairs = [pair for subject in manifest.subjects for pair in subject.maps.values()]
    for pair in pairs:
        for finding in pair.findings:
            print(f"{finding['verdict']:8} {pair.folders['fast']}: {finding['text']}")
    verdicts = ", ".join(
        f"{sum(pair.verdict == verdict for pair in pairs)} {verdict}" for verdict in VERDICTS
    )
    print(f"{len(pairs)} pairs: {verdicts}")
    counts = ", ".join(f"{len(manifest.subjects_of(split=split))} {split}" for split in SPLITS)
    print(f"{out}: {len(manifest.subjects)} subjects ({counts})")
    print(f"{len(manifest.refused)} refused, {len(manifest.ignored)} other files ignored")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.pair_studies"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    trees = parser.add_mutually_exclusive_group(required=True)
    trees.add_argument("--dicom", type=Path, metavar="DIR", help="tree, one folder per series")
    trees.add_argument(
        "--bids",
        type=Path,
        metavar="DIR",
        help="BIDS data set, sub-*/anat/*_acq-fast_T1map.nii.gz and so on, units in side-cars",
    )
    add("--out", type=Path, required=True, metavar="FILE", help="manifest (json) to write")
    add("--test-fraction", type=float, default=0.24, help="fraction of all subjects that test")
    add("--validation-fraction", type=float, default=0.0, help="fraction set aside for validation")
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
    return parser


def _pair(args: argparse.Namespace) -> Manifest:
    kind = BIDS if args.dicom is None else DICOM
    root = (args.bids if args.dicom is None else args.dicom).resolve()
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder")
    table = args.participants
    if table is None and (root / PARTICIPANTS).is_file():
        table = root / PARTICIPANTS
    salt_file = args.salt_file or args.out.with_name(f"{args.out.name}.salt")
    if salt_file.resolve().is_relative_to(root):
        raise ManifestError(f"{salt_file}: the secret must not lie inside the tree; move --out")
    return pair_studies(
        root,
        kind=kind,
        scale=SCALE,
        seed=args.seed,
        test_fraction=args.test_fraction,
        validation_fraction=args.validation_fraction,
        folds=args.folds,
        groups=None if table is None else read_groups(table),
        accepted=args.accept,
        protocols=() if args.protocols is None else added_rows(args.protocols),
        salt=load_salt(salt_file),
        progress=lambda subjects: tqdm(subjects, desc="pairing", unit="subject", mininterval=1),
    )


def added_rows(path: Path) -> tuple[SeriesRule, ...]:
    """The rows of a file, without the built-in ones."""
    return tuple(row for row in load_rows(path) if row not in PROTOCOLS)


def _write(manifest: Manifest, out: Path) -> None:
    """Writes the manifest whole; an equal one is left alone, a different one is not replaced."""
    text = manifest.to_json(folder=out.parent)
    if out.exists():
        if out.read_text() == text:
            print(f"{out} exists and is the same")
            return
        raise FileExistsError(f"{out} exists and differs; remove it or choose another --out")
    part = out.with_name(f".{out.name}.incomplete")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        part.rename(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WriteError(f"{out}: could not be written ({error.strerror})") from error


if __name__ == "__main__":
    main()
