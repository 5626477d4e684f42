"""VGG-19 weight files: safetensors or npz, never pickle; names, shapes and sha256 are checked.

Names in a file: ``conv1_1/kernel`` (3, 3, in, out) float32, ``conv1_1/bias`` (out,) … up to
``conv5_4``, and ``input/mean`` (3,), ``input/scale`` (3,): network input = (grey 0..255 - mean) *
scale, channel by channel in the order the first kernel expects.
"""

import hashlib
import zipfile
from pathlib import Path

import jax
import numpy as np
import safetensors.numpy

VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(width, number of convolutions) of VGG-19's five blocks."""

MAX_BYTES = 256 * 2**20
"""A complete file holds 80 MB; anything far above is not VGG-19's convolutions."""


class WeightsError(ValueError):
    """A weight file is missing, damaged, or not VGG-19."""


def vgg19_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every array of a complete file."""
    shapes: dict[str, tuple[int, ...]] = {"input/mean": (3,), "input/scale": (3,)}
    channels = 3
    for block, (width, depth) in enumerate(VGG_BLOCKS, start=1):
        for index in range(1, depth + 1):
            shapes[f"conv{block}_{index}/kernel"] = (3, 3, channels, width)
            shapes[f"conv{block}_{index}/bias"] = (width,)
            channels = width
    return shapes


def check_vgg19(arrays: dict[str, np.ndarray], *, where: str) -> None:
    """Raises WeightsError unless ``arrays`` are exactly VGG-19's, finite and float32."""
    expected = vgg19_shapes()
    missing, foreign = sorted(expected.keys() - arrays.keys()), sorted(arrays.keys() - expected)
    if missing or foreign:
        raise WeightsError(f"{where}: arrays missing {missing[:4]}, not known {foreign[:4]}")
    for name, shape in expected.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != np.float32:
            raise WeightsError(
                f"{where}: {name} is {array.dtype} {array.shape}, expected float32 {shape}"
            )
        if not np.isfinite(array).all():
            raise WeightsError(f"{where}: {name} holds values that are not finite")


def load_vgg19(path: Path, *, sha256: str) -> dict[str, dict[str, jax.Array]]:
    """Reads a weight file into the parameters of :class:`~qsr_jax.models.vgg19.Vgg19Features`.

    Args:
        path: ``.safetensors`` or ``.npz`` file.
        sha256: expected digest of the file, hexadecimal.

    Raises:
        WeightsError: missing file, other digest, foreign names, shapes or kinds.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: no VGG-19 weight file; make one from torchvision's or Keras's published "
            "weights with `python -m data_tools.convert_vgg19 --help`, then set config.vgg.path "
            "and config.vgg.sha256"
        )
    digest = file_sha256(path)
    if digest != sha256:
        raise WeightsError(f"{path}: sha256 is {digest}, config.vgg.sha256 says {sha256!r}")
    arrays = _read_arrays(path)
    check_vgg19(arrays, where=str(path))
    return _as_parameters(arrays)


def random_vgg19(seed: int) -> dict[str, dict[str, jax.Array]]:
    """Parameters of the right shapes with He-normal kernels: a stand-in a config must ask for."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in vgg19_shapes().items():
        spread = np.sqrt(2.0 / np.prod(shape[:-1])) if name.endswith("kernel") else 0.0
        arrays[name] = (spread * rng.standard_normal(shape)).astype(np.float32)
    arrays["input/mean"] = np.full(3, 127.5, np.float32)
    arrays["input/scale"] = np.ones(3, np.float32)
    return _as_parameters(arrays)


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if path.stat().st_size > MAX_BYTES:
        raise WeightsError(f"{path}: {path.stat().st_size} bytes; VGG-19 needs under {MAX_BYTES}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.numpy.load_file(path)
        if path.suffix == ".npz":
            return _read_npz(path)
    except (OSError, ValueError, zipfile.BadZipFile, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read: {error}") from error
    raise WeightsError(f"{path}: expected a .safetensors or .npz file (pickles are never opened)")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:  # a small archive can unpack to gigabytes
        raise WeightsError(f"{path}: unpacks to {size} bytes; VGG-19 needs under {MAX_BYTES}")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _as_parameters(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, jax.Array]]:
    parameters: dict = {"mean": arrays["input/mean"], "scale": arrays["input/scale"]}
    for name, array in arrays.items():
        layer, kind = name.split("/")
        if layer != "input":
            parameters.setdefault(layer, {})[kind] = array
    return parameters
