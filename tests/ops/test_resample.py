"""Interpolation obeys the declared grid alignment: a ramp stays a ramp, a point stays in place."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from qsr_jax.ops.resample import METHODS, sample_linear, upsample
from qsr_jax.types import ALIGNMENTS, Geometry


def fine_positions(alignment, n, scale):
    """Coarse index of every fine pixel (the definition in qsr_jax.types)."""
    j = np.arange(n * scale)
    return (j + 0.5) / scale - 0.5 if alignment == "corner" else j / scale


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("method", METHODS)
def test_a_ramp_stays_a_ramp(method, alignment, scale):
    n = 16
    rows, columns = np.mgrid[:n, :n]
    image = jnp.asarray(1000.0 + 40.0 * rows + 7.0 * columns, jnp.float32)[None, ..., None]
    fine = np.asarray(upsample(image, scale=scale, alignment=alignment, method=method))[0, ..., 0]
    at = fine_positions(alignment, n, scale)
    expected = 1000.0 + 40.0 * at[:, None] + 7.0 * at[None, :]
    inner = slice(4 * scale, -4 * scale)  # edges have no neighbours to weigh
    # Lanczos weights do not reproduce a ramp exactly; linear and cubic do
    tolerance = 2.0 if method == "lanczos3" else 2e-3
    np.testing.assert_allclose(fine[inner, inner], expected[inner, inner], atol=tolerance)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("method", METHODS)
def test_a_point_keeps_its_centroid(method, alignment):
    n, place = 17, (8, 6)
    image = np.zeros((1, n, n, 1), np.float32)
    image[0, *place, 0] = 1.0
    fine = np.asarray(upsample(jnp.asarray(image), scale=2, alignment=alignment, method=method))
    at = fine_positions(alignment, n, 2)
    weight = fine[0, ..., 0]
    centroid = (
        (weight.sum(1) * at).sum() / weight.sum(),
        (weight.sum(0) * at).sum() / weight.sum(),
    )
    np.testing.assert_allclose(centroid, place, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "spline", "alignment": "corner"}, "interpolation 'spline'"),
        ({"method": "cubic", "alignment": "left"}, "grid alignment 'left'"),
    ],
)
def test_unknown_options_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        upsample(jnp.zeros((1, 4, 4, 1)), scale=2, **options)


@pytest.mark.parametrize(("alignment", "shift_mm"), [("corner", -0.21484375), ("sample", 0.0)])
def test_the_refined_grid_of_the_papers_scan(alignment, shift_mm):
    """220 mm: 256 pixels of 0.859375 mm become 512; corner alignment moves the first by -0.2148."""
    coarse = Geometry(
        origin_mm=(-109.5703125, -109.5703125, -60.0),
        row_dir=(1.0, 0.0, 0.0),
        col_dir=(0.0, 1.0, 0.0),
        spacing_mm=(5.0, 0.859375, 0.859375),
        shape=(24, 256, 256),
    )
    fine = coarse.refined(2, alignment)
    assert fine.shape == (24, 512, 512)
    assert fine.spacing_mm == (5.0, 0.4296875, 0.4296875)
    moved = np.subtract(fine.origin_mm, coarse.origin_mm)
    np.testing.assert_allclose(moved, (shift_mm, shift_mm, 0.0), atol=1e-12)


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 7), (2, 1, 3)])
def test_sampling_a_volume_agrees_with_scipy(shape, rng):
    """Trilinear inside, the edge repeated beyond it; an axis of one voxel is constant."""
    volume = rng.normal(1000, 100, (*shape, 2)).astype(np.float32)
    index = rng.uniform(-1.5, 7.5, (40, 3))
    ours = sample_linear(volume, index)
    for c in range(2):
        inside = np.clip(index, 0, np.array(shape) - 1).T
        expected = ndimage.map_coordinates(volume[..., c], inside, order=1)
        np.testing.assert_allclose(ours[:, c], expected, rtol=2e-6)


def test_a_voxel_is_its_own_sample(rng):
    volume = rng.normal(size=(3, 4, 5, 1)).astype(np.float32)
    index = np.stack(np.meshgrid(*map(np.arange, (3, 4, 5)), indexing="ij"), -1)
    np.testing.assert_array_equal(sample_linear(volume, index), volume)
