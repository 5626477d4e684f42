"""Whether maps come from the physics: what changes when times, gains and tissues do."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_tools.weighted_cases import GREY, WHITE, Slices, phantom, scanned_again
from data_tools.weighted_numbers import (
    accuracy,
    lesion_bias,
    mean_percentage_error,
    relative,
    rounded,
)
from qsr_jax.acquisition import NARROW, TYPICAL_MS, Ranges
from qsr_jax.physics.weighted_acquisition import draw_acquisition
from qsr_jax.physics.weighted_signal import weighted_signals
from qsr_jax.predictors.weighted_flair import FLAIR, likeness, mixture, shown_by, without
from qsr_jax.tasks.weighted_gains import FREE, ONE

Maps = tuple[np.ndarray, np.ndarray | None]


@dataclasses.dataclass(frozen=True)
class Method:
    """A way from slices to maps.

    Attributes:
        make: (slices, gains=) to values (n, h, w, 3) and their standard deviations, or None.
        gains: those of :data:`qsr_jax.tasks.weighted_gains.GAINS` that it tells apart.
        spares: whether it can do without a contrast.
        digest: of its weights, if it has any.
    """

    make: Callable[..., Maps]
    gains: tuple[str, ...] = (ONE,)
    spares: bool = False
    digest: str = ""

    def __call__(self, slices: Slices, *, gains: str = ONE) -> Maps:
        """Makes the maps."""
        return self.make(slices, gains=gains)


SNR = 40.0
"""Of scans that are made anew; the specification's prototype had the same."""

BANDS: Mapping[str, dict[int, tuple[float, float]]] = {
    "in_range": {},
    "inside": {3: (95.0, 105.0), 6: (2350.0, 2450.0)},
    "outside": {0: (800.0, 1200.0), 3: (120.0, 150.0), 6: (1800.0, 2100.0)},
    "beyond": {0: (1000.0, 1300.0), 3: (140.0, 175.0), 6: (1350.0, 1600.0)},
}
"""Index of a time to where it is drawn instead of in the usual range: the middle of the range, the
specification's band beyond the usual range, and one beyond the wide range that trains."""

TISSUES = {
    "white": (850.0, 70.0, 70.0),
    "grey": (1400.0, 95.0, 82.0),
    "lesion": (1700.0, 160.0, 88.0),
    "short": (600.0, 55.0, 65.0),
}
"""Of the phantoms: T1 ms, T2 ms, PD percent."""

SWEEP = 10


def accurate(method: Method, slices: Slices) -> dict[str, Any]:
    """Accuracy by source and gain."""
    found: dict[str, dict[str, Any]] = {str(name): {} for name in sorted(set(slices.source))}
    for gain in method.gains:
        mean, std = method(slices, gains=gain)
        for source, numbers in found.items():
            here = slices.source == source
            spread = None if std is None else std[here]
            numbers[gain] = accuracy(mean[here], spread, slices.of(here))
    return found


def shuffled(method: Method, slices: Slices) -> dict[str, Any]:
    """Error with the times of another study over error with the slice's own, by gain."""
    other = np.roll(slices.acquisition_ms, len(slices) // 2, axis=0)
    wrong = dataclasses.replace(slices, acquisition_ms=other)
    found = {}
    for gain in method.gains:
        errors = [mean_percentage_error(method(s, gains=gain)[0], slices) for s in (slices, wrong)]
        ratio = rounded(np.array(errors[1]) / np.array(errors[0]))
        found[gain] = {"true": errors[0], "shuffled": errors[1], "ratio": ratio}
    return found


def swept(method: Method, slices: Slices) -> dict[str, Any]:
    """One slice scanned at ten sets of times: how constant the medians of tissues are, percent."""
    one = slices.of(_largest(slices))
    times = drawn(NARROW, SWEEP, seed=11)
    many = one.of(np.zeros(SWEEP, int))
    many = scanned_again(many, times, snr=60.0, seed=12)
    found: dict[str, Any] = {}
    for gain in method.gains:
        mean = method(many, gains=gain)[0]
        rows = {}
        for name, label in (("WM", WHITE), ("GM", GREY)):
            inside = one.tissue[0] == label
            medians = np.median(mean[:, inside], axis=1)
            rows[name] = rounded(100.0 * medians.std(0, ddof=1) / medians.mean(0))
        found[gain] = rows
    contrast = np.median(many.images[:, one.tissue[0] == WHITE], axis=1)
    found["contrasts_WM"] = rounded(100.0 * contrast.std(0, ddof=1) / contrast.mean(0))
    return found


def _largest(slices: Slices) -> np.ndarray:
    """Index (1,) of the measured slice, if any, with the most brain."""
    measured = slices.source == "measured"
    area = slices.brain.sum((1, 2)) * (measured if measured.any() else 1)
    return np.array([area.argmax()])


def banded(method: Method, slices: Slices) -> dict[str, Any]:
    """Errors of the same heads at times inside and outside the usual ranges, one gain."""
    found: dict[str, Any] = {}
    for name, band in BANDS.items():
        ranges = tuple(band.get(i, usual) for i, usual in enumerate(NARROW))
        times = drawn(ranges, len(slices), seed=21)
        again = scanned_again(slices, times, snr=SNR, seed=22)
        found[name] = mean_percentage_error(method(again)[0], again)
    usual = np.array(found["in_range"])
    for name in ("inside", "outside", "beyond"):
        found[f"loss_{name}_percent"] = rounded(100.0 * (np.array(found[name]) / usual - 1.0), 1)
    return found


def scaled(method: Method, slices: Slices) -> dict[str, Any]:
    """Largest change, percent of the median of the map, when images are brighter.

    One gain: all three by 2.5. Others: each by its own factor. All are to change nothing, for
    gains are taken out; PD is in parts of water.
    """
    found = {}
    for gain in method.gains:
        factors = (2.5,) * 3 if gain == ONE else (2.5, 0.4, 7.0)
        bright = dataclasses.replace(slices, images=slices.images * np.array(factors, np.float32))
        both = [method(s, gains=gain)[0] for s in (slices, bright)]
        inside = np.isin(slices.tissue, (GREY, WHITE))
        off = np.abs(both[1] - both[0])[inside].max(0)
        found[gain] = rounded(100.0 * off / np.median(both[0][inside], 0), 4)
    return found


def resynthesised(method: Method, slices: Slices) -> dict[str, Any]:
    """What the maps say a scan at other times shows, against what the true ones say, percent.

    Mean absolute difference in grey and white matter over the mean signal there; of each contrast.
    """
    times = drawn(NARROW, len(slices), seed=31)[:, None, None]
    mean = np.maximum(method(slices)[0], 0.0)
    made, wanted = (
        np.asarray(weighted_signals(m[..., 0], m[..., 1], m[..., 2], jnp.asarray(times)))
        for m in map(jnp.asarray, (mean, slices.truth))
    )
    inside = np.isin(slices.tissue, (GREY, WHITE))
    off = np.abs(made - wanted)[inside].mean(0) / wanted[inside].mean(0)
    return {"t1w_t2w_flair": rounded(100.0 * off)}


def flair_kept(method: Method, slices: Slices) -> dict[str, Any]:
    """The FLAIR by maps of T1w and T2w alone, and by the true maps, beside the one that was kept.

    Beside it the best mixture of T1w and T2w; empty of a method that needs all three.
    """
    if not method.spares:
        return {}
    real, times = slices.images[..., FLAIR], slices.acquisition_ms
    two = dataclasses.replace(slices, images=without(slices.images))
    made = {gain: shown_by(method(two, gains=gain)[0], times) for gain in (ONE, FREE)}
    made |= {"mixture": mixture(slices.images, slices.brain)}
    made |= {"true maps": shown_by(slices.truth, times)}
    return {name: likeness(image, real, slices.brain) for name, image in made.items()}


def phantoms(method: Method, slices: Slices) -> dict[str, Any]:
    """Signed error, percent, of the median of discs of one tissue, without noise, one gain."""
    del slices
    found = {}
    for name, values in TISSUES.items():
        disc = phantom(values, np.array(TYPICAL_MS))
        inside = disc.tissue == WHITE
        told = np.median(method(disc)[0][inside], 0)
        found[name] = rounded(relative(told, np.array(values)))
    return found


def lesions(method: Method, slices: Slices) -> dict[str, Any]:
    """Bias of lesions, which nobody trained on, by gain."""
    return {g: lesion_bias(method(slices, gains=g)[0], slices) for g in method.gains}


def drawn(ranges: Ranges, count: int, *, seed: int) -> np.ndarray:
    """Times of so many studies, (count, 7)."""
    return np.asarray(draw_acquisition(jax.random.key(seed), ranges, count))


PARTS: dict[str, Callable[[Method, Slices], dict[str, Any]]] = {
    "accuracy": accurate,
    "shuffled": shuffled,
    "sweep": swept,
    "bands": banded,
    "scale": scaled,
    "resynthesis": resynthesised,
    "flair": flair_kept,
    "phantoms": phantoms,
    "lesions": lesions,
}
"""What is looked at, in the order of the table."""
