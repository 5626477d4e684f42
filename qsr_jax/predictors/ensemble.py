"""Several trainings as one predictor: their mean, and how far they lie apart as its spread."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from qsr_jax.files.digest import text_sha256
from qsr_jax.mean_law import MeanLaw
from qsr_jax.predictors.trained import MismatchError, TrainedPredictor
from qsr_jax.types import Familiarity, Prediction, Predictor, Volume

LEAST_MEMBERS = 2


def ensemble(predictors: Sequence[Predictor]) -> Predictor:
    """The equal mixture of predictors (Lakshminarayanan 2017, arXiv:1612.01474, section 2.4).

    The mean is the mean of the members' means. The variance is the mean of their variances plus the
    variance of their means; the latter with ddof = 0, because the members *are* the mixture and not
    a sample of it. It is therefore smaller, by (M - 1) / M in the mean over many ensembles, than
    the variance of the population of trainings the M members were drawn from. Members without a
    spread count as exact. Sums run in float64.

    ``clamped`` of the result is the mean over the members, rounded up; the laws of means are the
    means of the members', whose disagreement is taken to have the correlation of their errors.

    Args:
        predictors: two or more, of the same maps and grids.

    Raises:
        MismatchError: fewer than two; when called: members that make other maps or grids, or of
            which only some know a standard deviation.
    """
    if len(predictors) < LEAST_MEMBERS:
        raise MismatchError(
            f"an ensemble of {len(predictors)}; expected {LEAST_MEMBERS} or more trainings"
        )
    members = tuple(predictors)

    def predict(volume: Volume) -> Prediction:
        first = members[0](volume)
        mean, within = first.mean.astype(np.float64), _variance(first)
        apart = np.zeros_like(mean)  # sum of squared distances from the mean (Welford 1962)
        clamped, laws = [first.clamped], [first.mean_laws]
        told = [first.familiarity]
        for count, member in enumerate(members[1:], start=2):
            made = member(volume)
            _check_alike(first, made)
            step = made.mean - mean
            mean += step / count
            apart += step * (made.mean - mean)
            within += _variance(made)
            clamped.append(made.clamped)
            laws.append(made.mean_laws)
            told.append(made.familiarity)
        return dataclasses.replace(
            first,
            mean=mean.astype(np.float32),
            std=np.sqrt((within + apart) / len(members)).astype(np.float32),
            clamped=_mean_count(clamped),
            mean_laws=_mean_laws(laws),
            familiarity=Familiarity.worst_of(told),
        )

    return predict


def _variance(made: Prediction) -> np.ndarray:
    """The member's own variance; 0 where it has none."""
    if made.std is None:
        return np.zeros(made.mean.shape)
    return np.square(made.std.astype(np.float64))


def _check_alike(first: Prediction, other: Prediction) -> None:
    """Refuses members whose voxels cannot be averaged."""
    if other.names != first.names:
        raise MismatchError(
            f"members of an ensemble make {', '.join(first.names)} and {', '.join(other.names)}; "
            "expected the same maps in the same order"
        )
    if other.geometry != first.geometry:
        raise MismatchError(
            f"members of an ensemble make grids of {first.geometry.shape} and "
            f"{other.geometry.shape} at {first.geometry.origin_mm} and {other.geometry.origin_mm} "
            "mm; expected one grid"
        )
    if (other.std is None) != (first.std is None):
        raise MismatchError(
            "some members of an ensemble know their standard deviation and others do not; expected "
            "all or none"
        )


def _mean_count(counts: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    known = [count for count in counts if count is not None]
    if not known:
        return None
    return tuple(math.ceil(sum(column) / len(counts)) for column in zip(*known, strict=True))


def _mean_laws(laws: Sequence[tuple[MeanLaw, ...] | None]) -> tuple[MeanLaw, ...] | None:
    known = [law for law in laws if law is not None]
    if len(known) < len(laws):
        return None
    return tuple(
        MeanLaw(
            shared=sum(law.shared for law in column) / len(column),
            patch=sum(law.patch for law in column) / len(column),
            power=sum(law.power for law in column) / len(column),
        )
        for column in zip(*known, strict=True)
    )


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """:func:`ensemble` of trained predictors, as a trained predictor.

    Attributes:
        members: two or more, of the same maps.

    Raises:
        MismatchError: fewer than two, other maps, or the same weights twice.
    """

    members: tuple[TrainedPredictor, ...]

    def __post_init__(self) -> None:
        """Refuses members that cannot be averaged."""
        ensemble(self.members)
        maps = {member.names for member in self.members}
        if len(maps) > 1:
            told = " and ".join(sorted(", ".join(names) for names in maps))
            raise MismatchError(f"members of an ensemble make {told}; expected the same maps")
        if len({member.weights_sha256 for member in self.members}) < len(self.members):
            raise MismatchError(
                f"an ensemble of {self.members[0].description}: the same weights are given twice; "
                "expected trainings from different seeds"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The maps that all members make."""
        return self.members[0].names

    @property
    def description(self) -> str:
        """The first member, and how many there are."""
        return f"{self.members[0].description}, ensemble of {len(self.members)}"

    @property
    def weights_sha256(self) -> str:
        """Digest over the digests of the members, in any order."""
        digests = sorted(member.weights_sha256 for member in self.members)
        return text_sha256("".join(digests))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the members say, each line once."""
        return tuple(dict.fromkeys(note for member in self.members for note in member.notes))

    @property
    def precision(self) -> str:
        """What the members are asked for."""
        return " and ".join(dict.fromkeys(member.precision for member in self.members))

    def check(self, volume: Volume) -> None:
        """Raises MismatchError unless every member was trained on such a scan."""
        for member in self.members:
            member.check(volume)

    def __call__(self, volume: Volume) -> Prediction:
        """See :func:`ensemble`."""
        return ensemble(self.members)(volume)
