"""Whether a scan is like those that a model learned from.

A network answers whatever it is given. :func:`know` keeps what training and validation subjects
look like, in numbers that have names; :meth:`KnownScans.judge` compares a fast scan with them and
says in words what is unlike. It looks at the scan alone, never at the network.
"""

from qsr_jax.familiarity.features import features_of
from qsr_jax.familiarity.head import ScaleError, check_units
from qsr_jax.familiarity.known import KnownScans, know
from qsr_jax.familiarity.saving import FamiliarityError, from_tensors, to_tensors

__all__ = [
    "FamiliarityError",
    "KnownScans",
    "ScaleError",
    "check_units",
    "features_of",
    "from_tensors",
    "know",
    "to_tensors",
]
