"""Everything that makes maps: interpolation, baselines, networks, ensembles of them.

A trained model by its name, from a file or a workdir, and the DICOM series of a subject through it:
:func:`load_predictor`, :func:`predict`; everybody of a tree or a manifest: :func:`predict_cohort`.
Any callable from :class:`qsr_jax.types.Volume` to
:class:`qsr_jax.types.Prediction` is a predictor too.
"""

from qsr_jax.predictors.cohort import Models, Outcome, predict_cohort
from qsr_jax.predictors.dicom_series import predict
from qsr_jax.predictors.load import load_predictor, load_predictors
from qsr_jax.predictors.network import NetworkPredictor
from qsr_jax.predictors.scans import scans_below, scans_listed
from qsr_jax.predictors.trained import MismatchError, TrainedPredictor, merge_maps

__all__ = [
    "MismatchError",
    "Models",
    "NetworkPredictor",
    "Outcome",
    "TrainedPredictor",
    "load_predictor",
    "load_predictors",
    "merge_maps",
    "predict",
    "predict_cohort",
    "scans_below",
    "scans_listed",
]
