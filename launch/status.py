"""Prints where a training run stands: step, speed, time left, validation, checkpoints, alarms.

Reads only what the run left in its workdir, so it works while the run goes on, on any machine.
"""

import argparse
import datetime
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.checkpoint import BEST, DAMAGED, LATEST, sealed_steps
from qsr_jax.cli import program
from qsr_jax.training.metric_log import METRICS_JSONL, read_whole_lines
from qsr_jax.training.workdir import RUN_JSON

GROUPS = ("train", "validation", "alarm")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.status --help``.

    Several workdirs are told one after the other; one that cannot be read does not hide the rest.
    """
    parser = argparse.ArgumentParser(prog=program("launch.status"), description=__doc__)
    parser.add_argument("workdir", type=Path, nargs="+", help="folder given to launch.train")
    parser.add_argument("--json", action="store_true", help="one JSON object per workdir")
    arguments = parser.parse_args(argv)
    errors = []
    for workdir in arguments.workdir:
        try:
            found = status(workdir)
        except (ValueError, OSError) as error:
            errors.append(str(error))
            continue
        print(json.dumps(_plain(found)) if arguments.json else "\n".join(_lines(found)))
    for text in errors[:-1]:
        print(f"error: {text}", file=sys.stderr)
    if errors:
        raise SystemExit(f"error: {errors[-1]}")


def _plain(value: Any) -> Any:
    """The same with null where a number is not finite: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def status(workdir: Path) -> dict[str, Any]:
    """Everything known about a run, as JSON can say it.

    Damaged lines of the log are left out and listed, since the rest of the run can still be told.

    Raises:
        ValueError: the folder is not a workdir, or what it says of its run is damaged.
    """
    run = _run(workdir)
    lines, damaged_lines = read_whole_lines(workdir)
    groups = {name: [line for line in lines if line["group"] == name] for name in GROUPS}
    newest = groups["train"][-1] if groups["train"] else None
    log = workdir / METRICS_JSONL
    return {
        "workdir": str(workdir),
        "map": run["map"],
        "step": newest["step"] if newest else 0,
        "total_steps": run["total_steps"],
        "seconds_since_last_line": _age_s(log) if log.exists() else None,
        "seconds_left": _seconds_left(newest, run),
        "train": newest,
        "validation": groups["validation"][-1] if groups["validation"] else None,
        "alarms": groups["alarm"],
        "latest": sealed_steps(workdir / LATEST),
        "best": sealed_steps(workdir / BEST),
        "damaged": sorted(p.name for p in (workdir / DAMAGED).glob("*")),
        "damaged_lines": damaged_lines,
        "environment": run["environment"],
    }


def _run(workdir: Path) -> dict[str, Any]:
    path = workdir / RUN_JSON
    if not path.is_file():
        raise ValueError(f"{workdir}: no {RUN_JSON}; expected the --workdir of a launch.train run")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        missing = {"map", "total_steps", "batch_size", "environment"} - run.keys()
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{path}: damaged ({error}); the same launch.train command writes it anew"
        ) from error
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(sorted(missing))}; written by another version")
    return run


def _age_s(log: Path) -> float | None:
    """Seconds since the log was written; None where the clock has been set back since."""
    age = time.time() - log.stat().st_mtime
    return round(age, 1) if age >= 0 else None


def _seconds_left(newest: Mapping[str, float] | None, run: Mapping[str, Any]) -> float | None:
    if newest is None or not newest.get("images_per_second", 0.0) > 0.0:
        return None
    steps = max(run["total_steps"] - newest["step"], 0)
    return round(steps * run["batch_size"] / newest["images_per_second"], 1)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    step, total = found["step"], found["total_steps"]
    yield f"{found['workdir']}  ({found['map']})"
    yield f"  step         {step} of {total} ({100 * step / max(total, 1):.0f} %)"
    if found["train"]:
        yield from _train_lines(found)
    if found["validation"]:
        line = found["validation"]
        yield (
            f"  validation   step {line['step']}: bias {line['relative_bias_percent']:+.2f} %, "
            f"PSNR {line['pooled_psnr_db']:.2f} dB "
            f"(baseline {line['baseline_pooled_psnr_db']:.2f} dB)"
        )
    for which in ("latest", "best"):
        steps = ", ".join(map(str, found[which])) or "none yet"
        yield f"  {which:<12} {steps}"
    if found["damaged"]:
        yield f"  damaged      {', '.join(found['damaged'])}"
    if found["damaged_lines"]:
        numbers = ", ".join(map(str, found["damaged_lines"]))
        yield f"  damaged      line {numbers} of {METRICS_JSONL}, left out here"
    for alarm in found["alarms"][-3:]:
        yield f"  alarm        step {alarm['step']}: {alarm['text']}"


def _train_lines(found: Mapping[str, Any]) -> Iterator[str]:
    line, age, left = found["train"], found["seconds_since_last_line"], found["seconds_left"]
    when = "at a time still to come: the clock was set back" if age is None else f"{age:.0f} s ago"
    rest = "" if left is None else f"; {datetime.timedelta(seconds=round(left))} left at its speed"
    yield f"  last line    {when}{rest}"
    yield (
        f"  speed        {line['images_per_second']:.1f} images/s, "
        f"{100 * line['data_wait_share']:.1f} % of the time waiting for data"
    )
    terms = [key.removesuffix("_weighted") for key in line if key.endswith("_weighted")]
    losses = ", ".join(f"{term} {line[term]:.4g}" for term in ("total", *terms))
    yield f"  loss         {losses}"


if __name__ == "__main__":
    main()
