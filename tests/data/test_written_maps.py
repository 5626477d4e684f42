"""What we write, as others read it: pydicom, SimpleITK, dcm2niix, highdicom, BIDS's validator."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from dicom_factory import fast_geometry
from written_maps import (
    OBLIQUE,
    WORDS,
    by_dcm2niix,
    by_highdicom,
    by_pydicom,
    by_simpleitk,
    prediction_of,
    same_voxels,
    source_of,
)

from qsr_jax.data import dicom
from qsr_jax.data.dicom import validator
from qsr_jax.data.nifti import bids_derivative
from qsr_jax.data.nifti.bids_derivative import Derived, write_bids_derivative
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.maps import MAPS
from qsr_jax.types import ALIGNMENTS

READERS = [by_pydicom, by_simpleitk, by_dcm2niix, by_highdicom]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("geometry", [fast_geometry(), OBLIQUE], ids=["axial", "oblique"])
@pytest.mark.parametrize("read", READERS, ids=[r.__name__ for r in READERS])
def test_others_read_the_series_as_we_meant_it(tmp_path, name, alignment, geometry, read):
    """Values within half a slope step, places within 1e-4 mm (dcm2niix: its float32 header)."""
    source = source_of(tmp_path / "s", name, geometry)
    prediction = prediction_of(source, alignment)
    dicom.write_derived(prediction, source, tmp_path / "d", **WORDS)
    moved = same_voxels(*read(tmp_path / "d"), prediction, 0.5 * MAPS[name].slope + 1e-3)
    assert moved <= (1e-3 if read is by_dcm2niix else 1e-4)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("read", [by_highdicom, by_dcm2niix], ids=["highdicom", "dcm2niix"])
def test_others_read_the_parametric_map(tmp_path, name, read):
    """Stored floats are the values, so a reader that ignores the mapping is right too."""
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    source = source_of(tmp_path / "s", name, OBLIQUE if name == "t2" else fast_geometry())
    prediction = prediction_of(source)
    dicom.write_parametric_map(prediction, source, tmp_path / "d", **WORDS)
    assert same_voxels(*read(tmp_path / "d"), prediction, 1e-3) <= 1e-3


def test_parametric_map_header(tmp_path):
    """What the constructor leaves out (PS3.3 A.75.5), and what must agree with the source."""
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    source = source_of(tmp_path / "s", "pd", fast_geometry())
    prediction = prediction_of(source)
    dicom.write_parametric_map(prediction, source, tmp_path / "d", **WORDS)
    ds = pydicom.dcmread(tmp_path / "d" / "001.dcm")
    old = pydicom.dcmread(source.files[0])
    shared = ds.SharedFunctionalGroupsSequence[0]
    anatomy = shared.FrameAnatomySequence[0]
    assert anatomy.FrameLaterality == "U"
    assert anatomy.AnatomicRegionSequence[0].CodeValue == "12738006"
    assert (ds.Modality, ds.BodyPartExamined) == ("MR", "BRAIN")
    for keyword in ("StudyInstanceUID", "PatientID", "FrameOfReferenceUID"):
        assert ds[keyword].value == old[keyword].value
    assert ds.SeriesInstanceUID != old.SeriesInstanceUID
    mapping = shared.RealWorldValueMappingSequence[0]
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    assert "not for diagnostic use" in str(ds)
    np.testing.assert_array_equal(np.sort(ds.pixel_array, None), np.sort(prediction.mean, None))


@pytest.mark.parametrize("tool", ["dciodvfy", "dcentvfy", "dcmftest"])
def test_validators_find_no_error_in_parametric_maps(tmp_path, tool):
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    if shutil.which(tool) is None:
        package = "dcmtk" if tool == "dcmftest" else "dicom3tools"
        pytest.skip(f"{tool} is absent; Debian package {package} brings it")
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    dicom.write_parametric_map(prediction_of(source), source, tmp_path / "d", **WORDS)
    files = [str(tmp_path / "d" / "001.dcm")]
    files += [str(p) for p in source.files] if tool == "dcentvfy" else []
    ran = subprocess.run([tool, *files], capture_output=True, text=True, check=False)
    assert "Error" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
    assert ran.returncode == 0


def test_parametric_map_refuses_and_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("highdicom", reason="pip install qsr_jax[parametric-map] brings it")
    from qsr_jax.data.dicom import parametric_map as module

    source = source_of(tmp_path / "s", "t1", fast_geometry())
    good = prediction_of(source)
    for bad in (
        dataclasses.replace(good, names=("t2",)),
        dataclasses.replace(good, mean=good.mean * np.nan),
        dataclasses.replace(good, mean=good.mean - 2000),
    ):
        with pytest.raises(ValueError, match=str(tmp_path / "d")):
            dicom.write_parametric_map(bad, source, tmp_path / "d", **WORDS)
    original = module._parametric_map

    def spoilt(fault):
        def make(highdicom, values, geometry, *rest, **words):
            if fault == "values":
                values = values + 1
            else:
                geometry = dataclasses.replace(geometry, origin_mm=(0.0, 0.0, -5.0))
            return original(highdicom, values, geometry, *rest, **words)

        return make

    for fault in ("values", "positions"):
        monkeypatch.setattr(module, "_parametric_map", spoilt(fault))
        with pytest.raises(ValueError, match=f"{fault} read back differ"):
            dicom.write_parametric_map(good, source, tmp_path / "d", **WORDS)
    monkeypatch.setattr(module, "_parametric_map", lambda *_, **__: {}["poor"])
    with pytest.raises(ValueError, match=r"header is too poor \(KeyError\)"):
        dicom.write_parametric_map(good, source, tmp_path / "d", **WORDS)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ValueError, match=r'pip install "qsr_jax\[parametric-map\]"'):
        dicom.write_parametric_map(good, source, tmp_path / "d", **WORDS)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_an_error_of_the_writer_is_refused_where_dciodvfy_is(tmp_path, monkeypatch):
    source = source_of(tmp_path / "s", "t1", fast_geometry())
    monkeypatch.setattr(validator, "TOOL", "no-such-tool")
    validator.check_standard(source.files, source.files[0], where=tmp_path)
    monkeypatch.undo()
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is absent; Debian package dicom3tools brings it")
    spoilt = pydicom.dcmread(source.files[0])
    del spoilt.ImageType
    spoilt.save_as(tmp_path / "spoilt.dcm")
    files = [tmp_path / "spoilt.dcm"]
    with pytest.raises(ValueError, match="dciodvfy finds: .*ImageType"):
        validator.check_standard(files, source.files[0], where=tmp_path)
    validator.check_standard(files, files[0], where=tmp_path)  # the source's own fault


def derived_maps(tmp_path):
    maps = []
    for name in MAPS:
        source = source_of(tmp_path / f"s_{name}", name, fast_geometry())
        geometry = source.volume.geometry
        maps.append(Derived(prediction_of(source), geometry, "srgan", "srgan, sha256 abc"))
    return maps


def test_bids_derivative_is_in_seconds_and_in_place(tmp_path):
    maps = derived_maps(tmp_path)
    paths = write_bids_derivative(maps, tmp_path / "b", subject="01", version="0.1")
    for item, path in zip(maps, paths, strict=True):
        (name,) = item.prediction.names
        suffix, factor = {"t1": ("T1map", 1e-3), "t2": ("T2map", 1e-3), "pd": ("PDmap", 1)}[name]
        assert path.name == f"sub-01_acq-fast_res-64_desc-srgan_{suffix}.nii.gz"
        values, affine = read_nifti(path)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, item.prediction.mean[..., 0] * factor, rtol=1e-6)
        np.testing.assert_allclose(affine, item.prediction.geometry.affine_lps(), atol=1e-3)
        car = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert car["Units"] == ("s" if name != "pd" else "%")
        assert car["SkullStripped"] is False
        assert "32 x 32 pixels of 6.875 mm to 64 x 64 pixels" in car["Resolution"]
    t1_s = np.median(read_nifti(paths[0])[0])
    assert 0.3 < t1_s < 5
    top = json.loads((tmp_path / "b" / "dataset_description.json").read_text())
    assert (top["DatasetType"], top["GeneratedBy"][0]["Name"]) == ("derivative", "qsr_jax")


def test_bids_validator_finds_no_error(tmp_path):
    tool = shutil.which("bids-validator-deno", path=f"{sys.prefix}/bin")
    if tool is None:
        pytest.skip("bids-validator-deno is absent; pip install bids-validator-deno brings it")
    write_bids_derivative(derived_maps(tmp_path), tmp_path / "b", subject="01", version="0.1")
    ran = subprocess.run(
        [tool, "--json", str(tmp_path / "b")], capture_output=True, text=True, check=False
    )
    issues = json.loads(ran.stdout)["issues"]["issues"]
    errors = [issue for issue in issues if issue["severity"] == "error"]
    assert not errors, errors
    assert ran.returncode == 0


def test_bids_derivative_refuses_and_leaves_nothing(tmp_path, monkeypatch):
    maps = derived_maps(tmp_path)

    def refused(reason, maps=maps, subject="01"):
        with pytest.raises(ValueError, match=reason):
            write_bids_derivative(maps, tmp_path / "b", subject=subject, version="0.1")
        assert not [p for p in tmp_path.iterdir() if not p.name.startswith("s_")]

    refused("letters and digits only", subject="DOE^JOHN")
    refused("letters and digits only", [dataclasses.replace(maps[0], model="sr gan")])
    refused("two maps of one kind", [maps[0], maps[0]])
    hot = dataclasses.replace(maps[0].prediction, mean=maps[0].prediction.mean + 9000)
    refused("lie outside", [dataclasses.replace(maps[0], prediction=hot)])
    write = bids_derivative.write_nifti
    monkeypatch.setattr(bids_derivative, "write_nifti", lambda v, g, p: write(v * 2, g, p))
    refused("values read back in s differ")
    moved = dataclasses.replace(maps[0].prediction.geometry, origin_mm=(0.0, 0.0, 0.0))
    monkeypatch.setattr(bids_derivative, "write_nifti", lambda v, _, p: write(v, moved, p))
    refused("positions read back differ")
    (tmp_path / "b").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        write_bids_derivative(maps, tmp_path / "b", subject="01", version="0.1")
