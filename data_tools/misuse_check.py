"""How well a model tells scans it was not made for: each misuse against the scans as they are.

Fast scans of subjects the model never saw are changed (data_tools/misuses.py), and what the model
says of them is compared: the area under the ROC curve of its score, with an interval over
subjects, and how many lie beyond its limit. What a misuse is refused for counts as found. A table
is printed; the same and every score go to --out.
"""

import argparse
import dataclasses
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_tools.misuses import MISUSES, misused
from qsr_jax.cli import program
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.familiarity import KnownScans, ScaleError, check_units
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.predictors.load import load_predictor
from qsr_jax.predictors.scans import read_scan, scans_listed
from qsr_jax.provenance import software_version
from qsr_jax.statistics.roc import Auc, clustered_auc
from qsr_jax.types import Volume

REFUSED = "refused: scale"
REFUSED_SCORE = 99.0
"""Score that a refused scan gets in the curve: beyond every other."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """What was said of one scan: the score, and what ruled it."""

    subject: str
    score: float
    why: str


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        known = load_predictor(args.model).familiarity
        if known is None:
            raise ValueError(
                f"{args.model}: knows no scans to compare with; run its training again, which adds "
                "them, with three subjects or more"
            )
        plain, found = judge_all(known, _scans(args, known.names), seed=args.seed)
        for name, folder in args.misused:
            others = _below(Path(folder), known.names)
            found[name] = [_judged(known, subject, scan) for subject, scan in others]
        table = {name: summary(plain, scores) for name, scores in found.items()}
        about = {"software": software_version(), "model": str(args.model), "seed": args.seed}
        scores = {"as they are": plain, **found}
        told = {name: [dataclasses.asdict(one) for one in rows] for name, rows in scores.items()}
        whole = json.dumps(about | {"table": table, "scores": told}, indent=1)
        write_text_atomically(args.out, whole + "\n")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(as_text(plain, table))


def judge_all(
    known: KnownScans, scans: Iterator[tuple[str, Volume]], *, seed: int
) -> tuple[list[Judged], dict[str, list[Judged]]]:
    """Every scan as it is, and after each misuse.

    Args:
        known: of a model.
        scans: subject and fast scan.
        seed: of noise, motion and places of lesions, drawn anew for each subject.
    """
    plain: list[Judged] = []
    found: dict[str, list[Judged]] = {name: [] for name in MISUSES}
    for subject, volume in tqdm(scans, desc="misuse", unit="subject", mininterval=1.0):
        plain.append(_judged(known, subject, volume))
        for name, change in MISUSES.items():
            rng = np.random.default_rng([seed, zlib.crc32(f"{subject} {name}".encode())])
            found[name].append(_judged(known, subject, misused(volume, change, rng)))
    return plain, found


def _judged(known: KnownScans, subject: str, volume: Volume) -> Judged:
    try:
        check_units(volume)
    except ScaleError:
        return Judged(subject, REFUSED_SCORE, REFUSED)
    scores = known.judge(volume).scores
    worst = max(scores, key=lambda kind: scores[kind])
    return Judged(subject, scores[worst], worst)


def summary(plain: Sequence[Judged], found: Sequence[Judged]) -> dict[str, Any]:
    """One misuse against the scans as they are."""
    both = [*plain, *found]
    auc: Auc = clustered_auc(
        np.array([one.score for one in both]),
        np.arange(len(both)) >= len(plain),
        np.array([one.subject for one in both]),
    )
    interval = auc.interval
    return {
        "n": len(found),
        "auc": round(auc.area, 4),
        "interval": None if interval is None else [round(interval.low, 4), round(interval.high, 4)],
        "beyond_limit": sum(one.score > 1.0 for one in found),
        "median_score": round(float(np.median([one.score for one in found])), 3),
        "why": Counter(one.why for one in found).most_common(1)[0][0],
    }


def as_text(plain: Sequence[Judged], table: Mapping[str, Mapping[str, Any]]) -> str:
    """The table, for a terminal."""
    alarms = sum(one.score > 1.0 for one in plain)
    lines = [f"as they are: {alarms} of {len(plain)} scans beyond the limit (false alarms)"]
    lines.append(f"{'misuse':<24}{'AUC':>6}  {'95 % interval':<15}{'found':>8}  ruled by")
    for name, row in table.items():
        low_high = row["interval"]
        told = "-" if low_high is None else f"{low_high[0]:.2f} to {low_high[1]:.2f}"
        found = f"{row['beyond_limit']}/{row['n']}"
        lines.append(f"{name:<24}{row['auc']:>6.3f}  {told:<15}{found:>8}  {row['why']}")
    return "\n".join(lines)


def _scans(args: argparse.Namespace, names: tuple[str, ...]) -> Iterator[tuple[str, Volume]]:
    """Subject and fast scan of everybody who was asked for."""
    for folder in args.cohort or ():
        yield from ((f"{folder.name}/{name}", scan) for name, scan in _below(folder, names))
    if args.manifest is not None:
        for scan in scans_listed(args.manifest, split=args.split):
            series, _ = read_scan(scan, names)
            maps = np.concatenate([one.volume.maps for one in series], -1)
            yield scan.name, Volume(maps, names, series[0].volume.geometry)


def _below(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, Volume]]:
    """Every subject of a simulated cohort.

    Raises:
        ValueError: there is none.
    """
    subjects = sorted(path for path in folder.glob("sub-*") if (path / f"fast_{names[0]}").is_dir())
    if not subjects:
        raise ValueError(f"{folder}: no sub-*/fast_{names[0]}; expected a cohort of qsr simulate")
    for path in subjects:
        volumes = [read_series(path / f"fast_{name}").volume for name in names]
        maps = np.concatenate([volume.maps for volume in volumes], -1)
        yield path.name, Volume(maps, names, volumes[0].geometry)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.misuse_check"), description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("--model", required=True, help="name, file or workdir of a model")
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument(
        "--cohort", type=Path, nargs="+", action="extend", metavar="DIR", help="of qsr simulate"
    )
    whom.add_argument("--manifest", type=Path, metavar="FILE", help="of qsr pair")
    add("--split", choices=SPLITS, default="test", help="of the manifest (default: %(default)s)")
    add(
        "--misused",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "DIR"),
        help="a cohort of qsr simulate whose scans are misuse as they are",
    )
    add("--seed", type=int, default=0, help="of what is drawn (default: %(default)s)")
    add("--out", type=Path, required=True, metavar="FILE.json", help="file to make")
    return parser


if __name__ == "__main__":
    main()
