"""Multi-frame files: frames by position, values by their own scaling, bundles taken apart."""

import copy

import numpy as np
import pytest
from dicom_factory import CANARY, SIDE, SLICES, SLOPE, save, stored_slice, write_series
from multiframe_factory import (
    ENHANCED,
    LEGACY,
    PARAMETRIC,
    SHUFFLED,
    T2_CODE,
    groups,
    holding,
    make_frames,
    real_world,
    rescale,
    set_frames,
)
from pydicom import dcmread
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless

from qsr_jax.data.dicom import DicomInputError, read_folder, read_series, write_derived
from qsr_jax.data.dicom.series_rules import MAP, PROTOCOLS, SeriesRule
from qsr_jax.maps import MAPS
from qsr_jax.types import CORNER, Prediction

STORED = np.stack([stored_slice(index) for index in range(SLICES)]).astype(np.float64)
PER_SLICE = np.array([0.1, 0.12, 0.14, 0.16, 0.18])[:, None, None]


def shared(ds):
    return ds.SharedFunctionalGroupsSequence[0]


def rescale_per_frame(ds):
    for index, group in zip(SHUFFLED, groups(ds), strict=True):
        group.PixelValueTransformationSequence = rescale(float(PER_SLICE[index, 0, 0]))


def rescale_shared(ds):
    shared(ds).PixelValueTransformationSequence = rescale(SLOPE)


def mapped_per_frame(ds):
    for index, group in zip(SHUFFLED, groups(ds), strict=True):
        group.RealWorldValueMappingSequence = real_world(float(PER_SLICE[index, 0, 0]))


def mapped_shared(ds, **changes):
    shared(ds).RealWorldValueMappingSequence = real_world(**changes)


def both_agree(ds):
    rescale_per_frame(ds)
    mapped_per_frame(ds)


def floats(dtype):
    def edit(ds):
        stored = np.frombuffer(ds.PixelData, np.uint16).reshape(SLICES, SIDE, SIDE)
        set_frames(ds, (stored * SLOPE).astype(dtype))
        limits = {
            "DoubleFloatRealWorldValueFirstValueMapped": 0.0,
            "DoubleFloatRealWorldValueLastValueMapped": 6553.5,
        }
        mapped_shared(ds, slope=1.0, **limits)

    return edit


def mixed_frame_types(ds):
    ds.ImageType = ["DERIVED", "PRIMARY", "MIXED", "NONE"]
    for group in groups(ds):
        group.MRImageFrameTypeSequence = [holding(FrameType=["DERIVED", "PRIMARY", "T1 MAP"])]
    rescale_shared(ds)


GOOD = [
    ("M2 slope per frame", ENHANCED, rescale_per_frame, STORED * PER_SLICE),
    ("M2 slope shared", ENHANCED, rescale_shared, STORED * SLOPE),
    ("M1 legacy converted", LEGACY, rescale_per_frame, STORED * PER_SLICE),
    ("M2 real world values per frame", ENHANCED, mapped_per_frame, STORED * PER_SLICE),
    ("M2 both", ENHANCED, both_agree, STORED * PER_SLICE),
    ("M1 frame types", ENHANCED, mixed_frame_types, STORED * SLOPE),
    ("M1 parametric map, integers", PARAMETRIC, mapped_per_frame, STORED * PER_SLICE),
    ("M1 parametric map, float32", PARAMETRIC, floats(np.float32), STORED * SLOPE),
    ("M1 parametric map, float64", PARAMETRIC, floats(np.float64), STORED * SLOPE),
]


@pytest.mark.parametrize(("case", "sop_class", "edit", "expected"), GOOD, ids=[r[0] for r in GOOD])
def test_good_frames_are_read_exactly(tmp_path, case, sop_class, edit, expected):
    ds = make_frames(sop_class)
    edit(ds)
    save(ds, tmp_path / "one.dcm")
    for place in (tmp_path, tmp_path / "one.dcm"):
        series = read_series(place)
        np.testing.assert_array_equal(series.volume.maps[..., 0], expected.astype(np.float32))
        assert series.map_name == "t1"
        assert series.volume.geometry.origin_mm == (-40.0, -50.0, -20.0)
        assert series.volume.geometry.spacing_mm == (5.0, 3.4375, 3.4375)
        assert series.files == (tmp_path / "one.dcm",) * SLICES
        assert [SHUFFLED[frame] for frame in series.frames] == list(range(SLICES))


def test_frames_of_several_files_form_one_stack(tmp_path):
    for part, order in enumerate([(3, 0), (4, 2, 1)]):
        ds = make_frames(ENHANCED, order)
        rescale_shared(ds)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{part + 7}"
        save(ds, tmp_path / f"{part}.dcm")
    values = read_series(tmp_path).volume.maps[..., 0]
    np.testing.assert_array_equal(values, (STORED * SLOPE).astype(np.float32))


def contradiction(ds):
    both_agree(ds)
    groups(ds)[2].RealWorldValueMappingSequence[0].RealWorldValueSlope = 0.2


def nothing_said_once(ds):
    rescale_per_frame(ds)
    del groups(ds)[3].PixelValueTransformationSequence


def said_twice(ds):
    rescale_shared(ds)
    rescale_per_frame(ds)


def two_items(ds):
    groups(ds)[1].PlanePositionSequence = Sequence(
        [groups(ds)[0].PlanePositionSequence[0], groups(ds)[2].PlanePositionSequence[0]]
    )


def two_shared(ds):
    ds.SharedFunctionalGroupsSequence = Sequence([shared(ds), shared(ds)])


def same_place(ds):
    rescale_shared(ds)
    groups(ds)[4].PlanePositionSequence = groups(ds)[1].PlanePositionSequence


def other_mapping(**changes):
    return lambda ds: mapped_shared(ds, **changes)


def several_mappings(ds):
    shared(ds).RealWorldValueMappingSequence = [*real_world(), *real_world(slope=0.2)]


def several_units(ds):
    shared(ds).RealWorldValueMappingSequence = [*real_world(), *real_world(unit="s")]


def quantity_broken(ds):
    mapped_shared(ds)
    item = shared(ds).RealWorldValueMappingSequence[0]
    del item.QuantityDefinitionSequence[0].ConceptNameCodeSequence


def frames(number):
    def edit(ds):
        rescale_shared(ds)
        ds.NumberOfFrames = number

    return edit


def nan(ds):
    floats(np.float32)(ds)
    values = np.frombuffer(ds.FloatPixelData, np.float32).copy()
    values[7] = np.nan
    ds.FloatPixelData = values.tobytes()


def compressed_floats(ds):
    floats(np.float32)(ds)
    ds.file_meta.TransferSyntaxUID = RLELossless


RWVM = "RealWorldValueMappingSequence"
BAD = [
    ("P11 in one frame", ENHANCED, contradiction, RWVM, "frame 3"),
    ("10 in one frame", ENHANCED, nothing_said_once, "RescaleSlope", ""),
    ("11 nothing said", ENHANCED, lambda ds: None, "RescaleSlope", ""),
    ("11 parametric map, nothing said", PARAMETRIC, lambda ds: None, RWVM, "frame 1"),
    ("said twice", ENHANCED, said_twice, "PixelValueTransformationSequence", "both shared"),
    ("06 same place", ENHANCED, same_place, "ImagePositionPatient", "same position as frame"),
    ("two positions", ENHANCED, lambda ds: [rescale_shared(ds), two_items(ds)],
     "PlanePositionSequence", "2 items in frame 2"),
    ("two shared", ENHANCED, two_shared, "SharedFunctionalGroupsSequence", "2 items"),
    ("P10 seconds", ENHANCED, other_mapping(unit="s"), RWVM, "unit s, expected ms"),
    ("another quantity", ENHANCED, other_mapping(quantity=T2_CODE), RWVM, "expected 113063"),
    ("unknown quantity", PARAMETRIC, other_mapping(quantity="77"), RWVM, "which map"),
    ("slope zero", PARAMETRIC, other_mapping(slope=0.0), RWVM, "slope > 0"),
    ("lookup table", ENHANCED, other_mapping(RealWorldValueLUTData=[1.0]), RWVM, "lookup table"),
    ("two mappings", PARAMETRIC, several_mappings, RWVM, "both cannot hold"),
    ("two units", PARAMETRIC, several_units, RWVM, "several units"),
    ("quantity broken", PARAMETRIC, quantity_broken, RWVM, "not readable"),
    ("outside the mapping", PARAMETRIC,
     other_mapping(DoubleFloatRealWorldValueFirstValueMapped=0.0,
                   DoubleFloatRealWorldValueLastValueMapped=99.0), "PixelData", "says nothing"),
    ("mapping of two values", PARAMETRIC,
     other_mapping(DoubleFloatRealWorldValueFirstValueMapped=[0.0, 1.0],
                   DoubleFloatRealWorldValueLastValueMapped=[9.0, 9.0]), RWVM, "not a number"),
    ("M4 floats in a compressed syntax", PARAMETRIC, compressed_floats,
     "TransferSyntaxUID", "cannot hold FloatPixelData"),
    ("48 one frame more", ENHANCED, frames(6), "PerFrameFunctionalGroupsSequence", "5 items"),
    ("M10 2^31-1 frames", ENHANCED, frames(2**31 - 1), "NumberOfFrames", "expected 1..4096"),
    ("M1 not a number", PARAMETRIC, nan, "FloatPixelData", "not finite"),
    ("26 too few pixels", PARAMETRIC, lambda ds: [mapped_shared(ds), setattr(ds, "Rows", 17)],
     "PixelData", "bytes"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "sop_class", "edit", "keyword", "text"), BAD, ids=[r[0] for r in BAD]
)
def test_bad_frames_are_refused_by_file_and_tag(tmp_path, case, sop_class, edit, keyword, text):
    ds = make_frames(sop_class)
    edit(ds)
    save(ds, tmp_path / "one.dcm")
    with pytest.raises(DicomInputError) as caught:
        read_series(tmp_path)
    assert (caught.value.keyword, caught.value.path) == (keyword, tmp_path / "one.dcm")
    assert text in str(caught.value)
    assert CANARY not in str(caught.value).replace(str(tmp_path), "")


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


def test_maps_of_one_file_have_digests_of_their_own(tmp_path):
    ds = make_frames(PARAMETRIC, order=[0, 1, 2, 0, 1, 2])
    for number, group in enumerate(groups(ds)):
        spec = MAPS["t1" if number < 3 else "t2"]
        group.RealWorldValueMappingSequence = real_world(quantity=spec.quantity[0])
    save(ds, tmp_path / "one.dcm")
    first, second = read_folder(tmp_path)
    assert (first.map_name, second.map_name) == ("t1", "t2")
    assert first.sha256 != second.sha256


def test_parametric_maps_of_highdicom_are_read(tmp_path):
    """An independent writer (highdicom) and our reader agree to the last bit."""
    hd = pytest.importorskip("highdicom", reason="pip install highdicom")
    from pydicom.sr.coding import Code

    sources = [dcmread(p) for p in sorted(write_series(tmp_path / "source").iterdir())]
    for source in sources:
        source.StudyTime = source.AccessionNumber = source.StudyID = source.PatientSex = ""
        source.ReferringPhysicianName = source.PositionReferenceIndicator = ""
    values = (STORED * SLOPE).astype(np.float32)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="T1",
        lut_explanation="T1 in ms",
        unit=Code("ms", "UCUM", "millisecond"),
        value_range=[0.0, 10000.0],
        slope=1.0,
        intercept=0.0,
        quantity_definition=Code("113063", "DCM", "T1"),
    )
    ds = hd.pm.ParametricMap(
        source_images=sources,
        pixel_array=values[..., None],
        series_instance_uid=hd.UID(),
        series_number=1,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[[mapping]],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=1000, window_width=2000)],
    )
    ds.save_as(tmp_path / "map.dcm")
    series = read_series(tmp_path / "map.dcm")
    np.testing.assert_array_equal(series.volume.maps[..., 0], values)
    assert series.protocol == "Parametric Map"


def test_a_series_derived_from_frames_refers_to_them(tmp_path):
    """What is written back is single-frame; each image names the frame that it was made from."""
    ds = make_frames(ENHANCED)
    rescale_shared(ds)
    (tmp_path / "in").mkdir()
    save(ds, tmp_path / "in" / "one.dcm")
    source = read_series(tmp_path / "in")
    geometry = source.volume.geometry.refined(2, CORNER)
    mean = np.repeat(np.repeat(source.volume.maps, 2, axis=1), 2, axis=2)
    prediction = Prediction(mean, None, ("t1",), geometry)
    write_derived(prediction, source, tmp_path / "out", derivation="d", software="s")
    back = read_series(tmp_path / "out")
    np.testing.assert_allclose(back.volume.maps, mean, atol=0.051)
    for place, path in enumerate(back.files):
        (reference,) = dcmread(path).SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == ds.SOPInstanceUID
        assert SHUFFLED[reference.ReferencedFrameNumber - 1] == place


def test_a_protocol_row_is_enough_for_another_scanner(tmp_path):
    def edit(slices):
        for ds in slices:
            ds.ImageType = ["DERIVED", "PRIMARY", "RELAX", "T1_MS"]

    folder = write_series(tmp_path / "s", edit)
    with pytest.raises(DicomInputError, match="ImageType"):
        read_series(folder)
    mine = SeriesRule("mine", ("DERIVED", "PRIMARY", "RELAX", MAP), {"T1_MS": "t1"})
    assert read_series(folder, protocols=(*PROTOCOLS, mine)).protocol == "mine"
