"""What PS3.15 table E.1-1 says is done with an attribute (Basic Application Level Profile).

The table is the one that the package dicom-anonymizer carries (edition 2026c); nothing else of that
package is used.
"""

import functools

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.tag import BaseTag

REMOVE, EMPTY, DUMMY, UID, DESCEND = "remove", "empty", "dummy", "uid", "descend"
_LISTS = (
    (REMOVE, table.X_TAGS),
    (EMPTY, table.Z_TAGS + table.X_Z_TAGS),
    (DUMMY, table.D_TAGS + table.Z_D_TAGS + table.X_D_TAGS + table.X_Z_D_TAGS),
    (UID, table.U_TAGS),
    (DESCEND, table.X_Z_U_STAR_TAGS),
)
# Where the profile leaves a choice, the one that keeps the image object valid (X/Z: Z, X/D: D).
ACTIONS = {tag: action for action, tags in _LISTS for tag in tags if len(tag) == 2}
"""(group, element) to what is done with it."""
_MASKED = [(action, tag) for action, tags in _LISTS for tag in tags if len(tag) == 4]


@functools.cache
def action_on(tag: BaseTag, vr: str) -> str | None:
    """What is done with an attribute; None keeps it.

    Private and unknown attributes are told apart by the caller.
    """
    pair = (tag.group, tag.element)
    if pair in ACTIONS:
        return ACTIONS[pair]
    for action, (group, element, group_mask, element_mask) in _MASKED:
        if tag.group & group_mask == group and tag.element & element_mask == element:
            return action
    if vr in ("DA", "DT", "TM", "PN"):
        return EMPTY
    return UID if vr == "UI" else None
