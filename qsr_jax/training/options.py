"""The settings of an experiment as frozen option classes: every number has a range.

A config page (``configs/``) holds the same keys in the same sections; a notebook makes these
classes itself. A value that cannot be is refused when it is given, by the name it has in a page.
"""

import dataclasses
import math
import types
from typing import Any, ClassVar, get_args

MATMULS = ("default", "high", "highest")
PRECISIONS = ("float32", "bfloat16")
BATCH_NORMS = ("all", "device")
AUTO, YES, NO, NONE = "auto", "yes", "no", "none"


class OptionError(ValueError):
    """A setting cannot be what it is, or not together with another."""


def number(default: Any = dataclasses.MISSING, *, low: float, high: float = math.inf) -> Any:
    """A numeric field between ``low`` and ``high``, both allowed."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def choice(default: Any = dataclasses.MISSING, *, among: tuple[str, ...]) -> Any:
    """A field that is one of a few words."""
    return dataclasses.field(default=default, metadata={"among": among})


@dataclasses.dataclass(frozen=True)
class Options:
    """One section of a page.

    Raises:
        OptionError: a value of another kind, outside its range, or not among its words.
    """

    SECTION: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Checks every field against its metadata."""
        for field in dataclasses.fields(self):
            check_value(f"{self.SECTION}.{field.name}", getattr(self, field.name), field)


def check_value(key: str, value: Any, field: dataclasses.Field) -> None:
    """Refuses a value that its field does not allow.

    Raises:
        OptionError: with the key, what was expected and what was given.
    """
    if value is None and field.default is None:
        return
    parts = get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
    kinds = [kind for kind in (int, float, bool, str) if kind in parts]
    fits = type(value) in kinds or (float in kinds and type(value) is int)
    if kinds and not fits:
        raise OptionError(f"{key} is {value!r}; expected {kinds[0].__name__}")
    rule = field.metadata
    if "low" in rule and not rule["low"] <= value <= rule["high"]:  # NaN is refused too
        most = f" to {rule['high']:g}" if rule["high"] < math.inf else " or more"
        raise OptionError(f"{key} is {value!r}; expected {rule['low']:g}{most}")
    if "among" in rule and value not in rule["among"]:
        raise OptionError(f"{key} is {value!r}; known: {', '.join(rule['among'])}")


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
    """Which records, and what of them.

    Attributes:
        batch_size: samples of all devices together.
        fold: such as "3/5", or "" for the manifest's own split.
        crop: side of the coarse crop in pixels around the head; 0: whole slices.
        threads: that read records.
        flip: whether half of the samples are mirrored, left to right.
        resident: whether records are kept on the devices: "yes", "no", or "auto": where they fit.
    """

    SECTION: ClassVar[str] = "data"
    batch_size: int = number(8, low=1, high=2**20)
    fold: str = ""
    crop: int = number(0, low=0, high=2**16)
    threads: int = number(2, low=1, high=1024)
    flip: bool = False
    resident: str = choice(AUTO, among=(AUTO, YES, NO))


@dataclasses.dataclass(frozen=True)
class StartOptions(Options):
    """What the network that predicts begins with, see :mod:`qsr_jax.training.start`.

    Attributes:
        model: name of a shipped model, a model file or a workdir; "": fresh weights.
        checkpoint: of a workdir, "latest" or "best".
        hold: pull back to the weights it began with, see
            :func:`qsr_jax.training.optimizers.held`; 0: none.
    """

    SECTION: ClassVar[str] = "start"
    model: str = ""
    checkpoint: str = choice("latest", among=("latest", "best"))
    hold: float = number(0.0, low=0.0, high=1e6)


@dataclasses.dataclass(frozen=True)
class ObjectiveOptions(Options):
    """Who learns and what each minimises.

    Attributes:
        name: a key of :data:`qsr_jax.objectives.OBJECTIVES`.
        sigma_max: strongest noise of "denoising", in network scale; others have none.
        sigma_min: weakest noise of "denoising"; strengths are then drawn by their logarithm.
        relativistic: whether the discriminator of "srgan" compares; others have none.
    """

    SECTION: ClassVar[str] = "objective"
    name: str = "srgan"
    sigma_max: float | None = None
    sigma_min: float | None = None
    relativistic: bool = False


@dataclasses.dataclass(frozen=True)
class DiscriminatorOptions(Options):
    """The discriminator of "srgan".

    Attributes:
        features: widths of its convolutions; every second one halves the image.
    """

    SECTION: ClassVar[str] = "discriminator"
    features: tuple[int, ...] = (64, 64, 128, 128, 256, 256, 512, 512)

    def __post_init__(self) -> None:
        """Refuses widths that are none."""
        widths = self.features if isinstance(self.features, tuple) else ()
        fit = [isinstance(width, int) and 1 <= width <= 4096 for width in widths]
        if not fit or not all(fit):
            raise OptionError(
                f"discriminator.features is {self.features!r}; expected numbers from 1 to 4096"
            )


@dataclasses.dataclass(frozen=True)
class VggOptions(Options):
    """The frozen network of the content loss.

    Attributes:
        weights: "file", or "random" for trying things out; reports say so.
        path: of a file made by ``data_tools.convert_vgg19``.
        sha256: of that file.
        layer: whose features are compared.
        cached: whether the features of the routine slices are kept too; whole slices only.
    """

    SECTION: ClassVar[str] = "vgg"
    weights: str = choice("file", among=("file", "random"))
    path: str = ""
    sha256: str = ""
    layer: str = "pool4"
    cached: bool = False


@dataclasses.dataclass(frozen=True)
class OptimizerOptions(Options):
    """Adam and how its rate falls.

    Attributes:
        learning_rate: at the first step.
        schedule: "staircase": times ``decay_factor`` every ``decay_every`` steps (paper); "cosine":
            to 0 at the last step.
        decay_every: steps; of "staircase" alone.
        decay_factor: of "staircase" alone.

    Raises:
        OptionError: also a decay that the schedule needs and lacks, or has and does not read.
    """

    SECTION: ClassVar[str] = "optimizer"
    learning_rate: float = number(1e-3, low=1e-12, high=1.0)
    schedule: str = choice("staircase", among=("staircase", "cosine"))
    decay_every: int | None = number(None, low=1)
    decay_factor: float | None = number(None, low=1e-6, high=1.0)

    def __post_init__(self) -> None:
        """Checks the values, and that exactly those are given which are read."""
        super().__post_init__()
        needed = self.schedule == "staircase"
        for key in ("decay_every", "decay_factor"):
            if (getattr(self, key) is not None) != needed:
                why = "needs" if needed else "does not use"
                raise OptionError(f"optimizer.schedule {self.schedule!r} {why} optimizer.{key}")


@dataclasses.dataclass(frozen=True)
class AverageOptions(Options):
    """Attributes: decay: of the served network's running average, e.g. 0.999; 0: none."""

    SECTION: ClassVar[str] = "average"
    decay: float = number(0.0, low=0.0, high=0.999999)


@dataclasses.dataclass(frozen=True)
class ScheduleOptions(Options):
    """How long, and in which stages.

    Attributes:
        epochs: give epochs or steps, the other 0.
        steps: updates in all.
        warmup_steps: first steps on the losses of pixels alone; of "srgan".
        frozen_norm_steps: last steps with batch norm as in prediction.
    """

    SECTION: ClassVar[str] = "schedule"
    epochs: float = number(200.0, low=0.0, high=1e6)
    steps: int = number(0, low=0, high=2**31 - 1)
    warmup_steps: int = number(0, low=0, high=2**31 - 1)
    frozen_norm_steps: int = number(0, low=0, high=2**31 - 1)


@dataclasses.dataclass(frozen=True)
class CadenceOptions(Options):
    """After how many steps to log, validate and save, and how many checkpoints to keep."""

    SECTION: ClassVar[str] = "cadence"
    log_every: int = number(50, low=1)
    validate_every: int = number(1000, low=1)
    save_every: int = number(1000, low=1)
    keep: int = number(2, low=1, high=10_000)


@dataclasses.dataclass(frozen=True)
class BestOptions(Options):
    """Attributes: bias_percent: validation bias within this: then PSNR decides."""

    SECTION: ClassVar[str] = "best"
    bias_percent: float = number(2.0, low=0.0, high=100.0)


@dataclasses.dataclass(frozen=True)
class AlarmOptions(Options):
    """When a run speaks.

    Attributes:
        certain: a verdict of the discriminator that teaches nothing.
        window: logged steps in a row.
        drift_percent: growth of the validation bias.
    """

    SECTION: ClassVar[str] = "alarms"
    certain: float = number(0.99, low=0.5, high=1.0)
    window: int = number(10, low=1)
    drift_percent: float = number(3.0, low=0.0)


@dataclasses.dataclass(frozen=True)
class PrecisionOptions(Options):
    """Attributes: compute: of convolutions in training; matmul: of float32 products in training."""

    SECTION: ClassVar[str] = "precision"
    compute: str = choice("float32", among=PRECISIONS)
    matmul: str = choice("default", among=MATMULS)


@dataclasses.dataclass(frozen=True)
class MemoryOptions(Options):
    """What is computed again to save memory.

    Attributes:
        accumulate: parts in which a device takes its share of a batch.
        remat: blocks computed again, not kept: of the "model", of "vgg", of "both", or "none".
    """

    SECTION: ClassVar[str] = "memory"
    accumulate: int = number(1, low=1, high=2**20)
    remat: str = choice(NONE, among=(NONE, "model", "vgg", "both"))


@dataclasses.dataclass(frozen=True)
class DevicesOptions(Options):
    """Attributes: batch_norm: whose batch statistics a device normalises by: of "all", its own."""

    SECTION: ClassVar[str] = "devices"
    batch_norm: str = choice("all", among=BATCH_NORMS)


@dataclasses.dataclass(frozen=True)
class CompileOptions(Options):
    """Attributes: cache_dir: of compiled programs: a folder, "none", or "auto": docs/speed.md."""

    SECTION: ClassVar[str] = "compile"
    cache_dir: str = AUTO
