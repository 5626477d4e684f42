"""Measures trained models against routine scans and writes the report: the paper's tables and ours.

Bicubic interpolation is measured beside them. Give one --workdir per map; maps without a model are
left out of the report.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jax
from tqdm import tqdm

from qsr_jax import __version__
from qsr_jax.data.cases import load_case
from qsr_jax.data.manifest import SPLITS, Manifest, Person
from qsr_jax.evaluate.cohort import Cohort
from qsr_jax.evaluate.interpolate import interpolator
from qsr_jax.evaluate.measure import BICUBIC, TRAINED, Example, Value, example_slice, measure
from qsr_jax.evaluate.predict import NetworkPredictor, load_predictors, merge_maps
from qsr_jax.evaluate.report import About, Model, check_target, write_report
from qsr_jax.evaluate.rows import Tables, VerdictRow
from qsr_jax.evaluate.wording import number

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scipy")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.evaluate --help``."""
    parser = argparse.ArgumentParser(prog="python -m launch.evaluate", description=__doc__)
    parser.add_argument(
        "--manifest", type=Path, required=True, help="made by data_tools.pair_studies"
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        action="append",
        required=True,
        help="folder of a trained model; repeat it for several maps",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the report; an older report is replaced"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="test", help="whom to measure (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    try:
        tables = evaluate(
            arguments.manifest, arguments.workdir, arguments.out, split=arguments.split
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(summary(tables.verdict))
    print(f"report: {arguments.out / 'index.html'}")


def evaluate(manifest_path: Path, workdirs: Sequence[Path], out: Path, *, split: str) -> Tables:
    """Measures everybody of a split, one person in memory at a time, and writes the report.

    Raises:
        ValueError: nobody in the split, two models of one map, ``out`` holds something else, or
            what the manifest, the scans or the models have to complain about.
    """
    check_target(out)
    manifest = Manifest.load(manifest_path)
    people = manifest.people(split=split)
    if not people:
        raise ValueError(f"{manifest_path}: nobody in split {split!r}; choose another --split")
    models = load_predictors(workdirs)
    values, examples = measure_people(manifest, people, models, split=split)
    about = describe(manifest, people, models, split=split)
    return write_report(out, cohort=Cohort(values), examples=examples, about=about)


def measure_people(
    manifest: Manifest, people: Sequence[Person], models: Sequence[NetworkPredictor], *, split: str
) -> tuple[list[Value], list[Example]]:
    """Everybody's values, and a slice of the first person of each group."""
    trained = merge_maps(models, [model.map_name for model in models])
    bicubic = {
        alignment: interpolator(scale=manifest.scale, alignment=alignment, method="cubic")
        for alignment in {person.grid_alignment for person in people}
    }
    values, examples = [], {}
    for person in tqdm(people, desc="evaluate", unit="person", mininterval=1.0):
        case = load_case(manifest, person)
        predictions = {
            BICUBIC: bicubic[case.grid_alignment](case.fast),
            TRAINED: trained(case.fast),
        }
        values += measure(case, predictions, split=split)
        if case.group not in examples:
            examples[case.group] = example_slice(case, predictions)
    return values, list(examples.values())


def describe(
    manifest: Manifest, people: Sequence[Person], models: Sequence[NetworkPredictor], *, split: str
) -> About:
    """What the report's header says."""
    simulated = sum(person.truth is not None for person in people)
    kinds = {0: "scanned people", len(people): "simulated people"}
    everybody = {name: manifest.people(split=name) for name in SPLITS}
    return About(
        data=kinds.get(simulated, f"people, {simulated} of {len(people)} simulated"),
        fingerprint=manifest.fingerprint,
        split=split,
        persons={s: dict(Counter(p.group for p in group)) for s, group in everybody.items()},
        refused=len(manifest.refused),
        slices={s: sum(p.fast_shape[0] for p in group) for s, group in everybody.items()},
        models=[Model(m.map_name, m.description, m.weights_sha256, tuple(m.notes)) for m in models],
        versions={"qsr_jax": __version__}
        | {package: importlib.metadata.version(package) for package in PACKAGES},
        hardware=_hardware(),
        date=datetime.date.today().isoformat(),
    )


def _hardware() -> str:
    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    if jax.default_backend() == "cpu":
        return cores
    return f"{jax.device_count()} x {jax.devices()[0].device_kind}, {cores}"


def summary(rows: Sequence[VerdictRow]) -> str:
    """The outcome for a terminal, the paper's numbers in brackets."""
    head = ("map", "n", "PSNR brain (dB)", "", "gain", "bias (%)", "R²", "slope", "beats bicubic")
    lines = [head, ("", "", BICUBIC, TRAINED, "dB", *3 * ("trained [paper]",), "PSNR, bias")]
    for row in rows:
        pairs = [("–", "")] * 3
        if row.bias_percent:
            pairs = [
                (number(row.bias_percent[TRAINED], 2), number(row.paper.bias_percent, 2)),
                (number(row.r_squared[TRAINED], 3), number(row.paper.r_squared, 2)),
                (number(row.slope[TRAINED], 3), number(row.paper.slope, 3)),
            ]
        lines.append(
            (
                row.row,
                str(row.n),
                number(row.psnr[BICUBIC].mean, 2),
                number(row.psnr[TRAINED].mean, 2),
                number(row.gain_db, 2, signed=True),
                *(f"{ours} [{paper}]" if paper else ours for ours, paper in pairs),
                ", ".join(_yes(flag) for flag in (row.nearer_psnr, row.nearer_bias)),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _yes(flag: bool | None) -> str:
    return {True: "yes", False: "NO", None: "–"}[flag]


if __name__ == "__main__":
    main()
