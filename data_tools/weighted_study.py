"""Writes the table of trainings of weighted models into a page, from what the check found of each.

FOLDER holds weighted.json files of `qsr weighted-check`, one model in each, called NAME-SEED.json.
Seeds of one name are one line: mean, and lowest to highest. What stands below the marker of the
page is replaced. docs/weighted.md.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.cli import program
from qsr_jax.files.atomic import write_text_atomically

MARKER = "<!-- Below: qsr weighted-study; anything written here by hand is lost. -->"
GAINS = {"one": "one gain", "fitted": "gains fitted", "free": "gains free"}
SOURCES = ("simulated", "measured")

Numbers = Mapping[str, Any]
Pick = Callable[[Numbers], Sequence[float] | None]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    parser = argparse.ArgumentParser(
        prog=program("data_tools.weighted_study"), description=__doc__, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of NAME-SEED.json")
    parser.add_argument("--page", type=Path, required=True, metavar="FILE", help="with the marker")
    args = parser.parse_args(argv)
    try:
        above, marker, _ = args.page.read_text(encoding="utf-8").partition(MARKER)
        if not marker:
            raise ValueError(f"{args.page}: no line {MARKER!r}; the table is written below it")
        table = as_markdown(read_trainings(args.folder))
        write_text_atomically(args.page, f"{above}{MARKER}\n\n{table}\n")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"wrote {args.page}")


def read_trainings(folder: Path) -> dict[str, list[Numbers]]:
    """Name to the numbers of its seeds, by file name.

    Raises:
        ValueError: no file, or one that holds no numbers or those of several models, or of another
            split than the others.
    """
    found: dict[str, list[Numbers]] = {}
    asked = set()
    for path in sorted(folder.glob("*-*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        models = [value for value in content.values() if isinstance(value, Mapping)]
        if len(models) != 1 or "accuracy" not in models[0]:
            raise ValueError(
                f"{path}: expected the accuracy of one model, as weighted-check writes"
            )
        asked.add((content["split"], content["per_subject"]))
        found.setdefault(path.stem.rpartition("-")[0], []).append(models[0])
    if len(asked) != 1:
        raise ValueError(f"{folder}: NAME-SEED.json of {len(asked)} kinds of slices; expected one")
    return found


def as_markdown(trainings: Mapping[str, Sequence[Numbers]]) -> str:
    """Two tables: errors by source and gains, and those of the times of another study."""
    kinds = [(source, gains) for source in SOURCES for gains in GAINS]
    errors = {
        f"{source}, {GAINS[gains]}": lambda n, s=source, g=gains: _at(n, "accuracy", s, g, "mpe")
        for source, gains in kinds
    }
    ratios = {GAINS[g]: lambda n, g=g: _at(n, "shuffled", g, "ratio") for g in GAINS}
    looked = {k: [n for n in seeds if "shuffled" in n] for k, seeds in trainings.items()}
    return "\n\n".join([
        "Mean percentage error of grey and white matter, T1 / T2 / PD:",
        _table(trainings, errors),
        "Error with the times of another study over error with its own:",
        _table(looked, ratios),
    ])  # fmt: skip


def _at(numbers: Any, *keys: str) -> Sequence[float] | None:
    for key in keys:
        numbers = numbers.get(key, {})
    return numbers or None


def _table(trainings: Mapping[str, Sequence[Numbers]], columns: Mapping[str, Pick]) -> str:
    lines = [f"| training | seeds | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for name, seeds in trainings.items():
        cells = [_three([pick(numbers) for numbers in seeds]) for pick in columns.values()]
        if seeds:
            lines.append(f"| {name} | {len(seeds)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _three(seeds: Sequence[Sequence[float] | None]) -> str:
    """T1 / T2 / PD, each the mean of the seeds and, of several, their ends."""
    known = [values for values in seeds if values is not None]
    if not known:
        return "–"
    return " / ".join(_one(values) for values in np.transpose(known))


def _one(values: np.ndarray) -> str:
    mean = f"{values.mean():.1f}"
    return mean if len(values) == 1 else f"{mean} ({values.min():.1f}–{values.max():.1f})"


if __name__ == "__main__":
    main()
