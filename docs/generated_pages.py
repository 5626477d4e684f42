"""The pages that are made of the code: reference, commands, examples."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import qsr_jax
from qsr_jax import cli

ROOT = Path(__file__).parents[1]
FRONT_DOOR = "the front door"


def write(docs: Path) -> None:
    """Writes ``reference/``, ``commands.md`` and ``examples/`` under ``docs``.

    A page that says already what it should is left alone, so that Sphinx does not read it again.
    """
    pages = {**dict(_reference()), **dict(_examples()), "generated/commands.md": _commands()}
    for name, text in pages.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in (docs / "generated").rglob("*.md"):
        if str(path.relative_to(docs)) not in pages:
            path.unlink()


def _reference() -> Iterator[tuple[str, str]]:
    """The front door, then a page per room of ``qsr_jax`` with all its modules."""
    names = [name for name in qsr_jax.__all__ if name != "__version__"]
    parts = [f"# `import qsr_jax`\n\n{_directive('automodule', 'qsr_jax', members=False)}"]
    for name in names:
        kind = "autoclass" if name[0].isupper() else "autofunction"
        parts.append(_directive(kind, f"qsr_jax.{name}"))
    yield "generated/reference/front.md", "\n".join(parts)
    package = ROOT / "qsr_jax"
    rooms = sorted(p.parent for p in package.glob("*/__init__.py") if p.parent.name[0] != "_")
    for room in rooms:
        modules = sorted(path for path in room.rglob("*.py") if path.name != "__main__.py")
        yield f"generated/reference/{room.name}.md", _room(f"qsr_jax.{room.name}", modules)
    files = sorted(p for p in package.glob("*.py") if p.name[0] != "_")
    yield "generated/reference/alone.md", _room("modules of their own", files)


def _room(title: str, files: list[Path]) -> str:
    parts = [f"# {title}\n"]
    for path in files:
        words = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(words[:-1] if words[-1] == "__init__" else words)
        parts.append(f"## `{module}`\n\n{_directive('automodule', module)}")
    return "\n".join(parts)


def _directive(kind: str, name: str, *, members: bool = True) -> str:
    option = "" if members else "   :no-members:\n"
    return f"```{{eval-rst}}\n.. {kind}:: {name}\n{option}```\n"


def _commands() -> str:
    """What every door says of itself."""
    parts = ["# Commands\n\nEach is `qsr NAME`; in a clone, `python -m MODULE` as well.\n"]
    for door, module in cli.DOORS.items():
        parts.append(f"## `qsr {door}`\n\n`python -m {module}`\n\n```text\n{_help(door)}```\n")
    return "\n".join(parts)


def _help(door: str) -> str:
    """What ``qsr DOOR --help`` prints."""
    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", list(sys.argv)),
        mock.patch.object(sys, "path", list(sys.path)),
        mock.patch.dict(os.environ, {"COLUMNS": "96"}),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        cli.main([door, "--help"])
    return said.getvalue()


def _examples() -> Iterator[tuple[str, str]]:
    """The scripts of ``examples/`` as pages: their text, and their code as it stands."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        cells = path.read_text(encoding="utf-8").split("# %%")[1:]
        yield f"generated/examples/{path.stem}.md", "\n".join(map(_cell, cells))


def _cell(cell: str) -> str:
    head, _, body = cell.partition("\n")
    if head.strip() == "[markdown]":
        lines = (line.removeprefix("#").removeprefix(" ") for line in body.strip().split("\n"))
        return "\n".join(lines) + "\n"
    return f"```python\n{body.strip()}\n```\n"
