"""The images a Parametric Map was made from, as highdicom can take them, and true references after.

highdicom takes one multi-frame file at most and pairs frames by place alone, so that in a bundle a
T1 map would also refer to the T2 frame of the same place. Every slice is therefore shown to it as
an image of its own, and what it then wrote about these is replaced by the files and frames they
stand for.
"""

import copy
from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import MRImageStorage, generate_uid

from qsr_jax.data.dicom.derived import kept, reference_to, thickness_mm
from qsr_jax.data.dicom.elements import decimal, decimals
from qsr_jax.data.dicom.frames import Frame
from qsr_jax.data.dicom.header import unquoted

_PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
_IMAGE = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality"),
    *("ImageType", "Rows", "Columns"),
)
"""What says which image it is, beside what every derived image keeps."""


def stand_in(frame: Frame, *, spacing_mm: float) -> Dataset:
    """The header of a slice as a single-frame image, with what a derived image may keep of it.

    highdicom copies whole groups about patient and study from it, so that nothing else of the
    source's header may be there.

    Args:
        frame: the slice.
        spacing_mm: distance of the slices; their thickness where the file does not say it.
    """
    source = frame.header.dataset
    dataset = kept(source)
    with unquoted("ignore"):  # the source's own spelling is not ours to judge
        for keyword in _IMAGE:
            if keyword in source:
                dataset[keyword] = copy.deepcopy(source[keyword])
    dataset.SliceThickness = decimal(thickness_mm(frame, spacing_mm))
    for keyword, count in _PLACE.items():
        setattr(dataset, keyword, decimals(frame.numbers(keyword, count)))
    if frame.index is not None:
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid(prefix=None)
    return dataset


def refer_to_frames(dataset: Dataset, frames: Mapping[str, Frame]) -> None:
    """Replaces references to stand-ins by references to files and frames.

    Args:
        dataset: a multi-frame image; changed in place.
        frames: SOPInstanceUID of each stand-in to the slice it stands for.
    """
    groups = (*dataset.SharedFunctionalGroupsSequence, *dataset.PerFrameFunctionalGroupsSequence)
    for group in groups:
        for item in group.get("DerivationImageSequence", ()):
            for reference in item.SourceImageSequence:
                true = reference_to(frames[reference.ReferencedSOPInstanceUID])
                reference.update(true)
    files = _files(list(frames.values()))
    dataset.SourceImageSequence = DicomSequence(files)
    for series in dataset.ReferencedSeriesSequence:
        series.ReferencedInstanceSequence = DicomSequence(files)


def _files(frames: Sequence[Frame]) -> list[Dataset]:
    """One reference for every file."""
    found: dict[str, Dataset] = {}
    for frame in frames:
        whole = reference_to(frame)
        item = Dataset()
        item.ReferencedSOPClassUID = whole.ReferencedSOPClassUID
        item["ReferencedSOPInstanceUID"] = whole["ReferencedSOPInstanceUID"]
        found.setdefault(str(whole.ReferencedSOPInstanceUID), item)
    return list(found.values())
