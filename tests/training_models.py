"""Small PyTorch trainings for the tests of recording while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

STEPS_PER_EPOCH = 6


class Small(nn.Module):
    """A convolution with batch norm, dropout and a dense layer: everything that differs while a model is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(4 * 6 * 6, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Float [n, 1, 8, 8] -> logits [n, 3]."""
        maps = torch.relu(self.norm(self.conv(images)))
        scores: Tensor = self.fc(self.drop(maps.flatten(1)))
        return scores


def images(count: int = 48) -> tuple[Tensor, Tensor]:
    """Float [count, 1, 8, 8] and labels [count], always the same."""
    random = torch.Generator().manual_seed(5)
    labels = torch.arange(count) % 3
    pictures = torch.rand((count, 1, 8, 8), generator=random) * 0.5
    for picture, label in zip(pictures, labels, strict=True):
        picture[0, 2 * int(label) : 2 * int(label) + 3] += 0.5
    return pictures, labels


def train(
    model: nn.Module,
    record: Callable[[nn.Module], Any] = lambda model: None,
    *,
    epochs: int = 3,
    optimiser: Callable[[Any], Any] = lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    begun: Callable[[], object] = lambda: torch.manual_seed(0),
) -> tuple[list[float], dict[str, Tensor]]:
    """(loss of every step, the state at the end) of a training with shuffled batches; `record` makes its recorder."""
    begun()
    pictures, labels = images()
    loader = DataLoader(TensorDataset(pictures, labels), batch_size=8, shuffle=True)
    updating = optimiser(model.parameters())
    recorder = record(model)
    losses = []
    for _ in range(epochs):
        for x, y in loader:
            updating.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            updating.step()
            losses.append(loss.item())
            if recorder is not None:
                recorder.step(loss=loss)
        if recorder is not None:
            recorder.epoch(train_loss=losses[-1])
            if recorder.worker is not None:
                recorder.worker.drain()  # these epochs take milliseconds: a busy machine would leave checkpoints out
    if recorder is not None:
        recorder.close()
    return losses, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def numbers(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().numpy())
