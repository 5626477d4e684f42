"""The door from a series to NIfTI: values and places as nibabel has them."""

import nibabel
import numpy as np
import pytest
from dicom_factory import SIDE, SLICES, SLOPE, save, stored_slice, write_series, write_subject
from multiframe_factory import PARAMETRIC, T2_CODE, groups, make_frames, real_world

from data_tools import convert
from qsr_jax.data.dicom import read_series
from qsr_jax.data.nifti import convert as library
from qsr_jax.data.nifti.bids import read_map

T1 = (np.stack([stored_slice(index) for index in range(SLICES)]) * SLOPE).astype(np.float32)


def run(*argv):
    convert.main([str(a) for a in argv])


@pytest.mark.parametrize(("more", "factor"), [((), 1.0), (("--unit", "ms"), 1.0),
                                              (("--unit", "s"), 1e-3)])  # fmt: skip
def test_values_and_places_are_those_of_the_series(tmp_path, capsys, more, factor):
    folder = write_series(tmp_path / "s")
    out = tmp_path / "new" / "t1.nii.gz"
    run("--input", folder, "--output", out, *more)
    image = nibabel.load(out)
    assert image.get_data_dtype() == np.float32
    assert np.isnan(image.header["scl_slope"])
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    expected = (T1 * np.float64(factor)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(image.dataobj), expected.transpose(2, 1, 0))
    # LPS (-40, -50, -20) of the first voxel is RAS (40, 50, -20); x and y run the other way.
    affine = [[-3.4375, 0, 0, 40], [0, -3.4375, 0, 50], [0, 0, 5, -20], [0, 0, 0, 1]]
    np.testing.assert_allclose(image.get_sform(), affine, atol=1e-5)
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-5)
    assert "T1, 300.." in capsys.readouterr().out or factor != 1.0
    assert {path.name for path in out.parent.iterdir()} == {"t1.nii.gz", "t1.json"}


def pd_series(slices):
    for ds in slices:
        ds.ImageType = ["DERIVED", "PRIMARY", "PD"]
        ds.RescaleSlope = "0.01"


def test_pd_is_in_percent(tmp_path):
    folder = write_series(tmp_path / "s", pd_series)
    run("--input", folder, "--output", tmp_path / "pd.nii.gz")
    assert np.asarray(nibabel.load(tmp_path / "pd.nii.gz").dataobj).max() < 100
    with pytest.raises(SystemExit, match="error: --unit s: PD is in %"):
        run("--input", folder, "--output", tmp_path / "s.nii.gz", "--unit", "s")


def test_one_map_of_a_bundle(tmp_path):
    ds = make_frames(PARAMETRIC, order=[*range(SLICES), *range(SLICES)])
    for number, group in enumerate(groups(ds)):
        code = {"slope": 0.1} if number < SLICES else {"slope": 0.01, "quantity": T2_CODE}
        group.RealWorldValueMappingSequence = real_world(**code)
    save(ds, tmp_path / "one.dcm")
    with pytest.raises(SystemExit, match="a bundle of t1, t2; say which map"):
        run("--input", tmp_path / "one.dcm", "--output", tmp_path / "x.nii.gz")
    run("--input", tmp_path / "one.dcm", "--output", tmp_path / "t2.nii.gz", "--map", "t2")
    values = np.asarray(nibabel.load(tmp_path / "t2.nii.gz").dataobj)
    assert values.shape == (SIDE, SIDE, SLICES)
    np.testing.assert_allclose(values.max(), T1.max() / 10, rtol=1e-6)


def no_slope(slices):
    del slices[3].RescaleSlope


def test_what_is_refused_leaves_nothing(tmp_path, monkeypatch):
    good, bad = write_series(tmp_path / "good"), write_series(tmp_path / "bad", no_slope)
    out = tmp_path / "out"
    with pytest.raises(SystemExit, match=r"error: .*003.dcm: RescaleSlope \(0028,1053\): missing"):
        run("--input", bad, "--output", out / "x.nii.gz")
    with pytest.raises(SystemExit, match="expected a name that ends in .nii.gz"):
        run("--input", good, "--output", out / "x.nii")
    assert not out.exists()

    def full(*args):
        args[-1].write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(library, "write_nifti", full)
    with pytest.raises(SystemExit, match="x.nii.gz: could not be written .No space left"):
        run("--input", good, "--output", out / "x.nii.gz")
    assert list(out.iterdir()) == []


def test_an_existing_file_is_refused_and_kept(tmp_path, monkeypatch):
    folder, out = write_series(tmp_path / "s"), tmp_path / "x.nii.gz"
    out.write_bytes(b"mine")
    with pytest.raises(SystemExit, match="x.nii.gz: exists already"):
        run("--input", folder, "--output", out)
    assert out.read_bytes() == b"mine"
    late = tmp_path / "late.nii.gz"
    really = library.write_nifti

    def slow(*args):
        really(*args)
        late.write_bytes(b"mine")

    monkeypatch.setattr(library, "write_nifti", slow)
    with pytest.raises(SystemExit, match="late.nii.gz: exists already"):
        run("--input", folder, "--output", late)
    assert late.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"s", "x.nii.gz", "late.nii.gz"}
    car = tmp_path / "new.json"
    car.write_text("mine")
    with pytest.raises(SystemExit, match="new.json: exists already"):
        run("--input", folder, "--output", tmp_path / "new.nii.gz")
    assert car.read_text() == "mine"


NAMES = {"t1": "T1map", "t2": "T2map", "pd": "PDmap"}


@pytest.mark.parametrize("unit", [None, "ms", "s"])
def test_what_was_converted_is_read_back_as_bids(tmp_path, unit):
    """The whole way: DICOM, NIfTI with side-car, BIDS reader; same values, unit and places."""
    scan = write_subject(tmp_path / "dicom", seed=1)
    for name, suffix in NAMES.items():
        out = tmp_path / "sub-01" / "anat" / f"sub-01_acq-fast_{suffix}.nii.gz"
        said = ["--unit", unit] if unit and name != "pd" else []
        run("--input", scan / f"fast_{name}", "--output", out, *said)
        made, source = read_map(out), read_series(scan / f"fast_{name}")
        assert made.map_name == name
        np.testing.assert_allclose(made.volume.maps, source.volume.maps, rtol=1e-6)
        places = (series.volume.geometry.affine_lps() for series in (made, source))
        np.testing.assert_allclose(*places, atol=1e-4)


def test_half_a_series_is_refused_and_the_folder_above_is_read(tmp_path):
    write_series(tmp_path / "visit" / "a")
    (tmp_path / "visit" / "b").mkdir()
    for name in ("003", "004"):
        old = tmp_path / "visit" / "a" / f"{name}.dcm"
        old.rename(tmp_path / "visit" / "b" / f"{name}.dcm")
    out = tmp_path / "x.nii.gz"
    with pytest.raises(SystemExit, match="the series goes on in b; give the folder above both"):
        run("--input", tmp_path / "visit" / "a", "--output", out)
    run("--input", tmp_path / "visit", "--output", out)
    assert nibabel.load(out).shape == (SIDE, SIDE, SLICES)


def test_one_of_several_series_is_named_by_a_file(tmp_path):
    scan = write_subject(tmp_path / "dicom", seed=1)
    with pytest.raises(SystemExit, match="6 series .fast_pd, fast_t1, .*name one of them"):
        run("--input", scan, "--output", tmp_path / "x.nii.gz")
    run("--input", scan / "fast_t2" / "002.dcm", "--output", tmp_path / "x.nii.gz")
    assert nibabel.load(tmp_path / "x.nii.gz").shape == (32, 32, 3)
    with pytest.raises(SystemExit, match="no such folder"):
        run("--input", tmp_path / "nowhere", "--output", tmp_path / "y.nii.gz")


def test_links_out_of_a_tree_are_told_and_others_written(tmp_path, capsys):
    write_series(tmp_path / "tree" / "good")
    write_series(tmp_path / "tree" / "bad")
    write_series(tmp_path / "strange")
    (tmp_path / "tree" / "bad" / "999.dcm").symlink_to(tmp_path / "not fetched")
    (tmp_path / "tree" / "out").symlink_to(tmp_path / "strange", target_is_directory=True)
    with pytest.raises(SystemExit) as stop:
        run("--tree", "--input", tmp_path / "tree", "--output", tmp_path / "maps")
    assert stop.value.code == 3
    said = capsys.readouterr().out
    assert "left out  bad: a link that leaves the tree" in said
    assert "left out  out: a link that leaves the tree" in said
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["good"]
