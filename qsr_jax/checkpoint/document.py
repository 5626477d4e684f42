"""The document beside the weights: what the numbers of a network mean."""

from collections.abc import Mapping
from typing import Any

from qsr_jax.checkpoint.errors import CheckpointError

FORMAT_VERSION = 2
"""Of the document and the state beside it. Version 1 held one map and one pair of networks."""

DRAWN = "drawn"
"""Key of how the studies were drawn that a network learned from, where they are computed."""

REQUIRED = {
    "version": "of the format",
    "maps": "which maps the network makes, in the order of its channels",
    "unit": "the physical unit of each",
    "network_max": "the normalisation: the physical value of each that is +1 in network scale",
    "scale": "the factor between the grids",
    "grid_alignment": "how the fine grid lies on the coarse one",
    "lr_shape": "rows and columns of a coarse image",
    "lr_spacing_mm": "voxel size of a coarse image",
    "model": "the network and its fields",
    "task": "what goes in and comes out, in which scale",
    "objective": "what it was trained for",
}
"""Keys a document must have, and what each says."""


def check_document(document: Mapping[str, Any], *, where: str) -> None:
    """Refuses a document without which the weights are just numbers.

    Raises:
        CheckpointError: another version wrote it, or a key of :data:`REQUIRED` is missing.
    """
    version = document.get("version", 1)
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{where}: written in format {version}, this version of qsr_jax reads format "
            f"{FORMAT_VERSION}; train again, or use the version that wrote it"
        )
    missing = [f"{key} ({REQUIRED[key]})" for key in REQUIRED if key not in document]
    if missing:
        raise CheckpointError(
            f"{where}: the document lacks {'; '.join(missing)}. Without it the numbers of the "
            "network have no meaning; train again with this version"
        )
