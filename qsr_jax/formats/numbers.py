"""Numbers and words as text: the one formatter of page, LaTeX and terminal."""

from collections.abc import Sequence

NO_TEST = "n < 3"
"""Stands where a statistic needs more subjects than there are."""


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with a true minus sign; ``signed`` shows a plus as well. A rounded zero has none."""
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if not any(figure in text for figure in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def p_value(p: float) -> str:
    """A P value as journals print it: three decimals, no leading zero, never 0."""
    return "<.001" if p < 0.001 else f"{p:.3f}".replace("0.", ".", 1)


def pair(first: float, second: float, digits: int) -> tuple[str, str]:
    """Two numbers that are compared, with as many more digits as it takes to tell them apart.

    Beyond three more they are left equal: who reads them may then say so.
    """
    for more in range(4):
        texts = number(first, digits + more), number(second, digits + more)
        if texts[0] != texts[1]:
            return texts
    return number(first, digits), number(second, digits)


def against(first: float, second: float, digits: int, unit: str) -> str:
    """Two compared numbers in words: "0.84 against 4.83 %", or "equal, 0.57 %"."""
    texts = pair(first, second, digits)
    told = f"equal, {texts[0]}" if texts[0] == texts[1] else f"{texts[0]} against {texts[1]}"
    return f"{told} {unit}"


def joined(parts: Sequence[str]) -> str:
    """A list in words: "a, b and c"."""
    *head, tail = parts
    return f"{', '.join(head)} and {tail}" if head else tail


def plural(n: int, noun: str) -> str:
    """The number with its noun: "1 subject", "3 subjects"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def sentence(text: str) -> str:
    """The text with a capital at its start; the rest is left as it is."""
    return text[:1].upper() + text[1:]
