"""Measures everything that waits for a GPU, one row after the other, each kept as it is measured.

A rerun with the same --out goes on: rows that are there are skipped, failed ones are measured
again. Ends with 0 when every row is there, 1 when one failed, 75 when the time was up first.
Needs no network. docs/gpu_day.md says what each row means.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qsr_jax.cli import program

if TYPE_CHECKING:
    from launch.gpu_day.book import Book
    from launch.gpu_day.day import Day
    from launch.gpu_day.rows import Row

MINUTES = 8.0
FAILED, NOT_DONE = 1, 75
"""Exit statuses; the second is that of a training that can go on."""
DRY_PATIENCE = 10.0
"""Times longer than on a GPU that a row may take where it is only tried, among other work."""

TRIED = "Tried with --dry: tiny sizes. No number and no goal below says anything of a GPU.\n\n"


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``bash launch/gpu_day.sh --help``."""
    arguments = _parser().parse_args(argv)
    if arguments.wheels:
        from launch.gpu_day.environment import wheels  # on a bare machine nothing else imports

        print(wheels())
        return
    if arguments.make_golden:
        from launch.gpu_day.parity import make_golden

        print(make_golden())
        return
    try:
        status = run(arguments)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    if status:
        raise SystemExit(status)


def run(arguments: argparse.Namespace) -> int:
    """Measures what is missing; returns the exit status.

    Raises:
        ValueError: no such row, no time, or rows of another machine or of other code.
    """
    from launch.gpu_day.book import MARKDOWN, Book
    from launch.gpu_day.day import Day, sizes
    from launch.gpu_day.rows import table

    if arguments.minutes <= 0:
        raise ValueError(f"--minutes is {arguments.minutes:g}; expected more than 0")
    arguments.out.mkdir(parents=True, exist_ok=True)
    book, out = Book(arguments.out), arguments.out.absolute()
    patience = DRY_PATIENCE if arguments.dry else 1.0
    ends = time.monotonic() + 60.0 * arguments.minutes * patience
    data_dir = arguments.data_dir and arguments.data_dir.absolute()
    day = Day(out, book, data_dir, arguments.dry, ends)
    rows = _chosen(table(), arguments.rows, book)
    with sizes(arguments.dry, out):
        failed, left = _walk(rows, day)
    text = (TRIED if arguments.dry else "") + book.table([row.entry for row in table()])
    (out / MARKDOWN).write_text(text, "utf-8")
    print(f"\n{text}\n{book.path}, {out / MARKDOWN}")
    if left:
        print(f"the time was up before {', '.join(left)}: the same command goes on")
    return FAILED if failed else NOT_DONE if left else 0


def _walk(rows: Sequence["Row"], day: "Day") -> tuple[list[str], list[str]]:
    """Measures the rows; names of those that failed, and of those that had no time."""
    failed, left, start = [], [], time.monotonic()
    for number, row in enumerate(rows, start=1):
        name, book = row.entry.name, day.book
        head = f"[{number:2d}/{len(rows)}] {(time.monotonic() - start) / 60:4.1f} min  {name}"
        if book.has(name) and name != "environment":
            print(f"{head}: there", flush=True)
            continue
        if day.ends - time.monotonic() < row.least:
            left.append(name)
            continue
        print(f"{head}: …", flush=True)
        error = _measured(row, day)
        if error is not None:
            failed.append(name)
        measured, _, reached = row.entry.cells(book.rows[name])
        print(
            f"{'':8s}{measured}" + (f"  (goal reached: {reached})" if reached else ""), flush=True
        )
    return failed, left


def _measured(row: "Row", day: "Day") -> str | None:
    """Writes a row, or the sentence of why not, which is returned.

    Raises:
        ValueError: of the first row: what lies there is of another machine or of other code.
    """
    from launch.gpu_day.book import ERROR
    from launch.gpu_day.day import within

    name, before = row.entry.name, day.book.rows.get(row.entry.name)
    seconds = min(row.seconds * (DRY_PATIENCE if day.dry else 1.0), day.ends - time.monotonic())
    day.row_ends = time.monotonic() + seconds
    day.book.begin(name)
    try:
        with within(seconds + 5.0):  # a row that keeps its own time ends before
            values = row.measure(day)
    except Exception as error:  # whatever it is, the other rows go on
        sentence = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0][:300]}"
        day.book.write(name, {ERROR: sentence})
        return sentence
    if name == "environment" and before is not None:
        _check_same(before, values, day.out)
    day.book.write(name, values)
    return None


def _check_same(before: dict, now: dict, out: Path) -> None:
    for key in ("device", "jax", "code_sha256"):
        if before.get(key) != now[key]:
            raise ValueError(
                f"{out} holds rows of another {key}: {before.get(key)}, here it is {now[key]}; "
                "name another --out"
            )


def _chosen(rows: Sequence["Row"], names: str, book: "Book") -> list["Row"]:
    """The rows asked for; those in which an earlier run ended come last."""
    known = [row.entry.name for row in rows]
    wanted = names.split(",") if names else known
    for name in wanted:
        if name not in known:
            raise ValueError(f"--rows names {name!r}; the rows are {', '.join(known)}")
    chosen = [row for row in rows if row.entry.name in {"environment", *wanted}]
    return sorted(chosen, key=lambda row: row.entry.name in book.begun)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.gpu_day"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("gpu_day"), help="folder of results (default gpu_day)")
    add("--minutes", type=float, default=MINUTES, help="for all of it (default 8)")
    add("--data_dir", type=Path, help="records to train on; else six subjects are simulated")
    add("--rows", default="", metavar="NAME,…", help="only these; the environment always")
    add("--dry", action="store_true", help="all of it, tiny: tries the script, measures nothing")
    add("--wheels", action="store_true", help="which packages it needs, which are missing, and how "
        "to carry them; nothing is measured")  # fmt: skip
    add("--make-golden", action="store_true", help="write what a CPU computes, to compare with")
    return parser
