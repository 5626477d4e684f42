"""Fingerprinting maps become a folder that the simulator scans again."""

import json

import nibabel
import numpy as np
import pytest

from data_tools.convert_qmaps import main, read_maps
from qsr_jax.data.nifti.files import read_volume


@pytest.fixture
def head(tmp_path, rng):
    """A made-up head of 3 x 10 x 10 with one marked voxel."""
    mask = np.ones((3, 10, 10), np.uint8)
    mask[0] = 0
    index = rng.integers(0, 4, (3, 10, 10)).astype(np.uint8)
    index[2, 1, 7] = 3
    content = {
        "T1_index": index,
        "T2_index": index,
        "T1_grid_s": np.array([0.5, 0.9, 1.4, 4.0]),
        "T2_grid_s": np.array([0.03, 0.07, 0.1, 1.5]),
        "PD_q": index.astype(np.uint16),
        "PD_scale": np.float32(0.25),
        "head_mask": np.packbits(mask),
    }
    np.savez(tmp_path / "head.npz", **content)
    return tmp_path / "head.npz", content, mask


def test_values_are_looked_up_and_the_outside_is_zero(head):
    path, content, mask = head
    maps = read_maps([path])
    np.testing.assert_allclose(maps["t1"], content["T1_grid_s"][content["T1_index"]] * mask)
    np.testing.assert_allclose(maps["t2"], content["T2_grid_s"][content["T2_index"]] * mask)
    np.testing.assert_allclose(maps["pd"], 0.25 * content["PD_q"] * mask)


@pytest.fixture
def slices(tmp_path, rng):
    """Twelve published slices of one head, 14 x 12, and what they hold."""
    t1, t2 = rng.uniform(0.3, 4.0, (2, 12, 14, 12))
    pd = rng.uniform(0.0, 0.02, (12, 14, 12)) * np.exp(1j * rng.uniform(0, 6, (12, 14, 12)))
    for z in range(12):
        qmaps = np.stack([t1[z], t2[z], pd[z].real, pd[z].imag])
        np.savez(tmp_path / f"qmaps_vol0_slice{z}.npz", qmaps=qmaps)
    return sorted(tmp_path.glob("qmaps_*.npz")), t1, t2, np.abs(pd)


def test_published_slices_become_one_head_in_the_order_of_their_numbers(slices, tmp_path):
    """Sorted by name, slice 10 would come before slice 2; the outside is where PD is weak."""
    paths, t1, t2, pd = slices
    maps = read_maps(paths)
    inside = pd > 0.006
    np.testing.assert_allclose(maps["t1"], t1 * inside, rtol=1e-6)
    np.testing.assert_allclose(maps["t2"], t2 * inside, rtol=1e-6)
    np.testing.assert_allclose(maps["pd"], pd * inside, rtol=1e-5)
    out = tmp_path / "out"
    main(["--npz", *map(str, paths), "--out", str(out), "--voxel-mm", "1"])
    assert read_volume(out / "t1.nii.gz")[0].shape == (12, 14, 12)


def test_slices_that_are_not_one_head_are_refused(slices, head, tmp_path):
    paths, t1, *_ = slices
    with pytest.raises(ValueError, match=r"slices \[10\] are missing"):
        read_maps([path for path in paths if "slice10" not in path.name])
    with pytest.raises(
        ValueError, match="several files must be slices, named ...slice<number>.npz"
    ):
        read_maps([*paths, head[0]])
    np.savez(tmp_path / "qmaps_vol1_slice3.npz", qmaps=np.ones((4, 14, 12)))
    with pytest.raises(ValueError, match="slices of qmaps_vol0_, qmaps_vol1_; give one head's"):
        read_maps([*paths, tmp_path / "qmaps_vol1_slice3.npz"])
    np.savez(tmp_path / "qmaps_vol0_slice3.npz", qmaps=np.ones((4, 14, 13)))
    with pytest.raises(ValueError, match="expected one size"):
        read_maps(paths)
    np.savez(tmp_path / "qmaps_vol0_slice3.npz", qmaps=np.ones((3, 14, 12)))
    with pytest.raises(ValueError, match=r"slice3.npz: not a file .*expected \(4, y, x\)"):
        read_maps(paths)


def test_milliseconds_are_refused(tmp_path):
    np.savez(tmp_path / "qmaps_vol0_slice0.npz", qmaps=np.full((4, 9, 9), 800.0))
    with pytest.raises(ValueError, match="T1 and T2 must be in seconds"):
        read_maps([tmp_path / "qmaps_vol0_slice0.npz"])


@pytest.mark.parametrize(
    ("flags", "moved"),
    [
        ([], lambda a: a),
        (["--feet-last"], lambda a: a[::-1]),
        (["--turn", "quarter"], lambda a: np.rot90(a, 1, (1, 2))),
        (["--turn", "half", "--feet-last"], lambda a: a[::-1, ::-1, ::-1]),
    ],
)
def test_the_folder_holds_three_maps_with_units_and_size(flags, moved, head, tmp_path):
    path, _, _ = head
    out = tmp_path / "out"
    main(["--npz", str(path), "--out", str(out), "--voxel-mm", "1.5", *flags])
    assert json.loads((out / "units.json").read_text()) == {"t1": "s", "t2": "s", "pd": "au"}
    for name, values in read_maps([path]).items():
        stored, affine = read_volume(out / f"{name}.nii.gz")
        assert sorted(stored.shape) == [3, 10, 10]
        np.testing.assert_allclose(np.sort(stored, axis=None), np.sort(values, axis=None))
        image = nibabel.load(out / f"{name}.nii.gz")
        np.testing.assert_allclose(image.header.get_zooms(), 1.5)
        # Columns run to the left, rows to the back, slices to the head: LPS, stored as RAS.
        np.testing.assert_array_equal(np.asarray(image.dataobj).T, moved(values))
        np.testing.assert_allclose(np.diag(affine)[:2], -1.5)


@pytest.mark.parametrize(
    ("content", "flags", "says"),
    [
        (b"no archive", [], "not a file of such maps"),
        (None, ["--voxel-mm", "0"], "--voxel-mm must be positive; got 0"),
    ],
)
def test_what_cannot_be_converted_is_told_and_leaves_nothing(content, flags, says, head, tmp_path):
    path = head[0]
    if content is not None:
        path.write_bytes(content)
    words = ["--npz", str(path), "--out", str(tmp_path / "out"), "--voxel-mm", "1", *flags]
    with pytest.raises(SystemExit, match=f"error: .*{says}"):
        main(words)
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_left_alone(head, tmp_path):
    with pytest.raises(SystemExit, match="error: .* exists; choose a new --out"):
        main(["--npz", str(head[0]), "--out", str(tmp_path), "--voxel-mm", "1"])
