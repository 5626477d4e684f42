"""Which map each slice of a series belongs to, by the table of protocols."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from qsr_jax.data.dicom.frames import MAPPING, Frame
from qsr_jax.data.dicom.scaling import scale_of
from qsr_jax.data.dicom.series_rules import (
    BLOCKS,
    IMAGE_TYPE,
    ORDERED,
    QUANTITY,
    TURNS,
    NotAMapError,
    SeriesRule,
    recognise,
)
from qsr_jax.data.dicom.stack import SAME_PLACE_MM


def split(
    frames: Sequence[Frame], protocols: Sequence[SeriesRule]
) -> tuple[SeriesRule, Mapping[str, list[Frame]]]:
    """The row that recognises a series, and the slices of each map in it (key of MAPS).

    Raises:
        DicomInputError: no map, several layouts in one series, several maps where the row has no
            bundles, a slice that does not say its map, or maps with different numbers of slices.
    """
    row = _row_of(frames, protocols)
    names = _by_order(frames, row) if row.by in ORDERED else [_name(f, row) for f in frames]
    maps: dict[str, list[Frame]] = {}
    for frame, name in zip(frames, names, strict=True):
        maps.setdefault(name, []).append(frame)
    if len(maps) > 1 and not row.bundle:
        stranger = next(f for f, n in zip(frames, names, strict=True) if n != names[0])
        why = f"another map than {frames[0].label}; expected one map"
        stranger.refuse(IMAGE_TYPE, why)
    counts = {name: len(slices) for name, slices in maps.items()}
    if len(set(counts.values())) > 1:
        fewest = min(counts, key=counts.__getitem__)
        told = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
        maps[fewest][0].refuse(IMAGE_TYPE, f"the bundle holds {told}; slices missing?")
    return row, maps


def _row_of(frames: Sequence[Frame], protocols: Sequence[SeriesRule]) -> SeriesRule:
    """The one row for all slices."""
    known: dict[tuple[str, ...], SeriesRule] = {}
    for frame in frames:
        image_type = frame.image_type
        if image_type not in known:
            try:
                known[image_type] = recognise(image_type, protocols=protocols)[1]
            except NotAMapError as error:
                frame.refuse(IMAGE_TYPE, str(error))
            if known[image_type] != known[frames[0].image_type]:
                why = f"another layout than {frames[0].label}; expected one series"
                frame.refuse(IMAGE_TYPE, why)
    return known[frames[0].image_type]


def _name(frame: Frame, row: SeriesRule) -> str:
    """The map that a slice says it belongs to."""
    if row.by == IMAGE_TYPE:
        name = recognise(frame.image_type, protocols=(row,))[0]
        if name is not None:
            return name
    known = f"one of {', '.join(row.maps)}, as the row {row.name} has them"
    if row.by == QUANTITY:
        scale = scale_of(frame)
        codes = () if scale is None else scale.quantity
        names = [row.maps[code] for code in codes if code in row.maps]
        if len(names) != 1:
            got = f"{len(names)} quantities in {frame.label}"
            frame.refuse(MAPPING, "which map is this?", got=got, expected=known)
        return names[0]
    said = frame.value(row.by)
    text = said if isinstance(said, str) else _joined(said)
    if said is None or text not in row.maps:  # the value itself may be personal and stays unsaid
        frame.refuse(row.by, got="missing" if said is None else "another value", expected=known)
    return row.maps[text]


def _joined(value: object) -> str:
    """A value that is no text, as a row would spell it."""
    if not isinstance(value, Iterable):
        return str(value)
    return "\\".join(str(part) for part in value)


def _by_order(frames: Sequence[Frame], row: SeriesRule) -> list[str]:
    """The map of each slice, told from the order of InstanceNumber."""
    places = [(frame.number("InstanceNumber"), frame.index or 0) for frame in frames]
    if len(set(places)) != len(places):
        frames[0].refuse("InstanceNumber", f"comes twice; the row {row.name} goes by it")
    names = list(row.maps.values())
    slices, left = divmod(len(frames), len(names))
    if left:
        got, expected = f"{len(frames)} images", f"a multiple of {len(names)}"
        frames[0].refuse("InstanceNumber", "images missing?", got=got, expected=expected)
    told = [""] * len(frames)
    ranked = sorted(range(len(frames)), key=places.__getitem__)
    for rank, at in enumerate(ranked):
        told[at] = names[rank // slices if row.by == BLOCKS else rank % len(names)]
        if row.by == TURNS:
            _check_turn(frames[at], frames[ranked[rank - rank % len(names)]])
    return told


def _check_turn(frame: Frame, first: Frame) -> None:
    """Refuses images that take turns and yet lie at different places."""
    here, there = (f.numbers("ImagePositionPatient", 3) for f in (frame, first))
    if np.abs(here - there).max() > SAME_PLACE_MM:
        why = f"not the place of {first.label}; do the maps of each slice really follow each other?"
        frame.refuse("ImagePositionPatient", why)
