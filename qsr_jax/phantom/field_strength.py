"""T1 of a head at 1.5 T, told from its T1 at 3 T.

White matter has 646 ms at 1.5 T and 838 ms at 3 T, grey matter 1197 and 1607 ms (Wright 2008,
doi:10.1007/s10334-008-0104-8), fat 288 and 371 ms (Gold 2004, doi:10.2214/ajr.183.2.1830343); fluid
has the same at all fields (Rooney 2007, doi:10.1002/mrm.21122). Between them the logarithm of the
ratio goes with the logarithm of T1, so that mixtures and lesions need no label. T2 stays: white
matter has 72 and 69 ms, grey matter 95 and 99 ms, within a standard deviation (Stanisz 2005,
doi:10.1002/mrm.20605).
"""

import numpy as np

AT_3_T_MS, AT_1_5_T_MS = (371.0, 838.0, 1607.0, 4000.0), (288.0, 646.0, 1197.0, 4000.0)
"""Fat, white matter, grey matter, fluid."""


def at_1_5_t(t1_ms: np.ndarray, *, amount: float = 1.0) -> np.ndarray:
    """T1 (ms) at 1.5 T of places with ``t1_ms`` at 3 T, any shape.

    >>> at_1_5_t(np.array([0.0, 838.0, 1607.0, 4500.0])).round(1).tolist()
    [0.0, 646.0, 1197.0, 4500.0]

    Args:
        t1_ms: at 3 T, >= 0.
        amount: power of the ratio; subjects and methods differ.
    """
    ratios = np.log(np.divide(AT_1_5_T_MS, AT_3_T_MS))
    places = np.log(np.maximum(t1_ms, 1.0))
    found = t1_ms * np.exp(amount * np.interp(places, np.log(AT_3_T_MS), ratios))
    return np.asarray(found, np.asarray(t1_ms).dtype)
