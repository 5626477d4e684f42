"""The clustered area under the curve: by counting pairs, and how often its interval holds."""

import itertools

import numpy as np
import pytest
from scipy import stats

from qsr_jax.statistics.comparisons import DegenerateError
from qsr_jax.statistics.roc import clustered_auc


def test_the_area_is_the_fraction_of_pairs_in_order(rng):
    scores, positive = rng.integers(0, 6, 60).astype(float), rng.random(60) < 0.4
    pairs = itertools.product(scores[positive], scores[~positive])
    counted = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    found = clustered_auc(scores, positive, np.arange(60) // 6)
    assert found.area == pytest.approx(counted, abs=1e-12)
    assert (found.n_subjects, found.positives) == (10, positive.sum())


def test_with_one_place_per_subject_the_variance_is_delongs(rng):
    """DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595, up to n / (n - 1) factors."""
    positive = np.arange(400) < 200
    scores = rng.normal(size=400) + positive
    found = clustered_auc(scores, positive, np.arange(400))
    order = scores[positive][:, None] > scores[~positive]
    delong = order.mean(1).var(ddof=1) / 200 + order.mean(0).var(ddof=1) / 200
    half = np.ptp(np.log([x / (1 - x) for x in (found.interval.low, found.interval.high)])) / 2
    error = half * found.area * (1 - found.area) / stats.t.ppf(0.975, 399)
    assert error == pytest.approx(np.sqrt(delong), rel=0.01)


def test_intervals_hold_the_area_although_places_of_a_subject_go_together():
    """1000 cohorts of 20 subjects whose places share a shift; binomial SD 0.7 %, 4 of them."""
    rng, held = np.random.default_rng(11), 0
    positive = np.tile(np.arange(8) < 3, 20)
    subject = np.repeat(np.arange(20), 8)
    true = stats.norm.cdf(1.2 / np.sqrt(2 * (1 + 0.6)))
    for _ in range(1000):
        shift = rng.normal(0.0, 0.6**0.5, (20, 2))
        shared = shift[subject, positive.astype(int)]
        scores = rng.normal(size=160) + shared + 1.2 * positive
        held += true in clustered_auc(scores, positive, subject).interval
    assert held / 1000 == pytest.approx(0.95, abs=0.028)


@pytest.mark.parametrize("count", [1, 2])
def test_few_subjects_have_no_interval(count):
    subject = np.arange(6) % count
    found = clustered_auc(np.array([3.0, 1.0, 2.0, 0.0, 5.0, 1.5]), np.arange(6) < 3, subject)
    assert found.interval is None and 0.0 < found.area < 1.0


@pytest.mark.parametrize(
    ("scores", "positive"),
    [([1.0, 2.0], [True, True]), ([1.0, 2.0], [False, False]), ([np.nan, 2.0], [True, False])],
)
def test_one_kind_alone_or_no_number_is_refused(scores, positive):
    with pytest.raises(DegenerateError, match="expected both kinds, all finite"):
        clustered_auc(np.array(scores), np.array(positive), np.array([1, 2]))
