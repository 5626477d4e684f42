"""The agreement of a table's methods as a folder: json, csv, LaTeX and plots."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from qsr_jax.evaluation.agreement_report import figures
from qsr_jax.evaluation.agreement_report.blocks import Block
from qsr_jax.evaluation.agreement_report.tables import latex_tables, safe, save_csv
from qsr_jax.evaluation.agreement_report.terminal import Agreement
from qsr_jax.files.staged import check_ours, replaced_folder
from qsr_jax.statistics import Comparison

FORMAT = "qsr_jax-agreement"
DOCUMENT = "agreement.json"


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A plot to be made: its file name without ending, and what draws it given its kind."""

    name: str
    draw: Callable[..., bytes]


Watch = Callable[..., Iterable[Drawing]]
"""``watch(drawings, desc=..., unit=...)`` hands on what is to be drawn, as ``tqdm`` does."""


def check_target(out: Path) -> None:
    """Refuses a folder that holds anything but an older agreement (ValueError)."""
    check_ours(out, document=DOCUMENT, form=FORMAT)


def write_agreement(
    out: Path,
    blocks: Sequence[Block],
    found: Agreement,
    *,
    about: Mapping[str, object],
    plots: str,
    watch: Watch = lambda drawings, **_: drawings,
) -> None:
    """Saves all numbers, then draws; ``out`` appears or changes as a whole.

    Args:
        out: folder to make, or an older agreement to replace.
        blocks: what was compared.
        found: the comparisons of all blocks, in their order.
        about: what else ``agreement.json`` should say, JSON values.
        plots: "svg" or "png".
        watch: hands on what is to be drawn and may show how far it is, as tqdm does.

    Raises:
        ValueError: ``out`` holds something else, or two plots would have one name.
        WriteError: the disk refused; an older folder is still in place.
    """
    check_target(out)
    rows = [
        dataclasses.asdict(comparison)
        | {"adjusted": {name: dataclasses.asdict(p) for name, p in corrected.items()}}
        for comparison, corrected in zip(found.comparisons, found.adjusted, strict=True)
    ]
    with replaced_folder(out) as folder:
        save_csv(folder / "agreement.csv", rows)
        text = latex_tables(found.comparisons, found.adjusted)
        (folder / "agreement.tex").write_text(text, encoding="utf-8")
        for drawing in watch(_drawings(blocks, found.comparisons), desc="plots", unit="plot"):
            (folder / f"{drawing.name}.{plots}").write_bytes(drawing.draw(kind=plots))
        document = {
            "format": FORMAT,
            "version": 1,
            "about": dict(about),
            "plan": dataclasses.asdict(found.plan),
            "files": sorted(path.name for path in folder.iterdir()),
            "comparisons": rows,
        }
        saved = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / DOCUMENT).write_text(saved + "\n", encoding="utf-8")


def _drawings(blocks: Sequence[Block], comparisons: Sequence[Comparison]) -> list[Drawing]:
    """A forest per map; two kinds of panels per map and method.

    Raises:
        ValueError: two plots would have one file name.
    """
    values = [(x, y) for block in blocks for x, y in zip(block.test, block.reference, strict=True)]
    drawn = [(c, *pair) for c, pair in zip(comparisons, values, strict=True)]
    drawings = []
    for name in dict.fromkeys(c.endpoint.map for c in comparisons):
        mine = [one for one in drawn if one[0].endpoint.map == name]
        rows = [one[0] for one in mine]
        drawings.append(Drawing(f"forest_{safe(name)}", partial(figures.forest, rows)))
        for method in dict.fromkeys(c.endpoint.test for c in rows):
            panels = [one for one in mine if one[0].endpoint.test == method]
            for kind, draw in (
                ("bland_altman", figures.bland_altman_plots),
                ("regression", figures.regression_plots),
            ):
                title = f"{kind}_{safe(name)}_{safe(method)}"
                drawings.append(Drawing(title, partial(draw, panels)))
    titles = [drawing.name for drawing in drawings]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise ValueError(
            f"two plots would be called {twice[0]}: names of maps or methods differ only in "
            "special characters; rename one"
        )
    return drawings
