"""What the examples of recording a training train on: the digits of a pocket calculator in noise, drawn with NumPy."""

from __future__ import annotations

import numpy as np

HEIGHT_PX, WIDTH_PX = 16, 12
CLASSES = tuple(str(digit) for digit in range(10))

SEGMENTS = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
"""Which of the seven segments light up for 0 to 9."""

PLACES = {
    "a": np.s_[0:2, 0:7],
    "b": np.s_[0:6, 5:7],
    "c": np.s_[5:11, 5:7],
    "d": np.s_[9:11, 0:7],
    "e": np.s_[5:11, 0:2],
    "f": np.s_[0:6, 0:2],
    "g": np.s_[5:6, 0:7],
}


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures float32 [count, 16, 12] of about 0 to 1 with one digit each, at any place, and the digits [count]."""
    random = np.random.default_rng(seed)
    digits = random.integers(0, 10, count)
    pictures = random.uniform(0, 0.3, (count, HEIGHT_PX, WIDTH_PX)).astype(np.float32)
    for picture, digit in zip(pictures, digits, strict=True):
        top, left = random.integers(0, 6), random.integers(0, 6)
        for segment in SEGMENTS[digit]:
            picture[top : top + 11, left : left + 7][PLACES[segment]] += random.uniform(0.3, 0.6)
    return pictures, digits
