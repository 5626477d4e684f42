"""The cells of a study, read from a file like configs/study/cells.py."""

import dataclasses
import fnmatch
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.config.page import PAGES, ConfigError

CELLS = PAGES / "study" / "cells.py"
"""The study of this house."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """What is trained, and what that is measured on.

    Attributes:
        name: of its files.
        group: the question, a key of the file's ``GROUPS``.
        says: what it changes, for the table.
        page: a page beside the file, without its ending.
        overrides: key of the page to its value.
        maps: the networks that are trained, each for these maps.
        trained_on: name of the records.
        measured_on: names of manifests; the criterion reads the first.
        seeds: how many trainings, from seed 0 on.
        minutes: of one seed's training on two quiet cores, an estimate.
    """

    name: str
    group: str
    says: str
    page: str
    overrides: Mapping[str, Any]
    maps: tuple[str, ...]
    trained_on: str
    measured_on: tuple[str, ...]
    seeds: int
    minutes: float


@dataclasses.dataclass(frozen=True)
class Run:
    """One seed of a cell."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and its json."""
        return f"{self.cell.name}.seed-{self.seed}"

    def fits(self, pattern: str) -> bool:
        """Whether a pattern fits the name, or that of the cell."""
        return any(fnmatch.fnmatchcase(n, pattern) for n in (self.name, self.cell.name))


@dataclasses.dataclass(frozen=True)
class Study:
    """All cells.

    Attributes:
        folder: of the pages.
        groups: key to title, in the order of the page.
        beside: group to the cells of other groups that its table begins with.
        cells: in the order in which they run.
    """

    folder: Path
    groups: Mapping[str, str]
    beside: Mapping[str, Sequence[str]]
    cells: tuple[Cell, ...]

    def page(self, cell: Cell) -> Path:
        """The file of a cell's page."""
        return self.folder / f"{cell.page}.py"

    def runs(self, *patterns: str) -> list[Run]:
        """Every seed of the cells that any of the patterns fits, in the order of the list.

        Args:
            *patterns: such as ``mae-*`` or ``base.seed-1``; none for everything.

        Raises:
            ConfigError: one of them fits none.
        """
        every = [Run(cell, seed) for cell in self.cells for seed in range(cell.seeds)]
        fits = {pattern: {run.name for run in every if run.fits(pattern)} for pattern in patterns}
        for pattern, names in fits.items():
            if not names:
                raise ConfigError(f"--cells {pattern}: no such cell; see them all with --list")
        wanted = set().union(*fits.values())
        return [run for run in every if run.name in wanted or not patterns]


def load_study(path: Path = CELLS) -> Study:
    """Reads the cells of a study.

    Raises:
        ConfigError: the file is missing or cannot be run, or a cell has a name twice, an unknown
            group, or other keys than :class:`Cell`.
    """
    try:
        content = runpy.run_path(str(path))
        groups, rows = content["GROUPS"], content["CELLS"]
        cells = tuple(Cell(**row) for row in rows)
    except Exception as error:  # a file of cells is anybody's program
        raise ConfigError(
            f"{path}: {type(error).__name__}: {error}; expected GROUPS and CELLS as in "
            "configs/study/cells.py"
        ) from error
    names = [cell.name for cell in cells]
    for cell in cells:
        if cell.group not in groups or names.count(cell.name) > 1 or cell.seeds < 1:
            raise ConfigError(
                f"{path}: cell {cell.name!r}; expected a name of its own, one of the groups "
                f"{', '.join(groups)}, and one seed or more"
            )
    return Study(path.parent, groups, content.get("BESIDE", {}), cells)
