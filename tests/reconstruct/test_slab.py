"""A slab of thirty slices at half resolution: from phase encoding to maps, on several devices."""

import jax
import numpy as np
import pytest
import small_fingerprints as small
from scipy import ndimage

from qsr_jax.reconstruct import head
from qsr_jax.reconstruct.head import Method, reconstruct_head
from qsr_jax.reconstruct.problem import make_problem, scan_kernel
from qsr_jax.reconstruct.raw_folder import open_raw, write_raw
from qsr_jax.simulate.fingerprinting import simulate_slab
from qsr_jax.types import Geometry

SLICES, PIXELS, COILS, DEVICES = 30, 112, 2, 2
PLACE = Geometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 2.0, 2.0),
                 (SLICES, PIXELS, PIXELS))  # fmt: skip


@pytest.fixture(scope="module")
def slab(tmp_path_factory):
    """Raw data of a head whose T1 rises by 1 % from slice to slice, and its maps."""
    whole, tissue = small.head(PIXELS)
    longer = 1.0 + 0.01 * np.arange(SLICES, dtype=np.float32)
    maps = whole * np.stack([longer, np.ones(SLICES), np.ones(SLICES)], axis=-1)[:, None, None]
    maps = maps.astype(np.float32)
    scan = small.scan(8, COILS, PIXELS)
    steps, std = simulate_slab(0, maps, scan, snr_db=30.0)
    folder = tmp_path_factory.mktemp("slab") / "raw"
    write_raw(folder, scan, PLACE, lambda n: (steps[n], std), made_from={"slab": True})
    return open_raw(folder), maps, ndimage.binary_erosion(tissue["white"], iterations=4)


def test_thirty_slices_at_half_resolution(slab, monkeypatch):
    """Slices do not mix, and are the same whichever device took them.

    T1 differs by 29 % from end to end; the short train's bias drifts by 5 % on the way.
    """
    raw, maps, white = slab
    devices = jax.local_devices()[:DEVICES]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)
    monkeypatch.setattr(head, "make_dictionary", lambda train, b1: small.DICTIONARY())
    found, strength = reconstruct_head(raw, Method("svd"))
    assert found.shape == maps.shape and strength is None
    ratio = np.median(found[:, white, 0], axis=1) / maps[:, white, 0].mean(axis=1)
    np.testing.assert_allclose(ratio, ratio.mean(), atol=0.04)
    assert abs(ratio.mean() - 1.0) < 0.03
    basis = small.DICTIONARY().basis
    for number in (14, 15):  # one of each device
        problem = make_problem(raw.read(number)[0], raw.scan, basis, scan_kernel(raw.scan, basis))
        alone = Method("svd").solve(problem, small.DICTIONARY(), 0.0)[0]
        np.testing.assert_allclose(found[number], np.stack(alone, axis=-1), rtol=1e-5)
