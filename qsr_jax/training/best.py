"""Which checkpoint is the best: by what its numbers are worth, not by a loss."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, order=False)
class Merit:
    """Scores of one generator on validation subjects.

    Attributes:
        relative_bias_percent: masked mean error over the masked mean of the routine map.
        psnr_db: masked.
    """

    relative_bias_percent: float
    psnr_db: float

    def beats(self, other: "Merit | None", *, bias_percent: float) -> bool:
        """A bias within ``bias_percent`` comes before any PSNR; between two within, PSNR decides.

        Between two outside, the smaller bias wins: a sharp map with wrong numbers is no map.
        """
        if other is None:
            return True
        mine, theirs = (max(abs(one.relative_bias_percent), bias_percent) for one in (self, other))
        return (mine, -self.psnr_db) < (theirs, -other.psnr_db)


def merit_of(scores: Mapping[str, float]) -> Merit:
    """The merit in a line of validation scores."""
    return Merit(scores["relative_bias_percent"], scores["psnr_db"])
