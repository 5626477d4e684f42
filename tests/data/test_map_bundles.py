"""Series that hold several maps are taken apart, image by image, or refused."""

import copy

import numpy as np
import pytest
from dicom_factory import CANARY, SLICES, SLOPE, stored_slice, write_series
from multiframe_edits import STORED
from multiframe_factory import real_world

from qsr_jax.data.dicom import DicomInputError, read_folder, read_series
from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule
from qsr_jax.maps import MAPS

TIMES = {"t1": 1.0, "t2": 0.1, "pd": 0.05}
"""What the slices of each map are, in parts of STORED * SLOPE."""


def bundle(tmp_path, tell, *, turns=False):
    """A series of 15 images; ``tell(ds, name)`` says which map an image is."""
    names = list(TIMES)
    folder = tmp_path / "bundle"

    def edit(slices):
        originals = list(slices)
        slices.clear()
        for rank, name in enumerate(names):
            for index, good in enumerate(originals):
                ds = copy.deepcopy(good)
                number = index * 3 + rank if turns else rank * SLICES + index
                ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number + 9}"
                ds.InstanceNumber = number + 1
                ds.PixelData = (stored_slice(index) * TIMES[name]).astype(np.uint16).tobytes()
                ds.ImageType = ["DERIVED", "PRIMARY", "MULTI_QMAP", "T1", "T2", "PD"]
                tell(ds, name)
                slices.append(ds)

    return write_series(folder, edit)


def by_image_type(ds, name):
    ds.ImageType = ["DERIVED", "PRIMARY", "MULTI_QMAP", MAPS[name].label]


def by_quantity(ds, name):
    spec = MAPS[name]
    ds.RealWorldValueMappingSequence = real_world(unit=spec.ucum[0], quantity=spec.quantity[0])


def by_echo(ds, name):
    ds.EchoNumbers = list(TIMES).index(name) + 1


def by_nothing(ds, name):
    pass


def row(by, maps):
    """The table with another row for bundles that list all their maps."""
    listed = ("DERIVED", "PRIMARY", "MULTI_QMAP", "T1", "T2", "PD")
    others = [r for r in PROTOCOLS if r.image_type != listed]
    return (*others, SeriesRule("mine", listed, maps, by=by, bundle=True))


ORDER = {"T1": "t1", "T2": "t2", "PD": "pd"}
BUNDLES = [
    ("ImageType of each image", by_image_type, False, PROTOCOLS),
    ("quantity codes", by_quantity, False, PROTOCOLS),
    ("a keyword", by_echo, False, row("EchoNumbers", {"1": "t1", "2": "t2", "3": "pd"})),
    ("blocks", by_nothing, False, row("blocks", ORDER)),
    ("turns", by_nothing, True, row("turns", ORDER)),
]


@pytest.mark.parametrize(("case", "tell", "turns", "table"), BUNDLES, ids=[r[0] for r in BUNDLES])
def test_bundles_are_split(tmp_path, case, tell, turns, table):
    folder = bundle(tmp_path, tell, turns=turns)
    held = {series.map_name: series for series in read_folder(folder, protocols=table)}
    assert set(held) == set(TIMES)
    assert len({series.sha256 for series in held.values()}) == 3
    for name, series in held.items():
        expected = (STORED * TIMES[name]).astype(np.uint16) * SLOPE
        np.testing.assert_array_equal(series.volume.maps[..., 0], expected.astype(np.float32))
        alone = read_series(folder, map_name=name, protocols=table)
        assert alone.sha256 == series.sha256
        assert bool(series.notes) == (case in ("blocks", "turns"))
    with pytest.raises(DicomInputError, match="a bundle of t1, t2, pd; say which map"):
        read_series(folder, protocols=table)


def lost(folder, *names):
    for name in names:
        (folder / f"{name}.dcm").unlink()
    return folder


def test_a_bundle_with_a_slice_missing_is_refused(tmp_path):
    with pytest.raises(DicomInputError, match="4 of t2, 5 of pd|5 of pd, 5 of t1, 4 of t2"):
        read_folder(lost(bundle(tmp_path, by_image_type), "009"))


def test_order_needs_all_images_once(tmp_path):
    table = row("blocks", ORDER)
    with pytest.raises(DicomInputError, match="14 images, expected a multiple of 3"):
        read_folder(lost(bundle(tmp_path / "a", by_nothing), "009"), protocols=table)

    def same(ds, name):
        ds.InstanceNumber = 1

    with pytest.raises(DicomInputError, match="InstanceNumber .*comes twice"):
        read_folder(bundle(tmp_path / "b", same), protocols=table)


def test_blocks_taken_for_turns_are_refused(tmp_path):
    """Five slices and three maps: their places alone would let T1 and T2 change places."""
    with pytest.raises(DicomInputError, match="ImagePositionPatient .*not the place"):
        read_folder(bundle(tmp_path / "a", by_nothing), protocols=row("turns", ORDER))
    with pytest.raises(DicomInputError, match="ImagePositionPatient .*same position"):
        folder = bundle(tmp_path / "b", by_nothing, turns=True)
        read_folder(folder, protocols=row("blocks", ORDER))


def test_an_image_of_no_known_map_is_refused_without_its_value(tmp_path):
    def named(ds, name):
        ds.SeriesDescription = f"{CANARY} {name}"

    table = row("SeriesDescription", {"T1": "t1"})
    with pytest.raises(DicomInputError, match="SeriesDescription .*another value, expected") as e:
        read_folder(bundle(tmp_path, named), protocols=table)
    assert CANARY not in str(e.value).replace(str(tmp_path), "")


def test_a_map_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DicomInputError, match="t1, expected t2"):
        read_series(write_series(tmp_path / "s"), map_name="t2")
