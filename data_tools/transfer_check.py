"""Whether a network that saw simulated subjects alone is right about measured heads.

Makes a cohort with both protocols scaled to the measured heads, trains the fixed small network of
configs/transfer.py on it, and tests it on other simulated subjects and on the heads, scanned by the
same simulator. Prints each group's error as a share of bicubic interpolation's; all numbers go to
OUT/transfer.json. Finished parts are found and kept, a killed training goes on. Whoever changes the
instrument runs it before and after: docs/transfer.md. With --model that one is tested, pixel for
pixel, and none is trained.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import qsr_jax
from data_tools import build_dataset, pair_studies, simulate_cohort
from data_tools.anatomy_files import measured_heads, read_measured
from data_tools.protocol_file import as_document
from data_tools.transfer_shares import errors_of, summary
from qsr_jax.cli import program
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.maps import MAPS
from qsr_jax.phantom.measured_maps import scaled_protocols
from qsr_jax.physics.installation import MEAN, PROTOCOL_NAMES, draw_values, installed
from qsr_jax.physics.mdme_protocol import PROTOCOLS, Protocol
from qsr_jax.physics.scanner import SCANNER
from qsr_jax.predictors.network import NetworkPredictor
from qsr_jax.provenance import software_version
from qsr_jax.types import Prediction, Predictor, Volume

PAGE = "transfer"
TRAIN_SEED, TEST_SEED = 1, 2
RESULT, PROTOCOL = "transfer.json", "protocol.json"

SAME = ("--installation", MEAN, "--pose-mm", "0", "--pose-deg", "0")
"""Everybody lies still in one scanner: what is told apart is heads, not scanners."""


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is simulated and trained.

    Attributes:
        subjects: simulated ones that train.
        tests: simulated ones that test.
        slices: of a simulated subject.
        overrides: keys of the page that differ from it.
    """

    subjects: int
    tests: int
    slices: int
    overrides: dict[str, Any]


FULL = Size(24, 6, 12, {})
"""Middles of 24 heads: the measured ones are 30 mm high."""
DRY = Size(
    1, 1, 4, {"schedule.steps": 2, "model.features": 4, "model.blocks": 1, "data.batch_size": 4}
)
"""Everything once, to see that it works; its numbers mean nothing."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args, simulated = _parser().parse_known_args(argv)
    size = DRY if args.dry else FULL
    if args.steps:
        size = dataclasses.replace(size, overrides=size.overrides | {"schedule.steps": args.steps})
    try:
        heads = [head for folder in args.measured for head in measured_heads(folder)]
        scaled = protocols(heads, slices=size.slices)
        args.out.mkdir(parents=True, exist_ok=True)
        network = _network(args, scaled, size, simulated)
        groups = {
            "simulated": _simulated(args.out, scaled, size, args.workers),
            "measured": [m for head in heads for m in _measured(args.out, head)],
        }
        found = {name: _score(group, network) for name, group in groups.items()}
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    about = {
        "software": software_version(),
        "model": args.model,
        "simulated_with": simulated,
        "size": dataclasses.asdict(size),
        "heads": [head.name for head in heads],
    }
    write_text_atomically(args.out / RESULT, json.dumps(about | found, indent=1) + "\n")
    print(as_text(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.transfer_check"),
        description=__doc__,
        epilog="Any other flag is one of data_tools.simulate_cohort, for the training subjects.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="new folder, or one to go on with")
    add(
        "--measured",
        type=Path,
        required=True,
        nargs="+",
        metavar="DIR",
        help="measured heads as simulate_cohort takes them, or folders of such",
    )
    add("--model", help="name, file or workdir of a model of all maps that is tested as it is")
    add("--steps", type=int, default=0, help="of training, other than the page's")
    add("--workers", type=int, default=2, help="processes that simulate (default 2)")
    add("--dry", action="store_true", help="everything once, tiny; its numbers mean nothing")
    return parser


def protocols(heads: Sequence[Path], *, slices: int) -> tuple[Protocol, Protocol]:
    """(routine, fast) at the resolution of the heads, with as many slices as simulated ones have.

    Raises:
        ValueError: a head cannot be used, or the heads ask for different matrices.
    """
    drawn = draw_values(0, 0, fixed={}, installation=MEAN, names=PROTOCOL_NAMES)
    usual = installed(*PROTOCOLS["paper"], drawn, cross_talk=SCANNER.cross_talk)
    pairs = {
        tuple(dataclasses.replace(p, slices=slices) for p in scaled)
        for scaled in (scaled_protocols(*usual, read_measured(head)) for head in heads)
    }
    if len(pairs) != 1:
        sizes = sorted({(p[0].fov_mm, *p[0].matrix) for p in pairs})
        raise ValueError(
            f"the heads ask for different protocols, field of view and matrix {sizes}; one network "
            "takes one matrix: check them in separate runs"
        )
    routine, fast = pairs.pop()
    return routine, fast


def _network(
    args: argparse.Namespace, scaled: tuple[Protocol, Protocol], size: Size, simulated: list[str]
) -> Predictor:
    """The model that is given, or the network of the page.

    Raises:
        ValueError: a model is given, and so is something that only trains.
    """
    if args.model is None:
        return _trained(args.out, scaled, size, [*simulated, "--workers", str(args.workers)])
    if simulated or args.steps:
        told = " ".join([*(["--steps"] if args.steps else []), *simulated])
        raise ValueError(f"{told}: of a training, and --model {args.model} is not trained again")
    return on_any_grid(qsr_jax.load_predictor(args.model))


def on_any_grid(model: NetworkPredictor) -> Predictor:
    """A model that takes other matrices and voxels than it was trained on, pixel for pixel."""

    def predict(volume: Volume) -> Prediction:
        geometry = volume.geometry
        rows, columns = geometry.shape[1:]
        here = dataclasses.replace(
            model, lr_shape=(rows, columns), lr_spacing_mm=geometry.spacing_mm
        )
        return here(volume)

    return predict


def _trained(
    out: Path, scaled: tuple[Protocol, Protocol], size: Size, simulated: list[str]
) -> Predictor:
    """The network, trained on healthy subjects of their own seed."""
    count = size.subjects + 1
    cohort = _cohort(out / "train", scaled, count, TRAIN_SEED, simulated)
    manifest = out / "train.json"
    # The trainer wants somebody to look at; nothing is chosen by them.
    split = ["--test-fraction", "0", "--validation", f"sub-{count:03d}"]
    pair_studies.main(["--dicom", str(cohort), "--out", str(manifest), *split])
    records = out / "records"
    build_dataset.main(["--manifest", str(manifest), "--data_dir", str(records)])
    qsr_jax.train(PAGE, data_dir=records, workdir=out / "network", overrides=size.overrides)
    return qsr_jax.load_predictor(out / "network")


def _simulated(
    out: Path, scaled: tuple[Protocol, Protocol], size: Size, workers: int
) -> list[Manifest]:
    """Subjects of the population's draws, whatever the training subjects were drawn from."""
    cohort = _cohort(out / "test", scaled, size.tests, TEST_SEED, ["--workers", str(workers)])
    return [_paired(cohort, out / "test.json")]


def _measured(out: Path, head: Path) -> list[Manifest]:
    cohort = out / "measured" / head.name
    flags = ["--subjects", "1", "--patients", "0", "--measured", str(head), "--seed", "0"]
    protocol = str(out / PROTOCOL)
    simulate_cohort.main(["--out", str(cohort), "--protocol", protocol, *SAME, *flags])
    return [_paired(cohort, out / "measured" / f"{head.name}.json")]


def _cohort(
    folder: Path, scaled: tuple[Protocol, Protocol], count: int, seed: int, more: list[str]
) -> Path:
    protocol = folder.with_name(PROTOCOL)
    write_text_atomically(protocol, json.dumps(as_document(*scaled), indent=1) + "\n")
    flags = ["--subjects", str(count), "--patients", "0", "--seed", str(seed)]
    flags += ["--protocol", str(protocol), *SAME, *more]
    simulate_cohort.main(["--out", str(folder), *flags])
    return folder


def _paired(cohort: Path, manifest: Path) -> Manifest:
    pair_studies.main(["--dicom", str(cohort), "--out", str(manifest), "--test-fraction", "1"])
    return Manifest.load(manifest)


def _score(manifests: Sequence[Manifest], network: Predictor) -> dict[str, object]:
    listed = [(manifest, subject) for manifest in manifests for subject in manifest.subjects]
    cases = (load_case(*one) for one in listed)
    bar = tqdm(cases, desc="testing", total=len(listed), unit="subject", mininterval=1)
    return summary([errors_of(case, network, scale=2) for case in bar])


def as_text(found: dict[str, Any]) -> str:
    """The table that is printed."""
    lines = ["share of bicubic's error     " + "".join(f"{name:>14}" for name in MAPS)]
    for group, numbers in found.items():
        pairs = zip(numbers["share"], numbers["share_sd"], strict=True)
        cells = "".join(f"{mean:7.3f} ± {sd:4.2f}" for mean, sd in pairs)
        lines.append(f"{group:10} ({numbers['subjects']} subjects)      {cells}")
        for what, values in (
            ("  routine's own share", numbers["routine_share"]),
            ("  slope on the truth", numbers["slope"]["network"]),
            ("  bias of GM, %", numbers["bias_percent"]["network"][0]),
            ("  bias of WM, %", numbers["bias_percent"]["network"][1]),
        ):
            lines.append(f"{what:29}" + "".join(f"{np.round(value, 3):14.3f}" for value in values))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
