"""Copies a tree of DICOM series without the subjects, so that the series still pair.

PS3.15 basic profile by its table: names, numbers, dates, descriptions and private attributes go,
UIDs and PatientIDs become salted hashes that agree between files. Of what the profile says nothing
about only attributes and terms stay that readers of MR maps need. The values of the pixels stay,
uncompressed: the maps of a head can show a face, so deface them before they leave the house. A link
that leaves the tree is never opened. Exit status 3 when an image or a link was left out.
"""

import argparse
from pathlib import Path

from data_tools.schedule_options import SHARD_DONE, add_schedule, schedule_of
from qsr_jax.cli import program
from qsr_jax.data.dicom.deidentified_copy import Copied, copy_without_subjects
from qsr_jax.data.dicom.series_rules import PROTOCOLS, load_rows
from qsr_jax.data.studies.manifest import ManifestError
from qsr_jax.data.studies.pair_tree import PARTICIPANTS
from qsr_jax.data.studies.pseudonyms import load_salt, read_groups

LEFT_OUT = 3


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        copied = _copy(args)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    if copied is None:
        print(f"{args.output}: {SHARD_DONE}")
        return
    for text in copied.left_out:
        print(f"left out  {text}")
    print(f"{args.output}: {copied.subjects} subjects, {copied.series} series")
    print(
        f"{copied.files_in} files in = {copied.files} copied + {len(copied.left_out)} left out + "
        f"{copied.ignored} that are no images"
    )
    if copied.left_out:
        raise SystemExit(LEFT_OUT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.deidentify"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="DIR", help="tree of DICOM files")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to make")
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
        help="secret behind the new identifiers, one for all batches of a project (a subject keeps "
        "one pseudonym); made beside the output when missing",
    )
    add(
        "--protocols",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with rows that recognise other scanners' maps; their words may stay",
    )
    add("--maps-only", action="store_true", help="copy nothing but accepted series of maps")
    add_schedule(parser)
    return parser


def _copy(args: argparse.Namespace) -> Copied | None:
    root, out = args.input.resolve(), args.output.resolve()
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder")
    if out.is_relative_to(root) or root.is_relative_to(out):
        raise ManifestError(f"{out}: must not lie in the input, nor the input in it")
    salt = (args.salt_file or _salt_beside(out)).resolve()
    if salt.is_relative_to(out) or salt.is_relative_to(root):
        raise ManifestError(f"{salt}: the secret must lie outside of input and output")
    table = args.participants
    if table is None and (root / PARTICIPANTS).is_file():
        table = root / PARTICIPANTS
    return copy_without_subjects(
        root,
        out,
        salt=load_salt(salt),
        groups=None if table is None else read_groups(table),
        rows=() if args.protocols is None else load_rows(args.protocols)[len(PROTOCOLS) :],
        maps_only=args.maps_only,
        schedule=schedule_of(args),
    )


def _salt_beside(out: Path) -> Path:
    """Where the secret of this output lies; asks for it where an earlier batch left another."""
    mine = out.with_name(f"{out.name}.salt")
    others = sorted(path.name for path in out.parent.glob("*.salt") if path != mine)
    if others and not mine.exists():
        raise ManifestError(
            f"{out.parent}: holds {', '.join(others)} of an earlier batch; with another secret a "
            "subject of both would get two pseudonyms. Give --salt-file: that file for the same "
            "project, a new path for another one"
        )
    return mine


if __name__ == "__main__":
    main()
