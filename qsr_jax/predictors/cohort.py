"""Everybody of a cohort through the same models: side by side, killed and resumed, shared out."""

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from qsr_jax import __version__
from qsr_jax.data.nifti.bids_derivative import (
    add_to_data_set,
    describe_data_set,
    folder_in_data_set,
)
from qsr_jax.data.studies.manifest import BIDS
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.journal import part_of
from qsr_jax.files.processes import in_processes
from qsr_jax.predictors.batched import FLOAT32
from qsr_jax.predictors.dicom_series import (
    NIFTI,
    PARAMETRIC_MAP,
    check_models,
    make_maps,
    write_series,
)
from qsr_jax.predictors.load import load_predictors
from qsr_jax.predictors.scans import Scan
from qsr_jax.predictors.trained import TrainedPredictor
from qsr_jax.types import Familiarity

RECORD = "predicted.json"


@dataclasses.dataclass(frozen=True)
class Models:
    """Models that every process loads for itself.

    Attributes:
        given: names, files or workdirs, see :func:`qsr_jax.predictors.load.load_predictor`.
        which: checkpoint of each workdir, "latest" or "best".
        ensemble: see :func:`qsr_jax.predictors.load.load_predictors`.
        precision: as there.
    """

    given: tuple[Path, ...]
    which: str
    ensemble: bool = False
    precision: str = FLOAT32

    def __call__(self) -> list[TrainedPredictor]:
        """Loads them."""
        return load_predictors(
            self.given, which=self.which, ensemble=self.ensemble, precision=self.precision
        )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a cohort.

    Attributes:
        written: names of the scans that were predicted now.
        kept: names of those that had been before.
        refused: "name: reason" of those that could not be.
        unfamiliar: "name: reason" of those written that are unlike what a model learned from.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    refused: tuple[str, ...]
    unfamiliar: tuple[str, ...] = ()


def predict_cohort(
    models: Callable[[], Sequence[TrainedPredictor]],
    scans: Sequence[Scan],
    output: Path,
    *,
    format: str,
    std: bool | None = None,
    refuse_unfamiliar: bool = False,
    workers: int = 1,
    shard: tuple[int, int] | None = None,
) -> Outcome:
    """Super-resolves many scans; each appears whole, and one that cannot be stops no other.

    DICOM gets a folder per scan, in it one per map; NIfTI becomes one BIDS derivative data set.
    The same call goes on where it was killed.

    Args:
        models: gives the models, in whatever process it is called; importable and hashable, as
            :class:`Models` is.
        scans: from :func:`qsr_jax.predictors.scans.scans_below` or ``scans_listed``.
        output: folder; made, or one that the same models began on the same tree.
        format: see :func:`qsr_jax.predictors.dicom_series.predict`.
        std: whether standard deviations are written too; None: where the models tell them.
        refuse_unfamiliar: see :func:`qsr_jax.predictors.dicom_series.predict`.
        workers: processes; each holds the models and a scan in memory.
        shard: (3, 10) does the third of ten parts.

    Raises:
        ValueError: a format that cannot be, workers below 1, two scans of one name, or an
            ``output`` that other models, or another tree, began.
        WriteError: the system refused a write.
    """
    here = _loaded(models)
    check_models(here, format)
    if format != NIFTI and any(scan.kind == BIDS for scan in scans):
        raise ValueError(f"format {format}: NIfTI scans have no DICOM header; expected {NIFTI}")
    twice = [place for place, n in Counter(_place(scan, format) for scan in scans).items() if n > 1]
    if twice:
        raise ValueError(f"{twice[0]}: two scans would be called so; pair them and give --manifest")
    mine = {
        "weights": [model.weights_sha256 for model in here],
        "precision": [model.precision for model in here],
        "tree": json_sha256(sorted({str(scan.root.resolve()) for scan in scans}))[:16],
        "format": format,
        "std": std,
        "version": __version__,
    }
    _begin(output, mine, data_set=format == NIFTI)
    part = part_of(scans, shard)
    todo = [scan for scan in part if not (output / _place(scan, format)).exists()]
    calls = [(models, scan, output, format, std, refuse_unfamiliar) for scan in todo]
    done = in_processes(_predict_one, calls, workers=workers)
    bar = {"desc": "cohort", "unit": "scan", "mininterval": 1.0, "total": len(part)}
    told = list(tqdm(done, initial=len(part) - len(todo), **bar))
    reasons = {name: reason for name, reason, _ in told}
    return Outcome(
        written=tuple(scan.name for scan in todo if not reasons[scan.name]),
        kept=tuple(scan.name for scan in part if scan.name not in reasons),
        refused=tuple(f"{scan.name}: {reasons[scan.name]}" for scan in todo if reasons[scan.name]),
        unfamiliar=tuple(f"{name}: {words}" for name, _, words in told if words),
    )


def _begin(output: Path, mine: Mapping[str, object], *, data_set: bool) -> None:
    """Makes the folder, or makes sure that it is what the same call began.

    Many machines begin at once: what one of them is just writing is nothing else.
    """
    try:
        known = json.loads((output / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = None
    part = f".{RECORD}."
    held = list(output.iterdir()) if output.exists() else []
    others = [path for path in held if not path.name.startswith(part)]
    if known not in (None, mine) or (known is None and others):
        what = "was predicted otherwise" if known else "holds something else"
        raise ValueError(f"{output}: {what}; choose a new --output")
    output.mkdir(parents=True, exist_ok=True)
    if known is None:
        write_text_atomically(output / RECORD, json.dumps(mine) + "\n")
    if data_set:
        describe_data_set(output, version=__version__)
        (output / ".bidsignore").write_text(f"{RECORD}\n")


def _place(scan: Scan, format: str) -> Path:
    return folder_in_data_set(scan.subject, scan.session) if format == NIFTI else Path(scan.name)


@functools.lru_cache(maxsize=1)
def _loaded(models: Callable[[], Sequence[TrainedPredictor]]) -> Sequence[TrainedPredictor]:
    """The models of this process."""
    return models()


def _predict_one(
    models: Callable[[], Sequence[TrainedPredictor]],
    scan: Scan,
    output: Path,
    format: str,
    std: bool | None,
    refuse_unfamiliar: bool,
) -> tuple[str, str, str]:
    """The name of a scan, why it was refused and what is unfamiliar; empty where nothing is."""
    try:
        made = make_maps(_loaded(models), scan, std=std, refuse_unfamiliar=refuse_unfamiliar)
        if format == NIFTI:
            maps = [one.derived for one in made]
            add_to_data_set(maps, output, subject=scan.subject, session=scan.session)
        else:
            place, parametric = output / scan.name, format == PARAMETRIC_MAP
            write_series(made, place, parametric=parametric, alone=False)
    except ValueError as error:
        return scan.name, str(error), ""
    worst = Familiarity.worst_of([one.prediction.familiarity for one in made])
    return scan.name, "", worst.words if worst is not None and worst.is_unfamiliar else ""
