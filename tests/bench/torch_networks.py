"""The paper's networks and training step written plainly in PyTorch, and weights carried over.

An oracle for values (``test_torch_parity.py``) and for time (``side_by_side.py``); nothing in the
package imports it. Good manners of a PyTorch program are kept: channels-last, frozen networks
without gradients, one generator pass per step, gradients set to None.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
ONE_MINUS_MOMENTUM = 0.1


def conv(inputs: int, outputs: int, side: int, *, stride: int = 1, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2, bias=bias)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(width, width, 3, bias=False) for _ in range(2)])
        self.norms = nn.ModuleList(
            [nn.BatchNorm2d(width, momentum=ONE_MINUS_MOMENTUM) for _ in range(2)]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norms[0](self.convs[0](x)))
        return x + self.norms[1](self.convs[1](y))


class Generator(nn.Module):
    def __init__(self, width: int, blocks: int, scale: int) -> None:
        super().__init__()
        self.first = conv(1, width, 9, bias=True)
        self.blocks = nn.ModuleList([Block(width) for _ in range(blocks)])
        self.closing = conv(width, width, 3, bias=False)
        self.norm = nn.BatchNorm2d(width, momentum=ONE_MINUS_MOMENTUM)
        self.last = conv(width, scale**2, 1, bias=True)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = y = F.relu(self.first(x))
        for block in self.blocks:
            y = block(y)
        y = F.relu(x + self.norm(self.closing(y)))
        return torch.tanh(F.pixel_shuffle(self.last(y), self.scale).float())


class Discriminator(nn.Module):
    """Takes images upside down and mirrored.

    A 3x3 convolution of stride 2 in JAX pads an even image after its last row and column, PyTorch
    before its first; seen upside down and mirrored, with kernels turned likewise, they are the
    same, so that neither pays for extra padding.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (1, *widths[:-1])
        self.convs = nn.ModuleList(
            [
                conv(a, b, 3, stride=1 + i % 2, bias=i == 0)
                for i, (a, b) in enumerate(zip(inputs, widths, strict=True))
            ]
        )
        self.norms = nn.ModuleList(
            [nn.BatchNorm2d(b, momentum=ONE_MINUS_MOMENTUM) for b in widths[1:]]
        )
        self.dense = nn.Linear(widths[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, layer in enumerate(self.convs):
            x = layer(x)
            x = F.leaky_relu(self.norms[index - 1](x) if index else x, 0.2)
        return self.dense(x.float().mean((2, 3)))[:, 0]


class Vgg(nn.Module):
    """Up to a pool or a convolution of VGG-19, see :class:`qsr_jax.models.vgg19.Vgg19Features`."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer, inputs, self.convs = layer, 3, nn.ModuleDict()
        for block, (width, depth) in enumerate(VGG_BLOCKS, start=1):
            for index in range(1, depth + 1):
                self.convs[f"conv{block}_{index}"] = conv(inputs, width, 3, bias=True)
                inputs = width
                if f"conv{block}_{index}" == layer:
                    return
            if f"pool{block}" == layer:
                return

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = ((images + 1.0) * 127.5).expand(-1, 3, -1, -1)
        x = (x - self.mean[:, None, None]) * self.scale[:, None, None]
        block = "1"
        for name, layer in self.convs.items():
            if name[4] != block:
                x, block = F.max_pool2d(x, 2), name[4]
            x = F.relu(layer(x))
        return (F.max_pool2d(x, 2) if self.layer.startswith("pool") else x).float()


# --- weights, from Flax trees ---------------------------------------------------------------------


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def fill(layer: nn.Conv2d, tree: dict, *, turned: bool = False) -> None:
    kernel = np.asarray(tree["kernel"])  # (h, w, in, out)
    kernel = kernel[::-1, ::-1] if turned else kernel
    with torch.no_grad():
        layer.weight.copy_(tensor(kernel.transpose(3, 2, 0, 1)))
        if layer.bias is not None:
            layer.bias.copy_(tensor(tree["bias"]))


def _fill_norm(layer: nn.BatchNorm2d, tree: dict, stats: dict | None) -> None:
    with torch.no_grad():
        layer.weight.copy_(tensor(tree["scale"]))
        layer.bias.copy_(tensor(tree["bias"]))
        if stats is None:  # a network that only ever works in training
            return
        layer.running_mean.copy_(tensor(stats["mean"]))
        layer.running_var.copy_(tensor(stats["var"]))


def generator_from(variables: dict, scale: int) -> Generator:
    """The generator of a Flax tree, in channels-last memory."""
    params, stats = variables["params"], variables["batch_stats"]
    blocks = sum(name.startswith("ResidualBlock") for name in params)
    network = Generator(params["Conv_0"]["kernel"].shape[-1], blocks, scale)
    fill(network.first, params["Conv_0"])
    fill(network.closing, params["Conv_1"])
    fill(network.last, params["Conv_2"])
    _fill_norm(network.norm, params["BatchNorm_0"], stats["BatchNorm_0"])
    for index, block in enumerate(network.blocks):
        tree, running = params[f"ResidualBlock_{index}"], stats[f"ResidualBlock_{index}"]
        for i in range(2):
            fill(block.convs[i], tree[f"Conv_{i}"])
            _fill_norm(block.norms[i], tree[f"BatchNorm_{i}"], running[f"BatchNorm_{i}"])
    return network.to(memory_format=torch.channels_last)


def discriminator_from(variables: dict) -> Discriminator:
    """The discriminator of a Flax tree, kernels turned, in channels-last memory."""
    params = variables["params"]
    depth = sum(name.startswith("Conv") for name in params)
    widths = tuple(params[f"Conv_{i}"]["kernel"].shape[-1] for i in range(depth))
    network = Discriminator(widths)
    for index, layer in enumerate(network.convs):
        fill(layer, params[f"Conv_{index}"], turned=True)
    for index, layer in enumerate(network.norms):
        _fill_norm(layer, params[f"BatchNorm_{index}"], None)
    with torch.no_grad():
        network.dense.weight.copy_(tensor(params["Dense_0"]["kernel"].T))
        network.dense.bias.copy_(tensor(params["Dense_0"]["bias"]))
    return network.to(memory_format=torch.channels_last)


def vgg_from(parameters: dict, layer: str) -> Vgg:
    """Frozen VGG-19 of a Flax tree, in channels-last memory."""
    network = Vgg(layer)
    for name, conv_layer in network.convs.items():
        fill(conv_layer, parameters[name])
    network.register_buffer("mean", tensor(parameters["mean"]))
    network.register_buffer("scale", tensor(parameters["scale"]))
    return network.requires_grad_(False).to(memory_format=torch.channels_last)


# --- the training step ----------------------------------------------------------------------------


class Trainer:
    """One step of equations 1-4, generator and discriminator with an Adam each.

    Args:
        generator: see :func:`generator_from`.
        discriminator: see :func:`discriminator_from`.
        features: see :func:`vgg_from`.
        weights: of the terms of equation 4: mae, gan, vgg.
        bf16: whether convolutions run in bfloat16 (autocast).
    """

    def __init__(self, generator, discriminator, features, weights, *, bf16: bool) -> None:
        self.generator, self.discriminator, self.features = generator, discriminator, features
        self.weights, self.bf16 = weights, bf16
        self.generator_opt = torch.optim.Adam(generator.parameters(), 1e-3)
        self.discriminator_opt = torch.optim.Adam(discriminator.parameters(), 1e-3)

    def step(self, lr: torch.Tensor, hr: torch.Tensor) -> dict[str, torch.Tensor]:
        """Updates both networks on one batch (n, 1, h, w) in network scale."""
        with torch.autocast(lr.device.type, torch.bfloat16, enabled=self.bf16):
            sr = self.generator(lr)
            turned = torch.flip(sr, (2, 3))
            self.discriminator.requires_grad_(True)
            real = self.discriminator(torch.flip(hr, (2, 3)))
            fake = self.discriminator(turned.detach())
            judged = (F.softplus(-real) + F.softplus(fake)).mean()
            judged.backward()
            self.discriminator_opt.step()
            self.discriminator_opt.zero_grad()
            self.discriminator.requires_grad_(False)
            terms = {
                "mae": (sr - hr).abs().mean(),
                "gan": F.softplus(-self.discriminator(turned)).sum(),
                "vgg": F.mse_loss(self.features(sr), self._of_routine(hr)),
            }
            sum(self.weights[name] * value for name, value in terms.items()).backward()
        norm = torch.stack([p.grad.norm() for p in self.generator.parameters()]).norm()
        self.generator_opt.step()
        self.generator_opt.zero_grad()
        values = terms | {"discriminator": judged, "generator_gradient_norm": norm}
        return {name: value.detach() for name, value in values.items()}

    @torch.no_grad()
    def _of_routine(self, hr: torch.Tensor) -> torch.Tensor:
        return self.features(hr)
