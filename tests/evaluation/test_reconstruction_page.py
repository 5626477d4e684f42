"""The page of a reconstruction beside its truth."""

import re

import numpy as np

from qsr_jax.evaluation.report.reconstruction import reconstruction_page


def test_the_page_shows_maps_differences_and_errors(rng):
    y, x = (np.indices((32, 32)) - 16) / 32
    brain = np.broadcast_to(np.hypot(y, x) < 0.4, (2, 32, 32))
    truth = np.zeros((2, 32, 32, 3), np.float32)
    truth[brain] = (800.0, 70.0, 0.7)
    lesions = np.zeros(brain.shape, np.uint8)
    lesions[1, 14:18, 14:18] = 1
    truth[lesions > 0] = (1400.0, 150.0, 0.8)
    found = truth * np.float32([1.02, 0.97, 1.0])
    found[lesions > 0] *= 0.9
    about = {"method": "lrtv", "strength": 0.01}
    page, errors = reconstruction_page(found, truth, brain, lesions, about=about)
    np.testing.assert_allclose(errors["white matter"]["t2"], (3.0, -3.0), atol=1e-3)
    np.testing.assert_allclose(errors["lesions"]["t1"], (8.2, -8.2), atol=1e-3)
    assert "grey matter" not in errors  # there is none
    assert page.count("<img ") == 2 and "lesions outlined" in page and "Slice by slice" in page
    told = {float(v) for v in re.findall(r'<data value="([^"]+)"', page)}
    assert errors["lesions"]["t1"].bias in told
    alone, _ = reconstruction_page(found[:1], truth[:1], brain[:1], None, about=about)
    assert "Slice by slice" not in alone and "outlined" not in alone
