"""Tiny PyTorch trainings, each made to show something; what the insights say of them is what is tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import cutaway
from cutaway.recording.insights import Watcher
from cutaway.recording.schema import Checkpoint, Insight
from cutaway.recording.summary import class_scores, summarise
from cutaway.samples import Preprocessing, prepare, read_samples
from cutaway.sources import inputs_of

TRAINED, HELD_OUT, RECORDED = 1400, 400, 10

Optimiser = Callable[[nn.Module], torch.optim.Optimizer]
Schedule = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]


@dataclass(frozen=True)
class Data:
    """Ten blurred 8 × 8 patterns under noise. images [sample, 1, 8, 8], labels [sample]."""

    images: torch.Tensor
    labels: torch.Tensor


def data() -> Data:
    random = torch.Generator().manual_seed(0)
    patterns = F.interpolate(torch.rand(10, 1, 4, 4, generator=random), size=(8, 8), mode="bilinear")
    labels = torch.randint(0, 10, (TRAINED + HELD_OUT,), generator=random)
    noise = torch.randn(len(labels), 1, 8, 8, generator=random)
    return Data((patterns[labels] + 0.3 * noise).clamp(0, 1), labels)


def cnn(norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        *([nn.BatchNorm2d(8)] if norm else []),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        *([nn.BatchNorm2d(16)] if norm else []),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def mlp(activation: type[nn.Module] = nn.ReLU, depth: int = 2, width: int = 64) -> nn.Sequential:
    torch.manual_seed(0)
    widths = [64, *[width] * depth]
    pairs = [(nn.Linear(a, b), activation()) for a, b in pairwise(widths)]
    return nn.Sequential(nn.Flatten(), *[part for pair in pairs for part in pair], nn.Linear(width, 10))


def adam(rate: float) -> Optimiser:
    return lambda model: torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=rate)


def sgd(rate: float, momentum: float = 0.0) -> Optimiser:
    return lambda model: torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)


def train(
    model: nn.Module,
    optimiser: Optimiser,
    *,
    steps: int = 100,
    every: int = 20,
    measured: bool = True,
    schedule: Schedule | None = None,
    given: Data | None = None,
    trained: int = TRAINED,
    samples: int = RECORDED,
) -> list[Insight]:
    """Trains, and lets the rules look at a checkpoint after every few steps and at the loss of every step.

    `measured`: gradients and the update of one step are recorded too. `trained`: how many images it learns from; the
    last `samples` of all are those recorded.
    """
    given = given or data()
    torch.manual_seed(1)
    source = cutaway.open_source(model, size=(8, 8))
    prepared = prepare(read_samples(given.images[-samples:].numpy()), inputs_of(source), Preprocessing())
    watcher = Watcher(source.network, None, given.labels[-samples:].tolist())
    updating = optimiser(model)
    scheduled = schedule(updating) if schedule else None
    before: dict[str, np.ndarray] | None = None
    found: list[Insight] = []
    for step in range(steps + 1):
        gradients: dict[str, np.ndarray] = {}
        moved: dict[str, float] = {}
        row: dict[str, float | None] = {"step": step}
        if step:
            weights = {name: values.copy() for name, values in tensors(model).items()}
            chosen = torch.randint(0, trained, (64,))
            loss = F.cross_entropy(model(given.images[chosen]), given.labels[chosen])
            updating.zero_grad()
            torch.autograd.backward(loss)
            updating.step()
            if scheduled:
                scheduled.step()
            gradients = {name: values.grad.numpy() for name, values in parameters(model) if values.grad is not None}
            moved = {name: ratio(values, weights[name]) for name, values in tensors(model).items()}
            row["loss"] = loss.item()
        if step % every == 0:
            with torch.no_grad():
                row["val_loss"] = F.cross_entropy(model(given.images[TRAINED:]), given.labels[TRAINED:]).item()
            now = {key: np.array(values) for key, values in source.parameters(0).items()}
            outputs = source.activations(0, prepared)
            extra = (gradients, moved) if measured and step else (None, None)
            summary = summarise(source.network, now, outputs, before, *extra)
            before = now
            moment = Checkpoint(index=step // every, label=f"step {step}", step=step)
            found += watcher.checkpoint(moment, summary, class_scores(source.network, outputs))
        found += watcher.metrics(row)
    return found


def parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """By the keys that the recording gives kernels: "3/kernel"."""
    return [(name.replace(".weight", "/kernel"), values) for name, values in model.named_parameters()]


def tensors(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: values.detach().numpy() for name, values in parameters(model)}


def ratio(now: np.ndarray, before: np.ndarray) -> float:
    moved = np.linalg.norm(now.astype(np.float64) - before)
    return float(moved / max(float(np.linalg.norm(before.astype(np.float64))), 1e-12))
