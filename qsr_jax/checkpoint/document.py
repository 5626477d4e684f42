"""The document beside the weights: what the numbers of a network mean."""

from collections.abc import Mapping
from typing import Any

from qsr_jax.checkpoint.errors import CheckpointError

REQUIRED = {
    "map": "which map the generator makes",
    "unit": "the physical unit of its output",
    "network_max": "the normalisation: the physical value that is +1 in network scale",
    "scale": "the factor between the grids",
    "grid_alignment": "how the fine grid lies on the coarse one",
    "lr_shape": "rows and columns of a coarse image",
    "lr_spacing_mm": "voxel size of a coarse image",
    "generator": "the generator's architecture",
}
"""Keys a document must have, and what each says."""


def check_document(document: Mapping[str, Any], *, where: str) -> None:
    """Refuses a document without which the weights are just numbers.

    Raises:
        CheckpointError: a key of :data:`REQUIRED` is missing.
    """
    missing = [f"{key} ({REQUIRED[key]})" for key in REQUIRED if key not in document]
    if missing:
        raise CheckpointError(
            f"{where}: the document lacks {'; '.join(missing)}. Without it the numbers of the "
            "network have no meaning; train again with this version"
        )
