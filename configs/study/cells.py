"""The cells of the study: each changes one thing, most of them of the same small page.

A cell is a page of this folder, what is overridden in it, the records it learns from and the
manifests it is measured on; both are told by name and made by the commands of docs/study.md. What a
key means: `Cell` of launch/study/cells.py. Minutes are estimates on two quiet cores, of one seed's
training alone.
"""

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

GROUPS = {
    "base": "What everything is held against",
    "networks": "Networks",
    "losses": "Losses, term by term",
    "targets": "Targets",
    "values": "Values moved at random",
    "subjects": "Number of subjects and of scanners",
    "scans": "Noise, acceleration, registration",
    "anatomy": "Anatomy",
    "candidates": "Candidates for the shipped models",
}
"""Questions, in the order of the page."""

BESIDE = {"networks": ("base",), "losses": ("base",), "targets": ("base",), "values": ("base",),
          "subjects": ("base", "truth"), "scans": ("base",),
          "anatomy": ("base", "subjects-6")}  # fmt: skip
"""Cells of other groups that a group's table begins with."""

RECORDS, MEASURED = "population-24", "validation-scanners"
ONE_SCANNER = "validation"
"""What decided before it was seen that a cohort of one scanner tells of that scanner."""

ALL_SUBJECTS = "all-44"
VARIANTS = ("noisy", "faster")
LABELS = f"{ONE_SCANNER}-labels"


def _cell(name: str, group: str, says: str, **more: Any) -> Row:
    usual = {"page": "residual", "overrides": {}, "maps": ("t1+t2+pd",), "trained_on": RECORDS,
             "measured_on": (MEASURED,), "seeds": 1, "minutes": 2.5}  # fmt: skip
    return {"name": name, "group": group, "says": says} | usual | more


def _weights(**weights: float) -> Row:
    return {f"loss.terms.{term}.weight": weight for term, weight in weights.items()}


BASE = _cell(
    "base",
    "base",
    "residual, 32 features, 4 blocks, one slice; absolute error; routine; 24 subjects",
    measured_on=(MEASURED, ONE_SCANNER, LABELS, *(f"{ONE_SCANNER}-{v}" for v in VARIANTS)),
    seeds=3,
)

ONE_BY_ONE = ("t1", "t2", "pd")
SRGAN_ONE = {
    "schedule.steps": 800, "schedule.warmup_steps": 450, "schedule.frozen_norm_steps": 200
}  # fmt: skip
NO_NORM = {"model.norm": False, "schedule.frozen_norm_steps": 0}


def _network(name: str, says: str, **more: Any) -> Row:
    return _cell(name, "networks", says, **more)


NETWORKS = (
    _network("unet", "U-Net, 16 features, depth 2", page="unet", minutes=4.0),
    _network("rrdb", "RRDB, 24 features, 1 block", page="rrdb", minutes=5.0),
    _network("swinir", "SwinIR, 24 features, 2 groups of 2 layers; 1,000 steps",
             page="swinir", overrides={"schedule.steps": 1000}, minutes=6.0),
    _network("esrgan", "RRDB under equation 4, relativistic", page="esrgan", minutes=8.0),
    _network("srgan-one-map", "paper's generator and equation 4, a network per map", page="srgan",
             overrides=SRGAN_ONE, maps=ONE_BY_ONE, minutes=8.0),
    _network("srgan-one-map-no-norm", "the same without batch norm", page="srgan",
             overrides=SRGAN_ONE | NO_NORM, maps=ONE_BY_ONE, minutes=8.0),
    _network("srgan-joint", "paper's generator and equation 4, one network for all", page="srgan",
             minutes=6.0),
    _network("one-map", "base, a network per map, a third of the steps each",
             overrides={"schedule.steps": 500}, maps=ONE_BY_ONE),
    _network("slices-3", "base, three slices", overrides={"task.context": 3}),
    _network("slices-5", "base, five slices", overrides={"task.context": 5}),
    _network("wide", "base, 48 features, 6 blocks", minutes=6.5,
             overrides={"model.features": 48, "model.blocks": 6, "task.margin": 8}),
)  # fmt: skip


def _loss(name: str, says: str, overrides: Mapping[str, Any], **more: Any) -> Row:
    return _cell(name, "losses", says, overrides=dict(overrides), **more)


BESIDE_MAE = {
    "regions": 1.0, "tissues": 0.05, "value_bins": 0.05, "measurement": 0.5, "t1w": 0.5,
    "t2w": 0.5, "flair": 0.5,
}  # fmt: skip
"""Weights of terms beside the absolute error of the base."""

LOSSES = (
    _loss("mae-brain", "absolute error inside the brain", {"loss.terms.mae.region": "brain"}),
    _loss("mae-frame", "absolute error in the whole frame", {"loss.terms.mae.region": "frame"}),
    *(_loss(name, f"{name} alone", _weights(**{"mae": 0.0, name: 1.0}))
      for name in ("mse", "charbonnier", "log", "relative")),
    *(_loss(name, f"{name} alone, the network tells its spread",
            _weights(**{"mae": 0.0, name: 1.0}) | {"model.spread": True})
      for name in ("laplace", "gaussian")),
    *(_loss(f"mae-{name.replace('_', '-')}", f"base + {weight:g} {name}",
            _weights(**{name: weight}))
      for name, weight in BESIDE_MAE.items()),
    _loss("equation-4", "base under equation 4; 1,200 steps, crops of 20", {}, page="equation_4",
          minutes=6.5),
    _loss("equation-4-no-vgg", "the same without the content term", _weights(vgg=0.0),
          page="equation_4", minutes=2.5),
    _loss("equation-4-no-gan", "the same without the adversarial term", _weights(gan=0.0),
          page="equation_4", minutes=6.0),
    _loss("equation-4-no-both", "the same with the absolute error alone",
          _weights(gan=0.0, vgg=0.0), page="equation_4", minutes=1.5),
)  # fmt: skip

TRUTH = {"task.target": "truth"}
GAUSSIAN = _weights(mae=0.0, gaussian=1.0) | {"model.spread": True}
TARGETS = (
    _cell("truth", "targets", "the truth", overrides=TRUTH, seeds=3,
          measured_on=(MEASURED, ONE_SCANNER)),
    _cell("truth-gaussian", "targets", "the truth; Gaussian likelihood",
          overrides=TRUTH | GAUSSIAN, seeds=3),
    _cell("repeat", "targets", "one of two routine scans, drawn at every step",
          overrides={"task.target": "repeat"}, trained_on=f"{RECORDS}-repeat", seeds=3),
)  # fmt: skip

REMAPPED = {"task.remap_scale": 0.25, "task.remap_power": 0.35, "task.remap_field": 0.1}
VALUES = (
    _cell("remapped", "values", "scale 0.25, power 0.35, field 0.1", overrides=REMAPPED,
          measured_on=(MEASURED, LABELS)),
    *(_cell(key.removeprefix("task.").replace("_", "-"), "values", f"{key} {value} alone",
            overrides={key: value}, measured_on=(MEASURED, LABELS))
      for key, value in REMAPPED.items()),
)  # fmt: skip

SUBJECTS = (
    _cell("subjects-6", "subjects", "6 subjects", trained_on="population-6",
          measured_on=(MEASURED, LABELS), seeds=3),
    _cell("subjects-all", "subjects", "44: all there are, of all three kinds of anatomy",
          trained_on=ALL_SUBJECTS, measured_on=(MEASURED, LABELS), seeds=3),
    *(_cell(name, "subjects", f"24 subjects, a scanner each (population-24: four scanners); {says}",
            overrides=overrides, trained_on=f"{RECORDS}-scanners",
            measured_on=(MEASURED, ONE_SCANNER), seeds=3)
      for name, says, overrides in (("scanners-24", "routine", {}),
                                    ("truth-scanners-24", "truth", TRUTH))),
)  # fmt: skip

SCANS = (
    *(_cell(variant, "scans", f"trained on {variant} scans", trained_on=f"{RECORDS}-{variant}",
            measured_on=(MEASURED, f"{ONE_SCANNER}-{variant}"))
      for variant in VARIANTS),
    _cell("as-they-lie", "scans", "head movement between the scans left in the training pairs",
          trained_on=f"{RECORDS}-as-they-lie"),
)  # fmt: skip

ANATOMY = tuple(
    _cell(name, "anatomy", says, trained_on=name, measured_on=(MEASURED, LABELS))
    for name, says in (
        ("labels-6", "6 subjects made from label maps, wide values"),
        ("wide-6", "6 subjects bent from the template, wide values"),
        ("mixed-24", "24 subjects of all three kinds"),
    )
)

A_SCANNER_EACH = "all-41-scanners"
LARGE = {
    "model.features": 48, "model.blocks": 6, "task.margin": 8, "schedule.steps": 1800
}  # fmt: skip


def _candidate(name: str, says: str, *more: Mapping[str, Any]) -> Row:
    overrides = {key: value for part in (LARGE, *more) for key, value in part.items()}
    return _cell(name, "candidates", says, overrides=overrides, trained_on=A_SCANNER_EACH,
                 measured_on=(MEASURED, LABELS), seeds=3, minutes=8.0)  # fmt: skip


CANDIDATES = (
    _candidate("large-routine", "48 features, 6 blocks; routine; 41 subjects, a scanner each"),
    _candidate("large-truth", "the same; truth", TRUTH),
    _candidate("large-truth-remapped", "the same; truth; values at random", TRUTH, REMAPPED),
    _candidate("large-truth-slices", "the same; truth; three slices", TRUTH, {"task.context": 3}),
    _candidate("large-truth-laplace", "the same; truth; Laplace likelihood", TRUTH,
               {"model.spread": True}, _weights(mae=0.0, laplace=1.0)),
    _candidate("large-truth-gaussian", "the same; truth; Gaussian likelihood", TRUTH, GAUSSIAN),
)  # fmt: skip

CELLS = (
    BASE, *NETWORKS, *LOSSES, *TARGETS, *VALUES, *SUBJECTS, *SCANS, *ANATOMY, *CANDIDATES
)  # fmt: skip
"""Every cell, in the order in which they run."""
