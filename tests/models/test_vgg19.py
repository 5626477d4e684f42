"""VGG-19: the network against the published weights, and files that must be refused."""

import sys
import zipfile
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from data_tools import convert_vgg19
from qsr_jax.files.digest import file_sha256
from qsr_jax.models.vgg19 import (
    VGG_BLOCKS,
    Vgg19Features,
    WeightsError,
    check_vgg19,
    load_vgg19,
    vgg19_shapes,
)


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """A complete set with small random kernels."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.standard_normal(shape) * 0.05).astype(np.float32)
        for name, shape in vgg19_shapes().items()
    }


@pytest.fixture(scope="module")
def weight_file(arrays, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    convert_vgg19.write_vgg19(arrays, path)
    return path


def test_both_file_kinds_give_the_same_parameters(arrays, weight_file, tmp_path):
    npz = tmp_path / "vgg19.npz"
    digest = convert_vgg19.write_vgg19(arrays, npz)
    a = load_vgg19(weight_file, sha256=file_sha256(weight_file))
    b = load_vgg19(npz, sha256=digest)
    np.testing.assert_array_equal(a["conv5_4"]["kernel"], arrays["conv5_4/kernel"])
    np.testing.assert_array_equal(a["conv5_4"]["kernel"], b["conv5_4"]["kernel"])
    assert sorted(a) == sorted(b)


def plain_features(arrays, image, last):
    """VGG-19 by its definition in NumPy: windows, tensor products, maxima. (h, w) to features."""
    x = ((image + 1) * 127.5)[..., None] - arrays["input/mean"]
    x = x * arrays["input/scale"]
    for block, (_, depth) in enumerate(VGG_BLOCKS, start=1):
        for index in range(1, depth + 1):
            name = f"conv{block}_{index}"
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
            kernel = arrays[f"{name}/kernel"]  # (row, column, in, out)
            x = np.einsum("hwirc,rcio->hwo", windows, kernel, optimize=True)
            x = np.maximum(x + arrays[f"{name}/bias"], 0)
        h, w, c = x.shape
        x = x.reshape(h // 2, 2, w // 2, 2, c).max(axis=(1, 3))
        if last == f"pool{block}":
            return x
    raise AssertionError(last)


def assert_features_follow_the_definition(arrays, parameters, last, rng):
    image = np.clip(np.cumsum(rng.standard_normal((32, 32)) * 0.2, axis=1), -1, 1)
    expected = plain_features(arrays, image, last)
    got = Vgg19Features(last).apply(
        {"params": parameters}, jnp.asarray(image, jnp.float32)[None, ..., None]
    )[0]
    assert expected.max() > 0
    np.testing.assert_allclose(got, expected, atol=1e-4 * expected.max())


def test_features_follow_the_definition(arrays, weight_file, rng):
    parameters = load_vgg19(weight_file, sha256=file_sha256(weight_file))
    assert_features_follow_the_definition(arrays, parameters, "pool2", rng)


@pytest.mark.parametrize(
    ("layer", "shape"), [("conv1_2", (32, 32, 64)), ("pool3", (4, 4, 256)), ("pool4", (2, 2, 512))]
)
def test_layers_have_their_shapes(layer, shape, vgg_parameters):
    image = jnp.zeros((1, 32, 32, 1))
    features = Vgg19Features(layer).apply({"params": vgg_parameters}, image)
    assert features.shape == (1, *shape)


def test_an_unknown_layer_is_refused(vgg_parameters):
    with pytest.raises(ValueError, match="no layer 'conv9_1'"):
        Vgg19Features("conv9_1").apply({"params": vgg_parameters}, jnp.zeros((1, 32, 32, 1)))


# --- files that must be refused -------------------------------------------------------------------


def refuse(path, match, sha256=None):
    with pytest.raises(WeightsError, match=match):
        load_vgg19(path, sha256=sha256 or file_sha256(path))


def test_a_missing_file_says_how_to_get_one(tmp_path):
    refuse(tmp_path / "no.npz", "convert-vgg19", sha256="0")


def test_another_digest_is_refused(weight_file):
    refuse(weight_file, "sha256 is .* config.vgg.sha256 says 'abc'", sha256="abc")


def test_pickles_and_other_endings_are_refused(tmp_path, weight_file):
    path = tmp_path / "vgg19.pkl"
    path.write_bytes(weight_file.read_bytes())
    refuse(path, "pickles are never opened")


def test_pickled_objects_inside_an_npz_are_refused(tmp_path):
    path = tmp_path / "vgg19.npz"
    np.savez(path, conv=np.array([{"a": 1}], dtype=object))
    refuse(path, "cannot be read")


def test_an_npz_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w", force_zip64=True) as stream,
    ):
        for _ in range(300):
            stream.write(bytes(2**20))
    refuse(path, "unpacks to")


def test_a_truncated_file_is_refused(tmp_path, weight_file):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(weight_file.read_bytes()[:1000000])
    refuse(path, "cannot be read")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda a: a.pop("conv3_3/bias"), "missing .'conv3_3/bias'"),
        (lambda a: a.update(extra=np.zeros(1, np.float32)), "not known .'extra'"),
        (lambda a: a.update({"conv1_1/bias": np.zeros(3, np.float32)}), "conv1_1/bias is float32"),
        (lambda a: a.update({"input/mean": np.zeros(3)}), "input/mean is float64"),
        (lambda a: a.update({"input/mean": np.full(3, np.nan, np.float32)}), "not finite"),
    ],
)
def test_arrays_that_are_not_vgg19_are_refused(arrays, change, match):
    changed = dict(arrays)
    change(changed)
    with pytest.raises(WeightsError, match=match):
        check_vgg19(changed, where="test")


# --- conversion -----------------------------------------------------------------------------------


def keras_file(arrays, path):
    with h5py.File(path, "w") as file:
        for block, (_, depth) in enumerate(VGG_BLOCKS, start=1):
            for index in range(1, depth + 1):
                layer, ours = f"block{block}_conv{index}", f"conv{block}_{index}"
                group = file.create_group(layer)
                group[f"{layer}_W_1:0"] = arrays[f"{ours}/kernel"]
                group[f"{layer}_b_1:0"] = arrays[f"{ours}/bias"]
    return path


def test_keras_weights_keep_their_numbers_and_their_input(arrays, tmp_path, capsys):
    source = keras_file(arrays, tmp_path / "keras.h5")
    out = tmp_path / "vgg19.safetensors"
    convert_vgg19.main(["--keras", str(source), "--out", str(out)])
    assert file_sha256(out) in capsys.readouterr().out
    got = safetensors.numpy.load_file(out)
    np.testing.assert_array_equal(got["conv4_2/kernel"], arrays["conv4_2/kernel"])
    np.testing.assert_allclose(got["input/mean"], convert_vgg19.CAFFE_MEAN_BGR)
    with pytest.raises(SystemExit, match="exists already"):
        convert_vgg19.main(["--keras", str(source), "--out", str(out)])


def test_links_inside_a_keras_file_are_refused(arrays, tmp_path):
    keras_file(arrays, tmp_path / "other.h5")
    path = keras_file(arrays, tmp_path / "link.h5")
    with h5py.File(path, "a") as file:
        del file["block1_conv1"]["block1_conv1_W_1:0"]
        file["block1_conv1"]["block1_conv1_W_1:0"] = h5py.ExternalLink(
            "other.h5", "block1_conv1/block1_conv1_W_1:0"
        )
    with pytest.raises(WeightsError, match="no plain block1_conv1/block1_conv1_W_1:0"):
        convert_vgg19.from_keras(path)


def test_torchvision_weights_are_transposed_and_keep_their_input(arrays, tmp_path, monkeypatch):
    """A stand-in for torch.load returns a state dict laid out as torchvision's vgg19."""

    class Tensor:
        def __init__(self, array):
            self.array = array

        def numpy(self):
            return self.array

    state, position = {}, 0
    for block, (_, depth) in enumerate(VGG_BLOCKS, start=1):
        for index in range(1, depth + 1):
            kernel = arrays[f"conv{block}_{index}/kernel"].transpose(3, 2, 0, 1)
            state[f"features.{position}.weight"] = Tensor(kernel)
            state[f"features.{position}.bias"] = Tensor(arrays[f"conv{block}_{index}/bias"])
            position += 2
        position += 1
    assert "features.34.weight" in state  # torchvision's last convolution
    calls = []

    class Torch:
        @staticmethod
        def load(path, *, map_location, weights_only):
            calls.append(weights_only)
            return state

    monkeypatch.setitem(sys.modules, "torch", Torch)
    got = convert_vgg19.from_torchvision(tmp_path / "vgg19.pth")
    assert calls == [True]
    np.testing.assert_array_equal(got["conv2_1/kernel"], arrays["conv2_1/kernel"])
    grey = 200.0  # torchvision's own preprocessing of a grey pixel
    expected = (grey / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose((grey - got["input/mean"]) * got["input/scale"], expected)
    del state["features.34.weight"]
    with pytest.raises(WeightsError, match=r"no features\.34\.weight"):
        convert_vgg19.from_torchvision(tmp_path / "vgg19.pth")


def test_a_foreign_ending_leaves_nothing_behind(arrays, tmp_path):
    with pytest.raises(WeightsError, match=r"\.safetensors or \.npz"):
        convert_vgg19.write_vgg19(arrays, tmp_path / "vgg19.bin")
    assert list(tmp_path.iterdir()) == []


# --- the published weights, where someone has put them ------------------------------------------


def test_published_weights_follow_the_definition_too(tmp_path, test_data, rng):
    """The ImageNet weights through our file format, up to the layer the paper's page uses."""
    with np.load(test_data("vgg19/vgg19_conv_mixed.npz"), allow_pickle=False) as archive:
        source = {name: archive[name] for name in archive.files}
    arrays = {"input/mean": np.array(convert_vgg19.CAFFE_MEAN_BGR), "input/scale": np.ones(3)}
    for name in vgg19_shapes():
        layer, kind = name.split("/")
        if layer != "input":
            arrays[name] = published_array(source, layer, kind)
    path = tmp_path / "vgg19.npz"
    digest = convert_vgg19.write_vgg19(arrays, path)
    parameters = load_vgg19(path, sha256=digest)
    assert_features_follow_the_definition(arrays, parameters, "pool4", rng)


def published_array(source, layer, kind):
    if f"{layer}/{kind}" in source:
        return source[f"{layer}/{kind}"]
    quantised = source[f"{layer}/kernel_q"].astype(np.float32)
    return quantised * source[f"{layer}/scale"] + source[f"{layer}/min"]
