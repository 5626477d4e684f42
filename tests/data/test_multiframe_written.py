"""Predictions for multi-frame scans in every format: values, places, and what they refer to."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from dicom_factory import SLICES, save
from multiframe_edits import floats, mapped_per_frame, rescale_per_frame, rescale_shared
from multiframe_factory import ENHANCED, LEGACY, PARAMETRIC, SHUFFLED, groups, make_frames
from multiframe_factory import real_world as mapping_of
from small_predictors import Doubler
from written_maps import by_highdicom, same_voxels

from launch import predict
from qsr_jax.data.dicom import read_folder, read_series, write_derived, write_parametric_map
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.maps import MAPS

SOURCES = {
    "enhanced": (ENHANCED, rescale_per_frame),
    "legacy converted": (LEGACY, rescale_shared),
    "parametric map, floats": (PARAMETRIC, floats(np.float32)),
    "parametric map, integers": (PARAMETRIC, mapped_per_frame),
}
WORDS = {"derivation": "model; not for diagnostic use", "software": "qsr_jax"}


@pytest.fixture(params=SOURCES, ids=str)
def scan(request, tmp_path):
    """A folder with one multi-frame file."""
    sop_class, edit = SOURCES[request.param]
    ds = make_frames(sop_class)
    edit(ds)
    ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness = 4.0
    (tmp_path / "scan").mkdir()
    save(ds, tmp_path / "scan" / "one.dcm")
    return tmp_path / "scan"


def predicted(scan, out, monkeypatch, *flags):
    monkeypatch.setattr(predict, "load_predictors", lambda _, **options: [Doubler()])
    predict.main(["--workdir", "a", "--input", str(scan), "--output", str(out), *flags])
    return Doubler()(read_series(scan).volume)


def refers(item, scan, slice_index):
    """Whether an item of SourceImageSequence names the frame that holds a slice."""
    source = pydicom.dcmread(scan / "one.dcm", stop_before_pixels=True)
    assert item.ReferencedSOPClassUID == source.SOPClassUID
    assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
    return SHUFFLED[item.ReferencedFrameNumber - 1] == slice_index


def test_classic_images_name_the_frame_they_come_from(scan, tmp_path, monkeypatch):
    wanted = predicted(scan, tmp_path / "out", monkeypatch)
    back = read_series(tmp_path / "out")
    np.testing.assert_allclose(back.volume.maps, wanted.mean, atol=0.051)
    assert back.volume.geometry == wanted.geometry
    for place, path in enumerate(back.files):
        ds = pydicom.dcmread(path)
        (item,) = ds.SourceImageSequence
        assert refers(item, scan, place)
        assert ds.SliceThickness == 4.0


def test_frames_of_a_parametric_map_name_the_frame_they_come_from(scan, tmp_path, monkeypatch):
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    wanted = predicted(scan, tmp_path / "out", monkeypatch, "--parametric-map")
    np.testing.assert_array_equal(read_series(tmp_path / "out").volume.maps, wanted.mean)
    assert same_voxels(*by_highdicom(tmp_path / "out"), wanted, 1e-3) <= 1e-3
    ds = pydicom.dcmread(tmp_path / "out" / "001.dcm")
    depths = wanted.geometry.slice_positions_mm()[:, 2]
    assert ds.NumberOfFrames == SLICES
    for group in groups(ds):
        z_mm = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        (derivation,) = group.DerivationImageSequence
        (item,) = derivation.SourceImageSequence
        assert refers(item, scan, int(np.argmin(np.abs(depths - z_mm))))
        assert item.SpatialLocationsPreserved == "NO"
    source = pydicom.dcmread(scan / "one.dcm", stop_before_pixels=True)
    (whole,) = ds.SourceImageSequence
    (series,) = ds.ReferencedSeriesSequence
    (instance,) = series.ReferencedInstanceSequence
    for item in (whole, instance):
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert item.ReferencedSOPClassUID == source.SOPClassUID
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SliceThickness, measures.SpacingBetweenSlices) == (4.0, 5.0)


def test_bids_output_comes_from_frames_too(scan, tmp_path, monkeypatch):
    wanted = predicted(scan, tmp_path / "out", monkeypatch, "--nifti", "01")
    (path,) = (tmp_path / "out").rglob("*_T1map.nii.gz")
    values_s, _ = read_nifti(path)
    np.testing.assert_allclose(values_s, wanted.mean[..., 0] * 1e-3, rtol=1e-6)


def test_maps_of_one_file_refer_to_frames_of_their_own(tmp_path):
    """T1 and T2 frames lie at the same places; a reader that pairs by place would name both."""
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    ds = make_frames(PARAMETRIC, order=[0, 1, 2, 0, 1, 2])
    for number, group in enumerate(groups(ds)):
        quantity = MAPS["t1" if number < 3 else "t2"].quantity[0]
        group.RealWorldValueMappingSequence = mapping_of(quantity=quantity)
    save(ds, tmp_path / "one.dcm")
    for series, numbers in zip(read_folder(tmp_path), ({1, 2, 3}, {4, 5, 6}), strict=True):
        out = tmp_path / series.map_name
        model = Doubler(names=(series.map_name,))
        write_parametric_map(model(series.volume), series, out, **WORDS)
        found = pydicom.dcmread(out / "001.dcm")
        items = [g.DerivationImageSequence[0].SourceImageSequence for g in groups(found)]
        assert {item.ReferencedFrameNumber for (item,) in items} == numbers
        assert len(found.SourceImageSequence) == 1


def test_frames_of_several_files_name_their_files(tmp_path):
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    (tmp_path / "in").mkdir()
    for part, order in enumerate([(3, 0), (4, 2, 1)]):
        ds = make_frames(ENHANCED, order)
        rescale_shared(ds)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{part + 7}"
        save(ds, tmp_path / "in" / f"{part}.dcm")
    source = read_series(tmp_path / "in")
    for write, folder in ((write_parametric_map, "pm"), (write_derived, "mr")):
        write(Doubler()(source.volume), source, tmp_path / folder, **WORDS)
    found = pydicom.dcmread(tmp_path / "pm" / "001.dcm")
    named = {
        float(g.PlanePositionSequence[0].ImagePositionPatient[2]): (i.ReferencedSOPInstanceUID,
                                                                    i.ReferencedFrameNumber)
        for g in groups(found) for i in g.DerivationImageSequence[0].SourceImageSequence
    }  # fmt: skip
    first, second = "2.25.7", "2.25.8"
    files = [(first, 2), (second, 3), (second, 2), (first, 1), (second, 1)]
    assert [named[z] for z in sorted(named)] == files
    assert {i.ReferencedSOPInstanceUID for i in found.SourceImageSequence} == {first, second}


@pytest.mark.parametrize("flags", [(), ("--parametric-map",)], ids=["classic", "parametric map"])
@pytest.mark.parametrize("tool", ["dciodvfy", "dcmftest"])
def test_validators_find_no_error(scan, tmp_path, monkeypatch, tool, flags):
    if shutil.which(tool) is None:
        package = "dcmtk" if tool == "dcmftest" else "dicom3tools"
        pytest.skip(f"{tool} is absent; Debian package {package} brings it")
    predicted(scan, tmp_path / "out", monkeypatch, *flags)
    path = sorted((tmp_path / "out").iterdir())[0]
    ran = subprocess.run([tool, str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
    assert ran.returncode == 0
