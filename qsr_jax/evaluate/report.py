"""The report: a folder with one self-contained page and every number of it as csv and json."""

import base64
import contextlib
import csv
import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from qsr_jax.data.manifest import FAST, HEALTHY, PATIENT, ROUTINE
from qsr_jax.data.staging import staged_folder
from qsr_jax.evaluate import figures, published, wording
from qsr_jax.evaluate.cohort import Cohort
from qsr_jax.evaluate.measure import BICUBIC, TRAINED, Example, Value
from qsr_jax.evaluate.rows import Tables
from qsr_jax.evaluate.tables import POOLED, compute_tables
from qsr_jax.maps import MAPS, spec_of

FORMAT = "qsr_jax-report"
FILES = ("index.html", "values.csv", "tables.csv", "tables.json")


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained network as the report names it."""

    map: str
    description: str
    weights_sha256: str
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class About:
    """Where the numbers come from; the caller knows, the report prints.

    Attributes:
        data: what the scans are, in a few words, e.g. "simulated people".
        fingerprint: of the manifest.
        split: the split that was evaluated.
        persons: split to group to number of persons.
        slices: split to number of slices per map and scan.
        refused: series and studies that were left out when pairing, for a reason.
        models: one per map.
        versions: package to version.
        hardware: one line.
        date: of the evaluation, ISO.
    """

    data: str
    fingerprint: str
    split: str
    persons: Mapping[str, Mapping[str, int]]
    slices: Mapping[str, int]
    refused: int
    models: Sequence[Model]
    versions: Mapping[str, str]
    hardware: str
    date: str


def check_target(out: Path) -> None:
    """Refuses a folder that is not ours to replace; call it before the long work.

    Raises:
        ValueError: ``out`` is a file or a link, or holds anything but a report.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ValueError(f"{out}: expected a folder or nothing there; choose another path")
    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if held and not (set(held) <= set(FILES) and _is_report(out)):
        raise ValueError(
            f"{out}: holds {', '.join(held[:3])}{' ...' if len(held) > 3 else ''}, which is not "
            "only a report; it is left alone. Choose another path or empty the folder"
        )


def _is_report(folder: Path) -> bool:
    try:
        return json.loads((folder / "tables.json").read_text())["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_report(out: Path, *, cohort: Cohort, examples: Sequence[Example], about: About) -> Tables:
    """Computes the tables, saves all numbers, then draws; ``out`` appears or changes as a whole.

    Args:
        out: folder to make, or an older report to replace.
        cohort: the values of all persons.
        examples: slices to show.
        about: what the header says.

    Returns:
        The tables.

    Raises:
        ValueError: ``out`` holds something else, or the values are degenerate.
        WriteError: the disk refused; an older report is still in place.
    """
    check_target(out)
    tables = compute_tables(cohort)
    opening = wording.opening(tables, cohort)
    fresh = out.with_name(f".{out.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    with staged_folder(fresh) as folder:
        _save_values(folder / "values.csv", cohort.values)
        _save_tables(folder, tables, opening, about)
        page = _render(cohort, examples, tables, opening, about)
        (folder / "index.html").write_text(page, encoding="utf-8")
    _replace(fresh, out)
    return tables


def _replace(fresh: Path, out: Path) -> None:
    """Puts ``fresh`` in the place of ``out``; if that fails, ``out`` is as it was."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _save_values(path: Path, values: Sequence[Value]) -> None:
    names = [field.name for field in dataclasses.fields(Value)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(value) for value in values)


def _save_tables(folder: Path, tables: Tables, opening: Sequence[str], about: About) -> None:
    plain = dataclasses.asdict(tables)
    document = {
        "format": FORMAT,
        "version": 1,
        "about": dataclasses.asdict(about),
        "opening": list(opening),
        "tables": plain,
        "paper_lesions": [dataclasses.asdict(lesion) for lesion in published.TABLE_3],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "tables.json").write_text(text + "\n", encoding="utf-8")
    with (folder / "tables.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "row", "quantity", "value"])
        for table, rows in plain.items():
            for row in rows:
                for quantity, value in _leaves(row):
                    writer.writerow([table, row["row"], quantity, value])


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("regression.slope_interval.low", value) of everything in a nested row but its name."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif value is not None and (prefix or key != "row"):
            yield f"{prefix}{key}", value


def _number(value: float | None, digits: int, signed: bool = False) -> Markup:
    """A number for people that carries its full value for machines."""
    if value is None:
        return Markup("–")
    text = wording.number(value, digits, signed=signed)
    return Markup('<data value="{}">{}</data>').format(repr(value), text)


def _p(p: float) -> Markup:
    return Markup('<data value="{}">{}</data>').format(repr(p), wording.p_value(p))


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _render(
    cohort: Cohort,
    examples: Sequence[Example],
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
        pictures=[
            (example, name, _data_uri(figures.pictures(example, name), "image/png"))
            for example in examples
            for name in cohort.maps
        ],
        agreement_figures=list(_agreement_figures(cohort, tables)),
        psnr_figure=_data_uri(figures.psnr_plot(cohort), "image/svg+xml"),
        published=published,
        specs={name: spec_of(name) for name in MAPS},
        digits=wording.DIGITS,
        labels=figures.LABELS,
        n_healthy=groups.count(HEALTHY),
        n_patients=groups.count(PATIENT),
        few=wording.NO_TEST,
        windows=figures.WINDOWS,
        error_windows=figures.ERROR_WINDOWS,
    )


def _agreement_figures(cohort: Cohort, tables: Tables) -> Iterator[tuple[str, str, str]]:
    """(test, reference, data URI) of every comparison that has its statistics."""
    for test, reference in ((TRAINED, ROUTINE), (TRAINED, FAST), (BICUBIC, ROUTINE)):
        rows = [
            row
            for row in tables.agreement
            if (row.test, row.reference, row.tissue) == (test, reference, POOLED) and row.percent
        ]
        if rows:
            plot = figures.agreement_plots(cohort, rows)
            yield test, reference, _data_uri(plot, "image/svg+xml")
