"""TF32 emulated where there is none: which factors are rounded, and what is told of a subject."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_predictors import SHAPE, small_predictor

from launch.bench import door, rounding
from qsr_jax.maps import MAPS
from qsr_jax.phantom.volume_fractions import CLASSES

THIRD = np.float32(1 / 3)
CUT = np.float32(0.333251953125)
"""A third to 10 bits behind its leading one: 1365 / 4096."""


@pytest.mark.parametrize(("precision", "wanted"), [("high", CUT), ("highest", THIRD)])
def test_factors_are_rounded_unless_float32_is_asked_for(precision, wanted):
    image, kernel = np.full((1, 2, 2, 1), THIRD), np.ones((1, 1, 1, 1), np.float32)

    def network(x, w):
        with jax.default_matmul_precision(precision):
            made = jax.nn.relu(jax.lax.conv_general_dilated(
                x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))  # fmt: skip
            return jax.jit(lambda y: y.reshape(2, 2) @ jnp.eye(2))(made) + THIRD

    made = jax.jit(rounding.as_tf32(network))(image, kernel)
    np.testing.assert_array_equal(made, np.full((2, 2), wanted + THIRD))


def test_what_it_cannot_see_into_is_refused():
    def loop(x):
        return jax.lax.scan(lambda y, _: (y @ y, None), x, length=2)[0]

    with pytest.raises(ValueError, match="scan holds a program of its own, whose products would"):
        rounding.as_tf32(loop)(jnp.ones((2, 2)))


def test_a_subject_s_tissues_are_told_apart(rng, monkeypatch, capsys):
    fractions = np.zeros((3, len(CLASSES), 2 * SHAPE[0], 2 * SHAPE[1]), np.float32)
    fractions[:, CLASSES.index("cortex"), :8] = fractions[:, CLASSES.index("white"), 8:] = 1.0
    maps = rng.uniform(50.0, 100.0, (3, *SHAPE, 3)).astype(np.float32)
    found = SimpleNamespace(fractions=fractions), {"fast": maps}
    model = small_predictor("residual", tuple(MAPS), context=3, margin=2)
    monkeypatch.setattr(rounding.data, "one_subject", lambda *_: found)
    monkeypatch.setattr(rounding, "load_predictor", lambda _: model)
    door.main(["--what", "tf32"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["tissue"], row["map"]) for row in rows] == [
        (tissue, name) for tissue in ("cortex", "white") for name in MAPS
    ]
    assert [row["voxels"] for row in rows[::3]] == [3 * 8 * 32, 3 * 24 * 32]
    for row in rows:
        size = MAPS[row["map"]].network_max
        assert 1e-7 * size < row["rms"] <= row["largest"] < 1e-2 * size
        assert abs(row["bias"]) <= row["rms"]
