"""A trained network that tells its spread: in ms and %, calibrated, kept, and in an ensemble."""

import dataclasses

import jax
import numpy as np
import pytest
from small_predictors import MODELS, scan, small_predictor
from test_load import save

from qsr_jax.checkpoint import CheckpointError
from qsr_jax.maps import spec_of
from qsr_jax.mean_law import MeanLaw
from qsr_jax.predictors import load_predictor
from qsr_jax.predictors.ensemble import Ensemble
from qsr_jax.predictors.opened import UNCALIBRATED
from qsr_jax.tasks.spread import FILE, SPREAD_EDGES, SpreadCalibration, write_calibrations

ALL = ("t1", "t2", "pd")
OPTIONS = {"names": ALL, "margin": 2, "log_maps": ("t2",)}


@pytest.fixture(autouse=True)
def telling(monkeypatch):
    monkeypatch.setitem(MODELS, "residual", MODELS["residual"] | {"spread": True})


def factors(value, names=ALL):
    bins = {name: len(spec_of(name).value_bins) - 1 for name in names}
    rows = {name: ((((value,) * (len(SPREAD_EDGES) + 1),) * k),) for name, k in bins.items()}
    return SpreadCalibration(rows, {name: MeanLaw(0.1 * value, 4.0 * value) for name in names})


def test_the_standard_deviation_is_in_the_units_of_the_maps(rng):
    """That of the task, from the network's own output of the same slices."""
    predictor, volume = small_predictor("residual", **OPTIONS), scan(rng, ALL)
    made, task = predictor(volume), predictor.task
    seen = task.inputs(volume.maps)["lr"]
    output = jax.jit(lambda x: predictor.network.apply(predictor.variables, x, train=False))(seen)
    most = [spec_of(name).network_max for name in ALL]
    expected = np.minimum(task.physical_spread(output[..., :3], output[..., 3:]), most)
    np.testing.assert_allclose(made.std, expected, rtol=1e-3)
    assert made.std.shape == made.mean.shape
    doubled = dataclasses.replace(predictor, calibration=factors(2.0))(volume)
    np.testing.assert_allclose(doubled.std, np.minimum(2.0 * made.std, most), rtol=1e-6)
    np.testing.assert_array_equal(doubled.mean, made.mean)
    assert doubled.std.dtype == np.float32
    assert (made.mean_laws, doubled.mean_laws) == (None, (MeanLaw(0.2, 8.0),) * 3)
    assert made.std_against == "routine"


def test_an_ensemble_adds_what_its_members_say_and_how_they_differ(rng):
    """Law of total variance: mean of variances plus variance of means, voxel by voxel."""
    members = tuple(
        dataclasses.replace(small_predictor("residual", seed=s, **OPTIONS), calibration=factors(f))
        for s, f in ((0, 0.5), (1, 1.5))
    )
    volume = scan(rng, ALL)
    made = [member(volume) for member in members]
    within = np.mean([np.square(one.std, dtype=np.float64) for one in made], 0)
    apart = np.var([one.mean.astype(np.float64) for one in made], 0)
    both = Ensemble(members)(volume)
    np.testing.assert_allclose(both.std, np.sqrt(within + apart), rtol=1e-4)
    assert (both.std**2 >= 0.999 * within).all() and (apart > 0).any()
    assert [(law.shared, law.patch) for law in both.mean_laws] == [(pytest.approx(0.1), 4.0)] * 3
    mixed = dataclasses.replace(members[0], calibration=None), members[1]
    assert Ensemble(mixed)(volume).mean_laws is None


def test_factors_are_loaded_with_the_network_of_their_step(tmp_path):
    workdir = save(tmp_path, small_predictor("residual", **OPTIONS), "residual")
    without = load_predictor(workdir)
    assert without.calibration is None
    assert without.notes == ("drawn weights", UNCALIBRATED)
    write_calibrations(workdir, {9: factors(3.0), 10: factors(2.0)})
    found = load_predictor(workdir)
    assert found.calibration == factors(2.0)
    assert found.notes == ("drawn weights",)
    (workdir / FILE).write_text("{")
    with pytest.raises(CheckpointError, match=r"spread.json: no calibration of spreads"):
        load_predictor(workdir)
