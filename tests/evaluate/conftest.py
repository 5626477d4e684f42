"""One small cohort, measured once."""

import numpy as np
import pytest
from evaluation_people import make_cohort


@pytest.fixture(scope="session")
def cohort_and_examples():
    """Three healthy persons, one patient; trained: +1 %, T1 and T2 win in PSNR, PD loses."""
    return make_cohort(np.random.default_rng(0), noise=(20.0, 2.0, 12.0))
