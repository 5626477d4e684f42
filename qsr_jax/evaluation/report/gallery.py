"""The pictures of a page: slices of maps, and of the weighted images computed from them."""

import base64
import dataclasses
from collections.abc import Iterator, Sequence

from qsr_jax.data.studies.manifest import PATIENT
from qsr_jax.evaluation.measure.example_slices import Example, Shown
from qsr_jax.evaluation.report import figures
from qsr_jax.maps import MAPS


@dataclasses.dataclass(frozen=True)
class Picture:
    """One figure of a slice of some maps; ``why`` is "example", "spread", "weighted" or "worst"."""

    why: str
    maps: Sequence[str]
    example: Example
    uri: str


def all_pictures(shown: Shown, maps: Sequence[str]) -> Iterator[Picture]:
    """Examples, patients first; their spread and weighted images; the worst slice of each map."""
    examples = sorted(shown.examples, key=lambda example: example.group != PATIENT)
    for example in examples:
        yield _picture("example", maps, example, figures.pictures(example, maps))
    for example in examples:
        if set(maps) <= set(example.stds):
            yield _picture("spread", maps, example, figures.spread_pictures(example, maps))
    for example in examples:
        if set(MAPS) <= set(example.images):
            yield _picture("weighted", maps, example, figures.weighted_pictures(example))
    for name, example in shown.worst.items():
        yield _picture("worst", [name], example, figures.pictures(example, [name]))


def _picture(why: str, maps: Sequence[str], example: Example, png: bytes) -> Picture:
    encoded = base64.b64encode(png).decode("ascii")
    return Picture(why, maps, example, f"data:image/png;base64,{encoded}")
