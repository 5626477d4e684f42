"""A word hidden where no table of attributes looks: containers, bits, streams, the dictionary."""

import io
import struct

import numpy as np
import pydicom
import pytest
from dicom_factory import SIDE, make_slices, save
from pydicom.datadict import DicomDictionary, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from qsr_jax.data.dicom import DicomInputError, anonymous

WORD = "QUILP"
SALT = b"5a" * 16
TEXTS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
VALUES = dict.fromkeys(TEXTS, WORD) | dict.fromkeys(("OB", "OW", "UN"), WORD.encode() + b" ")
VALUES |= {"DA": "19431207", "DT": "19431207", "UI": "1.2.840.10008.19431207", "AS": "099Y"}
STRUCTURE = {
    *("PixelData", "FloatPixelData", "DoubleFloatPixelData", "SOPClassUID", "NumberOfFrames"),
    *("PhotometricInterpretation", "ModalityLUTSequence", "SpecificCharacterSet"),
}
"""Without them no file is read at all; every other attribute gets the word."""


def cleaned(ds, tmp_path):
    path = tmp_path / "in.dcm"
    save(ds, path)
    return anonymous(path, SALT).content


def planted_everywhere(ds):
    """The word, a date or a UID in every public attribute that can hold it; how many."""
    count = 0
    for tag in DicomDictionary:
        keyword = keyword_for_tag(tag)
        vr = dictionary_VR(tag)
        if tag >> 16 < 8 or not keyword or keyword in STRUCTURE or vr not in VALUES:
            continue
        ds.add_new(tag, vr, VALUES[vr])
        count += 1
    return count


def test_a_word_in_every_attribute_of_the_dictionary_is_found_in_nothing(tmp_path):
    ds = make_slices()[0]
    assert planted_everywhere(ds) > 1700
    ds.ImageType = ["DERIVED", "PRIMARY", "T1", WORD]
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    item = Dataset()
    planted_everywhere(item)
    ds.RequestAttributesSequence = DicomSequence([item])
    ds.SourceImageSequence = DicomSequence([item])
    content = cleaned(ds, tmp_path)
    for word in (WORD, "19431207", "099Y"):
        assert word.encode() not in content
    again = pydicom.dcmread(io.BytesIO(content))
    assert list(again.ImageType) == ["DERIVED", "PRIMARY", "T1", "UNKNOWN"]


def large_unknown_sequence(ds):
    """A public sequence coded UN, so large that pydicom leaves its bytes alone."""
    inner = b"".join(
        struct.pack("<HHI", 0x0010, 0x0010, 64) + WORD.encode().ljust(64) for _ in range(1000)
    )
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    ds.add_new(0x52009230, "UN", item)


def large_unknown_text(ds):
    ds.add_new(0x00181020, "UN", WORD.encode() * 14000)


def bits_above(ds):
    """The word, bit by bit, above 12 stored bits: where overlays once were."""
    bits = np.unpackbits(np.frombuffer(WORD.encode() * 12, np.uint8)).astype(np.uint16)
    words = np.frombuffer(ds.PixelData, "<u2") & 0x0FFF
    words = words.copy()
    words[: bits.size] |= bits[: words.size] << 12
    ds.BitsStored, ds.HighBit = 12, 11
    ds.PixelData = words.astype("<u2").tobytes()


@pytest.mark.parametrize("edit", [large_unknown_sequence, large_unknown_text])
def test_public_attributes_coded_un_do_not_pass(edit, tmp_path):
    ds = make_slices()[0]
    edit(ds)
    assert WORD.encode() not in cleaned(ds, tmp_path)


def test_bits_above_bits_stored_are_no_longer_there(tmp_path):
    ds = make_slices()[0]
    values = np.frombuffer(ds.PixelData, "<u2") & 0x0FFF
    bits_above(ds)
    assert (np.frombuffer(ds.PixelData, "<u2") >> 12).any()
    again = pydicom.dcmread(io.BytesIO(cleaned(ds, tmp_path)))
    np.testing.assert_array_equal(np.frombuffer(again.PixelData, "<u2"), values)


def compressed(ds, syntax, stream):
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"


def jpeg_ls(values):
    """A stream with an APP8 segment and a comment (ITU-T T.87) behind its start."""
    from jpeg_ls import encode_array

    stream = bytes(encode_array(values))
    note = WORD.encode()
    extra = b"".join(struct.pack(">BBH", 0xFF, mark, 2 + len(note)) + note for mark in (0xE8, 0xFE))
    return stream[:2] + extra + stream[2:]


def jpeg_2000(values):
    """A codestream with a comment segment (ITU-T T.800) behind its size segment."""
    from openjpeg.utils import encode_array

    stream = bytes(encode_array(values, photometric_interpretation=2))
    size_end = 4 + struct.unpack_from(">H", stream, 4)[0]
    note = WORD.encode()
    segment = struct.pack(">HHH", 0xFF64, 4 + len(note), 1) + note
    return stream[:size_end] + segment + stream[size_end:]


@pytest.mark.parametrize(
    ("syntax", "encode"), [(JPEGLSLossless, jpeg_ls), (JPEG2000Lossless, jpeg_2000)]
)
def test_segments_of_compressed_streams_do_not_pass(syntax, encode, tmp_path):
    ds = make_slices()[0]
    values = np.tile(np.frombuffer(ds.PixelData, "<u2").reshape(SIDE, SIDE), (4, 4))
    ds.Rows, ds.Columns = values.shape  # OpenJPEG wants more pixels than a small slice has
    compressed(ds, syntax, encode(values))
    content = cleaned(ds, tmp_path)
    assert WORD.encode() in (tmp_path / "in.dcm").read_bytes()
    assert WORD.encode() not in content
    again = pydicom.dcmread(io.BytesIO(content))
    assert again.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    np.testing.assert_array_equal(again.pixel_array, values)


def behind_the_pixels(ds):
    ds.PixelData = ds.PixelData + WORD.encode() + b" "


def an_extra_fragment(ds):
    values = np.frombuffer(ds.PixelData, "<u2").reshape(SIDE, SIDE)
    compressed(ds, JPEGLSLossless, jpeg_ls(values))
    ds.PixelData = encapsulate([jpeg_ls(values), WORD.encode() + b" "], has_bot=False)
    ds["PixelData"].is_undefined_length = True


def colours(ds):
    ds.PhotometricInterpretation, ds.SamplesPerPixel = "RGB", 3
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PlanarConfiguration = 7, 0
    ds.PixelData = bytes(3 * SIDE * SIDE)


def screen(ds):
    ds.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]


REFUSED = [
    (behind_the_pixels, "PixelData.* bytes, expected"),
    (colours, "PhotometricInterpretation.*RGB, expected MONOCHROME2"),
    (screen, "ImageType.*a picture of a screen"),
]


@pytest.mark.parametrize(("edit", "reason"), REFUSED, ids=[row[0].__name__ for row in REFUSED])
def test_what_may_show_or_hide_a_name_is_refused(edit, reason, tmp_path):
    ds = make_slices()[0]
    edit(ds)
    with pytest.raises(DicomInputError, match=reason):
        cleaned(ds, tmp_path)


def test_an_extra_fragment_is_refused_or_gone(tmp_path):
    ds = make_slices()[0]
    an_extra_fragment(ds)
    try:
        content = cleaned(ds, tmp_path)
    except DicomInputError:
        return
    assert WORD.encode() not in content
