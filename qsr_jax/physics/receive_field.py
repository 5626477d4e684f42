"""What is left of the receive field in the proton density, estimated from the map itself.

The coil maps are relative to the body coil, whose field W08 (doi:10.1002/mrm.21635) takes from the
excitation angle by reciprocity; what the reference scan got wrong is left as a smooth field. White
matter tells it: its PD is nearly the same everywhere, and it is found by its T1 and T2, which no
receive field touches. A quadratic of the position is fitted to its log PD and divided out. Pinned
is the mean of log PD over white matter: the field's scale is the body coil's, and each subject
keeps a PD of their own.
"""

import dataclasses

import numpy as np

from qsr_jax.physics.mdme_fit import Fit

WHITE_T1_MS, WHITE_T2_MS = (550.0, 1100.0), (50.0, 120.0)
"""Where white matter is looked for."""

MODE_WIDTH = 0.1
"""Half width around the most frequent white-matter T1 of what is taken, relative."""

PD_LEAST = 20.0
"""Percent. Less is air."""

SAMPLE_MM, FEWEST = 1.7, 50
"""Spacing of the samples in the plane; with fewer of a tissue the field is not estimated."""

CUT, ROUNDS = 2.5, 4
"""Samples further than this many standard deviations from the fit are left out of the next one."""


def monomials(
    shape: tuple[int, int, int], *, step: int, samples: tuple[int, int, int]
) -> list[np.ndarray]:
    """The ten monomials up to second order of (z, y, x), each broadcasting to ``shape``.

    >>> terms = monomials((2, 4, 4), step=1, samples=(2, 4, 4))
    >>> len(terms), terms[3].ravel().tolist()
    (10, [-0.75, -0.25, 0.25, 0.75])

    Args:
        shape: voxels.
        step: voxels between samples, in the plane.
        samples: number of samples (z, y, x); their grid spans -1 to 1.
    """
    places = []
    for axis, (n, size) in enumerate(zip(shape, samples, strict=True)):
        index = np.arange(n) / (step if axis else 1)
        place = (index - (size - 1) / 2) / (size / 2)
        places.append(place.reshape([-1 if i == axis else 1 for i in range(3)]))
    z, y, x = places
    return [np.ones((1, 1, 1)), z, y, x, z * z, y * y, x * x, z * y, z * x, y * x]


def white_matter(fitted: Fit) -> np.ndarray:
    """Mask (z, y, x) of voxels near the most frequent T1 of white matter.

    >>> shape = (2, 16, 16)
    >>> t1_ms, t2_ms = (np.full(shape, value, np.float32) for value in (800.0, 80.0))
    >>> tilt = np.exp(np.linspace(-0.2, 0.2, 16, dtype=np.float32))
    >>> scan = Fit(t1_ms, t2_ms, np.broadcast_to(68.0 * tilt, shape), theta_deg=t1_ms)
    >>> int(white_matter(scan).sum())
    512

    Raises:
        ValueError: too few voxels have the T1, T2 and PD of white matter.
    """
    low, high = WHITE_T1_MS
    candidate = (
        (fitted.t1_ms > low)
        & (fitted.t1_ms < high)
        & (fitted.t2_ms > WHITE_T2_MS[0])
        & (fitted.t2_ms < WHITE_T2_MS[1])
        & (fitted.pd_percent > PD_LEAST)
    )
    count = np.count_nonzero(candidate)
    if count < FEWEST:
        raise ValueError(
            f"the receive field cannot be estimated: {count} samples of white matter (T1 {low:g}.."
            f"{high:g} ms), expected at least {FEWEST}; does the scan show a brain?"
        )
    counts, edges = np.histogram(
        np.log(fitted.t1_ms[candidate]), 40, (float(np.log(low)), float(np.log(high)))
    )
    smooth = np.convolve(counts, np.ones(5), "same")
    mode = np.exp(edges[np.argmax(smooth)] + np.diff(edges)[0] / 2)
    return candidate & (np.abs(fitted.t1_ms / mode - 1) < MODE_WIDTH)


def receive_field(fitted: Fit, *, pixel_mm: float) -> np.ndarray:
    """Residual receive field (z, y, x) float32, its mean over white matter 1; divide PD by it.

    >>> shape = (2, 16, 16)
    >>> t1_ms, t2_ms = (np.full(shape, value, np.float32) for value in (800.0, 80.0))
    >>> tilt = np.exp(np.linspace(-0.2, 0.2, 16, dtype=np.float32))
    >>> scan = Fit(t1_ms, t2_ms, np.broadcast_to(68.0 * tilt, shape), theta_deg=t1_ms)
    >>> field = receive_field(scan, pixel_mm=1.7)
    >>> round(float(field[0, 0, 15] / field[0, 0, 0]), 2)  # exp(0.4)
    1.49

    Raises:
        ValueError: the scan holds too little white matter.
    """
    step = max(1, round(SAMPLE_MM / pixel_mm))
    thin = Fit(
        t1_ms=fitted.t1_ms[:, ::step, ::step],
        t2_ms=fitted.t2_ms[:, ::step, ::step],
        pd_percent=fitted.pd_percent[:, ::step, ::step],
        theta_deg=fitted.theta_deg[:, ::step, ::step],
    )
    white, samples = white_matter(thin), thin.t1_ms.shape
    terms = monomials(samples, step=1, samples=samples)
    basis = np.stack([np.broadcast_to(term, samples)[white] for term in terms], axis=-1)
    log_pd = np.log(thin.pd_percent[white])
    kept = np.ones(len(log_pd), bool)
    for _ in range(ROUNDS):
        weights = np.linalg.lstsq(basis[kept], log_pd[kept], rcond=None)[0]
        left = log_pd - basis @ weights
        kept = np.abs(left) <= CUT * left[kept].std() + 1e-6
    terms = monomials(fitted.t1_ms.shape, step=step, samples=samples)
    log_field = sum(w * term for w, term in zip(weights, terms, strict=True))
    return np.exp(log_field - (basis[kept] @ weights).mean()).astype(np.float32)


def correct_density(fitted: Fit, *, pixel_mm: float, part: float = 1.0) -> Fit:
    """The fit with its PD divided by :func:`receive_field`; raises ValueError as that does.

    Of the field's logarithm only a ``part`` may be taken out, as a careful maker does.

    >>> shape = (2, 16, 16)
    >>> t1_ms, t2_ms = (np.full(shape, value, np.float32) for value in (800.0, 80.0))
    >>> tilt = np.exp(np.linspace(-0.2, 0.2, 16, dtype=np.float32))
    >>> scan = Fit(t1_ms, t2_ms, np.broadcast_to(68.0 * tilt, shape), theta_deg=t1_ms)
    >>> corrected = correct_density(scan, pixel_mm=1.7).pd_percent
    >>> round(float(corrected.min()), 1), round(float(corrected.max()), 1)
    (68.0, 68.0)
    """
    field = receive_field(fitted, pixel_mm=pixel_mm)
    return dataclasses.replace(fitted, pd_percent=fitted.pd_percent / field**part)
