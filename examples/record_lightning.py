"""Record a Lightning training while it runs: one more callback for the Trainer.

    python examples/record_lightning.py [--out run] [--epochs 2] [--show]

A small network learns to read handwritten digits. Look with `cutaway open run`, also while it trains. Needs
`pip install lightning scikit-learn`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lightning.pytorch as lightning
import torch
from digits import CLASSES, HEIGHT_PX, WIDTH_PX, load
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cutaway


class Reader(lightning.LightningModule):
    """Two convolutions and two dense layers, and how they are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(16 * (HEIGHT_PX // 4) * (WIDTH_PX // 4), 32),
            nn.ReLU(),
            nn.Linear(32, 10),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Float [n, 1, 8, 8] -> logits [n, 10]."""
        logits: Tensor = self.net(pictures)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        scores = self(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(scores, batch[1]))
        self.log("val_accuracy", (scores.argmax(1) == batch[1]).float().mean(), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def tensors() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures [n, 1, 8, 8] and their digits [n]: to train on, and to test with."""
    digits = load()
    x, x_test = (torch.from_numpy(pictures[:, None]) for pictures in (digits.x, digits.x_test))
    return x, torch.from_numpy(digits.y), x_test, torch.from_numpy(digits.y_test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder of the recording (default run)")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="open the viewer beside the training")
    options = parser.parse_args()
    lightning.seed_everything(0)
    x_train, y_train, x_test, y_test = tensors()
    train = DataLoader(TensorDataset(x_train, y_train), batch_size=16, shuffle=True)
    test = DataLoader(TensorDataset(x_test, y_test), batch_size=100)

    callback = cutaway.training.lightning.Callback(
        options.out,
        samples=x_test[:10],
        labels=y_test[:10],
        classes=CLASSES,
        every="25 steps",
        gradients=True,
        overwrite=True,
        show=options.show,
    )
    trainer = lightning.Trainer(
        max_epochs=options.epochs, callbacks=[callback], logger=False, enable_checkpointing=False
    )
    trainer.fit(Reader(), train, test)

    recording = cutaway.open(options.out)
    print(f"{options.out}: {len(recording.checkpoints)} checkpoints of {len(recording.network.layers)} layers")


if __name__ == "__main__":
    main()
