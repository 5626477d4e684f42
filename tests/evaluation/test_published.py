"""The paper's numbers were typed in: they must fit each other."""

import pytest

from qsr_jax.anatomy.regions import REGION_NAMES
from qsr_jax.evaluation.sections import published


@pytest.mark.parametrize("key", published.TABLE_1, ids=" ".join)
def test_tost_intervals_are_centred_on_the_differences_of_table_1(key):
    row = published.TABLE_1[key]
    difference = row.network.mean - row.routine.mean
    if key == ("WM", "t2"):
        assert row.tost_low is None, "misprinted, see ERRATA"
        assert difference == pytest.approx(0.31)
    else:
        assert (row.tost_low + row.tost_high) / 2 == pytest.approx(difference, abs=0.011)


def test_everything_is_there():
    assert len(published.TABLE_1) == 2 * 3
    regions = {region for region, _ in published.TABLE_2}
    assert regions == set(REGION_NAMES)
    assert len(published.TABLE_2) == 19 * 3
    assert len(published.TABLE_3) == 12
    tables = published.FIGURE_3, published.FIGURE_4, published.TABLE_4, published.TABLE_5
    assert all(set(table) == {"t1", "t2", "pd"} for table in tables)


@pytest.mark.parametrize("name", published.FIGURE_3)
def test_limits_of_figure_3_surround_their_bias_evenly(name):
    row = published.FIGURE_3[name]
    assert (row.low_percent + row.high_percent) / 2 == pytest.approx(row.bias_percent, abs=0.011)


def test_intergroup_variation_is_the_smaller_one_as_the_paper_says():
    for (region, name), row in published.TABLE_2.items():
        assert row.between < min(row.network, row.routine), (region, name)
