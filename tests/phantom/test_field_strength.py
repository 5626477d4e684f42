"""T1 at 1.5 T: the published pairs, order kept, fluid untouched."""

import numpy as np
import pytest

from qsr_jax.phantom.field_strength import AT_1_5_T_MS, AT_3_T_MS, at_1_5_t


def test_published_values():
    np.testing.assert_allclose(at_1_5_t(np.array(AT_3_T_MS)), AT_1_5_T_MS, rtol=1e-6)
    assert at_1_5_t(np.array([838.0, 0.0]), amount=0.0).tolist() == [838.0, 0.0]


@pytest.mark.parametrize("amount", [0.8, 1.0, 1.2])
def test_order_is_kept_and_nothing_grows(amount):
    t1_ms = np.linspace(1.0, 6000.0, 4000, dtype=np.float32)
    found = at_1_5_t(t1_ms, amount=amount)
    assert found.dtype == np.float32
    assert (np.diff(found) > 0).all() and (found <= t1_ms * (1 + 1e-6)).all()
    assert (found[t1_ms >= 4000.0] == t1_ms[t1_ms >= 4000.0]).all()
