"""A head of three nested ellipsoids, and a person drawn from it on a small grid."""

import numpy as np
import pytest

from qsr_jax.physics.phantom import draw_phantom
from qsr_jax.physics.protocol import PROTOCOLS, geometries
from qsr_jax.physics.template import Template, make_template


@pytest.fixture(scope="session")
def toy_template() -> Template:
    """White core, grey shell, CSF rim and ventricle, 2 mm voxels in MNI space."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-98, -134, -72)
    places = np.moveaxis(np.indices((99, 117, 95)), 0, -1) * 2.0 + affine[:3, 3]

    def inside(*radii):
        r = np.linalg.norm((places - (0, -18, 18)) / radii, axis=-1)
        return 1 / (1 + np.exp(np.clip((r - 1) / 0.02, -50, 50)))

    brain = (inside(72, 92, 70) > 0.5).astype(np.float32)
    grey_or_white, white, ventricle = inside(68, 88, 66), inside(55, 75, 54), inside(9, 25, 12)
    grey = (grey_or_white - white) * brain
    return make_template(grey, white * (1 - ventricle), brain, affine)


@pytest.fixture(scope="session")
def tiny_grids():
    """Protocol to geometry, corner-aligned."""
    return dict(zip(PROTOCOLS["tiny"], geometries(*PROTOCOLS["tiny"], "corner"), strict=True))


@pytest.fixture(scope="session")
def toy_people(toy_template, tiny_grids):
    """A healthy person and a patient on the tiny routine grid."""
    truth_grid = tiny_grids[PROTOCOLS["tiny"][0]]
    return {
        group: draw_phantom(
            np.random.default_rng(5), toy_template, truth_grid, patient=group == "patient"
        )
        for group in ("healthy", "patient")
    }
