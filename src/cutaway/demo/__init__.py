"""The recording that comes with Cutaway: a small LeNet learning MNIST. `demo/train.py` in the repository made it."""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """Folder of the bundled recording."""
    return Path(__file__).parent / "recording"
