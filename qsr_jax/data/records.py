"""Opens the records that ``data_tools.build_dataset`` made; no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader

from qsr_jax.data.manifest import SPLITS
from qsr_jax.maps import spec_of

NAME, VERSION = "qmri_pairs", "1.0.0"
"""Of the dataset. A change of features needs a new version: tfds does not compare them."""

METADATA = {"map", "fingerprint", "grid_alignment", "lr_shape", "lr_spacing_mm", "scale"}
"""What the builder keeps beside the records."""

BUILD = "python -m data_tools.build_dataset --manifest manifest.json --data_dir DIR"


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
    """

    folder: Path
    source: Any
    fingerprint: str
    grid_alignment: str
    lr_shape: tuple[int, int]
    lr_spacing_mm: tuple[float, float, float]
    scale: int

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        try:
            record = self.source[index]
        except RuntimeError as error:
            raise _damaged(self.folder, f"record {index}: {error}") from None
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in record.items()}


def dataset_folder(data_dir: Path, map_name: str) -> Path:
    """Where the records of a map lie: ``data_dir/qmri_pairs/<map>/<version>``."""
    return data_dir / NAME / spec_of(map_name).name / VERSION


def half_written(folder: Path) -> list[Path]:
    """What killed builds left beside a dataset folder."""
    return sorted(folder.parent.glob(f"incomplete.*_{folder.name}"))


def fingerprint_of(folder: Path) -> str:
    """The manifest's fingerprint kept with a whole dataset.

    Raises:
        DatasetError: the dataset is damaged.
    """
    return _opened(folder).info.metadata["fingerprint"]


def open_records(data_dir: Path, map_name: str, split: str) -> Records:
    """Opens one split of one map; a split that nobody was dealt to has no records.

    Raises:
        DatasetError: missing, half-written, damaged, or of another version or map.
        ValueError: ``split`` or ``map_name`` is not known.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    folder = dataset_folder(data_dir, map_name)
    if not folder.is_dir():
        raise DatasetError(_why_missing(folder))
    builder = _opened(folder)
    metadata = builder.info.metadata
    if metadata["map"] != map_name:
        raise DatasetError(f"{folder}: holds {metadata['map']}, expected {map_name}")
    return Records(
        folder=folder,
        source=_source(builder, split, folder) if split in builder.info.splits else (),
        fingerprint=metadata["fingerprint"],
        grid_alignment=metadata["grid_alignment"],
        lr_shape=tuple(metadata["lr_shape"]),
        lr_spacing_mm=tuple(metadata["lr_spacing_mm"]),
        scale=metadata["scale"],
    )


def _opened(folder: Path) -> Any:
    """The read-only tfds builder of a dataset folder, its metadata complete."""
    try:
        builder = tfds.builder_from_directory(folder)
        missing = METADATA - set(builder.info.metadata)
    except Exception as error:  # tfds lets through whatever its files' parsers raise
        raise _damaged(folder, type(error).__name__) from None
    if missing:
        raise _damaged(folder, f"metadata without {', '.join(sorted(missing))}")
    return builder


def _source(builder: Any, split: str, folder: Path) -> Any:
    """The data source of a split whose shards hold as many records as its info promises.

    tfds believes the info; a shard that is missing, cut or another one would show much later.
    """
    info = builder.info.splits[split]
    for path, promised in zip(info.filepaths, info.shard_lengths, strict=True):
        try:
            found = ArrayRecordReader(str(path)).num_records()
        except RuntimeError as error:
            raise _damaged(folder, f"{path.name}: {error}") from None
        if found != promised:
            raise _damaged(folder, f"{path.name}: {found} records, expected {promised}")
    return builder.as_data_source(split)


def _damaged(folder: Path, why: str) -> DatasetError:
    return DatasetError(f"{folder}: damaged ({why}); remove it and build again: {BUILD}")


def _why_missing(folder: Path) -> str:
    if half_written(folder):
        return f"{folder}: a build was cut off and left a half-written dataset; finish it: {BUILD}"
    others = sorted(p.name for p in folder.parent.glob("[0-9]*"))
    if others:
        return (
            f"{folder}: expected version {VERSION}, found {', '.join(others)}; build again: {BUILD}"
        )
    return f"{folder}: no dataset here; build it: {BUILD}"
