"""The doors of experiments: train, predict, evaluate, bench (floor F4)."""

import os

# NumPy's matrices are small here. A second thread of its OpenBLAS, which reads this when NumPy is
# imported, makes them no faster and waits busily: on two busy cores a simulation took half more.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
