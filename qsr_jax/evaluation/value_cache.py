"""Finished subjects, kept: an evaluation that was interrupted does not measure them again.

A subject's values are kept under a key of everything they depend on: the subject's scans, the
weights and manifests of all their trainings, the methods, and the code of this package.
"""

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import qsr_jax
from qsr_jax.evaluation.values import Value
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import file_sha256, json_sha256

FORMAT = "qsr_jax-values 2"


@cache
def code_sha256() -> str:
    """Digest over the sources of this package: other code may compute other numbers."""
    root = Path(qsr_jax.__file__).parent
    files = sorted(root.rglob("*.py"))
    return json_sha256({path.relative_to(root).as_posix(): file_sha256(path) for path in files})


def key_of(**parts: object) -> str:
    """The key of a subject's values.

    Args:
        **parts: what they depend on, as JSON can say it; the code is added here.
    """
    return json_sha256({"code": code_sha256(), **parts})


@dataclasses.dataclass(frozen=True)
class ValueCache:
    """A folder of finished subjects; without a folder nothing is kept."""

    folder: Path | None

    def get(self, key: str) -> list[Value] | None:
        """The values under a key, or None; what is damaged or foreign is measured anew."""
        if self.folder is None:
            return None
        try:
            content = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                return None
            return [Value(*row) for row in content["values"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, values: Sequence[Value]) -> None:
        """Keeps values; the file appears whole or not at all.

        Raises:
            WriteError: the system refused the write.
        """
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [dataclasses.astuple(value) for value in values]
        text = json.dumps({"format": FORMAT, "values": rows})
        write_text_atomically(self.folder / f"{key}.json", text)
