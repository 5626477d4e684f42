"""What real exports look like, one row each: the situation, what is expected, and that it happens.

``INSPECTED``: a tree, and what ``qsr inspect`` says of every series and file in it. ``OF_BIDS``: a
NIfTI map, and whether it is read. Rows without a note beside them held before the table was made.
Visits and repeated maps of one subject: ``test_sessions.py``; whole cohorts through all doors:
``test_flat_exports.py``, ``tests/predictors/test_cohort.py``.
"""

import re
import shutil

import nibabel
import numpy as np
import pytest
from dicom_edits import (
    JPEG_LS,
    copy_of_one,
    cut,
    drop,
    each,
    encoded,
    link_out,
    one,
    real_world,
    rgb,
    scanner_bits,
    syntax,
    without,
)
from dicom_factory import (
    fast_geometry,
    make_slices,
    save,
    set_stored,
    stored_slice,
    write_series,
)
from exports import flattened, write_map
from multiframe_edits import first_float
from multiframe_factory import PARAMETRIC, make_frames
from pydicom.uid import ExplicitVRBigEndian, JPEGBaseline8Bit, generate_uid
from test_dicom_orientation import oblique, written
from test_dicom_scales import T1_CODE, mapping, relaxometry, rows
from test_flat_exports import dicomdir, halves

from qsr_jax.data.dicom import survey
from qsr_jax.data.dicom.series_rules import PROTOCOLS
from qsr_jax.data.nifti.bids import BidsError, read_map


def series(edit=None, files=None):
    return lambda root: write_series(root / "s", edit, edit_files=files)


def cut_off(slices):
    """Fluid at the largest number of 12 bits, in files of 16; one step is 1 ms."""
    for index, ds in enumerate(slices):
        pixels = stored_slice(index) // 3
        pixels[:2] = 4095
        set_stored(ds, pixels)
        ds.RescaleSlope = "1"


def frames(edit):
    def write(root):
        ds = make_frames(PARAMETRIC)
        edit(ds)
        save(ds, root / "map.dcm")

    return write


def image_type(*values):
    return series(each("ImageType", list(values)))


def two_of_a_flat_folder(root):
    """Two series in one folder, as a PACS exports them."""
    other = generate_uid()
    for number, name in enumerate("ab"):
        write_series(root / "x" / name, lambda s, n=number: fresh(s, n, other))
    flattened(root / "x", root / "flat")
    shutil.rmtree(root / "x")


def fresh(slices, number, series_uid):
    if number:
        for ds in slices:
            ds.SeriesInstanceUID, ds.SOPInstanceUID = series_uid, generate_uid()


def strangers(root):
    """Beside two series: a localizer, a presentation state, a note, a renamed DICOMDIR."""
    two_of_a_flat_folder(root)
    localizer, state = make_slices()[:2]
    for ds, name in ((localizer, "LOC"), (state, "PS")):
        ds.SeriesInstanceUID, ds.SOPInstanceUID = generate_uid(), generate_uid()
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
        save(ds, root / "flat" / name)
    state.SOPClassUID = state.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.11.1"
    save(state, root / "flat" / "PS")
    (root / "flat" / "viewer.txt").write_text("open with")
    dicomdir(root / "flat" / "INDEX")


def copied(root):
    write_series(root / "a")
    shutil.copytree(root / "a", root / "b")


def small_turn(root):
    sign = np.array([[1, -1, 1], [-1, 1, -1]])
    written(root / "s", lambda k: oblique(3) + 6e-8 * (k % 2) * sign, decimals=10)


READ, REFUSED, IGNORED = "accepted", "refused", "ignored"
INSPECTED = [
    # Geometry
    ("GE SIGNA: orientation differs by 6e-8 between slices", small_turn, [(READ, "")]),
    ("directions with 4 decimals", lambda root: written(
        root / "s", lambda _: oblique(7), decimals=4), [(READ, "")]),
    ("a slice lost in the middle", series(drop(2)), [(REFUSED, "gap 10 mm")]),
    ("a slice lost at the end, and the file says how many", series(
        lambda s: [each("ImagesInAcquisition", 5)(s), s.pop()]), [(REFUSED, "slices missing")]),
    ("the count is of all maps together", series(each("ImagesInAcquisition", 15)),
     [(READ, "counts 15 images, 5 slices here")]),  # without a word before
    # Values
    ("GE: no RescaleSlope, a RealWorldValueMapping in ms of T1", series(mapping(T1_CODE)),
     [(READ, "")]),
    ("no scale at all", series(without(None, "RescaleSlope")), [(REFUSED, "missing")]),
    ("slope and mapping that disagree", series(real_world(slope=0.2)),
     [(REFUSED, "both cannot hold")]),
    ("seconds under the name of milliseconds", series(each("RescaleSlope", "0.0001")),
     [(REFUSED, "another unit?")]),
    ("T1 cut off at 4095, the file has 16 bits", series(cut_off),
     [(READ, "the largest number of 12 bits: cut off there?")]),  # without a word before
    ("T1 cut off at 4095, the file has 12 bits", series(scanner_bits),
     [(REFUSED, "values were cut off when the file was written")]),
    ("a Parametric Map is NaN outside the head", frames(first_float(np.nan)),
     [(READ, "1 padded voxels are read as 0")]),  # refused before
    ("lossy compression", series(syntax(JPEGBaseline8Bit)),
     [(REFUSED, "expected an uncompressed or lossless")]),
    ("lossless compression", series(JPEG_LS), [(READ, "")]),
    ("big endian", series(files=encoded(ExplicitVRBigEndian)), [(READ, "")]),
    ("a colour picture of a map", series(rgb), [(REFUSED, "expected MONOCHROME2")]),
    # Which map
    ("Siemens: distortion corrected", image_type("DERIVED", "PRIMARY", "T1 MAP", "DIS3D", "DIS2D"),
     [(READ, "")]),  # refused before
    ("an archive calls it SECONDARY", image_type("DERIVED", "SECONDARY", "T1"),
     [(READ, "the map itself, or an image made from it?")]),  # refused before
    ("a synthetic T1-weighted image", image_type("DERIVED", "PRIMARY", "T1", "SYNTHETIC"),
     [(REFUSED, "a synthetic weighted image, not a map")]),
    ("another scanner's words, no row", series(relaxometry), [(REFUSED, "no known map layout")]),
    # Files and folders
    ("two series in one folder", two_of_a_flat_folder, [(READ, ""), (READ, "")]),  # refused before
    ("a PACS's folder with all it has", strangers, [
        (READ, ""), (READ, ""), (REFUSED, "no known map layout"), (REFUSED, "expected MR Image"),
        (REFUSED, "not a DICOM file"), (IGNORED, "left by a system or a medium"),
    ]),  # refused as a whole before
    ("one series in two folders", halves, [(READ, "")]),  # two halves before
    ("the same series twice", copied, [(READ, ""), (READ, "")]),  # pairing asks which one
    ("the same image twice in a folder", series(files=copy_of_one), [(REFUSED, "also in")]),
    ("an image of another patient in the folder", series(one(2, "PatientID", "other")),
     [(REFUSED, "differs from the one in")]),
    ("a file cut off while it was copied", series(files=cut), [(REFUSED, "ends inside")]),
    ("a link that leaves the tree", lambda root: write_series(
        root / "tree" / "s", edit_files=lambda folder: away(folder)),
     [(REFUSED, "leaves the tree"), (REFUSED, "leaves the tree")]),
    ("a character set that nobody knows", series(each("SpecificCharacterSet", "ISO_IR 999")),
     [(READ, "")]),
]  # fmt: skip


def away(folder):
    link_out(folder)
    (folder.parent / "outside.dcm").rename(folder.parent.parent / "outside.dcm")
    (folder / "999.dcm").unlink()
    (folder / "999.dcm").symlink_to(folder.parent.parent / "outside.dcm")


def said(finding):
    details = finding.details
    return details.get("reason") or "; ".join(details.get("notes", ()))


@pytest.mark.filterwarnings("ignore:Unknown encoding")  # pydicom, while the factory writes
@pytest.mark.parametrize(
    ("situation", "make", "expected"), INSPECTED, ids=[row[0] for row in INSPECTED]
)
def test_what_happens(tmp_path, situation, make, expected):
    make(tmp_path)
    root = tmp_path / "tree" if (tmp_path / "tree").is_dir() else tmp_path
    found = survey(root, protocols=PROTOCOLS, known=lambda path: "")
    got = sorted((finding.status, said(finding)) for finding in found)
    assert [status for status, _ in got] == sorted(status for status, _ in expected)
    for status, words in expected:
        hits = [text for kind, text in got if kind == status and words in text]
        assert hits, f"{situation}: expected {status}, {words!r}; got {got}"
        if not words and status == READ:
            assert "" in hits, f"{situation}: a note where none was expected: {got}"


def test_a_row_declares_slope_and_unit_of_another_scanner(tmp_path):
    write_series(tmp_path / "tree" / "s", relaxometry)
    table = rows(tmp_path, 'slope = 0.1\nunit = "ms"')
    (found,) = survey(tmp_path / "tree", protocols=table, known=lambda path: "")
    assert found.status == READ


def with_axes(*shape):
    def edit(path):
        image = nibabel.load(path)
        array = np.asarray(image.dataobj)
        nibabel.save(nibabel.Nifti1Image(array.reshape(*array.shape, *shape), image.affine,
                                         image.header), path)  # fmt: skip

    return edit


def doubled(path):
    image = nibabel.load(path)
    array = np.repeat(np.asarray(image.dataobj)[..., None], 2, 3)
    nibabel.save(nibabel.Nifti1Image(array, image.affine, image.header), path)


def car(text):
    return lambda path: path.with_name(path.name.split(".")[0] + ".json").write_text(text)


OF_BIDS = [
    ("a fourth axis of one", "t1", with_axes(1), ""),  # refused before
    ("a fifth axis of one", "t1", with_axes(1, 1), ""),  # refused before
    ("two volumes in one file", "t1", doubled, "4 axes, expected 3"),
    ("PDmap in arbitrary units, as BIDS allows", "pd", car('{"Units": "arbitrary"}'),
     "no percentage follows from that"),  # refused without this word before
    ("milliseconds in a data set that should have seconds", "t1", car('{"Units": "ms"}'),
     "another unit?"),  # only pairing saw it before
    ("no side-car", "t1", lambda path: path.with_name("sub-01_acq-fast_T1map.json").unlink(),
     "missing; Units must be"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "name", "edit", "words"), OF_BIDS, ids=[row[0] for row in OF_BIDS]
)
def test_what_happens_to_a_nifti_map(tmp_path, situation, name, edit, words):
    anat = tmp_path / "sub-01" / "anat"
    path = write_map(anat, "sub-01", "fast", name, fast_geometry(), 1)
    before = read_map(path).volume.maps
    edit(path)
    if words:
        with pytest.raises(BidsError, match=re.escape(words)):
            read_map(path)
    else:
        np.testing.assert_array_equal(read_map(path).volume.maps, before)


def test_the_table_is_of_single_things():
    """Two rows of one name would hide each other."""
    names = [row[0] for row in (*INSPECTED, *OF_BIDS)]
    assert len(set(names)) == len(names) >= 35
