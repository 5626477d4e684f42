"""Real vendor files: each is read as an independent reader reads it, or refused by a named rule.

``real_dicom.json`` holds what SimpleITK, highdicom and dcm2niix say (made by real_dicom_maker.py).
Most of these files are no quantitative maps, so values and places are compared below the rule that
asks for one: files by image, stacks by slices.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from qsr_jax.data.dicom import DecodeWorker, DicomInputError, find_series, read_folder
from qsr_jax.data.dicom.frames import frames_of
from qsr_jax.data.dicom.header import Header
from qsr_jax.data.dicom.pixels import stored_pixels
from qsr_jax.data.dicom.scaling import scale_of
from qsr_jax.data.dicom.stack import stacked

TABLE = json.loads(Path(__file__).with_name("real_dicom.json").read_text())
SAME_PLACE_MM = 2e-3
"""NIfTI headers hold float32."""
MOST_RELATIVE = 1e-6

JPEG_LOSSLESS = ("dicom2nifti/generic/compressed_jpeg/", "wg04/JPLL/", "wg04/MR1/")
"""Read where pylibjpeg-libjpeg is installed, else refused by TransferSyntaxUID."""
REFUSED_FILES = {
    "nibabel/csa_slice_norm.dcm": "PixelData",
    "nibabel/decimal_rescale.dcm": "SOPClassUID",
    "pydicom/MR_small_padded.dcm": "PixelData",
    "pydicom/MR_truncated.dcm": "PixelData",
    "pydicom-data/emri_small.dcm": "PerFrameFunctionalGroupsSequence",
    "pydicom-data/emri_small_RLE.dcm": "PerFrameFunctionalGroupsSequence",
    "pydicom-data/emri_small_big_endian.dcm": "PerFrameFunctionalGroupsSequence",
    "pydicom-data/emri_small_jpeg_2k_lossless.dcm": "PerFrameFunctionalGroupsSequence",
    "pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm": "SOPClassUID",
    "pydicom-data/emri_small_jpeg_ls_lossless.dcm": "PerFrameFunctionalGroupsSequence",
    "wg04/JPLY/MR4_JPLY": "TransferSyntaxUID",
    "wg04/MR4_J2KI": "TransferSyntaxUID",
}
REFUSED_STACKS = {
    "datalad_structural_0.67mm": "PixelSpacing",
    "dcm_qa_enh/Philips": "ImagePositionPatient",
    "dicom2nifti/failing/sliceorientation/001": "PixelSpacing",
    "dicom2nifti/ge/anatomical/001_single_slice": "ImagePositionPatient",
    "dicom2nifti/generic/anatomical/002_non_isotropic": "PixelSpacing",
    "dicom2nifti/hyperfine/anatomical/001": "PixelSpacing",
    "nibabel": "PixelData",
    "pydicom": "PixelData",
    "pydicom-data": "PerFrameFunctionalGroupsSequence",
    "wg04": "TransferSyntaxUID",
    "wg04/J2KR": "PixelSpacing",
    "wg04/JLSL": "PixelSpacing",
    "wg04/JPLL": "PixelSpacing",
    "wg04/JPLY": "TransferSyntaxUID",
    "wg04/MR1": "ImagePositionPatient",
    "wg04/RLE": "PixelSpacing",
}


def decodable(name):
    """Whether this machine has the decoder that the file needs."""
    return not f"{name}/".startswith(JPEG_LOSSLESS) or importlib.util.find_spec("libjpeg")


@pytest.fixture(scope="module")
def helper():
    with DecodeWorker() as worker:
        yield worker


def values_of(frames, worker):
    """Rescaled values (z, y, x) float64; stored ones where the file has no scaling."""
    decoded, slices = {}, []
    for frame in frames:
        if frame.path not in decoded:
            decoded[frame.path] = stored_pixels(frame.header, worker)
        scale, stored = scale_of(frame), decoded[frame.path][frame.index or 0].astype(np.float64)
        slices.append(stored if scale is None else stored * scale.slope + scale.intercept)
    return np.stack(slices)


def image_of(path):
    header = Header(path)
    header.check_image()
    return frames_of(header)


def compare(values, entry):
    """Sizes, extremes and sums of values and squares."""
    found = {
        "size": values.size,
        "sum": values.sum(),
        "squares": (values**2).sum(),
        "least": values.min(),
        "greatest": values.max(),
    }
    for key, number in found.items():
        assert number == pytest.approx(entry[key], rel=MOST_RELATIVE, abs=1e-9), key


@pytest.mark.parametrize("name", TABLE["files"])
def test_every_file_is_read_as_others_read_it_or_refused_by_rule(test_data, helper, name):
    path = test_data("dicom") / name
    keyword = REFUSED_FILES.get(name, None if decodable(name) else "TransferSyntaxUID")
    if keyword is not None:
        with pytest.raises(DicomInputError) as caught:
            values_of(image_of(path), helper)
        assert caught.value.keyword == keyword
        assert caught.value.path == path
        return
    compare(values_of(image_of(path), helper), TABLE["files"][name])


@pytest.mark.parametrize("name", TABLE["stacks"])
def test_every_stack_lies_where_others_see_it_or_is_refused_by_rule(test_data, helper, name):
    folder = test_data("dicom") / name
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    keyword = REFUSED_STACKS.get(name) if decodable(name) else "TransferSyntaxUID"
    if keyword is not None:
        with pytest.raises(DicomInputError) as caught:
            stacked([frame for path in paths for frame in image_of(path)])
        assert caught.value.keyword == keyword
        return
    entry = TABLE["stacks"][name]
    frames, geometry = stacked([frame for path in paths for frame in image_of(path)])
    values = values_of(frames, helper)
    compare(values, entry)
    to_index = np.linalg.inv(geometry.affine_lps())
    for *place_mm, value in entry["probes"]:
        index = (to_index @ [*place_mm, 1.0])[:3]
        nearest = np.round(index).astype(int)
        assert np.abs((index - nearest) * geometry.spacing_mm).max() < SAME_PLACE_MM
        assert values[tuple(nearest)] == pytest.approx(value, rel=MOST_RELATIVE)


def test_none_of_them_is_taken_for_a_map(test_data, helper):
    """The whole reader, map rule included: every folder is refused, none by surprise."""
    root = test_data("dicom")
    keywords = {}
    for one in find_series(root).series:
        with pytest.raises(DicomInputError) as caught:
            read_folder(one, worker=helper)
        keywords[one.place.relative_to(root).as_posix()] = caught.value.keyword
    assert sum(len(one.files) for one in find_series(root).series) == 93
    assert len(keywords) == 29
    assert keywords["dcm_qa_enh/Siemens/XA10"] == "ImageType"
    assert keywords["dicom2nifti/ge/anatomical/001"] == "FrameOfReferenceUID"
    assert keywords["wg04/RLE/MR3_RLE"] == keywords["wg04/RLE/MR4_RLE"] == "ImageType"


def test_real_encodings_agree(test_data, helper):
    """One image in seven transfer syntaxes is one image."""
    names = "", "_RLE", "_bigendian", "_expb", "_implicit", "_jp2klossless", "_jpeg_ls_lossless"
    folder = test_data("dicom/pydicom")
    paths = [folder / f"MR_small{name}.dcm" for name in names]
    first, *others = (stored_pixels(Header(path), helper) for path in paths)
    for other in others:
        np.testing.assert_array_equal(first, other)
