"""Multi-frame files: frames by position, values by their own scaling."""

import numpy as np
import pytest
from dicom_factory import CANARY, SLICES, SLOPE, save, write_series
from multiframe_edits import (
    PER_SLICE,
    STORED,
    both_agree,
    compressed_floats,
    contradiction,
    first_float,
    floats,
    frames,
    mapped_per_frame,
    mapped_shared,
    mixed_frame_types,
    nothing_said_once,
    other_mapping,
    quantity_broken,
    rescale_per_frame,
    rescale_shared,
    said_twice,
    same_place,
    several_mappings,
    several_units,
    two_items,
    two_shared,
)
from multiframe_factory import (
    ENHANCED,
    LEGACY,
    PARAMETRIC,
    SHUFFLED,
    T2_CODE,
    groups,
    make_frames,
    real_world,
)
from pydicom import dcmread

from qsr_jax.data.dicom import DicomInputError, read_folder, read_series, write_derived
from qsr_jax.data.dicom.series_rules import MAP, PROTOCOLS, SeriesRule
from qsr_jax.maps import MAPS
from qsr_jax.types import CORNER, Prediction

PADDED = STORED * SLOPE
PADDED[SHUFFLED[0], 0, 7] = 0.0
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
    ("M1 NaN is padding", PARAMETRIC, first_float(np.nan), PADDED),
    ("M1 a float is padding", PARAMETRIC, first_float(-9.0, FloatPixelPaddingValue=-9.0), PADDED),
    ("M1 NaN said to be padding", PARAMETRIC,
     first_float(np.nan, FloatPixelPaddingValue=np.nan), PADDED),
]  # fmt: skip


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
    ("M1 infinite", PARAMETRIC, first_float(np.inf), "FloatPixelData", "not finite"),
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
