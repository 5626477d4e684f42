"""Finds out which series of a DICOM tree form fast-routine pairs and writes a manifest.

Nothing in the tree is changed. What is not used is listed in the manifest with its reason.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from qsr_jax.data.dicom import DicomInputError
from qsr_jax.data.manifest import SPLITS, Manifest, ManifestError
from qsr_jax.data.staging import WriteError
from qsr_jax.data.studies import PARTICIPANTS, load_salt, pair_studies, read_groups

SCALE = 2


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        manifest = _pair(args)
        _write(manifest, args.out)
    except (ManifestError, DicomInputError, ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    for item in manifest.refused:
        print(f"refused  {item['what']}: {item['reason']}")
    counts = ", ".join(f"{len(manifest.people(split=split))} {split}" for split in SPLITS)
    print(f"{args.out}: {len(manifest.persons)} persons ({counts})")
    print(f"{len(manifest.refused)} refused, {len(manifest.ignored)} other files ignored")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_tools.pair_studies",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--dicom", type=Path, required=True, metavar="DIR", help="tree with one folder per series")
    add("--out", type=Path, required=True, metavar="FILE", help="manifest (json) to write")
    add("--test-fraction", type=float, default=0.24, help="share of all persons that test")
    add("--validation-fraction", type=float, default=0.0, help="share set aside for validation")
    add("--seed", type=int, default=0, help="of the split by person")
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
    return parser


def _pair(args: argparse.Namespace) -> Manifest:
    root = args.dicom.resolve()
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder")
    table = args.participants
    if table is None and (root / PARTICIPANTS).is_file():
        table = root / PARTICIPANTS
    return pair_studies(
        root,
        scale=SCALE,
        seed=args.seed,
        test_fraction=args.test_fraction,
        validation_fraction=args.validation_fraction,
        groups=None if table is None else read_groups(table),
        salt=load_salt(args.salt_file or args.out.with_name(f"{args.out.name}.salt")),
        progress=lambda persons: tqdm(persons, desc="pairing", unit="person", mininterval=1),
    )


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
