"""A MobileNetV2 with five exits, cut into stages and heads that can be timed, counted and measured apart.

Architecture: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2.
The exits follow the stages of 24, 32, 64, 96 and 320 channels (before the width factor); stage ``k`` holds
the layers after exit ``k - 1`` up to exit ``k``, and head ``k`` is a 1x1 convolution, global average
pooling and a linear layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CHANNELS = (16, 24, 32, 64, 96, 160, 320)
REPEATS = (1, 2, 3, 4, 3, 3, 1)
BLOCKS_OF_STAGE = ((0, 1), (2,), (3,), (4,), (5, 6))


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a multi-exit MobileNetV2; ``image_size`` is in pixels, ``width`` scales all channels."""

    name: str
    image_size: int
    in_channels: int
    classes: int
    width: float
    expansion: int
    strides: tuple[int, ...]
    stem_stride: int
    head_widths: tuple[int, ...]


def small32(in_channels: int = 3, classes: int = 10, image_size: int = 32) -> NetworkConfig:
    """Return the network for images of about 32x32 pixels: width 0.5, expansion 4, 5.5 million MACs."""
    return NetworkConfig(
        name="mobilenetv2-0.5-small",
        image_size=image_size,
        in_channels=in_channels,
        classes=classes,
        width=0.5,
        expansion=4,
        strides=(2, 1, 2, 2, 1, 2, 1),
        stem_stride=1,
        head_widths=(128, 128, 128, 128, 256),
    )


def standard224(classes: int = 10) -> NetworkConfig:
    """Return the standard MobileNetV2 for 224x224 colour images; its last head is the 1280-wide one."""
    return NetworkConfig(
        name="mobilenetv2-1.0-224",
        image_size=224,
        in_channels=3,
        classes=classes,
        width=1.0,
        expansion=6,
        strides=(1, 2, 2, 2, 1, 2, 1),
        stem_stride=2,
        head_widths=(128, 128, 128, 128, 1280),
    )


def conv_bn(inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps the image size at stride 1, and its batch normalisation."""
    padding = kernel // 2
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter each channel by 3x3, project by 1x1; add the input where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [*conv_bn(inputs, hidden), nn.ReLU6(inplace=True)] if expansion > 1 else []
        depthwise = [*conv_bn(hidden, hidden, kernel=3, stride=stride, groups=hidden), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*expand, *depthwise, *conv_bn(hidden, outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class Head(nn.Module):
    """An exit's classifier: 1x1 convolution, global average pooling, linear layer."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*conv_bn(inputs, width), nn.ReLU6(inplace=True))
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map a feature map [n, inputs, h, w] to logits [n, classes]."""
        pixels = self.features(x).permute(0, 2, 3, 1).flatten(1, 2)  # .mean((2, 3)) would lose channels last
        logits: Tensor = self.classifier(pixels.mean(1))
        return logits


class MultiExitMobileNetV2(nn.Module):
    """A MobileNetV2 of ``config`` as a chain of ``stages``, each with its own classifier in ``heads``."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        channels = scaled(32, config.width)
        stem = [
            *conv_bn(config.in_channels, channels, kernel=3, stride=config.stem_stride),
            nn.ReLU6(inplace=True),
        ]
        self.stages, self.heads = nn.ModuleList(), nn.ModuleList()
        for blocks, head_width in zip(BLOCKS_OF_STAGE, config.head_widths, strict=True):
            layers: list[nn.Module] = [] if self.stages else stem
            for block in blocks:
                outputs = scaled(CHANNELS[block], config.width)
                for repeat in range(REPEATS[block]):
                    stride = config.strides[block] if repeat == 0 else 1
                    expansion = 1 if block == 0 else config.expansion
                    layers.append(InvertedResidual(channels, outputs, stride, expansion))
                    channels = outputs
            self.stages.append(nn.Sequential(*layers))
            self.heads.append(Head(channels, head_width, config.classes))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map images [n, in_channels, h, w] to the logits [n, classes] of every exit."""
        logits = []
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage(x)
            logits.append(head(x))
        return logits


def scaled(channels: int, width: float) -> int:
    """Return ``channels * width`` as a multiple of 8, at least 8 and not below 90 % of the product."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def build_network(config: NetworkConfig, seed: int) -> MultiExitMobileNetV2:
    """Return a network with random weights that depend on ``seed`` alone; torch's own stream is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MultiExitMobileNetV2(config)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
