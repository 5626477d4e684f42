"""Whether maps made from weighted images are right, and come from the times and not from anatomy.

For every model and baseline, on the test records: errors of voxels, tissues and lesions beside the
truth, with one gain and with free ones; times of another study; one slice scanned at ten sets of
times; times outside the usual ranges; brighter images; other contrasts computed from the maps;
phantoms of one tissue; and how often the truth lies within the standard deviation. Every part is
written when it is done, and found again: killed, the same command goes on; other weights, slices or
software are looked at anew. weighted.html shows it
all with pictures. docs/weighted.md.
"""

import argparse
import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_tools.weighted_cases import Slices, read_slices
from data_tools.weighted_mlp import fit_pixel_mlp
from data_tools.weighted_numbers import study_numbers
from data_tools.weighted_proof import PARTS, Maps, Method
from data_tools.weighted_table import as_text
from qsr_jax.cli import program
from qsr_jax.evaluation.report.reconstruction import beside_truth
from qsr_jax.evaluation.report.weighted import PAGE, Pictured, weighted_page
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import arrays_sha256, json_sha256
from qsr_jax.predictors.weighted_baselines import (
    by_tissue,
    log_ratios,
    pixel_fit,
    tissue_means,
)
from qsr_jax.predictors.weighted_network import WeightedPredictor, load_weighted
from qsr_jax.provenance import software_version
from qsr_jax.tasks.weighted_gains import FITTED, FREE, GAINS, ONE

RESULT = "weighted.json"
BASELINES = ("pixel_fit", "log_ratio", "tissue_means", "pixel_mlp")
SLICES = {"bands": 24, "scale": 4, "resynthesis": 24, "flair": 24}
"""Slices of a part that needs fewer than all."""
SPLITS = ("validation", "test")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        methods = {name: functools.cache(make) for name, make in _methods(args).items()}
        slices = functools.cache(lambda lesions: _slices(args, lesions))
        found = {
            name: _checked(args, name, make, slices)
            for name, make in tqdm(methods.items(), desc="methods", mininterval=1.0)
        }
        pictures = {name: _pictures(make(), slices) for name, make in methods.items()}
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    about = {"software": software_version(), "split": args.split, "per_subject": args.per_subject}
    write_text_atomically(args.out / RESULT, json.dumps(about | found, indent=1) + "\n")
    page = weighted_page(found, pictures, about=about)
    write_text_atomically(args.out / PAGE, page)
    print(as_text(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.weighted_check"), description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, metavar="DIR", help="of synthesise_weighted")
    add("--out", type=Path, required=True, metavar="DIR", help="new folder, or one to go on with")
    add("--model", action="append", default=[], help="name, file or workdir; may be repeated")
    add("--checkpoint", choices=("latest", "best"), default="latest", help="of a workdir")
    add("--baselines", nargs="*", default=[], choices=BASELINES, help="to stand beside")
    add("--split", choices=SPLITS, default="test", help="(default: %(default)s)")
    add("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="(default: all)")
    add("--per-subject", type=int, default=6, help="slices of a subject (default: %(default)s)")
    return parser


def _slices(args: argparse.Namespace, lesions: bool) -> Slices | None:
    """The slices to look at; None where none shows a lesion."""
    try:
        return read_slices(
            args.data_dir, args.split, per_subject=args.per_subject, with_lesions=lesions
        )
    except ValueError:
        if lesions:
            return None
        raise


def _methods(args: argparse.Namespace) -> dict[str, Callable[[], Method]]:
    """Name to what makes it; a model is called after its file or folder.

    Raises:
        ValueError: nothing to check, or two of one name.
    """
    models = {Path(model).stem: model for model in args.model}
    if len(models) < len(args.model) or not (models or args.baselines):
        raise ValueError(
            f"models {args.model}, baselines {args.baselines}; expected one or more, each of "
            "another name"
        )
    made: dict[str, Callable[[], Method]] = {
        name: functools.partial(_network, model, args.checkpoint) for name, model in models.items()
    }
    makers: dict[str, Callable[[], Method]] = {
        "pixel_fit": lambda: Method(functools.partial(_without_neighbours, pixel_fit)),
        "log_ratio": lambda: Method(functools.partial(_without_neighbours, log_ratios)),
        "tissue_means": lambda: Method(functools.partial(_anatomy, _train(args, 2))),
        "pixel_mlp": lambda: _pixel_mlp(_train(args, 2)),
    }
    return made | {name: makers[name] for name in args.baselines}


def _train(args: argparse.Namespace, per_subject: int) -> Slices:
    return read_slices(args.data_dir, "train", per_subject=per_subject)


def _network(model: str, which: str) -> Method:
    predictor: WeightedPredictor = load_weighted(model, which=which)

    @functools.lru_cache(maxsize=len(GAINS))  # several parts look at the same slices
    def make(slices: Slices, *, gains: str) -> Maps:
        seen = (slices.images, slices.acquisition_ms, slices.brain)
        return predictor.say(*seen, gains=gains, studies=study_numbers(slices))

    told = tuple(g for g in GAINS if g != FITTED or predictor.task.fits_gains)
    spares = predictor.task.absent > 0.0
    return Method(make, told, spares=spares, digest=predictor.weights_sha256)


def _without_neighbours(function: Callable, slices: Slices, *, gains: str) -> Maps:
    del gains  # it knows no other
    parts = [
        np.asarray(function(*(x[i : i + 1] for x in
                              (slices.images, slices.brain, slices.acquisition_ms))))
        for i in range(len(slices))
    ]  # fmt: skip
    return np.concatenate(parts), None


def _anatomy(train: Slices, slices: Slices, *, gains: str) -> Maps:
    del gains
    return by_tissue(slices.tissue, tissue_means(train.truth, train.tissue)), None


def _pixel_mlp(train: Slices) -> Method:
    fitted = {gains: fit_pixel_mlp(train, common=gains == ONE) for gains in (ONE, FREE)}

    def make(slices: Slices, *, gains: str) -> Maps:
        made = [
            fitted[gains](one.images, one.brain, one.acquisition_ms, common=gains == ONE)
            for one in (slices.of(np.array([i])) for i in range(len(slices)))
        ]
        return np.concatenate(made), None

    return Method(make, (ONE, FREE))


def _checked(
    args: argparse.Namespace, name: str, make: Callable[[], Method], slices: Callable
) -> dict[str, Any]:
    """Every part of a method, read where it was done before."""
    found: dict[str, Any] = {}
    for part in args.parts:
        place = args.out / name / f"{part}.json"
        chosen, method = slices(part == "lesions"), make()
        if chosen is None:
            continue
        mark = _mark(args, method, chosen)
        if place.is_file() and (held := json.loads(place.read_text()))["asked"] == mark:
            found[part] = held["found"]
            continue
        found[part] = PARTS[part](method, _fewer(chosen, SLICES.get(part, 0)))
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(place, json.dumps({"asked": mark, "found": found[part]}, indent=1))
    return found


def _mark(args: argparse.Namespace, method: Method, slices: Slices) -> str:
    """Of all that decides a part's numbers; baselines learn from the training split."""
    held = [(name, getattr(slices, name)) for name in ("images", "acquisition_ms", "truth")]
    decided = {
        "data": str(args.data_dir),
        "slices": arrays_sha256(held),
        "method": method.digest,
        "software": software_version(),
    }
    return json_sha256(decided)[:16]


def _pictures(method: Method, read: Callable[[bool], Slices | None]) -> list[Pictured]:
    """Of every source the slice with the most brain, as most scanners would give it."""
    slices = read(False)
    assert slices is not None  # without lesions there always are some
    gains = next(g for g in (FITTED, FREE, ONE) if g in method.gains)
    shown = []
    for source in sorted(set(slices.source)):
        mine = slices.of(slices.source == source)
        one = mine.of(np.array([mine.brain.sum((1, 2)).argmax()]))
        truth = one.truth[0] * one.brain[0][..., None]
        picture = beside_truth(method(one, gains=gains)[0][0], truth, None)
        shown.append(Pictured(f"A {source} head, gains {gains}", picture))
    return shown


def _fewer(slices: Slices, count: int) -> Slices:
    if not count or len(slices) <= count:
        return slices
    return slices.of(np.linspace(0, len(slices) - 1, count).round().astype(int))


if __name__ == "__main__":
    main()
