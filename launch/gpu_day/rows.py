"""The table of a day, the most important row first: what it is, how long it may take, its goal."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from launch.gpu_day import beside, measure, parity
from launch.gpu_day.book import Entry, Goal
from launch.gpu_day.day import Day
from launch.gpu_day.environment import environment

PAPER = {"precision__compute": "bfloat16", "data__resident": "yes", "vgg__cached": True}
OFF = {"precision__compute": "float32", "data__resident": "no"}
STEP_SAID = (
    "{ms:.1f} ms ({quartiles_ms[0]:.1f}–{quartiles_ms[1]:.1f}), {images_per_s:.0f} images/s, "
    "{gib:.1f} GiB, compiled in {compile_s:.0f} s"
)
TORCH_SAID = "{torch_ms:.1f} ms eager, {torch_compile_ms:.1f} ms compiled"
BRAIN_SAID = "{ms:.1f} ms four slices at a time, {whole_ms:.1f} ms at once"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row: how it stands in the table, how it is measured, and its seconds.

    Attributes:
        entry: see :class:`launch.gpu_day.book.Entry`.
        measure: gives its values.
        seconds: that it may take; a first compilation counts.
        least: without so many left it is not begun.
    """

    entry: Entry
    measure: Callable[[Day], dict[str, Any]]
    seconds: float
    least: float = 10.0


def row(
    name: str,
    what: str,
    said: str,
    measured: Callable[[Day], dict[str, Any]],
    *goals: Goal,
    seconds: float = 60.0,
    least: float = 10.0,
) -> Row:
    """One line of :func:`table`."""
    return Row(Entry(name, what, said, goals), measured, seconds, least)


def step(page: str, **changes: Any) -> Callable[[Day], dict[str, Any]]:
    """Measures a step of a page."""
    return lambda day: measure.step(day, page, **changes)


def torch(net: str, what: str, ours: str, *words: str) -> Callable[[Day], dict[str, Any]]:
    """Measures PyTorch, and ``ours`` in parts of it, if that row is there."""

    def measured(day: Day) -> dict[str, Any]:
        values, mine = beside.beside_torch(day, net, what, *words), day.value(ours, "ms")
        fastest = min(value for key, value in values.items() if key.endswith("_ms"))
        return values | ({"ratio": mine / fastest} if mine else {})

    return measured


def table() -> tuple[Row, ...]:
    """Every row; those that need another's number come after it."""
    return _first_rows() + _later_rows()


def _first_rows() -> tuple[Row, ...]:
    """Is it right, and what do the paper's step, a brain, a subject and metrics take?"""
    bf16 = ("--precision", "bfloat16")
    equal = Goal("of_allowed", 1.0, "within what rounding explains")
    return (
        row("environment", "GPU, driver, versions, code",
            "{device}, driver {driver}, jax {jax}, Python {python}, {software}",
            lambda day: environment(day.out), least=0),
        row("parity_prediction", "a prediction beside a CPU's",
            "{t1:.2g} ms T1, {t2:.2g} ms T2, {pd:.2g} % PD apart at most",
            parity.prediction_row, equal),
        row("parity_steps", "three steps of both pages beside a CPU's",
            "{of_allowed:.2g} of what is allowed ({worst})", parity.steps_row, equal, seconds=90),
        row("step", "paper's step, bfloat16, records and VGG features on the GPU",
            STEP_SAID, step("srgan", **PAPER), Goal("ms", 22.0, "≤ 22 ms"), seconds=90),
        row("step_resident", "the same, VGG features computed, as PyTorch does",
            STEP_SAID, step("srgan", **PAPER | {"vgg__cached": False}), seconds=90),
        row("torch_step", "the same in PyTorch, bfloat16",
            TORCH_SAID + ", ours {ratio:.2f} of the faster",
            torch("srgan", "step", "step_resident", *bf16),
            Goal("ratio", 0.75, "ours ≤ 0.75"), seconds=150, least=30),
        row("brain_24", "a brain of 24 slices, three maps, model `default`, transfers included",
            BRAIN_SAID, partial(measure.brain, slices=24), Goal("ms", 40.0, "≤ 40 ms")),
        row("brain_72", "the same of 72 slices", BRAIN_SAID, partial(measure.brain, slices=72)),
        row("brain_tf32", "24 slices with products in TF32 (`qsr predict --precision tf32`)",
            BRAIN_SAID + "; T1 moves by {t1_cortex_rms:.2f} ms (grey) and {t1_white_rms:.2f} ms "
            "(white) RMS, {t1_cortex_largest:.1f} and {t1_white_largest:.1f} ms at most",
            measure.tf32),
        row("simulate", "a subject drawn and scanned twice", "{ms:.0f} ms",
            measure.simulate, Goal("ms", 2000.0, "≤ 2 s")),
        row("metrics", "image metrics of 38 subjects, three maps", "{seconds:.1f} s",
            measure.cohort_metrics, Goal("seconds", 2.0, "≤ 2 s"), seconds=90),
        row("default_step", "default page's step, float32, records on the GPU",
            STEP_SAID, step("default", precision__compute="float32", data__resident="yes")),
    )  # fmt: skip


def _later_rows() -> tuple[Row, ...]:
    """Resume, the default page and network beside PyTorch, other steps, and a training."""
    return (
        row("cohort", "six subjects simulated and made into records, on the host",
            "{seconds:.0f} s with {workers} workers", beside.cohort, seconds=150, least=40),
        row("resume", "default page with deterministic operations, stopped and gone on with",
            "{unequal_bits} unequal weights; {cost:.2f} times the time of a step alone; waits "
            "for data {data_wait_percent:.2f} %",
            beside.resume, Goal("unequal_bits", 0.0, "equal in every bit"),
            Goal("data_wait_percent", 1.0, "waits < 1 %"), seconds=120, least=40),
        row("torch_default_step", "default page's step in PyTorch, float32",
            TORCH_SAID + ", ours {ratio:.2f} of the faster",
            torch("default", "step", "default_step"), Goal("ratio", 0.75, "ours ≤ 0.75"),
            seconds=120, least=30),
        row("torch_brain", "a brain of 24 slices in PyTorch, float32",
            TORCH_SAID + ", ours {ratio:.2f} of the faster",
            torch("default", "predict", "brain_24", "--slices", "24"),
            Goal("ratio", 1.0, "ours ≤ 1"), seconds=90, least=30),
        row("step_bf16", "paper's step, bfloat16, every batch from the host", STEP_SAID,
            step("srgan", **OFF | {"precision__compute": "bfloat16"}), seconds=90),
        row("step_f32", "the same in float32", STEP_SAID, step("srgan", **OFF), seconds=90),
        row("training", "default model, trained for the time left",
            "{steps} steps in {seconds:.0f} s, {images_per_s:.0f} images/s, waits for data "
            "{data_wait_percent:.2f} %", beside.training,
            Goal("data_wait_percent", 1.0, "waits < 1 %"), seconds=3600, least=75),
    )  # fmt: skip
