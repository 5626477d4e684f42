"""Which subject of a cohort is made from what, and what that is."""

import functools
from pathlib import Path

import numpy as np

from data_tools import anatomy_files
from qsr_jax.files.digest import file_sha256
from qsr_jax.phantom.anatomy import Anatomy
from qsr_jax.phantom.mni_tissues import load_template

DIGITS = 16
"""Hexadecimal digits of a file's SHA-256 that say which file it was, wherever it lay."""

GOLDEN_SECTION = (5**0.5 - 1) / 2
DEALING = 3
"""Seeds what subjects are made from, beside the cohort's seed."""


def deal(seed: int, number: int, *, share: float) -> int | None:
    """How many subjects before this one are of a share, or None if this one is not.

    Steps of the golden section from a place that the seed draws: of any run of subjects, the wanted
    part is of the share within one or two, and no subject depends on how many there are.
    """
    first = np.random.default_rng([seed, DEALING]).uniform()
    dealt = [(first + k * GOLDEN_SECTION) % 1.0 < share for k in range(1, number + 1)]
    return sum(dealt) - 1 if dealt[-1] else None


@functools.lru_cache(maxsize=8)
def anatomy_from(head: Path | None, labels: str | None) -> Anatomy:
    """The templates (None), what ``labels`` says of a volume, or a measured head (None).

    Raises:
        ValueError: the file or folder cannot be used.
    """
    if head is None:
        return load_template()
    if labels is None:
        return anatomy_files.read_measured(head)
    if labels == anatomy_files.T2_WEIGHTED:
        return anatomy_files.read_weighted_image(head)
    return anatomy_files.read_label_map(head, labels)


def contents(folder: Path | None) -> dict[str, str] | None:
    """Name and digest of every file that is read from a folder."""
    if folder is None:
        return None
    ends = (*anatomy_files.NIFTI, *anatomy_files.MINC, ".json")
    files = [path for path in sorted(folder.rglob("*")) if path.name.endswith(ends)]
    return {str(p.relative_to(folder)): file_sha256(p)[:DIGITS] for p in files}
