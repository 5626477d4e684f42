"""Atlas files become the paper's 19 regions, whatever their numbers and orientation."""

import nibabel
import numpy as np
import pytest

from qsr_jax.anatomy.atlas import AAL_PARTS, JHU_PARTS
from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE
from qsr_jax.data.nifti.atlas_files import atlas_labeller, read_names

CENTRES_MM = {
    # RAS mm of the right structure: rounded centres of the ellipsoids' table, see
    # qsr_jax/anatomy/regions.py, which was measured independently.
    "insula": (39, 4, 0),
    "hippocampus": (28, -21, -13),
    "caudate": (14, 10, 10),
    "putamen": (28, 3, 1),
    "pallidum": (20, -2, -1),
    "thalamus": (12, -17, 6),
    "genu_corpus_callosum": (8, 26, 7),
    "cerebral_peduncle": (13, -18, -12),
    "external_capsule": (31, 0, 1),
}


def write_atlas(folder, parts, *, flipped):
    """One voxel per beginning and side along x, in RAS or LAS, and its table of names."""
    beginnings = [b for names in parts.values() for b in names]
    codes = np.arange(1, 2 * len(beginnings) + 1, dtype=np.uint8).reshape(-1, 2, 1)
    affine = np.diag([-1.0 if flipped else 1.0, 1.0, 1.0, 1.0])
    affine[0, 3] = len(beginnings) - 1.0 if flipped else 0.0
    lines = [f"{code}\t{beginnings[(code - 1) // 2]}x_{code}" for code in codes.ravel()]
    folder.mkdir()
    image = nibabel.Nifti1Image(codes[::-1].copy() if flipped else codes, affine)
    nibabel.save(image, folder / "atlas.nii.gz")
    (folder / "names.tsv").write_text("\n".join(["index\tlabel", *lines]))
    return folder / "atlas.nii.gz", folder / "names.tsv"


@pytest.mark.parametrize("flipped", [False, True])
def test_left_and_right_of_every_label_fall_under_their_region(flipped, tmp_path):
    aal = write_atlas(tmp_path / "aal", AAL_PARTS, flipped=flipped)
    regions, said = atlas_labeller(aal, write_atlas(tmp_path / "jhu", JHU_PARTS, flipped=flipped))
    assert said.count("atlas.nii.gz (") == 2
    for parts, tissue in ((AAL_PARTS, GREY), (JHU_PARTS, WHITE)):
        expected = [REGION_NAMES.index(r) + 1 for r, names in parts.items() for _ in names]
        for side in (0, 1):
            points = np.array([[x, side, 0] for x in range(len(expected))], float)
            np.testing.assert_array_equal(regions(points, np.full(len(points), tissue)), expected)
            assert not regions(points, np.ones(len(points), int)).any()  # fluid has no region


def test_a_missing_region_is_refused(tmp_path):
    image, names = write_atlas(tmp_path / "jhu", JHU_PARTS, flipped=False)
    names.write_text(names.read_text().replace("Genu_of", "Knee_of"))
    aal = write_atlas(tmp_path / "aal", AAL_PARTS, flipped=False)
    with pytest.raises(ValueError, match="nothing is labelled genu_corpus_callosum"):
        atlas_labeller(aal, (image, names))


def test_a_line_that_names_nothing_is_refused(tmp_path):
    (tmp_path / "names.tsv").write_text("1 Insula_L\nInsula_R 2\n")
    with pytest.raises(ValueError, match="'Insula_R 2' is no row of code and name"):
        read_names(tmp_path / "names.tsv")


@pytest.fixture(scope="module")
def real(test_data):
    aal = test_data("atlases/AAL3_res-01.nii.gz"), test_data("atlases/AAL3_labels.tsv")
    jhu = (
        test_data("atlases/JHU-ICBM-labels-1mm.nii.gz"),
        test_data("atlases/JHU-labels_index.txt"),
    )
    return atlas_labeller(aal, jhu)[0]


@pytest.mark.parametrize("region", CENTRES_MM)
def test_real_atlases_lie_where_anatomy_is(region, real):
    """AAL3 is stored RAS, JHU LAS: both mirror halves, x and -x, are the same region."""
    atlas = real.grey if region in AAL_PARTS else real.white
    index = np.argwhere(atlas.labels == REGION_NAMES.index(region) + 1)
    points = index @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    for side in (-1, 1):
        half = points[points[:, 0] * side > 0]
        expected = np.multiply(CENTRES_MM[region], (side, 1, 1))
        np.testing.assert_allclose(half.mean(0), expected, atol=6)


def test_real_atlases_hold_whole_regions(real):
    """Volumes in millilitres, 1 mm voxels: orders of magnitude of a brain."""
    aal, jhu = (np.bincount(a.labels.ravel(), minlength=20) / 1000 for a in (real.grey, real.white))
    assert 400 < aal[1] < 620 and 10 < aal[6] < 20  # frontal lobe, hippocampi
    assert 10 < jhu[11] < 20 and not aal[11:].any() and not jhu[1:11].any()
