"""Single weighted images, one record per slice and contrast: what a denoiser of them learns from.

``data_dir`` is one of two things. A folder of NIfTI volumes of any contrast, called
``PERSON_*.nii.gz``: they are read into memory, the person with the fewest volumes validates. Or
records of ``qsr synthesise-weighted``, each contrast of a record on its own. Either way a record
has the image as ``lr`` and ``hr``, one channel; the 99.5 % percentile of its slice is 100 %, stored
like a PD map.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.data.nifti.files import read_placed
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.data.records.open import DatasetError, Records
from qsr_jax.data.records.weighted import SALT, open_weighted, weighted_folder
from qsr_jax.data.studies.learned import Learned
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.files.digest import file_sha256, json_sha256
from qsr_jax.maps import spec_of
from qsr_jax.types import CORNER

CHANNEL = "pd"
"""The map that an image is stored as; an image and a density have no unit but their bright part."""

SIDE = 240
"""Rows and columns of a record of a volume, pixels of 1 mm: a head and air."""

BRIGHT = 99.5
"""Percentile of a slice that becomes 100 %."""

VALIDATED_EVERY = 4
"""Of the slices of a volume that validates; those beside it show the same."""

SIGNAL, LEAST_SIGNAL = 0.1, 0.15
"""What counts as signal, in parts of the bright; less of it than this share: no slice to learn."""

SMOOTH_MM = 0.35
"""Standard deviation of the Gaussian before a finer image is brought to 1 mm."""


def open_images(data_dir: Path, split: str) -> JointRecords:
    """Opens one split of single images.

    Args:
        data_dir: folder of volumes, or the folder given to ``data_tools.synthesise_weighted``.
        split: "train", "validation" or "test"; of volumes nobody is in the last.

    Raises:
        DatasetError: neither lies there, one person alone, no slice with a head; or as
            :func:`~qsr_jax.data.records.weighted.open_weighted`.
        ValueError: ``split`` is not known, or a volume cannot be read.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
    if weighted_folder(data_dir).is_dir():
        (studies,) = open_weighted(data_dir, split).maps
        return JointRecords((dataclasses.replace(studies, source=_Contrasts(studies)),), (CHANNEL,))
    return JointRecords((_volumes(data_dir, split),), (CHANNEL,))


@dataclasses.dataclass(frozen=True)
class _Contrasts:
    """Every contrast of every record of studies, as a record of its own."""

    studies: Records

    def __len__(self) -> int:
        return len(CONTRASTS) * len(self.studies)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        record = self.studies[index // len(CONTRASTS)]
        contrast = index % len(CONTRASTS)
        return _record(record["lr"][..., contrast], record["subject"], record["slice_index"])


def _volumes(folder: Path, split: str) -> Records:
    """The records of a folder of volumes."""
    people: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.nii*")):
        people.setdefault(path.name.split("_")[0], []).append(path)
    if len(people) < 2:
        raise DatasetError(
            f"{folder}: volumes of {len(people)} people; expected NIfTI files called "
            "PERSON_*.nii.gz of two or more, or records of qsr synthesise-weighted"
        )
    validates = min(people, key=lambda person: (len(people[person]), person))
    chosen = {
        "train": [person for person in people if person != validates],
        "validation": [validates],
        "test": [],
    }[split]
    every = 1 if split == "train" else VALIDATED_EVERY
    digests = {name: [file_sha256(path) for path in paths] for name, paths in people.items()}
    pseudonyms = {name: json_sha256(found)[:16] for name, found in digests.items()}
    known = frozenset(pseudonyms.values())
    return Records(
        folder=folder,
        source=[
            _record(image, pseudonyms[person], number)
            for person in chosen
            for number, image in enumerate(_slices(people[person]))
            if number % every == 0
        ],
        fingerprint=json_sha256(digests),
        grid_alignment=CORNER,
        lr_shape=(SIDE, SIDE),
        lr_spacing_mm=(1.0, 1.0, 1.0),
        scale=1,
        learned=Learned(SALT, known, frozenset()).to_json(),
    )


def _slices(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Slices with a head of some volumes, (SIDE, SIDE), pixels of 1 mm."""
    for path in paths:
        volume, affine = read_placed(path)
        spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
        across = int(np.argmax(spacing_mm))  # slices lie farther apart than their pixels
        images = np.moveaxis(volume, across, 0).astype(np.float32)
        yield from filter(has_signal, at_one_mm(images, np.delete(spacing_mm, across)))


def at_one_mm(images: Iterable[np.ndarray], spacing_mm: np.ndarray) -> Iterator[np.ndarray]:
    """Images (y, x) with pixels of 1 mm on a square of :data:`SIDE`, air around them."""
    for image in images:
        fine = gaussian_filter(image, SMOOTH_MM / spacing_mm)
        square = zoom(fine, spacing_mm, order=1, grid_mode=True, mode="nearest")
        for axis in (0, 1):
            spare = SIDE - square.shape[axis]
            first = max(0, -spare // 2)
            square = np.take(square, range(first, first + min(SIDE, square.shape[axis])), axis)
            width = [(0, 0), (0, 0)]
            width[axis] = (max(0, spare // 2), max(0, spare - spare // 2))
            square = np.pad(square, width)
        yield square


def has_signal(image: np.ndarray) -> bool:
    """Whether enough of a slice is bright."""
    bright = np.percentile(image, BRIGHT)
    return bool(bright > 0 and (image > SIGNAL * bright).mean() >= LEAST_SIGNAL)


def _record(image: np.ndarray, subject: str, number: int) -> dict[str, Any]:
    """An image (y, x) as a record; all zeros stay so."""
    bright = max(float(np.percentile(image, BRIGHT)), 1e-20)
    levels = np.clip(image / bright, 0.0, 4.0) * (100.0 / spec_of(CHANNEL).slope)
    stored = np.rint(levels).astype(np.uint16)[..., None]
    mask = (stored > SIGNAL * 100.0 / spec_of(CHANNEL).slope).astype(np.uint8)
    return {
        "lr": stored,
        "hr": stored,
        "mask": mask,
        "subject": subject,
        "slice_index": number,
        "map": CHANNEL,
    }
