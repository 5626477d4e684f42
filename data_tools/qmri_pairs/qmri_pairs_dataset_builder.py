"""tfds builder: manifest and DICOM series in, one record per slice and map out. No TensorFlow."""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from tensorflow_datasets.core.writer import ExampleWriter
from tensorflow_datasets.proto import tf_example_pb2
from tqdm import tqdm

from qsr_jax.data import records
from qsr_jax.data.cases import read_listed, read_mask
from qsr_jax.data.dicom import Series
from qsr_jax.data.manifest import FAST, ROUTINE, SPLITS, Manifest, ManifestError, Person
from qsr_jax.maps import MAPS, spec_of, to_stored
from qsr_jax.types import Volume

MANIFEST_NAME = "manifest.json"
SPACING_TOLERANCE = 0.01

Masks = dict[str, np.ndarray]
"""Person to the packed bits of the tissue mask: made once, used by the builders of all maps."""


class PlainWriter(ExampleWriter):
    """Writes shards that are the same in every build and quick to read.

    The features of a record are sorted by name: protobuf writes a map in an order that changes
    from process to process. Records are not compressed: the noise of maps shrinks to 40 % only,
    and reading them was measured to take four times as long.
    """

    def write(self, path: Any, examples: Iterator[tuple[Any, bytes]]) -> None:
        """Writes serialised examples, (key, bytes), to one shard."""
        writer = ArrayRecordWriter(str(path), "group_size:1,uncompressed")
        for _, example in examples:
            message = tf_example_pb2.Example.FromString(example)
            writer.write(message.SerializeToString(deterministic=True))
        writer.close()


class Builder(tfds.core.GeneratorBasedBuilder):
    """Paired slices of one map; see README.md."""

    VERSION = tfds.core.Version(records.VERSION)
    RELEASE_NOTES = {records.VERSION: "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"manual_dir holds {MANIFEST_NAME}, made by data_tools.pair_studies from a DICOM tree."
    )
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=key, description=f"{spec.label} maps in {spec.unit}")
        for key, spec in MAPS.items()
    ]

    def __init__(
        self, *, manifest: Path | None = None, masks: Masks | None = None, **kwargs: Any
    ) -> None:
        """Takes what tfds takes, and ``manifest`` (else ``manual_dir/manifest.json`` is read)."""
        self._manifest_path, self._masks = manifest, {} if masks is None else masks
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
            "person": tfds.features.Text(),
            "slice_index": np.int32,
            "slice_mm": np.float32,
            "spacing_mm": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "map": tfds.features.Text(),
            "grid_alignment": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("lr", "hr"),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _example_writer(self) -> PlainWriter:
        return PlainWriter(file_format=self.info.file_format)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        path = self._manifest_path or Path(dl_manager.manual_dir) / MANIFEST_NAME
        manifest = Manifest.load(path)
        self.info.metadata.update(dataset_metadata(manifest, self.builder_config.name))
        used = [split for split in SPLITS if manifest.people(split=split)]
        return {split: self._generate_examples(manifest, split) for split in used}

    def _generate_examples(
        self, manifest: Manifest, split: str
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        people = tqdm(
            manifest.people(split=split),
            desc=f"{self.builder_config.name} {split}",
            unit="person",
            mininterval=1,
        )
        slices = (record for person in people for record in self._records_of(manifest, person))
        yield from enumerate(slices)

    def _records_of(self, manifest: Manifest, person: Person) -> Iterator[dict[str, Any]]:
        """One record per slice of one person."""
        name = self.builder_config.name
        spec = spec_of(name)
        scans = [read_listed(manifest, person, name, side) for side in (FAST, ROUTINE)]
        for series in scans:
            self._check_owner(series, person)
        fast, routine = (series.volume for series in scans)
        lr, hr = (to_stored(v.maps, spec, where=person.person) for v in (fast, routine))
        mask = self._mask(manifest, person, routine)
        depths = fast.geometry.slice_positions_mm() @ fast.geometry.normal
        for index in range(len(lr)):
            yield {
                "lr": lr[index],
                "hr": hr[index],
                "mask": mask[index],
                "slope": spec.slope,
                "person": person.person,
                "slice_index": index,
                "slice_mm": depths[index],
                "spacing_mm": np.asarray(fast.geometry.spacing_mm, np.float32),
                "map": name,
                "grid_alignment": person.grid_alignment,
            }

    def _check_owner(self, series: Series, person: Person) -> None:
        """Refuses one PatientID under two persons: they could be in two splits."""
        owner = self._owners.setdefault(series.patient_id, person.person)
        if owner != person.person:
            raise ManifestError(
                f"persons {owner} and {person.person} have the same PatientID, which would leak "
                "between splits; pair the studies again"
            )

    def _mask(self, manifest: Manifest, person: Person, routine: Volume) -> np.ndarray:
        """The tissue mask (z, y, x, 1) uint8, computed once per person."""
        if person.person not in self._masks:
            mask = read_mask(manifest, person, known={routine.names[0]: routine})
            self._masks[person.person] = np.packbits(mask)
        size = routine.maps[..., 0].size
        bits = np.unpackbits(self._masks[person.person], count=size)
        return bits.reshape(*routine.geometry.shape, 1)


def build(
    manifest: Path, data_dir: Path, map_name: str, *, num_shards: int | None, masks: Masks
) -> None:
    """Builds the records of one map; a killed build leaves ``incomplete.*``, never half a dataset.

    Args:
        manifest: made by ``data_tools.pair_studies``.
        data_dir: receives ``qmri_pairs/<map>/<version>``.
        map_name: "t1", "t2" or "pd".
        num_shards: files per split; None lets tfds choose by size.
        masks: filled on the first map, reused by the next ones.

    Raises:
        DatasetError: the records could not be written.
        ManifestError, DicomInputError: the manifest or a series cannot be used.
    """
    tfds.disable_progress_bar()  # ours knows how many persons are left
    builder = Builder(manifest=manifest, masks=masks, config=map_name, data_dir=data_dir)
    # tfds announces a download and wants a folder for it; there is none.
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as nowhere:
        try:
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(num_shards=num_shards),
                download_dir=nowhere,
            )
        except (RuntimeError, OSError) as error:
            folder = records.dataset_folder(data_dir, map_name)
            why = f"could not be written ({error}); check free disk space. Nothing was left there"
            raise records.DatasetError(f"{folder}: {why}") from error


def dataset_metadata(manifest: Manifest, map_name: str) -> dict[str, Any]:
    """What is kept beside the records.

    Raises:
        ManifestError: nobody to train on, or persons on different grids; one dataset has one.
    """
    if not manifest.people(split="train"):
        raise ManifestError("nobody is in the train split; pair with a smaller --test-fraction")
    first = manifest.persons[0]
    for other in manifest.persons:
        if not _on_one_grid(first, other):
            raise ManifestError(
                f"persons {first.person} and {other.person} differ in matrix, pixel size or grid "
                "alignment; build one dataset for each"
            )
    return {
        "map": map_name,
        "fingerprint": manifest.fingerprint,
        "grid_alignment": first.grid_alignment,
        "lr_shape": list(first.fast_shape[1:]),
        "lr_spacing_mm": list(first.fast_spacing_mm),
        "scale": manifest.scale,
    }


def _on_one_grid(a: Person, b: Person) -> bool:
    """Whether two persons' images may share a dataset; the number of slices may differ."""
    return (
        a.fast_shape[1:] == b.fast_shape[1:]
        and a.grid_alignment == b.grid_alignment
        and np.allclose(a.fast_spacing_mm, b.fast_spacing_mm, rtol=SPACING_TOLERANCE)
    )
