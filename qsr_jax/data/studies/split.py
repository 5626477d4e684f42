"""Who learns and who tests: splits by subject that depend on the seed and the subjects only."""

from collections.abc import Mapping

import numpy as np

from qsr_jax.data.studies.manifest import HEALTHY


def split_subjects(
    seed: int, groups: Mapping[str, str], *, test_fraction: float, validation_fraction: float
) -> dict[str, str]:
    """Deals subjects to "train", "validation" and "test"; patients only ever test.

    As in the paper, healthy subjects fill up the test set beside the patients: of 151 and 7 with a
    test fraction of 0.24, 38 test (31 healthy) and 120 train. One healthy subject at least tests,
    where there are two.

    Args:
        seed: of the permutation.
        groups: identifier to "healthy" or "patient", in any order.
        test_fraction: fraction of all subjects that test.
        validation_fraction: fraction of all subjects set aside for choices made while training.

    Returns:
        Identifier to split, in the seeded order.

    Raises:
        ValueError: the fractions do not lie in 0..1.
    """
    if min(test_fraction, validation_fraction) < 0 or test_fraction + validation_fraction > 1:
        raise ValueError(
            f"test and validation fraction are {test_fraction} and {validation_fraction}; "
            "expected fractions that add up to at most 1"
        )
    order = _seeded_order(seed, groups)
    healthy = [name for name in order if groups[name] == HEALTHY]
    wanted = round(test_fraction * len(order)) - (len(order) - len(healthy))
    least = int(test_fraction > 0 and len(healthy) > 1)
    tests = min(max(wanted, least), len(healthy))
    chosen = max(round(validation_fraction * len(order)), int(validation_fraction > 0))
    splits = dict.fromkeys(order, "test")
    for name in healthy[tests:]:
        splits[name] = "train"
    for name in healthy[tests : tests + chosen]:
        splits[name] = "validation"
    return splits


def fold_subjects(
    seed: int, groups: Mapping[str, str], *, folds: int, validation_fraction: float
) -> dict[str, tuple[str, ...]]:
    """Deals subjects to ``folds`` splits, so that every healthy subject tests in exactly one.

    Patients test in all of them. Validation takes the subjects who test in the next fold, and those
    after them, as many as its fraction of all subjects says.

    Args:
        seed: of the permutation; the order is that of :func:`split_subjects`.
        groups: identifier to "healthy" or "patient", in any order.
        folds: 0 for none, else 2 or more.
        validation_fraction: fraction of all subjects set aside for choices made while training.

    Returns:
        Identifier to its split in fold 1, 2, ..., in the seeded order.

    Raises:
        ValueError: one fold, more folds than healthy subjects, or nobody left to train on.
    """
    order = _seeded_order(seed, groups)
    healthy = [name for name in order if groups[name] == HEALTHY]
    if folds < 0 or folds == 1 or folds > len(healthy):
        raise ValueError(
            f"{folds} folds of {len(healthy)} healthy subjects; expected 0, or 2 and up"
        )
    chosen = round(validation_fraction * len(order)) or int(validation_fraction > 0)
    splits: dict[str, list[str]] = {name: [] for name in order}
    for fold in range(folds):
        # Whoever tests in this fold stands first, then those who test in the next one, ...
        turned = sorted(range(len(healthy)), key=lambda i: ((i - fold) % folds, i))
        tests = sum(i % folds == fold for i in range(len(healthy)))
        if tests + chosen >= len(healthy):
            raise ValueError(f"fold {fold + 1}/{folds} leaves nobody to train on; use fewer")
        for place, index in enumerate(turned):
            split = "test" if place < tests else "train"
            splits[healthy[index]].append("validation" if 0 <= place - tests < chosen else split)
        for name in order:
            if groups[name] != HEALTHY:
                splits[name].append("test")
    return {name: tuple(parts) for name, parts in splits.items()}


def _seeded_order(seed: int, groups: Mapping[str, str]) -> list[str]:
    """The subjects in an order that depends on the seed and their names only."""
    names = sorted(groups)
    return [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
