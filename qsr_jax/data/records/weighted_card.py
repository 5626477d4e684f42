"""The card of a dataset of weighted studies: who, how many, which times."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.acquisition import ACQUISITION
from qsr_jax.data.records.card import CARD
from qsr_jax.data.studies.manifest import SPLITS

SOURCES = ("simulated", "measured")


def weighted_tally(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of one subject's records, JSON."""
    records = list(records)
    studies = {int(one["draw"]): one["acquisition_ms"].tolist() for one in records}
    lesions = sum(bool(one["lesion"].any()) for one in records)
    return {"slices": len(records), "with_lesions": lesions, "studies": list(studies.values())}


def write_weighted_card(
    folder: Path, told: Sequence[tuple[str, str, Mapping[str, Any]]], about: Mapping[str, Any]
) -> None:
    """Writes ``card.json`` and ``README.md`` into the dataset folder.

    Args:
        folder: of the dataset.
        told: split, source and tally (:func:`weighted_tally`) of every subject.
        about: metadata of the dataset.
    """
    rows = [
        {
            "split": split,
            "source": source,
            "subjects": len(mine),
            "studies": sum(len(one["studies"]) for one in mine),
            "slices": sum(one["slices"] for one in mine),
            "with_lesions": sum(one["with_lesions"] for one in mine),
        }
        for split in SPLITS
        for source in SOURCES
        if (mine := [one for s, kind, one in told if (s, kind) == (split, source)])
    ]
    times = np.array([times for _, _, one in told for times in one["studies"]])
    ranges = {
        name: [float(column.min()), float(column.max())]
        for name, column in zip(ACQUISITION, times.T, strict=True)
    }
    card = {"map": about["map"], "metadata": dict(about), "rows": rows, "ranges_ms": ranges}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n")
    (folder / "README.md").write_text(_page(rows, ranges, about))


def _page(
    rows: Sequence[Mapping[str, Any]],
    ranges: Mapping[str, Sequence[float]],
    about: Mapping[str, Any],
) -> str:
    """The card as Markdown."""
    keys = ("split", "source", "subjects", "studies", "slices", "with_lesions")
    return "\n".join([
        "# T1w, T2w and FLAIR with the maps behind them",
        "",
        "Made by `python -m data_tools.synthesise_weighted`; subjects are named by their content,",
        f"fingerprint `{about['fingerprint'][:16]}`.",
        "",
        f"| {' | '.join(keys)} |", "|---" * len(keys) + "|",
        *(f"| {' | '.join(str(row[key]) for key in keys)} |" for row in rows),
        "",
        "| time | least, ms | most, ms |", "|---|---|---|",
        *(f"| {name} | {low:.1f} | {high:.1f} |" for name, (low, high) in ranges.items()),
        "",
    ])  # fmt: skip
