"""Keeps what the scans look like that a network learns from, when a training ends."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from qsr_jax.data.records.joint import JointRecords
from qsr_jax.familiarity import FamiliarityError, features_of, know
from qsr_jax.familiarity.features import Features
from qsr_jax.familiarity.saving import read_known, write_known
from qsr_jax.maps import spec_of
from qsr_jax.training.plan import Plan
from qsr_jax.types import ROUTINE, Geometry, Volume


def keep_familiar(workdir: Path, plan: Plan, open_validation: Callable[[], JointRecords]) -> None:
    """Writes the known scans of a training's subjects into its workdir.

    It looks at fast scans alone, so one file serves every step of a workdir. Nothing happens where
    it is there already, with too few subjects to tell what is usual, or where no maps go in.

    Args:
        workdir: of a training that has ended.
        plan: of the training.
        open_validation: gives the validation split.
    """
    if not plan.task.SEES_MAPS:
        return
    fingerprint = plan.records.fingerprint
    try:
        if read_known(workdir)[1] == fingerprint:
            return
    except FamiliarityError:
        pass  # made anew, as its message says
    trained = list(described(plan.records))
    known = know(plan.task.names, trained, list(described(open_validation())))
    if known is not None:
        write_known(workdir, known, fingerprint=fingerprint)


def described(records: JointRecords) -> Iterator[Features]:
    """What describes the fast scan of every subject of a split; one without a head is left out."""
    for volume in fast_scans(records):
        found = features_of(volume)
        if found is not None:
            yield found


def fast_scans(records: JointRecords) -> Iterator[Volume]:
    """The fast scan of every subject of a split; a subject's records lie together."""
    alone = dataclasses.replace(records, context=1, target=ROUTINE)
    slopes = np.array([spec_of(name).slope for name in alone.names], np.float32)
    everything = (alone[index] for index in range(len(alone)))
    for _, mine in itertools.groupby(everything, key=lambda record: record["subject"]):
        slices = {int(record["slice_index"]): record["lr"] for record in mine}
        maps = np.stack([slices[index] for index in sorted(slices)]) * slopes
        place = Geometry(
            (0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), alone.lr_spacing_mm, maps.shape[:3]
        )
        yield Volume(maps, alone.names, place)
