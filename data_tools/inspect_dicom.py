"""Says what a DICOM tree holds, what would be used, and why the rest would not.

Nothing in the tree is changed, and no personal value is printed; folder and file names are. Every
series is read as strictly as for training. Exit status: 0 everything is accepted, 3 something is
refused, 1 the tree could not be inspected.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from data_tools.schedule_options import SHARD_DONE, add_schedule, schedule_of
from qsr_jax.cli import program
from qsr_jax.data.dicom import Finding, survey
from qsr_jax.data.dicom.series_rules import PROTOCOLS, load_rows
from qsr_jax.files.journal import Schedule
from qsr_jax.files.tree import shown

SOMETHING_REFUSED = 3
PARTICIPANTS, TRUTH_FOLDER, COHORT = "participants.tsv", "truth", "cohort.json"


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        findings = survey(
            args.dicom.resolve(),
            protocols=PROTOCOLS if args.protocols is None else load_rows(args.protocols),
            known=_known,
            journal=args.journal,
            schedule=_schedule(args),
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    if findings is None:
        print(f"{args.journal}: {SHARD_DONE}")
        return
    if args.json:
        objects = (json.dumps(finding.to_json()) for finding in findings)
        print("[\n" + ",\n".join(objects) + "\n]")
    else:
        print(_table(findings))
    if any(finding.status == "refused" for finding in findings):
        raise SystemExit(SOMETHING_REFUSED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.inspect_dicom"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("dicom", type=Path, metavar="DIR", help="tree of DICOM files, in folders or in one")
    add("--json", action="store_true", help="one object per series or stray file, for programs")
    add(
        "--journal",
        type=Path,
        metavar="DIR",
        help="keep what was found of each subject here, so that a killed inspection goes on",
    )
    add(
        "--protocols",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with rows that recognise other scanners' maps",
    )
    add_schedule(parser)
    return parser


def _schedule(args: argparse.Namespace) -> Schedule:
    schedule = schedule_of(args)
    if args.journal is None and (schedule.shard or schedule.merge):
        raise ValueError("--shard and --merge need --journal, a folder that all machines see")
    return schedule


def _known(path: Path) -> str:
    """What a file that is no DICOM is good for, for our other tools."""
    if path.as_posix() == PARTICIPANTS:
        return "table of participants"
    if path.as_posix() == COHORT:
        return "settings of a simulated cohort"
    if TRUTH_FOLDER in path.parts[:-1]:
        return "truth of a simulated subject"
    return ""


def _table(findings: Sequence[Finding]) -> str:
    """The findings for subjects: one line each, refusals with file and tag."""
    width = max((len(shown(finding.path)) for finding in findings), default=0)
    lines = [f"{f.status:<8}  {shown(f.path):<{width}}  {_said(f)}".rstrip() for f in findings]
    counts = [
        f"{sum(f.status == status for f in findings)} {status}"
        for status in ("accepted", "refused", "ignored")
    ]
    return "\n".join([*lines, ", ".join(counts)])


def _said(finding: Finding) -> str:
    """The rest of a line."""
    d = finding.details
    if finding.status != "accepted":
        where = "" if d["file"] == finding.path else f"{d['file'].rpartition('/')[2]}: "
        tag = "" if d["tag"] is None else f"{d['keyword']} {d['tag']}: "
        return f"{where}{tag}{d['reason'].partition('; expected one of')[0]}"
    shape = " x ".join(str(n) for n in d["shape"])
    spacing = " x ".join(f"{step:.4g}" for step in d["spacing_mm"])
    low, high = d["value_range"]
    line = f"{d['map'].upper():<2}  {shape}  {spacing} mm  {low:g}..{high:g} {d['unit']}"
    return "; ".join([line, *d["notes"]])


if __name__ == "__main__":
    main()
