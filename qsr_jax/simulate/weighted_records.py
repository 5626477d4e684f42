"""Studies of one head whose maps are known, as records: drawn, scanned, cut to one matrix."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.acquisition import check_acquisition
from qsr_jax.data.records.weighted import CONTRAST_SLOPE
from qsr_jax.maps import MAPS, to_stored
from qsr_jax.phantom.field_strength import at_1_5_t
from qsr_jax.phantom.mixing import coarser_maps
from qsr_jax.simulate.weighted_scan import (
    CLINICAL,
    Limits,
    Study,
    draw_study,
    receive_field,
    weighted_slice,
)
from qsr_jax.types import Geometry

BRAIN, LESION = (1, 2, 3, 4), 4
"""Codes of tissue (:class:`qsr_jax.data.studies.truth.Truth`) that are brain; that of lesions."""

LEAST_BRAIN = 0.03
"""Part of a slice that is brain; less is not worth a record."""

FIELDS_T = (3.0, 1.5)
LOW_FIELD_AMOUNT = (0.8, 1.2)
"""Range of the power of the ratio between T1 at 1.5 T and at 3 T; our choice."""


class KnownHead(NamedTuple):
    """A head whose maps are known.

    Attributes:
        maps: (z, y, x, 3) T1 ms, T2 ms, PD percent.
        tissue: (z, y, x) uint8 codes.
        lesions: (z, y, x) uint8 number of the lesion, 0 elsewhere.
        geometry: where they lie.
        factor: pixels of the maps along one pixel of the scan.
        source: "simulated" or "measured".
    """

    maps: np.ndarray
    tissue: np.ndarray
    lesions: np.ndarray
    geometry: Geometry
    factor: int
    source: str


class Plan(NamedTuple):
    """How many studies of a head are drawn, and what of each is kept.

    Attributes:
        draws: studies.
        every: each keeps every so-manieth slice, the n-th from its n-th on.
        matrix: (rows, columns) of the records; heads are cut or filled with air around the middle.
        lesions: whether slices with lesions are kept.
        low_field_share: part of the studies of a simulated head that are at 1.5 T.
        limits: how studies differ.
    """

    draws: int
    every: int
    matrix: tuple[int, int]
    lesions: bool
    low_field_share: float = 0.0
    limits: Limits = CLINICAL


def head_records(key: jax.Array, head: KnownHead, plan: Plan, *, case: str) -> list[dict[str, Any]]:
    """All records of a head, study after study; a pure function of its arguments.

    Args:
        key: of all draws.
        head: whose.
        plan: how many and which.
        case: pseudonym of the subject.

    Raises:
        ValueError: a value that cannot be stored.
    """
    head = _fitted(head, plan.matrix)
    return [
        record
        for draw in range(plan.draws)
        for record in _study_records(jax.random.fold_in(key, draw), head, plan, draw, case)
    ]


def _study_records(
    key: jax.Array, head: KnownHead, plan: Plan, draw: int, case: str
) -> Iterator[dict[str, Any]]:
    """The records of one study."""
    drawn, low, noise = jax.random.split(key, 3)
    study, field_t = _drawn(drawn, plan.limits), FIELDS_T[0]
    slices = [
        index
        for index in range(draw % plan.every, len(head.maps), plan.every)
        if _usable(head, index, lesions=plan.lesions)
    ]
    if not slices:
        return
    maps = head.maps[slices]
    chance, amount = jax.random.uniform(low, (2,)).tolist()
    if head.source == "simulated" and chance < plan.low_field_share:
        field_t, (least, most) = FIELDS_T[1], LOW_FIELD_AMOUNT
        maps = maps.copy()
        maps[..., 0] = at_1_5_t(maps[..., 0], amount=least + (most - least) * amount)
    fields = _fields(study, head, slices)
    told = _told(study, head, draw=draw, field_t=field_t, case=case)
    for place, index in enumerate(slices):
        images = _scanned(
            jax.random.fold_in(noise, index),
            jnp.asarray(maps[place], jnp.float32),
            fields[place],
            study,
            pixel_mm=head.geometry.spacing_mm[1] * head.factor,
            factor=head.factor,
        )
        yield told | _slice_record(head, index, maps[place], np.asarray(images), where=case)


# One program each, where every operation would be one
_drawn, _field = jax.jit(draw_study), jax.jit(receive_field)
_scanned = jax.jit(weighted_slice, static_argnames="factor")


def _slice_record(
    head: KnownHead, index: int, maps: np.ndarray, images: np.ndarray, *, where: str
) -> dict[str, Any]:
    """What one slice adds to what is known of its study."""
    coarse = coarser_maps(maps, head.factor)
    hr = [to_stored(coarse[..., i], spec, where=where) for i, spec in enumerate(MAPS.values())]
    tissue, lesion = coarser_labels(head.tissue[index], head.lesions[index], head.factor)
    stored = np.round(images / CONTRAST_SLOPE)
    if not np.isfinite(stored).all() or stored.max() > np.iinfo(np.uint16).max:
        raise ValueError(
            f"{where}: a signal of {images.max():g} % cannot be stored; expected at most "
            f"{CONTRAST_SLOPE * np.iinfo(np.uint16).max:g} %: is PD in percent?"
        )
    depths = head.geometry.slice_positions_mm() @ head.geometry.normal
    return {
        "lr": stored.astype(np.uint16),
        "hr": np.stack(hr, axis=-1),
        "mask": np.isin(tissue, BRAIN).astype(np.uint8)[..., None],
        "tissue": tissue[..., None],
        "lesion": lesion[..., None],
        "slice_index": index,
        "slice_mm": depths[index],
    }


def _told(study: Study, head: KnownHead, *, draw: int, field_t: float, case: str) -> dict[str, Any]:
    """What all records of a study say."""
    slice_mm, row_mm, column_mm = head.geometry.spacing_mm
    times = check_acquisition(np.asarray(study.acquisition_ms), where=case)
    return {
        "acquisition_ms": times,
        "subject": case,
        "source": head.source,
        "draw": draw,
        "spacing_mm": np.array(
            [slice_mm, row_mm * head.factor, column_mm * head.factor], np.float32
        ),
        "field_t": field_t,
        "flat": int(study.still),
        "snr": float(study.snr),
        "shift_px": np.asarray(study.shift_px),
        "turn_deg": np.asarray(study.turn_deg),
        "resolution_mm": np.asarray(study.resolution_mm),
    }


def _usable(head: KnownHead, index: int, *, lesions: bool) -> bool:
    brain = np.isin(head.tissue[index], BRAIN)
    sick = head.lesions[index].any() or (head.tissue[index] == LESION).any()
    return bool(brain.mean() >= LEAST_BRAIN and (lesions or not sick))


def _fields(study: Study, head: KnownHead, slices: list[int]) -> jax.Array:
    """The receive field of some slices, its mean over their brain 1: what scales all scales PD."""
    middle = [(size - 1) / 2 for size in head.tissue.shape]
    z_mm, y_mm, x_mm = (
        (np.arange(size) - at) * step
        for size, at, step in zip(head.tissue.shape, middle, head.geometry.spacing_mm, strict=True)
    )
    field = _field(study, z_mm[slices], y_mm, x_mm)
    brain = jnp.asarray(np.isin(head.tissue[slices], BRAIN))
    return field / (jnp.sum(field * brain) / jnp.sum(brain))


def coarser_labels(
    tissue: np.ndarray, lesions: np.ndarray, factor: int
) -> tuple[np.ndarray, np.ndarray]:
    """The most frequent tissue (h, w) of every larger pixel, and the lesion it holds."""
    if factor == 1:
        return tissue, lesions
    rows, columns = (size // factor for size in tissue.shape)

    def parts(labels: np.ndarray) -> np.ndarray:
        blocks = labels.reshape(rows, factor, columns, factor)
        return np.moveaxis(blocks, 1, 2).reshape(rows, columns, factor**2)

    counts = [(parts(tissue) == code).sum(-1) for code in range(int(tissue.max()) + 1)]
    most = np.argmax(counts, axis=0).astype(np.uint8)
    return most, np.where(most == LESION, parts(lesions).max(-1), 0).astype(np.uint8)


def _fitted(head: KnownHead, matrix: tuple[int, int]) -> KnownHead:
    """The head cut, or filled up with air, to the matrix around its middle."""
    wanted = [size * head.factor for size in matrix]

    def fitted(array: np.ndarray) -> np.ndarray:
        for axis, size in enumerate(wanted, start=1):
            extra = size - array.shape[axis]
            before = abs(extra) // 2
            if extra < 0:
                array = np.take(array, range(before, before + size), axis=axis)
            else:
                width = [(0, 0)] * array.ndim
                width[axis] = (before, extra - before)
                array = np.pad(array, width)
        return array

    return head._replace(
        maps=fitted(head.maps), tissue=fitted(head.tissue), lesions=fitted(head.lesions)
    )
