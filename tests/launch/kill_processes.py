"""Full counts of the faults of several processes; the suite runs one or two of each.

    python tests/launch/kill_processes.py --stops 20 --peers 10 --pairs 5 --configs 3 --shapes 2

stops    SIGTERM or SIGINT to one of two processes at a random moment: both end with 75 at the same
         saved step within 30 s, nothing is lost, the resumed run ends in the bits of a run in peace
peers    SIGKILL to one of two processes at a random moment: the other ends within 60 s, not with 0,
         and the resumed run ends in the same bits
pairs    a config run twice: the same bits
configs  1 process x 2 devices against 2 processes x 1: the same bits
shapes   a config unchanged on 1 process x 1 device, 1 x 4 and 2 x 2, and begun on 1 x 4 and
         finished on 2 x 2: every number of the state within TOLERANCE after 30 steps

Four stops, or five kills, fall on one training, which then has to end like an undisturbed one. A
line of JSON per row; exit status 1 if anything failed. ``--data_dir`` takes ready records.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from processes_runs import (
    TOLERANCE,
    arguments,
    end,
    largest_difference,
    logged_step,
    said,
    same_bits,
    start,
    wait_for_step,
)
from tqdm import tqdm

from qsr_jax.checkpoint import LATEST, sealed_steps
from qsr_jax.training.stopping import STOPPED

STEPS = 60
TOO_LATE = 8
"""Steps before the end of a part from which on a stop may find a training that has ended."""
START_S, STOP_S, PEER_S = 300.0, 30.0, 60.0
CONFIGS = (
    {},
    {"schedule.warmup_steps": 60, "data.crop": 0, "data.batch_size": 2},
    {"schedule.frozen_norm_steps": 30, "model.features": 6, "average.decay": 0.0},
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for row in ("stops", "peers", "pairs", "configs", "shapes"):
        parser.add_argument(f"--{row}", type=int, default=0)
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data_dir = asked.data_dir or _cohort(root)
        rows = {
            "stops": lambda: _disturbed(root, data_dir, asked.stops, 4, _stop, rng),
            "peers": lambda: _disturbed(root, data_dir, asked.peers, 5, _kill, rng),
            "pairs": lambda: _pairs(root, data_dir, asked.pairs),
            "configs": lambda: _configs(root, data_dir, asked.configs),
            "shapes": lambda: _shapes(root, data_dir, asked.shapes),
        }
        failed = 0
        for row, run in rows.items():
            count = getattr(asked, row)
            if not count:
                continue
            begun, problems = time.monotonic(), list(run())
            failed += len(problems)
            line = {"row": row, "count": count, "failed": len(problems), "problems": problems}
            line["seconds"] = round(time.monotonic() - begun)
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
    sys.exit(1 if failed else 0)


def _cohort(root: Path) -> Path:
    from data_tools import build_dataset, pair_studies, simulate_cohort

    subjects = ["--subjects", "6", "--patients", "1", "--seed", "0", "--protocol", "tiny"]
    simulate_cohort.main(["--out", str(root / "cohort"), *subjects])
    split = ["--test-fraction", "0", "--validation", "sub-004"]
    split += [word for name in ("001", "002", "003") for word in ("--test", f"sub-{name}")]
    manifest = str(root / "manifest.json")
    pair_studies.main(["--dicom", str(root / "cohort"), "--out", manifest, *split])
    build_dataset.main(["--manifest", manifest, "--data_dir", str(root / "records")])
    return root / "records"


def _words(data_dir: Path, workdir: Path, **changes: object) -> list[str]:
    course = {"schedule.steps": STEPS, "cadence.validate_every": 20, "cadence.save_every": 10}
    return arguments(data_dir, workdir, **(course | changes))


def _finish(root: Path, words: list[str], *, processes: int, devices: int) -> str | None:
    codes = end(
        start(words, processes=processes, devices=devices, log=root / "log"), timeout_s=START_S
    )
    return None if set(codes) == {0} else f"ended with {codes}: {said(root / 'log')}"


def _disturbed(
    root: Path, data_dir: Path, count: int, each: int, disturb: Callable, rng: random.Random
) -> Iterator[str]:
    """Trainings that are disturbed ``each`` times, until ``count`` disturbances have happened."""
    peaceful = root / "peaceful"
    if not peaceful.exists():
        problem = _finish(root, _words(data_dir, peaceful), processes=2, devices=1)
        assert problem is None, problem
    bar = tqdm(total=count, desc=disturb.__name__.strip("_"))
    while bar.n < count:
        workdir = root / "disturbed"
        shutil.rmtree(workdir, ignore_errors=True)
        for turn in range(min(each, count - bar.n)):
            first = STEPS * turn // each
            # Far enough from the end: all agree to stop two steps after a signal at the latest.
            step = rng.randrange(first + 1, first + STEPS // each - TOO_LATE)
            words = _words(data_dir, workdir)
            started = start(words, processes=2, devices=1, log=root / "log")
            if wait_for_step(workdir, step, timeout_s=START_S, alive=started):
                time.sleep(rng.uniform(0.0, 0.1))
            yield from disturb(workdir, started, rng)
            bar.update()
        problem = _finish(root, _words(data_dir, workdir), processes=2, devices=1)
        if problem or not same_bits(workdir, peaceful):
            yield f"{disturb.__name__}: {problem or 'other bits than the run in peace'}"


def _stop(workdir: Path, started: list, rng: random.Random) -> Iterator[str]:
    begun = time.monotonic()
    rng.choice(started).send_signal(rng.choice((signal.SIGTERM, signal.SIGINT)))
    codes = end(started, timeout_s=PEER_S)
    took = time.monotonic() - begun
    saved = sealed_steps(workdir / LATEST)
    if codes != [STOPPED, STOPPED]:
        yield f"stop: statuses {codes}"
    elif took > STOP_S or not saved or saved[0] != logged_step(workdir):
        yield f"stop: {took:.0f} s, saved {saved}, logged {logged_step(workdir)}"


def _kill(workdir: Path, started: list, rng: random.Random) -> Iterator[str]:
    begun = time.monotonic()
    rng.choice(started).kill()
    codes = end(started, timeout_s=PEER_S + 30.0)
    took = time.monotonic() - begun
    if took > PEER_S or 0 in codes:
        yield f"peer: statuses {codes} after {took:.0f} s"


def _pairs(root: Path, data_dir: Path, count: int) -> Iterator[str]:
    for seed in tqdm(range(count), desc="pairs"):
        ends = []
        for turn in "ab":
            ends.append(root / f"pair-{seed}{turn}")
            words = _words(data_dir, ends[-1], seed=seed)
            if problem := _finish(root, words, processes=1, devices=2):
                yield f"seed {seed}: {problem}"
        if not same_bits(*ends):
            yield f"seed {seed}: differs by {largest_difference(*ends)}"


def _configs(root: Path, data_dir: Path, count: int) -> Iterator[str]:
    for place, changes in enumerate(tqdm(CONFIGS[:count], desc="configs")):
        one, two = root / f"one-{place}", root / f"two-{place}"
        for workdir, processes, devices in ((one, 1, 2), (two, 2, 1)):
            words = _words(data_dir, workdir, **changes)
            if problem := _finish(root, words, processes=processes, devices=devices):
                yield f"{changes}: {processes} processes: {problem}"
        if not same_bits(one, two):
            yield f"{changes}: differs by {largest_difference(one, two)}"


def _shapes(root: Path, data_dir: Path, count: int) -> Iterator[str]:
    course = {"schedule.steps": 30, "optimizer.learning_rate": 1e-3, "cadence.validate_every": 15}
    for seed in tqdm(range(count), desc="shapes"):
        one, *others = (root / f"shape-{seed}{name}" for name in ("1x1", "1x4", "2x2", "1x4-2x2"))
        words = [arguments(data_dir, w, seed=seed, **course) for w in (one, *others)]
        early = start(words[3], processes=1, devices=4, log=root / "log")
        wait_for_step(others[2], 5, timeout_s=START_S, alive=early)
        early[0].send_signal(signal.SIGTERM)
        if (codes := end(early, timeout_s=PEER_S)) != [STOPPED]:
            yield f"seed {seed}: the run to be resumed ended with {codes}"
        for given, (processes, devices) in zip(
            words, ((1, 1), (1, 4), (2, 2), (2, 2)), strict=True
        ):
            if problem := _finish(root, given, processes=processes, devices=devices):
                yield f"seed {seed}: {processes} x {devices}: {problem}"
        for other in others:
            apart = largest_difference(one, other)
            tqdm.write(f"seed {seed}: {other.name} differs from {one.name} by {apart:.2g}")
            if not apart < TOLERANCE:
                yield f"seed {seed}: {other.name} differs by {apart}"


if __name__ == "__main__":
    main()
