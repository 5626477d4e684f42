"""A tfds builder: manifest in, one record per slice, one shard per session. No TensorFlow.

tfds finds configs, names folders and keeps its info; who writes the shards, and where, is up to
:mod:`qsr_jax.data.records.subject_shards`: tfds's own writer goes through the subjects one by one,
and its Beam pipeline gives every shard two nodes of its own, which no graph of ten thousand bears.
"""

import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from qsr_jax.data.records import open as records
from qsr_jax.data.records.card import Counts, write_card
from qsr_jax.data.records.on_beam import on_beam
from qsr_jax.data.records.seal import write_seal
from qsr_jax.data.records.sealed_builder import SealedBuilder
from qsr_jax.data.records.shard_writer import record_features
from qsr_jax.data.records.subject_shards import Shard, SubjectShards
from qsr_jax.data.studies.learned import learned_of
from qsr_jax.data.studies.manifest import Manifest, ManifestError, Subject
from qsr_jax.data.studies.registration import NONE
from qsr_jax.files.journal import Schedule
from qsr_jax.maps import MAPS, spec_of

MANIFEST_NAME = "manifest.json"
SPACING_TOLERANCE = 0.01
USUAL_FOLDS = 5
"""Folds that ``tfds build`` knows by name; :mod:`qsr_jax.data.records.build` builds any."""
DESCRIPTION = """\
Slices of quantitative brain maps (T1, T2 or PD), every subject scanned twice: fast on a coarse grid
("lr") and routine on a grid of twice the matrix ("hr"), with a mask of tissue. One record is one
slice, one shard is one subject. The features are an allow-list: no names, dates, UIDs or paths.
"""
CITATION = "Liu Y et al. JMIR Med Inform 2026;14:e79389. doi:10.2196/79389"

Ready = Iterable[tuple[Subject, Shard]]
"""Every session of the manifest with its shard, in the manifest's order."""


@dataclasses.dataclass(eq=False)
class MapConfig(tfds.core.BuilderConfig):
    """One map, split as the manifest says or as one of its folds says.

    Attributes:
        map_name: "t1", "t2" or "pd".
        fold: such as "3/5", or None.
    """

    map_name: str = ""
    fold: str | None = None


def config_of(map_name: str, fold: str | None) -> MapConfig:
    """The config of a map and a fold; ``t1_fold3of5`` stands for the fold 3/5."""
    spec = spec_of(map_name)
    text = f"{spec.label} maps in {spec.unit}"
    text += "" if fold is None else f", fold {fold}"
    name = records.config_name(map_name, fold)
    return MapConfig(name=name, description=text, map_name=map_name, fold=fold)


class PairsBuilder(SealedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Paired slices of one map.

    tfds's command line finds builders by their folder: a subclass named ``Builder`` stands in
    ``data_tools/qmri_pairs``, and the README and the citation beside it take the place of ours.
    """

    name = records.NAME
    VERSION = tfds.core.Version(records.VERSION)
    RELEASE_NOTES = records.RELEASE_NOTES
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"manual_dir holds {MANIFEST_NAME}, made by `qsr pair` from a tree of scans."
    )
    BUILDER_CONFIGS = [
        config_of(name, fold)
        for fold in (None, *(f"{k}/{USUAL_FOLDS}" for k in range(1, USUAL_FOLDS + 1)))
        for name in MAPS
    ]

    def __init__(
        self,
        *,
        manifest: Path | None = None,
        register: str = NONE,
        ready: Ready | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes what tfds takes, and three more.

        Args:
            manifest: its file; else ``manual_dir/manifest.json`` is read.
            register: whether heads that moved are brought together, see
                :func:`qsr_jax.data.records.subject_slices.subject_slices`.
            ready: shards that are written already; else they are written here, or by the Beam
                pipeline whose options tfds was given.
            **kwargs: tfds's own.
        """
        self._manifest_path, self._register, self._ready = manifest, register, ready
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self._described(record_features(), DESCRIPTION, CITATION)

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        """Takes the shards, then writes the card and, last, the seal; tfds renames the folder."""
        config, path = self.builder_config, self._manifest_path
        path = path or Path(dl_manager.manual_dir) / MANIFEST_NAME
        manifest = Manifest.load(path).in_fold(config.fold)
        metadata = dataset_metadata(manifest, config.map_name, config.fold)
        aside = Path(self.data_dir) / records.UNFINISHED
        ready = self._ready
        if ready is None:
            todo = SubjectShards(
                manifest, aside, (config.map_name,), self._register, manifest.subjects
            )
            todo.write(_schedule(download_config or tfds.download.DownloadConfig()))
            ready = todo.of(config.map_name)
        counts, poses = Counts(config.map_name), {}
        shards: dict[str, dict[str, str | int]] = {}
        for subject, shard in self._taken(ready, shards):
            poses[subject.case] = shard.pose
            if shard.tally is not None:
                counts.add(subject.split, shard.tally)
            elif not counts.slices:
                counts.add_card(shard.path.parent)
        shutil.rmtree(aside, ignore_errors=True)
        self.info.set_splits(self._splits(shards))
        metadata["registration"] = registration_of(self._register, poses)
        self.info.metadata.update(metadata)
        folder = Path(self.data_dir)
        write_card(folder, manifest, counts, metadata)
        inputs = {one.case: dict(one.maps[config.map_name].sha256) for one in manifest.subjects}
        features = self.info.features.to_json()
        write_seal(folder, metadata=metadata, features=features, inputs=inputs, shards=shards)


def _schedule(config: tfds.download.DownloadConfig) -> Schedule:
    """This process, or the Beam pipeline that tfds was given."""
    if config.beam_runner is None and config.beam_options is None:
        return Schedule()
    return Schedule(run=on_beam(config.beam_options, runner=config.beam_runner))


def dataset_metadata(manifest: Manifest, map_name: str, fold: str | None) -> dict[str, Any]:
    """What is kept beside the records.

    Raises:
        ManifestError: nobody to train on, or subjects on different grids; one dataset has one.
    """
    if not manifest.subjects_of(split="train"):
        raise ManifestError("nobody is in the train split; pair with a smaller --test-fraction")
    first = manifest.subjects[0]
    for other in manifest.subjects:
        if not _on_one_grid(first, other):
            raise ManifestError(
                f"subjects {first.subject} and {other.subject} differ in matrix, pixel size or "
                "grid alignment; build one dataset for each"
            )
    return {
        "map": map_name,
        "fold": "" if fold is None else fold,
        "fingerprint": manifest.fingerprint,
        "grid_alignment": first.grid_alignment,
        "lr_shape": list(first.fast_shape[1:]),
        "lr_spacing_mm": list(first.fast_spacing_mm),
        "scale": manifest.scale,
        "learned": learned_of(manifest).to_json(),
    }


def registration_of(register: str, poses: Mapping[str, Sequence[float] | None]) -> dict[str, Any]:
    """The method, and for everybody how far the head had moved: (x, y, z) mm and degrees."""
    return {
        "method": register,
        "subjects": {
            name: {"mm": [*pose[:3]], "deg": [*pose[3:]]}
            for name, pose in poses.items()
            if pose is not None
        },
    }


def _on_one_grid(a: Subject, b: Subject) -> bool:
    """Whether two subjects' images may share a dataset; the number of slices may differ."""
    return (
        a.fast_shape[1:] == b.fast_shape[1:]
        and a.grid_alignment == b.grid_alignment
        and np.allclose(a.fast_spacing_mm, b.fast_spacing_mm, rtol=SPACING_TOLERANCE)
    )
