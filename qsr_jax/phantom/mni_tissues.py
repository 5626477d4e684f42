"""Tissue fractions of the average brain that nilearn's package carries (MNI152 2009, 1 mm).

MNI ICBM152 2009, symmetric: Fonov 2011, doi:10.1016/j.neuroimage.2010.07.033.
"""

import functools

import numpy as np
from nilearn.datasets import (
    load_mni152_brain_mask,
    load_mni152_gm_template,
    load_mni152_wm_template,
)

from qsr_jax.phantom.mni_template import Template, make_template


def mni_volumes() -> tuple[list[np.ndarray], np.ndarray]:
    """Grey and white matter and the brain; needs no network.

    Returns:
        Three (i, j, k) float32 arrays, 0 to 1, and the (4, 4) affine from index to RAS mm.
    """
    loads = (load_mni152_gm_template, load_mni152_wm_template, load_mni152_brain_mask)
    images = [load(resolution=1) for load in loads]
    return [np.asarray(image.dataobj, np.float32) for image in images], images[0].affine


def mni_tissues() -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Fractions of CSF, grey and white matter.

    Returns:
        Three (z, y, x) float32 arrays, and the (4, 4) affine from index (z, y, x, 1) to LPS mm.
    """
    volumes, ras = mni_volumes()
    grey, white, brain = (volume.T for volume in volumes)
    csf = np.clip(brain - grey - white, 0.0, 1.0)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ras
    return (csf, grey, white), lps[:, [2, 1, 0, 3]]


@functools.cache
def load_template() -> Template:
    """The average head of which simulated subjects are made; needs no network."""
    (grey, white, brain), affine = mni_volumes()
    return make_template(grey, white, brain, affine)
