"""Lesions: kinds, shapes from masks, and specks that only the finer scan shows."""

import numpy as np
import pytest

from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.grid import Planes, box_profile
from qsr_jax.phantom.lesions import SPECK, SPECKS, LesionMask, LesionPlan, place_lesions
from qsr_jax.phantom.pathology import lesions_of_mask
from qsr_jax.phantom.phantom import draw_phantom
from qsr_jax.phantom.slices import slice_fractions
from qsr_jax.phantom.volume_fractions import CLASSES, LESION_EDGE_MM
from qsr_jax.physics.mdme_protocol import PROTOCOLS


@pytest.mark.parametrize(
    "plan", [{"frequency": {"migraine": 1.0}}, {"frequency": {}}, {"specks": -1}]
)
def test_impossible_plans_are_refused(plan):
    with pytest.raises(ValueError, match="lesion"):
        LesionPlan(**plan)


def test_every_patient_has_specks_and_they_are_small(toy_subjects):
    patient = toy_subjects["patient"]
    specks = [lesion for lesion in patient.lesions if lesion.kind == SPECK]
    assert 1 <= len(specks) <= SPECKS
    assert all(0.4 <= lesion.radius_mm <= 0.6 for lesion in specks)
    pixel = patient.planes.geometry.spacing_mm[1]
    for number, lesion in enumerate(patient.lesions, start=1):
        area = (patient.lesion_labels == number).sum(axis=(1, 2)).max() * pixel**2
        if lesion.kind == SPECK:
            assert 0 < area < 4 * np.pi * 1.25**2
    assert not toy_subjects["healthy"].lesions


def test_a_speck_keeps_its_water(toy_subjects):
    """The lesion's volume fraction summed over its slice is three quarters of its disc's area.

    A disc with a logistic edge of width w holds pi (r^2 + pi^2 w^2 / 3). Linear interpolation of
    its depth between points 1 mm apart leaves 0.74 (r = 0.4 mm) to 0.77 (0.6 mm) of it, integrated
    numerically. Summed over points 0.43 mm apart, as the paper's protocol has them: wider ones
    would hit or miss a speck by chance.
    """
    patient = toy_subjects["patient"]
    size = 4 * patient.planes.geometry.shape[1]
    pixel = patient.planes.grid(size).spacing_mm[1]
    profile = box_profile(patient.planes)
    for number, lesion in enumerate(patient.lesions, start=1):
        if lesion.kind == SPECK:
            index = int(np.argmax((patient.lesion_labels == number).sum(axis=(1, 2))))
            fraction = slice_fractions(patient, index, size=size, weights=profile)
            boxes = np.repeat(patient.planes.nearest(patient.lesion_boxes[index]), 4, axis=0)
            mine = np.repeat(boxes, 4, axis=1) == number
            found = np.asarray(fraction)[CLASSES.index("lesion")][mine].sum() * pixel**2
            area = np.pi * (lesion.radius_mm**2 + np.pi**2 * LESION_EDGE_MM**2 / 3)
            assert 0.72 * area < found < 0.82 * area


def test_a_plan_decides_the_kinds(rng):
    plan = LesionPlan(frequency={"oedema": 1.0}, specks=0)
    white = np.ones((60, 150, 150), bool)
    for _ in range(5):
        lesions = place_lesions(rng, white, slices_at=np.arange(12, 48, 5), plan=plan)
        assert {lesion.kind for lesion in lesions} == {"oedema"}


@pytest.fixture
def white_body(tiny_grids):
    """A body that is white matter everywhere and lies in the template as it is."""
    planes = Planes(tiny_grids[PROTOCOLS["tiny"][0]])
    shape = (len(planes.z_mm), planes.size, planes.size)
    z, y, x = np.meshgrid(planes.z_mm, planes.axis_mm, planes.axis_mm, indexing="ij")
    odds = np.full((len(BODY_CLASSES), *shape), -9.0, np.float32)
    odds[BODY_CLASSES.index("white")] = 9.0
    mni_mm = np.stack([-x, -y, z], axis=-1).astype(np.float32)
    nuclei = np.zeros((planes.geometry.shape[0], 5, *shape[1:]), np.float32)
    return planes, Body(odds, np.ones(shape, bool), mni_mm, nuclei, {})


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_a_mask_s_lesions_lie_where_the_mask_says(rng, white_body, flip):
    """A ball of radius 6 mm at MNI (20, -30, 0), in a volume of either orientation."""
    planes, body = white_body
    affine = np.diag([flip, 1.0, 1.0, 1.0])
    affine[:3, 3] = (-60 * flip, -80, -40)
    index = np.moveaxis(np.indices((121, 121, 81)), 0, -1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    inside = np.linalg.norm(places - (20, -30, 0), axis=-1) < 6
    inside |= np.linalg.norm(places - (-30, 20, 0), axis=-1) < 1.5  # below the smallest size
    lesions, depth, boxes = lesions_of_mask(rng, LesionMask(inside, affine), body, planes)
    assert len(lesions) == 1
    assert lesions[0].radius_mm == pytest.approx(6, rel=0.1)
    z, y, x = lesions[0].centre
    found = (-planes.axis_mm[x], -planes.axis_mm[y], planes.z_mm[z])
    np.testing.assert_allclose(found, (20, -30, 0), atol=1)
    assert depth[z, y, x] > 4
    assert boxes[z, y, x] == 1
    assert set(np.unique(boxes)) == {0, 1}
    assert (depth[boxes == 0] < 0).all()


@pytest.mark.parametrize(("volume_mm3", "kept"), [(59, 0), (60, 1)])
def test_parts_of_a_mask_below_sixty_cubic_millimetres_are_left_out(
    rng, white_body, volume_mm3, kept
):
    """A box of 4 x 5 x 3 mm about the middle of a slice, whole or without a corner."""
    planes, body = white_body
    z = planes.z_mm[planes.middles][2]
    affine = np.eye(4)
    affine[:3, 3] = (-20.5, -20.5, z - 10)  # voxel centres on the points of the planes
    inside = np.zeros((41, 41, 21), bool)
    inside[18:22, 18:23, 9:12] = True
    inside[18, 18, 9] = volume_mm3 == 60
    assert inside.sum() == volume_mm3
    lesions, _, _ = lesions_of_mask(rng, LesionMask(inside, affine), body, planes)
    assert len(lesions) == kept


def test_at_most_twenty_lesions_come_from_a_mask(rng, white_body):
    planes, body = white_body
    affine = np.eye(4)
    affine[:3, 3] = (-60.5, -60.5, planes.z_mm[planes.middles][2] - 5)
    inside = np.zeros((121, 121, 11), bool)
    for place in range(25):
        x, y = 10 + 20 * (place // 5), 10 + 20 * (place % 5)
        inside[x : x + 5 + place % 2, y : y + 5, 3:8] = True
    lesions, _, boxes = lesions_of_mask(rng, LesionMask(inside, affine), body, planes)
    assert len(lesions) == 20 == boxes.max()
    radii = [lesion.radius_mm for lesion in lesions]
    assert radii == sorted(radii, reverse=True)  # the largest are kept


def test_patients_of_a_mask_have_its_lesions_and_specks(toy_template, tiny_grids):
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-98, -134, -72)
    places = np.moveaxis(np.indices((99, 117, 95)), 0, -1) * 2.0 + affine[:3, 3]
    inside = np.linalg.norm((places - (28, -20, 18)) / (7, 9, 9), axis=-1) < 1
    plan = LesionPlan(masks=(LesionMask(inside, affine),))
    grid = tiny_grids[PROTOCOLS["tiny"][0]]
    patient = draw_phantom(np.random.default_rng(2), toy_template, grid, patient=True, plan=plan)
    kinds = [lesion.kind for lesion in patient.lesions]
    assert "MS plaque" in kinds[0]
    assert kinds[1:] == [SPECK] * len(kinds[1:])
    assert len(kinds) > 1
    assert set(np.unique(patient.lesion_labels)) - {0} == set(range(1, len(kinds) + 1))
