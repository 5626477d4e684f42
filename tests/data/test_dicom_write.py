"""What we write: read back exactly, in the right place, whole or not at all, and valid."""

import dataclasses
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_factory import acquisition, fast_geometry, head_maps, make_slices, write_series

from qsr_jax.data import dicom
from qsr_jax.files.staged import WriteError, staged_folder
from qsr_jax.maps import MAPS
from qsr_jax.types import ALIGNMENTS, CORNER, Geometry, Prediction, Volume

TILT = Geometry(
    origin_mm=(-100.123456, -90.5, 10.25),
    row_dir=(0.9961946980917455, 0.0, -0.08715574274765817),
    col_dir=(0.01513, 0.984807753, 0.172987),
    spacing_mm=(5.0, 6.875, 6.875),
    shape=(3, 32, 32),
)


def tilted() -> Geometry:
    """An oblique grid, its directions made orthonormal to the last bit."""
    row = np.array(TILT.row_dir) / np.linalg.norm(TILT.row_dir)
    col = np.array(TILT.col_dir) - (np.array(TILT.col_dir) @ row) * row
    return dataclasses.replace(
        TILT, row_dir=tuple(row.tolist()), col_dir=tuple((col / np.linalg.norm(col)).tolist())
    )


def volume_of(name: str, geometry: Geometry) -> Volume:
    return Volume(head_maps(geometry.shape, 3)[name][..., None], (name,), geometry)


def written(folder: Path, name: str, geometry: Geometry, **changes) -> dicom.Series:
    header = acquisition("someone", **changes)
    dicom.write_acquired(volume_of(name, geometry), folder, acquisition=header, uid_seed=name)
    return dicom.read_series(folder)


def prediction_of(series: dicom.Series, alignment: str = CORNER, scale: int = 2) -> Prediction:
    fine = np.repeat(np.repeat(series.volume.maps, scale, 1), scale, 2) * np.float32(1.0371)
    geometry = series.volume.geometry.refined(scale, alignment)
    return Prediction(fine, None, (series.map_name,), geometry)


def derive(series, out, prediction=None, **changes):
    words = {"derivation": "model, sha256; not for diagnostic use", "software": "qsr_jax 0.1"}
    dicom.write_derived(prediction or prediction_of(series), series, out, **(words | changes))
    return dicom.read_series(out)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("geometry", [fast_geometry(), tilted()], ids=["axial", "oblique"])
def test_acquired_round_trip(tmp_path, name, geometry):
    series = written(tmp_path / "s", name, geometry)
    volume = volume_of(name, geometry)
    assert np.abs(series.volume.maps - volume.maps).max() <= MAPS[name].slope / 2 + 1e-3
    np.testing.assert_allclose(
        series.volume.geometry.affine_lps(), geometry.affine_lps(), atol=1e-4
    )
    assert series.map_name == name
    assert len(list((tmp_path / "s").iterdir())) == geometry.shape[0]


def test_acquired_bytes_are_a_function_of_the_arguments(tmp_path):
    for folder in ("a", "b"):
        written(tmp_path / folder, "t1", fast_geometry())
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_acquired_refuses_several_maps_and_impossible_values(tmp_path):
    geometry = fast_geometry()
    two = Volume(np.ones((*geometry.shape, 2), np.float32), ("t1", "t2"), geometry)
    with pytest.raises(ValueError, match="one map"):
        dicom.write_acquired(two, tmp_path / "s", acquisition=acquisition("x"), uid_seed="x")
    hot = Volume(np.full((*geometry.shape, 1), 7000, np.float32), ("t1",), geometry)
    with pytest.raises(ValueError, match="outside"):
        dicom.write_acquired(hot, tmp_path / "s", acquisition=acquisition("x"), uid_seed="x")
    assert not list(tmp_path.iterdir())


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


def test_existing_target_is_refused(tmp_path):
    source = written(tmp_path / "s", "t1", fast_geometry())
    (tmp_path / "d").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        derive(source, tmp_path / "d")
    with pytest.raises(FileExistsError, match="exists already"):
        written(tmp_path / "s", "t1", fast_geometry())
    assert not list((tmp_path / "d").iterdir())


HELPERS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "fixtures")]
FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
from test_dicom_write import derive, written, fast_geometry, prediction_of
from qsr_jax.data import dicom
from qsr_jax.files.staged import WriteError
folder = Path(sys.argv[2])
source = dicom.read_series(folder / "s")
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
for write, target in ((lambda: written(folder / "a", "t1", fast_geometry()), "a"),
                      (lambda: derive(source, folder / "d", prediction_of(source)), "d")):
    try:
        write()
    except WriteError as error:
        print(target, error)
"""


def test_full_disk_leaves_nothing_and_says_so(tmp_path):
    """The system refuses to write beyond a limit, as it does on a full disk or quota."""
    written(tmp_path / "s", "t1", fast_geometry())
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, ":".join(HELPERS), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ran.returncode == 0, ran.stderr
    for line, target in zip(ran.stdout.splitlines(), ("a", "d"), strict=True):
        assert line.startswith(f"{target} {tmp_path / target}: could not be written")
        assert "File too large" in line
        assert "free disk space" in line
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_staging_cleans_up_after_errors_and_dead_processes(tmp_path):
    target = tmp_path / "t"
    with pytest.raises(KeyError), staged_folder(target) as folder:
        (folder / "x").write_text("x")
        raise KeyError
    assert not list(tmp_path.iterdir())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(WriteError), staged_folder(target) as folder:
        orphan = tmp_path / folder.name.replace(str(os.getpid()), str(ended.pid))
        shutil.copytree(folder, orphan)
        raise OSError(28, "No space left on device")
    with staged_folder(target) as folder:
        (folder / "x").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert (target / "x").read_text() == "x"


VALIDATORS = {"dciodvfy": "dicom3tools", "dcentvfy": "dicom3tools", "dcmftest": "dcmtk"}


@pytest.mark.parametrize("tool", VALIDATORS)
@pytest.mark.parametrize("name", MAPS)
def test_validators_find_no_error(tmp_path, tool, name):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is absent; Debian package {VALIDATORS[tool]} brings it")
    source = written(tmp_path / "s", name, fast_geometry())
    derived = derive(source, tmp_path / "d")
    files = [str(path) for path in (*source.files, *derived.files)]
    batches = [files] if tool == "dcentvfy" else [[path] for path in files]
    for batch in batches:
        ran = subprocess.run([tool, *batch], capture_output=True, text=True, check=False)
        text = ran.stdout + ran.stderr
        assert "Error" not in text, text
        assert ran.returncode == 0, text
