"""Transfer: shares are what they say; the door walks from heads to a table, once."""

import dataclasses
import json

import numpy as np
import pytest

from data_tools import transfer_check
from data_tools.transfer_shares import (
    BICUBIC,
    NETWORK,
    ROUTINE,
    Errors,
    compare,
    errors_of,
    summary,
    without_field,
)
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.truth import Truth
from qsr_jax.maps import MAPS
from qsr_jax.types import CORNER, Geometry, Prediction, Volume

SHAPE = (3, 40, 40)


@pytest.fixture
def layers(rng):
    """Tissue labels in stripes, their true maps, and parenchyma."""
    tissue = np.zeros(SHAPE, np.uint8)
    tissue[:, 5:20], tissue[:, 20:35] = 2, 3
    table = np.array([(0, 0, 0), (0, 0, 0), (1200, 90, 80), (800, 75, 70)], np.float32)
    truth = table[tissue] * (1 + 0.05 * rng.standard_normal((*SHAPE, 3))).astype(np.float32)
    return tissue, truth, tissue > 1


def test_errors_are_what_they_say(layers):
    tissue, truth, inside = layers
    found = compare(1.1 * truth, truth, inside, tissue)
    np.testing.assert_allclose(found.slope, 1.1, rtol=1e-5)
    np.testing.assert_allclose(found.bias, 10.0, rtol=1e-4)
    np.testing.assert_allclose(
        found.rmse, 0.1 * np.sqrt(np.square(truth[inside].astype(float)).mean(0)), rtol=1e-4
    )
    assert not compare(truth, truth, inside, tissue).rmse.any()


def test_a_smooth_field_of_the_density_does_not_count(layers):
    _, truth, inside = layers
    x = np.linspace(-1, 1, SHAPE[2], dtype=np.float32)
    shaded = truth * np.stack([np.ones_like(x), np.ones_like(x), 1 + 0.2 * x], axis=-1)
    flat = without_field(shaded, truth, inside, spacing_mm=(5.0, 5.0, 5.0))
    np.testing.assert_array_equal(flat[..., :2], truth[..., :2])
    true = truth[inside][:, 2]
    left, before = (np.abs(m[inside][:, 2] / true - 1).mean() for m in (flat, shaded))
    assert left < 0.5 * before


def case_of(layers):
    tissue, truth, _ = layers
    coarse = Geometry((0, 0, 0), (1, 0, 0), (0, 1, 0), (5.0, 2.0, 2.0), (3, 20, 20))
    fine = coarse.refined(2, CORNER)
    fast = truth.reshape(3, 20, 2, 20, 2, 3).mean(axis=(2, 4))
    known = Truth(truth, tissue, tissue, {}, tissue * 0, {}, noise_free=truth)
    routine = Volume(truth, tuple(MAPS), fine)
    return Case("s", "healthy", CORNER, Volume(fast, tuple(MAPS), coarse), routine, known)


def test_a_network_that_is_right_has_no_share(layers):
    case = case_of(layers)
    right = Prediction(case.truth.maps, None, tuple(MAPS), case.routine.geometry)
    found = errors_of(case, lambda _: right, scale=2)
    assert not found[NETWORK].rmse.any() and found[BICUBIC].rmse.all()
    document = summary([found])
    assert document["share"] == [0.0, 0.0, 0.0] and document["share_sd"] == [0.0, 0.0, 0.0]


def test_subjects_without_what_is_needed_are_refused(layers):
    case = case_of(layers)
    bare = dataclasses.replace(case.truth, noise_free=None)
    with pytest.raises(ValueError, match="simulate with --noiseless"):
        errors_of(dataclasses.replace(case, truth=bare), lambda _: None, scale=2)
    airy = dataclasses.replace(case.truth, tissue=case.truth.tissue * 0)
    with pytest.raises(ValueError, match="expected grey and white matter"):
        errors_of(dataclasses.replace(case, truth=airy), lambda _: None, scale=2)


def test_shares_are_taken_in_each_subject_and_then_averaged():
    def subject(network, bicubic):
        one = [np.full(3, value) for value in (network, bicubic, 1.0)]
        pairs = zip((NETWORK, BICUBIC, ROUTINE), one, strict=True)
        return {name: Errors(rmse, np.ones(3), np.zeros((2, 3))) for name, rmse in pairs}

    document = summary([subject(1.0, 2.0), subject(9.0, 10.0)])
    np.testing.assert_allclose(document["share"], 0.7)
    np.testing.assert_allclose(document["share_sd"], 0.4 / 2**0.5)


def head(folder, side):
    """A measured head of 1 mm: white inside grey inside water inside scalp; round."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.broadcast_to(np.hypot(y / 1.15, x), (10, side, side))
    table = np.array([(800, 60, 70), (1400, 80, 80), (3500, 900, 100), (0, 0, 0), (380, 68, 90)])
    values = table[np.searchsorted((45, 62, 66, 72), radius)]
    values = np.where(radius[..., None] < 80, values, 0).astype(np.float32)
    geometry = Geometry((0, 0, 0), (1, 0, 0), (0, 1, 0), (1.0, 1.0, 1.0), radius.shape)
    folder.mkdir(parents=True)
    for index, name in enumerate(MAPS):
        write_nifti(np.ascontiguousarray(values[..., index]), geometry, folder / f"{name}.nii.gz")
    (folder / "units.json").write_text(json.dumps({"t1": "ms", "t2": "ms", "pd": "%"}))


def test_the_door_walks_from_heads_to_a_table(tmp_path, capsys):
    head(tmp_path / "heads" / "one", 230)
    flags = ["--out", str(tmp_path / "out"), "--measured", str(tmp_path / "heads"), "--dry"]
    flags += ["--workers", "1", "--values", "wide"]
    transfer_check.main(flags)
    table = capsys.readouterr().out
    assert "simulated  (1 subjects)" in table and "measured   (1 subjects)" in table
    document = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert document["simulated_with"][:2] == ["--values", "wide"]
    assert document["heads"] == ["one"]
    shares = np.array([document[group]["share"] for group in ("simulated", "measured")])
    assert np.isfinite(shares).all() and (shares > 0.3).all() and (shares < 3.0).all()
    kinds = [
        json.loads((tmp_path / "out" / name / "cohort.json").read_text())["values"]
        for name in ("train", "test")
    ]
    assert kinds == ["wide", "population"]
    transfer_check.main(flags)  # all is found and kept
    assert "already trained" in capsys.readouterr().out
    again = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert again["measured"] == document["measured"]
    given = [*flags[:-2], "--model", str(tmp_path / "out" / "network")]
    transfer_check.main(given)  # the same network, given: the same table
    again = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert again["measured"] == document["measured"] and again["model"] == given[-1]
    with pytest.raises(SystemExit, match="--values wide: of a training"):
        transfer_check.main([*flags, "--model", given[-1]])


def test_heads_of_two_sizes_are_refused(tmp_path):
    head(tmp_path / "heads" / "a", 230)
    head(tmp_path / "heads" / "b", 200)
    with pytest.raises(SystemExit, match="one network takes one matrix"):
        transfer_check.main(
            ["--out", str(tmp_path / "out"), "--measured", str(tmp_path / "heads"), "--dry"]
        )
