"""One small cohort, measured once; a house of small people for the door."""

import numpy as np
import pytest
from evaluation_house import build_house
from evaluation_people import make_cohort


@pytest.fixture(scope="session")
def cohort_and_examples():
    """Three healthy persons, one patient; trained: +1 %, T1 and T2 win in PSNR, PD loses."""
    return make_cohort(np.random.default_rng(0), noise=(20.0, 2.0, 12.0))


@pytest.fixture
def house(monkeypatch):
    """See :func:`evaluation_house.build_house`."""
    return build_house(monkeypatch)
