"""A small head is registered, labelled and stripped of its scalp; small because SyN is slow."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.anatomy.atlas import Atlas, AtlasRegions
from qsr_jax.anatomy.label_subject import brain_in_head, find_anatomy
from qsr_jax.anatomy.region_sources import AtlasFiles
from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE
from qsr_jax.anatomy.registration import AtlasTemplate, mni_coordinates
from qsr_jax.data.nifti.atlas_files import read_template
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.types import Geometry, Volume

LEVELS = np.array([[0, 0, 0], [4000, 900, 100], [1230, 93, 80], [840, 80, 68]])
HALF_MM = 50.0


def tissue_at(points):
    """A walnut of 100 mm: white core, folded grey rind, fluid around and in two ventricles."""
    x, y, z = np.moveaxis(points, -1, 0) / HALF_MM
    radius = np.sqrt((x / 0.8) ** 2 + (y / 0.95) ** 2 + (z / 0.85) ** 2)
    folds = 0.06 * np.sin(6 * np.arctan2(y, x)) * np.cos(3 * z)
    tissue = np.select([radius > 1.0, radius > 0.9, radius + folds > 0.65], [0, 1, 2], 3)
    tissue[
        np.sqrt(((np.abs(x) - 0.2) / 0.1) ** 2 + ((y - 0.1) / 0.3) ** 2 + (z / 0.2) ** 2) < 1
    ] = 1
    return tissue


def points_of(geometry):
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), -1)
    affine = geometry.affine_lps()
    return index @ affine[:3, :3].T + affine[:3, 3]


MNI = Geometry((-54.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (2.0, 2.0, 2.0), (55, 55, 55))
SCAN = Geometry(
    (-57.0, -60.0, -50.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 1.5, 1.5), (22, 80, 80)
)


def to_mni(points):
    """The subject is 8 % larger, moved by (3, -4, 2) mm and bent by up to 2 mm."""
    bent = points + np.stack([2 * np.sin(points[..., 1] / 12), *[0 * points[..., 0]] * 2], -1)
    return (bent - np.array([3.0, -4.0, 2.0])) / 1.08


@pytest.fixture(scope="module")
def template():
    tissue = tissue_at(points_of(MNI))
    image = np.array([0, 0.2, 0.67, 1.0], np.float32)[tissue]
    return AtlasTemplate(image, MNI.affine_lps())


@pytest.fixture(scope="module")
def subject():
    """(tissue, volume) of the bent subject."""
    tissue = tissue_at(to_mni(points_of(SCAN))).astype(np.uint8)
    noise = 1 + 0.03 * np.random.default_rng(1).standard_normal((*tissue.shape, 3))
    maps = (LEVELS[tissue] * noise).astype(np.float32)
    return tissue, Volume(maps, ("t1", "t2", "pd"), SCAN, mask=tissue > 0)


def box_atlas(region, half):
    """A region that is the half of MNI space where x (to the left) has the sign of ``half``."""
    labels = np.zeros(MNI.shape, np.uint8)
    labels[points_of(MNI)[..., 0] * half > 0] = REGION_NAMES.index(region) + 1
    return Atlas(labels, np.diag([-1.0, -1.0, 1.0, 1.0]) @ MNI.affine_lps())


def box_source(half):
    """Grey matter of one half is frontal, white matter of the other the external capsule."""
    return AtlasFiles(AtlasRegions(box_atlas("frontal", 1), box_atlas("external_capsule", half)))


def test_a_bent_subject_is_found_in_mni_space(template, subject):
    pytest.importorskip("dipy")
    pytest.importorskip("sklearn")
    tissue, volume = subject
    found = find_anatomy(
        volume,
        template=template,
        source=box_source(-1),
    )
    brain = tissue > 1
    error = np.linalg.norm(found.mni_lps_mm - to_mni(points_of(SCAN)), axis=-1)[brain]
    before = np.linalg.norm(points_of(SCAN) - to_mni(points_of(SCAN)), axis=-1)[brain]
    assert np.mean(error) < 1.5 < 3.0 < np.mean(before)
    for code in (GREY, WHITE):
        mine = found.tissue == code
        assert 2 * (mine & (tissue == code)).sum() / (mine.sum() + (tissue == code).sum()) > 0.9
    left = to_mni(points_of(SCAN))[..., 0] > 0
    grey = found.regions == REGION_NAMES.index("frontal") + 1
    assert (left[grey]).mean() > 0.9 and not grey[found.tissue != GREY].any()
    white = found.regions == REGION_NAMES.index("external_capsule") + 1
    assert (~left[white]).mean() > 0.9 and not white[found.tissue != WHITE].any()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mask": None}, "no mask of the head"),
        ({"names": ("t1", "t2", "pd2")}, "lacks pd"),
    ],
)
def test_an_incomplete_scan_is_refused(change, match, template, subject):
    volume = dataclasses.replace(subject[1], **change)
    with pytest.raises(ValueError, match=match):
        find_anatomy(volume, template=template, source=box_source(1))


def test_no_white_matter_is_refused(template, subject):
    tissue, volume = subject
    with pytest.raises(ValueError, match="no white matter"):
        mni_coordinates(volume.maps[..., 0], tissue * 0, SCAN, template)


def test_the_scalp_goes_and_the_brain_stays(subject):
    """Skull (no mask), then muscle and fat, joined to the brain by two thin bridges."""
    tissue, volume = subject
    points = to_mni(points_of(SCAN)) / HALF_MM
    radius = np.sqrt((points / [0.8, 0.95, 0.85]) ** 2 @ np.ones(3))
    scalp = (radius > 1.12) & (radius < 1.35)
    bridge = (radius >= 1.0) & (radius <= 1.12) & (np.abs(points[..., 1]) < 0.03)
    t1, t2 = volume.maps[..., 0].copy(), volume.maps[..., 1].copy()
    skin = scalp & (radius < 1.2)
    t1[scalp | bridge], t2[scalp | bridge] = 380, 68
    t1[skin | bridge], t2[skin | bridge] = 1000, 60
    head = (tissue > 0) | scalp | bridge
    found = brain_in_head(t1, t2, head, spacing_mm=SCAN.spacing_mm)
    assert (found & scalp).sum() < 0.05 * found.sum()
    assert found[tissue > 0].mean() > 0.97


def test_a_head_of_fat_has_no_brain():
    shape = (2, 40, 40)
    with pytest.raises(ValueError, match="no brain in the head"):
        brain_in_head(np.full(shape, 380.0), np.full(shape, 68.0), np.ones(shape, bool),
                      spacing_mm=(5.0, 1.0, 1.0))  # fmt: skip


@pytest.mark.parametrize(
    ("grid", "scale", "match"),
    [
        (dataclasses.replace(MNI, origin_mm=(0.0, 0.0, 0.0)), 1, "lies on another grid"),
        (MNI, 255, "values 0..255, expected fractions"),
    ],
)
def test_fractions_that_cannot_be_are_refused(grid, scale, match, tmp_path):
    tissue = tissue_at(points_of(MNI))
    paths = []
    for code, name in enumerate(("csf", "grey", "white"), start=1):
        mine, factor = (grid, scale) if name == "white" else (MNI, 1)
        paths.append(tmp_path / f"{name}.nii.gz")
        write_nifti((factor * (tissue == code)).astype(np.float32), mine, paths[-1])
    with pytest.raises(ValueError, match=match):
        read_template(*paths)


def test_the_template_is_bright_where_tissue_is_white(tmp_path):
    tissue = tissue_at(points_of(MNI))
    paths = [tmp_path / f"{n}.nii.gz" for n in ("csf", "grey", "white")]
    for code, path in enumerate(paths, start=1):
        write_nifti((tissue == code).astype(np.float32), MNI, path)
    read = read_template(*paths)
    np.testing.assert_allclose(read.image, np.array([0, 0.2, 0.67, 1.0])[tissue], atol=1e-6)
    np.testing.assert_allclose(read.affine, MNI.affine_lps())
