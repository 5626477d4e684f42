"""A train of refocusing pulses as an extended phase graph.

The crushers around every pulse dephase the transverse magnetisation by whole turns across a voxel,
so only states that come back to order 0 give an echo (Hennig 1988,
doi:10.1016/0022-2364(88)90128-X; Weigel 2015, doi:10.1002/jmri.24619). Half an echo spacing is one
order: what the excitation made is of odd order at every pulse, what was longitudinal then is of
even order, and the two never mix. So echoes are proportional to the excited magnetisation, and the
longitudinal magnetisation after the train depends only on that before it.
"""

import numpy as np

from qsr_jax.physics.rf_pulses import Rotation


def _followed(echoes: int, done: int) -> int:
    """Orders worth following: reached by now, and able to come back in the echoes that are left."""
    return min(done, echoes - 1 - done) + 1


def _pulse(states: np.ndarray, turn: Rotation) -> None:
    """Turns (3, order, ...) F+, F- and Z, F- being the conjugate's, by a refocusing pulse."""
    plus, minus, z = states
    a, b = turn
    ca, cb = np.conj(a), np.conj(b)
    states[:] = (
        ca * ca * plus - b * b * minus + 2 * ca * b * z,
        a * a * minus - cb * cb * plus + 2 * a * cb * z,
        turn.cosine * z - ca * cb * plus - a * b * minus,
    )


def _dephase(states: np.ndarray, returned: np.ndarray) -> None:
    """One echo spacing of crushers: F+ one place up, F- one down, ``returned`` comes in as F+."""
    states[0, 1:] = states[0, :-1].copy()
    states[1, :-1] = states[1, 1:].copy()
    states[0, 0] = returned


def train_echoes(
    excited: np.ndarray,
    refocusing: Rotation,
    t1_ms: np.ndarray,
    t2_ms: np.ndarray,
    *,
    spacing_ms: float,
    echoes: int,
) -> np.ndarray:
    """Echoes of transverse magnetisation that is refocused about x again and again.

    Limits: perfect 180 degrees give ``exp(-t / T2)``; without relaxation 120 degrees begin 0.75,
    0.9375 (``s^2`` and ``s^4 + sin^2(a) / 2``, s the sine of half the angle; Hennig 1988).

    >>> half = np.deg2rad(60.0)
    >>> turn = Rotation(np.array(np.cos(half) + 0j), np.array(-1j * np.sin(half)))
    >>> ever, along_x = np.array(1e9), np.array(1.0 + 0j)
    >>> found = train_echoes(along_x, turn, ever, ever, spacing_ms=10.0, echoes=4)
    >>> found.real.round(4).tolist()[:2]
    [0.75, 0.9375]

    Args:
        excited: (...) complex transverse magnetisation just after the excitation.
        refocusing: (...) rotation of every refocusing pulse, broadcasting against it.
        t1_ms: (...) likewise.
        t2_ms: (...) likewise.
        spacing_ms: between echoes.
        echoes: number of them.

    Returns:
        (echoes, ...) complex.
    """
    arrays = (excited, refocusing.a, t1_ms, t2_ms)
    shape = np.broadcast_shapes(*(np.shape(one) for one in arrays))
    half_e2, e1 = np.exp(-spacing_ms / 2 / t2_ms), np.exp(-spacing_ms / t1_ms)
    decay = np.stack([np.broadcast_to(e, shape) for e in (half_e2**2, half_e2**2, e1)])[:, None]
    # Order 2j + 1 of half spacings is held at j; over one spacing -1 becomes +1
    states = np.zeros((3, echoes // 2 + 2, *shape), complex)
    states[0, 0] = excited * half_e2
    found = []
    for done in range(echoes):
        near = states[:, : _followed(echoes, done)]
        _pulse(near, refocusing)
        found.append(np.conj(states[1, 0]) * half_e2)
        near *= decay
        _dephase(states[:, : near.shape[1] + 1], np.conj(states[1, 0]))
    return np.stack(found)


def train_recovery(
    refocusing: Rotation, t1_ms: np.ndarray, t2_ms: np.ndarray, *, spacing_ms: float, echoes: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a train makes of the longitudinal magnetisation: ``Mz' = factor Mz + gain M0``.

    From just after the excitation to the last echo, the transverse magnetisation spoiled then.
    Limits: no refocusing (0 degrees) is plain recovery; an even number of perfect 180 degrees and
    ``T1 -> inf`` leave Mz as it was.

    >>> still = Rotation(np.array(1.0 + 0j), np.array(0j))
    >>> one = train_recovery(still, np.array(800.0), np.array(80.0), spacing_ms=10.0, echoes=16)
    >>> [round(float(part), 4) for part in one]  # exp(-160 / 800), and what is missing to 1
    [0.8187, 0.1813]

    Args:
        refocusing: (...) rotation of every refocusing pulse.
        t1_ms: (...) broadcasting against it.
        t2_ms: likewise.
        spacing_ms: between echoes.
        echoes: number of them.

    Returns:
        factor and gain, (...) float64.
    """
    shape = np.broadcast_shapes(refocusing.a.shape, np.shape(t1_ms), np.shape(t2_ms))
    half_e1, e2 = np.exp(-spacing_ms / 2 / t1_ms), np.exp(-spacing_ms / t2_ms)
    decay = np.stack([np.broadcast_to(e, shape) for e in (e2, e2, half_e1**2)])[:, None, None]
    # Order 2j of half spacings is held at j; beside it what M0 = 1 alone adds
    states = np.zeros((3, echoes // 2 + 2, 2, *shape), complex)
    states[2, 0, 0], states[2, 0, 1] = half_e1, 1 - half_e1
    for done in range(echoes):
        near = states[:, : _followed(echoes, done)]
        _pulse(near, refocusing)
        if done < echoes - 1:
            near *= decay
            states[2, 0, 1] += 1 - half_e1**2
            _dephase(states[:, : near.shape[1] + 1], np.conj(states[1, 1]))
    final = states[2, 0].real * half_e1
    return final[0], final[1] + (1 - half_e1)
