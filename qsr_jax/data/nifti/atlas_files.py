"""Atlases on file: the two of the paper with their label tables, and the template of MNI space."""

import functools
from pathlib import Path

import numpy as np

from qsr_jax.anatomy.atlas import AAL_PARTS, JHU_PARTS, Atlas, AtlasRegions, make_atlas
from qsr_jax.anatomy.registration import AtlasTemplate, make_atlas_template
from qsr_jax.data.nifti.files import read_nifti, read_volume
from qsr_jax.files.digest import file_sha256


@functools.lru_cache(maxsize=2)
def atlas_labeller(aal: tuple[Path, Path], jhu: tuple[Path, Path]) -> tuple[AtlasRegions, str]:
    """What tells regions by AAL and JHU, and a description of both.

    Args:
        aal: volume, and table of rows "index<tab>name" or "index name".
        jhu: volume, and table of the same form or of one name for each code from 1.

    Raises:
        ValueError: a file cannot be used.
        OSError: a file cannot be read.
    """
    grey, white = _read(*aal, AAL_PARTS), _read(*jhu, JHU_PARTS)
    files = ", ".join(f"{volume.name} ({file_sha256(volume)[:16]})" for volume, _ in (aal, jhu))
    return AtlasRegions(grey, white), f"atlases {files}"


def _read(volume: Path, table: Path, parts: dict[str, tuple[str, ...]]) -> Atlas:
    codes, affine = read_volume(volume)
    if not np.array_equal(codes, np.round(codes)):
        raise ValueError(f"{volume}: labels must be whole numbers")
    return make_atlas(codes.astype(np.int32), affine, read_names(table), parts, where=str(volume))


def read_names(table: Path) -> dict[int, str]:
    """Code to name from a text table; raises ValueError naming the line that is none."""
    lines = [line.strip() for line in table.read_text(encoding="utf-8").splitlines()]
    rows = [line.split() for line in lines if line and not line.lower().startswith("index")]
    if rows and all(len(row) == 1 for row in rows):
        return {code: row[0] for code, row in enumerate(rows, start=1)}
    names = {}
    for row in rows:
        if len(row) < 2 or not row[0].isdigit():
            raise ValueError(f"{table}: {' '.join(row)!r} is no row of code and name")
        names[int(row[0])] = row[1]
    return names


def read_template(csf: Path, grey: Path, white: Path) -> AtlasTemplate:
    """Reads three maps of tissue fractions in MNI space, such as FSL's MNI152 FAST maps.

    Raises:
        ValueError: not readable, on different grids, or not fractions from 0 to 1.
    """
    maps = [read_nifti(path) for path in (csf, grey, white)]
    affine = maps[0][1]
    for path, (array, mine) in zip((csf, grey, white), maps, strict=True):
        if array.shape != maps[0][0].shape or not np.allclose(mine, affine, atol=1e-3):
            raise ValueError(f"{path}: lies on another grid than {csf}")
        if array.min() < -0.01 or array.max() > 1.01:
            raise ValueError(
                f"{path}: values {array.min():g}..{array.max():g}, expected fractions from 0 to 1"
            )
    csf_part, grey_part, white_part = (array for array, _ in maps)
    return make_atlas_template(csf_part, grey_part, white_part, affine)
