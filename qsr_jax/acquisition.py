"""What a study of weighted images says of itself: three contrasts, seven times, their ranges.

The ground floor (F0), as :mod:`qsr_jax.maps` is of maps.
"""

import numpy as np

CONTRASTS = ("t1w", "t2w", "flair")
ACQUISITION = (
    "t1w_tr_ms",
    "t1w_te_ms",
    "t2w_tr_ms",
    "t2w_te_ms",
    "flair_tr_ms",
    "flair_te_ms",
    "flair_ti_ms",
)
"""What a study says of itself, in this order; NaN where it does not."""

Ranges = tuple[tuple[float, float], ...]
"""(lowest, highest) ms of each of :data:`ACQUISITION`."""

NARROW: Ranges = (
    (350.0, 800.0),
    (8.0, 20.0),
    (3000.0, 6500.0),
    (80.0, 120.0),
    (7000.0, 10000.0),
    (80.0, 140.0),
    (2100.0, 2700.0),
)
"""Of usual protocols."""

WIDE: Ranges = (
    (300.0, 1000.0),
    (5.0, 25.0),
    (2000.0, 9000.0),
    (60.0, 140.0),
    (5000.0, 12000.0),
    (70.0, 150.0),
    (1600.0, 2900.0),
)
"""Of clinical scans; our choice. The open MS data of Lesjak 2016 (600/15, 4500/100, 11000/140/2800
ms, 1.5 T) lie inside these and outside :data:`NARROW`."""

POSSIBLE: Ranges = (
    (100.0, 3000.0),
    (1.0, 60.0),
    (1000.0, 20000.0),
    (30.0, 500.0),
    (3000.0, 20000.0),
    (30.0, 600.0),
    (1000.0, 3500.0),
)
"""Beyond these the contrast is another one, or the unit is wrong: seconds, or a T1-FLAIR."""

TYPICAL_MS = (530.0, 12.6, 4400.0, 98.0, 8370.0, 106.0, 2380.0)
"""Geometric middle of :data:`NARROW`."""


def outside(acquisition_ms: np.ndarray, ranges: Ranges) -> tuple[str, ...]:
    """Names of the known times (7,) that lie outside their ranges.

    >>> outside(np.array([530.0, 12.6, 4400.0, 98.0, 8370.0, 390.0, np.nan]), WIDE)
    ('flair_te_ms',)
    """
    return tuple(
        name
        for name, value, (low, high) in zip(ACQUISITION, acquisition_ms, ranges, strict=True)
        if value < low * (1 - 1e-5) or value > high * (1 + 1e-5)
    )


Bands = tuple[tuple[str, float, float], ...]
"""Name of a time, and from where to where, ms, both included."""


def parse_bands(text: str) -> Bands:
    """Bands of times from a line of text; none from none.

    >>> parse_bands("t2w_te_ms 95 105, flair_ti_ms 2350 2450")
    (('t2w_te_ms', 95.0, 105.0), ('flair_ti_ms', 2350.0, 2450.0))

    Raises:
        ValueError: not a name and two numbers that rise, between commas.
    """
    found = []
    for part in filter(str.strip, text.split(",")):
        name, *ends = part.split()
        try:
            low, high = (float(end) for end in ends)
        except ValueError:
            low, high = 1.0, 0.0
        if name not in ACQUISITION or not 0.0 < low < high:
            raise ValueError(
                f"band {part.strip()!r}; expected NAME LOW HIGH in ms, NAME one of "
                f"{', '.join(ACQUISITION)}"
            )
        found.append((name, low, high))
    return tuple(found)


def within(acquisition_ms: np.ndarray, bands: Bands) -> tuple[str, ...]:
    """Names of the known times (7,) that lie in one of the bands.

    >>> within(np.array(TYPICAL_MS), (("t2w_te_ms", 95.0, 105.0),))
    ('t2w_te_ms',)
    """
    places = ((name, acquisition_ms[ACQUISITION.index(name)], ends) for name, *ends in bands)
    return tuple(name for name, value, (low, high) in places if low <= value <= high)


def check_acquisition(acquisition_ms: np.ndarray, *, where: str) -> np.ndarray:
    """Returns the times (7,) of a study as float32 if they can be, NaN being unknown.

    >>> check_acquisition(np.array(TYPICAL_MS), where="here").dtype
    dtype('float32')

    Args:
        acquisition_ms: as :data:`ACQUISITION`.
        where: opens the error message.

    Raises:
        ValueError: not seven, a time beyond :data:`POSSIBLE`, or an echo or inversion after TR.
    """
    times = np.asarray(acquisition_ms, np.float32)
    if times.shape != (len(ACQUISITION),):
        raise ValueError(f"{where}: {times.shape} times, expected 7: {', '.join(ACQUISITION)}")
    for name in outside(times, POSSIBLE):
        index = ACQUISITION.index(name)
        low, high = POSSIBLE[index]
        raise ValueError(
            f"{where}: {name} is {times[index]:g}, expected {low:g} to {high:g} ms; is it in "
            "seconds, or another kind of scan?"
        )
    for tr, others in ((0, (1,)), (2, (3,)), (4, (5, 6))):
        spent = np.nansum(times[list(others)])
        if spent >= times[tr]:
            names = " + ".join(ACQUISITION[i] for i in others)
            raise ValueError(
                f"{where}: {names} is {spent:g}, expected less than {ACQUISITION[tr]} "
                f"{times[tr]:g} ms"
            )
    return times
