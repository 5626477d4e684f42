"""Single images as a task: bright is 1, turned and dimmed in training, as it is in validation."""

import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.tasks import WeightedImages


def batch(rng, count=6, side=8):
    image = rng.integers(0, 1200, (count, side, side, 1)).astype(np.uint16)
    mask = np.ones(image.shape, np.uint8)
    return {"lr": image, "hr": image, "mask": mask, "sample_id": np.arange(count, dtype=np.int32)}


def test_training_turns_and_dims_what_validation_shows_as_it_is(rng):
    task, given = WeightedImages(("pd",), seed=3), batch(rng)
    whole = task.whole(given)
    np.testing.assert_allclose(whole.target, given["hr"] / 1000.0, rtol=1e-6)
    np.testing.assert_allclose(task.physical(whole.target), given["hr"] / 10.0, rtol=1e-6)
    shown = task.example(given, step=jnp.int32(5))
    np.testing.assert_array_equal(shown.inputs["lr"], shown.target)
    factors, ways = [], set()
    for one, plain in zip(np.asarray(shown.target), np.asarray(whole.target), strict=True):
        factor = one.sum() / plain.sum()
        turns = [k for k in range(4) if np.allclose(one, factor * np.rot90(plain, k), atol=1e-5)]
        factors.append(factor)
        ways |= set(turns)
        assert len(turns) == 1
    assert 0.6 <= min(factors) < max(factors) <= 1.1 and len(ways) > 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"names": ("t1",)}, "expected map=pd: one channel"),
        ({"names": ("pd",), "scale": 2}, "an image is its own target"),
        ({"names": ("pd",), "target": "truth"}, "an image is its own target"),
    ],
)
def test_other_tasks_are_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        WeightedImages(**fields)
