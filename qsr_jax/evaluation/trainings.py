"""The trainings an evaluation compares, and the proof that none saw the subjects it is tested on.

See :mod:`qsr_jax.evaluation.unseen`.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from qsr_jax.checkpoint import BEST, LATEST, load_document, sealed_steps
from qsr_jax.data.studies.entry import one_session_each
from qsr_jax.data.studies.manifest import ROUTINE, Manifest, Subject
from qsr_jax.evaluation.cohort import FoldSeed
from qsr_jax.evaluation.unseen import (
    LeakageError,
    check_unseen,
    whom_it_saw,
    whom_its_models_saw,
)
from qsr_jax.maps import MAPS
from qsr_jax.predictors import TrainedPredictor, load_predictors, merge_maps
from qsr_jax.pretrained import find_model
from qsr_jax.types import Predictor

TRAIN = "train"


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: a model per map, and the subjects it is tested on.

    Attributes:
        name: "1", "2", ... in the order given.
        path: of the manifest.
        manifest: who belongs to which split, in the fold of the run.
        subjects: whom to measure, one session of each.
        models: that together make every map once.
        doubts: what could not be checked about the subjects being new to the models.
        where: fold and seed, told from the checkpoints.
    """

    name: str
    path: Path
    manifest: Manifest
    subjects: tuple[Subject, ...]
    models: tuple[TrainedPredictor, ...]
    where: FoldSeed
    doubts: tuple[str, ...] = ()

    @property
    def trained(self) -> Predictor:
        """All models as one."""
        return merge_maps(self.models)


def checked_runs(runs: Sequence[Sequence[Path | str]]) -> list[list[Path]]:
    """The trainings of a notebook as lists of paths.

    Raises:
        ValueError: none, or a path where a list of them is expected.
    """
    wanted = 'expected such as [("manifest.json", "t1", "t2")] or [("FOLDER",)]'
    if isinstance(runs, str | Path):
        raise ValueError(f"runs: {str(runs)!r} is one path, not trainings; {wanted}")
    runs = list(runs)
    if not runs:
        raise ValueError(f"runs: none given; {wanted}")
    for run in runs:
        if isinstance(run, str | Path) or not list(run):
            raise ValueError(f"runs: {run!r} is no training; {wanted}")
    return [[Path(part) for part in run] for run in runs]


def paths_of(given: Sequence[Path], *, which: str = LATEST) -> tuple[Path, list[Path]]:
    """A manifest and its workdirs from what ``--run`` was given.

    Args:
        given: a folder that holds manifest.json and workdirs (every folder with a checkpoint, and
            those called t1, t2, pd); or a manifest and one workdir per map.
        which: checkpoint of each model, "latest" or "best".

    Raises:
        ValueError: the folder holds no workdir, or two that make the same map; or a manifest
            stands alone.
        CheckpointError: a workdir holds no checkpoint of this kind.
    """
    first, *workdirs = given
    if workdirs:
        return first, workdirs
    if not first.is_dir():
        raise ValueError(
            f"--run {first}: expected a folder with manifest.json and workdirs, or a manifest "
            "followed by the workdirs trained on it"
        )
    workdirs = [first / name for name in MAPS if (first / name).is_dir()]
    others = [path for path in sorted(first.iterdir()) if path not in workdirs and _trained(path)]
    workdirs += others
    if not workdirs:
        raise ValueError(f"--run {first}: no folder with a checkpoint in it; train a model there")
    if others:
        _check_maps_once(first, workdirs, which)
    return first / "manifest.json", workdirs


def _trained(workdir: Path) -> bool:
    return any(sealed_steps(workdir / kind) for kind in (LATEST, BEST))


def _check_maps_once(folder: Path, workdirs: Sequence[Path], which: str) -> None:
    """Raises ValueError where two workdirs make one map: nobody said which is meant."""
    maker: dict[str, Path] = {}
    for workdir in workdirs:
        for name in load_document(workdir, which=which)[1]["maps"]:
            other = maker.setdefault(name, workdir)
            if other != workdir:
                raise ValueError(
                    f"--run {folder}: {other.name} and {workdir.name} both make {name}; give the "
                    "manifest and the workdirs that are meant"
                )


def load_runs(
    given: Sequence[tuple[Path, Sequence[Path]]],
    *,
    split: str,
    trained_on: Path | None,
    which: str,
) -> list[Run]:
    """Loads every run and refuses those whose subjects may be known to their models.

    Args:
        given: manifest and models of each run: workdirs, model files, names of shipped models.
        split: whom to measure.
        trained_on: the manifest that all models were trained with, if not that of their run and
            if they do not say themselves whom they learned from.
        which: checkpoint of each workdir, "latest" or "best".

    Raises:
        LeakageError: see the module.
        ValueError: nobody in the split, other maps in another run, or what manifests and models
            have to complain about.
    """
    if split == TRAIN and len(given) > 1:
        raise LeakageError("several runs are compared on subjects they did not see, not on 'train'")
    source = None if trained_on is None else Manifest.load(trained_on)
    labels: dict[str, str] = {}
    runs = []
    for index, (path, workdirs) in enumerate(given, 1):
        manifest = Manifest.load(path)
        models = tuple(load_predictors(workdirs, which=which))
        documents = [load_document(find_model(one), which=which)[1] for one in workdirs]
        fold, manifest = in_its_fold(manifest, documents)
        subjects = tuple(manifest.subjects_of(split=split))
        if not subjects:
            raise ValueError(f"{path}: nobody in split {split!r}; choose another --split")
        doubts: dict[str, None] = {}
        for workdir, document in zip(workdirs, documents, strict=True):
            said = (manifest, path) if source is None else (source, trained_on)
            saw = whom_it_saw(workdir, document, *said, same=source is None)
            for learned in (saw, *whom_its_models_saw(document)):
                doubts |= dict.fromkeys(check_unseen(workdir, learned, path, manifest, subjects))
        label = labels.setdefault(manifest.fingerprint, fold or str(len(labels) + 1))
        where = FoldSeed(label, _seed(documents))
        measured = one_session_each(subjects)
        runs.append(Run(str(index), path, manifest, measured, models, where, tuple(doubts)))
    _check_together(runs)
    return runs


def doubts_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """What could not be checked about the subjects of any run, each once."""
    return tuple(dict.fromkeys(doubt for run in runs for doubt in run.doubts))


def in_its_fold(manifest: Manifest, documents: Sequence[dict]) -> tuple[str, Manifest]:
    """The fold that the models were trained in, told by their fingerprint, and its manifest.

    Returns:
        "k/n" and the manifest split as that fold says; "" and the manifest itself where no fold
        is that of all models.
    """
    found = {document["data_fingerprint"] for document in documents}
    count = max((len(subject.folds) for subject in manifest.subjects), default=0)
    for number in range(1, count + 1):
        fold = f"{number}/{count}"
        split = manifest.in_fold(fold)
        if found == {split.fingerprint}:
            return fold, split
    return "", manifest


def identity(subject: Subject) -> tuple[str, ...]:
    """What makes a subject the same in two manifests: the values of their scans."""
    return tuple(pair.values[ROUTINE] for pair in subject.maps.values())


def _seed(documents: Sequence[dict]) -> int | None:
    """The seed that all models of a run were trained from, or None."""
    seeds = {document["config"]["seed"] for document in documents}
    return seeds.pop() if len(seeds) == 1 else None


def _check_together(runs: Sequence[Run]) -> None:
    """Refuses runs of other maps or scales, and the same run twice."""
    first, *others = ([name for model in run.models for name in model.names] for run in runs)
    for run, names in zip(runs[1:], others, strict=True):
        if names != first or run.manifest.scale != runs[0].manifest.scale:
            raise ValueError(
                f"{run.path}: models of {', '.join(names)}; the first run has {', '.join(first)}. "
                "Runs are compared map by map: give every run the same"
            )
    weights = Counter(tuple(model.weights_sha256 for model in run.models) for run in runs)
    for run in runs:
        if weights[tuple(model.weights_sha256 for model in run.models)] > 1:
            raise ValueError(f"{run.path}: the models of run {run.name} are given twice")
