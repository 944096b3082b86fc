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
    finite = np.isfinite(maps)
    values = np.where(finite, maps, 0).astype(np.float64)
    if maps.shape[1] not in (1, 3, 4):
        values, finite = values.mean(axis=1, keepdims=True), finite.all(axis=1, keepdims=True)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    scaled = (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    picture = np.where(finite, np.rint(scaled), 0).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(picture, 1, -1))
