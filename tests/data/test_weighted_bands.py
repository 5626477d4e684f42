"""Bands of times are kept from training: their studies are not among its records."""

import numpy as np
import pytest

from launch.config.build import experiment_of
from launch.config.page import load_config
from qsr_jax.acquisition import ACQUISITION, parse_bands, within
from qsr_jax.data.records.open import DatasetError
from qsr_jax.data.records.weighted import open_weighted
from qsr_jax.training.plan import open_split


def times_of(records):
    return np.array([records[i]["acquisition_ms"] for i in range(len(records))])


@pytest.fixture(scope="module")
def band(weighted_data):
    """One that holds a part of the studies of the training split."""
    te_ms = np.sort(times_of(open_weighted(weighted_data, "train"))[:, 3])
    return f"t2w_te_ms {te_ms[0] - 1:.3f} {te_ms[len(te_ms) // 2]:.3f}"


def test_studies_in_a_band_are_left_out_and_the_others_stay_whole(weighted_data, band):
    every = open_weighted(weighted_data, "train")
    rest = open_weighted(weighted_data, "train", without=parse_bands(band))
    outside = [i for i, one in enumerate(times_of(every)) if not within(one, parse_bands(band))]
    assert 0 < len(rest) == len(outside) < len(every)
    for place, i in enumerate(outside):
        for key in ("lr", "hr", "acquisition_ms"):
            np.testing.assert_array_equal(rest[place][key], every[i][key])


def test_a_page_says_the_bands_and_the_training_opens_what_is_left(weighted_data, band):
    words = [f"--config.weighted.held_out={band}"]
    experiment = experiment_of(load_config("weighted_to_maps", words))
    for split in ("train", "validation"):
        for one in times_of(open_split(experiment, weighted_data, split)):
            assert not within(one, parse_bands(band))
    plain = open_split(experiment_of(load_config("weighted_to_maps")), weighted_data, "train")
    assert len(plain) == len(open_weighted(weighted_data, "train"))


def test_bands_that_leave_nothing_are_refused(weighted_data):
    with pytest.raises(DatasetError, match="leave nothing of train"):
        open_weighted(weighted_data, "train", without=(("flair_tr_ms", 1000.0, 20000.0),))


@pytest.mark.parametrize("text", ["t2w_te_ms 95", "t2w_te_ms a b", "te 95 105", "t2w_te_ms 9 5"])
def test_a_line_that_is_no_band_is_refused(text):
    with pytest.raises(ValueError, match="expected NAME LOW HIGH in ms"):
        parse_bands(text)
    assert parse_bands("") == () and set(ACQUISITION) >= {name for name, *_ in parse_bands(" , ")}
