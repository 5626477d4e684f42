"""Heads from label maps and from measured maps: geometry, codes, values, refusals."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.phantom.anatomy import BODY_CLASSES
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.label_maps import BRAINWEB, FREESURFER, SIGNAL_VOID, TABLES, label_map
from qsr_jax.phantom.measured_maps import measured_maps, scaled_protocols
from qsr_jax.phantom.phantom import draw_phantom
from qsr_jax.phantom.slices import properties
from qsr_jax.phantom.tissue_values import NUCLEI
from qsr_jax.phantom.volume_fractions import CLASSES
from qsr_jax.physics.mdme_protocol import FAST, PROTOCOLS, ROUTINE

SHAPE = (80, 96, 70)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = (-79, -113, -53)


def ball_codes():
    """FreeSurfer codes: a white ball, a thalamus in it, a grey shell, water, skull, skin."""
    places = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3] + AFFINE[:3, 3] - (0, -18, 16)
    radius = np.linalg.norm(places, axis=-1)
    codes = np.select([radius < 40, radius < 50, radius < 54, radius < 58, radius < 62],
                      [2, 42, 24, 515, 511], 0)  # fmt: skip
    codes[np.linalg.norm(places - (14, 0, 0), axis=-1) < 9] = 10
    return codes.astype(np.int32)


@pytest.fixture(scope="module")
def planes(tiny_grids):
    return Planes(tiny_grids[PROTOCOLS["tiny"][0]])


@pytest.fixture(scope="module")
def ball(planes):
    head = label_map(ball_codes(), AFFINE, FREESURFER, where="ball")
    return head.body(np.random.default_rng(1), planes)


def test_a_labelled_head_has_its_tissues(ball, planes):
    """A middle row crosses skin, bone, water, grey, white and the mirrored order."""
    middle = ball.log_odds[:, planes.middles][:, 3, planes.size // 2]
    best = np.where(middle.max(axis=0) > 0, middle.argmax(axis=0) + 1, 0)
    runs = best[np.flatnonzero(np.diff(best, prepend=-1))]
    names = [SIGNAL_VOID if code == 0 else BODY_CLASSES[code - 1] for code in runs]
    half = [SIGNAL_VOID, "skin", SIGNAL_VOID, "csf", "cortex", "white"]
    assert names[:6] == half
    assert names[-6:] == half[::-1]
    assert ball.own_nuclei
    assert ball.nuclei[:, NUCLEI.index("thalamus")].max() > 0.9


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 1, 0)])
@pytest.mark.parametrize("flip", [False, True])
def test_orientation_comes_from_the_affine(ball, planes, axes, flip):
    """The same head stored along other axes, or mirrored in storage, is the same body."""
    codes, affine = ball_codes().transpose(axes), AFFINE.copy()
    affine[:3, :3] = AFFINE[:3, list(axes)]
    if flip:
        codes = codes[::-1]
        affine[:3, 3] += affine[:3, 0] * (codes.shape[0] - 1)
        affine[:3, 0] *= -1
    again = label_map(codes, affine, FREESURFER, where="ball")
    body = again.body(np.random.default_rng(1), planes)
    same = (body.log_odds.argmax(axis=0) == ball.log_odds.argmax(axis=0)) | ~body.inside
    assert same.mean() > 0.995
    np.testing.assert_allclose(body.nuclei, ball.nuclei, atol=0.1)


def test_borders_are_partial_volumes(ball, tiny_grids, planes):
    """Labels of 2 mm give fractions between 0 and 1 on the truth grid, and regions of their own."""
    head = label_map(ball_codes(), AFFINE, FREESURFER, where="ball")
    subject = draw_phantom(np.random.default_rng(1), head, planes.geometry, patient=False)
    white = subject.fractions[:, CLASSES.index("white")]
    assert ((white > 0.1) & (white < 0.9)).sum() > 200
    assert 10 in subject.regions  # thalamus, from its own label


def test_water_far_from_the_brain_is_none():
    """Code 24 out to 20 mm beyond the ball's brain: what lies more than 2.5 mm out becomes void.

    The wrap of a ball is the ball, known to about a voxel of 2 mm.
    """
    codes, (i, j, k) = ball_codes(), np.indices(SHAPE)
    places = np.stack([i, j, k], axis=-1) @ AFFINE[:3, :3] + AFFINE[:3, 3] - (0, -18, 16)
    radius = np.linalg.norm(places, axis=-1)
    codes[(radius >= 50) & (radius < 70)] = 24
    head = label_map(codes, AFFINE, FREESURFER, where="ball")
    water = BODY_CLASSES.index("csf") + 1
    inner = np.pad(radius, 1, constant_values=99.0)
    found = inner[head.tissue == water]
    assert 52 < found.max() < 54
    near = (inner >= 50) & (inner < 51)
    assert (head.tissue[near] == water).all()


def test_one_map_makes_many_heads(planes):
    """Sizes, sides and the width of the water differ from subject to subject."""
    head = label_map(ball_codes(), AFFINE, FREESURFER, where="ball")
    bodies = [head.body(np.random.default_rng(seed), planes) for seed in range(5, 11)]
    traits = [body.traits for body in bodies]
    assert {t["mirrored"] for t in traits} == {-1.0, 1.0}
    assert np.ptp([t["head_size"] for t in traits]) > 0.01
    thalamus = [b.nuclei[:, NUCLEI.index("thalamus")] for b in bodies]  # drawn on the right only
    sides = [np.sign((t.sum(axis=(0, 1)) * planes.axis_mm).sum()) for t in thalamus]
    assert sides == [-t["mirrored"] for t in traits]  # LPS: the right has negative x
    water = [(b.log_odds.argmax(axis=0) == 0)[b.inside].sum() for b in bodies]
    assert np.corrcoef(water, [t["water_logit"] for t in traits])[0, 1] > 0.5


@pytest.mark.parametrize("name", TABLES)
def test_every_code_means_something(name):
    assert set(TABLES[name].values()) <= {SIGNAL_VOID, *BODY_CLASSES, *NUCLEI}
    assert TABLES[name][0] == SIGNAL_VOID


def test_brainweb_has_twelve_codes():
    assert sorted(BRAINWEB) == list(range(12))


def test_unknown_codes_are_refused_by_name():
    codes = ball_codes()
    codes[3, 3, 3], codes[4, 4, 4] = 999, 1234
    with pytest.raises(ValueError, match="head.nii: label codes 999, 1234 are not in the table"):
        label_map(codes, AFFINE, FREESURFER, where="head.nii")
    with pytest.raises(ValueError, match="codes 24, 42, 511, 515"):
        label_map(ball_codes(), AFFINE, BRAINWEB, where="head.nii")


def test_negative_codes_are_refused():
    with pytest.raises(ValueError, match="label code -"):
        label_map(ball_codes() - 1, AFFINE, FREESURFER, where="x")


def test_coarse_and_brainless_maps_are_refused():
    coarse = np.diag([3.0, 1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="voxels of 3 mm"):
        label_map(ball_codes(), coarse, FREESURFER, where="x")
    with pytest.raises(ValueError, match="no grey or white matter"):
        label_map(np.full(SHAPE, 24), AFFINE, FREESURFER, where="x")


def test_the_real_heads_are_read(test_data):
    from data_tools.anatomy_files import read_label_map

    for name, labels in (
        ("anatomy/subject04_crisp_0.5mm_braincrop.nii.xz", "brainweb"),
        ("anatomy/synthseg_labels/seg_13.nii.gz", "freesurfer"),
    ):
        head = read_label_map(test_data(name), labels)
        assert set(np.unique(head.tissue)) >= {0, 1, 2, 3, 4, 6}
        assert head.nuclei.any() == (labels == "freesurfer")


def measured_head():
    """A ball of 1 mm voxels: white inside, grey around, nothing outside."""
    places = np.moveaxis(np.indices((120, 130, 20)), 0, -1) - (59.5, 64.5, 9.5)
    radius = np.linalg.norm(places[..., :2], axis=-1)
    inside = radius < 50
    values = {"t1": (800.0, 1300.0), "t2": (70.0, 90.0), "pd": (68.0, 82.0)}
    maps = {
        name: np.where(inside, np.where(radius < 35, *pair), 0).astype(np.float32)
        for name, pair in values.items()
    }
    affine = np.eye(4)
    affine[:3, 3] = (-200, 30, 5)
    return maps, affine


def test_measured_values_are_kept():
    maps, affine = measured_head()
    head = measured_maps(maps, affine, where="head")
    routine, fast = scaled_protocols(ROUTINE, FAST, head)
    assert (routine.fov_mm, routine.slices) == (130.0, 4)
    assert max(routine.matrix) <= 130 / 2
    assert routine.recon == 2 * fast.recon
    from qsr_jax.physics.mdme_protocol import geometries

    subject = draw_phantom(
        np.random.default_rng(0), head, geometries(routine, fast, "corner")[0], patient=False
    )
    n = routine.recon
    values = np.asarray(properties(subject, 1))[CLASSES.index("white"), :, n // 2, n // 2]
    np.testing.assert_allclose(values, (800, 70, 68), rtol=1e-4)
    assert subject.tissue[1, n // 2, n // 2] == CLASSES.index("white") + 1
    assert subject.tissue[1, n // 2, int(n * (0.5 + 42 / 130))] == CLASSES.index("cortex") + 1
    assert subject.tissue[1, 0, 0] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m | {"t2": m["t2"][1:]}, "maps have shapes"),
        (lambda m: m | {"t1": m["t1"] * 100}, "is the unit or the rescale slope wrong"),
        (lambda m: m | {"t1": m["t1"] / 1000}, "nowhere are T1, T2 and PD all above"),
        (lambda m: m | {"pd": m["pd"] * np.nan}, "not finite"),
    ],
)
def test_maps_that_cannot_be_are_refused(change, said):
    maps, affine = measured_head()
    with pytest.raises(ValueError, match=said):
        measured_maps(change(maps), affine, where="head")


def test_a_head_lower_than_a_slice_is_refused():
    maps, affine = measured_head()
    head = measured_maps({name: m[..., :4] for name, m in maps.items()}, affine, where="head")
    with pytest.raises(ValueError, match="4 mm high; a slice has 5 mm"):
        scaled_protocols(ROUTINE, dataclasses.replace(FAST), head)
