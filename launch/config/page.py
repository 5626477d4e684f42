"""Reads `--config FILE` and its `--config.key=value` overrides for the doors that take a config."""

import argparse
import difflib
import functools
import runpy
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

Config = ConfigDict
"""An opened page, for doors that only hand it on."""

PAGES = Path(__file__).parents[2] / "configs"
"""Beside ``launch/``, in a clone and in an installed package."""


class ConfigError(ValueError):
    """A config file or an override is not what the page of defaults allows."""


def add_config_argument(parser: argparse.ArgumentParser, *, default: str | None = None) -> None:
    """Declares ``--config``; overrides stay for :func:`parse_with_config`.

    Args:
        parser: of the door.
        default: page where none is given; without one, it has to be.
    """
    parser.add_argument(
        "--config",
        required=default is None,
        default=default,
        metavar="PAGE",
        help=f"page of the experiment: a file, or one of {', '.join(shipped_pages())}; override "
        "a value with --config.key=value, for example --config.map=t2",
    )


Fill = Callable[[argparse.Namespace, ConfigDict], ConfigDict]
"""What a door makes of its flags and the page, before the overrides."""


def parse_with_config(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, *, fill: Fill | None = None
) -> tuple[argparse.Namespace, ConfigDict]:
    """Parses a command line; whatever is neither a known flag nor an override is refused."""
    arguments, rest = parser.parse_known_args(argv)
    foreign = [word for word in rest if not word.startswith("--config.") or "=" not in word]
    if foreign:
        parser.error(f"unrecognized arguments: {' '.join(foreign)} (overrides: --config.key=value)")
    then = None if fill is None else functools.partial(fill, arguments)
    return arguments, load_config(arguments.config, rest, then=then)


def shipped_pages() -> list[str]:
    """Names of the pages in ``configs/``, for ``--config NAME``."""
    return sorted(path.stem for path in PAGES.glob("*.py") if path.stem != "__init__")


def find_page(page: str | Path) -> Path:
    """The file of a page that is given by its path or, shipped ones, by its bare name.

    Raises:
        ConfigError: neither a file nor the name of a shipped page.
    """
    shipped = PAGES / f"{page}.py"
    if Path(page).is_file():
        return Path(page)
    if str(page) in shipped_pages():
        return shipped
    near = difflib.get_close_matches(Path(page).stem, shipped_pages(), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(
        f"config {page}: no such file{hint or '.'} Expected a file, or the name of a shipped page: "
        f"{', '.join(shipped_pages())}"
    )


def load_config(
    page: str | Path,
    overrides: Sequence[str] = (),
    *,
    then: Callable[[ConfigDict], ConfigDict] | None = None,
) -> ConfigDict:
    """Opens a page and applies overrides such as ``--config.data.crop=32``.

    Args:
        page: a file, or the name of a shipped page.
        overrides: of the page, or of what ``then`` made of it.
        then: changes the page first.

    Raises:
        ConfigError: no such page, an unknown key, or a value of another type.
    """
    path = find_page(page)
    config = _opened(path) if then is None else then(_opened(path))
    words, values = ["launch", *overrides], flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict(
            "config", config, flag_values=values, lock_config=True, sys_argv=words
        )
        values(words)
        return values.config
    except flags.IllegalFlagValueError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    except (AttributeError, KeyError, TypeError, flags.UnrecognizedFlagError) as error:
        raise ConfigError(_unknown_key(path.name, config, overrides)) from error


def _opened(path: Path) -> ConfigDict:
    """What ``get_config`` of a page returns.

    Raises:
        ConfigError: the page cannot be run; names the page, the line and what is wrong.
    """
    try:
        config = runpy.run_path(str(path))["get_config"]()
    except KeyError as error:
        if error.args == ("get_config",):
            raise ConfigError(f"{path}: has no get_config(); see configs/ for pages") from error
        raise ConfigError(_broken(path, error)) from error
    except Exception as error:  # a page is anybody's program
        raise ConfigError(_broken(path, error)) from error
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"{path}: get_config() returns {type(config).__name__}, not a ConfigDict")
    return config


def _broken(path: Path, error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    said = (str(error).strip().split("\n") or [""])[0]
    return f"{path}, line {line}: {type(error).__name__}: {said[:200]}"


def flatten(config: ConfigDict) -> dict[str, object]:
    """All leaves of a config by dotted key, JSON-like values."""
    leaves: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            leaves |= {f"{key}.{name}": leaf for name, leaf in flatten(value).items()}
        else:
            leaves[key] = list(value) if isinstance(value, tuple) else value
    return leaves


def _unknown_key(page: str, config: ConfigDict, overrides: Sequence[str]) -> str:
    known = list(flatten(config))
    for word in overrides:
        key = word.removeprefix("--config.").split("=")[0]
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]}?" if near else "."
            section = key.split(".")[0]
            beside = [name for name in known if name.split(".")[0] == section]
            rest = beside or sorted({name.split(".")[0] for name in known})
            return f"{page}: config has no key {key!r}{hint} It has {', '.join(rest)}"
    return f"{page}: the overrides {list(overrides)} cannot be applied"
