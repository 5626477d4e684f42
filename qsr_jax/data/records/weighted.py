"""Records of T1w, T2w and FLAIR with the maps behind them: one dataset, one record per slice.

The same shards, splits, card and seal as those of pairs (:mod:`qsr_jax.data.records.builder`), with
three channels of images in ``lr``, three of maps in ``hr`` on the same grid, and the seven times of
the study.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from qsr_jax.acquisition import Bands, within
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.data.records.open import AS_THEY_LIE, WEIGHTED, DatasetError, open_folder
from qsr_jax.data.records.seal import write_seal
from qsr_jax.data.records.sealed_builder import SealedBuilder
from qsr_jax.data.records.subject_shards import Shard
from qsr_jax.data.records.weighted_card import write_weighted_card
from qsr_jax.data.studies.learned import LEARNED, TRAINING, Learned
from qsr_jax.files.digest import json_sha256, text_sha256
from qsr_jax.maps import MAPS
from qsr_jax.types import CORNER

VERSION = "1.0.0"
CONFIG = "studies"
HOLDS = "+".join(MAPS)
CONTRAST_SLOPE = 0.005
"""Percent of the signal of fully relaxed water at TE 0 that one stored unit of ``lr`` is."""

LABELS = ("tissue", "lesion")
SALT = text_sha256("subjects of weighted records are named by their content")[:16]
"""Stands where manifests name the salt of their pseudonyms."""


class WeightedSubject(NamedTuple):
    """Whose records they are.

    Attributes:
        case: pseudonym, made of the content.
        split: one of :data:`qsr_jax.data.studies.manifest.SPLITS`.
        source: "simulated" or "measured".
        inputs: digest of everything the records depend on.
    """

    case: str
    split: str
    source: str
    inputs: str


Ready = Sequence[tuple[WeightedSubject, Shard]]


def weighted_features() -> tfds.features.FeaturesDict:
    """What a record holds: an allow-list; no names, dates, UIDs or paths."""

    def image(dtype: type, channels: int, encoding: str = "bytes") -> tfds.features.Tensor:
        return tfds.features.Tensor(shape=(None, None, channels), dtype=dtype, encoding=encoding)

    def numbers(*shape: int) -> tfds.features.Tensor:
        return tfds.features.Tensor(shape=shape, dtype=np.float32)

    return tfds.features.FeaturesDict({
        "lr": image(np.uint16, 3),
        "hr": image(np.uint16, 3),
        "mask": image(np.uint8, 1),
        "tissue": image(np.uint8, 1, "zlib"),
        "lesion": image(np.uint8, 1, "zlib"),
        "acquisition_ms": numbers(7),
        "subject": tfds.features.Text(),
        "source": tfds.features.Text(),
        "draw": np.int32,
        "slice_index": np.int32,
        "slice_mm": np.float32,
        "spacing_mm": numbers(3),
        "field_t": np.float32,
        "flat": np.uint8,
        "snr": np.float32,
        "shift_px": numbers(3, 2),
        "turn_deg": numbers(3),
        "resolution_mm": numbers(3),
    })  # fmt: skip


@dataclasses.dataclass(eq=False)
class StudiesConfig(tfds.core.BuilderConfig):
    """The one config there is."""


class WeightedBuilder(SealedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Slices of T1w, T2w, FLAIR and of T1, T2, PD."""

    name = WEIGHTED
    VERSION = tfds.core.Version(VERSION)
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        StudiesConfig(name=CONFIG, description="weighted studies of heads whose maps are known")
    ]

    def __init__(self, *, ready: Ready, about: Mapping[str, Any], **kwargs: Any) -> None:
        """Takes what tfds takes, and two more.

        Args:
            ready: shards that are written, in the order of the dataset.
            about: metadata, from :func:`weighted_metadata`.
            **kwargs: tfds's own.
        """
        self._ready, self._about = ready, about
        super().__init__(file_format="array_record", config=CONFIG, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self._described(
            weighted_features(),
            "T1w, T2w and FLAIR images of heads whose T1, T2 and PD are known.",
        )

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        """Takes the shards, then writes the card and, last, the seal; tfds renames the folder."""
        del dl_manager, download_config
        rows: dict[str, dict[str, str | int]] = {}
        tallies = [(one, shard.tally or {}) for one, shard in self._taken(self._ready, rows)]
        self.info.set_splits(self._splits(rows))
        self.info.metadata.update(self._about)
        folder = Path(self.data_dir)
        write_weighted_card(folder, [(s.split, s.source, t) for s, t in tallies], self._about)
        write_seal(
            folder,
            metadata=self._about,
            features=self.info.features.to_json(),
            inputs={one.case: {"maps": one.inputs} for one, _ in self._ready},
            shards=rows,
        )


def weighted_folder(data_dir: Path) -> Path:
    """Where the records lie: ``data_dir/weighted_maps/studies/<version>``."""
    return data_dir / WEIGHTED / CONFIG / VERSION


def check_subjects(subjects: Sequence[WeightedSubject]) -> None:
    """Refuses what cannot be a dataset.

    Raises:
        ValueError: nobody to train on, or one subject twice.
    """
    cases = [one.case for one in subjects]
    twice = sorted({case for case in cases if cases.count(case) > 1})
    if twice:
        raise ValueError(f"subject {twice[0]} is given twice; one subject is in one split, once")
    if all(one.split != "train" for one in subjects):
        raise ValueError("nobody is in the train split; name fewer for --test and --validation")


def fingerprint(subjects: Sequence[WeightedSubject], settings: Mapping[str, Any]) -> str:
    """Hex sha256 of what ends in the records."""
    return json_sha256([settings, [list(one) for one in subjects]])


def weighted_metadata(
    subjects: Sequence[WeightedSubject],
    settings: Mapping[str, Any],
    *,
    spacing_mm: Sequence[float],
) -> dict[str, Any]:
    """What is kept beside the records.

    Args:
        subjects: in the order of the dataset.
        settings: how studies were drawn, JSON; "matrix" is (rows, columns) of every record.
        spacing_mm: of the first subject, (slices, rows, columns); each record tells its own.
    """
    known = frozenset(one.case for one in subjects if one.split in TRAINING)
    return {
        "map": HOLDS,
        "fold": "",
        "fingerprint": fingerprint(subjects, settings),
        "grid_alignment": CORNER,
        "lr_shape": list(settings["matrix"]),
        "lr_spacing_mm": [float(mm) for mm in spacing_mm],
        "scale": 1,
        "registration": dict(AS_THEY_LIE),
        "settings": dict(settings),
        LEARNED: Learned(SALT, known, frozenset()).to_json(),
    }


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """Some of the records of a source."""

    source: Any
    places: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return self.source[self.places[index]]


def open_weighted(
    data_dir: Path, split: str, *, labels: bool = False, without: Bands = ()
) -> JointRecords:
    """Opens one split, as what the trainer takes.

    ``lr`` and ``hr`` of a record have three channels each, and the same grid (scale 1).

    Args:
        data_dir: the folder given to ``data_tools.synthesise_weighted``.
        split: "train", "validation" or "test".
        labels: whether ``tissue`` and ``lesion`` are unpacked.
        without: bands of times; studies with a time in one of them are left out.

    Raises:
        DatasetError: missing, half-written, damaged, or of another version; or the bands leave
            nothing of a split that holds records.
        ValueError: ``split`` is not known.
    """
    packed = () if labels else LABELS
    folder, holds = weighted_folder(data_dir), (HOLDS, "")
    records = open_folder(folder, split, holds=holds, packed=packed)
    if without:
        unread = ("lr", "hr", "mask", *LABELS)
        quick = open_folder(folder, split, holds=holds, packed=unread)
        times = [quick[index]["acquisition_ms"] for index in range(len(quick))]
        places = tuple(i for i, one in enumerate(times) if not within(one, without))
        if times and not places:
            raise DatasetError(
                f"{folder}: the bands {without} leave nothing of {split}; expected narrower ones"
            )
        records = dataclasses.replace(records, source=_Chosen(records.source, places))
    return JointRecords((records,), tuple(MAPS))
