"""The command ``qsr``: one name for all doors, from a clone or from an installed package.

A clone holds the doors beside the package (``launch/``, ``data_tools/``, ``configs/``); an
installed package carries them in :data:`INSTALLED`, so that no other top-level module is installed.
``qsr DOOR …`` puts that folder first on the path of this process alone (spawned children inherit
it) and runs the door as ``python -m`` would.
"""

import ast
import codecs
import difflib
import runpy
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from qsr_jax import __version__

DOORS = {
    "simulate": "data_tools.simulate_cohort",
    "simulate-mrf": "data_tools.simulate_mrf",
    "mrf-study": "data_tools.mrf_study",
    "repeat": "data_tools.repeat_scan",
    "lesion-twin": "data_tools.lesion_twin",
    "describe": "data_tools.describe_cohort",
    "calibrate": "data_tools.calibrate_simulator",
    "transfer": "data_tools.transfer_check",
    "weighted-check": "data_tools.weighted_check",
    "weighted-flair": "launch.weighted_flair",
    "weighted-study": "data_tools.weighted_study",
    "misuse": "data_tools.misuse_check",
    "inspect": "data_tools.inspect_dicom",
    "deidentify": "data_tools.deidentify",
    "pair": "data_tools.pair_studies",
    "build": "data_tools.build_dataset",
    "synthesise-weighted": "data_tools.synthesise_weighted",
    "convert": "data_tools.convert",
    "convert-qmaps": "data_tools.convert_qmaps",
    "convert-vgg19": "data_tools.convert_vgg19",
    "models": "launch.models",
    "train": "launch.train",
    "finetune": "launch.finetune",
    "status": "launch.status",
    "sweep": "launch.sweep",
    "study": "launch.study",
    "export": "launch.export",
    "predict": "launch.predict",
    "reconstruct": "launch.reconstruct",
    "evaluate": "launch.evaluate",
    "reader-study": "launch.reader_study",
    "compare": "launch.compare",
    "agreement": "launch.agreement",
    "bench": "launch.bench",
}
"""What comes after ``qsr``, and the module it runs."""

INSTALLED = Path(__file__).parent / "_doors"
USAGE = """usage: qsr DOOR [ARGUMENTS]
       qsr --help | --version

Super-resolution of quantitative brain MRI (T1, T2, PD), with agreement measured.
Research use only; not for diagnosis. `qsr DOOR --help` tells the arguments of a door.

doors:"""

SPELT = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MIDDLE DOT}": "*",
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{DEGREE SIGN}": " deg",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{GREEK SMALL LETTER MU}": "u",
    "\N{MICRO SIGN}": "u",
}
"""Letters of our texts for terminals that lack them; others lose their accents or are escaped."""
SPELLING = "qsr_jax.spelling"

_door: str | None = None
"""The door that runs in this process, None when it was opened by ``python -m``."""


def doors_folder() -> Path:
    """The folder that holds ``launch/``, ``data_tools/`` and ``configs/``.

    Raises:
        FileNotFoundError: the package was copied without its doors.
    """
    for folder in (Path(__file__).parents[1], INSTALLED):
        if (folder / "launch" / "train.py").is_file():
            return folder
    raise FileNotFoundError(
        f"no launch/train.py beside {Path(__file__).parent} or in {INSTALLED}: this copy of "
        "qsr_jax lacks its doors; install it with pip from a clone or a wheel"
    )


def program(module: str) -> str:
    """How a person opened a door: "qsr train" or "python -m launch.train".

    Every door asks before it says anything, so from here on it can print on any terminal.

    Args:
        module: of the door, such as "launch.train".
    """
    _print_anything()
    return f"qsr {_door}" if _door and DOORS[_door] == module else f"python -m {module}"


def main(argv: Sequence[str] | None = None) -> None:
    """The command ``qsr``.

    Args:
        argv: the door and its arguments; those of the process when None.

    Raises:
        SystemExit: as the door ends; 2 for a door that does not exist.
    """
    _print_anything()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(_help())  # noqa: T201 (this is a door)
        return
    if words[0] == "--version":
        print(f"qsr_jax {__version__}")  # noqa: T201
        return
    if words[0] not in DOORS:
        raise SystemExit(_told_unknown(words[0]))
    _run(words[0], words[1:])


def _run(door: str, arguments: Sequence[str]) -> None:
    """Runs a door in this process, as ``python -m`` would."""
    global _door
    sys.path.insert(0, str(doors_folder()))
    _door, sys.argv = door, [f"qsr {door}", *arguments]
    runpy.run_module(DOORS[door], run_name="__main__", alter_sys=True)


def _print_anything() -> None:
    """Spells what the terminal has no letter for, where Python would end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SPELLING)


def _spelling(error: UnicodeError) -> tuple[str, int]:
    """The handler behind :data:`SPELLING`: plain ASCII in place of what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelt, error.object[error.start : error.end])), error.end


def _spelt(letter: str) -> str:
    bare = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return SPELT.get(letter) or bare or letter.encode("ascii", "backslashreplace").decode()


codecs.register_error(SPELLING, _spelling)


def _help() -> str:
    width = max(map(len, DOORS))
    return "\n".join([USAGE, *(f"  {door:<{width}}  {_what(door)}" for door in DOORS)])


def _what(door: str) -> str:
    """First line of a door's docstring, read without importing it."""
    path = doors_folder().joinpath(*DOORS[door].split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return told.partition("\n")[0]


def _told_unknown(word: str) -> int:
    near = difflib.get_close_matches(word, DOORS, n=1)
    hint = f"did you mean `qsr {near[0]}`?" if near else f"expected one of {', '.join(DOORS)}"
    print(f"error: qsr has no door {word!r}; {hint}", file=sys.stderr)  # noqa: T201
    return 2
