"""The numbers of a report as files: every value, every table, and the tables for LaTeX."""

import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.evaluation.measure.subject import Value
from qsr_jax.evaluation.report.latex_document import latex_document
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.tables.rows import Tables

FORMAT = "qsr_jax-report"
VALUES, TABLES_CSV, TABLES_JSON, TABLES_TEX = (
    "values.csv",
    "tables.csv",
    "tables.json",
    "tables.tex",
)


def save_values(path: Path, values: Sequence[Value]) -> None:
    """Writes one row per value."""
    names = [field.name for field in dataclasses.fields(Value)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(value) for value in values)


def save_tables(
    folder: Path, tables: Tables, opening: Sequence[str], about: Any, *, files: Sequence[str]
) -> None:
    """Writes ``tables.json``, ``tables.csv`` and ``tables.tex``.

    Args:
        folder: where.
        tables: all rows.
        opening: the first paragraph, sentence by sentence.
        about: a dataclass that says where the numbers come from.
        files: names of all files of the report; by them a later report knows this one.
    """
    plain = dataclasses.asdict(tables) | {"paper_lesions": list(_paper_lesions())}
    document = {
        "format": FORMAT,
        "version": 3,
        "files": list(files),
        "about": dataclasses.asdict(about),
        "opening": list(opening),
        "tables": plain,
    }
    (folder / TABLES_TEX).write_text(latex_document(tables), encoding="utf-8")
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / TABLES_JSON).write_text(text + "\n", encoding="utf-8")
    with (folder / TABLES_CSV).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "row", "quantity", "value"])
        for table, rows in plain.items():
            for row in rows:
                for quantity, value in leaves(row):
                    writer.writerow([table, row["row"], quantity, value])


def _paper_lesions() -> Iterator[dict[str, Any]]:
    """The paper's Table 3, which has no place in a row of ours."""
    for number, lesion in enumerate(published.TABLE_3, 1):
        yield {"row": f"paper {number} {lesion.kind}", **dataclasses.asdict(lesion)}


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """("regression.slope_interval.low", value) of everything in a nested row but its name."""
    for key, value in node.items():
        if isinstance(value, list | tuple):
            yield from leaves({str(i): part for i, part in enumerate(value)}, f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif value is not None and (prefix or key != "row"):
            yield f"{prefix}{key}", value
