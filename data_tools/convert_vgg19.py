"""Makes the VGG-19 weight file of the content loss from published ImageNet weights.

Two sources, downloaded by you:
  --torchvision vgg19-dcbb9e9d.pth    from torchvision; read with PyTorch's weights_only loader, so
                                      PyTorch must be installed
  --keras vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5
                                      from Keras applications; needs `pip install h5py`

The output is safetensors (or npz, by its name), with the input its weights were trained for. Put
its path and the printed sha256 into config.vgg.path and config.vgg.sha256.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from qsr_jax.cli import program
from qsr_jax.files.digest import file_sha256
from qsr_jax.models.vgg19 import (
    VGG_BLOCKS,
    WeightsError,
    check_vgg19,
)

if TYPE_CHECKING:
    import h5py

CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
"""Keras's VGG-19 takes BGR 0-255 minus these (keras.applications, "caffe" mode)."""

TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""torchvision's VGG-19 takes RGB 0-1, standardised by these."""


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m data_tools.convert_vgg19 --help``."""
    parser = argparse.ArgumentParser(
        prog=program("data_tools.convert_vgg19"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--torchvision", type=Path, metavar="FILE.pth")
    source.add_argument("--keras", type=Path, metavar="FILE.h5")
    parser.add_argument(
        "--out", type=Path, required=True, help="FILE.safetensors or FILE.npz; must not exist"
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.torchvision:
            arrays = from_torchvision(arguments.torchvision)
        else:
            arrays = from_keras(arguments.keras)
        digest = write_vgg19(arrays, arguments.out)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"{arguments.out}\nconfig.vgg.sha256 = {digest}")


def from_torchvision(path: Path) -> dict[str, np.ndarray]:
    """Reads torchvision's state dict: kernels (out, in, 3, 3) become (3, 3, in, out)."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("--torchvision needs PyTorch: pip install torch") from error
    state = torch.load(path, map_location="cpu", weights_only=True)
    arrays = {}
    for name, index in zip(_convolutions(), _torchvision_indices(), strict=True):
        for kind, key in (("kernel", "weight"), ("bias", "bias")):
            if f"features.{index}.{key}" not in state:
                raise WeightsError(f"{path}: has no features.{index}.{key}; is it VGG-19?")
            array = state[f"features.{index}.{key}"].numpy()
            arrays[f"{name}/{kind}"] = array.transpose(2, 3, 1, 0) if kind == "kernel" else array
    arrays["input/mean"] = 255.0 * np.array(TORCHVISION_MEAN)
    arrays["input/scale"] = 1.0 / (255.0 * np.array(TORCHVISION_STD))
    return arrays


def from_keras(path: Path) -> dict[str, np.ndarray]:
    """Reads Keras's weight file; kernels are stored as (3, 3, in, out) for BGR input.

    Links inside the file are refused, because a link can point to any other file.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError("--keras needs h5py: pip install h5py") from error
    arrays = {}
    with h5py.File(path, "r") as file:
        for name in _convolutions():
            layer = name.replace("conv", "block").replace("_", "_conv")
            for kind, suffix in (("kernel", "W_1:0"), ("bias", "b_1:0")):
                arrays[f"{name}/{kind}"] = _hard_dataset(file, layer, f"{layer}_{suffix}", path)
    arrays["input/mean"] = np.array(CAFFE_MEAN_BGR)
    arrays["input/scale"] = np.ones(3)
    return arrays


def write_vgg19(arrays: dict[str, np.ndarray], out: Path) -> str:
    """Checks and writes the arrays; returns the sha256 of the file.

    Raises:
        WeightsError: the arrays are not VGG-19's, or ``out`` exists or has another ending.
    """
    arrays = {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}
    check_vgg19(arrays, where="source")
    if out.exists():
        raise WeightsError(f"{out}: exists already; choose another name or remove it")
    temporary = out.with_name(f".{out.name}.partial")
    try:
        if out.suffix == ".safetensors":
            safetensors.numpy.save_file(arrays, temporary)
        elif out.suffix == ".npz":
            with temporary.open("wb") as stream:
                named: dict[str, Any] = dict(arrays)
                np.savez(stream, **named)
        else:
            raise WeightsError(f"{out}: expected a name ending in .safetensors or .npz")
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return file_sha256(out)


def _convolutions() -> list[str]:
    blocks = enumerate(VGG_BLOCKS, start=1)
    return [f"conv{block}_{index}" for block, (_, n) in blocks for index in range(1, n + 1)]


def _torchvision_indices() -> list[int]:
    """Positions of the convolutions in torchvision's ``features`` (conv, ReLU, …, pool)."""
    indices, position = [], 0
    for _, depth in VGG_BLOCKS:
        for _ in range(depth):
            indices.append(position)
            position += 2
        position += 1
    return indices


def _hard_dataset(file: "h5py.File", layer: str, name: str, path: Path) -> np.ndarray:
    import h5py

    group: h5py.Group = file
    for step in (layer, name):
        link = group.get(step, getlink=True) if step in group else None
        if not isinstance(link, h5py.HardLink):
            raise WeightsError(f"{path}: has no plain {layer}/{name}; is it Keras's VGG-19?")
        group = group[step]
    return np.asarray(group)


if __name__ == "__main__":
    main()
