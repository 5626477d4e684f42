"""A tfds builder: manifest in, one record per slice, one shard per subject. No TensorFlow."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from qsr_jax.data.records import open as records
from qsr_jax.data.records.card import Tally, write_card
from qsr_jax.data.records.read_ahead import Run, in_order, workers
from qsr_jax.data.records.seal import write_seal
from qsr_jax.data.records.shard_writer import PlainWriter
from qsr_jax.data.records.subject_slices import Shared, Slices, subject_slices
from qsr_jax.data.studies.manifest import SPLITS, Manifest, ManifestError, Subject
from qsr_jax.data.studies.registration import NONE
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
READ_AHEAD = 2
"""Subjects that wait, read, for each process: some 25 MB each."""

Known = dict[str, Shared]
"""Subject to what its maps share: made once, used by the builders of all maps."""


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


class PairsBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
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
        known: Known | None = None,
        register: str = NONE,
        run: tuple[Run, int] | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes what tfds takes, and three more.

        Args:
            manifest: its file; else ``manual_dir/manifest.json`` is read.
            known: filled with what the maps share and read by builders of other maps.
            register: whether heads that moved are brought together, see
                :func:`qsr_jax.data.records.subject_slices.subject_slices`.
            run: what starts calls, and in how many processes; else everything happens here.
            **kwargs: tfds's own.
        """
        self._manifest_path, self._known = manifest, {} if known is None else known
        self._register = register
        self._run = run
        self._owners: dict[str, str] = {}
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        def image(dtype: type) -> tfds.features.Tensor:
            return tfds.features.Tensor(shape=(None, None, 1), dtype=dtype, encoding="bytes")

        features = {
            "lr": image(np.uint16),
            "hr": image(np.uint16),
            "mask": image(np.uint8),
            "slope": np.float32,
            "subject": tfds.features.Text(),
            "slice_index": np.int32,
            "slice_mm": np.float32,
            "spacing_mm": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "map": tfds.features.Text(),
            "grid_alignment": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            description=DESCRIPTION,
            citation=CITATION,
            supervised_keys=("lr", "hr"),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _example_writer(self) -> PlainWriter:
        return PlainWriter(file_format=self.info.file_format)

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig | None = None,
    ) -> None:
        """Writes the shards, then the card and, last, the seal; tfds renames the folder."""
        config, path = self.builder_config, self._manifest_path
        path = path or Path(dl_manager.manual_dir) / MANIFEST_NAME
        self._manifest = Manifest.load(path).in_fold(config.fold)
        self._tally = Tally(config.map_name)
        metadata = dataset_metadata(self._manifest, config.map_name, config.fold)
        self.info.metadata.update(metadata)
        with contextlib.ExitStack() as stack:
            self._calls = self._run or (stack.enter_context(workers(1)), 1)
            super()._download_and_prepare(dl_manager, download_config)
        metadata["registration"] = registration_of(self._register, self._manifest, self._known)
        self.info.metadata.update(metadata)
        folder = Path(self.data_dir)
        write_card(folder, self._manifest, self._tally, metadata)
        write_seal(
            folder,
            metadata=metadata,
            features=self.info.features.to_json(),
            inputs={
                subject.case: dict(subject.maps[config.map_name].sha256)
                for subject in self._manifest.subjects
            },
            shards=self._shards(),
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator]]]:
        """One shard per subject; tfds asks for them one after the other, in this order."""
        del dl_manager  # nothing is downloaded
        name = self.builder_config.map_name
        subjects = {split: self._manifest.subjects_of(split=split) for split in SPLITS}
        subjects = {split: some for split, some in subjects.items() if some}
        run, count = self._calls
        calls = [
            (
                subject_slices,
                self._manifest,
                subject,
                name,
                self._register,
                self._known.get(subject.case),
            )
            for some in subjects.values()
            for subject in some
        ]
        bar = functools.partial(tqdm, total=len(calls), desc=name, unit="subject", mininterval=1)
        results = iter(bar(in_order(run, calls, ahead=count * READ_AHEAD if count > 1 else 1)))
        return {
            split: [functools.partial(self._shard, split, subject, results) for subject in some]
            for split, some in subjects.items()
        }

    def _shard(
        self, split: str, subject: Subject, results: Iterator[Slices]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The records of the next subject."""
        slices = next(results)
        for owner in slices.owners:
            self._check_owner(owner, subject)
        self._known[subject.case] = slices.shared
        for index, record in enumerate(slices.records):
            self._tally.add(split, record)
            yield index, record

    def _check_owner(self, patient_id: str, subject: Subject) -> None:
        """Refuses one PatientID under two subjects: they could be in two splits."""
        owner = self._owners.setdefault(patient_id, subject.subject)
        if owner != subject.subject:
            raise ManifestError(
                f"subjects {owner} and {subject.subject} have the same PatientID, which would leak "
                "between splits; pair the studies again"
            )

    def _shards(self) -> dict[str, dict[str, Any]]:
        """File name to split, subject and number of records."""
        return {
            Path(path).name: {"split": split, "subject": subject.case, "records": length}
            for split, info in self.info.splits.items()
            for path, length, subject in zip(
                info.filepaths,
                info.shard_lengths,
                self._manifest.subjects_of(split=split),
                strict=True,
            )
        }


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
    }


def registration_of(register: str, manifest: Manifest, known: Known) -> dict[str, Any]:
    """The method, and for everybody how far the head had moved: (x, y, z) mm and degrees."""
    poses = {p.case: known[p.case].pose for p in manifest.subjects}
    return {
        "method": register,
        "subjects": {
            name: {"mm": pose[:3].tolist(), "deg": pose[3:].tolist()}
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
