"""What a subject costs on the way from DICOM to records, beside a loop that checks nothing."""

import contextlib
import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from launch.bench import material
from launch.bench.dicom_reading import copy_plain
from qsr_jax.data.dicom import survey
from qsr_jax.data.dicom.deidentified_copy import copy_without_subjects
from qsr_jax.data.dicom.series_rules import PROTOCOLS
from qsr_jax.data.nifti.convert import convert_tree
from qsr_jax.data.records.build import build_records
from qsr_jax.data.studies.manifest import DICOM
from qsr_jax.data.studies.pair_folder import pair_folder, write_manifest
from qsr_jax.files.journal import Schedule

SALT = bytes(32)
MOST_REPEATS = 3
SERIES = (6, 60, 600)
"""Of two slices of 16 x 16, six a subject: what does not depend on pixels shows here."""


def bench(folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Processor seconds per subject of every step, the least of a few runs, and per tiny series."""
    tree, subjects = folder / "dicom", 2
    material.write_subjects(tree)
    plain = 0.0
    for name, step in _steps(tree, folder).items():
        least = min(_seconds(step, folder / "out") for _ in range(min(repeats, MOST_REPEATS)))
        plain = plain or least
        yield {
            "what": "cohort",
            "step": name,
            "subjects": subjects,
            "cpu_s_per_subject": least / subjects,
            "ratio_to_plain_loop": least / plain,
        }
    yield from _many_series(folder)


def _steps(tree: Path, folder: Path) -> dict[str, Callable[[Path], object]]:
    """Name to work that writes below the path it is given; the plain loop first."""
    manifest = folder / "manifest.json"

    def pair(out: Path) -> None:
        out.mkdir()
        found = pair_folder(tree, out / "m.json", kind=DICOM, seed=0, test_fraction=0.0)
        assert found is not None  # all of it is done here
        write_manifest(found, out / "m.json")
        if not manifest.exists():
            write_manifest(found, manifest)

    def convert(out: Path) -> None:
        convert_tree(tree, out, unit=None, protocols=PROTOCOLS, schedule=Schedule())

    return {
        "plain pydicom loop: read, rename, write": lambda out: copy_plain(tree, out),
        "inspect": lambda _: survey(tree, protocols=PROTOCOLS, known=lambda _: ""),
        "deidentify": lambda out: copy_without_subjects(tree, out, salt=SALT, groups=None),
        "pair": pair,
        "build": lambda out: build_records(manifest, out),
        "convert": convert,
    }


def _many_series(folder: Path) -> Iterator[dict[str, Any]]:
    """De-identification of more and more tiny series: milliseconds of each must not grow."""
    for count in SERIES:
        tree = folder / f"tiny{count}"
        material.write_tiny(tree, count)

        def copy(out: Path, tree: Path = tree) -> None:
            copy_without_subjects(tree, out, salt=SALT, groups=None)

        least = min(_seconds(copy, folder / "out") for _ in range(2))
        yield {
            "what": "cohort",
            "step": "deidentify, tiny series",
            "series": count,
            "cpu_ms_per_series": 1000 * least / count,
        }


def _seconds(step: Callable[[Path], object], out: Path) -> float:
    """Processor seconds of one run into an empty place; nothing but rows is printed."""
    shutil.rmtree(out, ignore_errors=True)
    with contextlib.redirect_stderr(io.StringIO()):
        started = time.process_time()
        step(out)
        return time.process_time() - started
