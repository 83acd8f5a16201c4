"""Measure a multi-exit network: its answers, and what each stage and head costs in MACs, bytes and seconds.

Times are those of one image on one CPU thread in PyTorch's eager mode, with batch normalisation folded into
the convolutions as in any deployment. A timed pass goes the way of a sample that tries every exit: stage 1,
head 1, stage 2 and so on, so that caches are as warm as in use and a slow moment hits all parts alike.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mdisim.profiles.build.network import MultiExitMobileNetV2
from mdisim.profiles.build.records import MeasuredCosts, TimingPlan
from mdisim.profiles.build.training import Normaliser

Images = NDArray[np.uint8]


def exit_logits(network: MultiExitMobileNetV2, images: Images, normalise: Normaliser) -> NDArray[np.float16]:
    """Return the logits [n, K, C] of images [n, h, w, c]."""
    return in_batches(lambda x: torch.stack(network(x), dim=1), images, normalise)


def in_batches(
    function: Callable[[Tensor], Tensor], images: Images, normalise: Normaliser, batch: int = 500
) -> NDArray[np.float16]:
    """Apply a function to ``batch`` images at a time and put its answers together."""
    starts = range(0, len(images), batch)
    with torch.inference_mode():
        parts = [function(normalise(images[start : start + batch])).half().numpy() for start in starts]
    return np.concatenate(parts)


def measure_costs(network: MultiExitMobileNetV2, plan: TimingPlan) -> MeasuredCosts:
    """Count and time a network for one image on one CPU thread; the network itself is left as it was."""
    folded = fold_batchnorm(copy.deepcopy(network).cpu().eval())
    image = noise(folded, count=1)
    stage_macs, head_macs, map_bytes = count(folded, image)
    median, spread = time_parts(lambda: timed_pass(folded, image), plan)
    return MeasuredCosts(
        stage_macs=np.array(stage_macs),
        head_macs=np.array(head_macs),
        layers=np.array([sum(isinstance(m, nn.Conv2d) for m in stage.modules()) for stage in folded.stages]),
        out_bytes=np.array([image.numel(), *map_bytes[:-1], 0]),
        stage_s=median[0::2],
        head_s=median[1::2],
        stage_spread_s=spread[0::2],
        head_spread_s=spread[1::2],
    )


def count(network: MultiExitMobileNetV2, image: Tensor) -> tuple[list[int], list[int], list[int]]:
    """Return the MACs of each stage and of each head, and the bytes of the float32 map after each stage."""
    stage_macs, head_macs, map_bytes = [], [], []
    x = image
    for stage, head in zip(network.stages, network.heads, strict=True):
        with counted_macs(stage) as macs, torch.inference_mode():
            x = stage(x)
        stage_macs.append(sum(macs))
        map_bytes.append(x.numel() * x.element_size())
        with counted_macs(head) as macs, torch.inference_mode():
            head(x)
        head_macs.append(sum(macs))
    return stage_macs, head_macs, map_bytes


@contextmanager
def counted_macs(part: nn.Module) -> Iterator[list[int]]:
    """Fill a list with the MACs of every convolution and linear layer of ``part`` that runs meanwhile."""
    macs: list[int] = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        macs.append(output.numel() * layer.get_parameter("weight")[0].numel())

    layers = [layer for layer in part.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield macs
    finally:
        for handle in handles:
            handle.remove()


def time_parts(
    one_pass: Callable[[], list[float]], plan: TimingPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and inter-quartile range in seconds of the parts that ``one_pass`` times, in its order.

    The median is the one over rounds of each round's median over its passes; the range is over all passes.
    """
    rounds = []
    with one_thread(), torch.inference_mode():
        for _ in range(plan.rounds):
            passes = [one_pass() for _ in range(plan.warmup + plan.passes)]
            rounds.append(passes[plan.warmup :])
    seconds = np.array(rounds)
    low, high = np.quantile(seconds, [0.25, 0.75], axis=(0, 1))
    return np.median(np.median(seconds, axis=1), axis=0), high - low


def timed_pass(network: MultiExitMobileNetV2, image: Tensor) -> list[float]:
    """Send one image through the network, trying every exit; return the seconds of each part in turn."""
    seconds, x = [], image
    for stage, head in zip(network.stages, network.heads, strict=True):
        start = perf_counter()
        x = stage(x)
        middle = perf_counter()
        head(x)
        seconds += [middle - start, perf_counter() - middle]
    return seconds


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold PyTorch to one thread and keep the garbage collector out; put both back afterwards."""
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collecting:
            gc.enable()


def fold_batchnorm(network: MultiExitMobileNetV2) -> MultiExitMobileNetV2:
    """Fold every batch normalisation into the convolution before it, in place; evaluation mode only."""
    for layers in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for i in range(1, len(layers)):
            before, norm = layers[i - 1], layers[i]
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                layers[i - 1] = fuse_conv_bn_eval(before, norm)
                layers[i] = nn.Identity()
    return network


def settle(network: MultiExitMobileNetV2, count: int = 8) -> MultiExitMobileNetV2:
    """Fit an untrained network's batch normalisation to noise, so that its maps are of the usual magnitude.

    Otherwise they shrink from layer to layer and times may be those of denormal numbers.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(noise(network, count))
    return network.eval()


def noise(network: MultiExitMobileNetV2, count: int) -> Tensor:
    """Return ``count`` images of standard normal noise in the shape that the network takes."""
    config = network.config
    shape = (count, config.in_channels, config.image_size, config.image_size)
    pixels = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)
