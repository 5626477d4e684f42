"""A house for the evaluation's door: small people, not files; lines in place of networks."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from evaluation_people import make_case

import launch.evaluation_people as people
import launch.evaluation_runs as runs
from qsr_jax.data.manifest import Manifest, ManifestError, Pair, Person
from qsr_jax.evaluate.predictors import predict
from qsr_jax.evaluate.predictors.interpolate import interpolator
from qsr_jax.types import CORNER

LINEAR = interpolator(scale=2, alignment=CORNER, method="linear")


@dataclasses.dataclass(frozen=True)
class Linear:
    """A stand-in for a trained network: linear interpolation of one map."""

    map_name: str
    description: str = "linear"
    weights_sha256: str = "0" * 64
    notes: tuple[str, ...] = ("a stand-in",)

    def __call__(self, volume):
        assert volume.names == (self.map_name,)
        return LINEAR(volume)


def make_person(i, *, split="test", group="healthy", folds=()):
    return Person(
        person=f"{i:016x}",
        group=group,
        split=split,
        folds=folds,
        grid_alignment=CORNER,
        fast_shape=(3, 32, 32),
        fast_spacing_mm=(5.0, 6.875, 6.875),
        truth="truth",
        maps={
            "t1": Pair(
                {"routine": f"r{i}"}, {"routine": f"digest {i}", "fast": f"f{i}"}, {}, "good", ()
            )
        },
    )


def make_manifest(splits, *folds):
    """Person i belongs to ``splits[i]``, in fold k to ``folds[k][i]``; the fourth is a patient."""
    persons = tuple(
        make_person(
            i,
            split=split,
            group="patient" if i == 3 else "healthy",
            folds=tuple(fold[i] for fold in folds),
        )
        for i, split in enumerate(splits)
    )
    return manifest_of(persons)


def manifest_of(persons):
    nothing = dict.fromkeys(("protocols", "accepted", "refused", "ignored"), ())
    return Manifest(
        kind="dicom", root=Path("dicom"), scale=2, seed=0, persons=persons, **nothing
    )  # fmt: skip


def build_house(monkeypatch):
    """A house of small people: four to test, two to train; a workdir is named after its map."""
    place = SimpleNamespace(
        manifests={"manifest.json": make_manifest(["test"] * 4 + ["train"] * 2)},
        fingerprints={},
        measured=[],
        checkpoints=set(),
        size=64,
        failing=None,
    )

    def load_manifest(path):
        if path.name not in place.manifests:
            raise ManifestError(f"{path}: cannot be read")
        return place.manifests[path.name]

    def load_case(_, person):
        if place.failing == person.person:
            raise OSError("killed")
        if person.split == "test":
            place.measured.append(person.person)
        rng = np.random.default_rng(int(person.person, 16))
        lesions = 3 if person.group == "patient" else 0
        return make_case(
            rng,
            person=person.person,
            group=person.group,
            size=place.size,
            slices=3,
            lesions=lesions,
        )  # fmt: skip

    def load_document(workdir, *, which):
        place.checkpoints.add(which)
        default = place.manifests["manifest.json"].fingerprint
        found = place.fingerprints.get(workdir.parent.name, default)
        return 1, {"data_fingerprint": found, "config": {"seed": len(workdir.parent.name)}}

    monkeypatch.setattr(runs.Manifest, "load", load_manifest)
    monkeypatch.setattr(people, "load_case", load_case)
    monkeypatch.setattr(people, "read_repeat", lambda *_: None)
    monkeypatch.setattr(runs, "load_document", load_document)
    digest = "{:0>64}".format
    monkeypatch.setattr(
        predict,
        "load_predictor",
        lambda w, which: Linear(w.name, weights_sha256=digest(w.parent.name)),
    )
    return place


def arguments(out, *maps):
    workdirs = [text for name in maps for text in ("--workdir", f"runs/{name}")]
    return ["--manifest", "manifest.json", *workdirs, "--out", str(out)]
