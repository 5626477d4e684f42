"""The rows that need a process of their own: PyTorch, a cohort, trainings with other flags."""

import importlib.util
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from launch.gpu_day.day import ROOT, Day, RowError
from qsr_jax.predictors.load import load_predictor
from qsr_jax.training.metric_log import read_metrics

SIDE_BY_SIDE = ROOT / "tests" / "bench" / "side_by_side.py"
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
HOST = {"JAX_PLATFORMS": "cpu"}
SAVED, RESUMED = 100, 200
"""Steps after which the short training is saved, and of all of it."""
DRY_STEPS = 2, 4
"""The same where it is only tried."""
SAVING_S = 25.0
"""Before the budget ends: a training that is asked to stop saves, and its process ends."""

DRY_SIDES = {"srgan": 16, "default": 48}
"""Pixels of the images that PyTorch's programs try: four pools and strides leave something of them,
and they hold the default page's crop."""


def beside_torch(day: Day, net: str, what: str, *words: str) -> dict[str, Any]:
    """The same network in PyTorch, eager and compiled, in a process of its own.

    Raises:
        RowError: no PyTorch, or no clone.
    """
    if importlib.util.find_spec("torch") is None:
        raise RowError("torch not installed")
    if not SIDE_BY_SIDE.exists():
        raise RowError(f"{SIDE_BY_SIDE} is not here: run from a clone")
    programs = "torch" if day.dry else "torch,torch.compile"
    asked = ["--net", net, "--what", what, "--programs", programs, *words]
    if day.dry:
        asked += ["--side", str(DRY_SIDES[net]), "--batch", "2", "--slices", "2", "--rounds", "1"]
        asked += ["--model", "features=4", "--cores", "1"]  # threads would wait for each other
    said = day.child([str(SIDE_BY_SIDE), *asked], row=f"torch_{net}_{what}")
    row: dict[str, Any] = {}
    for line in said.splitlines():
        told = json.loads(line)
        key = told["program"].replace(".", "_")
        row |= {f"{key}_ms": 1e3 * told["median_s"], f"{key}_first_s": told["first_s"]}
    return row


def cohort(day: Day) -> dict[str, Any]:
    """A few subjects simulated and made into records, on the host's cores; or those given.

    None is a test subject: nothing is evaluated. A dry run makes one to train on and one to
    validate on, in one process: what is tried is the way, not the cores.
    """
    if day.data_dir is not None:
        return {"data_dir": "given", "subjects": None}
    subjects, start = 2 if day.dry else 6, time.monotonic()
    workers = 1 if day.dry else min(subjects, os.cpu_count() or 1)
    folder = day.out / "cohort"
    protocol = ["--protocol", "tiny"] if day.dry else []
    manifest = day.out / "manifest.json"
    simulate = ["-m", "data_tools.simulate_cohort", "--out", str(folder), "--subjects"]
    simulate += [str(subjects), "--patients", "0", "--no-noiseless", "--workers", str(workers)]
    day.child([*simulate, *protocol], row="cohort", env=HOST)
    if not manifest.exists():
        split = ["--test-fraction", "0", "--validation", "sub-002"]
        pair = ["-m", "data_tools.pair_studies", "--dicom", str(folder), "--out", str(manifest)]
        day.child([*pair, *split], row="cohort", env=HOST)
    build = ["-m", "data_tools.build_dataset", "--manifest", str(manifest), "--data_dir"]
    day.child([*build, str(records_of(day))], row="cohort", env=HOST)
    return {"subjects": subjects, "workers": workers, "seconds": time.monotonic() - start}


def records_of(day: Day) -> Path:
    """Where the records to train on lie."""
    return day.data_dir or day.out / "records"


def training_words(day: Day, workdir: Path, **changes: Any) -> list[str]:
    """The words of a training of the default page."""
    flags = [f"--config.{word}" for word in day.overrides("default", **changes)]
    words = ["-m", "launch.train", "--config", "default", *flags]
    return [*words, "--data_dir", str(records_of(day)), "--workdir", str(workdir)]


def resume(day: Day) -> dict[str, Any]:
    """Two trainings with deterministic operations: at once, and gone on with in a new process."""
    saved, steps = DRY_STEPS if day.dry else (SAVED, RESUMED)
    folder = day.out / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    flags = {} if day.dry else {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}"}
    changes = {
        "schedule__steps": steps, "cadence__log_every": 1 if day.dry else 20,
        "cadence__save_every": saved, "cadence__validate_every": steps, "cadence__keep": 2,
    }  # fmt: skip
    whole, again = folder / "whole", folder / "again"
    day.child(training_words(day, whole, **changes), row="resume", env=flags)
    shutil.copytree(whole, again)
    for which in ("latest", "best"):
        shutil.rmtree(again / which / str(steps), ignore_errors=True)
    day.child(training_words(day, again, **changes), row="resume", env=flags, anew=True)
    ends = [load_predictor(workdir).weights_sha256 for workdir in (whole, again)]
    pace = _pace(whole)
    row = {"steps": steps, "saved": saved, "unequal_bits": int(ends[0] != ends[1])} | pace
    plain = day.value("default_step", "images_per_s")
    return row | ({"cost": plain / pace["images_per_s"]} if plain else {})


def _pace(workdir: Path) -> dict[str, Any]:
    """Images per second and the share of time that training waited for data; not the first line."""
    lines = read_metrics(workdir, "train")
    lines = lines[1:] or lines
    if not lines:
        raise RowError(f"{workdir}: nothing was logged")
    wait, rate = (
        float(np.median([line[k] for line in lines]))
        for k in ("data_wait_share", "images_per_second")
    )
    return {"data_wait_percent": 100.0 * wait, "images_per_s": rate}


def training(day: Day) -> dict[str, Any]:
    """The default model, for as long as there is time; a rerun of the row goes on with it."""
    workdir, ms = day.out / "model", day.value("default_step", "ms")
    tried = {"schedule__steps": DRY_STEPS[1], "cadence__log_every": 1} if day.dry else {}
    words = training_words(day, workdir, **tried)
    steps = day.experiment("default", **tried).schedule.steps
    start = time.monotonic()
    day.child(words, row="training", stop_after_s=max(1.0, day.left_s - SAVING_S))
    done = read_metrics(workdir, "train")[-1]["step"]
    row = {"steps": int(done), "of": steps, "seconds": time.monotonic() - start} | _pace(workdir)
    scores = read_metrics(workdir, "validation")
    return row | {"step_ms": ms, "validation": scores[-1] if scores else None}
