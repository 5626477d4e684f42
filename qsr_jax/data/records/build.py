"""From a manifest to the records of every map, whole or not at all."""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import tensorflow_datasets as tfds

from qsr_jax.data.records.builder import Known, MapConfig, PairsBuilder, config_of
from qsr_jax.data.records.open import (
    DatasetError,
    config_name,
    dataset_folder,
    fingerprint_of,
    half_written,
    registration_of,
    split_lengths,
)
from qsr_jax.data.records.read_ahead import Run, workers
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.registration import METHODS, NONE
from qsr_jax.maps import MAPS


def build_records(
    manifest: Path,
    data_dir: Path,
    *,
    fold: str | None = None,
    processes: int = 1,
    register: str = NONE,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Builds the records of T1, T2 and PD; safe to run twice.

    A whole dataset of the same manifest is left alone, a half-written one is built again.

    Args:
        manifest: made by :func:`qsr_jax.data.studies.pair_folder.pair_folder`.
        data_dir: receives ``qmri_pairs/<map>/<version>``.
        fold: such as "3/5", or None for the manifest's own split.
        processes: that read subjects; the bytes do not depend on it.
        register: "rigid" brings the routine scan to where the head lay in the fast scan, "none"
            takes the pairs as they lie.
        tell: takes one line about every map.

    Raises:
        ValueError: ``processes`` is below 1, or ``register`` is not known.
        DatasetError: the records could not be written, or those of another manifest lie there.
        ManifestError, DicomInputError, BidsError: the manifest or a series cannot be used.
    """
    if processes < 1:
        raise ValueError(f"processes (--workers) must be at least 1; got {processes}")
    if register not in METHODS:
        raise ValueError(f"register must be one of {', '.join(METHODS)}; got {register!r}")
    listed = Manifest.load(manifest).in_fold(fold)
    known: Known = {}
    with workers(processes) as run:
        for name in MAPS:
            folder = dataset_folder(data_dir, name, fold)
            _remove_half_written(folder, tell)
            if _is_built(folder, listed.fingerprint, register):
                tell(f"{folder}: already built from this manifest")
                continue
            build_map(
                manifest,
                data_dir,
                name,
                fold=fold,
                known=known,
                register=register,
                run=(run, processes),
            )
            lengths = split_lengths(folder)
            tell(f"{folder}: {', '.join(f'{n} {split}' for split, n in lengths.items())} slices")


def _remove_half_written(folder: Path, tell: Callable[[str], None]) -> None:
    for leftover in half_written(folder):
        tell(f"{leftover}: half-written by a build that was cut off; removed")
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _is_built(folder: Path, fingerprint: str, register: str) -> bool:
    """Whether the dataset is whole and as asked for; refuses one of another manifest."""
    if not folder.is_dir():
        return False
    if fingerprint_of(folder) != fingerprint:
        raise DatasetError(
            f"{folder}: was built from another manifest; remove it or choose another --data_dir"
        )
    if registration_of(folder)["method"] != register:
        raise DatasetError(
            f"{folder}: was built with --register {registration_of(folder)['method']}, asked for "
            f"{register}; remove it or choose another --data_dir"
        )
    return True


def build_map(
    manifest: Path,
    data_dir: Path,
    map_name: str,
    *,
    fold: str | None,
    known: Known,
    register: str,
    run: tuple[Run, int],
) -> None:
    """Builds the records of one map; a killed build leaves ``incomplete.*``, never half a dataset.

    Args:
        manifest: made by :func:`qsr_jax.data.studies.pair_folder.pair_folder`.
        data_dir: receives ``qmri_pairs/<map>/<version>``.
        map_name: "t1", "t2" or "pd".
        fold: such as "3/5", or None for the manifest's own split.
        known: filled on the first map, reused by the next ones.
        register: see :func:`build_records`.
        run: see :func:`qsr_jax.data.records.read_ahead.workers`, and their number.

    Raises:
        DatasetError: the records could not be written.
        ManifestError, DicomInputError, BidsError: the manifest or a series cannot be used.
    """
    tfds.disable_progress_bar()  # ours knows how many subjects are left
    config: str | MapConfig = config_name(map_name, fold)
    if config not in PairsBuilder.builder_configs:
        config = config_of(map_name, fold)
    builder = PairsBuilder(
        manifest=manifest,
        known=known,
        register=register,
        run=run,
        config=config,
        data_dir=data_dir,
    )
    # tfds announces a download and wants a folder for it; there is none.
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as nowhere:
        try:
            builder.download_and_prepare(download_dir=nowhere)
        except (RuntimeError, OSError) as error:
            folder = dataset_folder(data_dir, map_name, fold)
            why = f"could not be written ({error}); check free disk space. Nothing was left there"
            raise DatasetError(f"{folder}: {why}") from error
