"""What every tfds builder of ours does: take shards that are written, name, count and seal them."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder
from tensorflow_datasets.core.naming import ShardedFileTemplate

from qsr_jax.data.records.subject_shards import Shard
from qsr_jax.data.studies.manifest import SPLITS

SHARDS = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}"
"""Names of shards: their number alone, not "of how many", so that further subjects rename none."""


class Owner(Protocol):
    """Whose shard it is."""

    @property
    def case(self) -> str:
        """The session, by pseudonym."""
        ...

    @property
    def split(self) -> str:
        """One of :data:`qsr_jax.data.studies.manifest.SPLITS`."""
        ...


OwnerT = TypeVar("OwnerT", bound=Owner)


class SealedBuilder(FileReaderBuilder, skip_registration=True):  # type: ignore[call-arg, misc]
    """A dataset of shards that somebody has written, one for each subject."""

    def _described(
        self, features: tfds.features.FeaturesDict, description: str, citation: str = ""
    ) -> tfds.core.DatasetInfo:
        """What tfds is told of records of a fast ``lr`` and a wanted ``hr``, in their own order."""
        return self.dataset_info_from_configs(
            features=features,
            description=description,
            citation=citation,
            supervised_keys=("lr", "hr"),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _get_filename_template(self, split_name: str) -> ShardedFileTemplate:
        return super()._get_filename_template(split_name).replace(template=SHARDS)

    def _taken(
        self, ready: Iterable[tuple[OwnerT, Shard]], rows: dict[str, dict[str, str | int]]
    ) -> Iterator[tuple[OwnerT, Shard]]:
        """Links every shard into the dataset, under the next number of its split.

        Args:
            ready: the shards.
            rows: receives what the seal says of each, by file name.
        """
        taken: Counter[str] = Counter()
        for owner, shard in ready:
            template = self._get_filename_template(owner.split)
            name = template.relative_filepath(shard_index=taken[owner.split], num_shards=None)
            link(shard.path, Path(self.data_dir) / name)
            taken[owner.split] += 1
            rows[name] = {
                "split": owner.split,
                "subject": owner.case,
                "records": shard.records,
                **shard.facts._asdict(),
            }
            yield owner, shard

    def _splits(self, rows: Mapping[str, Mapping[str, Any]]) -> tfds.core.SplitDict:
        """What tfds knows of the splits."""
        infos = []
        for split in SPLITS:
            mine = [row for row in rows.values() if row["split"] == split]
            if mine:
                infos.append(
                    tfds.core.SplitInfo(
                        name=split,
                        shard_lengths=[row["records"] for row in mine],
                        num_bytes=sum(row["bytes"] for row in mine),
                        filename_template=self._get_filename_template(split),
                    )
                )
        return tfds.core.SplitDict(infos)


def link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the disk has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
