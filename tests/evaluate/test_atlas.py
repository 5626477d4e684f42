"""Atlas labels become the paper's 19 regions, whatever their numbers and orientation."""

import numpy as np
import pytest

from qsr_jax.data.nifti import write_nifti
from qsr_jax.evaluate.regions.atlas import (
    AAL,
    JHU,
    AtlasError,
    label_regions_by,
    read_aal,
    read_jhu,
)
from qsr_jax.physics.regions import GREY, REGION_NAMES, WHITE
from qsr_jax.types import Geometry

PER_REGION = {**AAL, **JHU}
CENTRES = {
    # LPS mm of the left structure: rounded centres of the same ellipsoids' table, see
    # qsr_jax/physics/regions.py, which was measured independently.
    "insula": (39, -4, 0),
    "hippocampus": (28, 21, -13),
    "caudate": (14, -10, 10),
    "putamen": (28, -3, 1),
    "pallidum": (20, 2, -1),
    "thalamus": (12, 17, 6),
    "genu_corpus_callosum": (8, -26, 7),
    "cerebral_peduncle": (13, 18, -12),
    "external_capsule": (31, 0, 1),
}


def write_atlas(folder, table, *, flipped):
    """One voxel per beginning and side, in RAS or LAS, and its file of names."""
    beginnings = [b for names in table.values() for b in names]
    labels = np.zeros((2, 2, len(beginnings)), np.uint8)
    lines = ["index\tlabel"]
    for i, beginning in enumerate(beginnings):
        for side, letter in enumerate("LR"):
            code = 2 * i + side + 1
            labels[0, side, i] = code
            lines.append(f"{code}\t{beginning}x_{letter}_{code}")
    row = -1.0 if flipped else 1.0
    origin = (float(len(beginnings) - 1) if flipped else 0.0, 0.0, 0.0)
    grid = Geometry(origin, (row, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 1.0), labels.shape)
    write_nifti(labels[..., ::-1].copy() if flipped else labels, grid, folder / "atlas.nii.gz")
    (folder / "names.tsv").write_text("\n".join(lines))
    return folder / "atlas.nii.gz", folder / "names.tsv"


def test_the_tables_name_the_papers_regions():
    assert set(PER_REGION) == set(REGION_NAMES) and not set(AAL) & set(JHU)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("read", "table"), [(read_aal, AAL), (read_jhu, JHU)])
def test_left_and_right_of_every_label_fall_under_their_region(read, table, flipped, tmp_path):
    atlas = read(*write_atlas(tmp_path, table, flipped=flipped))
    expected = [REGION_NAMES.index(r) + 1 for r, names in table.items() for _ in names]
    for side in (0, 1):
        points = np.array([[x, side, 0] for x in range(len(expected))], float)
        np.testing.assert_array_equal(atlas.at(points), expected)


def test_outside_the_atlas_is_no_region(tmp_path):
    atlas = read_aal(*write_atlas(tmp_path, AAL, flipped=False))
    points = np.array([[-5.0, 0, 0], [0, 0, 50.0], [np.nan, 0, 0], [0, 0, 0]])
    assert atlas.at(points).tolist() == [0, 0, 0, REGION_NAMES.index("frontal") + 1]


def test_a_region_counts_in_its_own_tissue_only(tmp_path):
    atlas = read_jhu(*write_atlas(tmp_path, JHU, flipped=False))
    mni = np.zeros((1, 1, 3, 3))
    tissue = np.array([[[GREY, WHITE, 1]]], np.uint8)
    found = label_regions_by((atlas,), mni, tissue)
    assert found.ravel().tolist() == [0, REGION_NAMES.index("middle_cerebellar_peduncle") + 1, 0]


def test_a_missing_region_is_refused(tmp_path):
    image, names = write_atlas(tmp_path, JHU, flipped=False)
    names.write_text(names.read_text().replace("Genu_of", "Knee_of"))
    with pytest.raises(AtlasError, match="no voxel of genu_corpus_callosum; expected labels named"):
        read_jhu(image, names)


@pytest.fixture(scope="module")
def real(test_data):
    return (
        read_aal(test_data("atlases/AAL3_res-01.nii.gz"), test_data("atlases/AAL3_labels.tsv")),
        read_jhu(
            test_data("atlases/JHU-ICBM-labels-1mm.nii.gz"),
            test_data("atlases/JHU-labels_index.txt"),
        ),
    )


@pytest.mark.parametrize("region", CENTRES)
def test_real_atlases_lie_where_anatomy_is(region, real):
    """AAL3 is stored RAS, JHU LAS: both mirror halves, x and -x, are the same region."""
    code = REGION_NAMES.index(region) + 1
    atlas = real[0] if region in AAL else real[1]
    index = np.argwhere(atlas.labels == code)
    points = index @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    for side in (-1, 1):
        half = points[points[:, 0] * side > 0]
        expected = np.multiply(CENTRES[region], (side, 1, 1))
        np.testing.assert_allclose(half.mean(0), expected, atol=6)


def test_real_atlases_hold_whole_regions(real):
    """Volumes in millilitres, 1 mm voxels: orders of magnitude of a brain."""
    aal, jhu = (np.bincount(a.labels.ravel(), minlength=20) / 1000 for a in real)
    assert 400 < aal[1] < 620 and 10 < aal[6] < 20  # frontal lobe, hippocampi
    assert 10 < jhu[11] < 20 and not aal[11:].any() and not jhu[1:11].any()
