"""From how sure voxels are to how sure a mean over many of them is."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class MeanLaw:
    """How sure the mean over a place is, from how sure its voxels are.

    Neighbours err alike, and a part of the error is common to a whole place. The variance of a mean
    over n voxels is the mean of their variances times :meth:`ratio`: 1 for one voxel, ``patch / n``
    for many that have nothing in common, never below ``shared``.

    Attributes:
        shared: part of the variance that all voxels of a place have in common, 0 to 1.
        patch: voxels that err as one, 1 or more.

    Raises:
        ValueError: a number that cannot be.
    """

    shared: float
    patch: float

    def __post_init__(self) -> None:
        """Refuses what cannot be."""
        if not (0.0 <= self.shared <= 1.0 <= self.patch < math.inf):
            raise ValueError(
                f"law of a mean with shared {self.shared} and patch {self.patch}; expected 0 to 1, "
                "and 1 or more"
            )

    def ratio(self, count: int) -> float:
        """Variance of the mean over ``count`` voxels in parts of theirs.

        >>> law = MeanLaw(shared=0.04, patch=9.0)
        >>> [round(law.ratio(n), 3) for n in (1, 9, 100, 10**6)]
        [1.0, 0.548, 0.12, 0.04]
        """
        return self.shared + (1.0 - self.shared) * self.patch / (self.patch + count - 1)
