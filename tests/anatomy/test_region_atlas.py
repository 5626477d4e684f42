"""Regions from atlases on file: places from the affine, names from the table."""

import numpy as np
import pytest

from qsr_jax.anatomy.atlas import AAL_PARTS, JHU_PARTS, AtlasRegions, make_atlas
from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE


def small_atlas(parts, sign):
    """Each region is one 10 mm cube along x; stored in RAS (sign 1) or LAS (-1)."""
    names = {i: starts[0] + "_L" for i, starts in enumerate(parts.values(), start=1)}
    names[len(names) + 1] = "Cerebellum_3"
    codes = np.repeat(np.arange(len(names) + 1), 10)[:, None, None] * np.ones((1, 10, 10), int)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    if sign < 0:
        affine[0, 0], affine[0, 3] = -1.0, len(codes) - 1
        codes = codes[::-1]
    return make_atlas(codes, affine, names, parts, where="atlas")


@pytest.mark.parametrize("sign", [1, -1])
def test_labels_lie_where_the_affine_says(sign):
    regions = AtlasRegions(small_atlas(AAL_PARTS, sign), small_atlas(JHU_PARTS, sign))
    for parts, tissue in ((AAL_PARTS, GREY), (JHU_PARTS, WHITE)):
        points = np.array([[10.0 * (i + 1) + 5, 5, 5] for i in range(len(parts))])
        found = regions(points, np.full(len(parts), tissue))
        assert [REGION_NAMES[label - 1] for label in found] == list(parts)
    beyond = np.array([[115.0, 5, 5], [-5, 5, 5], [15, 50, 5]])
    assert not regions(beyond, np.full(3, GREY)).any()
    assert not regions(points, np.ones(len(points), int)).any()


def test_tables_that_do_not_fit_are_refused():
    codes = np.array([[[1, 7]]])
    with pytest.raises(ValueError, match=r"codes \[7\] are not in the label table"):
        make_atlas(codes, np.eye(4), {1: "Insula_L"}, AAL_PARTS, where="a")
    with pytest.raises(ValueError, match="nothing is labelled frontal"):
        make_atlas(codes, np.eye(4), {1: "Insula_L", 7: "x"}, AAL_PARTS, where="a")


def test_the_real_atlases_agree_with_our_geometry(test_data):
    """The centres of our ellipsoids lie in the atlas's region of that name, most of them."""
    from qsr_jax.anatomy.regions import ELLIPSOIDS
    from qsr_jax.data.nifti.atlas_files import atlas_labeller

    volume = {n: test_data(f"atlases/{n}") for n in (
        "AAL3_res-01.nii.gz", "AAL3_labels.tsv", "JHU-ICBM-labels-1mm.nii.gz",
        "JHU-labels_index.txt")}  # fmt: skip
    paths = list(volume.values())
    labeller, text = atlas_labeller((paths[0], paths[1]), (paths[2], paths[3]))
    assert "AAL3_res-01.nii.gz" in text
    hits = []
    for side in (1, -1):
        for part in ELLIPSOIDS:
            point = np.array([part.centre_mm]) * (side, 1, 1)
            label = labeller(point, np.array([part.tissue]))[0]
            hits.append(label == REGION_NAMES.index(part.region) + 1)
    assert np.mean(hits) > 0.7
