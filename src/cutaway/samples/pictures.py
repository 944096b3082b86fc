"""Samples: the inputs that a recording shows, as a person sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Pictures:
    """Pictures [sample, H, W, C] (uint8 or float32) with what is known about them; a `SampleSet`."""

    images: np.ndarray
    names: Sequence[str]
    labels: Sequence[int | None] | None = None
    preprocessing: str | None = None


@dataclass(frozen=True)
class Prepared(Pictures):
    """Pictures with what the model gets of them; what `Source.activations` is given."""

    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Input name -> [sample, …] in the model's own layout and dtype."""
    wanted: frozenset[str] | None = None
    """Ids of the layers whose activations are asked for; None: all of them."""


def stretched(maps: np.ndarray) -> np.ndarray:
    """Model inputs [sample, C, H, W] as pictures uint8 [sample, H, W, C]: the whole set's range becomes 0…255.

    Values that are not finite become 0; an input of one constant value becomes 0. More than one channel, where it is
    neither colour nor colour with transparency, becomes the grey of their mean.
    """
    low, high = np.inf, -np.inf
    for sample in maps:  # one by one, as exact numbers take twice the memory
        values, finite = channels_shown(sample)
        if finite.any():
            low, high = min(low, float(values[finite].min())), max(high, float(values[finite].max()))
    scale = 255 / (high - low) if high > low else 0.0
    made = []
    for sample in maps:
        values, finite = channels_shown(sample)
        exact = np.subtract(values, low if scale else values, dtype=np.float64)
        pixels = np.where(finite, np.rint(exact * scale), 0)
        made.append(np.moveaxis(pixels.astype(np.uint8), 0, -1))
    return np.ascontiguousarray(made) if made else np.zeros((0, *maps.shape[2:], 1), np.uint8)


def channels_shown(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, which are finite) [C, H, W] of one sample; 0 where they are not."""
    finite = np.isfinite(sample)
    values = sample if finite.all() else np.where(finite, sample, 0)
    if len(sample) in (1, 3, 4):
        return values, finite
    return values.mean(axis=0, keepdims=True, dtype=np.float64), finite.all(axis=0, keepdims=True)
