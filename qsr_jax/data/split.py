"""Who learns and who tests: a split by person that depends on the seed and the persons only."""

from collections.abc import Mapping

import numpy as np

from qsr_jax.data.manifest import HEALTHY


def split_people(
    seed: int, groups: Mapping[str, str], *, test_fraction: float, validation_fraction: float
) -> dict[str, str]:
    """Deals persons to "train", "validation" and "test"; patients only ever test.

    As in the paper, healthy persons fill up the test set beside the patients: of 151 and 7 with a
    test fraction of 0.24, 38 test (31 healthy) and 120 train. One healthy person at least tests,
    where there are two.

    Args:
        seed: of the permutation.
        groups: identifier to "healthy" or "patient", in any order.
        test_fraction: share of all persons that test.
        validation_fraction: share of all persons set aside for choices made while training.

    Returns:
        Identifier to split, in the seeded order.

    Raises:
        ValueError: the fractions are not shares.
    """
    if min(test_fraction, validation_fraction) < 0 or test_fraction + validation_fraction > 1:
        raise ValueError(
            f"test and validation fraction are {test_fraction} and {validation_fraction}; "
            "expected shares that add up to at most 1"
        )
    names = sorted(groups)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
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
