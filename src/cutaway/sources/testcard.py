"""A generated test picture, for a model that is opened without samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cutaway.samples import Given
from cutaway.sources import InputSpec

SIDE = 224
"""Pixels where the model's input leaves its size free."""

NOTE = "a generated test picture, no photograph: give real ones with --samples"


def make_card(inputs: Sequence[InputSpec], size: tuple[int, int] | None = None) -> Given:
    """One test picture that fits the inputs, or random numbers where an input takes no pictures."""
    spec = next((spec for spec in inputs if len(spec.shape) == 3), inputs[0])
    if len(spec.shape) in (2, 3) and np.dtype(spec.dtype).kind in "fu":
        channels, height, width = spec.shape if len(spec.shape) == 3 else (1, *spec.shape)
        if len(spec.shape) == 3 and spec.layout == "NHWC":
            height, width, channels = spec.shape
        sides = size or (SIDE, SIDE)
        picture = drawn(height or sides[0], width or sides[1])
        if (channels or 3) in (1, 3, 4):
            grey = np.rint(picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
            return Given(names=("test picture",), pictures=[grey if channels == 1 else picture], notes=(NOTE,))
    shape = tuple(size or 1 for size in spec.shape)
    noise = np.random.default_rng(7).standard_normal((1, *shape)).astype(np.float32)
    if np.dtype(spec.dtype).kind in "iu":
        noise = np.zeros_like(noise)
    return Given(
        names=("test input",), array=noise, notes=("random numbers, no real sample: give some with --samples",)
    )


def drawn(height: int, width: int) -> np.ndarray:
    """[height, width, 3] uint8: a disc and a ring before a sky, checks, waves and stripes: edges, colours, textures."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = (y + 0.5) / height, (x + 0.5) / width
    picture = np.stack([0.25 + 0.5 * x, 0.35 + 0.3 * (1 - y), 0.85 - 0.5 * y], axis=-1)
    picture[(x - 0.3) ** 2 + (y - 0.3) ** 2 < 0.18**2] = (0.95, 0.8, 0.2)
    ring = np.abs(np.hypot(x - 0.72, y - 0.28) - 0.15) < 0.035
    picture[ring] = (0.8, 0.15, 0.15)
    bottom = y > 0.6
    cells = (np.floor(x * 8) + np.floor(y * 8)) % 2
    picture[bottom & (x < 0.33)] = np.repeat(cells[..., None], 3, axis=-1)[bottom & (x < 0.33)]
    waves = 0.5 + 0.5 * np.sin(2 * np.pi * 14 * ((x - 0.5) ** 2 + (y - 0.8) ** 2) * 4)
    middle = bottom & (x >= 0.33) & (x < 0.67)
    picture[middle] = np.stack([waves, waves, waves], axis=-1)[middle]
    slanted = np.floor((x + y) * 12) % 2
    right = bottom & (x >= 0.67)
    picture[right] = np.stack([0.1 + 0.2 * slanted, 0.3 + 0.6 * slanted, 0.4 - 0.2 * slanted], axis=-1)[right]
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)
