"""Two plain PyTorch loops: LeNet-5 on pictures of MNIST's size, and ResNet-18 with its 11.7 million parameters.

A batch is taken by index from one tensor: no loader whose own time would hide what recording takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measure import Longest, Outcome, Run, Stopwatch
from pictures import SAMPLES, pictures
from torch import Tensor, nn
from torch_ways import Plain, Recorded, TensorBoard, Way


class Block(nn.Module):
    """Two convolutions beside a way around them (He et al. 2015)."""

    def __init__(self, before: int, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, maps, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()
        around = (nn.Conv2d(before, maps, 1, stride, bias=False), nn.BatchNorm2d(maps))
        self.around = nn.Sequential(*around) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inside = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(inside + self.around(x))


def lenet() -> nn.Module:
    """61,706 parameters."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def resnet18() -> nn.Module:
    """11,689,512 parameters: 1,000 classes, as for ImageNet."""
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    widths = (64, 128, 256, 512)
    stages = [
        nn.Sequential(Block(before, maps, 1 if before == maps else 2), Block(maps, maps, 1))
        for before, maps in zip((64, *widths), widths, strict=False)
    ]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


@dataclass
class Loop:
    """A training: a network, and batches of pictures [n, C, H, W] with labels [n]."""

    make: Callable[[], nn.Module]
    pictures: Tensor
    labels: Tensor
    batch: int
    steps: int
    epochs: int

    def run(self, model: nn.Module, way: Way, stop: Longest) -> list[Tensor]:
        """The losses of all steps."""
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        order = torch.Generator().manual_seed(1)
        losses = []
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(self.pictures), generator=order).split(self.batch)[: self.steps]:
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(model(self.pictures[chosen]), self.labels[chosen])
                loss.backward()
                optimiser.step()
                losses.append(loss.detach())
                with stop:
                    way.step(loss)
            with stop:
                way.epoch()
        return losses


def lenet_loop(epochs: int, steps: int | None, threads: int) -> Loop:
    torch.set_num_threads(threads)
    images, labels = pictures(60_000, 28, 1)
    return Loop(lenet, maps_first(images), torch.from_numpy(labels), 64, steps or 938, epochs)


def resnet18_loop(epochs: int, steps: int | None, threads: int) -> Loop:
    torch.set_num_threads(threads)
    images, labels = pictures(3_200, 64, 3)
    return Loop(resnet18, maps_first(images), torch.from_numpy(labels), 16, steps or 200, epochs)


def ways(name: str, threads: int, epochs: int, steps: int | None, rates: list[str]) -> dict[str, Run]:
    """The trainings to compare, by name; the first one records nothing."""
    loop = (lenet_loop if name == "lenet" else resnet18_loop)(epochs, steps, threads)
    samples = loop.pictures[:SAMPLES]

    def way(make: Callable[[nn.Module, Path], Way]) -> Run:
        def run(folder: Path) -> Outcome:
            torch.manual_seed(0)
            model = loop.make()
            stop = Longest()
            with Stopwatch() as begin:
                made = make(model, folder)
            with Stopwatch() as whole:
                losses = loop.run(model, made, stop)
                made.close()
            return Outcome(whole.wall, whole.processor, begin.wall, stop.wall, [loss.item() for loss in losses])

        return run

    def both(every: str) -> dict[str, Run]:
        return {
            f"Cutaway, every {every}": way(lambda model, to: Recorded(to, model, samples, loop.labels, every)),
            f"TensorBoard, every {every}": way(lambda model, to: TensorBoard(to, model, samples, every)),
        }

    found = {"plain": way(lambda model, to: Plain())}
    for every in rates:
        found |= both(every)
    return found


def maps_first(images: Any) -> Tensor:
    """[n, C, H, W] of [n, H, W, C]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
