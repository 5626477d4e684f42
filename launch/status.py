"""Prints where a training run stands: step, speed, time left, validation, checkpoints, alarms.

Reads only what the run left in its workdir, so it works while the run goes on, on any machine.
"""

import argparse
import datetime
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.checkpoint import BEST, DAMAGED, LATEST, sealed_steps
from qsr_jax.training.metric_log import read_metrics

RUN_JSON = "run.json"
"""What :mod:`launch.train` says of a run when it starts: total steps, map, environment."""


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.status --help``."""
    parser = argparse.ArgumentParser(prog="python -m launch.status", description=__doc__)
    parser.add_argument("workdir", type=Path, nargs="+", help="folder given to launch.train")
    parser.add_argument("--json", action="store_true", help="one JSON object per workdir")
    arguments = parser.parse_args(argv)
    try:
        for workdir in arguments.workdir:
            found = status(workdir)
            print(json.dumps(found) if arguments.json else "\n".join(_lines(found)))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def status(workdir: Path) -> dict[str, Any]:
    """Everything known about a run.

    Raises:
        ValueError: the folder is not a workdir.
    """
    path = workdir / RUN_JSON
    if not path.is_file():
        raise ValueError(f"{workdir}: no {RUN_JSON}; expected the --workdir of a launch.train run")
    run = json.loads(path.read_text(encoding="utf-8"))
    groups = {name: read_metrics(workdir, name) for name in ("train", "validation", "alarm")}
    newest = groups["train"][-1] if groups["train"] else None
    step = newest["step"] if newest else 0
    log = workdir / "metrics.jsonl"
    return {
        "workdir": str(workdir),
        "map": run["map"],
        "step": step,
        "total_steps": run["total_steps"],
        "seconds_since_last_line": round(_age_s(log), 1) if log.exists() else None,
        "seconds_left": _seconds_left(newest, run),
        "train": newest,
        "validation": groups["validation"][-1] if groups["validation"] else None,
        "alarms": groups["alarm"],
        "latest": sealed_steps(workdir / LATEST),
        "best": sealed_steps(workdir / BEST),
        "damaged": sorted(p.name for p in (workdir / DAMAGED).glob("*")),
        "environment": run["environment"],
    }


def _age_s(path: Path) -> float:
    return datetime.datetime.now().timestamp() - path.stat().st_mtime


def _seconds_left(newest: dict[str, float] | None, run: dict[str, Any]) -> float | None:
    if newest is None:
        return None
    steps = run["total_steps"] - newest["step"]
    return round(steps * run["batch_size"] / newest["images_per_second"], 1)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    step, total = found["step"], found["total_steps"]
    yield f"{found['workdir']}  ({found['map']})"
    yield f"  step         {step} of {total} ({100 * step / total:.0f} %)"
    if found["train"]:
        line = found["train"]
        left = datetime.timedelta(seconds=round(found["seconds_left"]))
        age = found["seconds_since_last_line"]
        yield f"  last line    {age:.0f} s ago; {left} left at its speed"
        yield (
            f"  speed        {line['images_per_second']:.1f} images/s, "
            f"{100 * line['data_wait_share']:.1f} % of the time waiting for data"
        )
        yield f"  loss         total {line['total']:.4g}, mae {line['mae']:.4g}"
    if found["validation"]:
        line = found["validation"]
        yield (
            f"  validation   step {line['step']}: bias {line['relative_bias_percent']:+.2f} %, "
            f"PSNR {line['psnr_db']:.2f} dB (bicubic {line['bicubic_psnr_db']:.2f} dB)"
        )
    for which in ("latest", "best"):
        steps = ", ".join(map(str, found[which])) or "none yet"
        yield f"  {which:<12} {steps}"
    if found["damaged"]:
        yield f"  damaged      {', '.join(found['damaged'])}"
    for alarm in found["alarms"][-3:]:
        yield f"  alarm        step {alarm['step']}: {alarm['text']}"


if __name__ == "__main__":
    main()
