"""What a subject has beside its pair: the simulated truth, and the routine scan repeated.

Either may be what a network learns to make; they lie beside the paired series, on the routine grid.
"""

import numpy as np

from qsr_jax.anatomy.label_means import same_grid
from qsr_jax.data.dicom import Series, read_series
from qsr_jax.data.studies.entry import FAST, ROUTINE, Subject
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.truth import check_study, read_true_map
from qsr_jax.types import Volume

REPEAT = "routine2"
"""Name of the repeated scan; its series lie in ``routine2_t1`` ... beside the others."""


def read_repeated(
    manifest: Manifest, subject: Subject, name: str, routine: Volume
) -> Series | None:
    """Reads one map of the repeated routine scan; None where there is no folder of it.

    Args:
        manifest: lists the series.
        subject: whose scan.
        name: of the map.
        routine: the first scan, whose grid the second must lie on.

    Raises:
        DicomInputError: the series cannot be read.
        ValueError: it is another map, or lies on another grid.
    """
    folder = (manifest.root / subject.maps[name].folders[ROUTINE]).parent / f"{REPEAT}_{name}"
    if not folder.is_dir():
        return None
    series = read_series(folder)
    if series.map_name != name or not same_grid(series.volume.geometry, routine.geometry):
        raise ValueError(
            f"{folder}: holds {series.map_name} {series.volume.geometry.shape}, expected {name} on "
            f"the grid of the routine scan {routine.geometry.shape}"
        )
    return series


def read_simulated(
    manifest: Manifest, subject: Subject, name: str, routine: Series
) -> tuple[np.ndarray, bool] | None:
    """One map of the simulated truth, and whether it lies as the head lay in the fast scan.

    Where the head lay elsewhere in the fast scan than in the routine scan, simulated subjects have
    a truth of the fast scan's own view (:mod:`qsr_jax.data.studies.truth`): what a network that
    sees the fast scan can be right about.

    Returns:
        (z, y, x, 1) in the unit of the map on the routine grid, and True where it is the fast
        scan's view; None where nothing was simulated.

    Raises:
        TruthError: the truth is damaged or belongs to another study.
    """
    if subject.truth is None:
        return None
    folder = manifest.root / subject.truth
    check_study(folder, routine.study_uid)
    own_view = (folder / FAST).is_dir()
    place = folder / FAST if own_view else folder
    return read_true_map(place, name, routine.volume.geometry)[..., None], own_view
