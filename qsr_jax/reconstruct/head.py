"""All slices of raw data to maps, by a method that is named."""

import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from qsr_jax.ops.devices import on_every_device
from qsr_jax.physics.fingerprint_dictionary import Dictionary, make_dictionary
from qsr_jax.physics.fingerprint_scan import INTERLEAVES
from qsr_jax.reconstruct import series
from qsr_jax.reconstruct.alternating import PlugAndPlay
from qsr_jax.reconstruct.denoisers import Denoiser, total_variation
from qsr_jax.reconstruct.plug_and_play import plug_and_play_images
from qsr_jax.reconstruct.problem import FingerprintMaps, Problem, make_problem, scan_kernel
from qsr_jax.reconstruct.raw_folder import RawFolder
from qsr_jax.reconstruct.series_prior import series_prior_images
from qsr_jax.reconstruct.strength import choose_strength

Solved = tuple[FingerprintMaps, jax.Array]
"""Maps, and the coefficient images (k, y, x) behind them."""
Solver = Callable[[Problem, Dictionary, float], Solved]
"""What every method is once its settings are known; the number is the strength of its prior."""

SVD, CG, LLR, LRTV, PNP, PNP_SERIES = "svd", "cg", "llr", "lrtv", "pnp", "pnp-series"
METHODS = (SVD, CG, LLR, LRTV, PNP, PNP_SERIES)
LOOPS = (PNP, PNP_SERIES)
"""Those that take a denoiser."""
WITH_VARIATION = "pnp with total variation"
"""Stands for :data:`PNP` with total variation of the coefficients beside its denoiser."""
STRENGTHS: Mapping[str, Mapping[int, float]] = {
    LLR: {1: 3e-3, 2: 5e-3, 4: 1e-2, 8: 2e-2},
    LRTV: {1: 2e-3, 2: 3e-3, 4: 6e-3, 8: 1e-2},
    PNP: {1: 1.4e-4, 2: 3e-4, 4: 8e-4, 8: 1e-3},
    PNP_SERIES: {1: 4e-5, 2: 1e-4, 4: 2.6e-4, 8: 3e-4},
    WITH_VARIATION: {1: 8e-5, 2: 1.5e-4, 4: 3e-4, 8: 5e-4},
}
"""Weight of what is known beforehand, by acceleration. Chosen on one slice of one measured head."""
VARIATION = 10.0
"""Total variation of the coefficients beside a trained denoiser, over its strength."""
ONE_COIL_SIGMAS = (0.2, 0.14, 0.10, 0.07, 0.05, 0.035, 0.025, 0.018, 0.013, 0.010)
"""Of the loop where one coil leaves more to undo."""
SLICES_WORTH = 4
"""Slices for which a further device is used: its own programs take as long to compile as a slice
or two take to reconstruct."""
AUTO, USUAL = "auto", "usual"
"""In place of a strength: told from held-out samples of the head's middle slice; tuned for the
acceleration on a measured head."""


@dataclasses.dataclass(frozen=True)
class Method:
    """How a head is reconstructed.

    Attributes:
        name: one of :data:`METHODS`.
        strength: of the prior; :data:`AUTO`, which None means where there is a prior, or
            :data:`USUAL`.
        denoiser: of :data:`LOOPS`.
        settings: of :data:`LOOPS`; its strength is replaced.
        b1: what the flip angles are taken to be multiplied by.

    Raises:
        ValueError: another name, or a strength that is none or is not used.
    """

    name: str
    strength: float | str | None = None
    denoiser: Denoiser = total_variation
    settings: PlugAndPlay = PlugAndPlay()
    b1: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what cannot be done."""
        if self.name not in METHODS:
            raise ValueError(f"method {self.name!r}; expected one of {', '.join(METHODS)}")
        if self.strength is not None and self.name not in STRENGTHS:
            raise ValueError(f"method {self.name} has no strength; leave it out")
        if isinstance(self.strength, str) and self.strength not in (AUTO, USUAL):
            expected = f"a number, {AUTO!r} or {USUAL!r}"
            raise ValueError(f"strength {self.strength!r}; expected {expected}")
        if isinstance(self.strength, float | int) and not self.strength > 0:
            raise ValueError(f"strength {self.strength}; expected a number above 0")
        if not 0.3 <= self.b1 <= 2.0:
            raise ValueError(f"B1 of {self.b1}; expected a factor from 0.3 to 2")

    def check_scan(self, interleaves: int, coils: int) -> None:
        """Refuses a scan that the method cannot take.

        Args:
            interleaves: arms of a frame.
            coils: number of coils.

        Raises:
            ValueError: least squares of one coil, or no strength is known for the scan.
        """
        if self.name == CG and coils == 1 and interleaves < INTERLEAVES:
            raise ValueError(
                f"one coil and {interleaves} of {INTERLEAVES} interleaves: least squares has "
                "nothing to unfold with; expected several coils, or take --method lrtv or pnp"
            )
        if self.strength == USUAL:
            self.usual_strength(interleaves)

    def usual_strength(self, interleaves: int, *, nearest: bool = False) -> float:
        """That of the acceleration.

        Args:
            interleaves: arms of a frame.
            nearest: whether another acceleration's will do.

        Raises:
            ValueError: none is known.
        """
        joint = self.name == PNP and self.settings.variation > 0
        known = STRENGTHS[WITH_VARIATION if joint else self.name]
        acceleration = INTERLEAVES / interleaves
        if nearest:
            return known[min(known, key=lambda one: abs(np.log(one / acceleration)))]
        if acceleration not in known:
            raise ValueError(
                f"{interleaves} interleaves a frame: no strength of {self.name} is known for that; "
                "give one with --strength, or auto"
            )
        return known[int(acceleration)]

    def strength_of(self, interleaves: int) -> float | None:
        """The number given, else the nearest usual one; None of a method without a prior."""
        if self.name not in STRENGTHS:
            return None
        if isinstance(self.strength, str | None):
            return self.usual_strength(interleaves, nearest=True)
        return self.strength

    def images(self, problem: Problem, dictionary: Dictionary, strength: float) -> jax.Array:
        """Coefficient images (k, y, x) alone; see :meth:`solve`."""
        return self.solve(problem, dictionary, strength)[1]

    def solve(self, problem: Problem, dictionary: Dictionary, strength: float) -> Solved:
        """Reconstructs a slice.

        Args:
            problem: the slice.
            dictionary: to match with.
            strength: of the prior, where there is one.
        """
        if self.name == PNP:
            settings = dataclasses.replace(self.settings, strength=strength)
            return plug_and_play_images(problem, dictionary, self.denoiser, settings=settings)
        images = self._series(problem, dictionary, strength)
        return series.matched_images(images, problem, dictionary), images

    def _series(self, problem: Problem, dictionary: Dictionary, strength: float) -> jax.Array:
        if self.name == SVD:
            return problem.adjoint
        if self.name == CG:
            return series.cg_images(problem)
        if self.name == PNP_SERIES:
            settings = dataclasses.replace(self.settings, strength=strength)
            return series_prior_images(problem, dictionary, self.denoiser, settings=settings)
        return (series.llr_images if self.name == LLR else series.lrtv_images)(problem, strength)


def learned_method(name: str, denoiser: Denoiser, *, coils: int, **options: Any) -> Method:
    """A loop with a trained denoiser: what the shipped one was tuned with.

    Args:
        name: one of :data:`LOOPS`; :data:`PNP` has total variation of the coefficients beside it.
        denoiser: the trained one; every round shows it another orientation.
        coils: of the scan; one alone starts from more noise.
        **options: further ones of :class:`Method`; ``settings`` are gone on from.
    """
    settings = dataclasses.replace(options.pop("settings", PlugAndPlay()), turns=True)
    if coils == 1:
        settings = dataclasses.replace(settings, sigmas=ONE_COIL_SIGMAS)
    if name == PNP:
        settings = dataclasses.replace(settings, variation=VARIATION)
    return Method(name, denoiser=denoiser, settings=settings, **options)


def reconstruct_head(raw: RawFolder, method: Method) -> tuple[np.ndarray, float | None]:
    """Maps of all slices, and the strength of the prior that they were made with.

    Each device of this process takes a slice at a time.

    Returns:
        (z, y, x, 3) float32: T1 ms, T2 ms, PD in units of the samples; and the strength, None of a
        method that has none.

    Raises:
        ValueError: a slice cannot be used, or the method cannot take the scan.
    """
    method.check_scan(raw.scan.sampling.arm_of.shape[1], len(raw.scan.coils))
    dictionary = make_dictionary(raw.scan.train, b1=method.b1)
    strength = _strength(raw, method, dictionary)
    kernel = scan_kernel(raw.scan, dictionary.basis)
    reading = threading.Lock()  # a slab is read whole, and once

    def maps_of_slice(number: int) -> np.ndarray:
        with reading:
            kspace, _ = raw.read(number)
        problem = make_problem(kspace, raw.scan, dictionary.basis, kernel)
        return np.stack(method.solve(problem, dictionary, strength or 0.0)[0], axis=-1)

    slices = on_every_device(maps_of_slice, len(raw.slices), worth=SLICES_WORTH)
    found = list(tqdm(slices, method.name, len(raw.slices), unit="slice", mininterval=1))
    return np.stack(found), strength


def _strength(raw: RawFolder, method: Method, dictionary: Dictionary) -> float | None:
    """What was given, the usual one, or what the middle slice tells."""
    start = method.strength_of(raw.scan.sampling.arm_of.shape[1])
    if start is None or method.strength not in (None, AUTO):
        return start
    kspace, _ = raw.read(len(raw.slices) // 2)
    return choose_strength(kspace, raw.scan, dictionary, method.images, start=start)[0]
