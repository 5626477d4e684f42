"""The door `launch.compare`: numbers by hand, refusals with numbers, JSON that JSON can hold."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from launch import compare
from qsr_jax.data.dicom import read_series
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.evaluation import compare_volumes
from qsr_jax.types import Geometry

GRID = Geometry((-20.0, -30.0, 5.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 2.0), (3, 24, 20))


@pytest.fixture
def files(tmp_path, rng):
    """Writes volumes by name: reference, test (+10), and a mask of two slices."""
    reference = rng.uniform(500, 1500, GRID.shape).astype(np.float32)
    mask = np.zeros(GRID.shape, np.uint8)
    mask[:2, 3:20, 3:18] = 1
    arrays = {"reference": reference, "test": reference + 10, "mask": mask}

    def path(name, array=None, geometry=GRID):
        file = tmp_path / f"{name}.nii.gz"
        if array is not None:
            write_nifti(array, geometry, file)
        return str(file)

    for name, array in arrays.items():
        path(name, array)
    return path


def run(capsys, *arguments):
    compare.main([str(a) for a in arguments])
    return capsys.readouterr().out


def refusal(*arguments):
    with pytest.raises(SystemExit) as stop:
        compare.main([str(a) for a in arguments])
    assert str(stop.value).startswith("error: ")
    return str(stop.value)


def test_json_holds_every_slice(files, capsys):
    text = run(capsys, files("test"), files("reference"), "--data-range", 1000, "--json")
    document = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    rows = {row["name"]: row for row in document["rows"]}
    assert (document["data_range"], document["mask"], document["unit"]) == (1000, "whole frame", "")
    np.testing.assert_allclose(rows["mae"]["per_slice"], 10, rtol=1e-5)
    assert rows["psnr"]["summary"]["mean"] == pytest.approx(40.0, abs=1e-3)
    assert rows["bias"]["summary"]["n"] == 3
    assert {"noise_test", "noise_reference", "gradient_test", "ssim", "ssim_uniform"} <= set(rows)


def test_equal_volumes(files, capsys):
    text = run(capsys, files("test"), files("test"), "--map", "t1", "--units", "ms", "--json")
    rows = {row["name"]: row for row in json.loads(text)["rows"]}
    assert rows["psnr"]["per_slice"] == ["inf"] * 3
    assert rows["mae"]["summary"]["max"] == 0


def test_the_mask_leaves_slices_out(files, capsys):
    arguments = (
        files("test"),
        files("reference"),
        "--map",
        "t1",
        "--units",
        "ms",
        "--mask",
        files("mask"),
    )
    rows = {row["name"]: row for row in json.loads(run(capsys, *arguments, "--json"))["rows"]}
    assert rows["mae"]["per_slice"][2] is None and rows["mae"]["summary"]["n"] == 2
    table = run(capsys, *arguments)
    assert "L = 4300 ms, 3 slices of 24 x 20" in table
    line = next(line.split() for line in table.splitlines() if line.startswith("MAE"))
    assert line == ["MAE", "ms", "2", "10", *line[4:]]


@pytest.mark.parametrize(("name", "largest"), [("t1", 6553.5), ("pd", 6553.5), ("t2", 6553.5)])
def test_the_papers_range_has_a_name(files, capsys, name, largest, rng):
    pair = [files(n, rng.uniform(0, 90, GRID.shape).astype(np.float32)) for n in ("a", "b")]
    flags = ["--map", name, *([] if name == "pd" else ["--units", "ms"])]
    document = json.loads(run(capsys, *pair, *flags, "--data-range", "paper", "--json"))
    assert document["data_range"] == pytest.approx(largest)
    rows = {row["name"]: row["per_slice"] for row in document["rows"]}
    expected = 20 * np.log10(largest / np.array(rows["rmse"]))
    np.testing.assert_allclose(rows["psnr"], expected, rtol=1e-5)


def test_resolution_of_a_known_blur(files, capsys, rng):
    """A Gaussian of SD s pixels leaves half of a period of 5.336 s pixels, and correlates fully."""
    grid = dataclasses.replace(GRID, shape=(3, 128, 128))
    reference = rng.uniform(500, 1500, grid.shape).astype(np.float32)
    blurred = ndimage.gaussian_filter(reference, (0, 1.5, 1.5), mode="wrap")
    mask = np.ones(grid.shape, np.uint8)
    mask[2] = 0
    pair = files("blurred", blurred, grid), files("sharp", reference, grid)
    text = run(
        capsys, *pair, "--map", "t1", "--units", "ms", "--mask", files("most", mask, grid), "--json"
    )
    rows = {row["name"]: row for row in json.loads(text)["rows"]}
    found = rows["resolution_transfer"]
    assert found["unit"] == "mm" and found["per_slice"][2] is None
    np.testing.assert_allclose(found["per_slice"][:2], 5.336 * 1.5 * 2.0, rtol=0.06)
    assert all(4.0 <= mm < 5.0 for mm in rows["resolution_frc"]["per_slice"][:2])  # of the grid


def test_a_slice_without_detail_has_no_resolution(files, capsys, rng):
    flat = files("flat", np.full(GRID.shape, 900, np.float32))
    rows = json.loads(run(capsys, flat, flat, "--map", "t1", "--units", "ms", "--json"))["rows"]
    none = [row["per_slice"] for row in rows if row["name"].startswith("resolution")]
    assert none == [[None] * 3] * 2
    tiny = dataclasses.replace(GRID, shape=(3, 7, 9))
    small = files("small", rng.uniform(0, 9, tiny.shape).astype(np.float32), tiny)
    assert "resolution" not in run(capsys, small, small, "--map", "t1", "--units", "ms")


def test_niqe_says_its_model(files, capsys, tmp_path, rng):
    model = tmp_path / "model.npz"
    np.savez(model, mu_pris_param=np.ones((1, 36)), cov_pris_param=np.eye(36))
    big = dataclasses.replace(GRID, shape=(2, 192, 192))
    image = files("big", rng.uniform(0, 2500, big.shape).astype(np.float32), big)
    text = run(capsys, image, image, "--map", "t1", "--units", "ms", "--niqe-model", model)
    assert "test: NIQE against natural images (sha256 " in text
    assert "96 pixel blocks, whole frame, grey 255 = 2500 ms" in text


def test_dicom_series_know_their_map(tiny_cohort, capsys):
    subject = tiny_cohort / "cohort/sub-001"
    text = run(capsys, subject / "routine_t1", subject / "routine_t1")
    assert "map t1, mask: whole frame, L = 4300 ms" in text
    assert "voxels (z, y, x)" in refusal(subject / "fast_t1", subject / "routine_t1")
    assert "holds t1, not --map t2" in refusal(
        subject / "routine_t1", subject / "routine_t1", "--map", "t2"
    )
    assert "is t2" in refusal(subject / "routine_t1", subject / "routine_t2")


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        ({"origin_mm": (-20.0, -28.5, 5.0)}, ["up to 1.5 mm apart", "(-20, -28.5, 5)"]),
        ({"spacing_mm": (5.0, 2.0, 2.1)}, ["up to 1.9 mm apart", "5 x 2 x 2.1 and 5 x 2 x 2 mm"]),
        ({"shape": (3, 24, 19)}, ["has 3 x 24 x 19 voxels", "has 3 x 24 x 20"]),
    ],
)
def test_grids_must_agree(files, change, numbers):
    grid = dataclasses.replace(GRID, **change)
    other = files("other", np.full(grid.shape, 900, np.float32), grid)
    said = refusal(other, files("reference"), "--map", "t1", "--units", "ms")
    assert all(number in said for number in numbers), said


def test_what_cannot_be_compared_is_refused(files, tmp_path):
    reference = files("reference")
    holes = files("holes", np.full(GRID.shape, np.nan, np.float32))
    nothing = files("nothing", np.zeros(GRID.shape, np.uint8))
    assert "give --data-range or --map" in refusal(reference, reference)
    assert "must be positive" in refusal(reference, reference, "--data-range", -1)
    assert "not finite" in refusal(holes, reference, "--map", "t1", "--units", "ms")
    assert "the mask is empty" in refusal(
        reference, reference, "--map", "t1", "--units", "ms", "--mask", nothing
    )
    assert "no such file" in refusal(tmp_path / "no.nii", reference, "--map", "t1", "--units", "ms")
    (tmp_path / "text.nii").write_text("no")
    assert "not a readable NIfTI" in refusal(
        tmp_path / "text.nii", reference, "--map", "t1", "--units", "ms"
    )


def test_help_and_typing_errors(capsys):
    for arguments, code in ((["--help"], 0), (["a", "b", "--data-rnge", "1"], 2)):
        with pytest.raises(SystemExit) as stop:
            compare.main(arguments)
        assert stop.value.code == code
    assert "T1 4300 ms" in capsys.readouterr().out.replace("\n", " ").replace("  ", "")


def test_a_notebook_compares_too(files):
    pair = Path(files("test")), Path(files("reference"))
    found = compare_volumes.compare(*pair, map_name="t1", units="ms")
    assert {row.name: row for row in found.rows}["bias"].summary()["mean"] == pytest.approx(10)
    with pytest.raises(ValueError, match="data range 'papers'; expected a number or 'paper'"):
        compare_volumes.compare(*pair, data_range="papers", map_name="t1", units="ms")


def bids_copy(values, geometry, folder, suffix, units):
    """A NIfTI file with a BIDS suffix, and its side-car where it has one."""
    path = folder / f"sub-1_{suffix}.nii.gz"
    write_nifti(np.asarray(values, np.float32), geometry, path)
    if units is not None:
        (folder / f"sub-1_{suffix}.json").write_text(json.dumps({"Units": units}))
    return path


@pytest.mark.parametrize(
    ("name", "suffix", "units", "factor"),
    [
        ("t1", "T1map", "s", 1000.0),
        ("t2", "T2map", "ms", 1.0),
        ("t2", "T2map", "s", 1000.0),
        ("pd", "PDmap", "percent", 1.0),
        ("pd", "PDmap", None, 1.0),
    ],
)
def test_dicom_and_nifti_of_one_map_agree(
    tiny_cohort, tmp_path, capsys, name, suffix, units, factor
):
    series = tiny_cohort / f"cohort/sub-001/routine_{name}"
    volume = read_series(series).volume
    path = bids_copy(volume.maps[..., 0] / factor, volume.geometry, tmp_path, suffix, units)
    for pair in ((series, path), (path, series)):
        document = json.loads(run(capsys, *pair, "--json"))
        rows = {row["name"]: row["summary"] for row in document["rows"]}
        assert document["map"] == name
        assert rows["mae"]["max"] < 1e-4 and rows["gradient_test"]["mean"] > 0.1


def test_a_unit_in_doubt_is_refused(files, tmp_path, rng):
    values = rng.uniform(0.5, 1.5, GRID.shape)
    bare = bids_copy(values, GRID, tmp_path, "T1map", None)
    said = refusal(bare, bare)
    assert "t1 in s or ms?" in said and "give --units s|ms" in said
    assert "--units percent for t1; expected s or ms" in refusal(bare, bare, "--units", "percent")
    assert "holds t1, not --map t2" in refusal(bare, bare, "--map", "t2", "--units", "s")
    unknown = files("reference")
    assert "say which it is (--map)" in refusal(unknown, unknown, "--units", "s")
    with pytest.raises(ValueError, match="units 'seconds'; expected one of s, ms, percent"):
        compare_volumes.compare(bare, bare, units="seconds")
    for content, why in (
        ('{"Units": "arbitrary"}', "Units must be one of s, ms"),
        ('{"Units": "s", "Statistic": "standard deviation"}', "not a statistic"),
        ("{", "not readable"),
    ):
        bare.with_name("sub-1_T1map.json").write_text(content)
        assert why in refusal(bare, bare, "--units", "s")


def test_units_say_what_no_side_car_says(files, tmp_path, capsys):
    """The side-car of one file is believed; the flag is for the other."""
    values = np.linspace(500, 1500, np.prod(GRID.shape)).reshape(GRID.shape)
    sealed = bids_copy(values / 1000, GRID, tmp_path, "T1map", "s")
    other = files("other", values.astype(np.float32))
    text = run(capsys, sealed, other, "--map", "t1", "--units", "ms", "--json")
    rows = {row["name"]: row["summary"] for row in json.loads(text)["rows"]}
    assert rows["mae"]["max"] < 1e-3


def test_unknown_maps_of_two_units_are_not_subtracted(files, tmp_path):
    pair = [files(name, np.ones(GRID.shape, np.float32)) for name in ("one", "two")]
    for name, unit in (("one", "s"), ("two", "ms")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"Units": unit}))
    assert "is not known (give --map)" in refusal(
        pair[0], bids_copy(np.ones(GRID.shape), GRID, tmp_path, "PDmap", None), "--data-range", 9
    )
    assert "one.nii.gz is in s" in refusal(*pair, "--data-range", 9)
