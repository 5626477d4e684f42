"""Records of several maps joined, with the slices beside each, as if they were one."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.records.open import DatasetError, Records, open_records
from qsr_jax.types import REPEAT, ROUTINE, TRUTH

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class JointRecords:
    """One split of several maps: channels are the maps, and in ``lr`` the slices beside, too.

    A record's ``lr`` is (h, w, context * c): slices from below to above, maps within each; a
    subject's first and last slices repeat beyond the end. ``hr`` is what is to be learned, (H, W,
    c), or (H, W, 2 c) where that is any of two scans; ``mask`` is (H, W, 1).

    Attributes:
        maps: the records of every map, which must agree slice by slice.
        names: of the maps.
        context: slices in ``lr``: 1, 3 or 5.
        target: one of :data:`qsr_jax.types.TARGETS`: what ``hr`` is.

    Raises:
        DatasetError: the maps were built from different manifests, or are of different lengths or
            grids, or the records do not carry the target.
    """

    maps: tuple[Records, ...]
    names: tuple[str, ...]
    context: int = 1
    target: str = ROUTINE

    def __post_init__(self) -> None:
        """Refuses maps that were not built together."""
        facts = (
            "fingerprint",
            "grid_alignment",
            "lr_shape",
            "lr_spacing_mm",
            "scale",
            "registration",
        )
        for fact in facts:
            self._agreed(fact, [getattr(records, fact) for records in self.maps])
        self._agreed("number of records", [len(records) for records in self.maps])

    def _agreed(self, what: str, found: list[Any]) -> None:
        if any(value != found[0] for value in found):
            pairs = ", ".join(f"{n} {v}" for n, v in zip(self.names, found, strict=True))
            raise DatasetError(f"{self.maps[0].folder}: the maps differ in {what}: {pairs}")

    def __len__(self) -> int:
        return len(self.maps[0])

    def __getitem__(self, index: int) -> Record:
        """One record.

        Raises:
            DatasetError: a record cannot be read, or its maps are of different slices or masks.
        """
        own = [records[index] for records in self.maps]
        for other in own[1:]:
            same = all(other[key] == own[0][key] for key in ("subject", "slice_index"))
            if not same or not np.array_equal(other["mask"], own[0]["mask"]):
                raise DatasetError(
                    f"{self.maps[0].folder}: record {index} of {', '.join(self.names)} shows "
                    "different slices or masks; build all maps from one manifest"
                )
        self.check_target(index, own)
        keys = {ROUTINE: ("hr",), TRUTH: ("truth",), REPEAT: ("hr", "repeat")}[self.target]
        hr = np.concatenate([record[key] for key in keys for record in own], -1)
        return {**own[0], "lr": self._lr(index, own), "hr": hr, "map": "+".join(self.names)}

    def check_target(self, index: int, own: Sequence[Record]) -> None:
        """Refuses the maps of a record if one does not carry what is to be learned.

        Raises:
            DatasetError: whose record, and what to do.
        """
        if self.target == ROUTINE or all(record[self.target].size for record in own):
            return
        way = {
            TRUTH: "only simulated subjects have one",
            REPEAT: "scan subjects again (qsr repeat), then remove the records and build anew",
        }
        raise DatasetError(
            f"{self.maps[0].folder}: task.target is {self.target!r}, and subject "
            f"{own[0]['subject']} (record {index}) has none: {way[self.target]}; or set "
            f"task.target={ROUTINE}"
        )

    def _lr(self, index: int, own: list[Record]) -> np.ndarray:
        channels = []
        for place in self.neighbours[index]:
            records = own if place == index else [records[int(place)] for records in self.maps]
            channels += [record["lr"] for record in records]
        return np.concatenate(channels, -1) if len(channels) > 1 else channels[0]

    @functools.cached_property
    def neighbours(self) -> np.ndarray:
        """Indices of the records beside each one, of the same subject, (N, context) int32."""
        if self.context == 1:
            return np.arange(len(self), dtype=np.int32)[:, None]
        subjects = np.array([self.maps[0][i]["subject"] for i in range(len(self))])
        slices = np.array([self.maps[0][i]["slice_index"] for i in range(len(self))])
        place = {key: i for i, key in enumerate(zip(subjects, slices, strict=True))}
        last = {s: slices[subjects == s].max() for s in set(subjects)}
        offsets = range(-(self.context // 2), self.context // 2 + 1)
        rows = [
            [place[s, min(max(z + offset, 0), last[s])] for offset in offsets]
            for s, z in zip(subjects, slices, strict=True)
        ]
        return np.array(rows, np.int32).reshape(len(self), self.context)

    @property
    def fingerprint(self) -> str:
        """Of the manifest the records were built from."""
        return self.maps[0].fingerprint

    @property
    def learned(self) -> Mapping[str, Any]:
        """Whom a training learns from."""
        return self.maps[0].learned

    @property
    def registration(self) -> Mapping[str, Any]:
        """How the pairs were brought together."""
        return self.maps[0].registration

    @property
    def settings(self) -> Mapping[str, Any]:
        """How studies were drawn; empty of scans."""
        return self.maps[0].settings

    @property
    def grid_alignment(self) -> str:
        """How ``hr`` lies on ``lr``."""
        return self.maps[0].grid_alignment

    @property
    def lr_shape(self) -> tuple[int, int]:
        """(rows, columns) of ``lr``."""
        return self.maps[0].lr_shape

    @property
    def lr_spacing_mm(self) -> tuple[float, float, float]:
        """Distance between (slices, rows, columns) of ``lr``."""
        return self.maps[0].lr_spacing_mm

    @property
    def scale(self) -> int:
        """Matrix of ``hr`` over matrix of ``lr``."""
        return self.maps[0].scale


def open_joint(
    data_dir: Path,
    names: tuple[str, ...],
    split: str,
    *,
    fold: str | None = None,
    context: int = 1,
    target: str = ROUTINE,
) -> JointRecords:
    """Opens one split of several maps, see :func:`qsr_jax.data.records.open.open_records`.

    Raises:
        DatasetError: as there, or the maps were not built together or lack the target.
        ManifestError: ``fold`` is not a fold.
        ValueError: ``split`` or a map is not known.
    """
    opened = tuple(open_records(data_dir, name, split, fold=fold, target=target) for name in names)
    records = JointRecords(opened, names, context, target)
    if target != ROUTINE:
        for index in range(len(records)):  # told before anything is compiled, not in mid-epoch
            records.check_target(index, [records.maps[0][index]])
    return records
