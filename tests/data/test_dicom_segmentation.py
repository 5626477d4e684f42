"""Segments of a DICOM-SEG file land on the voxels they were drawn on, or are refused."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from qsr_jax.data.dicom import DicomInputError
from qsr_jax.data.dicom.segmentation import SEGMENTATION_STORAGE, read_segmentation
from qsr_jax.types import Geometry

GRID = Geometry((-20.0, -30.0, 5.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 1.5), (4, 8, 6))


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def make_seg(frames, *, grid=GRID, kind="BINARY", labels=("WMH", "infarct")):
    """A SEG of ``frames``: (segment number, slice, (rows, columns) bool)."""
    seg = Dataset()
    seg.file_meta = FileMetaDataset()
    seg.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    seg.file_meta.MediaStorageSOPClassUID = seg.SOPClassUID = SEGMENTATION_STORAGE
    seg.file_meta.MediaStorageSOPInstanceUID = seg.SOPInstanceUID = generate_uid(entropy_srcs=["a"])
    seg.Modality, seg.SegmentationType = "SEG", kind
    seg.SegmentSequence = [
        item(SegmentNumber=i, SegmentLabel=label) for i, label in enumerate(labels, start=1)
    ]
    seg.NumberOfFrames = len(frames)
    seg.Rows, seg.Columns = frames[0][2].shape
    seg.SamplesPerPixel, seg.PhotometricInterpretation = 1, "MONOCHROME2"
    seg.PixelRepresentation = 0
    stack = np.stack([frame for *_, frame in frames])
    if kind == "BINARY":
        seg.BitsAllocated = seg.BitsStored = 1
        seg.HighBit = 0
        raw = np.packbits(stack.ravel(), bitorder="little").tobytes()
    else:
        seg.BitsAllocated = seg.BitsStored = 8
        seg.HighBit, seg.MaximumFractionalValue = 7, 200
        raw = np.where(stack, 150, 60).astype(np.uint8).tobytes()
    seg.PixelData = raw + b"\0" * (len(raw) % 2)
    seg["PixelData"].VR = "OB"
    seg.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[*grid.row_dir, *grid.col_dir])],
            PixelMeasuresSequence=[item(PixelSpacing=list(grid.spacing_mm[1:]))],
        )
    ]
    positions = grid.slice_positions_mm()
    seg.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=positions[z].tolist())],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
        )
        for number, z, _ in frames
    ]
    return seg


@pytest.fixture
def frames(rng):
    return [(n, z, rng.random((8, 6)) < 0.3) for n, z in ((1, 0), (1, 2), (2, 2))]


def save(seg, tmp_path):
    path = tmp_path / "seg.dcm"
    seg.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_segments_lie_on_their_slices(frames, kind, tmp_path):
    found = read_segmentation(save(make_seg(frames, kind=kind), tmp_path), GRID)
    expected = {label: np.zeros(GRID.shape, bool) for label in ("WMH", "infarct")}
    for number, z, frame in frames:
        expected[("WMH", "infarct")[number - 1]][z] = frame
    assert list(found) == ["WMH", "infarct"]
    for label, mask in expected.items():
        np.testing.assert_array_equal(found[label], mask)


def test_a_turned_frame_finds_its_voxels(frames, tmp_path):
    """The same pixels, stored with rows and columns swapped and slices counted from above."""
    turned = Geometry(
        (-20.0, -30.0, 20.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (5.0, 1.5, 2.0), (4, 6, 8)
    )
    swapped = [(n, 3 - z, frame.T) for n, z, frame in frames]
    plain = read_segmentation(save(make_seg(frames), tmp_path), GRID)
    other = read_segmentation(save(make_seg(swapped, grid=turned), tmp_path), GRID)
    for label, mask in plain.items():
        np.testing.assert_array_equal(other[label], mask)


def spoil_position(seg):
    seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient[0] = -19.0


def spoil_number(seg):
    group = seg.PerFrameFunctionalGroupsSequence[0]
    group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7


def far_away(seg):
    group = seg.PerFrameFunctionalGroupsSequence[0]
    group.PlanePositionSequence[0].ImagePositionPatient = [-20.0, -30.0, 500.0]


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda s: setattr(s, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.4"), "not a Segmentation"),
        (lambda s: setattr(s, "SegmentationType", "LABELMAP"), "LABELMAP; expected BINARY"),
        (lambda s: delattr(s, "SegmentSequence"), r"SegmentSequence \(0062,0002\): missing"),
        (lambda s: setattr(s.SegmentSequence[1], "SegmentLabel", "WMH"), "two segments have one"),
        (lambda s: setattr(s, "PixelData", s.PixelData[:2]), "PixelData .*unreadable"),
        (lambda s: s.PerFrameFunctionalGroupsSequence.pop(), "2 items for 3 frames"),
        (lambda s: delattr(s, "SharedFunctionalGroupsSequence"), "not shared either"),
        (spoil_position, "miss the voxels of the scan by up to 0.33"),
        (far_away, "reaches outside the scan"),
        (spoil_number, "7 is no segment"),
    ],
)
def test_what_cannot_be_placed_is_refused(spoil, match, frames, tmp_path):
    seg = make_seg(frames)
    spoil(seg)
    with pytest.raises(DicomInputError, match=match):
        read_segmentation(save(seg, tmp_path), GRID)


def test_no_dicom_is_refused(tmp_path):
    (tmp_path / "seg.dcm").write_bytes(b"no")
    with pytest.raises(DicomInputError, match="not DICOM"):
        read_segmentation(tmp_path / "seg.dcm", GRID)
