"""What the examples of recording a training train on: scikit-learn's 1,797 handwritten digits, which come with it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

HEIGHT_PX, WIDTH_PX = 8, 8
CLASSES = tuple(str(digit) for digit in range(10))
TESTED = 197
"""So many are held out, the first ten of them 0 to 9; 1,600 are left."""


class Digits(NamedTuple):
    """Pictures float32 [n, 8, 8] of 0 to 1, and which digit each of them is, int64 [n]."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load() -> Digits:
    pictures, labels = load_digits(return_X_y=True)
    pictures = (pictures.reshape(-1, HEIGHT_PX, WIDTH_PX) / 16).astype(np.float32)
    labels = labels.astype(np.int64)
    return Digits(pictures[TESTED:], labels[TESTED:], pictures[:TESTED], labels[:TESTED])
