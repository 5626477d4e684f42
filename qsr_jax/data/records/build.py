"""From a manifest to the records of every map, whole or not at all, and further subjects later."""

import contextlib
import io
import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import tensorflow_datasets as tfds

from qsr_jax.data.records import append
from qsr_jax.data.records.builder import MapConfig, PairsBuilder, Ready, config_of, dataset_metadata
from qsr_jax.data.records.open import (
    DatasetError,
    config_name,
    dataset_folder,
    fingerprint_of,
    half_written,
    registration_of,
    split_lengths,
    unfinished,
)
from qsr_jax.data.records.sealed_builder import SealedBuilder
from qsr_jax.data.records.subject_shards import SubjectShards
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.data.studies.movement_numbers import write_movement
from qsr_jax.data.studies.registration import METHODS, NONE
from qsr_jax.files.journal import Schedule
from qsr_jax.maps import MAPS


def build_records(
    manifest: Path,
    data_dir: Path,
    *,
    fold: str | None = None,
    schedule: Schedule | None = None,
    register: str = NONE,
    further: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> bool:
    """Builds the records of T1, T2 and PD; safe to run twice, and goes on where it was killed.

    A whole dataset of the same manifest is left alone, a half-written one is built again from the
    subjects that are done. Where heads were registered, how far they had moved is added to the
    manifest (its fingerprint stays), too.

    Args:
        manifest: made by :func:`qsr_jax.data.studies.pair_folder.pair_folder`.
        data_dir: receives ``qmri_pairs/<map>/<version>``.
        fold: such as "3/5", or None for the manifest's own split.
        schedule: who reads the subjects; the bytes do not depend on it.
        register: "rigid" brings the routine scan to where the head lay in the fast scan, "known"
            likewise by the poses a simulator wrote down, "none" takes the pairs as they lie.
        further: whether a dataset of fewer subjects gets the shards of the new ones.
        tell: takes one line about every map.

    Returns:
        Whether the records are there; False where other machines have shards to do.

    Raises:
        ValueError: ``register`` is not known, or a schedule that cannot be.
        DatasetError: the records could not be written, or those of another manifest lie there.
        ManifestError, DicomInputError, BidsError: the manifest or a series cannot be used.
        IncompleteError: a merge lacks subjects.
    """
    if register not in METHODS:
        raise ValueError(f"register must be one of {', '.join(METHODS)}; got {register!r}")
    schedule = schedule or Schedule()
    listed = Manifest.load(manifest).in_fold(fold)
    todo: dict[str, set[str]] = {}
    for name in MAPS:
        dataset_metadata(listed, name, fold)
        folder = dataset_folder(data_dir, name, fold)
        remove_half_written(folder, tell)
        if not _is_built(folder, listed, register, further=further):
            todo[name] = append.cases_of(folder, listed) if folder.is_dir() else set()
            continue
        tell(f"{folder}: already built from this manifest")
    aside = unfinished(data_dir, fold)
    if not todo:
        shutil.rmtree(aside, ignore_errors=True)
        _tell_manifest(manifest, data_dir, fold)
        return True
    known = set.intersection(*todo.values())
    new = tuple(subject for subject in listed.subjects if subject.case not in known)
    shards = SubjectShards(listed, aside, tuple(MAPS), register, new)
    if not _written(shards, schedule):
        tell(f"{aside}: a shard is done; when all are, the same command with --merge")
        return False
    for name in todo:
        _build_map(manifest, data_dir, name, shards, fold=fold, register=register, tell=tell)
    shutil.rmtree(aside)
    _tell_manifest(manifest, data_dir, fold)
    return True


def _written(shards: SubjectShards, schedule: Schedule) -> bool:
    """Writes the shards that are missing; what the disk refused is told as of a dataset."""
    try:
        return shards.write(schedule)
    except (RuntimeError, OSError) as error:
        raise _not_written(shards.folder, error) from error


def _tell_manifest(manifest: Path, data_dir: Path, fold: str | None) -> None:
    """Writes how far heads had moved where it was found."""
    moved = registration_of(dataset_folder(data_dir, next(iter(MAPS)), fold))["subjects"]
    if moved:
        write_movement(manifest, {name: [*one["mm"], *one["deg"]] for name, one in moved.items()})


def remove_half_written(folder: Path, tell: Callable[[str], None]) -> None:
    """Removes what a killed build left of the dataset in ``folder``, and tells it."""
    append.restore(folder)
    for leftover in half_written(folder):
        tell(f"{leftover}: half-written by a build that was cut off; removed")
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _is_built(folder: Path, listed: Manifest, register: str, *, further: bool) -> bool:
    """Whether the dataset is whole and as asked for; refuses one of another manifest."""
    if not folder.is_dir():
        return False
    if registration_of(folder)["method"] != register:
        raise DatasetError(
            f"{folder}: was built with --register {registration_of(folder)['method']}, asked for "
            f"{register}; remove it or choose another --data_dir"
        )
    if fingerprint_of(folder) == listed.fingerprint:
        return True
    if not further:
        raise DatasetError(
            f"{folder}: was built from another manifest; remove it or choose another --data_dir, "
            "or give --append where this manifest only adds subjects"
        )
    return False


def _build_map(
    manifest: Path,
    data_dir: Path,
    name: str,
    shards: SubjectShards,
    *,
    fold: str | None,
    register: str,
    tell: Callable[[str], None],
) -> None:
    """One map's dataset from shards that are there; behind those of an earlier one, if there is."""
    folder = dataset_folder(data_dir, name, fold)
    if not folder.is_dir():
        _take(manifest, data_dir, name, shards.of(name), fold=fold, register=register)
    else:
        held = append.held(folder, shards.manifest)
        have = {subject.case for subject, _ in held}
        more = (one for one in shards.of(name) if one[0].case not in have)
        with append.replaced(folder, shards.folder / name) as beside:
            ready = itertools.chain(held, more)
            _take(manifest, beside, name, ready, fold=fold, register=register)
    lengths = split_lengths(folder)
    tell(f"{folder}: {', '.join(f'{n} {split}' for split, n in lengths.items())} slices")


def _take(
    manifest: Path, data_dir: Path, name: str, ready: Ready, *, fold: str | None, register: str
) -> None:
    """Lets tfds make the dataset; killed, it leaves ``incomplete.*``, never half a dataset.

    Raises:
        DatasetError: the records could not be written.
    """
    config: str | MapConfig = config_name(name, fold)
    if config not in PairsBuilder.builder_configs:
        config = config_of(name, fold)
    builder = PairsBuilder(
        manifest=manifest, register=register, ready=ready, config=config, data_dir=data_dir
    )
    prepare(builder, dataset_folder(data_dir, name, fold))


def prepare(builder: SealedBuilder, folder: Path) -> None:
    """Lets tfds write the dataset of a builder.

    Args:
        builder: has its shards.
        folder: where it will lie, for the message.

    Raises:
        DatasetError: the records could not be written.
    """
    tfds.disable_progress_bar()  # ours knows how many subjects are left
    # tfds announces a download and wants a folder for it; there is none.
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as nowhere:
        try:
            builder.download_and_prepare(download_dir=nowhere)
        except (RuntimeError, OSError) as error:
            raise _not_written(folder, error) from error


def _not_written(folder: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{folder}: could not be written ({error}); check free disk space. No dataset was left "
        "there, and the same command goes on"
    )
