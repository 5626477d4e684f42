"""Networks by name, each with its own fields; and VGG-19's features, frozen."""

from qsr_jax.models.build import NETWORKS, ModelError, build_model

__all__ = ["NETWORKS", "ModelError", "build_model"]
