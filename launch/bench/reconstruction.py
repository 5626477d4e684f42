"""One slice of a fingerprinting scan, reconstructed with the denoiser that ships: made-up numbers.

Only what is reconstructed is made up: sizes, dictionary and rounds are those of ``qsr reconstruct
--model mrf`` on a scan of 8 coils and acceleration 8.
"""

import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.fingerprint_dictionary import COMPONENTS, STEPS, T1_MS, T2_MS, Dictionary
from qsr_jax.physics.fingerprint_scan import FingerprintScan, spiral_sampling
from qsr_jax.physics.fingerprint_train import DELI_CS
from qsr_jax.predictors.denoiser import load_denoiser
from qsr_jax.reconstruct.head import PNP, learned_method
from qsr_jax.reconstruct.problem import FingerprintMaps, ScanKernel, make_problem
from qsr_jax.simulate.fingerprinting import wire_coils

SLICES = 150
"""Of a brain, 1 mm apart."""
PIXELS, COILS = 224, 8
MODEL = "mrf"


def one_slice() -> FingerprintMaps:
    """The maps of a slice, from the samples on; what all slices share is not made."""
    rng = np.random.default_rng(0)
    sampling = spiral_sampling(PIXELS, DELI_CS.frames)
    scan = FingerprintScan(DELI_CS, sampling, wire_coils(COILS, PIXELS))
    dictionary = Dictionary(
        jnp.asarray(rng.random((STEPS, STEPS, COMPONENTS), np.float32)),
        jnp.geomspace(*T1_MS, STEPS),
        jnp.geomspace(*T2_MS, STEPS),
        jnp.asarray(rng.random((DELI_CS.frames, COMPONENTS), np.float32)),
    )
    pairs = (COMPONENTS, COMPONENTS, 2 * PIXELS, 2 * PIXELS)
    kernel = ScanKernel(jnp.ones(pairs), jnp.float32(10.0))
    # Noise: it fills the field of view, so that every pixel is matched
    shape = (COILS, *sampling.arm_of.shape, sampling.points.shape[1], 2)
    kspace = rng.standard_normal(shape, np.float32).view(np.complex64)[..., 0]
    problem = make_problem(kspace, scan, dictionary.basis, kernel)
    method = learned_method(PNP, load_denoiser(MODEL)[0], coils=COILS)
    return method.solve(problem, dictionary, method.usual_strength(sampling.arm_of.shape[1]))[0]
