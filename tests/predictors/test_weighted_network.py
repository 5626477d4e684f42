"""The predictor of weighted images: what it says, what it flags and refuses."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from weighted_fixtures import TYPICAL, disc, small_predictor

from qsr_jax.acquisition import NARROW, TYPICAL_MS, WIDE
from qsr_jax.checkpoint import DRAWN, CheckpointError, read_model_file, write_model_file
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.studies.weighted_study import WeightedStudy
from qsr_jax.maps import spec_of
from qsr_jax.predictors.dicom_series import DICOM, NIFTI, UnfamiliarError
from qsr_jax.predictors.load import load_predictor
from qsr_jax.predictors.trained import MismatchError
from qsr_jax.predictors.weighted_baselines import pixel_fit
from qsr_jax.predictors.weighted_network import load_weighted
from qsr_jax.predictors.weighted_study import predict_study
from qsr_jax.pretrained import find_model
from qsr_jax.tasks.spread import SPREAD_EDGES, SpreadCalibration
from qsr_jax.tasks.weighted_gains import FITTED, FREE, GAINS, ONE
from qsr_jax.types import Geometry

pytestmark = pytest.mark.usefixtures("compiled_quickly")
PREDICTOR = small_predictor()


def geometry(slices=2, mm=1.0):
    return Geometry((0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, mm, mm), (slices, 32, 32))


def study(times=TYPICAL, **changes):
    fields = {
        "images": disc()[2],
        "geometry": geometry(),
        "acquisition_ms": np.array(times, np.float32),
        "grid": "t2w",
        "sha256": {},
    }
    return WeightedStudy(**(fields | changes))


def made(times=TYPICAL, place=None, **options):
    _, brain, images = disc()
    return PREDICTOR(images, np.array(times), place or geometry(), brain=brain, **options)


def test_maps_and_spreads_in_units_inside_the_brain_alone():
    brain, prediction = disc()[1], made()
    assert prediction.names == ("t1", "t2", "pd") and prediction.mean.shape == (2, 32, 32, 3)
    assert prediction.std.shape == prediction.mean.shape and prediction.std_against == "truth"
    assert prediction.std[brain].min() > 0 and not prediction.std[~brain].any()
    assert not prediction.mean[~brain].any()
    assert 100 < np.median(prediction.mean[brain][:, 0]) < 4500
    assert not prediction.familiarity.is_unfamiliar


def test_a_spread_beyond_the_range_of_its_map_is_the_range_and_can_be_written(tmp_path):
    """A few voxels of fluid said 13 s of T2, and the whole study could not be written."""
    bins = {name: len(spec_of(name).value_bins) - 1 for name in PREDICTOR.names}
    rows = {n: ((((1e9,) * (len(SPREAD_EDGES) + 1),) * k),) for n, k in bins.items()}
    wild = dataclasses.replace(PREDICTOR, calibration=SpreadCalibration(rows))
    written = predict_study(wild, study(), tmp_path / "out", format=NIFTI, subject="01",
                            brain=disc()[1])  # fmt: skip
    seconds = read_nifti(next(p for p in written if p.name.endswith("std_T2map.nii.gz")))[0]
    assert seconds.max() == pytest.approx(spec_of("t2").network_max / 1000.0)


def test_a_slice_is_the_same_among_others():
    _, brain, images = disc(5)
    one = PREDICTOR.say(images[:1], TYPICAL, brain[:1], gains=ONE)
    five = PREDICTOR.say(images, TYPICAL, brain, gains=ONE)
    for alone, among in zip(one, five, strict=True):
        np.testing.assert_allclose(among[4], alone[0], rtol=1e-4)


@pytest.mark.parametrize("gains", GAINS)
def test_gains_change_nothing(gains):
    _, brain, images = disc()
    factors = (9.0,) * 3 if gains == ONE else (9.0, 0.3, 2.0)
    bright = images * np.array(factors, np.float32)
    both = [PREDICTOR.say(x, TYPICAL, brain, gains=gains)[0] for x in (images, bright)]
    nothing = 1e-3  # ms, %: a density of 0 has no relative error
    np.testing.assert_allclose(both[1][brain], both[0][brain], rtol=5e-3, atol=nothing)


def test_fitted_gains_solve_what_free_ones_leave_to_anatomy():
    """A network that says the truth of free gains, and the pixelwise solution of one gain."""
    truth, brain, images = disc()

    def say(self, seen, times, brain, *, common):
        if not common:
            return truth, np.ones_like(truth)
        solved = pixel_fit(jnp.asarray(seen), jnp.asarray(brain), jnp.asarray(times))
        return np.asarray(solved), np.ones_like(truth)

    told = dataclasses.make_dataclass("Told", (), bases=(type(PREDICTOR),), frozen=True,
                                      namespace={"_once": say})  # fmt: skip
    fields = {f.name: getattr(PREDICTOR, f.name) for f in dataclasses.fields(PREDICTOR)}
    bright = (images * np.array((9.0, 0.3, 2.0))).astype(np.float32)
    mean, std = told(**fields).say(bright, TYPICAL, brain, gains=FITTED)
    white = brain & (truth[..., 0] < 1000)
    np.testing.assert_allclose(np.median(mean[white], 0), [850, 70, 70], rtol=0.03)
    assert (std == 1.0).all(), "what the first maps did not know, the gains do not either"


def test_gains_that_cannot_be_fitted_are_free():
    _, brain, images = disc()
    hidden = TYPICAL.copy()
    hidden[6] = np.nan
    blind = small_predictor(task=dataclasses.replace(PREDICTOR.task, intensities="free"))
    for predictor, times in ((PREDICTOR, hidden), (blind, TYPICAL)):
        both = [predictor.say(images, times, brain, gains=g)[0] for g in (FREE, FITTED)]
        np.testing.assert_array_equal(*both)
    with pytest.raises(ValueError, match="gains is 'all'; expected one of one, fitted, free"):
        PREDICTOR.say(images, TYPICAL, brain, gains="all")


def test_a_band_that_was_kept_from_training_is_flagged():
    task = dataclasses.replace(PREDICTOR.task, held_out="t2w_te_ms 95 105")
    _, brain, images = disc()
    found = small_predictor(task=task)(images, TYPICAL, geometry(), brain=brain).familiarity
    assert found.is_unfamiliar and "t2w_te_ms 98, not trained on 95 to 105" in found.words


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [(0, 1200.0, "t1w_tr_ms 1200, trained on 300 to 1000"), (6, 1400.0, "flair_ti_ms 1400")],
)
def test_times_out_of_the_trained_range_are_flagged_and_refused(index, value, message, tmp_path):
    times = TYPICAL.copy()
    times[index] = value
    found = made(times).familiarity
    assert found.is_unfamiliar and message in found.words
    with pytest.raises(UnfamiliarError, match=message):
        predict_study(PREDICTOR, study(times), tmp_path / "out", format=NIFTI, subject="01",
                      brain=disc()[1], refuse_unfamiliar=True)  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_pixels_of_another_size_are_flagged():
    assert "pixels of 3.00 mm" in made(place=geometry(mm=3.0)).familiarity.words


def test_unknown_times_are_said_and_predicted_without(tmp_path):
    told: list[str] = []
    times = TYPICAL.copy()
    times[6] = np.nan
    written = predict_study(PREDICTOR, study(times), tmp_path / "out", format=NIFTI, subject="01",
                            brain=disc()[1], tell=told.append)  # fmt: skip
    assert told == ["not known: flair_ti_ms; the network reads anatomy in their place"]
    assert len(written) == 6 and all("acq-weighted" in path.name for path in written)
    few = predict_study(PREDICTOR, study(), tmp_path / "few", format=NIFTI, subject="01", std=False)
    assert len(few) == 3, "and without a mask the brain is found in the images"


def test_what_cannot_be_predicted_is_refused(tmp_path):
    _, brain, images = disc()
    out = tmp_path / "x"
    cases = [
        (lambda: PREDICTOR(images[:1], TYPICAL, geometry(), brain=brain), "expected \\(2, 32, 32"),
        (lambda: PREDICTOR(-images, TYPICAL, geometry(), brain=brain), "negative or not finite"),
        (lambda: PREDICTOR(images, TYPICAL, geometry(), brain=~brain & brain), "brain is empty"),
        (lambda: PREDICTOR(images, TYPICAL[::-1], geometry(), brain=brain), "the study"),
        (lambda: predict_study(PREDICTOR, study(), out, format="png"), "format is 'png'"),
        (lambda: predict_study(PREDICTOR, study(), out, format=NIFTI), "a label for"),
        (lambda: predict_study(PREDICTOR, study(), out, format=DICOM), "no DICOM header"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="letters and digits only; got ''"):
        predict_study(PREDICTOR, study(), tmp_path / "x", format=NIFTI, subject="")
    with pytest.raises(FileExistsError, match="exists already"):
        predict_study(PREDICTOR, study(), tmp_path, format=NIFTI, subject="01")
    empty = study(images=images * np.array([1, 1, 0], np.float32))
    with pytest.raises(MismatchError, match="flair: empty; the model needs all three contrasts"):
        predict_study(PREDICTOR, empty, tmp_path / "x", format=NIFTI, subject="01")
    able = small_predictor(task=dataclasses.replace(PREDICTOR.task, absent=0.1))
    with pytest.raises(MismatchError, match="t2w, flair: empty; the model needs two of the"):
        predict_study(able, study(images=images * np.array([1, 0, 0], np.float32)),
                      tmp_path / "x", format=NIFTI, subject="01")  # fmt: skip
    told: list[str] = []
    predict_study(able, empty, tmp_path / "two", format=NIFTI, subject="01", tell=told.append)
    assert "flair: absent" in told
    certain = dataclasses.replace(PREDICTOR, network=PREDICTOR.network.clone(spread=False),
                                  variables=_without_spread())  # fmt: skip
    with pytest.raises(ValueError, match="knows no standard deviation"):
        predict_study(certain, study(), tmp_path / "x", format=NIFTI, subject="01", std=True)


def _without_spread():
    """The variables with half of the last convolution."""
    params = dict(PREDICTOR.variables["params"])
    half = params["last"]["bias"].size // 2
    params["last"] = {k: v[..., :half] for k, v in params["last"].items()}
    return {"params": params}


def test_a_model_of_maps_is_no_model_of_images():
    with pytest.raises(CheckpointError, match="takes maps, not weighted images"):
        load_weighted("default")
    assert load_predictor("default").names == ("t1", "t2", "pd")


def test_the_trained_times_are_those_of_the_records_it_learned_from(tmp_path):
    """A model of usual protocols flags a time that one of wide ranges takes."""
    held = read_model_file(find_model("weighted"))
    network = {tuple(name.split("/")): array for name, array in held.network.items()}
    for name, drawn in (("narrow", {"limits": {"acquisition": NARROW}}), ("silent", {})):
        write_model_file(
            tmp_path / f"{name}.safetensors",
            step=held.step,
            document=held.document | {DRAWN: drawn},
            variables=unflatten_dict(network),
            extras={},
            arrays={},
        )
    long = np.array((950.0, *TYPICAL_MS[1:]), np.float32)
    wide, narrow = load_weighted("weighted"), load_weighted(tmp_path / "narrow.safetensors")
    assert (wide.ranges, narrow.ranges) == (WIDE, NARROW)
    assert wide.judged(long, (5.0, 1.0, 1.0)).reasons == ()
    assert "t1w_tr_ms 950, trained on 350 to 800" in narrow.judged(long, (5.0, 1.0, 1.0)).reasons
    with pytest.raises(CheckpointError, match="does not say which TR, TE and TI"):
        load_weighted(tmp_path / "silent.safetensors")
