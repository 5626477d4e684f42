"""Who learns and who tests: every subject by its own hash, so that nobody else can move it.

A subject's split follows from the seed and its identifier alone: numbers in [0, 1) are drawn from
SHA-256 and compared with the fractions. Subjects may be added, taken away or listed in any order,
and whoever tested tests. The price: fractions hold on average only. Of n healthy subjects
n f ± sqrt(n f (1 - f)) test (100 and 0.2: 20 ± 4); a small cohort can leave a split empty, which is
refused with the next seed that fills all, or names who tests and who validates.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

from qsr_jax.data.studies.manifest import HEALTHY, SPLITS

TRAIN, VALIDATION, TEST = SPLITS
SEEDS_TRIED = 1000
"""Seeds among which one that fills every split is looked for."""


@dataclasses.dataclass(frozen=True)
class Dealt:
    """Where one subject is.

    Attributes:
        split: "train", "validation" or "test".
        folds: likewise in fold 1, 2, ...; empty where there are none.
    """

    split: str
    folds: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Shares:
    """What is asked for.

    Attributes:
        test: fraction of the healthy subjects that test.
        validation: fraction of the healthy subjects set aside for choices made while training.
        folds: 0 for none, else 2 or more.

    Raises:
        ValueError: the fractions do not lie in 0..1, one fold, or folds that train nobody.
    """

    test: float
    validation: float
    folds: int = 0

    def __post_init__(self) -> None:
        if min(self.test, self.validation) < 0 or self.test + self.validation > 1:
            raise ValueError(
                f"test and validation fraction are {self.test} and {self.validation}; "
                "expected fractions that add up to at most 1"
            )
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"{self.folds} folds; expected 0, or 2 and up")
        if self.folds and self.validation + 1 / self.folds >= 1:
            raise ValueError(
                f"validation fraction {self.validation} and {self.folds} folds leave nobody to "
                "train on; use a smaller fraction"
            )

    @property
    def wanted(self) -> tuple[str, ...]:
        """The splits that somebody healthy must be in."""
        shares = (1 - self.test - self.validation, self.validation, self.test)
        return tuple(split for split, share in zip(SPLITS, shares, strict=True) if share > 1e-9)


def split_subjects(
    seed: int, groups: Mapping[str, str], shares: Shares, *, named: Mapping[str, str] | None = None
) -> dict[str, Dealt]:
    """Deals subjects to splits and folds; patients only ever test, healthy subjects beside them.

    Every healthy subject tests in exactly one fold. Validation is drawn anew in every fold, among
    those who do not test there.

    Args:
        seed: of the draws.
        groups: identifier to "healthy" or "patient", in any order.
        shares: what is asked for.
        named: identifier to the split that a person chose for it, whatever the draw; folds are
            drawn all the same.

    Returns:
        Identifier to where it is, in a seeded order that says nothing about names.

    Raises:
        ValueError: a split that was asked for stays empty although there are enough subjects, more
            folds than healthy subjects, or a patient is named for anything but testing.
    """
    named = {} if named is None else named
    for name, split in named.items():
        if groups[name] != HEALTHY and split != TEST:
            raise ValueError(f"a patient is named for {split}; patients only test")
    healthy = sorted(name for name, group in groups.items() if group == HEALTHY)
    if shares.folds > len(healthy):
        raise ValueError(
            f"{shares.folds} folds of {len(healthy)} healthy subjects; expected no more folds "
            "than healthy subjects"
        )
    if empty := _empty(seed, healthy, shares, named):
        raise ValueError(_why_empty(seed, healthy, shares, named, empty))
    everywhere = Dealt(TEST, (TEST,) * shares.folds)
    return {
        name: _dealt(seed, name, shares, named) if groups[name] == HEALTHY else everywhere
        for name in sorted(groups, key=lambda name: _draw(seed, "order", name))
    }


def _draw(seed: int, what: str, name: str) -> float:
    """A number in [0, 1) that only seed, purpose and subject decide."""
    digest = hashlib.sha256(f"{seed} {what} {name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _dealt(seed: int, name: str, shares: Shares, named: Mapping[str, str]) -> Dealt:
    """Where a healthy subject is."""
    drawn = _draw(seed, "split", name)
    split = TEST if drawn < shares.test else TRAIN
    if shares.test <= drawn < shares.test + shares.validation:
        split = VALIDATION
    tests_in = int(_draw(seed, "fold", name) * shares.folds)
    folds = (
        TEST if fold == tests_in else _trains_or_chooses(seed, name, shares, fold)
        for fold in range(shares.folds)
    )
    return Dealt(named.get(name, split), tuple(folds))


def _trains_or_chooses(seed: int, name: str, shares: Shares, fold: int) -> str:
    """The split in a fold of somebody who does not test there."""
    if not shares.validation:
        return TRAIN
    share = shares.validation * shares.folds / (shares.folds - 1)
    return VALIDATION if _draw(seed, f"validation {fold}", name) < share else TRAIN


def _empty(
    seed: int, healthy: Sequence[str], shares: Shares, named: Mapping[str, str]
) -> list[str]:
    """What is asked for and stays empty; nothing where there are too few to fill everything."""
    dealt = [_dealt(seed, name, shares, named) for name in healthy]
    if len(healthy) < len(shares.wanted):
        return []
    empty = [split for split in shares.wanted if all(one.split != split for one in dealt)]
    wanted = (TRAIN, TEST, *([VALIDATION] if shares.validation else []))
    for fold in range(shares.folds):
        missing = set(wanted) - {one.folds[fold] for one in dealt}
        empty += [f"{split} of fold {fold + 1}/{shares.folds}" for split in sorted(missing)]
    return empty


def _why_empty(
    seed: int,
    healthy: Sequence[str],
    shares: Shares,
    named: Mapping[str, str],
    empty: Sequence[str],
) -> str:
    """The error, with a seed that helps where there is one."""
    tried = range(seed + 1, seed + 1 + SEEDS_TRIED)
    better = next((other for other in tried if not _empty(other, healthy, shares, named)), None)
    if better is None:
        advice = f"no seed up to {tried[-1]} fills all of them: use fewer folds or larger fractions"
    else:
        advice = f"the next seed that fills all of them is --seed {better}; keep it from then on"
    return (
        f"seed {seed} leaves {', '.join(empty)} empty: each of the {len(healthy)} healthy subjects "
        f"is dealt by its own hash, so that adding subjects moves nobody; {advice}. Or name who "
        "tests and who validates: --test SUBJECT, --validation SUBJECT"
    )
