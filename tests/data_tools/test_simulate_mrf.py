"""The door from a head to k-space: where its voxels lie, what they mix, and what it refuses."""

import json

import nibabel
import numpy as np
import pytest
import small_heads
from scipy import ndimage

from data_tools.simulate_mrf import main as simulate_mrf
from launch.reconstruct import main as reconstruct
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.reconstruct.raw_folder import open_raw
from qsr_jax.types import Geometry


@pytest.fixture
def head(tmp_path):
    """Maps of a head as qsr convert-qmaps writes them, nothing in the air."""
    volume = small_heads.head(0)
    y, x = (np.indices((96, 96)) / 96) - 0.5
    maps = volume.maps[1:3] * (np.hypot(y / 1.2, x) < 0.36)[..., None]
    maps[..., 1] = np.minimum(maps[..., 1], maps[..., 0])
    (tmp_path / "head").mkdir()
    geometry = Geometry((0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.3, 2.3), (2, 96, 96))
    held = {name: maps[..., k] for k, name in enumerate(("t1", "t2", "pd"))}
    write_map_folder(tmp_path / "head", held, geometry, {"t1": "ms", "t2": "ms", "pd": "%"})
    return tmp_path / "head"


def test_from_a_head_to_k_space_to_maps(head, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    flags = ["--input", str(head), "--out", str(raw), "--coils", "2", "--frames", "20"]
    simulate_mrf([*flags, "--pixels", "80", "--lesions", "1"])
    assert "2 slices, 20 frames, 2 coils, acceleration 8" in capsys.readouterr().out
    opened = open_raw(raw)
    assert opened.geometry.shape == (2, 80, 80)
    assert opened.geometry.origin_mm == pytest.approx((8 * 2.3, 8 * 2.3, 0.0))
    truth, _ = read_nifti(raw / "truth" / "t1.nii.gz")
    whole, _ = read_nifti(head / "t1.nii.gz")
    lesions, _ = read_nifti(raw / "truth" / "lesions.nii.gz")
    far = ~ndimage.binary_dilation(lesions > 0, iterations=2)
    np.testing.assert_array_equal(truth[far], whole[:, 8:88, 8:88][far])
    assert set(np.unique(lesions)) == {0, 1, 2}
    method = ["--input", str(raw), "--output", str(out), "--truth", str(raw / "truth")]
    reconstruct([*method, "--method", "svd"])
    said = capsys.readouterr().out
    assert "parenchyma    T1 " in said and f"wrote {out}" in said
    assert "lesions       T1 " in said and "Slice 1" in (out / "index.html").read_text()
    assert sorted(p.name for p in out.iterdir()) == [
        "index.html", "pd.nii.gz", "reconstruct.json", "t1.nii.gz", "t2.nii.gz", "units.json",
    ]  # fmt: skip
    about = json.loads((out / "reconstruct.json").read_text())
    assert about["method"] == "svd" and "brain" in about["errors_percent"]
    placed = nibabel.load(out / "t1.nii.gz").affine
    np.testing.assert_allclose(placed, nibabel.load(raw / "truth" / "t1.nii.gz").affine)
    with pytest.raises(SystemExit, match="exists already; choose a new --output"):
        reconstruct([*method, "--method", "svd"])


def test_coarser_voxels_mix_those_they_hold(head, tmp_path):
    """Half the pixels: protons and rates are averaged, and each lies amid the four it holds."""
    raw, few = tmp_path / "raw", ["--coils", "1", "--frames", "5", "--slices", "0"]
    simulate_mrf(["--input", str(head), "--out", str(raw), *few, "--every", "2"])
    geometry = open_raw(raw).geometry
    assert geometry.shape == (1, 48, 48)
    assert geometry.spacing_mm == pytest.approx((5.0, 4.6, 4.6))
    assert geometry.origin_mm == pytest.approx((1.15, 1.15, 0.0))
    t2_ms, pd = (read_nifti(raw / "truth" / f"{name}.nii.gz")[0][0] for name in ("t2", "pd"))
    fine_ms, fine_pd = (read_nifti(head / f"{name}.nii.gz")[0][0] for name in ("t2", "pd"))
    y, x = 20, 24
    block = np.s_[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
    assert pd[y, x] == pytest.approx(fine_pd[block].mean(), rel=1e-4)
    rate = (fine_pd[block] / fine_ms[block]).sum() / fine_pd[block].sum()
    assert t2_ms[y, x] == pytest.approx(1 / rate, rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--pixels", "40"], "cuts off"),
        (["--pixels", "81"], "expected an even number"),
        (["--slices", "5"], "expected rising numbers below 2"),
        (["--slices", "a"], "expected rising numbers"),
        (["--every", "0"], "--every 0; expected 1 or more"),
        (["--every", "7"], "--every 7 leaves too little of 96 x 96 voxels"),
        (["--lesions", "90"], "has room for|expected 1 to 255"),
        (["--frames", "501"], "501 frames of a train of 500"),
        (["--coils", "0"], "0 coils"),
    ],
)
def test_simulations_that_cannot_be(head, tmp_path, flags, said):
    with pytest.raises(SystemExit, match=said):
        simulate_mrf(["--input", str(head), "--out", str(tmp_path / "raw"), *flags])
    assert not (tmp_path / "raw").exists()


def test_heads_that_cannot_be(head, tmp_path):
    def refused(folder):
        with pytest.raises(SystemExit) as ended:
            simulate_mrf(["--input", str(folder), "--out", str(tmp_path / "raw")])
        return str(ended.value)

    assert "truth of a simulated subject" in refused(tmp_path)
    t1 = (head / "t1.nii.gz").read_bytes()
    (head / "t1.nii.gz").write_bytes((head / "t2.nii.gz").read_bytes())
    (head / "t2.nii.gz").write_bytes(t1)
    assert "T2 exceeds T1" in refused(head)
    image = nibabel.load(head / "pd.nii.gz")
    nibabel.save(image.slicer[4:], head / "pd.nii.gz")
    assert "different grids" in refused(head)
