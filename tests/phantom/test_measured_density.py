"""PD of measured heads: the receive field goes, the brain's water is 100 %, the rest is refused."""

import numpy as np
import pytest

from qsr_jax.maps import MAPS
from qsr_jax.phantom.measured_density import INVERSE_PD, INVERSE_PD_MS, checked, density_percent
from qsr_jax.phantom.measured_maps import measured_maps

T1_MS = {"white": 800.0, "grey": 1300.0, "water": 4200.0}
PD = {name: 100 / (INVERSE_PD + INVERSE_PD_MS / t1) for name, t1 in T1_MS.items()}
"""Percent; water has 98 % by the same formula, and is what becomes 100 %."""


@pytest.fixture
def head():
    """White ball with a ventricle, grey shell: T1 (ms), PD (%), brain, a field of 0.6 to 1.6."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (90, 90, 16)), indexing="ij")
    radius = np.hypot(x, y)
    kinds = [radius < 0.25, radius < 0.6, radius < 0.8]
    t1_ms = np.select(kinds, [T1_MS[k] for k in ("water", "white", "grey")], 0.0)
    pd = np.select(kinds, [PD[k] for k in ("water", "white", "grey")], 0.0)
    field = np.exp(0.4 * x - 0.3 * y + 0.5 * radius**2 - 0.2 * z * x)
    return t1_ms, pd, t1_ms > 0, field


def test_the_field_is_divided_out_and_water_is_one_hundred(head):
    t1_ms, pd, brain, field = head
    found, scale = density_percent(0.037 * pd * field, t1_ms, brain, where="head")
    for name, t1 in T1_MS.items():
        np.testing.assert_allclose(found[t1_ms == t1], 100 * PD[name] / PD["water"], rtol=2e-3)
    assert scale.white_percent == pytest.approx(100 * PD["white"] / PD["water"], rel=2e-3)
    assert scale.clipped == 0.0
    assert f"white matter has {scale.white_percent:.0f} %" in str(scale)


def test_noise_in_air_and_skull_changes_nothing(head, rng):
    """What a loose mask lets in: long T1 and any PD outside the brain."""
    t1_ms, pd, brain, field = head
    clean, scale = density_percent(pd * field, t1_ms, brain, where="head")
    t1_ms = np.where(brain, t1_ms, rng.uniform(100, 5000, brain.shape))
    noisy = np.where(brain, pd * field, rng.uniform(0, 20, brain.shape))
    found, again = density_percent(noisy, t1_ms, brain, where="head")
    assert again == scale
    np.testing.assert_array_equal(found[brain], clean[brain])


def test_too_little_tissue_or_water_is_refused(head):
    t1_ms, pd, brain, _ = head
    with pytest.raises(ValueError, match="head: 0 voxels of the brain have T1 of 550 to 1700 ms"):
        density_percent(pd, np.where(brain, 3000.0, 0), brain, where="head")
    with pytest.raises(ValueError, match="there is no water in the brain .* give pd in %"):
        density_percent(pd, np.minimum(t1_ms, 1300), brain, where="head")


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_wrong_scale_is_refused(factor, head):
    t1_ms, pd, brain, _ = head
    with pytest.raises(ValueError, match="white matter has PD .* %, expected 55 to 85 %"):
        checked(factor * pd, t1_ms, brain, where="head")


def test_more_than_one_percent_clipped_is_refused_and_less_is_told(head):
    t1_ms, pd, brain, _ = head
    places = np.argwhere(brain & (t1_ms != T1_MS["white"]))
    for part, refused in ((0.02, True), (0.005, False)):
        hot = pd.copy()
        hot[tuple(places[: int(part * brain.sum())].T)] = 200.0
        if refused:
            with pytest.raises(ValueError, match="2.0 % of the brain have PD above 160 %"):
                checked(hot, t1_ms, brain, where="head")
        else:
            found, scale = checked(hot, t1_ms, brain, where="head")
            assert scale.clipped == pytest.approx(part, abs=1e-4)
            assert found.max() == MAPS["pd"].scanner_max


def test_real_heads_have_white_matter_between_the_limits(test_data):
    """The fingerprinting heads of p-mayo/mrf-diph: 63 to 75 % (151 % with water of any place)."""
    from data_tools.convert_qmaps import read_maps

    maps = read_maps([test_data("qmaps/mrf_delics_vol02.npz")])
    maps = {name: np.moveaxis(values, 0, 2) for name, values in maps.items()}
    maps |= {name: 1000 * maps[name] for name in ("t1", "t2")}
    head = measured_maps(maps, np.eye(4), where="head", pd_in_percent=False)
    assert head.density.white_percent == pytest.approx(63, abs=2)
    assert head.density.clipped < 1e-3


def test_scalp_that_reads_like_brain_is_none():
    """A ring of 8 mm with white matter's values, joined to the brain by a bridge of 1 mm."""
    y, x = np.mgrid[:140, :140] - 69.5
    radius = np.hypot(y, x)
    brain, scalp = radius < 45, (radius > 52) & (radius < 60)
    here = brain | scalp | ((np.abs(y) < 1) & (x > 0) & (radius < 60))
    values = {"t1": 800.0, "t2": 80.0, "pd": 68.0}
    maps = {
        name: np.repeat(np.where(here, value, 0.0)[..., None], 6, axis=2).astype(np.float32)
        for name, value in values.items()
    }
    found = measured_maps(maps, np.eye(4), where="head").brain[..., 3]
    assert not (found & scalp).any()
    assert (found & brain).sum() > 0.97 * brain.sum()
