"""Train a small PyTorch network for a few seconds and record it: every checkpoint, and the live module.

    python examples/record_pytorch_model.py [--out runs]

It learns to tell discs from squares and crosses. Needs PyTorch; then look with `cutaway open runs/shapes`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import cutaway

CLASSES = ("disc", "square", "cross")
SIZE_PX = 24
EPOCHS = 3
STEPS_PER_EPOCH = 25


class Shapes(nn.Module):
    """Two convolutions with a skip around the second one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, padding=2)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * (SIZE_PX // 4) ** 2, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Float [n, 1, 24, 24] between 0 and 1 -> logits [n, 3]."""
        x = self.pool(torch.relu(self.norm1(self.conv1(images))))
        x = self.pool(torch.relu(x + self.norm2(self.conv2(x))))
        logits: Tensor = self.fc(x.flatten(1))
        return logits


def build() -> nn.Module:
    """What `--model` names: the network that the weights belong to."""
    return Shapes()


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [count, 24, 24, 1] of one shape each, and their classes [count]."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(CLASSES), count)
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    images = np.empty((count, SIZE_PX, SIZE_PX, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        middle_y, middle_x, radius = (*random.uniform(8, SIZE_PX - 8, 2), random.uniform(4, 7))
        dy, dx = np.abs(y - middle_y), np.abs(x - middle_x)
        inside = (
            dy**2 + dx**2 < radius**2,
            np.maximum(dy, dx) < radius * 0.85,
            (np.maximum(dy, dx) < radius) & (np.minimum(dy, dx) < radius * 0.3),
        )[label]
        image[..., 0] = np.where(inside, random.integers(140, 256), 0) + random.integers(0, 40, inside.shape)
    return images, labels


def as_input(images: np.ndarray) -> Tensor:
    """uint8 [n, H, W, 1] -> float32 [n, 1, H, W] between 0 and 1, as `cutaway.record` does it too."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)


def train(folder: Path) -> nn.Module:
    """A checkpoint before the first step and behind every epoch."""
    torch.manual_seed(0)
    model = build()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    folder.mkdir(parents=True, exist_ok=True)
    for epoch in range(EPOCHS + 1):
        torch.save({"epoch": epoch, "state_dict": model.state_dict()}, folder / f"epoch_{epoch}.pt")
        loss = torch.zeros(())
        model.train()
        for step in range(STEPS_PER_EPOCH if epoch < EPOCHS else 0):
            images, labels = draw(32, seed=epoch * STEPS_PER_EPOCH + step)
            loss = nn.functional.cross_entropy(model(as_input(images)), torch.from_numpy(labels))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        if epoch < EPOCHS:
            print(f"epoch {epoch + 1}  loss {loss.item():.3f}")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the recordings (default runs)")
    options = parser.parse_args()
    images, labels = draw(12, seed=10_000)
    model = train(options.out / "checkpoints")

    # The module as it is now.
    live = cutaway.record(
        model, images, options.out / "live", labels=labels, classes=CLASSES, overwrite=True, name="shapes, live"
    )
    right = sum(live.activations("fc", -1, sample).argmax() == label for sample, label in enumerate(labels))
    print(f"{options.out / 'live'}: {right} of {len(labels)} right")

    # All checkpoints; the same as
    # cutaway record runs/checkpoints --model record_pytorch_model.py:build --samples … --out runs/shapes
    run = cutaway.record(
        options.out / "checkpoints",
        images,
        options.out / "shapes",
        model=build,
        labels=labels,
        classes=CLASSES,
        overwrite=True,
        name="shapes",
    )
    print(f"{options.out / 'shapes'}: {len(run.checkpoints)} checkpoints of {len(run.network.layers)} layers")


if __name__ == "__main__":
    main()
