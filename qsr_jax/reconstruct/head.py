"""All slices of raw data to maps, by a method that is named."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm

from qsr_jax.physics.fingerprint_dictionary import Dictionary, make_dictionary
from qsr_jax.physics.fingerprint_scan import INTERLEAVES
from qsr_jax.reconstruct import series
from qsr_jax.reconstruct.denoisers import Denoiser, total_variation
from qsr_jax.reconstruct.plug_and_play import PlugAndPlay, plug_and_play
from qsr_jax.reconstruct.problem import FingerprintMaps, Problem, make_problem, scan_kernel
from qsr_jax.reconstruct.raw_folder import RawFolder

Solver = Callable[[Problem, Dictionary], FingerprintMaps]
"""What every method is once its settings are known."""

SVD, CG, LLR, LRTV, PNP = "svd", "cg", "llr", "lrtv", "pnp"
METHODS = (SVD, CG, LLR, LRTV, PNP)
STRENGTHS: Mapping[str, Mapping[int, float]] = {
    LLR: {1: 3e-3, 2: 5e-3, 4: 1e-2, 8: 2e-2},
    LRTV: {1: 2e-3, 2: 3e-3, 4: 6e-3, 8: 1e-2},
    PNP: {1: 1.4e-4, 2: 3e-4, 4: 8e-4, 8: 1e-3},
}
"""Weight of what is known beforehand, by acceleration. Chosen on one slice of one measured head."""


@dataclasses.dataclass(frozen=True)
class Method:
    """How a head is reconstructed.

    Attributes:
        name: one of :data:`METHODS`.
        strength: of the prior; None takes that of the acceleration.
        denoiser: of :data:`PNP`.
        settings: of :data:`PNP`; its strength is replaced.
        b1: what the flip angles are taken to be multiplied by.

    Raises:
        ValueError: another name, or a strength that is none or is not used.
    """

    name: str
    strength: float | None = None
    denoiser: Denoiser = total_variation
    settings: PlugAndPlay = PlugAndPlay()
    b1: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what cannot be done."""
        if self.name not in METHODS:
            raise ValueError(f"method {self.name!r}; expected one of {', '.join(METHODS)}")
        if self.strength is not None and self.name not in STRENGTHS:
            raise ValueError(f"method {self.name} has no strength; leave it out")
        if self.strength is not None and not self.strength > 0:
            raise ValueError(f"strength {self.strength}; expected a number above 0")
        if not 0.3 <= self.b1 <= 2.0:
            raise ValueError(f"B1 of {self.b1}; expected a factor from 0.3 to 2")

    def for_scan(self, interleaves: int, coils: int) -> Solver:
        """The function of a problem and a dictionary.

        Args:
            interleaves: arms of a frame.
            coils: number of coils.

        Raises:
            ValueError: the scan is none that the method can take, or its strength is not known.
        """
        if self.name == CG and coils == 1 and interleaves < INTERLEAVES:
            raise ValueError(
                f"one coil and {interleaves} of {INTERLEAVES} interleaves: least squares has "
                "nothing to unfold with; expected several coils, or take --method lrtv or pnp"
            )
        if self.name == SVD:
            return series.svd_mrf
        if self.name == CG:
            return series.cg_sense
        strength = self.strength or self._usual(interleaves)
        if self.name == PNP:
            settings = dataclasses.replace(self.settings, strength=strength)
            return lambda problem, dictionary: plug_and_play(
                problem, dictionary, self.denoiser, settings=settings
            )
        solve = series.llr if self.name == LLR else series.lrtv
        return lambda problem, dictionary: solve(problem, dictionary, strength=strength)

    def _usual(self, interleaves: int) -> float:
        known = STRENGTHS[self.name]
        if INTERLEAVES % interleaves or INTERLEAVES // interleaves not in known:
            raise ValueError(
                f"{interleaves} interleaves a frame: no strength of {self.name} is known for that; "
                "give one with --strength"
            )
        return known[INTERLEAVES // interleaves]


def reconstruct_head(raw: RawFolder, method: Method) -> np.ndarray:
    """Maps of all slices, (z, y, x, 3) float32: T1 ms, T2 ms, PD in units of the samples.

    Raises:
        ValueError: a slice cannot be used, or the method cannot take the scan.
    """
    interleaves = raw.scan.sampling.arm_of.shape[1]
    solve = method.for_scan(interleaves, len(raw.scan.coils))
    dictionary = make_dictionary(raw.scan.train, b1=method.b1)
    kernel = scan_kernel(raw.scan, dictionary.basis)
    found = []
    for number in tqdm(range(len(raw.slices)), method.name, unit="slice", mininterval=1):
        kspace, _ = raw.read(number)
        problem = make_problem(kspace, raw.scan, dictionary.basis, kernel)
        found.append(np.stack(solve(problem, dictionary), axis=-1))
    return np.stack(found)
