"""Subjects are one-to-one images of the template, whole, different; only patients have lesions."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.anatomy.regions import ELLIPSOIDS, GREY, REGION_NAMES, WHITE, label_regions
from qsr_jax.phantom.deformation import Warp, check_warp, draw_warp, smallest_jacobian, spline_rows
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.lesions import LesionPlan, draw_shapes, place_lesions
from qsr_jax.phantom.mni_template import nuclei_membership
from qsr_jax.phantom.phantom import draw_phantom
from qsr_jax.phantom.random_fields import TRACT_SHARE
from qsr_jax.phantom.slices import properties
from qsr_jax.phantom.tissue_values import LESIONS, NUCLEI, TISSUES, draw_subject, draw_value
from qsr_jax.phantom.volume_fractions import CLASSES, tissue_codes
from qsr_jax.physics.mdme_protocol import PROTOCOLS


@pytest.mark.parametrize("seed", range(12))
def test_warps_are_one_to_one(seed):
    warp = draw_warp(np.random.default_rng(seed), half_mm=110.0)
    assert smallest_jacobian(warp) > 0.2


def test_a_still_warp_only_turns_lps_into_ras():
    nodes = spline_rows(np.zeros(1), half_mm=50.0, step_mm=40.0).shape[1]
    still = Warp(np.eye(3), np.zeros((nodes, nodes, nodes, 3), np.float32), 50.0)
    z, y, x = np.array([3.0]), np.array([5.0, 7.0]), np.array([11.0, -2.0, 0.0])
    points = still(z, y, x)
    np.testing.assert_allclose(points[0, 1, 0], (-11.0, -7.0 - 18.0, 3.0 + 18.0))
    assert smallest_jacobian(still) == pytest.approx(1.0, abs=1e-4)


def test_a_folding_warp_is_refused(rng):
    warp = draw_warp(rng, half_mm=110.0)
    with pytest.raises(ValueError, match="deformation folds"):
        check_warp(dataclasses.replace(warp, coefficients=20 * warp.coefficients))


def test_splines_sum_to_one_up_to_the_edge():
    rows = spline_rows(np.linspace(-110, 110, 301), half_mm=110.0, step_mm=40.0)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("group", ["healthy", "patient"])
def test_fractions_are_shares(toy_subjects, group):
    fractions = toy_subjects[group].fractions
    total = fractions.sum(axis=1)
    assert fractions.min() >= 0
    assert total.max() <= 1 + 1e-5
    middle = np.s_[:, 60:68, 60:68]
    np.testing.assert_allclose(total[middle], 1.0, atol=1e-3)
    np.testing.assert_allclose(total[:, :4, :4], 0.0, atol=1e-6)
    assert 0.01 < np.mean((total > 0.02) & (total < 0.98)) < 0.5  # partial volumes at the rim
    assert set(np.unique(tissue_codes(fractions))) >= {0, 1, 2, 3, 5, 6, 7}


def test_only_patients_have_lesions(toy_subjects):
    healthy, patient = toy_subjects["healthy"], toy_subjects["patient"]
    assert healthy.lesions == ()
    assert not healthy.lesion_labels.any()
    assert not healthy.fractions[:, CLASSES.index("lesion")].any()
    found = set(np.unique(patient.lesion_labels)) - {0}
    assert found == set(range(1, len(patient.lesions) + 1))
    assert all(lesion.kind in LESIONS for lesion in patient.lesions)


def test_lesion_voxels_have_the_lesion_s_values(toy_subjects):
    patient = toy_subjects["patient"]
    for label, lesion in enumerate(patient.lesions, start=1):
        index = int(np.argmax((patient.lesion_labels == label).sum(axis=(1, 2))))
        place = np.s_[patient.lesion_labels[index] == label]
        values = np.asarray(properties(patient, index))[CLASSES.index("lesion")]
        found = np.median(values[:, place], axis=1)
        np.testing.assert_allclose(found, lesion.value, rtol=1e-3)


def test_the_same_seed_is_the_same_subject(toy_subjects, toy_template, tiny_grids):
    grid = tiny_grids[PROTOCOLS["tiny"][0]]
    again, other = (
        draw_phantom(np.random.default_rng(seed), toy_template, grid, patient=False)
        for seed in (5, 6)
    )
    for field in ("fractions", "regions", "texture", "b1"):
        np.testing.assert_array_equal(
            getattr(again, field), getattr(toy_subjects["healthy"], field)
        )
        assert (getattr(again, field) != getattr(other, field)).any()
    assert all((again.values[name] != other.values[name]).all() for name in TISSUES)


def test_fields_are_in_range(toy_subjects):
    subject = toy_subjects["healthy"]
    assert 0.85 <= subject.b1.min() < subject.b1.max() <= 1.1
    assert np.abs(np.diff(subject.b1, axis=1)).max() < 0.01
    everywhere, white = subject.texture[:, :3], subject.texture[:, 3:]
    assert everywhere.std() == pytest.approx(1.0, abs=0.05)
    shared = np.corrcoef(everywhere[:, 0].ravel(), everywhere[:, 2].ravel())[0, 1]
    assert 0.3 < shared < 0.7
    tracts = (white - everywhere).std(axis=(0, 2, 3))
    np.testing.assert_allclose(tracts, TRACT_SHARE, rtol=0.25)  # few tracts fit into six slices


def test_properties_follow_the_subject_s_tissues(toy_subjects):
    """Without texture a class has its tissue's value; grey matter is the nucleus inside one."""
    smooth = dataclasses.replace(
        toy_subjects["healthy"], texture=np.zeros_like(toy_subjects["healthy"].texture)
    )
    cortex = smooth.values["cortex"]
    deep = np.stack([smooth.values[name] - cortex for name in NUCLEI])
    for index, nuclei in enumerate(smooth.nuclei):
        values = np.asarray(properties(smooth, index))
        for name in ("csf", "white", "fat", "muscle", "skin"):
            expected = np.broadcast_to(smooth.values[name][:, None, None], values.shape[1:])
            np.testing.assert_allclose(values[CLASSES.index(name)], expected, rtol=1e-4)
        memberships = np.asarray(smooth.planes.enlarge(nuclei))
        expected = cortex[:, None, None] + np.einsum("kyx,kc->cyx", memberships, deep)
        np.testing.assert_allclose(values[CLASSES.index("cortex")], expected, rtol=1e-4)
    found = smooth.nuclei.max(axis=(0, 2, 3)) > 0.5
    assert found[[NUCLEI.index(name) for name in ("thalamus", "putamen", "caudate")]].all()


def test_subjects_differ_by_a_few_percent():
    subjects = [draw_subject(np.random.default_rng(seed)) for seed in range(400)]
    white = np.array([subject["white"] for subject in subjects])
    np.testing.assert_allclose(white.mean(axis=0), TISSUES["white"].mean, rtol=0.01)
    np.testing.assert_allclose(
        white.std(axis=0) / white.mean(axis=0), (0.03, 0.035, 0.02), rtol=0.15
    )


@pytest.mark.parametrize("kind", LESIONS)
def test_lesion_values_spread_as_the_table_says(kind):
    values = np.array([draw_value(np.random.default_rng(s), LESIONS[kind]) for s in range(400)])
    np.testing.assert_allclose(values.mean(axis=0), LESIONS[kind].mean, rtol=0.03)
    assert (values > 0).all()


def test_lesion_boxes_never_touch(rng):
    white = np.ones((60, 150, 150), bool)
    for _ in range(20):
        lesions = place_lesions(rng, white, slices_at=np.arange(12, 48, 5), plan=LesionPlan())
        depth, label = draw_shapes(rng, lesions, white.shape)
        assert all(lesion.centre[0] % 5 == 2 for lesion in lesions)
        assert set(np.unique(label[depth > 0])) == set(range(1, len(lesions) + 1))
        assert (depth[label == 0] < -2).all()
        for lesion in lesions:  # all five planes of its slice are inside
            z, y, x = lesion.centre
            assert (depth[z - 2 : z + 3, y, x] > 0.4).all()


def test_no_white_matter_no_lesion(rng):
    with pytest.raises(ValueError, match="no deep white matter"):
        place_lesions(
            rng, np.zeros((10, 20, 20), bool), slices_at=np.array([2, 7]), plan=LesionPlan()
        )


def test_regions_stay_in_their_tissue(toy_subjects):
    subject = toy_subjects["healthy"]
    tissue, tissue_of = tissue_codes(subject.fractions), {p.region: p.tissue for p in ELLIPSOIDS}
    for label, name in enumerate(REGION_NAMES, start=1):
        assert set(np.unique(tissue[subject.regions == label])) <= {tissue_of.get(name, GREY)}


def test_all_nineteen_regions_exist_on_both_sides():
    axis = np.arange(-80.0, 81.0, 4.0)
    points = np.stack(np.meshgrid(axis, axis - 20, axis, indexing="ij"), axis=-1)
    grey, white = (label_regions(points, np.full(points.shape[:-1], t)) for t in (GREY, WHITE))
    assert set(np.unique(grey)) | set(np.unique(white)) == set(range(20))
    for labels in (grey, white):
        np.testing.assert_array_equal(labels, labels[::-1])  # left is right mirrored
    assert not label_regions(points, np.ones(points.shape[:-1])).any()


@pytest.mark.parametrize(
    ("place_mm", "tissue", "name"),
    [
        ((12, -18, 8), GREY, "thalamus"),
        ((-28, 4, 0), GREY, "putamen"),
        ((0, 60, 10), GREY, "frontal"),
        ((55, -30, -15), GREY, "temporal"),
        ((-40, -55, 50), GREY, "parietal"),
        ((5, -95, 5), GREY, "occipital"),
        ((0, 28, 7), WHITE, "genu_corpus_callosum"),
        ((21, -13, 8), WHITE, "internal_capsule"),
    ],
)
def test_landmarks(place_mm, tissue, name):
    label = label_regions(np.array([place_mm], np.float32), np.array([tissue]))[0]
    assert REGION_NAMES[label - 1] == name


def test_nuclei_do_not_overlap():
    axis = np.arange(-40.0, 41.0, 2.0)
    member = nuclei_membership(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1))
    assert ((member > 0).sum(axis=0) <= 1).all()
    assert (member.max(axis=(1, 2, 3)) > 0.99).all()


def test_template_fractions_sum_to_one(toy_template, rng):
    fractions = toy_template.sample(rng.uniform(-120, 120, (500, 3)))
    np.testing.assert_allclose(fractions.sum(axis=0), 1.0, atol=1e-5)
    far = toy_template.sample(np.array([[900.0, 0, 0]], np.float32))
    np.testing.assert_array_equal(far[:, 0], (1, 0, 0))


@pytest.mark.parametrize("change", [{"spacing_mm": (4.5, 1.0, 1.0)}, {"shape": (6, 128, 64)}])
def test_grids_that_planes_cannot_fill_are_refused(tiny_grids, change):
    geometry = tiny_grids[PROTOCOLS["tiny"][0]]
    with pytest.raises(ValueError, match="must be square in the plane"):
        Planes(dataclasses.replace(geometry, **change))
