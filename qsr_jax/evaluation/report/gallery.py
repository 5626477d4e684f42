"""The pictures of a page: slices of maps, and of the weighted images computed from them."""

import base64
import dataclasses
from collections.abc import Iterator, Sequence

from qsr_jax.evaluation.measure.example_slices import Example, Shown
from qsr_jax.evaluation.report import figures
from qsr_jax.maps import MAPS


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


@dataclasses.dataclass(frozen=True)
class Picture:
    """One figure of slices: ``what`` is a map's name, or "weighted"."""

    why: str
    what: str
    example: Example
    uri: str


def all_pictures(shown: Shown, maps: Sequence[str]) -> Iterator[Picture]:
    """The examples' maps, their weighted images, and the worst slice of every map."""
    for example in shown.examples:
        for name in maps:
            yield Picture("example", name, example, _data_uri(figures.pictures(example, name)))
    for example in shown.examples:
        if set(MAPS) <= set(example.images):
            image = _data_uri(figures.weighted_pictures(example))
            yield Picture("weighted", "weighted", example, image)
    for name, example in shown.worst.items():
        yield Picture("worst", name, example, _data_uri(figures.pictures(example, name)))
