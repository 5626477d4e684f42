"""Kills, starves and spoils trainings, builds and writers by the dozen, and says what came of it.

    python tests/launch/fault_matrix.py --row R1 --count 50

prints one JSON line per trial and one with the sum; exit status 1 when a trial failed. The suite
runs a short form of every row. R5 mounts small file systems and wants root; all rows want a C
compiler (``faulty_io.c``).
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "fixtures"), str(HERE.parents[1])]

from fault_disks import disk_full, failing_writes  # noqa: E402
from fault_states import changed_runs, damaged_checkpoints, not_finite  # noqa: E402
from faulty_io import POINTS, Fault  # noqa: E402
from tiny_training import STEPS, Runner, logged, wait_until  # noqa: E402  # isort: split


def killed_anywhere(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R1: one to three SIGKILLs at random moments between the first step and the last."""
    for trial in range(count):
        workdir, kills = runner.home / f"r1-{trial}", int(rng.integers(1, 4))
        at = []
        for _ in range(kills):
            first = logged(workdir)
            process = runner.start(workdir)
            wait_until(lambda w=workdir, n=first: logged(w) > n, process)
            time.sleep(rng.uniform(0, runner.seconds / 2))
            process.kill()
            process.join()
            at.append(logged(workdir))
        runner.check_ends_like_an_undisturbed_run(workdir)
        yield f"killed after steps {at}"


def killed_while_saving(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R2: SIGKILL at a named point of a save."""
    for trial in range(count):
        point = POINTS[trial % len(POINTS)]
        nth, workdir = int(rng.integers(1, point.most + 1)), runner.home / f"r2-{trial}"
        fault = Fault(point.op, point.path, nth, point.deed)
        status, said = runner.run(workdir, fault=fault)
        assert status in (0, -signal.SIGKILL), said[-2000:]
        left = sorted(p.name for p in (workdir / "latest").iterdir())
        at = logged(workdir)
        runner.check_ends_like_an_undisturbed_run(workdir)
        yield f"{point.name}: {'killed' if status else 'ended'} at step {at}, left {left}"


def asked_to_stop(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R3: SIGTERM and SIGINT in turns; saved within 30 s at a step, status 75, no step lost."""
    from qsr_jax.checkpoint import sealed_steps
    from qsr_jax.training.stopping import STOPPED

    for trial in range(2 * count):
        number, workdir = (signal.SIGTERM, signal.SIGINT)[trial % 2], runner.home / f"r3-{trial}"
        process, wanted = runner.start(workdir), int(rng.integers(1, STEPS - 2))
        wait_until(lambda w=workdir, n=wanted: logged(w) >= n, process)
        asked = time.monotonic()
        os.kill(process.pid, number)
        process.join()
        took, said = time.monotonic() - asked, runner.said()
        newest = sealed_steps(workdir / "latest")[0]
        if process.exitcode == 0:
            assert newest == STEPS, said
        else:
            assert process.exitcode == STOPPED, said
            assert newest == logged(workdir), "a step was lost"
            assert f"after step {newest} of {STEPS}" in said
        assert took < 30, f"{took:.0f} s from the signal to the end"
        runner.check_ends_like_an_undisturbed_run(workdir)
        yield f"{number.name} at step {wanted}: status {process.exitcode}, saved {newest}"


ROWS: dict[str, tuple[Callable[..., Iterator[str]], int]] = {
    "R1": (killed_anywhere, 50),
    "R2": (killed_while_saving, 60),
    "R3": (asked_to_stop, 20),
    "R4": (damaged_checkpoints, 200),
    "R5": (disk_full, 10),
    "R6": (failing_writes, 20),
    "R7": (not_finite, 5),
    "R15": (changed_runs, 1),
}
"""Row to its function and its full count; R3 counts each signal, R5 each kind, R7 each place."""


def main(argv: list[str] | None = None) -> None:
    """Runs the rows asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="default: all")
    parser.add_argument("--count", type=int, help="trials instead of the row's full number")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    failed = False
    with tempfile.TemporaryDirectory() as home:
        runner = Runner(Path(home))
        for row in args.row or ROWS:
            failed |= not run_row(row, runner, args.count or ROWS[row][1], args.seed)
    if failed:
        raise SystemExit(1)


def run_row(row: str, runner: Runner, count: int, seed: int) -> bool:
    """Runs one row and prints its lines; False when a trial failed."""
    started, seen = time.monotonic(), Counter()
    trials = ROWS[row][0](runner, count, np.random.default_rng((seed, list(ROWS).index(row))))
    fault = None
    try:
        for what in trials:
            seen[what.split(":")[0].split(" after steps")[0]] += 1
            _tell(row=row, passed=True, what=what)
    except AssertionError as error:
        fault = str(error)
        _tell(row=row, passed=False, what=fault)
    took = round(time.monotonic() - started)
    _tell(row=row, trials=sum(seen.values()), failed=fault is not None, seconds=took, kinds=seen)
    return fault is None


def _tell(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
