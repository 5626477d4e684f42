"""Laws of every task: units round trip, crops agree with whole slices, channels are checked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.maps import MAPS
from qsr_jax.models import build_model
from qsr_jax.tasks import JointMaps, SuperResolution, build_task, described_task
from qsr_jax.tasks.crops import crop_and_flip
from qsr_jax.tasks.scaling import scales_of

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NAMES = {"super_resolution": ("t2",), "joint_maps": ("t1", "t2", "pd")}
"""Tasks whose input is maps; that of weighted images has tests/tasks/test_weighted_to_maps.py."""


def small(name, **changes):
    return build_task(name, names=NAMES[name], scale=2, **changes)


def batch_of(task, rng, n=4, side=24):
    """Stored values of tissue with a round brain; ``lr`` is the mean of ``hr``."""
    y, x = np.mgrid[: 2 * side, : 2 * side] / (2 * side) - 0.5
    mask = (np.hypot(x, y) < 0.3).astype(np.uint8)[None, ..., None].repeat(n, 0)
    levels = np.array([{"t1": 9000, "t2": 900, "pd": 750}[name] for name in task.names])
    hr = (levels * rng.uniform(0.7, 1.4, (n, 2 * side, 2 * side, 1))).astype(np.uint16)
    lr = hr.reshape(n, side, 2, side, 2, -1).mean((2, 4)).astype(np.uint16)
    lr = np.tile(lr, task.context)
    return {"lr": lr, "hr": hr, "mask": mask, "sample_id": np.arange(n, dtype=np.int32)}


# --- every task of maps ---------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0, 3])
@pytest.mark.parametrize("log_maps", [(), ("t2",)])
@pytest.mark.parametrize("name", NAMES)
def test_units_come_back(name, log_maps, margin, rng):
    task = small(name, margin=margin, log_maps=log_maps)
    tops = [MAPS[m].scanner_max for m in task.names]
    maps = jnp.asarray(rng.uniform(0, 1, (3, 8, 8, len(tops))) * tops, jnp.float32)
    seen = task.inputs(maps)["lr"]
    assert seen.shape == (3, 8 + 2 * margin, 8 + 2 * margin, len(tops))
    assert float(jnp.abs(seen).max()) <= 1.0
    same_grid = build_task(name, names=task.names, scale=1, margin=margin, log_maps=log_maps)
    np.testing.assert_allclose(same_grid.physical(seen), maps, rtol=2e-4, atol=2e-2)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_the_stored_values_in_network_scale(name, rng):
    task = small(name)
    batch = batch_of(task, rng)
    example = task.whole(batch)
    slopes = np.array([MAPS[m].slope for m in task.names])
    physical = jnp.asarray(batch["hr"] * slopes, jnp.float32)
    np.testing.assert_allclose(task.physical(example.target), physical, rtol=1e-4)
    np.testing.assert_allclose(example.mask, batch["mask"])
    lr = jnp.asarray(batch["lr"] * slopes, jnp.float32)
    np.testing.assert_allclose(example.inputs["lr"], task.inputs(lr)["lr"], atol=1e-6)


@pytest.mark.parametrize("network", ["residual", "unet"])
@pytest.mark.parametrize("name", NAMES)
def test_with_a_margin_a_crop_gives_what_the_whole_slice_gives(name, network, rng):
    """The margin is as wide as the network sees: 1 + 2 + 1 + 1 convolutions, halvings twofold."""
    depth = {"depth": 1} if network == "unet" else {}
    task = small(name, margin=16, crop=8, seed=3)
    model = build_model(network, scale=2, channels=len(task.names), features=4, blocks=1, **depth)
    batch = batch_of(task, rng, n=2)
    cut, whole = task.example(batch, step=jnp.int32(1)), task.whole(batch)
    variables = model.init(jax.random.key(0), whole.inputs["lr"], train=False)
    # A last kernel of its first, small size would hide a difference.
    variables = jax.tree.map(
        lambda x: x + 0.05 * jnp.cos(jnp.arange(x.size)).reshape(x.shape), variables
    )
    run = jax.jit(lambda x: task.physical(model.apply(variables, x, train=False)))
    made, all_of_it = run(cut.inputs["lr"]), run(whole.inputs["lr"])
    inner = task.physical(cut.target)
    target = task.physical(whole.target)
    for i in range(2):
        places = [
            (r, c)
            for r in range(0, 33, 2)
            for c in range(0, 33, 2)
            if np.array_equal(target[i, r : r + 16, c : c + 16], inner[i])
        ]
        ((r, c),) = places
        if network == "unet" and (r // 2 % 2 or c // 2 % 2):
            continue  # a halving sees pairs of pixels: crops at odd places see other pairs
        part = all_of_it[i, r : r + 16, c : c + 16]
        np.testing.assert_allclose(made[i], part, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_makes_the_same_task(name):
    task = small(name, context=3, margin=2, log_maps=("t2",), crop=8, flip=True, seed=9)
    again = described_task(task.describe())
    assert again.describe() == task.describe()
    assert (again.crop, again.flip) == (0, False), "what only training needs is not kept"
    assert again.names == task.names


@pytest.mark.parametrize("context", [1, 3, 5])
def test_slices_beside_repeat_at_the_ends_and_keep_their_order(context):
    task = JointMaps(("t1", "pd"), 2, context=context)
    maps = jnp.arange(4.0)[:, None, None, None] * jnp.ones((4, 2, 2, 2)) * 10
    seen = task.inputs(maps)["lr"]
    assert seen.shape[-1] == 2 * context
    back = np.asarray(MAPS["t1"].network_max * (seen[:, 0, 0, ::2] + 1) / 2)
    reach = context // 2
    expected = [[min(max(z + o, 0), 3) * 10 for o in range(-reach, reach + 1)] for z in range(4)]
    np.testing.assert_allclose(back, expected, atol=1e-3)
    np.testing.assert_allclose(task.middle(seen), JointMaps(("t1", "pd"), 2).inputs(maps)["lr"])


REFUSED = [
    ("no such task", {"name": "denoise", "names": ("t1",)}, "task.name is 'denoise'; known: super"),
    ("two maps", {"name": "super_resolution", "names": ("t1", "t2")}, "use joint_maps"),
    ("none", {"name": "joint_maps", "names": ()}, "expected each once, at least one"),
    ("twice", {"name": "joint_maps", "names": ("t1", "t1")}, "expected each once"),
    ("even", {"name": "joint_maps", "names": ("t1",), "context": 2}, "task.context is 2; expected"),
    ("wide", {"name": "joint_maps", "names": ("t1",), "margin": 99}, "task.margin is 99; expected"),
    ("foreign log", {"name": "joint_maps", "names": ("t1",), "log_maps": ("t2",)}, "names 't2'"),
    ("unknown field", {"name": "joint_maps", "names": ("t1",), "margins": 2}, "margins"),
    (
        "alignment",
        {"name": "joint_maps", "names": ("t1",), "alignment": "left"},
        "alignment 'left'",
    ),
    ("map", {"name": "joint_maps", "names": ("t3",)}, "map 't3' is not known"),
]


@pytest.mark.parametrize(("what", "fields", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_tasks_that_cannot_be_are_refused(what, fields, message):
    with pytest.raises(ValueError, match=message):
        build_task(**({"scale": 2} | fields))


def test_three_channels_into_one_map_are_refused_everywhere(rng):
    """Each of these went through in silence once: the crop, the scale, the network's output."""
    task, joint = SuperResolution(("t1",), 2), JointMaps(("t1", "t2", "pd"), 2)
    three = batch_of(joint, rng)
    for call in (
        lambda: task.example(three, step=jnp.int32(0)),
        lambda: task.whole(three),
        lambda: task.inputs(jnp.ones((2, 8, 8, 3))),
        lambda: task.physical(jnp.ones((2, 8, 8, 3))),
        lambda: joint.physical(jnp.ones((2, 8, 8, 1))),
        lambda: joint.whole(batch_of(task, rng)),
    ):
        with pytest.raises(ValueError, match="channels; expected"):
            call()


# --- scales ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("name", MAPS)
def test_a_scale_runs_from_minus_one_to_one_and_back(name, logarithmic, rng):
    (scale,) = scales_of((name,), (name,) if logarithmic else ())
    top = MAPS[name].network_max
    ends = [float(scale.to_network(jnp.float32(v))) for v in (0.0, top)]
    np.testing.assert_allclose(ends, [-1.0, 1.0], atol=1e-6)
    values = jnp.asarray(np.sort(rng.uniform(0, top, 200)), jnp.float32)
    network = scale.to_network(values)
    assert (np.diff(network) > 0).all()
    np.testing.assert_allclose(scale.from_network(network), values, rtol=1e-4, atol=1e-2)


def test_the_logarithmic_scale_gives_tissue_room():
    """T2 of 50 to 120 ms: 3 % of the linear scale, 15 % of the logarithmic one."""
    linear, logarithmic = scales_of(("t2",))[0], scales_of(("t2",), ("t2",))[0]
    room = [
        float(s.to_network(jnp.float32(120.0)) - s.to_network(jnp.float32(50.0))) / 2
        for s in (linear, logarithmic)
    ]
    assert room[0] == pytest.approx(0.032, abs=0.001)
    assert room[1] == pytest.approx(0.1472, abs=0.0005)


# --- crops ----------------------------------------------------------------------------------------


def ramp_batch(n=4, side=24):
    """Coarse pixel (i, j) holds 100 i + j; fine pixel (2i, 2j) holds the same."""
    i, j = np.mgrid[:side, :side]
    lr = np.repeat((100 * i + j)[None, ..., None], n, 0).astype(np.uint16)
    hr = lr.repeat(2, 1).repeat(2, 2)
    mask = np.zeros((n, 2 * side, 2 * side, 1), np.uint8)
    mask[:, 20:36, 20:36] = 1
    return {"lr": lr, "hr": hr, "mask": mask, "sample_id": np.arange(n, dtype=np.int32)}


def crops(batch, step, seed=0, **changes):
    options = {"scale": 2, "crop": 8, "margin": 0, "seed": seed} | changes
    make = jax.jit(lambda b, s: crop_and_flip(b, step=s, **options))
    return {name: np.asarray(x) for name, x in make(batch, np.int32(step)).items()}


@pytest.mark.parametrize("margin", [0, 3])
def test_coarse_and_fine_crops_show_the_same_place(margin):
    for step in range(5):
        made = crops(ramp_batch(), step, margin=margin)
        assert made["lr"].shape == (4, 8 + 2 * margin, 8 + 2 * margin, 1)
        assert made["hr"].shape == (4, 16 + 4 * margin, 16 + 4 * margin, 1)
        np.testing.assert_array_equal(made["hr"][:, ::2, ::2], made["lr"])


def test_a_margin_does_not_move_the_crop_and_is_air_beyond_the_slice():
    for step in range(5):
        plain, wide = crops(ramp_batch(), step), crops(ramp_batch(), step, margin=20)
        np.testing.assert_array_equal(wide["lr"][:, 20:28, 20:28], plain["lr"])
        np.testing.assert_array_equal(wide["mask"][:, 40:56, 40:56], plain["mask"])
        assert (wide["lr"][:, 0] == 0).all()  # 20 pixels out of 24 is beyond any crop's slice


def test_crops_are_centred_on_the_mask():
    for step in range(20):
        centre = crops(ramp_batch(), step)["lr"][:, 4, 4, 0].astype(int)
        assert ((centre // 100 >= 10) & (centre // 100 < 18)).all()
        assert ((centre % 100 >= 10) & (centre % 100 < 18)).all()


def test_crops_depend_on_seed_step_and_sample_not_on_the_place_in_the_batch():
    batch = ramp_batch()
    lr = crops(batch, 3)["lr"]
    order = np.array([2, 0, 3, 1])
    shuffled = {name: array[order] for name, array in batch.items()}
    np.testing.assert_array_equal(crops(shuffled, 3)["lr"], lr[order])
    assert (crops(batch, 4)["lr"] != lr).any()
    assert (crops(batch, 3, seed=1)["lr"] != lr).any()
    assert (lr[0] != lr[1]).any()


def test_an_empty_mask_still_gives_a_crop():
    batch = ramp_batch() | {"mask": np.zeros((4, 48, 48, 1), np.uint8)}
    assert crops(batch, 0)["lr"].any()


def test_flips_mirror_all_images_and_are_keyed_by_sample():
    side = 6
    lr = np.arange(side * side, dtype=np.uint16).reshape(1, side, side, 1).repeat(16, 0)
    hr = lr.repeat(2, 1).repeat(2, 2)
    batch = {"lr": lr, "hr": hr, "mask": hr.astype(np.uint8), "sample_id": np.arange(16)}
    batch["sample_id"] = batch["sample_id"].astype(np.int32)
    plain, made = (crops(batch, 4, crop=0, flip=flip) for flip in (False, True))
    np.testing.assert_array_equal(made["hr"][:, ::2, ::2], made["lr"])
    flipped = (made["lr"] != plain["lr"]).any((1, 2, 3))
    assert 2 < flipped.sum() < 14
    for name in ("lr", "hr", "mask"):
        np.testing.assert_array_equal(made[name][flipped], plain[name][flipped][:, :, ::-1])
        np.testing.assert_array_equal(made[name][~flipped], plain[name][~flipped])
    turned = {name: array[::-1] for name, array in batch.items()}
    np.testing.assert_array_equal(crops(turned, 4, crop=0, flip=True)["lr"], made["lr"][::-1])


@pytest.mark.parametrize("name", MAPS)
def test_whole_slices_are_scaled_as_the_paper_says(name):
    """x_norm = stored / p * 2 - 1 with p = 45 000, 22 000 and 1 800 (paper, Implementation)."""
    p = {"t1": 45000, "t2": 22000, "pd": 1800}[name]
    stored = np.array([0, p // 2, p], np.uint16).reshape(1, 1, 3, 1)
    batch = {"lr": stored, "hr": stored, "mask": stored, "sample_id": np.zeros(1, np.int32)}
    example = SuperResolution((name,), 1).example(batch, step=jnp.int32(0))
    np.testing.assert_allclose(np.asarray(example.inputs["lr"]).ravel(), [-1, 0, 1], atol=1e-6)
