"""How like a subject's fast scan is to those that the network learned from, as it says itself."""

from collections.abc import Iterator

from qsr_jax.evaluation.values import TRAINED, Fields
from qsr_jax.types import Prediction

KIND, SCORE = "familiarity", "score"


def familiarity_fields(made: Prediction) -> Iterator[Fields]:
    """One score for each thing that is compared; nothing where the network cannot tell.

    Yields:
        The fields of a value but the subject's; the place is what was compared, the convention the
        outcome in words.
    """
    if made.familiarity is None:
        return
    for what, score in made.familiarity.scores.items():
        yield {
            "kind": KIND,
            "place": what,
            "map": "",
            "quantity": SCORE,
            "unit": "",
            "method": TRAINED,
            "value": score,
            "count": made.familiarity.subjects,
            "convention": made.familiarity.words,
        }
