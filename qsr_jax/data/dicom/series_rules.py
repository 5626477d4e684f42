r"""How a map series is recognised from its ImageType: a table, one row per layout.

Tokens are compared whole and in their places. A search for "T1" in the text would take synthetic
weighted images (``DERIVED\PRIMARY\T1\SYNTHETIC``) and myelin maps (``DERIVED\PRIMARY\MYC\T1``) for
maps of T1. The layouts of GE MAGiC and SyMRI are as public sources describe them; confirm them on a
first export of your scanner. A row of your own stands in a file, see :func:`load_rows`.
"""

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.dicom.redaction import redacted_all
from qsr_jax.maps import MAPS

MAP = "<map>"
"""Stands in a row for the token that names the map."""

IMAGE_TYPE, QUANTITY, BLOCKS, TURNS = "ImageType", "quantity", "blocks", "turns"
"""What tells the maps of a row apart, see :class:`SeriesRule`."""
ORDERED = (BLOCKS, TURNS)
STD_DEVIATION = "STD_DEVIATION"
"""A term of Derived Pixel Contrast (PS3.3 C.8.16.2.1.4)."""


class NotAMapError(ValueError):
    """An ImageType that no row takes for a map."""


class ProtocolError(ValueError):
    """A row that cannot be used; the text names the file, the row and the key."""


@dataclasses.dataclass(frozen=True)
class SeriesRule:
    """One layout.

    Attributes:
        name: what writes it.
        image_type: the whole ImageType, with :data:`MAP` in the place of the map's token.
        maps: what ``by`` says, to key of :data:`qsr_jax.maps.MAPS`.
        by: what tells which map an image is: ``ImageType`` (its token in the place of MAP),
            ``quantity`` (code in QuantityDefinitionSequence of the RealWorldValueMapping),
            another DICOM keyword (its whole value), or the order of InstanceNumber: ``blocks``
            (all slices of the first of ``maps``, then of the second) or ``turns`` (slice by slice
            all maps).
        bundle: whether one series may hold several maps.
        slope: value of one stored unit in files that do not say it; None where they do.
        unit: UCUM code of that value, stated with ``slope``: ``ms`` or ``%``.
    """

    name: str
    image_type: tuple[str, ...]
    maps: Mapping[str, str]
    by: str = IMAGE_TYPE
    bundle: bool = False
    slope: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuses a row that can match nothing, or not tell what it matched."""
        if self.image_type.count(MAP) != (self.by == IMAGE_TYPE):
            wanted = "exactly once" if self.by == IMAGE_TYPE else "nowhere"
            raise ProtocolError(f"{self.name}: image_type: expected {MAP} {wanted}, by {self.by}")
        unknown = sorted(set(self.maps.values()) - set(MAPS))
        if unknown or not self.maps:
            got = ", ".join(unknown) or "nothing"
            raise ProtocolError(f"{self.name}: maps: {got}; expected some of {', '.join(MAPS)}")
        if self.by in ORDERED and not self.bundle:
            raise ProtocolError(f"{self.name}: by {self.by} tells apart what only a bundle holds")
        self._check_scale()
        for image_type in self.image_types():
            if (why := _not_a_map(image_type)) is not None:
                raise ProtocolError(f"{self.name}: image_type: {why}")

    def _check_scale(self) -> None:
        """Refuses half a scale, and a unit that is not that of the row's maps."""
        if (self.slope is None) != (not self.unit):
            raise ProtocolError(f"{self.name}: slope and unit: expected both or neither")
        if self.slope is None:
            return
        if not 0.0 < self.slope < float("inf"):
            raise ProtocolError(f"{self.name}: slope: got {self.slope:g}, expected > 0")
        for name in self.maps.values():
            if MAPS[name].ucum[0] != self.unit:
                expected = f"{MAPS[name].ucum[0]} for {name}; maps of other units need another row"
                raise ProtocolError(f"{self.name}: unit: got {self.unit}, expected {expected}")

    def to_json(self) -> dict[str, Any]:
        """The row as a file tells it, see :func:`rule_from`."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v not in (None, "")}

    @property
    def spread(self) -> bool:
        """Whether the values are standard deviations of the map, see :data:`SPREADS`."""
        return STD_DEVIATION in self.image_type

    def image_types(self) -> list[tuple[str, ...]]:
        """Every ImageType that this row takes."""
        if MAP not in self.image_type:
            return [self.image_type]
        return [
            tuple(token if part == MAP else part for part in self.image_type) for token in self.maps
        ]


NOT_MAPS = {
    "SYNTHETIC": "a synthetic weighted image, not a map",
    "MYC": "a myelin map, not T1, T2 or PD",
    "ENCRYPTED": "an encrypted bundle; export the maps as separate series",
}
"""Tokens that no map has, with or without a prefix (``T1W_SYNTHETIC``); tested first."""


def _not_a_map(image_type: Sequence[str]) -> str | None:
    """Why an ImageType is no map whatever the rows say, or None."""
    for token in image_type:
        for suffix, why in NOT_MAPS.items():
            if token == suffix or token.endswith(f"_{suffix}"):
                return f"{_shown(image_type)} is {why}"
    return None


DISTORTION = ("ND", "DIS2D", "DIS3D")
"""What Siemens writes behind the other values: whether gradients' distortion was corrected. It
moves voxels of all maps of a scan alike and says nothing about what they hold."""


def _shown(image_type: Sequence[str]) -> str:
    return redacted_all(image_type, between="\\")


_SCANNER_TOKENS = {spec.label: key for key, spec in MAPS.items()}
_STANDARD_TERMS = {spec.image_type: key for key, spec in MAPS.items()}  # PS3.3 C.8.3.1.1.1
_QUANTITY_CODES = {spec.quantity[0]: key for key, spec in MAPS.items()}

QSR = SeriesRule("qsr_jax", ("DERIVED", "SECONDARY", MAP, "QSR"), _STANDARD_TERMS)
MAGIC = SeriesRule("GE MAGiC, SyMRI", ("DERIVED", "PRIMARY", MAP), _SCANNER_TOKENS)
MAGIC_QMAP = SeriesRule("GE MAGiC, QMAP", ("DERIVED", "PRIMARY", "QMAP", MAP), _SCANNER_TOKENS)
MAGIC_BUNDLE = SeriesRule(
    "GE MAGiC, bundle", ("DERIVED", "PRIMARY", "MULTI_QMAP", MAP), _SCANNER_TOKENS, bundle=True
)
MAGIC_BUNDLE_LIST = SeriesRule(
    "GE MAGiC, bundle whose images all list T1, T2, PD",
    ("DERIVED", "PRIMARY", "MULTI_QMAP", *_SCANNER_TOKENS),
    _QUANTITY_CODES,
    by=QUANTITY,
    bundle=True,
)
"""Confirm on a first export: where the images carry no quantity codes the bundle is refused, and a
row of yours says what tells them apart (``by = "blocks"``, ``"turns"`` or a DICOM keyword)."""
MAGIC_SECONDARY = SeriesRule(
    "GE MAGiC, SyMRI, secondary", ("DERIVED", "SECONDARY", MAP), _SCANNER_TOKENS
)
"""As an archive may send them on; a note asks for a look, for a T1 there could be a weighted image
that somebody reformatted."""
GENERIC = SeriesRule("standard terms", ("DERIVED", "PRIMARY", MAP), _STANDARD_TERMS)
GENERIC_SECONDARY = SeriesRule(
    "standard terms, secondary", ("DERIVED", "SECONDARY", MAP), _STANDARD_TERMS
)
PARAMETRIC_MAP = SeriesRule(
    "Parametric Map",
    ("DERIVED", "PRIMARY", "VOLUME", "QUANTITY"),
    _QUANTITY_CODES,
    by=QUANTITY,
    bundle=True,
)

QSR_SPREAD = SeriesRule(
    "qsr_jax, standard deviation",
    ("DERIVED", "SECONDARY", "OTHER", STD_DEVIATION),
    _QUANTITY_CODES,
    by=QUANTITY,
)
PARAMETRIC_SPREAD = SeriesRule(
    "Parametric Map, standard deviation",
    ("DERIVED", "PRIMARY", "VOLUME", STD_DEVIATION),
    _QUANTITY_CODES,
    by=QUANTITY,
)
SPREADS = (QSR_SPREAD, PARAMETRIC_SPREAD)
"""Series of the spread of a map. No reader takes them unless it asks for them: a spread of T1 is
no T1."""

PROTOCOLS = (
    QSR,
    MAGIC,
    MAGIC_QMAP,
    MAGIC_BUNDLE,
    MAGIC_BUNDLE_LIST,
    MAGIC_SECONDARY,
    GENERIC,
    GENERIC_SECONDARY,
    PARAMETRIC_MAP,
)


def recognise(
    image_type: Sequence[str], *, protocols: Sequence[SeriesRule] = PROTOCOLS
) -> tuple[str | None, SeriesRule]:
    """Returns the map (a key of MAPS) and the one row that recognises ``image_type``.

    The map is None where the row looks elsewhere for it (``row.by``).

    Raises:
        NotAMapError: no row takes it; the text says why.
        ProtocolError: two rows take it; the table contradicts itself.
    """
    if (why := _not_a_map(image_type)) is not None:
        raise NotAMapError(why)
    image_type = tuple(image_type)
    known = {layout for row in (*protocols, *SPREADS) for layout in row.image_types()}
    while image_type and image_type not in known and image_type[-1] in DISTORTION:
        image_type = image_type[:-1]
    found = [row for row in protocols if image_type in row.image_types()]
    if not found and any(image_type in row.image_types() for row in SPREADS):
        raise NotAMapError(f"{_shown(image_type)} is the standard deviation of a map, not a map")
    if not found:
        layouts = ", ".join("\\".join(row.image_type) for row in protocols)
        raise NotAMapError(
            f"{_shown(image_type)} is no known map layout; expected one of {layouts}"
        )
    if len(found) > 1:
        names = ", ".join(row.name for row in found)
        raise ProtocolError(f"{_shown(image_type)} matches the rows {names}")
    row = found[0]
    if row.by != IMAGE_TYPE:
        return None, row
    return row.maps[image_type[row.image_type.index(MAP)]], row


def load_rows(path: Path) -> tuple[SeriesRule, ...]:
    """The table of this file with the rows of a TOML or JSON file added.

    The file holds a list ``protocol`` of tables with the keys of :class:`SeriesRule`; ``by``,
    ``bundle``, and ``slope`` with ``unit`` may be left out::

        [[protocol]]
        name = "Our scanner"
        image_type = ["DERIVED", "PRIMARY", "RELAX", "<map>"]
        maps = { T1_MS = "t1", T2_MS = "t2", PD_PU = "pd" }

    Raises:
        ProtocolError: unreadable, a key missing, unknown or of another type, or a row that takes
            what another row takes.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ProtocolError(f"{path}: cannot be read as TOML or JSON ({error})") from None
    items = content["protocol"] if isinstance(content, dict) and "protocol" in content else None
    if not isinstance(items, list) or len(content) != 1:
        raise ProtocolError(f"{path}: expected one list, protocol, and nothing else")
    table: tuple[SeriesRule, ...] = PROTOCOLS
    for number, item in enumerate(items, start=1):
        where = f"{path}: protocol {number}"
        row = rule_from(item, where)
        for image_type in row.image_types():
            rivals = [other.name for other in table if image_type in other.image_types()]
            if rivals:
                what = f"{_shown(image_type)} is taken by the row {rivals[0]} already"
                raise ProtocolError(f"{where} ({row.name}): {what}")
        table = (*table, row)
    return table


_ROW_KEYS = {"name": str, "image_type": list, "maps": dict, "by": str, "bundle": bool,
             "slope": float, "unit": str}  # fmt: skip
_OPTIONAL = ("by", "bundle", "slope", "unit")


def rule_from(item: object, where: str) -> SeriesRule:
    """A row as a file tells it; raises ProtocolError, which names ``where`` and the key."""
    if not isinstance(item, dict):
        raise ProtocolError(f"{where}: expected a table with {', '.join(_ROW_KEYS)}")
    for key in item:
        if key not in _ROW_KEYS:
            raise ProtocolError(f"{where}: unknown key {key}; expected {', '.join(_ROW_KEYS)}")
    for key, kind in _ROW_KEYS.items():
        if key not in item:
            if key in _OPTIONAL:
                continue
            raise ProtocolError(f"{where}: key {key} is missing")
        if kind is float and type(item[key]) is int:
            item = {**item, key: float(item[key])}
        if type(item[key]) is not kind:
            got = type(item[key]).__name__
            raise ProtocolError(f"{where}: {key} is {got}, expected {kind.__name__}")
    texts = [*item["image_type"], *item["maps"], *item["maps"].values()]
    if not all(type(text) is str for text in texts):
        raise ProtocolError(f"{where}: image_type and maps: expected texts")
    try:
        return SeriesRule(**{**item, "image_type": tuple(item["image_type"])})
    except ProtocolError as error:
        raise ProtocolError(f"{where}: {error}") from None
