"""Opens the records that ``data_tools.build_dataset`` made; no TensorFlow."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from qsr_jax.data.records.seal import check_files, read_seal
from qsr_jax.data.studies.manifest import SPLITS, parse_fold
from qsr_jax.data.studies.registration import NONE
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.seal import SealError
from qsr_jax.maps import spec_of
from qsr_jax.types import REPEAT, ROUTINE, TRUTH

NAME, VERSION = "qmri_pairs", "4.0.0"
"""Of the dataset. A change of features needs a new version: tfds does not compare them."""
RELEASE_NOTES = {
    "1.0.0": "First release.",
    "2.0.0": "One shard per person, a seal over all of them, a card; folds.",
    "3.0.0": "The feature person is called subject.",
    "4.0.0": "The truth of simulated subjects and the repeated routine scan, where there are any.",
}

AS_THEY_LIE: Mapping[str, Any] = {"method": NONE, "subjects": {}}
"""Registration of pairs that were not registered."""

UNFINISHED = ".unfinished"
"""Folder of shards that no dataset has taken yet."""

WEIGHTED = "weighted_maps"
"""Name of the dataset of :mod:`qsr_jax.data.records.weighted`."""

BUILD = {
    NAME: "qsr build --manifest manifest.json --data_dir DIR",
    WEIGHTED: "qsr synthesise-weighted --cohort DIR --data_dir DIR",
}
"""How a dataset is made, by its name."""


class DatasetError(ValueError):
    """Records that are missing, half-written or not what was asked for."""


@dataclasses.dataclass(frozen=True)
class Records:
    """One split of one map: ``len(records)``, ``records[i]`` a dict of numpy arrays and values.

    A record that cannot be read raises :class:`DatasetError`.

    Attributes:
        folder: where the dataset lies.
        source: tfds data source of the split.
        fingerprint: of the manifest the records were built from.
        grid_alignment: how ``hr`` lies on ``lr``.
        lr_shape: (rows, columns) of ``lr``.
        lr_spacing_mm: distance between (slices, rows, columns) of ``lr``.
        scale: matrix of ``hr`` over matrix of ``lr``.
        registration: method, and subject to how far its head had moved.
        learned: whom a training on these records learns from, see
            :class:`qsr_jax.data.studies.learned.Learned`.
        settings: how studies were drawn that are computed from known maps; empty of scans.
    """

    folder: Path
    source: Any
    fingerprint: str
    grid_alignment: str
    lr_shape: tuple[int, int]
    lr_spacing_mm: tuple[float, float, float]
    scale: int
    registration: Mapping[str, Any] = dataclasses.field(default_factory=lambda: AS_THEY_LIE)
    learned: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        try:
            record = self.source[index]
        except RuntimeError as error:
            raise _damaged(self.folder, f"record {index}: {error}") from None
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in record.items()}


def config_name(map_name: str, fold: str | None) -> str:
    """What tfds calls a map and a fold: ``t1``, or ``t1_fold3of5`` for the fold "3/5".

    Raises:
        ValueError: no such map.
        ManifestError: not a fold.
    """
    name = spec_of(map_name).name
    return name if fold is None else "{}_fold{}of{}".format(name, *parse_fold(fold))


def dataset_folder(data_dir: Path, map_name: str, fold: str | None = None) -> Path:
    """Where the records of a map lie: ``data_dir/qmri_pairs/<map>/<version>``."""
    return data_dir / NAME / config_name(map_name, fold) / VERSION


def unfinished(data_dir: Path, fold: str | None) -> Path:
    """Where a build keeps the subjects that are done until the datasets are whole."""
    suffix = "" if fold is None else "_fold{}of{}".format(*parse_fold(fold))
    return data_dir / NAME / f"{UNFINISHED}{suffix}"


def half_written(folder: Path) -> list[Path]:
    """What killed builds left beside a dataset folder, and tfds's small file of all of them."""
    beside = folder.parents[1] / ".config"
    leftovers = [*folder.parent.glob(f"incomplete.*_{folder.name}"), *beside.glob("*incomplete*")]
    return sorted(leftovers)


def fingerprint_of(folder: Path) -> str:
    """The manifest's fingerprint kept with a whole dataset.

    Raises:
        DatasetError: the dataset is damaged.
    """
    return _opened(folder)[1]["metadata"]["fingerprint"]


def registration_of(folder: Path) -> Mapping[str, Any]:
    """How the pairs of a whole dataset were brought together.

    Raises:
        DatasetError: the dataset is damaged.
    """
    return _registration(_opened(folder)[1]["metadata"])


def _registration(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a dataset's metadata; older ones say nothing and took the pairs as they lie."""
    return metadata.get("registration", AS_THEY_LIE)


def split_lengths(folder: Path) -> dict[str, int]:
    """Split to number of records of a whole dataset, by name.

    Raises:
        DatasetError: the dataset is damaged.
    """
    splits = _opened(folder)[0].info.splits
    return {name: splits[name].num_examples for name in sorted(splits)}


def open_records(
    data_dir: Path,
    map_name: str,
    split: str,
    *,
    fold: str | None = None,
    target: str = ROUTINE,
) -> Records:
    """Opens one split of one map; a split that nobody was dealt to has no records.

    Every shard of the split is read once and compared with the seal of the build.

    Args:
        data_dir: the folder given to ``data_tools.build_dataset``.
        map_name: "t1", "t2" or "pd".
        split: "train", "validation" or "test".
        fold: such as "3/5", or None for the manifest's own split.
        target: one of :data:`qsr_jax.types.TARGETS`; what else a record carries stays packed.

    Raises:
        DatasetError: missing, half-written, damaged, or of another version or map.
        ManifestError: ``fold`` is not a fold.
        ValueError: ``split`` or ``map_name`` is not known.
    """
    folder = dataset_folder(data_dir, map_name, fold)
    packed = [key for key in (TRUTH, REPEAT) if key != target]
    return open_folder(folder, split, holds=(map_name, fold or ""), packed=packed)


def open_folder(
    folder: Path, split: str, *, holds: tuple[str, str], packed: Sequence[str]
) -> Records:
    """Opens one split of the dataset in ``folder``; see :func:`open_records`.

    Args:
        folder: of the dataset.
        split: "train", "validation" or "test".
        holds: map and fold that its metadata must say.
        packed: features that nobody will read; they are not decoded.

    Raises:
        DatasetError: missing, half-written, damaged, or it holds something else.
        ValueError: ``split`` is not known.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if not folder.is_dir():
        raise DatasetError(_why_missing(folder))
    builder, seal = _opened(folder)
    metadata = seal["metadata"]
    if (metadata["map"], metadata["fold"]) != holds:
        held = " ".join(filter(None, (metadata["map"], metadata["fold"])))
        raise DatasetError(f"{folder}: holds {held}, expected {' '.join(holds)}".rstrip())
    try:
        check_files(folder, seal, split=split)
    except SealError as error:
        raise _damaged(folder, str(error)) from None
    return Records(
        folder=folder,
        source=_source(builder, split, packed) if split in builder.info.splits else (),
        fingerprint=metadata["fingerprint"],
        grid_alignment=metadata["grid_alignment"],
        lr_shape=tuple(metadata["lr_shape"]),
        lr_spacing_mm=tuple(metadata["lr_spacing_mm"]),
        scale=metadata["scale"],
        registration=_registration(metadata),
        learned=metadata["learned"],
        settings=metadata.get("settings", {}),
    )


def _source(builder: Any, split: str, packed: Sequence[str]) -> Any:
    """The data source; what nobody reads stays packed."""
    return builder.as_data_source(split, decoders=dict.fromkeys(packed, tfds.decode.SkipDecoding()))


def _opened(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The read-only tfds builder of a dataset folder and its seal, which agree."""
    try:
        seal = read_seal(folder)
    except SealError as error:
        raise _damaged(folder, str(error)) from None
    try:
        info = (builder := tfds.builder_from_directory(folder)).info
        found = {
            "metadata.json": json_sha256(dict(info.metadata)) == json_sha256(seal["metadata"]),
            "features.json": json_sha256(info.features.to_json()) == seal["features"],
            "dataset_info.json": _lengths(info) == _sealed_lengths(seal),
        }
    except Exception as error:  # tfds lets through whatever its files' parsers raise
        raise _damaged(folder, type(error).__name__) from None
    for name, equal in found.items():
        if not equal:
            raise _damaged(folder, f"{name}: does not say what was sealed")
    return builder, seal


def _lengths(info: tfds.core.DatasetInfo) -> dict[str, int]:
    """File name of every shard to its number of records, as tfds believes."""
    return {
        Path(path).name: length
        for split in info.splits.values()
        for path, length in zip(split.filepaths, split.shard_lengths, strict=True)
    }


def _sealed_lengths(seal: dict[str, Any]) -> dict[str, int]:
    """The same, as the build sealed it."""
    return {name: row["records"] for name, row in seal["shards"].items()}


def _damaged(folder: Path, why: str) -> DatasetError:
    return DatasetError(f"{folder}: damaged ({why}); remove it and build again: {_way(folder)}")


def _way(folder: Path) -> str:
    """The command that makes the dataset in a folder."""
    return BUILD.get(folder.parents[1].name, BUILD[NAME])


def _why_missing(folder: Path) -> str:
    way = _way(folder)
    if half_written(folder) or [*folder.parents[1].glob(f"{UNFINISHED}*")]:
        return f"{folder}: a build was cut off and left a half-written dataset; finish it: {way}"
    others = sorted(p.name for p in folder.parent.glob("[0-9]*"))
    if others:
        found = ", ".join(others)
        return f"{folder}: expected version {folder.name}, found {found}; build again: {way}"
    return f"{folder}: no dataset here; build it: {way}"
