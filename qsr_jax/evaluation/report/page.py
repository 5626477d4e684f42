"""The report: a folder with one self-contained page and every number of it as csv and json."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qsr_jax.data.studies.manifest import FAST, HEALTHY, PATIENT, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.measure import (
    calibration,
    lesion_contrast,
    noise_and_resolution,
    synthetic_contrast,
)
from qsr_jax.evaluation.measure.example_slices import Shown
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED, TRUTH
from qsr_jax.files.staged import check_ours, replaced_folder
from qsr_jax.evaluation.report import figures
from qsr_jax.evaluation.report import opening as wording
from qsr_jax.evaluation.report.gallery import all_pictures, all_plots
from qsr_jax.evaluation.report.saving import (
    FORMAT,
    TABLES_CSV,
    TABLES_JSON,
    TABLES_TEX,
    VALUES,
    save_tables,
    save_values,
)
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.folds_and_seeds import FoldSeed
from qsr_jax.evaluation.tables.rows import Tables
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.physics.synthetic_contrast import SEQUENCES
from qsr_jax.predictors.baselines import CALIBRATED

PAGE = "index.html"
FILES = (PAGE, VALUES, TABLES_CSV, TABLES_JSON, TABLES_TEX)


MAIN = (FAST, BICUBIC, CALIBRATED, TRAINED, REPEAT, ROUTINE, TRUTH)
"""Methods of the detailed tables; the other interpolations are in the first table and the csv."""


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
    trainings: Sequence[Training]
    versions: Mapping[str, str]
    hardware: str
    date: str


def check_target(out: Path) -> None:
    """Refuses a folder that is not a report of ours; call it before the long work.

    Raises:
        ValueError: see :func:`qsr_jax.files.staged.check_ours`.
    """
    check_ours(out, document=TABLES_JSON, form=FORMAT)


def write_report(
    out: Path,
    *,
    cohort: Cohort,
    shown: Shown,
    about: About,
    folds: Mapping[str, FoldSeed] | None = None,
) -> Tables:
    """Computes the tables, saves all numbers, then draws; ``out`` appears or changes as a whole.

    Args:
        out: folder to make, or an older report to replace.
        cohort: the values of all subjects.
        shown: slices to show.
        about: what the header says.
        folds: run to its fold and seed; None where there is one training.

    Returns:
        The tables.

    Raises:
        ValueError: ``out`` holds something else, or the values are degenerate.
        WriteError: the disk refused; an older report is still in place.
    """
    check_target(out)
    tables = compute_tables(cohort, folds)
    opening = wording.opening(tables, cohort)
    with replaced_folder(out) as folder:
        save_values(folder / VALUES, cohort.values)
        save_tables(folder, tables, opening, about, files=FILES)
        page = _render(cohort, shown, tables, opening, about)
        (folder / PAGE).write_text(page, encoding="utf-8")
    return tables


def _number(value: float | None, digits: int, signed: bool = False) -> Markup:
    """A number for people that carries its full value for machines."""
    if value is None:
        return Markup("–")
    text = wording.number(value, digits, signed=signed)
    return Markup('<data value="{}">{}</data>').format(repr(value), text)


def _p(p: float) -> Markup:
    return Markup('<data value="{}">{}</data>').format(repr(p), wording.p_value(p))


def _said(cohort: Cohort, kind: str) -> str:
    """How the voxels of a kind of label were chosen; each way once."""
    ways = dict.fromkeys(v.convention for v in cohort.values if v.kind == kind)
    return "; ".join(ways)


def _notes(about: About) -> list[str]:
    """What a reader must know of the models, each said once with the maps it holds for."""
    maps: dict[str, list[str]] = {}
    for training in about.trainings:
        for model in training.models:
            for note in model.notes:
                maps.setdefault(note, []).append(spec_of(model.map).label)
    return [f"{', '.join(dict.fromkeys(labels))}: {note}" for note, labels in maps.items()]


def _render(
    cohort: Cohort,
    shown: Shown,
    tables: Tables,
    opening: Sequence[str],
    about: About,
) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"num": _number, "p": _p}
    groups = list(cohort.group.values())
    return environment.get_template("report.html").render(
        plural=wording.plural,
        about=about,
        cohort=cohort,
        tables=tables,
        opening=opening,
        pictures=list(all_pictures(shown, cohort.maps)),
        plots=all_plots(tables),
        published=published,
        reading=lesion_contrast,
        detail=noise_and_resolution,
        detail_methods=[
            m for m in noise_and_resolution.SHOWN if any(m in r.by_method for r in tables.detail)
        ],
        min_voxels=calibration.MIN_VOXELS,
        labels_said=_said(cohort, "tissue"),
        lesions_said=_said(cohort, "lesion"),
        specs={name: spec_of(name) for name in MAPS},
        contrasts={name: SEQUENCES[name] for name in synthetic_contrast.SHOWN},
        digits=wording.DIGITS,
        called=wording.name_of,
        main=MAIN,
        notes=_notes(about),
        n_healthy=groups.count(HEALTHY),
        n_patients=groups.count(PATIENT),
        few=wording.NO_TEST,
        weighted_window=figures.WEIGHTED_WINDOW,
    )
