"""The one way to templates of pages."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def templates_of(folder: Path) -> Environment:
    """Templates of a folder, beside those that all pages share; a name that is unknown raises.

    Args:
        folder: of the page's own templates.
    """
    return Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
