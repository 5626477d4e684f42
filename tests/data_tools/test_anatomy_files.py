"""Files that subjects are made from: what is read, and what is refused and why."""

import json
import lzma

import nibabel
import numpy as np
import pytest
from scipy.io import netcdf_file

from data_tools import anatomy_files
from qsr_jax.data.nifti.files import read_volume, write_nifti
from qsr_jax.types import Geometry

SHAPE = (6, 20, 20)


def geometry(first=0.0):
    return Geometry((first, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 1.0), SHAPE)


def write(path, values, first=0.0):
    write_nifti(np.broadcast_to(np.asarray(values, np.float32), SHAPE), geometry(first), path)
    return path


@pytest.fixture
def head(tmp_path):
    """Maps of white matter and water, PD in arbitrary units."""
    folder = tmp_path / "head"
    folder.mkdir()
    x = np.indices(SHAPE)[2]
    water = x < 10
    write(folder / "t1.nii.gz", np.where(water, 4.0, 0.8))
    write(folder / "t2.nii.gz", np.where(water, 1.5, 0.08))
    write(folder / "pd.nii.gz", np.where(water, 50.0, 35.0))
    units = {"t1": "s", "t2": "s", "pd": "au"}
    (folder / "units.json").write_text(json.dumps(units))
    return folder


def test_packed_volumes_read_like_plain_ones(tmp_path, rng):
    plain = write(tmp_path / "a.nii", rng.random(SHAPE))
    (tmp_path / "a.nii.xz").write_bytes(lzma.compress(plain.read_bytes()))
    for one, other in zip(read_volume(plain), read_volume(tmp_path / "a.nii.xz"), strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "b.nii.xz").write_bytes(b"no xz")
    with pytest.raises(ValueError, match=r"b\.nii\.xz: not a readable \.xz file"):
        read_volume(tmp_path / "b.nii.xz")


def test_seconds_become_milliseconds_and_water_one_hundred_percent(head):
    found = anatomy_files.read_measured(head)
    t1_ms, t2_ms, pd_percent = np.moveaxis(found.maps, -1, 0)
    assert sorted(np.unique(t1_ms)) == pytest.approx([800.0, 4000.0])
    assert sorted(np.unique(t2_ms)) == pytest.approx([80.0, 1500.0])
    assert sorted(np.unique(pd_percent)) == pytest.approx([70.0, 100.0])
    assert anatomy_files.measured_heads(head) == [head]
    assert anatomy_files.measured_heads(head.parent) == [head]


def units(folder, **changes):
    path = folder / "units.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda f: units(f, t1="us"), "unit of t1 is 'us', expected one of s, ms"),
        (lambda f: units(f, flair="s"), "expected units of t1, t2, pd and nothing else"),
        (lambda f: (f / "units.json").write_text("{"), r"units\.json: cannot be read"),
        (lambda f: (f / "t2.nii.gz").unlink(), r"expected one of t2\{\.nii,"),
        (lambda f: write(f / "t2.nii", 0.08), r"expected one of t2\{\.nii,"),
        (lambda f: write(f / "t2.nii.gz", 0.08, first=3.0), "three maps lie on different grids"),
        (lambda f: write(f / "t1.nii.gz", 0.8), "arbitrary units and there is no water"),
    ],
    ids=["unit", "more units", "no json", "no file", "two files", "grids", "no water"],
)
def test_measured_heads_that_cannot_be_used(damage, why, head):
    damage(head)
    with pytest.raises(ValueError, match=why):
        anatomy_files.read_measured(head)


def test_folders_without_heads_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        anatomy_files.measured_heads(tmp_path / "none")
    with pytest.raises(ValueError, match="Maps without units are refused"):
        anatomy_files.measured_heads(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        anatomy_files.volume_files(tmp_path / "none")
    with pytest.raises(ValueError, match="no NIfTI or MINC files"):
        anatomy_files.volume_files(tmp_path)


def test_labels_are_whole_numbers(tmp_path):
    path = write(tmp_path / "labels.nii.gz", 1.5)
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        anatomy_files.read_label_map(path, "brainweb")


def minc(path, codes, first, step):
    """A MINC 1 file as BrainWeb's: bytes that are scaled to 0..11, axes z, y, x."""
    with netcdf_file(path, "w") as file:
        for axis, name in enumerate(("zspace", "yspace", "xspace")):
            file.createDimension(name, codes.shape[axis])
            variable = file.createVariable(name, "i", ())
            variable.start, variable.step, variable.spacing = first[axis], step, b"regular__"
        image = file.createVariable("image", "b", ("zspace", "yspace", "xspace"))
        image.signtype, image.valid_range = b"unsigned", np.array([0.0, 255.0])
        image[:] = np.round(codes * (255 / 11)).astype(np.uint8).view(np.int8)
        for name, value in (("image-max", 11.0), ("image-min", 0.0)):
            file.createVariable(name, "d", ())
            file.variables[name].data[()] = value


def test_minc_label_maps_are_read_where_they_lie(tmp_path):
    """Codes of a scaled MINC file: 0 and 11 are exact, and the voxel lies where start says."""
    codes = np.zeros((4, 5, 6))
    codes[1, 2, 3] = 11
    minc(tmp_path / "subject04_crisp_v.mnc", codes, first=(-72.0, -126.0, -90.0), step=1.0)
    found, affine = read_volume(tmp_path / "subject04_crisp_v.mnc")
    place = np.argwhere(found > 5)
    assert len(place) == 1
    np.testing.assert_allclose(affine @ [*place[0], 1], [-90 + 3, -126 + 2, -72 + 1, 1], atol=1e-6)
    np.testing.assert_allclose(np.unique(found), [0, 11], atol=1e-3)
    assert list(anatomy_files.label_files(tmp_path, "brainweb").values()) == ["brainweb"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no such thing" * 9, "not a readable MINC file"), (b"CDF\x01" + bytes(60), "MINC")],
)
def test_broken_minc_files_are_refused(content, why, tmp_path):
    (tmp_path / "a.mnc").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.mnc: .*{why}"):
        read_volume(tmp_path / "a.mnc")


def test_minc_2_without_h5py_says_what_to_do(tmp_path, monkeypatch):
    def missing(path):
        raise nibabel.tripwire.TripWireError("h5py")

    monkeypatch.setattr(nibabel, "load", missing)
    with pytest.raises(ValueError, match="MINC 2 files need h5py .* or convert it: mnc2nii"):
        read_volume(tmp_path / "a.mnc")


@pytest.mark.parametrize("values", [0.0, 1.0, np.resize([0.0, 2.0], SHAPE)])
def test_a_lesion_mask_holds_zeros_and_ones(values, tmp_path):
    with pytest.raises(ValueError, match="must hold 0 and 1, and some of both"):
        anatomy_files.read_lesion_mask(write(tmp_path / "mask.nii.gz", values))


def test_a_lesion_mask_is_read_with_its_place(tmp_path):
    values = np.zeros(SHAPE)
    values[2, 3, 4] = 1
    mask = anatomy_files.read_lesion_mask(write(tmp_path / "mask.nii.gz", values))
    assert np.argwhere(mask.inside).tolist() == [[4, 3, 2]]
    np.testing.assert_allclose(mask.affine @ [4, 3, 2, 1], [-4, -3, 2, 1], atol=1e-6)
