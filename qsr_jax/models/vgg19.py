"""VGG-19 features in Flax (Simonyan 2014, arXiv:1409.1556), frozen, for the content loss.

The weights come from a file: safetensors or npz, never pickle; names, shapes and sha256 are
checked. Names in a file: ``conv1_1/kernel`` (3, 3, in, out) float32, ``conv1_1/bias`` (out,) … up
to ``conv5_4``, and ``input/mean`` (3,), ``input/scale`` (3,). A file says which input its weights
were trained for: network input = (grey 0..255 - mean) * scale, channel by channel in the order the
first kernel expects, so Caffe-style (0-255, mean subtracted) and torchvision-style (unit range,
standardised) weights are both fed what they know.
"""

import zipfile
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from qsr_jax.files.digest import file_sha256
from qsr_jax.models.precision import restored

VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(width, number of convolutions) of VGG-19's five blocks."""

MAX_BYTES = 256 * 2**20
"""A complete file holds 80 MB; anything far above is not VGG-19's convolutions."""


def layer_names() -> list[str]:
    """Every layer whose features can be asked for, in the order of the network."""
    names = []
    for block, (_, depth) in enumerate(VGG_BLOCKS, start=1):
        names += [f"conv{block}_{index}" for index in range(1, depth + 1)] + [f"pool{block}"]
    return names


@jax.custom_vjp
def rectified(x: jax.Array) -> jax.Array:
    """``max(x, 0)``, of which the backward pass keeps the result and not ``x``.

    A GPU then computes it in the convolution before it and stores one array instead of two.
    """
    return nn.relu(x)


def _rectified(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    # Without the barrier XLA turns max(x, 0) > 0 back into x > 0, and keeps x for it.
    y = jax.lax.optimization_barrier(nn.relu(x))
    return y, y


def _rectified_back(y: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (jnp.where(y > 0, gradient, 0),)


rectified.defvjp(_rectified, _rectified_back)


def halve(x: jax.Array) -> jax.Array:
    """Largest of every 2 x 2 pixels, (n, h, w, c) to (n, h // 2, w // 2, c).

    The values and, but for ties above zero, the gradient of a pooling window. A tie shares its
    gradient, where a window gives it all to the first.
    """
    return _largest(x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2])


@jax.custom_vjp
def _largest(x: jax.Array) -> jax.Array:
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def _largest_back(x: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    """One pass over the pixels, each beside its neighbour of the other row, then column.

    XLA's scatter for windows cost a CPU 12 % of VGG's backward pass; a gradient of maxima of
    slices as JAX derives it takes twice the time of this one, and keeps masks.
    """
    count, height, width, channels = x.shape
    cells = x.reshape(count, height // 2, 2, width // 2, 2, channels)
    other = cells[:, :, ::-1]
    rows = jnp.maximum(cells, other)
    share = _won(cells, other) * _won(rows, rows[:, :, :, :, ::-1])
    return ((gradient[:, :, None, :, None] * share).reshape(x.shape),)


def _won(a: jax.Array, b: jax.Array) -> jax.Array:
    """1 where a is larger, a half at a tie."""
    return jnp.where(a > b, 1.0, jnp.where(a == b, 0.5, 0.0)).astype(a.dtype)


_largest.defvjp(lambda x: (_largest(x), x), _largest_back)


class Vgg19Features(nn.Module):
    """Maps network-scale images (n, h, w, c) to the features after one layer, (n, h', w', c * f).

    Every channel is a grey image of its own.

    Attributes:
        layer: "conv3_4" (after its ReLU) or "pool4": any convolution or pool of the network.
        dtype: in which convolutions compute, None: as their inputs; features come out as float32.
        remat: whether the backward pass computes each block again instead of keeping it.
    """

    layer: str
    dtype: Any = None
    remat: bool = False

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Replicates each channel to three and runs the network up to ``layer``."""
        if self.layer not in layer_names():
            raise ValueError(f"VGG-19 has no layer {self.layer!r}; try 'conv3_4' or 'pool4'")
        mean = self.param("mean", nn.initializers.constant(127.5), (3,))
        scale = self.param("scale", nn.initializers.constant(1.0), (3,))
        count, channels = len(images), images.shape[-1]
        if channels > 1:
            images = jnp.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3], 1)
        grey = (images + 1.0) * 127.5  # network scale [-1, 1] to 0..255
        x = (jnp.repeat(grey, 3, axis=-1) - mean) * scale
        section = nn.remat(_section, static_argnums=(2,)) if self.remat else _section
        for block in range(1, len(VGG_BLOCKS) + 1):
            x = section(self, x, block)
            if self.layer[4:].split("_")[0] == str(block):
                break
        if channels > 1:
            x = jnp.moveaxis(x.reshape(count, channels, *x.shape[1:]), 1, -2)
            x = x.reshape(*x.shape[:3], -1)
        return restored(x)


def _section(network: Vgg19Features, x: jax.Array, block: int) -> jax.Array:
    """One block and its pool, or up to the layer that is asked for."""
    width, depth = VGG_BLOCKS[block - 1]
    for index in range(1, depth + 1):
        name = f"conv{block}_{index}"
        x = rectified(nn.Conv(width, (3, 3), dtype=network.dtype, name=name)(x))
        if name == network.layer:
            return x
    return halve(x)


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
            "weights with `qsr convert-vgg19 --help`, then set config.vgg.path "
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
