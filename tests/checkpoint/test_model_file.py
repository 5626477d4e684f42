"""One file that is a model: the same bytes from the same model, and no damage goes unseen."""

import pickle

import jax
import numpy as np
import pytest
import safetensors.numpy

from qsr_jax.checkpoint import (
    FORMAT_VERSION,
    REQUIRED,
    CheckpointError,
    DamageError,
    load_document,
    load_network,
    read_model_file,
    write_model_file,
)
from qsr_jax.checkpoint.model_file import KEY, VERSION

DOCUMENT = dict.fromkeys(REQUIRED, "x") | {"version": FORMAT_VERSION, "maps": ["t1"]}
EXTRAS = {"spread": {"t1": [1.0, 0.1 + 0.2]}}


def variables(seed=0):
    rng = np.random.default_rng(seed)
    kernel = np.float32(rng.standard_normal((3, 3, 1, 4)))
    return {"params": {"Conv_0": {"kernel": kernel, "bias": np.zeros(4, np.float32)}},
            "batch_stats": {"mean": np.float32(rng.standard_normal(4))}}  # fmt: skip


def write(path, seed=0, **changes):
    given = {
        "step": 7,
        "document": DOCUMENT,
        "variables": variables(seed),
        "extras": EXTRAS,
        "arrays": {"familiarity/mean": np.arange(3.0)},
    }
    write_model_file(path, **(given | changes))
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "model.safetensors")


def test_everything_comes_back(path):
    held = read_model_file(path)
    assert (held.step, held.document, held.extras) == (7, DOCUMENT, EXTRAS)
    assert sorted(held.network) == [
        "batch_stats/mean",
        "params/Conv_0/bias",
        "params/Conv_0/kernel",
    ]
    np.testing.assert_array_equal(held.arrays_of("familiarity")["mean"], np.arange(3.0))
    assert held.arrays_of("famil") == {}
    assert load_document(path, which="best") == (7, DOCUMENT)
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), variables())
    found = load_network(path, 7, target)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(found), variables())


def test_the_same_model_is_the_same_bytes_and_another_does_not_replace_it(path, tmp_path):
    other = write(tmp_path / "other.safetensors")
    assert other.read_bytes() == path.read_bytes()
    write(path)
    with pytest.raises(FileExistsError, match="model.safetensors: holds something else; remove it"):
        write(path, seed=1)
    assert other.read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors", "other.safetensors"]


def test_a_byte_changed_anywhere_is_found(path):
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 97).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="model.safetensors: "):
            read_model_file(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_file_cut_short_is_told(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors .* copy it anew"):
        read_model_file(path)


def test_changed_contents_under_an_old_seal_are_damage(path):
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    tensors = safetensors.numpy.load_file(path)
    tensors["network/batch_stats/mean"] += 1.0
    safetensors.numpy.save_file(tensors, path, metadata)
    with pytest.raises(DamageError, match="contents are not those that were written"):
        read_model_file(path)
    safetensors.numpy.save_file(tensors, path, {KEY: metadata[KEY][:-1]})
    with pytest.raises(DamageError, match="its JSON is damaged"):
        read_model_file(path)


def test_a_pickle_is_never_opened(path):
    path.write_bytes(pickle.dumps({"network": variables()}))
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        read_model_file(path)


def test_arrays_alone_and_another_version_are_no_model_of_ours(path):
    safetensors.numpy.save_file({"network/mean": np.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="no model of qsr_jax; make model files with `qsr ex"):
        read_model_file(path)
    later = f'{{"version": {VERSION + 1}}}'
    safetensors.numpy.save_file({"network/mean": np.zeros(2)}, path, {KEY: later})
    with pytest.raises(CheckpointError, match="a model file of format 2, .* reads format 1"):
        read_model_file(path)


@pytest.mark.parametrize(
    ("name", "changes", "match"),
    [
        ("model.npz", {}, "expected a name ending in .safetensors"),
        ("m.safetensors", {"arrays": {"network/mean": np.zeros(2)}}, "is called network/mean"),
        ("m.safetensors", {"arrays": {"mean": np.zeros(2)}}, "is called mean; expected OTHER/NAME"),
        ("m.safetensors", {"document": {"version": 2}}, "the document lacks maps"),
        ("m.safetensors", {"extras": {"spread": float("nan")}}, "JSON compliant"),
    ],
)
def test_what_is_no_model_is_not_written(name, changes, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        write(tmp_path / name, **changes)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_shape_are_refused(path):
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), variables())
    target["batch_stats"]["mean"] = jax.ShapeDtypeStruct((5,), np.float32)
    with pytest.raises(CheckpointError, match=r"do not fit their document .*mean: \(4,\), expec"):
        load_network(path, 7, target)
