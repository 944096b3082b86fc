"""Record a PyTorch training while it runs: one line after each step, one after each epoch.

    python examples/record_pytorch.py [--out run] [--epochs 2] [--show]

A small network learns to read handwritten digits. Look with `cutaway open run`, also while it trains. Needs
`pip install torch scikit-learn`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from digits import CLASSES, HEIGHT_PX, WIDTH_PX, load
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cutaway


def tensors() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures [n, 1, 8, 8] and their digits [n]: to train on, and to test with."""
    digits = load()
    x, x_test = (torch.from_numpy(pictures[:, None]) for pictures in (digits.x, digits.x_test))
    return x, torch.from_numpy(digits.y), x_test, torch.from_numpy(digits.y_test)


class Reader(nn.Module):
    """Two convolutions and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.2)
        self.fc1 = nn.Linear(16 * (HEIGHT_PX // 4) * (WIDTH_PX // 4), 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, pictures: Tensor) -> Tensor:
        """Float [n, 1, 8, 8] -> logits [n, 10]."""
        x = self.pool(torch.relu(self.norm1(self.conv1(pictures))))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(self.drop(x.flatten(1))))
        logits: Tensor = self.fc2(x)
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder of the recording (default run)")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="open the viewer beside the training")
    options = parser.parse_args()
    torch.manual_seed(0)
    x_train, y_train, x_test, y_test = tensors()
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=16, shuffle=True)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    with cutaway.Recorder(
        options.out,
        model,
        samples=x_test[:10],
        labels=y_test[:10],
        classes=CLASSES,
        every="25 steps",
        gradients=True,
        steps_per_epoch=len(loader),
        overwrite=True,
        show=options.show,
    ) as recorder:
        for epoch in range(options.epochs):
            model.train()
            for x, y in loader:
                loss = nn.functional.cross_entropy(model(x), y)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                recorder.step(loss=loss)
            model.eval()
            with torch.no_grad():
                scores = model(x_test)
            accuracy = (scores.argmax(1) == y_test).float().mean()
            val_loss = nn.functional.cross_entropy(scores, y_test)
            recorder.epoch(val_loss=val_loss, val_accuracy=accuracy)
            print(f"epoch {epoch + 1}  loss {val_loss:.3f}  {accuracy:.0%} right")

    recording = cutaway.open(options.out)
    print(f"{options.out}: {len(recording.checkpoints)} checkpoints of {len(recording.network.layers)} layers")


if __name__ == "__main__":
    main()
