"""Writes a trained model as one file, to share or to keep, and a card that says what it is.

The file holds the weights that predict, what their numbers mean, the settings of the training and
the hashes of whom it learned from; --model FILE takes it wherever a model is wanted. The card,
FILE's name with .md, is filled from the file. What only measurements and people know (a line of
summary below the title; Data, Numbers, Limits, Licence as headings) is taken from --card, or from
the card that stands there: write it in, and run the same command again.
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.config.build import experiment_of
from launch.config.page import find_page, load_config, shipped_pages
from qsr_jax.checkpoint import BEST, LATEST, read_model_file
from qsr_jax.cli import program
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.predictors.export import CONFIG, export_model
from qsr_jax.pretrained.card import card_text, sections_of, what_is_missing
from qsr_jax.training.experiment import Experiment


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.export --help``."""
    arguments = _parser().parse_args(argv)
    out: Path = arguments.out
    card = out.with_suffix(".md")
    source = card if arguments.card is None and card.is_file() else arguments.card
    try:
        given = {} if source is None else sections_of(source.read_text(encoding="utf-8"))
        model = export_model(arguments.workdir, out, which=arguments.checkpoint)
        settings = read_model_file(out).document.get(CONFIG, {})
        text = card_text(
            out,
            given=given,
            weights_sha256=model.weights_sha256,
            retrain=retraining_command(settings, arguments.config),
        )
        write_text_atomically(card, text)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"wrote {out} ({out.stat().st_size / 1e6:.2f} MB): {model.description}")
    missing = what_is_missing(text, out)
    print(f"wrote {card}" + (f"; not stated yet: {', '.join(missing)}" if missing else ""))


def retraining_command(settings: Mapping[str, Any], page: str | None) -> str:
    """The command that trains with these settings again.

    Args:
        settings: of a training, by dotted key.
        page: it was trained with; None for the shipped page that takes the fewest overrides.

    Returns:
        The command; nothing where no page gives exactly these settings.

    Raises:
        ConfigError: no such page.
    """
    pages = shipped_pages() if page is None else [page]
    found = {name: words for name in pages if (words := _overrides(settings, name)) is not None}
    if not found:
        return ""
    name = min(found, key=lambda name: len(found[name]))
    words = ["qsr", "train", "--config", name, *found[name]]
    return f"{shlex.join(words)} --data_dir RECORDS --workdir DIR"


def _overrides(settings: Mapping[str, Any], page: str) -> list[str] | None:
    """What must be said beside a page for these settings; None where it cannot say them."""
    find_page(page)
    try:
        usual = experiment_of(load_config(page)).leaves()
        words = [
            f"--config.{key}={tuple(value) if isinstance(value, list) else value}"
            for key, value in settings.items()
            if value != usual.get(key)
        ]
        found = experiment_of(load_config(page, words)).leaves()
    except ValueError:  # a key that the page has not, a value that it cannot take
        return None
    return words if _says_the_same(found, settings) else None


def _says_the_same(found: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a page gives these settings; what they lack came later and is as if it were not."""
    usual = Experiment().leaves()
    later = {key: value for key, value in found.items() if key not in settings}
    return all(found.get(key) == value for key, value in settings.items()) and all(
        usual.get(key) == value and not key.startswith("loss.") for key, value in later.items()
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.export"), description=__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, required=True, help="folder given to launch.train")
    add(
        "--checkpoint",
        choices=(LATEST, BEST),
        default=LATEST,
        help="the last one saved, or the one that did best on validation subjects "
        "(default: %(default)s)",
    )
    add("--out", type=Path, required=True, metavar="FILE", help="NAME.safetensors to make")
    add(
        "--card",
        type=Path,
        metavar="FILE.md",
        help="markdown with what the card cannot know by itself (default: the card that stands "
        "there)",
    )
    add(
        "--config",
        metavar="PAGE",
        help="the page it was trained with, for the command in the card (default: the shipped page "
        "that takes the fewest overrides)",
    )
    return parser


if __name__ == "__main__":
    main()
