"""Records on Apache Beam: the same bytes, by its local runner in one process and in several."""

import sys

import pytest
import tensorflow_datasets as tfds
from kill_data import differences, digests

from data_tools import build_dataset
from data_tools.qmri_pairs.qmri_pairs_dataset_builder import Builder
from qsr_jax.data.records.on_beam import BeamError, on_beam
from qsr_jax.data.records.open import dataset_folder

ABSENT = 'Apache Beam is not installed: pip install "qsr_jax[beam]"'
SEVERAL = "runner=DirectRunner,direct_num_workers=2,direct_running_mode=multi_processing"


def build(manifest, data_dir, *more):
    build_dataset.main(["--manifest", str(manifest), "--data_dir", str(data_dir), *more])


@pytest.fixture(scope="module")
def beam():
    return pytest.importorskip("apache_beam", reason=ABSENT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_pipeline_builds_the_same_records(beam, data_dir, manifest_path, tmp_path):
    build(manifest_path, tmp_path, "--beam", "runner=DirectRunner")
    assert not differences(digests(tmp_path), digests(data_dir))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_builder_runs_on_the_pipeline_that_tfds_was_given(
    beam, data_dir, manifest_path, tmp_path
):
    """What ``tfds build --beam_pipeline_options`` does; here by two processes."""
    options = beam.options.pipeline_options.PipelineOptions(
        flags=[f"--{option}" for option in SEVERAL.split(",")]
    )
    config = tfds.download.DownloadConfig(
        manual_dir=manifest_path.parent, beam_options=options, beam_runner="DirectRunner"
    )
    builder = Builder(config="t2", data_dir=tmp_path / "d")
    builder.download_and_prepare(download_config=config, download_dir=tmp_path)
    ours, theirs = (digests(dataset_folder(d, "t2")) for d in (data_dir, tmp_path / "d"))
    assert differences(theirs, ours) == ["dataset_info.json changed"]  # who built it


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_what_a_subject_refuses_reaches_the_user_in_one_line(beam):
    with pytest.raises(BeamError, match="invalid literal.*the same command goes on"):
        list(on_beam("runner=DirectRunner")(int, [("x",)]))


def test_without_beam_the_door_says_what_to_install(manifest_path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(SystemExit, match=r'error: --beam needs Apache Beam: pip install "qsr_jax'):
        build(manifest_path, tmp_path, "--beam", "runner=DirectRunner")
    monkeypatch.undo()
    with pytest.raises(SystemExit, match=r"--workers are processes of this machine"):
        build(manifest_path, tmp_path, "--beam", "runner=DirectRunner", "--workers", "2")
