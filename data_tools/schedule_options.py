"""The flags of doors that go through a cohort subject by subject."""

import argparse

from qsr_jax.files.journal import Schedule, parse_shard

SHARD_DONE = "a shard is done; when all are, the same command with --merge"


def add_schedule(parser: argparse.ArgumentParser) -> None:
    """Adds --workers, --shard and --merge."""
    group = parser.add_argument_group(
        "many subjects", "killed, the same command goes on where it was; docs/clusters.md"
    )
    group.add_argument(
        "--workers", type=int, default=1, help="processes; what is written does not depend on it"
    )
    group.add_argument(
        "--shard",
        metavar="I/N",
        help="do the I-th of N parts; other machines do the others",
    )
    group.add_argument(
        "--merge",
        action="store_true",
        help="put the parts together; refused while one of them lacks a subject",
    )


def schedule_of(args: argparse.Namespace) -> Schedule:
    """What the flags say.

    Raises:
        ValueError: --workers below 1, --shard not I/N, or --shard with --merge.
    """
    if args.workers < 1:
        raise ValueError(f"--workers must be at least 1; got {args.workers}")
    shard = None if args.shard is None else parse_shard(args.shard)
    if shard and args.merge:
        raise ValueError("--merge takes all parts together; give it without --shard")
    return Schedule(workers=args.workers, shard=shard, merge=args.merge)
