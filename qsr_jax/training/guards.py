"""What stops a run, and what makes it speak: values that are not finite, and drifts."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

KINDS = ("", "_weighted", "_gradient_size", "total", "_gradient_norm", "_norm")
"""Endings of metrics in the order in which a step makes them: the first bad one is the cause."""

FIRST = ("mae", "discriminator", "p_real", "p_fake")
"""Terms that come before the others, which lean on them."""

JUMP = 3.0
"""Between two logged lines weights and moments together grew by at most 3 % in 39 trainings of many
kinds; where gradients broke one (docs/weighted.md, second successor) tenfold, then by 11,500."""


def order_of(name: str) -> tuple[int, int]:
    """Where a metric comes in a step; terms first, then what is made of them."""
    endings = [k for k, ending in enumerate(KINDS) if ending and name.endswith(ending)]
    term = FIRST.index(name) if name in FIRST else len(FIRST)
    follows = name == "average_norm"  # made of the network, so never its cause
    return (endings[0] if endings else 0), term + follows


class NonFiniteError(ValueError):
    """A step made NaN or infinity; nothing of it is saved."""


def check_finite(
    done: int,
    metrics: Mapping[str, float],
    sample_ids: Sequence[int],
    describe: Callable[[int], str],
) -> None:
    """Stops at a step whose metrics are not all finite.

    The norms of gradients, networks and average are among the metrics, so nothing that is not
    finite can hide in the state.

    Args:
        done: number of the step, from 1.
        metrics: scalars of the step.
        sample_ids: its records.
        describe: what a record is, in words without a subject's identity.

    Raises:
        NonFiniteError: naming the first term that is not finite, and the records.
    """
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if not bad:
        return
    first = min(bad, key=order_of)
    records = ", ".join(describe(int(i)) for i in sample_ids)
    raise NonFiniteError(
        f"step {done}: {first} is {metrics[first]} (of {len(bad)} values that are not finite); "
        f"records of the batch: {records}. Nothing of this step was saved; look at these records, "
        "or lower optimizer.learning_rate, and run again from the last checkpoint"
    )


BEATS_FROM, BEATS = 200, 0.8
"""From which step a denoiser must leave less than which part of doing nothing's error."""


class StalledError(ValueError):
    """A denoiser stays at giving back what it gets."""


def check_denoises(step: int, error: float, untouched: float) -> None:
    """Stops a denoiser that learns nothing: it is a trap that some recipes fall into for good.

    Args:
        step: steps finished.
        error: of the network on validation subjects.
        untouched: of the noisy images themselves.

    Raises:
        StalledError: both numbers, and what to do.
    """
    if step >= BEATS_FROM and not error < BEATS * untouched:
        raise StalledError(
            f"step {step}: the denoiser leaves an error of {error:.4g} where the noisy images have "
            f"{untouched:.4g}; expected below {BEATS:g} of that from step {BEATS_FROM} on. Look at "
            "the data, or raise optimizer.learning_rate or data.batch_size"
        )


def saturation(lines: Sequence[Mapping[str, float]], *, share: float, window: int) -> str | None:
    """Whether the discriminator has won: its last ``window`` logged verdicts are all certain.

    Args:
        lines: logged training metrics, oldest first.
        share: from which p_real, and below one minus which p_fake, a verdict is certain.
        window: logged steps in a row.

    Returns:
        What to say, or None.
    """
    recent = [line for line in lines if "p_real" in line][-window:]
    won = [line["p_real"] >= share and line["p_fake"] <= 1.0 - share for line in recent]
    if len(recent) < window or not all(won):
        return None
    return (
        f"the discriminator is certain (p_real {recent[-1]['p_real']:.3f}, p_fake "
        f"{recent[-1]['p_fake']:.3f}) in {window} logged steps in a row: the adversarial term "
        "teaches nothing now"
    )


def bias_drift(lines: Sequence[Mapping[str, float]], *, percent: float) -> str | None:
    """Whether the validation bias has moved away from where it was smallest.

    Args:
        lines: logged validation scores, oldest first.
        percent: growth of the size of ``relative_bias_percent`` that counts as drift.

    Returns:
        What to say, or None.
    """
    sizes = [abs(line["relative_bias_percent"]) for line in lines]
    if not sizes or sizes[-1] - min(sizes) <= percent:
        return None
    return (
        f"the validation bias is {sizes[-1]:.2f} % of the mean, {sizes[-1] - min(sizes):.2f} "
        f"points more than at its smallest ({min(sizes):.2f} %)"
    )


def long_gradient(lines: Sequence[Mapping[str, float]]) -> str | None:
    """Whether a gradient was so long that the optimiser's moments outgrew the weights.

    Adam divides by the root of its second moments, which forget by 0.1 % a step: after one such
    gradient the weights that it touched move little for thousands of steps. ``ROLE_norm`` sums
    weights, moments and Adam's two counts of steps, which are taken out here.

    Args:
        lines: logged training metrics, oldest first.

    Returns:
        What to say of the first jump, or None.
    """
    for before, after in itertools.pairwise(lines):
        for name in sorted(after.keys() & before.keys()):
            if not name.endswith("_norm") or name.endswith(("_gradient_norm", "average_norm")):
                continue
            was, now = (_without_counts(line, name) for line in (before, after))
            if now > JUMP * max(was, 1.0):
                return (
                    f"{name} without its counts of steps rose from {was:.3g} to {now:.3g} between "
                    f"steps {int(before['step'])} and {int(after['step'])}: a gradient was far "
                    "longer than all others, and what it touched learns little for thousands of "
                    "steps. Look at the scores; if they fall, begin anew with a lower "
                    "optimizer.learning_rate, or take the best checkpoint"
                )
    return None


def _without_counts(line: Mapping[str, float], name: str) -> float:
    """A norm without two counters as large as the step; 0 of a role that began to learn later."""
    return math.sqrt(max(line[name] ** 2 - 2.0 * line["step"] ** 2, 0.0))
