"""Raw data on disk, and the door that reads it: whole or refused, and going on where killed."""

import dataclasses
import json

import numpy as np
import pytest
import small_fingerprints as small

from launch.reconstruct import main as reconstruct
from qsr_jax.data.nifti.map_folder import write_map_folder
from qsr_jax.physics.fingerprint_dictionary import make_dictionary
from qsr_jax.reconstruct.head import Method, reconstruct_head
from qsr_jax.reconstruct.raw_folder import SCAN, SEAL, open_raw, write_raw
from qsr_jax.reconstruct.strength import choose_strength
from qsr_jax.simulate.fingerprinting import simulate_kspace, simulate_slab
from qsr_jax.types import Geometry

GEOMETRY = Geometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (3.0, 4.0, 4.0),
                    (2, small.PIXELS, small.PIXELS))  # fmt: skip


def sampled(number):
    return (number + 1) * small.samples()[0], 0.5


@pytest.fixture
def raw(tmp_path):
    write_raw(tmp_path / "raw", small.scan(), GEOMETRY, sampled, made_from={"seed": 0})
    return tmp_path / "raw"


def test_what_is_written_is_read(raw):
    opened = open_raw(raw)
    assert opened.scan.train == small.TRAIN and opened.geometry == GEOMETRY
    np.testing.assert_array_equal(opened.scan.sampling.points, small.scan().sampling.points)
    kspace, noise_std = opened.read(1)
    np.testing.assert_array_equal(kspace, 2 * small.samples()[0])
    assert noise_std == 0.5 and opened.made_from == {"seed": 0}
    with pytest.raises(FileExistsError, match="exists already"):
        write_raw(raw, small.scan(), GEOMETRY, sampled, made_from={"seed": 0})


def test_a_run_that_was_killed_goes_on(tmp_path):
    out, done = tmp_path / "raw", []

    def killed(number):
        if number:
            raise KeyboardInterrupt
        return sampled(number)

    def counted(number):
        done.append(number)
        return sampled(number)

    with pytest.raises(KeyboardInterrupt):
        write_raw(out, small.scan(), GEOMETRY, killed, made_from={"seed": 0})
    with pytest.raises(ValueError, match="no raw.json: not raw data, or not finished"):
        open_raw(out)
    with pytest.raises(ValueError, match="not begun with these arguments"):
        write_raw(out, small.scan(), GEOMETRY, counted, made_from={"seed": 1})
    write_raw(out, small.scan(), GEOMETRY, counted, made_from={"seed": 0})
    assert done == [1] and open_raw(out).read(0)[1] == 0.5


def test_a_slab_is_a_stack_of_slices_again(tmp_path):
    """Steps of phase encoding: without noise the slices are those of one-by-one sampling."""
    factors = np.float32([[0.9, 0.9, 1.2], [1.0, 1.0, 1.0], [1.0, 1.0, 0.5]])
    maps = np.stack([small.head()[0] * each for each in factors])
    steps, std = simulate_slab(0, maps, small.scan(), snr_db=float("inf"))
    place = dataclasses.replace(GEOMETRY, shape=(3, small.PIXELS, small.PIXELS))
    made_from = {"slab": True}
    write_raw(
        tmp_path / "raw", small.scan(), place, lambda n: (steps[n], 0.25), made_from=made_from
    )
    opened = open_raw(tmp_path / "raw")
    for number, one in enumerate(maps):
        alone, _ = simulate_kspace((0,), one, small.scan(), snr_db=float("inf"))
        kspace, noise_std = opened.read(number)
        np.testing.assert_allclose(kspace, alone, atol=1e-5 * np.abs(alone).max())
        assert noise_std == 0.25 and std == 0.0
    noisy, std = simulate_slab(0, maps, small.scan(), snr_db=20.0)
    assert np.mean(np.abs(noisy - steps) ** 2) == pytest.approx(std**2, rel=0.02)
    assert std**2 == pytest.approx(0.01 * np.mean(np.abs(steps) ** 2), rel=1e-3)


def rewritten(path, **arrays):
    """A file with other arrays, and the seal that goes with it."""
    with np.load(path) as content:
        held = {name: content[name] for name in content} | arrays
    np.savez(path, **{name: array for name, array in held.items() if array is not None})
    sealed_again(path.parent)


def sealed_again(folder):
    from qsr_jax.files.seal import facts_of

    seal = json.loads((folder / SEAL).read_text())
    seal["files"] = facts_of(folder, list(seal["files"]))
    (folder / SEAL).write_text(json.dumps(seal))


def bad_format(raw):
    text = (raw / SEAL).read_text()
    (raw / SEAL).write_text(text.replace("fingerprinting 1", "fingerprinting 9"))


def other_size(raw):
    seal = json.loads((raw / SEAL).read_text())
    seal["geometry"]["shape"] = [2, 50, 50]
    (raw / SEAL).write_text(json.dumps(seal))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: rewritten(r / SCAN, points=None), "no points; expected points, weights"),
        (lambda r: rewritten(r / SCAN, arm_of=np.zeros((99, 1), np.int32)), "99 frames, the train"),
        (lambda r: (r / SCAN).unlink(), "scan.npz: missing"),
        (lambda r: (r / "slice_001.npz").write_bytes(b"x"), "slice_001.npz: 1 bytes, expected"),
        (bad_format, "format .* 9'"),
        (other_size, "expected \\(2, 50, 50\\) as the geometry says"),
        (lambda r: (r / SEAL).write_text("{}"), "raw.json: expected"),
    ],
)
def test_damaged_raw_data_is_refused_and_nothing_is_written(raw, tmp_path, damage, said):
    damage(raw)
    with pytest.raises(ValueError, match=said):
        open_raw(raw)
    with pytest.raises(SystemExit, match="error: "):
        reconstruct(["--input", str(raw), "--output", str(tmp_path / "o"), "--method", "svd"])
    assert not (tmp_path / "o").exists()


def test_slices_that_are_not_the_scan_s(raw):
    wrong = np.where(np.arange(920) == 3, np.nan, small.samples()[0])
    rewritten(raw / "slice_000.npz", kspace=wrong)
    rewritten(raw / "slice_001.npz", kspace=small.samples()[0][:, :50])
    opened = open_raw(raw)
    with pytest.raises(ValueError, match=r"slice_000.npz: samples hold NaN"):
        opened.read(0)
    with pytest.raises(ValueError, match=r"slice_001.npz: samples have shape"):
        opened.read(1)
    (raw / "slice_001.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(ValueError, match="not a readable .npz file"):
        opened.read(1)
    with pytest.raises(ValueError, match="expected a folder of raw data"):
        open_raw(raw / "nowhere")


def test_a_model_is_the_denoiser_of_the_loop(raw, tmp_path, monkeypatch):
    """The loop itself is tested with denoisers that need no training (test_methods)."""
    given = []

    def done(raw, method):
        given.append(method)
        return np.ones((*raw.geometry.shape, 3), np.float32), 5e-4

    monkeypatch.setattr("launch.reconstruct.reconstruct_head", done)
    reconstruct(["--input", str(raw), "--output", str(tmp_path / "o"), "--model", "mrf"])
    assert (given[0].name, given[0].strength) == ("pnp", None)
    assert given[0].settings.variation > 0 and given[0].settings.turns
    assert given[0].denoiser(np.zeros((2, 16, 16), np.float32), 0.1).shape == (2, 16, 16)
    about = json.loads((tmp_path / "o" / "reconstruct.json").read_text())
    assert about["denoiser"].startswith("unet denoiser of weighted images, ")
    dicom = ["--input", str(raw), "--output", str(tmp_path / "d"), "--method", "svd", "--dicom"]
    with pytest.raises(SystemExit, match="error: "):
        reconstruct(dicom)  # maps of ones have no brain, and PD cannot be percent
    assert not (tmp_path / "d").exists() and given[1].strength is None
    for strength, meant in (("usual", "usual"), ("2e-3", 2e-3), ("auto", "auto")):
        out = ["--output", str(tmp_path / f"lrtv-{strength}"), "--strength", strength]
        reconstruct(["--input", str(raw), "--method", "lrtv", *out])
        assert given[-1].strength == meant
    refused = {
        "no --method; expected svd": [],
        "--model is a denoiser; leave out": ["--model", "mrf", "--denoiser", "tv"],
        "belong to pnp and pnp-series": ["--model", "mrf", "--method", "svd"],
    }
    for said, flags in refused.items():
        with pytest.raises(SystemExit, match=said):
            reconstruct(["--input", str(raw), "--output", str(tmp_path / "p"), *flags])


def test_a_strength_is_told_by_the_middle_slice_unless_it_is_given(raw):
    opened = open_raw(raw)
    kspace, method = opened.read(1)[0], Method("lrtv")
    dictionary = make_dictionary(small.TRAIN)
    expected, tried = choose_strength(
        kspace, opened.scan, dictionary, method.images, start=method.usual_strength(1)
    )
    assert reconstruct_head(opened, method)[1] == pytest.approx(expected, rel=1e-3)
    assert expected not in [one.strength for one in tried]
    usual = reconstruct_head(opened, Method("lrtv", strength="usual"))[1]
    assert usual == method.usual_strength(1) != expected


def test_a_strength_that_cannot_be_is_told(raw, tmp_path, capsys):
    words = ["--input", str(raw), "--output", str(tmp_path / "o"), "--method", "lrtv"]
    with pytest.raises(SystemExit):
        reconstruct([*words, "--strength", "strong"])
    assert "'strong': expected a number, auto or usual" in capsys.readouterr().err
    for text in ("usual", "auto", "1e-3"):
        out = ["--input", str(raw), "--output", str(tmp_path / "o"), "--strength", text]
        with pytest.raises(SystemExit, match="method svd has no strength; leave it out"):
            reconstruct([*out, "--method", "svd"])
    for text in ("-1", "0"):
        with pytest.raises(SystemExit, match=rf"strength {text}\.0; expected a number above 0"):
            reconstruct([*words, f"--strength={text}"])


def test_options_of_pnp_belong_to_pnp(raw, tmp_path):
    for flag in (["--denoiser", "tv"], ["--no-dual"]):
        with pytest.raises(SystemExit, match="belong to pnp and pnp-series"):
            reconstruct(["--input", str(raw), "--output", str(tmp_path / "o"),
                         "--method", "svd", *flag])  # fmt: skip
    with pytest.raises(SystemExit, match="give the folder truth of the same simulation"):
        (tmp_path / "t").mkdir()
        other = np.ones((2, 30, 30), np.float32)
        place = Geometry((0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (3.0,) * 3, other.shape)
        held = dict.fromkeys(("t1", "t2", "pd"), other)
        write_map_folder(tmp_path / "t", held, place, {})
        reconstruct(["--input", str(raw), "--output", str(tmp_path / "o"), "--method", "svd",
                     "--truth", str(tmp_path / "t")])  # fmt: skip
