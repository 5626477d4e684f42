"""Fits how far a network's own standard deviations are to be believed, when a training ends."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from qsr_jax.checkpoint import BEST, LATEST, CheckpointError, load_document, load_network
from qsr_jax.data.records.batches import in_order, whole_studies
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.maps import spec_of
from qsr_jax.objectives import Regression
from qsr_jax.objectives.weighted_asking import said_of
from qsr_jax.tasks import JointMaps, WeightedToMaps
from qsr_jax.tasks.mean_spread import MeanTally
from qsr_jax.tasks.spread import (
    SpreadCalibration,
    SpreadTally,
    read_calibrations,
    write_calibrations,
)
from qsr_jax.tasks.weighted_gains import GAINS, ONE, Ask, asked
from qsr_jax.training.plan import Plan, sample_example
from qsr_jax.types import Batch

Told = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""What is said, how surely, what it should be, (n, h, w, c), and where it counts, (n, h, w)."""


class _StoppedError(Exception):
    """Somebody asked for an end."""


def calibrate_spreads(
    workdir: Path,
    plan: Plan,
    open_records: Callable[[], JointRecords],
    *,
    stopped: Callable[[], bool],
) -> bool:
    """Calibrates the newest and the best network of a workdir on validation subjects.

    Nothing happens where the network tells no spread, where nobody validates, and for a network
    that is calibrated already.

    Args:
        workdir: of a training that has ended.
        plan: of the training.
        open_records: gives the validation split.
        stopped: whether somebody asked for an end; networks that are finished are kept then.

    Returns:
        Whether all is done that there is to do.
    """
    objective = plan.last
    if not isinstance(objective, Regression) or not getattr(objective.network, "spread", False):
        return True
    known = read_calibrations(workdir)
    missing = _uncalibrated(workdir, known)
    records = open_records() if missing else None
    if not records:
        return True
    template = jax.eval_shape(
        lambda: objective.init(jax.random.key(0), sample_example(plan.task))[objective.served]
    )
    size = plan.experiment.data.batch_size
    total = len(missing) * _passes(plan.task) * len(records)
    with tqdm(total=total, desc="calibrating", unit="slice", leave=False) as bar:

        def done(slices: int) -> None:
            bar.update(slices)
            if stopped():
                raise _StoppedError

        try:
            for step, which in missing.items():
                variables = load_network(workdir, step, template, which=which)
                known[step] = fit_calibration(
                    objective, plan.task, variables, records, batch_size=size, done=done
                )
                write_calibrations(workdir, known)
        except _StoppedError:
            return False
    return True


def _passes(task: JointMaps) -> int:
    """How often :func:`fit_calibration` predicts every slice."""
    return 2 * len(GAINS) if isinstance(task, WeightedToMaps) else 2


def _uncalibrated(workdir: Path, known: Mapping[int, SpreadCalibration]) -> dict[int, str]:
    """Step to "latest" or "best" of the networks that have no factors yet."""
    found = {}
    for which in (BEST, LATEST):
        try:
            found[load_document(workdir, which=which)[0]] = which
        except CheckpointError:
            continue  # nobody was the best yet
    return {step: which for step, which in found.items() if step not in known}


def fit_calibration(
    objective: Regression,
    task: JointMaps,
    variables: Mapping[str, Any],
    records: JointRecords,
    *,
    batch_size: int,
    done: Callable[[int], object],
) -> SpreadCalibration:
    """The factors and laws of one network, from every voxel in the masks of the records.

    The error is against what the network learned to make: with a target that has noise of its own,
    the standard deviation covers that noise too. The records are predicted twice, for what is said
    of means takes the factors. ``done`` is told of slices that were.
    """
    if isinstance(task, WeightedToMaps):
        ask = functools.partial(said_of, objective.network, variables, task, batch=batch_size)
        return _by_gains(ask, task, records, done, at_most=batch_size)
    said = _said(objective, task)

    def everybody() -> Iterator[Told]:
        for batch in in_order(records, batch_size=batch_size):
            arrays = {name: jnp.asarray(array) for name, array in batch.items()}
            mean, std, wanted = (np.asarray(made) for made in said(variables, arrays))
            yield mean, std, wanted, np.asarray(batch["mask"])[..., 0] > 0
            done(len(mean))

    return _fitted(task, everybody)


def _fitted(task: JointMaps, everybody: Callable[[], Iterator[Told]]) -> SpreadCalibration:
    tally, means = SpreadTally(task.names), MeanTally(task.names)
    for mean, std, wanted, inside in everybody():
        tally.add(mean[inside], std[inside], wanted[inside])
    calibration = SpreadCalibration(tally.factors(task.COVERS))
    for mean, std, wanted, inside in everybody():
        means.add(mean, calibration.scaled(std, mean, task.names), wanted, inside)
    return dataclasses.replace(calibration, laws=means.laws())


def _by_gains(
    ask: Ask,
    task: WeightedToMaps,
    records: JointRecords,
    done: Callable[[int], object],
    *,
    at_most: int,
) -> SpreadCalibration:
    """The same of every kind of gains, by whole studies; itself it is that of one gain."""
    slopes = np.array([spec_of(name).slope for name in task.names], np.float32)

    def everybody(gains: str) -> Iterator[Told]:
        for batch, studies in whole_studies(records, at_most=at_most):
            inside, wanted = batch["mask"][..., 0] > 0, batch["hr"] * slopes
            seen = batch["lr"].astype(np.float32), batch["acquisition_ms"], inside
            mean, std, _ = asked(ask, *seen, gains=gains, fits=task.fits_gains, studies=studies)
            assert std is not None  # only such networks are calibrated
            yield mean, std, wanted, inside
            done(len(mean))

    own = {gains: _fitted(task, functools.partial(everybody, gains)) for gains in GAINS}
    return dataclasses.replace(own[ONE], kinds=own)


def _said(
    objective: Regression, task: JointMaps
) -> Callable[[Any, Batch], tuple[jax.Array, jax.Array, jax.Array]]:
    """From variables and a batch to what is said, how surely, and what it should be.

    All are (n, h, w, c) in physical units.
    """
    count = len(task.names)

    @jax.jit
    def compute(variables: Any, batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
        example = task.whole(batch)
        with jax.default_matmul_precision("highest"):
            output = objective.said(variables, example)
        maps, log_spread = output[..., :count], output[..., count:]
        spread = task.physical_spread(maps, log_spread)
        return task.physical(maps), spread, task.physical(example.target)

    return compute
