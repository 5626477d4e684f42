"""The routine scan repeated: what differs between the two is noise, the floor of every method."""

import dataclasses

import numpy as np

from qsr_jax.data.studies.manifest import Manifest, Subject
from qsr_jax.data.studies.target_scans import REPEAT, read_repeated
from qsr_jax.maps import MAPS
from qsr_jax.types import Prediction, Volume


def read_repeat(manifest: Manifest, subject: Subject, routine: Volume) -> Volume | None:
    """Reads the repeated routine scan of a subject; None where there is none.

    Args:
        manifest: lists the series.
        subject: whose scan.
        routine: the first scan, whose grid the second must lie on.

    Raises:
        DicomInputError: a series cannot be read.
        ValueError: some maps are missing, are of another kind, or lie on another grid.
    """
    found = {name: read_repeated(manifest, subject, name, routine) for name in MAPS}
    missing = [f"{REPEAT}_{name}" for name, series in found.items() if series is None]
    if len(missing) == len(found):
        return None
    if missing:
        raise ValueError(
            f"subject {subject.subject}: {', '.join(missing)} missing beside the others"
        )
    maps = [series.volume.maps for series in found.values() if series is not None]
    return dataclasses.replace(routine, maps=np.concatenate(maps, axis=-1), names=tuple(MAPS))


def as_prediction(volume: Volume) -> Prediction:
    """A scan in the place of a prediction, to be measured like one."""
    return Prediction(volume.maps, None, volume.names, volume.geometry)
