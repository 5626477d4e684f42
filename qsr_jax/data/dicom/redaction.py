"""Which words of a file a message may repeat.

A damaged file can hold anything anywhere: a length that grew makes ImageType swallow the patient's
name. Messages therefore repeat what looks like a coded term (``T1``, ``MONOCHROME2``, ``ms``) and
nothing else.
"""

import re
from collections.abc import Iterable

_TERM = re.compile(r"[A-Za-z0-9_ %/.-]{0,16}")
MOST_TERMS = 8
HIDDEN = "<not shown>"


def redacted(word: object) -> str:
    """The word, or a stand-in where it is no coded term."""
    text = str(word)
    return text if _TERM.fullmatch(text) else HIDDEN


def redacted_all(words: Iterable[object], *, between: str) -> str:
    """Several words, joined; a stand-in for all of them where there are too many."""
    shown = [redacted(word) for word in words]
    return between.join(shown) if len(shown) <= MOST_TERMS else HIDDEN
