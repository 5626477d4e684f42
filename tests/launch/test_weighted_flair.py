"""FLAIR from two contrasts: what maps say it is, how like the real one, and who cannot make it."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from weighted_fixtures import TYPICAL, disc, small_predictor

from data_tools.weighted_cases import Slices
from data_tools.weighted_proof import Method, flair_kept
from launch import weighted_flair
from qsr_jax.data.nifti.files import read_nifti, write_nifti
from qsr_jax.predictors.weighted_flair import flair_of_two, likeness, mixture
from qsr_jax.types import Geometry

pytestmark = pytest.mark.usefixtures("compiled_quickly")
TIMES = np.repeat(TYPICAL[None], 2, 0)


def knower(truth):
    """Says the truth, and refuses to be shown the FLAIR."""

    def say(images, times, brain, *, gains):
        assert not images[..., 2].any() and images[..., :2].any((0, 1, 2)).all()
        return truth, None

    return SimpleNamespace(task=SimpleNamespace(absent=0.1), say=say)


def test_true_maps_make_the_true_flair_whatever_its_gain():
    truth, brain, images = disc()
    made = flair_of_two(knower(truth), images, TIMES, brain, gains="one")
    np.testing.assert_allclose(made, images[..., 2], rtol=1e-4, atol=1e-4)
    found = likeness(7.0 * made, images[..., 2], brain)
    assert found["psnr_db"] > 60 and found["ssim"] == pytest.approx(1.0, abs=1e-3)


def test_the_check_keeps_it_only_from_who_can_do_without():
    truth, brain, images = disc()
    slices = Slices(images, truth, brain, *[np.zeros(brain.shape, np.uint8)] * 2, TIMES,
                    *[np.array(["a", "a"])] * 2, np.ones(2))  # fmt: skip

    def make(seen, *, gains):
        assert not seen.images[..., 2].any()
        return truth * (1.0 if gains == "one" else 1.3), None

    assert flair_kept(Method(make), slices) == {}
    found = flair_kept(Method(make, spares=True), slices)
    assert found["one"] == found["true maps"] and found["one"]["psnr_db"] > 60
    assert found["free"]["psnr_db"] < found["one"]["psnr_db"] and "mixture" in found


def test_a_mixture_of_the_two_is_what_least_squares_finds(rng):
    _, brain, images = disc()
    images = images + rng.uniform(0.0, 1.0, images.shape).astype(np.float32)
    images[..., 2] = 3.0 + 0.5 * images[..., 0] - 0.25 * images[..., 1]
    np.testing.assert_allclose(mixture(images, brain)[brain], images[..., 2][brain], rtol=1e-3)


def test_who_needs_the_flair_or_its_times_is_told():
    truth, brain, images = disc()
    with pytest.raises(ValueError, match="was not trained to do without a contrast"):
        flair_of_two(small_predictor(), images, TIMES, brain, gains="free")
    hidden = TIMES.copy()
    hidden[:, 6] = np.nan
    with pytest.raises(ValueError, match="TR, TE and TI of the FLAIR must be known"):
        flair_of_two(knower(truth), images, hidden, brain, gains="free")


def test_the_door_writes_what_was_made_and_how_like_it_is(tmp_path, monkeypatch, capsys):
    _, brain, images = disc()
    place = Geometry((0.0,) * 3, (1.0, 0, 0), (0, 1.0, 0), (5.0, 1.0, 1.0), brain.shape)
    words = ["--tr", "530,4400,8370", "--te", "12.6,98,106", "--ti", "2380"]
    for i, name in enumerate(("t1w", "t2w", "flair")):
        write_nifti(np.ascontiguousarray(images[..., i]), place, tmp_path / f"{name}.nii.gz")
        words += [f"--{name}", str(tmp_path / f"{name}.nii.gz")]
    write_nifti(brain.astype(np.uint8), place, tmp_path / "brain.nii.gz")
    words += ["--brain", str(tmp_path / "brain.nii.gz"), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="was not trained to do without a contrast"):
        weighted_flair.main(["--model", "weighted", *words])
    assert not (tmp_path / "out").exists()
    able = small_predictor()
    able = dataclasses.replace(able, task=dataclasses.replace(able.task, absent=0.1))
    monkeypatch.setattr(weighted_flair, "load_weighted", lambda model: able)
    weighted_flair.main(["--model", "any", *words])
    found = json.loads((tmp_path / "out" / "flair.json").read_text())
    assert set(found) == {"maps", "mixture of T1w and T2w"}
    assert f"maps: psnr_db {found['maps']['psnr_db']:g}" in capsys.readouterr().out
    made = read_nifti(tmp_path / "out" / "flair.nii.gz")[0]
    assert made.max() > 0 and (tmp_path / "out" / "flair.png").read_bytes()[:4] == b"\x89PNG"
