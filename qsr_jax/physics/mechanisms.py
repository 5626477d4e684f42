"""What could make a fast scan read other values than a routine scan: mechanisms, one at a time.

Each is something that a fast scan plays otherwise, or that both play and one is told; its effect is
computed for homogeneous tissue without noise through the simulated slice and the fit. Resolution,
partial volume and masks are not in it: :mod:`data_tools.calibrate_simulator` measures those on
whole heads.
"""

import dataclasses
import functools
import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.effective_angles import INTERLEAVED
from qsr_jax.physics.mdme_protocol import ROUTINE, Protocol
from qsr_jax.physics.mdme_voxel_fit import fit_density, fit_echoes, fit_saturation
from qsr_jax.physics.slice_state import slice_state

TISSUES = {"GM": (1233.0, 93.3, 80.1), "WM": (838.0, 79.9, 68.2), "CSF": (4200.0, 1500.0, 100.0)}
"""T1 (ms), T2 (ms), PD (%): the paper's routine means; CSF our choice."""

SPREAD, FIELDS = (0.96, 1.04), (0.9, 1.08)
"""T1 and T2 of a tissue (a standard deviation between subjects either way) and transmit fields
(most of a head at 3 T) over which the effects are averaged."""


@dataclasses.dataclass(frozen=True)
class Mechanism:
    """One hypothesis.

    Attributes:
        said: what it is.
        routine: attributes of :class:`qsr_jax.physics.mdme_protocol.Played` of the routine scan.
        fast: of the fast scan.
        own_angle: whether the fast fit takes the saturation angle from its own data, and not from
            the routine scan's.
    """

    said: str
    routine: dict[str, Any]
    fast: dict[str, Any]
    own_angle: bool


_CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("fast delays +12 ms", {}, {"td_offset_ms": 12.0}),
    ("saturation 1.1 % weaker in fast", {}, {"saturation_scale": 0.989}),
    ("routine delays × 0.9735", {"td_scale": 0.9735}, {}),
    ("fast delays × 1.0265", {}, {"td_scale": 1.0265}),
    ("fast echo spacing 8.73 ms", {}, {"echo_spacing_ms": 8.73}),
    ("refocusing 10 % wider in fast", {}, {"refocusing_width": 1.1}),
    ("saturation 10 % wider in fast", {}, {"saturation_width": 1.1}),
    ("fast slices interleaved, routine not", {}, {"slice_order": INTERLEAVED}),
)

MECHANISMS = tuple(
    Mechanism(f"{said}, {'its own' if own else 'the routine scan’s'} angle", routine, fast, own)
    for (said, routine, fast), own in itertools.product(
        _CASES,
        (False, True),
    )
)
"""The candidates of the T1 and T2 differences of the paper's Table 1."""


def effect(mechanism: Mechanism, tissue: str, *, cross_talk: bool = True) -> np.ndarray:
    """Fast minus routine of (T1, T2, PD) in percent, mean and standard deviation: (3, 2).

    The deviation is over :data:`SPREAD` of the tissue's times and :data:`FIELDS`.

    >>> longer = Mechanism("", {}, {"echo_spacing_ms": 8.73}, False)
    >>> [round(float(value), 1) for value in effect(longer, "WM")[:, 0]]
    [-0.1, 3.9, 0.1]

    Args:
        mechanism: what differs.
        tissue: key of :data:`TISSUES`.
        cross_talk: whether the neighbours' pulses act.
    """
    routine, fast = (
        dataclasses.replace(ROUTINE, played=dataclasses.replace(ROUTINE.played, **change))
        for change in (mechanism.routine, mechanism.fast)
    )
    known, theta_deg = _read(routine, tissue, None, cross_talk=cross_talk)
    theirs = None if mechanism.own_angle else theta_deg
    found, _ = _read(fast, tissue, theirs, cross_talk=cross_talk)
    change = 100.0 * (found / known - 1.0)
    return np.stack([change.mean(axis=1), change.std(axis=1)], axis=-1)


def _read(
    protocol: Protocol, tissue: str, theta_deg: np.ndarray | None, *, cross_talk: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(3, points) T1, T2, PD that the nominal fit reads at PD 1, and the angle it took."""
    t2_ms, relaxed = fit_echoes(jnp.asarray(_echoes(protocol, tissue, cross_talk)), ROUTINE)
    theta = fit_saturation(relaxed, ROUTINE) if theta_deg is None else jnp.asarray(theta_deg)
    t1_ms, pd = fit_density(relaxed, theta, ROUTINE)
    return np.stack([t1_ms, t2_ms, pd]), np.asarray(theta)


def _echoes(protocol: Protocol, tissue: str, cross_talk: bool) -> np.ndarray:
    """(delay, 2, points) signal at the centres of both echo images."""
    at, count = list(TISSUES).index(tissue), len(SPREAD)
    mine = slice(at * count, (at + 1) * count)
    train = _trains(protocol, cross_talk)[..., mine, mine, :]
    return train[:, np.array(protocol.echo_numbers) - 1].reshape(len(train), 2, -1)


@functools.lru_cache(maxsize=32)
def _trains(protocol: Protocol, cross_talk: bool) -> np.ndarray:
    """(delay, echo, T1, T2, B1) of all tissues' times."""
    t1_ms, t2_ms = ([values[i] * s for values in TISSUES.values() for s in SPREAD] for i in (0, 1))
    return slice_state(protocol, t1_ms, t2_ms, list(FIELDS), cross_talk=cross_talk).signal()
