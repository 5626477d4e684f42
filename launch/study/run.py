"""One seed of a cell, from records to its json: trained, or gone on with; measured; kept."""

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from launch.config.build import experiment_of
from launch.config.page import flatten, load_config
from launch.study.cells import Run, Study
from launch.study.measure import cohort_of
from launch.study.numbers import numbers_of
from launch.study.results import FORMAT, read_result, rounded
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import file_sha256, json_sha256
from qsr_jax.predictors.load import load_predictor
from qsr_jax.provenance import software_version
from qsr_jax.training.experiment import JOINED, Experiment
from qsr_jax.training.metric_log import read_metrics
from qsr_jax.training.run import train
from qsr_jax.training.sections import kinds_of
from qsr_jax.training.workdir import RUN_JSON

OF_THE_MACHINE = ("vgg.path", "compile.cache_dir", "data.threads", "data.resident")
"""Settings that change no number."""

DRY: dict[str, Any] = {
    "schedule.steps": 2, "schedule.warmup_steps": 1, "schedule.frozen_norm_steps": 1,
    "data.batch_size": 4, "data.crop": 8, "task.margin": 4, "model.features": 6,
    "model.blocks": 1, "discriminator.features": "(4,4)", "vgg.weights": "random",
    "vgg.layer": "conv1_1",
}  # fmt: skip
"""Everything once, to see that it works; a key that a cell's page has not, or has as 0, stays."""


class AbsentError(ValueError):
    """Material that a cell needs was not given."""


class StoppedError(Exception):
    """Somebody asked the training to stop; the same command goes on."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a study lies.

    Attributes:
        data: NAME/ holds records, NAME.json is a manifest.
        work: receives a folder per run.
        results: receives a json per run.
        split: whom to measure.
        vgg: weights of VGG-19, or None.
        dry: whether everything is done once, tiny.
    """

    data: Path
    work: Path
    results: Path
    split: str
    vgg: Path | None
    dry: bool

    def result(self, run: Run) -> Path:
        """The json of a run."""
        return self.results / f"{run.name}.json"


def experiments_of(study: Study, run: Run, place: Place) -> dict[str, Experiment]:
    """Maps to the experiment that trains their network.

    Raises:
        ConfigError: the page or an override.
        OptionError: a value that cannot be.
    """
    return {maps: _experiment(study, run, maps, place) for maps in run.cell.maps}


def _experiment(study: Study, run: Run, maps: str, place: Place) -> Experiment:
    """The page of a cell with its overrides, and with what this place decides."""
    page = study.page(run.cell)
    keys: dict[str, Any] = flatten(load_config(page))
    changed = {**run.cell.overrides, "map": maps, "seed": run.seed}
    # A page of all maps trains one of them, too; its list of logarithmic maps is theirs.
    changed["task.log_maps"] = tuple(n for n in keys["task.log_maps"] if n in maps.split(JOINED))
    if "vgg.path" in keys and place.vgg is not None:
        changed |= {"vgg.path": place.vgg.resolve(), "vgg.sha256": file_sha256(place.vgg)}
    if place.dry:
        changed |= {key: value for key, value in DRY.items() if {**keys, **changed}.get(key)}
    words = [f"--config.{key}={value}" for key, value in changed.items()]
    return experiment_of(load_config(page, words))


def lacking(run: Run, experiments: Mapping[str, Experiment], place: Place) -> str:
    """What a run needs and has not, in words; "" for nothing."""
    if not (place.data / run.cell.trained_on).is_dir():
        return f"no records {run.cell.trained_on}"
    for one in experiments.values():
        wants = "features" in kinds_of(one) and one.vgg is not None and one.vgg.weights == "file"
        if wants and place.vgg is None:
            return "no weights of VGG-19: give --vgg"
    return ""


def missing_manifests(run: Run, place: Place) -> list[str]:
    """Names of manifests that the run is measured on and that are not there."""
    return [name for name in run.cell.measured_on if not (place.data / f"{name}.json").is_file()]


def to_measure(run: Run, kept: Mapping[str, Any] | None, place: Place) -> list[str]:
    """Names of manifests that are there and on which the run has no numbers yet."""
    absent, done = missing_manifests(run, place), (kept or {}).get("measured", {})
    return [name for name in run.cell.measured_on if name not in absent and name not in done]


def read_kept(
    run: Run, experiments: Mapping[str, Experiment], place: Place
) -> dict[str, Any] | None:
    """The json of a run, or None where there is none yet.

    Raises:
        ValueError: it is no result of a study, or of other settings.
    """
    path = place.result(run)
    if not path.is_file():
        return None
    kept = read_result(path)
    if kept["settings_sha256"] != _settings(experiments):
        raise ValueError(
            f"{path}: made with other settings of cell {run.cell.name}; move it and the folder "
            f"{place.work / run.name} away to train it anew"
        )
    return kept


def perform(study: Study, run: Run, place: Place) -> Path:
    """Trains what is not trained, measures what is not measured, and writes the json.

    Raises:
        AbsentError: records or weights are not there.
        StoppedError: a signal ended the training, which is saved.
        ValueError: what pages, records, manifests and networks have to complain about.
    """
    experiments = experiments_of(study, run, place)
    kept, path = read_kept(run, experiments, place), place.result(run)
    names = to_measure(run, kept, place)
    if kept and not names:
        return path
    if why := lacking(run, experiments, place):
        raise AbsentError(why)
    workdirs = [*_trained(run, experiments, place)]
    content = kept or _about(run, experiments, workdirs, place)
    for name in names:
        begun = time.process_time()
        manifest = place.data / f"{name}.json"
        cohort = cohort_of(manifest, workdirs, split=place.split, cache=place.work / "scans")
        content["measured"][name] = {
            "fingerprint": Manifest.load(manifest).fingerprint,
            "subjects": dict(sorted(Counter(cohort.group.values()).items())),
            "processor_seconds": round(time.process_time() - begun, 1),
            "maps": rounded(numbers_of(cohort)),
        }
        place.results.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(content, indent=1) + "\n")
    return path


def _trained(run: Run, experiments: Mapping[str, Experiment], place: Place) -> Iterator[Path]:
    """The workdirs of a run's networks, in the order of their maps."""
    for maps, experiment in experiments.items():
        workdir = place.work / run.name / maps
        jax.clear_caches()  # the programs of the cell before
        done = train(experiment, data_dir=place.data / run.cell.trained_on, workdir=workdir)
        if not done.is_finished:
            raise StoppedError(f"{run.name}: stopped by {done.stopped_by} after step {done.step}")
        yield workdir


def _settings(experiments: Mapping[str, Experiment]) -> str:
    leaves = {maps: dict(one.leaves()) for maps, one in experiments.items()}
    for one in leaves.values():
        for key in OF_THE_MACHINE:
            one.pop(key, None)
    return json_sha256(leaves)


def _about(
    run: Run, experiments: Mapping[str, Experiment], workdirs: list[Path], place: Place
) -> dict[str, Any]:
    """Everything of a result but its numbers."""
    cell = run.cell
    runs = [json.loads((w / RUN_JSON).read_text(encoding="utf-8")) for w in workdirs]
    flags = " --vgg FILE" if place.vgg else ""
    return {
        "format": FORMAT,
        "cell": cell.name,
        "seed": run.seed,
        "group": cell.group,
        "says": cell.says,
        "page": cell.page,
        "overrides": dict(cell.overrides),
        "target": next(iter(experiments.values())).task.target,
        "maps": list(cell.maps),
        "settings_sha256": _settings(experiments),
        "trained_on": cell.trained_on,
        "data_fingerprint": runs[0]["data_fingerprint"],
        "command": f"qsr study --data DIR --work DIR{flags} --cells {run.name}",
        "dry": place.dry,
        "software": software_version(),
        "versions": runs[0]["environment"]["packages"],
        "steps": sum(one["total_steps"] for one in runs),
        "seconds": round(sum(map(_seconds, workdirs, runs)), 1),
        "parameters": sum(map(_parameters, workdirs)),
        "measured": {},
    }


def _seconds(workdir: Path, run: Mapping[str, Any]) -> float:
    """Of training, from the log: what was done again after a kill counts once."""
    seconds, before = 0.0, 0.0
    for line in read_metrics(workdir, "train"):
        samples = (line["step"] - before) * run["batch_size"]
        seconds, before = seconds + samples / line["images_per_second"], line["step"]
    return seconds


def _parameters(workdir: Path) -> int:
    leaves = jax.tree.leaves(load_predictor(workdir).variables["params"])
    return sum(leaf.size for leaf in leaves)
