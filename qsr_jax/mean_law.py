"""From how sure voxels are to how sure a mean over many of them is."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class MeanLaw:
    """How sure the mean over a place is, from how sure its voxels are.

    Neighbours err alike, and a part of the error is common to a whole place. The variance of a mean
    over n voxels is the mean of their variances times :meth:`ratio`: 1 for one voxel, falling as
    ``(patch / n) ** power`` with many, never below ``shared``.

    Attributes:
        shared: part of the variance that all voxels of a place have in common, 0 to 1.
        patch: voxels that err as one, 1 or more.
        power: 1 where patches have nothing in common, less where errors reach further.

    Raises:
        ValueError: a number that cannot be.
    """

    shared: float
    patch: float
    power: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        if not (0.0 <= self.shared <= 1.0 <= self.patch < math.inf and 0.0 < self.power <= 1.0):
            raise ValueError(
                f"law of a mean with shared {self.shared}, patch {self.patch} and power "
                f"{self.power}; expected 0 to 1, 1 or more, and beyond 0 to 1"
            )

    def ratio(self, count: int) -> float:
        """Variance of the mean over ``count`` voxels in parts of theirs.

        >>> law = MeanLaw(shared=0.04, patch=9.0)
        >>> [round(law.ratio(n), 3) for n in (1, 9, 100, 10**6)]
        [1.0, 0.548, 0.12, 0.04]
        """
        apart = (self.patch / (self.patch + count - 1)) ** self.power
        return self.shared + (1.0 - self.shared) * apart
