"""A cohort has one installation: drawn, its mean, or fixed, and every value by its own stream."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics.effective_angles import CALIBRATED
from qsr_jax.physics.installation import (
    COHORT,
    DRAWN,
    DRAWS,
    MEAN,
    NORMAL,
    ONE_OF,
    PROTOCOL_NAMES,
    SUBJECT,
    UNIFORM,
    draw_values,
    installed,
    scanner_for,
)
from qsr_jax.physics.mdme_protocol import FAST, ROUTINE, Protocol
from qsr_jax.physics.scanner import SCANNER

ALL = tuple(DRAWS)


def values(seed=0, number=0, installation=DRAWN, **fixed):
    return draw_values(seed, number, fixed=fixed, installation=installation, names=ALL)


def test_values_follow_their_laws():
    many = [values(seed) for seed in range(400)]
    for name, law in DRAWS.items():
        found = [one[name] for one in many]
        if law.law == ONE_OF:
            assert set(found) == set(law.values)
            continue
        low, high = law.values
        middle, width = ((low + high) / 2, (high - low) / 12**0.5) if law.law == UNIFORM else (
            low, high)  # fmt: skip
        assert np.mean(found) == pytest.approx(middle, abs=0.25 * width)
        assert np.std(found) == pytest.approx(width, rel=0.2)
        if law.law == NORMAL:
            assert np.abs(np.array(found) - low).max() <= 2 * high + 1e-4
        assert f"{low}" in str(law)


def test_fixing_one_moves_no_other():
    free, fixed = values(5), values(5, coils=8, snr=33.0)
    assert (fixed["coils"], fixed["snr"]) == (8, 33.0)
    assert {k: v for k, v in free.items() if k not in ("coils", "snr")}.items() <= fixed.items()
    assert values(5) == free != values(6)


def test_the_mean_installation_still_has_subjects():
    first, second = (values(5, number, MEAN) for number in (1, 2))
    for name, law in DRAWS.items():
        if law.per == COHORT:
            assert first[name] == second[name] == law.mean
    differ = [name for name, law in DRAWS.items() if law.per == SUBJECT]
    assert all(first[name] != second[name] for name in differ)


def test_any_installation_can_be_built():
    for seed in range(60):
        one = values(seed, 1)
        routine, fast = installed(ROUTINE, FAST, one, cross_talk=True)
        assert routine.played.slice_order == fast.played.slice_order == one["slice_order"]
        assert routine.angles == fast.angles == CALIBRATED[one["slice_order"]]
        assert routine.fermi == fast.fermi == (0.9, one["fermi_width"])
        assert scanner_for(SCANNER, one).coils == one["coils"]
        # Headers, and so records, do not depend on it
        plain = {f.name for f in dataclasses.fields(Protocol)} - {
            "played", "angles", "fermi", "partial_echo", "edge_gain", "theta_source"}  # fmt: skip
        assert all(getattr(fast, name) == getattr(FAST, name) for name in plain)


def test_names_of_the_protocol_are_those_it_takes():
    assert "snr" not in PROTOCOL_NAMES
    assert "coils" not in PROTOCOL_NAMES
    assert {"fast_td_offset_ms", "routine_td_scale", "edge_gain"} <= set(PROTOCOL_NAMES)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"installation": "best"}, "installation must be one of"),
        ({"colour": 3}, "nothing is drawn by the name 'colour'"),
    ],
)
def test_unknown_ones_are_refused(more, said):
    with pytest.raises(ValueError, match=said):
        values(**more)
