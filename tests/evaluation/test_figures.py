"""Figures are real images, the same every time, and draw what they were given."""

import dataclasses
import io

import matplotlib.image
import numpy as np
import pytest

from qsr_jax.evaluation.report import figures


def picture(example, name):
    return matplotlib.image.imread(io.BytesIO(figures.pictures(example, [name])), format="png")


@pytest.mark.parametrize("name", ["t1", "t2", "pd"])
def test_pictures_are_readable_and_wide_enough_for_a_laptop(cohort_and_examples, name):
    image = picture(cohort_and_examples[1][0], name)
    assert image.shape[1] >= 1280
    assert np.ptp(image[..., :3]) == 1.0


def test_pictures_show_the_error_in_a_fixed_window(cohort_and_examples):
    """A larger error of the trained model changes the picture; nothing is rescaled to hide it."""
    example = cohort_and_examples[1][0]
    worse = dict(example.images["t1"])
    worse["trained"] = worse["trained"] + 150.0
    changed = dataclasses.replace(example, images={"t1": worse})
    before, after = picture(example, "t1"), picture(changed, "t1")
    moved = (np.abs(before - after).max(-1) > 0.02).any(0)
    columns = np.flatnonzero(moved) / moved.size
    map_, error = columns[columns < 0.5], columns[columns > 0.5]  # columns 2 and 5 of 6
    assert 0.12 < map_.min() < map_.max() < 0.34  # windows and neighbours stay as they were
    assert 0.6 < error.min() < error.max() < 0.8


def test_pictures_do_without_truth_and_lesions(cohort_and_examples):
    example = cohort_and_examples[1][1]
    images = {m: image for m, image in example.images["t2"].items() if m != "truth"}
    bare = dataclasses.replace(example, lesion=None, images={"t2": images})
    assert (picture(bare, "t2") != picture(example, "t2")).any()


def test_weighted_pictures_show_the_model_that_made_them(cohort_and_examples):
    example = cohort_and_examples[1][0]
    brighter = {name: dict(images) for name, images in example.images.items()}
    brighter["pd"]["trained"] = 1.2 * brighter["pd"]["trained"]

    def draw(one):
        return matplotlib.image.imread(io.BytesIO(figures.weighted_pictures(one)), format="png")

    before, after = draw(example), draw(dataclasses.replace(example, images=brighter))
    moved = np.flatnonzero((np.abs(before - after).max(-1) > 0.02).any(0)) / before.shape[1]
    assert before.shape[1] >= 1280
    assert moved.min() > 0.25
    assert moved.max() < 0.5  # second column only


def test_pictures_are_the_same_every_time(cohort_and_examples):
    example = cohort_and_examples[1][0]
    assert figures.pictures(example, ["pd"]) == figures.pictures(example, ["pd"])


def test_spread_pictures_show_error_and_half_width_in_one_window(cohort_and_examples):
    """A wider interval changes the half width and the ratio, and leaves the error as it was."""
    example = cohort_and_examples[1][0]
    std = np.full_like(example.images["t1"]["trained"], 40.0)

    def draw(one):
        return matplotlib.image.imread(
            io.BytesIO(figures.spread_pictures(one, ["t1"])), format="png"
        )

    narrow = draw(dataclasses.replace(example, stds={"t1": std}))
    wide = draw(dataclasses.replace(example, stds={"t1": 2 * std}))
    moved = np.flatnonzero((np.abs(narrow - wide).max(-1) > 0.02).any(0)) / narrow.shape[1]
    assert moved.min() > 0.3  # of three columns the second and third
    assert (moved < 0.6).any() and (moved > 0.7).any()
