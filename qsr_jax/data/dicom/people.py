"""What says that two PatientIDs may be one person, or one PatientID two; never who they are."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from qsr_jax.data.dicom.errors import named_tag

PERSON = ("PatientName", "PatientBirthDate", "PatientSex")
"""What should not differ under one PatientID."""
ALIKE = (
    "their PatientIDs differ in case, in zeros in front or in punctuation only; one person under "
    "two of them can be in two splits"
)
_PUNCTUATION = re.compile(r"[\W_]")
_RUNS = re.compile(r"[^\W\d_]+|\d+")


def likeness_key(patient_id: str) -> tuple[str, ...]:
    """Equal for identifiers that a person may mean to be one: case, zeros in front, punctuation.

    >>> likeness_key("0012") == likeness_key("12"), likeness_key("P-01") == likeness_key("p1")
    (True, True)
    >>> likeness_key("1-12") == likeness_key("11-2")
    False
    """
    text = unicodedata.normalize("NFKC", patient_id).casefold()
    return tuple(run.lstrip("0") or "0" for run in _RUNS.findall(text))


def alike(homes: Mapping[str, str]) -> list[list[str]]:
    """Places of subjects whose identifiers are nearly equal, a list for each such group.

    A number that is written with and without its hyphen is one, as civil registers' numbers are.

    Args:
        homes: PatientID to where the subject lies.

    >>> alike({"010190-1234": "a", "0101901234": "b", "1-12": "c", "11-2": "d"})
    [['a', 'b']]
    """
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for patient in sorted(homes):
        groups[likeness_key(patient)].append(homes[patient])
    for patient in sorted(homes):
        together = likeness_key(_PUNCTUATION.sub("", patient))
        if together in groups and together != likeness_key(patient):
            groups[together].append(homes[patient])
    return [sorted(places) for key, places in groups.items() if key and len(places) > 1]


def differing(people: Iterable[Mapping[str, str]]) -> str:
    """Which attributes of :data:`PERSON` differ between series of one PatientID; empty if none.

    Args:
        people: of each series, keyword to what it says or a digest of that; absent ones say
            nothing.

    >>> differing([{"PatientSex": "F", "PatientName": "a"}, {"PatientSex": "M"}])
    'PatientSex (0010,0040) differs between series of one PatientID: is it one person?'
    >>> differing([{"PatientSex": "F"}, {}])
    ''
    """
    said: dict[str, set[str]] = defaultdict(set)
    for person in people:
        for keyword, value in person.items():
            said[keyword].add(value)
    names = [named_tag(keyword) for keyword in PERSON if len(said[keyword]) > 1]
    verb = "differ" if len(names) > 1 else "differs"
    question = f"{verb} between series of one PatientID: is it one person?"
    return f"{' and '.join(names)} {question}" if names else ""
