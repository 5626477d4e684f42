"""Derived series: values, places, header and origin, and what is refused."""

import dataclasses
import warnings

import numpy as np
import pydicom
import pytest
from dicom_factory import fast_geometry, make_slices, write_series
from dicom_writing import derive, prediction_of, tilted, written

from qsr_jax.data import dicom
from qsr_jax.maps import MAPS
from qsr_jax.types import ALIGNMENTS


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("geometry", [fast_geometry(), tilted()], ids=["axial", "oblique"])
def test_derived_round_trip(tmp_path, name, alignment, geometry):
    """Read back by pydicom alone: values within half a slope, positions within 1e-4 mm."""
    source = written(tmp_path / "s", name, geometry)
    prediction = prediction_of(source, alignment)
    derive(source, tmp_path / "d", prediction)
    for index, path in enumerate(sorted((tmp_path / "d").iterdir())):
        ds = pydicom.dcmread(path)
        values = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        assert np.abs(values - prediction.mean[index, ..., 0]).max() <= MAPS[name].slope / 2 + 1e-3
        expected = prediction.geometry.slice_positions_mm()[index]
        np.testing.assert_allclose([float(v) for v in ds.ImagePositionPatient], expected, atol=1e-4)
        pixel = geometry.spacing_mm[1] / 2
        np.testing.assert_allclose([float(v) for v in ds.PixelSpacing], pixel, atol=1e-7)


@pytest.mark.parametrize(("alignment", "shift_px"), [("corner", -0.25), ("sample", 0.0)])
def test_derived_first_voxel_follows_the_alignment(tmp_path, alignment, shift_px):
    """The finer grid starts a quarter of a coarse pixel earlier, or at the same place."""
    source = written(tmp_path / "s", "t1", fast_geometry())
    derived = derive(source, tmp_path / "d", prediction_of(source, alignment))
    before, after = (s.volume.geometry.origin_mm for s in (source, derived))
    pixel = source.volume.geometry.spacing_mm[1]
    np.testing.assert_allclose(
        np.subtract(after, before), [shift_px * pixel, shift_px * pixel, 0], atol=1e-4
    )


def test_derived_header(tmp_path):
    """Identity, kind, pixels, values and provenance of a derived MR series (PS3.3 C.8.3, C.7.6)."""
    source = written(tmp_path / "s", "pd", fast_geometry(), number=4)
    derive(source, tmp_path / "d")
    new = [pydicom.dcmread(p) for p in sorted((tmp_path / "d").iterdir())]
    old = [pydicom.dcmread(p) for p in source.files]
    for fresh, original in zip(new, old, strict=True):
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "FrameOfReferenceUID"):
            assert fresh[keyword].value == original[keyword].value
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
            assert fresh[keyword].value != original[keyword].value
        assert fresh.file_meta.MediaStorageSOPInstanceUID == fresh.SOPInstanceUID
        assert fresh.preamble == b"\0" * 128
        assert list(fresh.ImageType) == ["DERIVED", "SECONDARY", "DENSITY MAP", "QSR"]
        assert "research" in fresh.SeriesDescription
        assert fresh.SeriesNumber != original.SeriesNumber
        assert (fresh.BitsStored, fresh.HighBit, fresh.PixelRepresentation) == (16, 15, 0)
        assert fresh.LossyImageCompression == "00"
        assert fresh.BurnedInAnnotation == "NO"
        for keyword in ("AcquisitionMatrix", "WindowCenter", "ImagesInAcquisition"):
            assert keyword not in fresh
        mapping = fresh.RealWorldValueMappingSequence[0]
        assert mapping.RealWorldValueSlope == float(fresh.RescaleSlope) == 0.1
        assert mapping.RealWorldValueIntercept == float(fresh.RescaleIntercept) == 0
        assert mapping["RealWorldValueLastValueMapped"].VR == "US"
        assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "%"
        assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue == "113058"
        assert "not for diagnostic use" in fresh.DerivationDescription
        assert fresh.SourceImageSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
        assert fresh.ContributingEquipmentSequence[0].SoftwareVersions == "qsr_jax 0.1"
    assert len({ds.SeriesInstanceUID for ds in new}) == 1
    assert [ds.InstanceNumber for ds in new] == [1, 2, 3]


def test_derived_keeps_lossy_flag_preamble_and_private_tags_out(tmp_path):
    """Once lossy, always lossy is refused at reading; a hostile preamble and private tags go."""

    def spoil(slices):
        for ds in slices:
            ds.private_block(0x3005, "GEHC_SyMR", create=True).add_new(1, "LO", "PRIVATE")
            ds.WindowCenter = ds.WindowWidth = 100

    def preamble(folder):
        for path in folder.iterdir():
            path.write_bytes(b"MZ" + path.read_bytes()[2:])

    source = dicom.read_series(write_series(tmp_path / "s", spoil, edit_files=preamble))
    derive(source, tmp_path / "d")
    for path in (tmp_path / "d").iterdir():
        content = path.read_bytes()
        assert content[:128] == b"\0" * 128
        assert b"PRIVATE" not in content
        assert b"GEHC_SyMR" not in content  # four letters might be pixels


def test_derived_is_written_in_the_orientation_of_the_source(tmp_path):
    """A source with a negative row direction keeps it; the voxels stay at their places."""

    def turn(slices):
        for ds in slices:
            ds.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]

    source = dicom.read_series(write_series(tmp_path / "s", turn))
    prediction = prediction_of(source)
    derived = derive(source, tmp_path / "d", prediction)
    first = pydicom.dcmread(tmp_path / "d" / "001.dcm")
    assert [float(v) for v in first.ImageOrientationPatient] == [-1, 0, 0, 0, 1, 0]
    assert derived.volume.geometry.row_dir == (1.0, 0.0, 0.0)
    np.testing.assert_allclose(derived.volume.maps, prediction.mean, atol=0.051)
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID in {
        ds.SOPInstanceUID
        for ds in make_slices()
        if float(ds.ImagePositionPatient[2]) == float(first.ImagePositionPatient[2])
    }


def test_derived_repeats_what_the_source_spells_badly(tmp_path, caplog):
    """Identifiers that break the rules are kept, and no warning or log prints them."""

    def badly(slices):
        for index, ds in enumerate(slices):
            ds.SOPInstanceUID = f"1.02.0{index}"
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.PatientName = "Müller^Änne"
            ds.SpecificCharacterSet = "ISO_IR 100"

    with warnings.catch_warnings(action="ignore"):
        folder = write_series(tmp_path / "s", badly)
    caplog.clear()
    source = dicom.read_series(folder)
    derive(source, tmp_path / "d")
    assert "1.02" not in caplog.text
    with warnings.catch_warnings(action="ignore"):
        first = pydicom.dcmread(tmp_path / "d" / "001.dcm")
        reference = first.SourceImageSequence[0].ReferencedSOPInstanceUID
    assert reference == "1.02.00"
    assert str(first.PatientName) == "Müller^Änne"


def test_derived_refuses_what_does_not_belong(tmp_path):
    source = written(tmp_path / "s", "t1", fast_geometry())
    good = prediction_of(source)
    moved = dataclasses.replace(good.geometry, origin_mm=(0.0, 0.0, 2.5))
    fewer = dataclasses.replace(good.geometry, shape=(2, 64, 64))
    for bad in (
        dataclasses.replace(good, names=("t2",)),
        dataclasses.replace(good, geometry=moved),
        dataclasses.replace(good, geometry=fewer, mean=good.mean[:2]),
        dataclasses.replace(good, mean=good.mean - 10),
        dataclasses.replace(good, mean=good.mean * np.nan),
        dataclasses.replace(good, mean=good.mean + 6000),
    ):
        with pytest.raises(ValueError, match=str(tmp_path / "d")):
            derive(source, tmp_path / "d", bad)
    with pytest.raises(ValueError, match="1024"):
        derive(source, tmp_path / "d", derivation="x" * 1025)
    with pytest.raises(ValueError, match="64"):
        derive(source, tmp_path / "d", software="x" * 65)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("fault", ["values", "positions"])
def test_derived_notices_its_own_mistakes(tmp_path, monkeypatch, fault):
    """A writer that writes something else than asked leaves nothing behind."""
    source = written(tmp_path / "s", "t1", fast_geometry())
    from qsr_jax.data.dicom import derived as module

    original = {"values": module.set_pixels, "positions": module.set_plane}[fault]
    if fault == "values":
        monkeypatch.setattr(module, "set_pixels", lambda ds, px: original(ds, px + np.uint16(9)))
    else:
        shifted = dataclasses.replace(
            prediction_of(source).geometry, origin_mm=(-100.0, -100.0, -5.0)
        )
        monkeypatch.setattr(module, "set_plane", lambda ds, _, index: original(ds, shifted, index))
    with pytest.raises(ValueError, match=f"{fault} read back differ"):
        derive(source, tmp_path / "d")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
