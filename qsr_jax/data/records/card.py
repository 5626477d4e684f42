"""The dataset card: how many, what values, how good the pairs are; for subjects and programs."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax.data.studies.manifest import GROUPS, SPLITS, VERDICTS, Manifest
from qsr_jax.maps import MapSpec, spec_of

BINS = 20
"""Of a value histogram, from 0 to what becomes +1 in network scale; more is counted in the last."""
CARD = "card.json"
SUMMARISED = ("median_ratio", "image_shift_px", "t1_above_t2")


def tally_of(map_name: str, records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of one subject, JSON: "slices", and tissue pixels per bin of "lr" and "hr"."""
    spec = spec_of(map_name)
    width = round(spec.network_max / spec.slope / BINS)
    slices, counted = 0, {side: np.zeros(BINS, np.int64) for side in ("lr", "hr")}
    for record in records:
        slices += 1
        step = record["hr"].shape[0] // record["lr"].shape[0]
        for side, mask in (("hr", record["mask"]), ("lr", record["mask"][::step, ::step])):
            bins = record[side][mask > 0] // width
            counts = np.bincount(bins, minlength=BINS)
            counts[BINS - 1] = counts[BINS - 1 :].sum()
            counted[side] += counts[:BINS]
    return {"slices": slices} | {side: counts.tolist() for side, counts in counted.items()}


class Counts:
    """Slices and values of a whole dataset.

    Attributes:
        spec: of the map.
        slices: split to number of slices.
        histograms: "lr" and "hr" to counts of tissue pixels per bin.
    """

    def __init__(self, map_name: str) -> None:
        self.spec: MapSpec = spec_of(map_name)
        self.slices: Counter[str] = Counter()
        self.histograms = {side: np.zeros(BINS, np.int64) for side in ("lr", "hr")}

    def add(self, split: str, tally: Mapping[str, Any]) -> None:
        """Adds one subject's counts, from :func:`tally_of`."""
        self.slices[split] += tally["slices"]
        for side, counts in self.histograms.items():
            counts += np.array(tally[side])

    def add_card(self, folder: Path) -> None:
        """Adds everything that an earlier dataset's card counted.

        Raises:
            ValueError: the card cannot be read.
        """
        try:
            card = json.loads((folder / CARD).read_text())
            for split, slices in card["slices"].items():
                self.slices[split] += slices
            for side, counts in self.histograms.items():
                counts += np.array(card["histogram"][side])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{folder / CARD}: cannot be read ({type(error).__name__}); build anew"
            ) from None


def write_card(
    folder: Path, manifest: Manifest, counts: Counts, metadata: Mapping[str, Any]
) -> None:
    """Writes ``card.json`` and ``README.md`` into the dataset folder."""
    content = card_of(manifest, counts, metadata)
    (folder / CARD).write_text(json.dumps(content, indent=1) + "\n")
    (folder / "README.md").write_text(_page(content))


def card_of(manifest: Manifest, counts: Counts, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The card's content; medians and extremes of the pairs' numbers, counts of all else."""
    pairs = [subject.maps[counts.spec.name] for subject in manifest.subjects]
    numbers = {key: [pair.qc[key] for pair in pairs] for key in SUMMARISED}
    return {
        "map": counts.spec.name,
        "unit": counts.spec.unit,
        "metadata": dict(metadata),
        "subjects": {
            split: {group: manifest.count(split=split, group=group) for group in GROUPS}
            for split in SPLITS
        },
        "slices": {split: counts.slices[split] for split in SPLITS},
        "verdicts": {v: sum(pair.verdict == v for pair in pairs) for v in VERDICTS},
        "findings": dict(sorted(Counter(f["rule"] for p in pairs for f in p.findings).items())),
        "overruled": len(manifest.accepted),
        "refused": len(manifest.refused),
        "pairs": {
            key: {"least": min(v), "median": float(np.median(v)), "most": max(v)}
            for key, v in numbers.items()
        },
        "histogram": {
            "edges": np.linspace(0.0, counts.spec.network_max, BINS + 1).tolist(),
            **{side: bins.tolist() for side, bins in counts.histograms.items()},
        },
    }


def registration_notes(registration: Mapping[str, Any]) -> list[str]:
    """A sentence on how far heads had moved, where pairs were registered; else none.

    >>> moved = {"a": {"mm": [0.3, 0.0, 0.4], "deg": [0.0, 1.0, 0.0]}}
    >>> registration_notes({"method": "rigid", "subjects": moved})[0].split(";")[0]
    'Pairs registered (rigid): heads had moved by 0.50 mm and 1.00 degrees (median)'
    """
    found = registration["subjects"].values()
    if not found:
        return []
    mm, deg = (np.linalg.norm([one[unit] for one in found], axis=1) for unit in ("mm", "deg"))
    return [
        f"Pairs registered ({registration['method']}): heads had moved by {np.median(mm):.2f} mm "
        f"and {np.median(deg):.2f} degrees (median); at most {mm.max():.2f} mm and "
        f"{deg.max():.2f} degrees."
    ]


def _page(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    rows = [
        f"| {split} | {groups['healthy']} | {groups['patient']} | {card['slices'][split]} |"
        for split, groups in card["subjects"].items()
    ]
    quality = [
        f"| {key} | {v['least']:.4g} | {v['median']:.4g} | {v['most']:.4g} |"
        for key, v in card["pairs"].items()
    ]
    edges, percentages = card["histogram"]["edges"], {}
    for side in ("lr", "hr"):
        counts = np.array(card["histogram"][side], float)
        percentages[side] = 100 * counts / max(counts.sum(), 1)
    values = [
        f"| {low:g} to {high:g} | {lr:.1f} | {hr:.1f} |"
        for low, high, lr, hr in zip(edges, edges[1:], *percentages.values(), strict=False)
    ]
    moved = registration_notes(card["metadata"]["registration"])
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in card["verdicts"].items())
    findings = ", ".join(f"{rule} {count}" for rule, count in card["findings"].items()) or "none"
    return "\n".join([
        f"# {card['map']} in {card['unit']}: fast and routine pairs",
        "",
        "Made by `python -m data_tools.build_dataset`; subjects are salted hashes. The numbers of",
        "each pair stand in the manifest it was built from, "
        f"fingerprint `{card['metadata']['fingerprint'][:16]}`.",
        "",
        "| split | healthy subjects | patients | slices |", "|---|---|---|---|", *rows,
        "",
        f"Pairs: {verdicts}; rules not passed cleanly: {findings}; refusals overruled by a person: "
        f"{card['overruled']}; not used: {card['refused']}.",
        *moved,
        "",
        "| number of a pair | least | median | most |", "|---|---|---|---|", *quality,
        "",
        f"| {card['unit']} | % of tissue, fast | % of tissue, routine |", "|---|---|---|", *values,
        "",
    ])  # fmt: skip
