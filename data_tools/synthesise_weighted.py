"""Makes training records of T1w, T2w and FLAIR from heads whose T1, T2 and PD are known.

Heads are simulated subjects (--cohort, made by `qsr simulate`; their truth is read, not their
scans) and measured ones (--measured, as `qsr simulate --measured` takes them; the receive field of
their PD is divided out). Of every head several studies are drawn: TR, TE and TI, inversion
efficiency, trains, resolution, noise, and for a part of them a receive field and movement between
the contrasts; simulated subjects also at 1.5 T. Slices with lesions are kept for testing only.
Intensities of a study share one scale: percent of fully relaxed water. Safe to run twice; killed,
the same command goes on. docs/weighted.md.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from data_tools.schedule_options import add_schedule, schedule_of
from data_tools.weighted_subjects import Source, deal, find_sources, read_head
from qsr_jax import __version__
from qsr_jax.acquisition import NARROW, WIDE
from qsr_jax.cli import program
from qsr_jax.data.records.build_weighted import build_weighted, weighted_shard
from qsr_jax.data.records.weighted import VERSION, WeightedSubject
from qsr_jax.data.studies.split import Shares
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import json_sha256
from qsr_jax.simulate.weighted_records import Plan, head_records
from qsr_jax.simulate.weighted_scan import CLINICAL, Limits

RANGES = {"wide": WIDE, "narrow": NARROW}
WHO = "weighted_subjects.tsv"
"""Beside the records: which folder is which subject. Not in them: folders may be named after
people."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        limits = _limits(args)
        sources = find_sources(args.cohort, args.measured)
        named = {"validation": args.validation, "test": args.test}
        shares = Shares(test=args.test_fraction, validation=args.validation_fraction)
        splits = deal(sources, named, shares=shares, seed=args.seed)
        settings = _settings(args, limits)
        subjects = [
            _subject(source, split, settings, args, limits)
            for source, split in zip(sources, splits, strict=True)
        ]
        args.data_dir.mkdir(parents=True, exist_ok=True)
        write_text_atomically(args.data_dir / WHO, _who(sources, splits))
        build_weighted(
            args.data_dir.resolve(),
            subjects,
            write_subject,
            settings,
            schedule=schedule_of(args),
            tell=print,
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.synthesise_weighted"),
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--cohort", type=Path, nargs="+", default=[], metavar="DIR", help="of simulate_cohort")
    add("--measured", type=Path, nargs="+", default=[], metavar="DIR", help="heads, or folders")
    add("--data_dir", type=Path, required=True, metavar="DIR", help="receives weighted_maps/")
    add("--seed", type=int, default=0, help="of the split and of everything drawn")
    _add_split(parser.add_argument_group("who trains"))
    _add_studies(parser.add_argument_group("studies of every head"))
    _add_limits(parser.add_argument_group("how studies differ"))
    add_schedule(parser)
    return parser


def _add_split(group: Any) -> None:
    add = group.add_argument
    text = "cohorts, subjects (COHORT/sub-001) or heads, by folder name; all others train"
    add("--validation", nargs="+", default=[], metavar="NAME", help=text)
    add("--test", nargs="+", default=[], metavar="NAME", help="likewise")
    add("--validation-fraction", type=float, default=0.1, help="of the heads, where none is named")
    add("--test-fraction", type=float, default=0.2, help="likewise; patients only test")


def _add_studies(group: Any) -> None:
    add = group.add_argument
    add("--draws", type=int, default=4, help="studies of a simulated subject")
    add("--measured-draws", type=int, default=16, help="studies of a measured head")
    add("--every", type=int, default=4, help="a study keeps every so-manieth slice")
    add("--matrix", type=int, nargs=2, default=[256, 256], metavar=("ROWS", "COLUMNS"), help="even")
    add("--low-field-share", type=float, default=0.33, help="studies of subjects at 1.5 T")


def _add_limits(group: Any) -> None:
    add = group.add_argument
    add("--ranges", choices=RANGES, default="wide", help="of TR, TE and TI")
    add("--still-share", type=float, default=CLINICAL.still_share, help="no field, no movement")
    add("--bias", type=float, default=CLINICAL.bias, help="of the receive field")
    add("--shift-px", type=float, default=CLINICAL.shift_px, help="of T1w and FLAIR against T2w")
    add("--turn-deg", type=float, default=CLINICAL.turn_deg, help="likewise")
    for name in ("resolution-mm", "snr"):
        usual = getattr(CLINICAL, name.replace("-", "_"))
        add(f"--{name}", type=float, nargs=2, default=usual, metavar=("LOW", "HIGH"), help="range")


def _limits(args: argparse.Namespace) -> Limits:
    """What the flags say.

    Raises:
        ValueError: a number outside its range.
    """
    shares = ("still_share", "low_field_share")
    allowed = dict.fromkeys(shares, (0.0, 1.0)) | {
        "bias": (0.0, 0.9),
        "shift_px": (0.0, 10.0),
        "turn_deg": (0.0, 10.0),
        "draws": (1, 1000),
        "measured_draws": (1, 1000),
        "every": (1, 1000),
    }
    for name, (low, high) in allowed.items():
        if not low <= getattr(args, name) <= high:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} is {getattr(args, name)}; expected {low:g} to {high:g}")
    for name in ("resolution_mm", "snr"):
        low, high = getattr(args, name)
        if not 0 < low <= high:
            raise ValueError(
                f"--{name.replace('_', '-')} is {low} {high}; expected 0 < LOW <= HIGH"
            )
    if any(side < 16 or side % 2 for side in args.matrix):
        raise ValueError(f"--matrix is {args.matrix}; expected even numbers from 16 on")
    return CLINICAL._replace(
        acquisition=RANGES[args.ranges],
        still_share=args.still_share,
        bias=args.bias,
        shift_px=args.shift_px,
        turn_deg=args.turn_deg,
        resolution_mm=tuple(args.resolution_mm),
        snr=tuple(args.snr),
    )


def _settings(args: argparse.Namespace, limits: Limits) -> dict[str, Any]:
    """Everything that decides the records but who is in them, JSON."""
    kept = ("seed", "draws", "measured_draws", "every", "low_field_share", "ranges")
    return {
        "version": VERSION,
        "matrix": list(args.matrix),
        **{name: getattr(args, name) for name in kept},
        "limits": {name: _plain(value) for name, value in limits._asdict().items()},
    }


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _subject(
    source: Source, split: str, settings: dict[str, Any], args: argparse.Namespace, limits: Limits
) -> tuple[WeightedSubject, tuple[Any, ...]]:
    """One head in the dataset, and the arguments that make its shard."""
    plan = Plan(
        draws=args.draws if source.kind == "simulated" else args.measured_draws,
        every=args.every,
        matrix=(args.matrix[0], args.matrix[1]),
        lesions=split == "test",
        low_field_share=args.low_field_share,
        limits=limits,
    )
    inputs = json_sha256([__version__, settings, source.case, source.state, plan.lesions])
    return WeightedSubject(source.case, split, source.kind, inputs), (source, plan, args.seed)


def write_subject(source: Source, plan: Plan, seed: int, path: Path) -> dict[str, Any]:
    """Reads one head, draws and scans its studies and writes their shard.

    Raises:
        ValueError: its files cannot be used.
        OSError, RuntimeError: the disk refused.
    """
    key = jax.random.fold_in(jax.random.key(seed), int(source.case.split("-")[1][:7], 16))
    return weighted_shard(path, head_records(key, read_head(source), plan, case=source.case))


def _who(sources: Sequence[Source], splits: Sequence[str]) -> str:
    rows = [
        f"{one.case}\t{split}\t{one.kind}\t{one.names[-1]}"
        for one, split in zip(sources, splits, strict=True)
    ]
    return "\n".join(["subject\tsplit\tsource\tname", *rows, ""])


if __name__ == "__main__":
    main()
