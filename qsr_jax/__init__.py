"""qsr_jax: super-resolution of fast quantitative brain MRI, with the numbers kept honest.

What a notebook needs has its name here and is imported when it is first used:

- :func:`train`: from records to a trained network, by a config page or option classes;
- :func:`load_predictor`: a trained network, by its name, from a file or a workdir;
- :func:`predict`: from a subject's DICOM series to super-resolved DICOM or NIfTI;
- :func:`evaluate`: the report of trained networks on the subjects of a manifest;
- :func:`agreement`: agreement of methods of measurement, from any table of values.

:func:`load_experiment` opens a config page; :class:`Experiment` is what it becomes.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Experiment",
    "__version__",
    "agreement",
    "evaluate",
    "load_experiment",
    "load_predictor",
    "predict",
    "train",
]

if TYPE_CHECKING:
    from qsr_jax.agreement_report.run import agreement
    from qsr_jax.evaluation.evaluate import evaluate
    from qsr_jax.front import load_experiment, train
    from qsr_jax.predictors.dicom_series import predict
    from qsr_jax.predictors.load import load_predictor
    from qsr_jax.training.experiment import Experiment

_HOMES = {
    "Experiment": "qsr_jax.training.experiment",
    "agreement": "qsr_jax.agreement_report.run",
    "evaluate": "qsr_jax.evaluation.evaluate",
    "load_experiment": "qsr_jax.front",
    "load_predictor": "qsr_jax.predictors.load",
    "predict": "qsr_jax.predictors.dicom_series",
    "train": "qsr_jax.front",
}
"""Name to the module that defines it; the same as what a type checker reads above."""


def __getattr__(name: str) -> object:
    """Imports what is asked for the first time (PEP 562): ``import qsr_jax`` itself is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'qsr_jax' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
