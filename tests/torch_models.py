# mypy: disable-error-code="no-any-return"
"""Small networks with the shapes of well-known ones, and with everything that makes a graph hard to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

torch.set_num_threads(1)  # small networks: threads cost more than they bring


def spread(model: nn.Module, seed: int = 0) -> nn.Module:
    """Random statistics in the batch norms, so that a forgotten one shows."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                if module.affine:
                    module.weight.uniform_(0.5, 1.5, generator=generator)
                    module.bias.normal_(0, 0.3, generator=generator)
    return model.eval()


class BasicBlock(nn.Module):
    """He et al. 2015, with the in-place operations of torchvision."""

    def __init__(self, before: int, maps: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, maps, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)
        self.downsample = None
        if stride != 1 or before != maps:
            self.downsample = nn.Sequential(nn.Conv2d(before, maps, 1, stride, bias=False), nn.BatchNorm2d(maps))

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, width: int = 8, blocks: tuple[int, ...] = (2, 2, 2, 2), classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = width
        for stage, count in enumerate(blocks):
            layers = []
            for block in range(count):
                layers.append(BasicBlock(before, width << stage, 2 if stage and not block else 1))
                before = width << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.stages = len(blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def resnet18() -> nn.Module:
    """The real sizes: 11,689,512 parameters."""
    return ResNet(64, (2, 2, 2, 2), 1000)


class ConvBN(nn.Module):
    def __init__(self, before: int, maps: int, **how: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, maps, bias=False, **how)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm2d(maps, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class InceptionBlock(nn.Module):
    """Szegedy et al. 2015: branches, a pool with padding, 1×7 and 7×1 kernels, a concat."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch1x1 = ConvBN(before, 4, kernel_size=1)
        self.branch7x7_1 = ConvBN(before, 4, kernel_size=1)
        self.branch7x7_2 = ConvBN(4, 6, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7_3 = ConvBN(6, 8, kernel_size=(7, 1), padding=(3, 0))
        self.branch_pool = ConvBN(before, 4, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        pool = self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        return torch.cat([self.branch1x1(x), seven, pool], 1)


class Inception(nn.Module):
    """With an auxiliary head that takes no part when the model only runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBN(3, 8, kernel_size=3, stride=2)
        self.mixed_a = InceptionBlock(8)
        self.mixed_b = InceptionBlock(16)
        self.aux = nn.Linear(16, 5)
        self.dropout = nn.Dropout()
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.mixed_a(F.max_pool2d(self.stem(x), 3, 2, ceil_mode=True))
        aux = self.aux(x.mean((2, 3))) if self.training else None
        x = self.mixed_b(x)
        out = self.fc(torch.flatten(self.dropout(F.adaptive_avg_pool2d(x, 1)), 1))
        return out if aux is None else (out, aux)


class UNet(nn.Module):
    """Ronneberger et al. 2015: skips, transposed convolution, bilinear upsampling, cropping."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = ConvBN(3, 6, kernel_size=3, padding=1)
        self.down2 = ConvBN(6, 8, kernel_size=3, padding=1)
        self.middle = ConvBN(8, 12, kernel_size=3, padding=1)
        self.up2 = nn.ConvTranspose2d(12, 8, 4, stride=2)
        self.join2 = ConvBN(16, 8, kernel_size=3, padding=1)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.join1 = ConvBN(14, 6, kernel_size=3, padding=1)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        y = self.up2(self.middle(F.max_pool2d(second, 2)))
        y = self.join2(torch.cat((y[:, :, : second.shape[2], : second.shape[3]], second), dim=1))
        y = self.up1(y)
        y = F.pad(y, [0, first.shape[3] - y.shape[3], 0, first.shape[2] - y.shape[2]])
        return torch.sigmoid(self.head(self.join1(torch.cat([first, y], dim=1))))


class SqueezeExcite(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(maps, 4, 1)
        self.fc2 = nn.Conv2d(4, maps, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(scale))))


class MobileBlock(nn.Module):
    """Howard et al. 2019: expansion, depthwise, squeeze and excitation, projection, skip."""

    def __init__(self, maps: int, wide: int, kernel: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Sequential(nn.Conv2d(maps, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.Hardswish(inplace=True)),
            nn.Sequential(
                nn.Conv2d(wide, wide, kernel, padding=kernel // 2, groups=wide, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU6(inplace=True),
            ),
            SqueezeExcite(wide),
            nn.Sequential(nn.Conv2d(wide, maps, 1, bias=False), nn.BatchNorm2d(maps)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


def mobilenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.Hardswish(),
        MobileBlock(8, 12, 3),
        MobileBlock(8, 16, 5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(8, 7),
    )


class DenseLayer(nn.Module):
    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(before, 2 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))
        return F.dropout(self.conv2(self.relu2(self.norm2(x))), 0.1, self.training)


class DenseNet(nn.Module):
    """Huang et al. 2017: batch norms in front of the convolutions, every layer reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 6, 3, 2, 1, bias=False)
        self.layers = nn.ModuleDict({f"denselayer{n}": DenseLayer(6 + 4 * n, 4) for n in range(3)})
        self.norm5 = nn.BatchNorm2d(18)
        self.classifier = nn.Linear(18, 6)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.conv0(x)]
        for layer in self.layers.values():
            features.append(layer(features))
        x = F.relu(self.norm5(torch.cat(features, 1)), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (ResNet, (3, 45, 61)),
    "inception": (Inception, (3, 37, 53)),
    "unet": (UNet, (3, 26, 37)),
    "mobilenet": (mobilenet, (3, 33, 29)),
    "densenet": (DenseNet, (3, 19, 23)),
}
"""What builds it, and an odd shape of its input."""


class ConvNeXt(nn.Module):
    """Liu et al. 2022: channels last in between, layer norm, a scale per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.dwconv = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.pwconv1 = nn.Linear(8, 32)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(32, 8)
        self.gamma = nn.Parameter(torch.rand(8))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.pwconv2(self.act(self.pwconv1(self.norm(y))))
        y = (self.gamma * y).permute(0, 3, 1, 2)
        return self.head((x + y).mean([-2, -1]))


class ShuffleNet(nn.Module):
    """Ma et al. 2018: channels split, a depthwise branch, channels shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.conv(x).chunk(2, dim=1)
        x = torch.cat((left, self.branch(right)), dim=1)
        count, channels, height, width = x.size()
        x = x.view(count, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        x = 2 / (1 + x.view(count, channels, height, width).abs())
        return self.fc(x.mean([2, 3]))


class Rows(nn.Module):
    """One spatial axis."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 5, 4, stride=2, padding=1, dilation=2)
        self.norm = nn.BatchNorm1d(5)
        self.max = nn.MaxPool1d(3, 2)
        self.mean = nn.AvgPool1d(2, ceil_mode=True)
        self.transposed = nn.ConvTranspose1d(5, 3, 3, stride=2)
        self.up = nn.Upsample(scale_factor=2, mode="linear")
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mean(self.max(F.relu(self.norm(self.conv(x)))))
        return self.fc(self.pool(self.up(self.transposed(x))).squeeze(-1))


class Volumes(nn.Module):
    """Three spatial axes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 3, (3, 2, 3), padding=1)
        self.norm = nn.BatchNorm3d(3)
        self.max = nn.MaxPool3d(2)
        self.mean = nn.AvgPool3d(2, 1)
        self.transposed = nn.ConvTranspose3d(3, 2, 2, stride=2)
        self.fc = nn.Linear(768, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mean(self.max(F.relu(self.norm(self.conv(x)))))
        return self.fc(self.transposed(x).flatten(1))


MORE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convnext": (ConvNeXt, (3, 21, 30)),
    "shufflenet": (ShuffleNet, (3, 11, 13)),
    "rows": (Rows, (2, 57)),
    "volumes": (Volumes, (1, 9, 10, 11)),
}


class Twice(nn.Module):
    """One convolution called twice, one linear layer's weight used by two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.conv(image))
        x = self.conv(x).mean((2, 3))
        return self.second(torch.tanh(self.first(x)))


@dataclass
class Answer:
    classes: Tensor
    parts: list[Tensor]


class Outputs(nn.Module):
    """A dict with a list, a tuple and a data class in it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> dict[str, object]:
        maps = self.conv(x)
        left, right = maps.chunk(2, dim=1)
        return {"maps": (left, [right]), "answer": Answer(self.fc(maps.mean((2, 3))), [maps.amax((2, 3))])}


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.age = nn.Linear(2, 4)
        self.example_input_array = (torch.rand(2, 3, 11, 9), torch.rand(2, 2))

    def forward(self, picture: Tensor, numbers: Tensor) -> Tensor:
        return self.conv(picture).mean((2, 3)) + self.age(numbers)


class Decides(nn.Module):
    """Bright pictures go another way."""

    def __init__(self) -> None:
        super().__init__()
        self.common = nn.Conv2d(1, 2, 3)
        self.bright = nn.Conv2d(2, 2, 3)
        self.dark = nn.Conv2d(2, 2, 3)
        self.threshold = 0.5

    def forward(self, x: Tensor) -> Tensor:
        maps = self.common(x)
        if x.mean() > self.threshold:
            return self.bright(maps)
        return self.dark(maps)


class Strange(nn.Module):
    """Parameters outside modules, in-place writes into views, operations without a kind, a buffer, weight norm."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding="same"))
        self.offset = nn.Parameter(torch.randn(1, 4, 1, 1))
        self.matrix = nn.Parameter(torch.randn(4, 6))
        self.token = nn.Parameter(torch.randn(1, 1, 4))
        self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x) * self.scale + self.offset
        y[:, 0] = y[:, 1] * 2
        y[:, 2:].clamp_(min=0)
        y = torch.cumsum(y, dim=-1) / 3
        y = y.flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], dim=1)
        return torch.log_softmax((y @ self.matrix)[:, 0], dim=-1)


class Transformer(nn.Module):
    """Patches, attention, layer norm, GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.position = nn.Parameter(torch.randn(1, 16, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.gru = nn.GRU(8, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2) + self.position
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        tokens = tokens + self.mlp(tokens)
        states, _ = self.gru(tokens)
        return self.head(states[:, -1])


class Kinds(nn.Module):
    """One of each of the less usual layers, on odd shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(6, 9, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=3)
        self.prelu = nn.PReLU(9)
        self.group_norm = nn.GroupNorm(3, 9)
        self.leaky = nn.LeakyReLU(0.2)
        self.transposed = nn.ConvTranspose2d(9, 6, (3, 4), (2, 3), 1, (1, 2), 3, dilation=(2, 1))
        self.instance = nn.InstanceNorm2d(6, affine=True)
        self.pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True)
        self.elu = nn.ELU(0.7)
        self.pixel = nn.PixelShuffle(1)
        self.pad = nn.ReflectionPad2d((1, 2, 3, 0))
        self.circular = nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular")
        self.adaptive = nn.AdaptiveMaxPool2d((3, 5))
        self.layer_norm = nn.LayerNorm([4, 3, 5])
        self.softmax = nn.Softmax(dim=1)
        self.row = nn.Conv1d(4, 3, 3, padding=1)
        self.silu = nn.SiLU()
        self.norm = nn.BatchNorm1d(3)
        self.fc = nn.Linear(45, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.group_norm(self.prelu(self.grouped(x)))
        x = self.instance(self.transposed(self.leaky(x)))
        x = self.pixel(self.elu(self.pool(x)))
        x = self.adaptive(self.circular(self.pad(x)))
        x = self.softmax(self.layer_norm(x))
        x = self.norm(self.silu(self.row(x.reshape(x.shape[0], 4, 15)))).permute(0, 2, 1).contiguous()
        return 1 - F.hardtanh(self.fc(x.view(-1, 45)), -0.5, 0.5) * 2
