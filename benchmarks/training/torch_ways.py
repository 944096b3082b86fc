"""What is compared in PyTorch: recording nothing, `cutaway.Recorder`, and the same tensors written for TensorBoard.

A way is told every step and every epoch, as the lines in a user's loop would be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

import cutaway


class Way(Protocol):
    def step(self, loss: Tensor) -> None: ...

    def epoch(self) -> None: ...

    def close(self) -> None: ...


class Plain:
    """Nothing."""

    def step(self, loss: Tensor) -> None:
        pass

    def epoch(self) -> None:
        pass

    def close(self) -> None:
        pass


class Recorded:
    """The lines that Cutaway asks for."""

    def __init__(self, folder: Path, model: nn.Module, pictures: Tensor, labels: Tensor, every: str) -> None:
        count = len(pictures)
        self.recorder = cutaway.Recorder(
            folder, model, samples=pictures.numpy(), labels=labels[:count].tolist(), every=every
        )

    def step(self, loss: Tensor) -> None:
        self.recorder.step(loss=loss)

    def epoch(self) -> None:
        self.recorder.epoch()

    def close(self) -> None:
        self.recorder.close()


class TensorBoard:
    """Histograms of all parameters and of what every layer puts out for the samples, and pictures of the maps.

    As often as `Recorded`: once more at the end, as that also holds the state before the first step. One picture a
    layer, with all maps of all samples.
    """

    def __init__(self, folder: Path, model: nn.Module, pictures: Tensor, every: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))
        self.model, self.pictures = model, pictures
        self.distance = None if every == "epoch" else int(every.split()[0])
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        self.steps += 1
        self.writer.add_scalar("loss", loss.item(), self.steps)
        if self.distance is not None and self.steps % self.distance == 0:
            self.write()

    def epoch(self) -> None:
        if self.distance is None:
            self.write()

    def write(self) -> None:
        for name, tensor in [*self.model.named_parameters(), *self.model.named_buffers()]:
            self.writer.add_histogram(name, tensor, self.steps)
        for name, outputs in outputs_of(self.model, self.pictures).items():
            self.writer.add_histogram(f"outputs/{name}", outputs, self.steps)
            if outputs.ndim == 4:
                low, high = outputs.min(), outputs.max()
                maps = (outputs - low) / (high - low).clamp(min=1e-12)
                self.writer.add_images(f"maps/{name}", maps.flatten(0, 1)[:, None], self.steps)

    def close(self) -> None:
        self.write()
        self.writer.close()


def outputs_of(model: nn.Module, pictures: Tensor) -> dict[str, Tensor]:
    """What every layer puts out in evaluation mode."""
    found: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda _layer, _given, output, name=name: found.update({name: output}))
        for name, layer in model.named_modules()
        if not any(layer.children())
    ]
    model.eval()
    with torch.no_grad():
        model(pictures)
    model.train()
    for hook in hooks:
        hook.remove()
    return found
