"""The numbers of a report as files: every value, every table, and the tables for LaTeX."""

import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import Tables
from qsr_jax.evaluation.report.about import About
from qsr_jax.evaluation.sections.common import Section
from qsr_jax.evaluation.values import Value
from qsr_jax.formats.latex import to_latex

FORMAT = "qsr_jax-report"
VERSION = 4
VALUES, TABLES_CSV, TABLES_JSON, TABLES_TEX = (
    "values.csv",
    "tables.csv",
    "tables.json",
    "tables.tex",
)
TEX_HEAD = "% Tables of a qsr_jax report; they need \\usepackage{booktabs}.\n"


def save_values(path: Path, values: Sequence[Value]) -> None:
    """Writes one row per value."""
    names = [field.name for field in dataclasses.fields(Value)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(value) for value in values)


def save_latex(path: Path, cohort: Cohort, sections: Sequence[Section]) -> None:
    """Writes every table that the page shows, one after the other, to be included in a document."""
    shown = [s for s in sections if s.has_rows(cohort)]
    texts = [to_latex(table) for section in shown for table in section.shown(cohort)]
    path.write_text(TEX_HEAD + "\n".join(texts), encoding="utf-8")


def save_tables(
    folder: Path, tables: Tables, opening: Sequence[str], about: About, *, files: Sequence[str]
) -> None:
    """Writes ``tables.json`` and ``tables.csv``.

    Args:
        folder: where.
        tables: all rows.
        opening: the first paragraph, sentence by sentence.
        about: where the numbers come from.
        files: names of all files of the report; by them a later report knows this one.
    """
    plain = {name: [dataclasses.asdict(row) for row in rows] for name, rows in tables.items()}
    document = {
        "format": FORMAT,
        "version": VERSION,
        "files": list(files),
        "about": dataclasses.asdict(about),
        "opening": list(opening),
        "tables": plain,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / TABLES_JSON).write_text(text + "\n", encoding="utf-8")
    with (folder / TABLES_CSV).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "row", "quantity", "value"])
        for table, rows in plain.items():
            for row in rows:
                for quantity, value in leaves(row):
                    writer.writerow([table, row["row"], quantity, value])


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("regression.slope_interval.low", value) of everything in a nested row but its name."""
    for key, value in node.items():
        if isinstance(value, list | tuple):
            yield from leaves({str(i): part for i, part in enumerate(value)}, f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif value is not None and (prefix or key != "row"):
            yield f"{prefix}{key}", value
