"""Pictures to train on: noise with a brighter patch, whose place is the class."""

from __future__ import annotations

import numpy as np

SAMPLES = 10
"""Pictures whose activations are written down."""


def pictures(count: int, size: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 [count, size, size, channels] from 0 to 1, and labels int64 [count] from 0 to 9."""
    found = np.random.default_rng(0).random((count, size, size, channels), np.float32) * np.float32(0.7)
    patch = size // 4
    for label in range(10):
        down, right = (place * patch for place in divmod(label, 4))
        found[label::10, down : down + patch, right : right + patch] += np.float32(0.3)
    return found, np.arange(count) % 10
