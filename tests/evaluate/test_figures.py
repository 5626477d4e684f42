"""Figures are real images, the same every time, and draw what they were given."""

import dataclasses
import io
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest

from qsr_jax.evaluate import figures
from qsr_jax.evaluate.tables import POOLED, compute_tables


@pytest.fixture(scope="module")
def pooled(cohort_and_examples):
    rows = compute_tables(cohort_and_examples[0]).agreement
    return [
        r for r in rows if (r.tissue, r.test, r.reference) == (POOLED, "trained", "routine")
    ]  # fmt: skip


def picture(example, name):
    return matplotlib.image.imread(io.BytesIO(figures.pictures(example, name)), format="png")


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
    assert columns.min() > 0.4
    assert columns.max() < 0.7  # third column only: windows and neighbours stay as they were


def test_pictures_do_without_truth_and_lesions(cohort_and_examples):
    example = cohort_and_examples[1][1]
    images = {m: image for m, image in example.images["t2"].items() if m != "truth"}
    bare = dataclasses.replace(example, lesion=None, images={"t2": images})
    assert (picture(bare, "t2") != picture(example, "t2")).any()


def test_plots_are_svg_and_the_same_every_time(cohort_and_examples, pooled):
    cohort, _ = cohort_and_examples
    for draw in (
        lambda: figures.psnr_plot(cohort),
        lambda: figures.agreement_plots(cohort, pooled),
    ):
        first = draw()
        assert ElementTree.fromstring(first).tag.endswith("svg")
        assert draw() == first


def test_agreement_plots_draw_the_rows_numbers(cohort_and_examples, pooled):
    """Other limits in the row give another plot: the plot computes none of its own."""
    cohort, _ = cohort_and_examples
    first, *others = pooled
    wider = dataclasses.replace(first, percent=dataclasses.replace(first.percent, high=5.5))
    drawn = figures.agreement_plots(cohort, pooled)
    assert figures.agreement_plots(cohort, [wider, *others]) != drawn


def test_axes_carry_units(cohort_and_examples, pooled, monkeypatch):
    seen = []
    monkeypatch.setattr(figures, "_bytes", lambda figure, kind: seen.append(figure) or b"")
    cohort, examples = cohort_and_examples
    figures.agreement_plots(cohort, pooled)
    figures.psnr_plot(cohort)
    figures.pictures(examples[0], "t1")
    labels = [text for f in seen for a in f.axes for text in (a.get_xlabel(), a.get_ylabel())]
    written = [label for label in labels if label]
    assert len(written) == 3 * 2 * 2 + 3 + 2
    assert all(label.endswith(("(ms)", "(%)", "(dB)")) for label in written)
