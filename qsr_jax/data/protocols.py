r"""How a map series is recognised from its ImageType: a table, one row per layout.

Tokens are compared whole and in their places. A search for "T1" in the text would take synthetic
weighted images (``DERIVED\PRIMARY\T1\SYNTHETIC``) and myelin maps (``DERIVED\PRIMARY\MYC\T1``) for
maps of T1. The layouts of GE MAGiC are as public sources describe them; confirm them on a first
export of your scanner.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from qsr_jax.maps import MAPS

MAP = "<map>"
"""Stands in a row for the token that names the map."""


class NotAMapError(ValueError):
    """An ImageType that no row takes for a map."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One layout.

    Attributes:
        name: what writes it.
        image_type: the whole ImageType, with :data:`MAP` in the place of the map's token.
        maps: token to key of :data:`qsr_jax.maps.MAPS`.
    """

    name: str
    image_type: tuple[str, ...]
    maps: Mapping[str, str]


_SCANNER_TOKENS = {spec.label: key for key, spec in MAPS.items()}
_DERIVED_TOKENS = {spec.image_type: key for key, spec in MAPS.items()}

QSR = Protocol("qsr_jax", ("DERIVED", "SECONDARY", MAP, "QSR"), _DERIVED_TOKENS)
MAGIC = Protocol("GE MAGiC", ("DERIVED", "PRIMARY", MAP), _SCANNER_TOKENS)
MAGIC_QMAP = Protocol("GE MAGiC, QMAP", ("DERIVED", "PRIMARY", "QMAP", MAP), _SCANNER_TOKENS)

PROTOCOLS = (QSR, MAGIC, MAGIC_QMAP)

NOT_MAPS = {
    "SYNTHETIC": "a synthetic weighted image, not a map",
    "MYC": "a myelin map, not T1, T2 or PD",
    "ENCRYPTED": "an encrypted bundle; export the maps as separate series",
    "MULTI_QMAP": "a bundle of several maps; split it into one series per map",
}
"""Tokens that no map has, with or without a prefix (``T1W_SYNTHETIC``); tested first."""


def recognise(
    image_type: Sequence[str], *, protocols: Sequence[Protocol] = PROTOCOLS
) -> tuple[str, Protocol]:
    """Returns the map (a key of MAPS) and the one row that recognises ``image_type``.

    Raises:
        NotAMapError: no row takes it; the text says why.
        ValueError: two rows take it; the table contradicts itself.
    """
    shown = "\\".join(image_type)
    for token in image_type:
        for suffix, why in NOT_MAPS.items():
            if token == suffix or token.endswith(f"_{suffix}"):
                raise NotAMapError(f"{shown} is {why}")
    found = [(name, row) for row in protocols if (name := _matched(image_type, row)) is not None]
    if not found:
        layouts = ", ".join("\\".join(row.image_type) for row in protocols)
        raise NotAMapError(f"{shown} is no known map layout; expected one of {layouts}")
    if len(found) > 1:
        raise ValueError(f"{shown} matches the rows {', '.join(row.name for _, row in found)}")
    return found[0]


def _matched(image_type: Sequence[str], row: Protocol) -> str | None:
    """The map that ``row`` sees in ``image_type``, or None."""
    for token, name in row.maps.items():
        if tuple(token if part == MAP else part for part in row.image_type) == tuple(image_type):
            return name
    return None
