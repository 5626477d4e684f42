r"""Goes on with a trained model on your own few pairs: DICOM or NIfTI, paired and built as always.

Network, task and losses are the model's own, the course is that of configs/finetune.py. The model
is validated first; the best checkpoint of the workdir is what did best on your validation subjects,
the model itself among them. The result is a workdir like any other:

  python -m launch.finetune --model default --data_dir records --workdir tuned
  python -m launch.predict --model tuned --checkpoint best --input my_scan --output out

What is learned is your routine scan, with whatever is wrong with it: scans have no truth.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from launch.config.finetune import after_model
from launch.config.page import Config, add_config_argument, parse_with_config
from launch.processes import membership
from launch.train import add_run_arguments, as_program, run
from qsr_jax.checkpoint import BEST, LATEST, load_document, sealed_steps
from qsr_jax.cli import program
from qsr_jax.ops.devices import start_cpu_devices
from qsr_jax.pretrained import find_model
from qsr_jax.training.metric_log import read_metrics
from qsr_jax.training.processes import say

PAGE = "finetune"


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.finetune --help``."""
    parser = argparse.ArgumentParser(
        prog=program("launch.finetune"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_arguments(parser)
    add_config_argument(parser, default=PAGE)
    add_run_arguments(parser)
    result = run(lambda: parse_with_config(parser, argv, fill=begun_with))
    for line in comparison(result.workdir):
        say(line)


def begun_with(arguments: argparse.Namespace, page: Config) -> Config:
    """The page that goes on with the model of the command line, and its other flags."""
    if membership(arguments, os.environ) is None:
        start_cpu_devices(page.data.batch_size)  # opening a workdir asks JAX what there is
    path = find_model(arguments.model)
    _, document = load_document(path, which=arguments.checkpoint)
    steps = arguments.steps if arguments.steps is not None else page.schedule.steps
    config = after_model(page, document, steps=steps)
    config.start.model, config.start.checkpoint = arguments.model, arguments.checkpoint
    if arguments.learning_rate is not None:
        config.optimizer.learning_rate = arguments.learning_rate
    return config


def comparison(workdir: Path) -> list[str]:
    """How the model and what became of it did on the validation subjects, in words."""
    lines = {line["step"]: line for line in read_metrics(workdir, "validation")}
    if not lines:
        return [
            "no validation subjects: whether it is better than the model was not measured, and "
            "nothing is calibrated on your scans (qsr pair --validation SUBJECT)"
        ]
    (best, *_), last = sealed_steps(workdir / BEST) or [0], max(lines)
    told = {"the model": 0, "the best": best, "the last": last}
    rows = [
        f"{who + ', step ' + str(step):<24} PSNR {lines[step]['pooled_psnr_db']:.2f} dB, bias "
        f"{lines[step]['relative_bias_percent']:+.2f} %"
        for who, step in told.items()
        if step in lines
    ]
    advice = (
        "the model did best on your validation subjects: keep it"
        if not best
        else (f"predict with --model {workdir} --checkpoint best")
    )
    return [*rows, advice]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it begins from, and how far it goes."""
    parser.add_argument(
        "--model",
        default="default",
        help="name of a shipped model, a model file, or the workdir of a training (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--checkpoint",
        choices=(LATEST, BEST),
        default=LATEST,
        help="of a workdir (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, help="updates in all (default: the page's)")
    parser.add_argument("--learning-rate", type=float, help="at the first (default: the page's)")


if __name__ == "__main__":
    as_program(main)
