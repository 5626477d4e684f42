"""The whole walk on scans that were not de-identified: nothing planted arrives anywhere.

Pair, build, train, predict, evaluate and their refusals, with words in headers, private blocks,
preambles and in the names of folders and files. What may keep an identity is listed: the manifest
names the folders it points to, and a DICOM prediction belongs to its patient.
"""

import contextlib
import importlib.util
import io
import shutil
from pathlib import Path

import pydicom
import pytest
from dicom_factory import write_subject
from planted import WORD, contents, plant_tree, secrets_of

from data_tools import build_dataset, inspect_dicom, pair_studies
from launch import evaluate, predict, status, train
from qsr_jax.checkpoint import BEST, LATEST
from qsr_jax.data.dicom.derived import KEPT

ROOT = Path(__file__).parents[2]
TINY = [
    "--config.schedule.steps=2",
    "--config.schedule.warmup_steps=2",
    "--config.schedule.frozen_norm_steps=0",
    "--config.data.batch_size=4",
    "--config.data.crop=16",
    "--config.model.features=8",
    "--config.model.blocks=1",
    "--config.discriminator.features=(4,4,8,8)",
    "--config.vgg.layer=conv1_2",
    "--config.cadence.log_every=1",
    "--config.cadence.validate_every=1",
    "--config.cadence.save_every=1",
]
SUBJECTS = ("alpha", "beta", "gamma", "delta")
SIDE = 64
"""Of the fast images: that of the tiny cohort, whose warm-up the suite compiles anyway."""


@pytest.fixture(scope="module")
def walked(tmp_path_factory, compiled_quickly):
    """(folder of everything that was made, the planted scans, what was printed)."""
    root = tmp_path_factory.mktemp("privacy")
    scans, made = root / f"{WORD}-export", root / "made"
    made.mkdir()
    for seed, name in enumerate(SUBJECTS):
        write_subject(scans / f"{WORD}-{name}", seed=seed, subject=name, side=SIDE)
    plant_tree(scans)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        walk(scans, made)
    return made, scans, said.getvalue()


def walk(scans, made):
    manifest, records, workdir = (str(made / n) for n in ("manifest.json", "records", "run"))
    pair_studies.main(["--dicom", str(scans), "--out", manifest, "--test-fraction", "0",
                       "--test", f"{WORD}-alpha", "--validation", f"{WORD}-beta"])  # fmt: skip
    build_dataset.main(["--manifest", manifest, "--data_dir", records])
    config = ["--config", str(ROOT / "configs/quickstart_srgan.py"), "--config.map=t1", *TINY]
    train.main([*config, "--data_dir", records, "--workdir", workdir])
    status.main([workdir, "--json"])
    fast = ["--workdir", workdir, "--input", str(scans / f"{WORD}-delta" / "fast_t1")]
    predict.main([*fast, "--output", str(made / "dicom" / "series")])
    predict.main([*fast, "--output", str(made / "bids"), "--nifti", "01"])
    if importlib.util.find_spec("highdicom"):  # pip install qsr_jax[parametric-map]
        predict.main([*fast, "--output", str(made / "dicom" / "map"), "--parametric-map"])
    evaluate.main(["--manifest", manifest, "--workdir", workdir, "--out", str(made / "report"),
                   "--baselines", "bicubic", "--workers", "1"])  # fmt: skip


def found_in(files, secrets):
    return {(path.name, secret) for path, text in files.items() for secret in secrets
            if secret in text or secret.decode() in str(path)}  # fmt: skip


def test_the_walk_made_every_kind_of_file(walked):
    made, _, _ = walked
    kinds = {path.suffix for path in made.rglob("*") if path.is_file()}
    assert {".json", ".jsonl", ".html", ".csv", ".tex", ".dcm", ".gz", ".md"} <= kinds
    assert list((made / "run" / "tensorboard").glob("events.*"))
    assert list((made / "run" / LATEST / "2").rglob("*"))
    assert list((made / "run" / BEST).glob("*/SEAL.json"))


def test_no_file_but_the_manifest_and_dicom_says_who_was_scanned(walked):
    made, scans, _ = walked
    folders = [made / name for name in ("records", "run", "bids", "report")]
    files = {p.relative_to(made): text for p, text in contents(*folders).items()}
    secrets = secrets_of(scans)
    assert len(secrets) > 100
    assert len(files) > 60
    assert not found_in(files, secrets)


def test_the_manifest_names_folders_and_nothing_of_a_header(walked):
    made, scans, _ = walked
    text = (made / "manifest.json").read_text()
    folders = {p.name for p in scans.rglob("*") if p.is_dir()} | {scans.name}
    for name in sorted(folders, key=len, reverse=True):
        text = text.replace(name, "")
    assert not found_in({Path("manifest.json"): text.encode()}, secrets_of(scans))


def test_what_is_printed_names_nobody(walked):
    _, scans, said = walked
    assert "report: " in said
    assert not found_in({Path("printed"): said.encode()}, secrets_of(scans))


def test_a_dicom_prediction_keeps_the_listed_tags_alone(walked):
    """It belongs to the study of its patient, so identity stays; the rest goes."""
    made, scans, _ = walked
    files = sorted((made / "dicom").rglob("*.dcm"))
    assert len(files) > 2
    source = {e.tag for e in pydicom.dcmread(next(scans.rglob("*delta/fast_t1/*.dcm")))}
    for path in files:
        ds = pydicom.dcmread(path)
        assert ds.preamble == b"\0" * 128
        assert not [e for e in ds.iterall() if e.tag.is_private]
        planted = {e.keyword for e in ds.iterall() if e.VR != "SQ" and WORD in str(e.value)}
        assert planted
        assert planted <= set(KEPT)
        assert not [e for e in ds.file_meta if WORD in str(e.value)]
        assert len(source) > len(KEPT), "the source says more than may be kept"
    assert WORD not in "".join(path.name for path in files)
    assert found_in(contents(made / "dicom"), secrets_of(scans)), "the search finds what is there"


def test_refusals_of_every_door_name_file_and_tag_and_no_subject(walked, tmp_path, capsys):
    """What is damaged in a planted scan is told without its values; paths are the caller's own."""
    made, scans, _ = walked
    broken = tmp_path / "x"
    shutil.copytree(scans / f"{WORD}-delta" / "fast_t1", broken / "fast_t1")
    for place, path in enumerate(sorted(broken.rglob("*.dcm"))):
        path.rename(path.with_name(f"{place}.dcm"))
    path = broken / "fast_t1" / "2.dcm"
    ds = pydicom.dcmread(path)
    ds.PatientID, ds.RescaleSlope = f"{WORD} other", None
    ds.save_as(path)
    capsys.readouterr()
    workdir, out = str(made / "run"), str(tmp_path / "out")
    calls = [
        (inspect_dicom.main, [str(broken)]),
        (inspect_dicom.main, [str(broken), "--json"]),
        (pair_studies.main, ["--dicom", str(broken), "--out", str(tmp_path / "m.json")]),
        (predict.main, ["--workdir", workdir, "--input", str(broken), "--output", out]),
        (predict.main, ["--workdir", workdir, "--input", str(broken), "--output", out,
                        "--nifti", f"{WORD}_1"]),
    ]  # fmt: skip
    for door, words in calls:
        with pytest.raises(SystemExit) as caught:
            door(words)
        printed = capsys.readouterr()
        text = f"{caught.value}\n{printed.out}{printed.err}".replace(str(made), "")
        assert "PatientID" in text or "letters and digits" in text or "RescaleSlope" in text, text
        if f"{WORD}_1" not in words:
            assert not found_in({Path("said"): text.encode()}, secrets_of(scans)), text
