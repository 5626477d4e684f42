"""How fast scans are read: the strict reader beside a plain loop that checks nothing."""

import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pydicom

from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import find_series, image_files
from qsr_jax.data.dicom.read import read_folder


@dataclasses.dataclass(frozen=True)
class IngestRate:
    """What was measured.

    Attributes:
        studies: folders that hold series folders.
        series: series in them.
        strict_per_minute: studies per minute through ``read_folder``.
        plain_per_minute: studies per minute through :func:`read_plain`.
    """

    studies: int
    series: int
    strict_per_minute: float
    plain_per_minute: float

    @property
    def ratio(self) -> float:
        """Speed of the strict reader in parts of the plain loop's."""
        return self.strict_per_minute / self.plain_per_minute


def read_plain(folder: Path) -> np.ndarray:
    """The loop that everybody writes, (z, y, x) float32: no check, pydicom's own pixels."""
    datasets = [pydicom.dcmread(path) for path in image_files(folder)]
    datasets.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    slices = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in datasets]
    return np.stack(slices).astype(np.float32)


def copy_plain(root: Path, out: Path) -> None:
    """The loop that everybody writes to rename a subject: read, set two attributes, write."""
    out.mkdir(parents=True)
    for number, path in enumerate(sorted(root.rglob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        dataset.PatientName = dataset.PatientID = "x"
        dataset.save_as(out / f"{number:06d}.dcm")


def ingest_rate(root: Path, *, workers: int, repeats: int) -> IngestRate:
    """Reads every series under ``root`` in both ways, by turns, and takes each way's best time.

    Args:
        root: a tree with one folder per study and in it one folder per single-frame map series.
        workers: processes that read; 1 reads in this one.
        repeats: how often everything is read, after one reading that is not timed.

    Raises:
        DicomInputError: no series, or one that is refused.
    """
    folders = [one.place for one in find_series(root).series]
    if not folders:
        raise DicomInputError(root, "file", "no DICOM files in this tree")
    studies = len({folder.parent for folder in folders})
    if workers == 1:
        times = _best_times(folders, _in_turn, repeats)
    else:
        # JAX has threads by now: a forked process could hang
        pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        with pool:
            times = _best_times(folders, functools.partial(_shared, pool), repeats)
    strict, plain = (60.0 * studies / seconds for seconds in times)
    return IngestRate(studies, len(folders), strict, plain)


Run = Callable[[Callable[[Path], None], Sequence[Path]], None]


def _best_times(folders: Sequence[Path], run: Run, repeats: int) -> tuple[float, float]:
    """Seconds of the strict and of the plain way, everything read once."""
    best = [float("inf"), float("inf")]
    run(_strict, folders)  # wakes the workers and fills the cache of the system
    for _ in range(repeats):
        for at, one in enumerate((_strict, _plain)):
            started = time.perf_counter()
            run(one, folders)
            best[at] = min(best[at], time.perf_counter() - started)
    return best[0], best[1]


def _in_turn(one: Callable[[Path], None], folders: Sequence[Path]) -> None:
    for folder in folders:
        one(folder)


def _shared(
    pool: concurrent.futures.Executor, one: Callable[[Path], None], folders: Sequence[Path]
) -> None:
    list(pool.map(one, folders))


def _strict(folder: Path) -> None:
    """Reads and forgets; what a process reads need not travel back."""
    read_folder(folder)


def _plain(folder: Path) -> None:
    read_plain(folder)
