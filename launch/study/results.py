"""The json of a run: its format, and how it is read."""

import json
from pathlib import Path
from typing import Any

FORMAT = "qsr_jax-study 1"

KEYS = {"cell", "seed", "group", "page", "overrides", "target", "maps", "settings_sha256",
        "trained_on", "data_fingerprint", "command", "dry", "software", "versions", "steps",
        "seconds", "parameters", "measured"}  # fmt: skip
"""What a result has beside its format."""


def read_result(path: Path) -> dict[str, Any]:
    """One json of a study.

    Raises:
        ValueError: it is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        if missing := KEYS - content.keys():
            raise ValueError(f"without {', '.join(sorted(missing))}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no result of a study ({error}); expected {FORMAT!r}") from error
    return content


def rounded(value: Any) -> Any:
    """The same with five digits of every number: small files that a person can read."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value
