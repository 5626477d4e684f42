"""Model cards: what a person must know of a model file, in markdown beside it.

After Mitchell 2019 (Model cards for model reporting, doi:10.1145/3287560.3287596). What the file
says itself is written by us; what only measurements and people know is taken from a text they give,
and where they gave none the card says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.checkpoint import ModelFile, read_model_file
from qsr_jax.data.studies.learned import LEARNED, lineage
from qsr_jax.files.digest import file_sha256
from qsr_jax.formats.numbers import joined
from qsr_jax.maps import spec_of

SUMMARY = ""
"""Key of the text before the first heading; its first line is what a list of models shows."""
MODEL, RETRAIN, DIGESTS = "Model", "Retrain", "Digests"
GIVEN = ("Data", "Numbers", "Limits", "Licence")
"""Sections that a person writes."""
SECTIONS = (MODEL, *GIVEN, RETRAIN, DIGESTS)
"""Of every card, in this order."""
NOT_STATED = "(not stated)"


def sections_of(text: str) -> dict[str, str]:
    r"""A card's text by the heading it stands under; the title is left out.

    >>> sections_of("# default\n\nThree maps.\n\n## Limits\n\nOne protocol.\n")
    {'': 'Three maps.', 'Limits': 'One protocol.'}
    """
    head, *parts = f"\n{text}".split("\n## ")
    lines = [line for line in head.strip().splitlines() if not line.startswith("# ")]
    found = {SUMMARY: "\n".join(lines).strip()}
    for part in parts:
        heading, _, rest = part.partition("\n")
        found[heading.strip()] = rest.strip()
    return found


def card_text(path: Path, *, given: Mapping[str, str], weights_sha256: str, retrain: str) -> str:
    """The card of a model file.

    Args:
        path: of the model file.
        given: what a person wrote: :data:`SUMMARY` and :data:`GIVEN`, by heading.
        weights_sha256: as predictions made with the model say it.
        retrain: the command that trains it again, or nothing.

    Raises:
        CheckpointError, DamageError: see :func:`qsr_jax.checkpoint.read_model_file`.
    """
    held = read_model_file(path)
    rows = {
        "sha256 of the file": f"`{file_sha256(path)}`",
        "sha256 of the weights, as every output names it": f"`{weights_sha256}`",
        "size": f"{path.stat().st_size:,} bytes",
    }
    made = {
        MODEL: _table(_facts(held)),
        **{name: given.get(name) or NOT_STATED for name in GIVEN},
        RETRAIN: f"```sh\n{retrain}\n```" if retrain else NOT_STATED,
        DIGESTS: _table(rows),
    }
    parts = [f"# {path.stem}", given.get(SUMMARY) or NOT_STATED]
    return "\n\n".join([*parts, *(f"## {name}\n\n{made[name]}" for name in SECTIONS)]) + "\n"


def what_is_missing(text: str, model: Path) -> list[str]:
    """What a card lacks: sections, what nobody stated, the digest of its file."""
    found = sections_of(text)
    wanted = {SUMMARY: "the line below its title", **{name: name for name in SECTIONS}}
    lacks = [told for key, told in wanted.items() if found.get(key, NOT_STATED) == NOT_STATED]
    if file_sha256(model) not in found.get(DIGESTS, ""):
        lacks.append("the sha256 of its file")
    return lacks


def grid_of(document: Mapping[str, Any]) -> str:
    """The scans that a model takes and makes, in words."""
    rows, columns = document["lr_shape"]
    scale = document["scale"]
    depth, height, width = (f"{size:.4g}" for size in document["lr_spacing_mm"])
    return (
        f"{rows} x {columns} to {scale * rows} x {scale * columns}, slices {depth} mm apart, "
        f"coarse pixels of {height} x {width} mm"
    )


def _facts(held: ModelFile) -> dict[str, str]:
    """What the file says of itself."""
    document = held.document
    fields = {name: value for name, value in document["model"].items() if name != "name"}
    weights = [array.size for name, array in held.network.items() if name.startswith("params/")]
    task = document["task"]
    facts = {
        "maps": joined([_range(name) for name in document["maps"]]),
        "grid": f"{grid_of(document)}; alignment {document['grid_alignment']}",
        "target": task["target"],
        "neighbouring slices seen": str(task["context"]),
        "network": f"{document['model']['name']}, {sum(weights):,} parameters",
        "its fields": _listed(fields),
        "trained": f"{held.step} steps, objective {document['objective']}",
        "beside the weights": _listed(held.extras) or "nothing",
        "data set": f"`{document.get('data_fingerprint', NOT_STATED)}`",
        "learned from": _learned(document),
        "written by": _software(document.get("environment", {})),
    }
    notes = {f"note {i}": note for i, note in enumerate(document.get("notes", []), 1)}
    return facts | notes


def _range(name: str) -> str:
    spec = spec_of(name)
    return f"{spec.label} 0 to {spec.network_max:g} {spec.unit}"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}" if isinstance(value, Mapping) else f"{name} {value}"
        for name, value in sorted(values.items())
    )


def _learned(document: Mapping[str, Any]) -> str:
    """How many people a model knows; their hashes stand in the file."""
    if LEARNED not in document:
        return NOT_STATED
    own, *before = (str(len(learned["subjects"])) for learned in lineage(document))
    slices = document.get("train_slices", NOT_STATED)
    told = f"{own} people, validation included, {slices} training slices"
    return f"{told}; in the models it began from: {joined(before)}" if before else told


def _software(environment: Mapping[str, Any]) -> str:
    versions = {"qsr_jax": environment.get("qsr_jax", NOT_STATED)}
    return _listed(versions | dict(environment.get("packages", {})))


def _table(rows: Mapping[str, str]) -> str:
    lines: Sequence[str] = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| what | value |", "|---|---|", *lines])
