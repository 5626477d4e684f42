"""The routine scan repeated: what differs between the two is noise, the floor of every method."""

import dataclasses

import numpy as np

from qsr_jax.anatomy.label_means import same_grid
from qsr_jax.data.dicom import read_series
from qsr_jax.data.studies.manifest import ROUTINE, Manifest, Subject
from qsr_jax.maps import MAPS
from qsr_jax.types import Prediction, Volume

REPEAT = "routine2"
"""Method name of the repeated scan; its series lie in ``routine2_t1`` ... beside the others."""


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
    folders = {
        name: (manifest.root / subject.maps[name].folders[ROUTINE]).parent / f"{REPEAT}_{name}"
        for name in MAPS
    }
    missing = [folder.name for folder in folders.values() if not folder.is_dir()]
    if len(missing) == len(folders):
        return None
    if missing:
        raise ValueError(
            f"subject {subject.subject}: {', '.join(missing)} missing beside the others"
        )
    maps = []
    for name, folder in folders.items():
        series = read_series(folder)
        if series.map_name != name or not same_grid(series.volume.geometry, routine.geometry):
            raise ValueError(
                f"{folder}: holds {series.map_name} {series.volume.geometry.shape}, expected "
                f"{name} on the grid of the routine scan {routine.geometry.shape}"
            )
        maps.append(series.volume.maps)
    return dataclasses.replace(routine, maps=np.concatenate(maps, axis=-1), names=tuple(MAPS))


def as_prediction(volume: Volume) -> Prediction:
    """A scan in the place of a prediction, to be measured like one."""
    return Prediction(volume.maps, None, volume.names, volume.geometry)
