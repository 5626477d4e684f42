"""Where the numbers of a report come from: subjects, models, software, machine."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence

import jax

from qsr_jax import __version__
from qsr_jax.data.studies.entry import one_session_each
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.evaluation.trainings import Run
from qsr_jax.maps import spec_of

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scipy")


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained network as the report names it."""

    map: str
    description: str
    weights_sha256: str
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Training:
    """One run as the report names it.

    Attributes:
        run: "1", "2", ...
        fold: "3/5" or a number; runs with the same subjects share it.
        seed: of the training, or None where the models differ in it.
        fingerprint: of the manifest.
        subjects: how many it was tested on.
        models: one per map.
    """

    run: str
    fold: str
    seed: int | None
    fingerprint: str
    subjects: int
    models: Sequence[Model]


@dataclasses.dataclass(frozen=True)
class About:
    """Where the numbers come from; the caller knows, the report prints.

    Attributes:
        data: what the scans are, in a few words, e.g. "simulated subjects".
        fingerprint: of the first manifest.
        split: the split that was evaluated.
        subjects: split to group to number of subjects, in the first manifest.
        slices: split to number of slices per map and scan, in the first manifest.
        refused: series and studies that were left out when pairing, for a reason.
        measured: number of subjects measured, each once.
        labels: where tissues, regions and lesions come from.
        movement: what was done where a head moved between its scans.
        trainings: one per run.
        versions: package to version.
        hardware: one line.
        date: of the evaluation, ISO.
    """

    data: str
    fingerprint: str
    split: str
    subjects: Mapping[str, Mapping[str, int]]
    slices: Mapping[str, int]
    refused: int
    measured: int
    labels: str
    movement: str
    trainings: Sequence[Training]
    versions: Mapping[str, str]
    hardware: str
    date: str

    def notes(self) -> list[str]:
        """What a reader must know of the models, each said once with the maps it holds for."""
        maps: dict[str, list[str]] = {}
        for model in (model for training in self.trainings for model in training.models):
            for note in model.notes:
                maps.setdefault(note, []).append(spec_of(model.map).label)
        return [f"{', '.join(dict.fromkeys(labels))}: {note}" for note, labels in maps.items()]


def describe(
    runs: Sequence[Run], *, subjects: set[str], split: str, labels: str, movement: str
) -> About:
    """What the report's header says.

    Args:
        runs: the trainings that were measured.
        subjects: pseudonyms of everybody measured.
        split: whom.
        labels: where tissues, regions and lesions come from, in words.
        movement: what was done where a head moved, in words.
    """
    first = runs[0].manifest
    measured = [subject for run in runs for subject in run.subjects]
    simulated = sum(subject.truth is not None for subject in measured)
    kinds = {0: "scanned subjects", len(measured): "simulated subjects"}
    everybody = {name: first.subjects_of(split=name) for name in SPLITS}
    further = len(everybody[split]) - len(one_session_each(everybody[split]))
    sessions = f", the first session of each ({further} further ones not measured)"
    return About(
        data=kinds.get(simulated, f"subjects, {simulated} of {len(measured)} simulated")
        + (sessions if further else ""),
        fingerprint=first.fingerprint,
        split=split,
        subjects={
            s: dict(Counter(p.group for p in one_session_each(group)))
            for s, group in everybody.items()
        },
        refused=len(first.refused),
        slices={s: sum(p.fast_shape[0] for p in group) for s, group in everybody.items()},
        measured=len(subjects),
        labels=labels,
        movement=movement,
        trainings=[_training(run) for run in runs],
        versions={"qsr_jax": __version__}
        | {package: importlib.metadata.version(package) for package in PACKAGES},
        hardware=_hardware(),
        date=datetime.date.today().isoformat(),
    )


def _training(run: Run) -> Training:
    models = [
        Model(name, m.description, m.weights_sha256, (*m.notes, *run.doubts))
        for m in run.models
        for name in m.names
    ]
    where, mark = run.where, run.manifest.fingerprint
    return Training(run.name, where.fold, where.seed, mark, len(run.subjects), models)


def _hardware() -> str:
    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    if jax.default_backend() == "cpu":
        return cores
    return f"{jax.device_count()} x {jax.devices()[0].device_kind}, {cores}"
