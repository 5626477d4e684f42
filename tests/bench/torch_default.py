"""The default page's network and step written plainly in PyTorch, and weights carried over.

A U-Net over cubic interpolation that tells its spread, and the likelihood that teaches it; see
:mod:`torch_networks` for what these files are and the manners they keep.
"""

import math

import jax
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch_networks import conv, fill, tensor

from qsr_jax.losses.likelihood import LEAST_LOG_SPREAD
from qsr_jax.models.interpolated import LOG_SPREAD
from qsr_jax.ops.resample import upsample


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(width, width, 3, bias=True) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.convs[1](F.relu(self.convs[0](x)))


class Cubic(nn.Module):
    """Twice as fine: a product with the weights of every fine pixel along each axis.

    ``F.interpolate(mode="bicubic")`` has another kernel (a = -0.75) and repeats the edge.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        unit = np.eye(side, dtype=np.float32)[..., None, None]  # one coarse pixel after the other
        made = upsample(
            np.broadcast_to(unit, (side, side, side, 1)),
            scale=2, alignment="corner", method="cubic",
        )  # fmt: skip
        self.register_buffer("weights", tensor(np.asarray(jax.device_get(made))[:, :, 0, 0].T))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights @ x.contiguous() @ self.weights.T


class UNet(nn.Module):
    """Maps (n, c, h, w) to (n, 2 c, 2 h, 2 w): maps, and the logarithms of their spreads."""

    def __init__(
        self,
        channels: int,
        width: int,
        depth: int,
        side: int,
        *,
        blocks: int,
        fold: int,
        bf16: bool,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        pairs = list(zip(widths, widths[1:], strict=False))
        self.channels, self.fold, self.bf16, self.cubic = channels, fold, bf16, Cubic(side)
        self.first = conv(fold**2 * channels, width, 3, bias=True)

        def several(width: int) -> nn.Sequential:
            return nn.Sequential(*[Block(width) for _ in range(blocks)])

        self.down = nn.ModuleList([several(width) for width in widths])  # the last: the middle
        self.halving = nn.ModuleList([nn.Conv2d(a, b, 2, stride=2) for a, b in pairs])
        self.doubling = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairs])
        self.up = nn.ModuleList([several(width) for width in widths[:-1]])
        self.last = conv(width, (2 * fold) ** 2 * 2 * channels, 3, bias=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        base, y, kept = self.cubic(x), self.first(F.pixel_unshuffle(x, self.fold)), []
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            for block, halve in zip(self.down, self.halving, strict=False):
                kept.append(block(y))
                y = halve(kept[-1])
            y = self.down[-1](y)
            for level in reversed(range(len(kept))):
                y = self.up[level](self.doubling[level](y) + kept[level])
        fine = F.pixel_shuffle(self.last(y.float()), 2 * self.fold)
        maps, spread = fine.split(self.channels, 1)
        return torch.cat([base + maps, LOG_SPREAD + spread], 1)


def unet_from(variables: dict, side: int, *, fold: int = 1, bf16: bool = False) -> UNet:
    """The network of a Flax tree for images of one side, in channels-last memory."""
    params = variables["params"]
    depth = sum(name.startswith("halve") for name in params)
    blocks = sum(name.startswith("middle") for name in params)
    *_, folded, width = params["first"]["kernel"].shape
    network = UNet(folded // fold**2, width, depth, side, blocks=blocks, fold=fold, bf16=bf16)
    _fill_first(network.first, params["first"], fold)
    for level in range(depth):
        fill(network.halving[level], params[f"halve_{level}"])
        tree = params[f"double_{level}"]
        with torch.no_grad():  # (h, w, in, out), turned
            turned = np.asarray(tree["kernel"])[::-1, ::-1].transpose(2, 3, 0, 1)
            network.doubling[level].weight.copy_(tensor(turned))
            network.doubling[level].bias.copy_(tensor(tree["bias"]))
        _fill_blocks(network.down[level], params, f"down_{level}")
        _fill_blocks(network.up[level], params, f"up_{level}")
    _fill_blocks(network.down[-1], params, "middle")
    _fill_last(network.last, params["last"], fold)
    return network.to(memory_format=torch.channels_last)


def _fill_blocks(several: nn.Sequential, params: dict, name: str) -> None:
    for number, block in enumerate(several):
        for index, layer in enumerate(block.convs):
            fill(layer, params[f"{name}_{number}"][f"Conv_{index}"])


def _fill_first(layer: nn.Conv2d, tree: dict, fold: int) -> None:
    """JAX moves space into channels (row, column, map), PyTorch (map, row, column)."""
    order = np.arange(layer.in_channels).reshape(fold**2, -1).T.ravel()
    fill(layer, {"kernel": tree["kernel"][:, :, order], "bias": tree["bias"]})


def _fill_last(layer: nn.Conv2d, tree: dict, fold: int) -> None:
    """Likewise, channels into space."""
    order = np.arange(layer.out_channels).reshape((2 * fold) ** 2, -1).T.ravel()
    fill(layer, {"kernel": tree["kernel"][..., order], "bias": tree["bias"][order]})


class Trainer:
    """One step of the default page: likelihood of Laplace, Adam, an average that follows.

    Args:
        network: see :func:`unet_from`.
        decay: of the average.
        steps: of the whole training, over which the rate falls to 0.
    """

    def __init__(self, network: UNet, *, decay: float, steps: int) -> None:
        self.network, self.decay, self.taken = network, decay, 0
        self.optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        self.rate = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.average = [p.detach().clone() for p in network.parameters()]

    def step(self, lr: torch.Tensor, hr: torch.Tensor, weights: torch.Tensor) -> dict:
        """Updates the network on one batch (n, c, h, w) in network scale."""
        mean, log_spread = self.network(lr).split(hr.shape[1], 1)
        log_spread = log_spread.clamp(min=LEAST_LOG_SPREAD)
        part = math.sqrt(2.0) * (hr - mean).abs() * torch.exp(-log_spread)
        values = (part + log_spread + 0.5 * math.log(2.0)) * weights
        loss = (values.sum((1, 2, 3)) / (weights.sum((1, 2, 3)) * hr.shape[1])).mean()
        loss.backward()
        norm = torch.stack([p.grad.norm() for p in self.network.parameters()]).norm()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.rate.step()
        kept = min(self.decay, (1 + self.taken) / (10 + self.taken))
        torch._foreach_lerp_(
            self.average, [p.detach() for p in self.network.parameters()], 1 - kept
        )
        self.taken += 1
        return {"laplace": loss.detach(), "network_gradient_norm": norm.detach()}
