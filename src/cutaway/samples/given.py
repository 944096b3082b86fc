"""Samples as they were given, before anybody knows what the model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Given:
    """Either `pictures`, each [H, W, C] uint8 of its own size, or one `array` [sample, …] of any numbers."""

    names: Sequence[str]
    pictures: Sequence[np.ndarray] | None = None
    array: np.ndarray | None = None
    labels: Sequence[int | None] | None = None
    classes: tuple[str, ...] | None = None
    """Names of the classes that the labels mean, where the samples tell them (sub-folders)."""
    named: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Arrays by the name of a model's input, where several were given."""
    notes: tuple[str, ...] = ()
    """What was done to them, in words."""
    preprocessing: str | None = None
    """What the giver says of the preprocessing."""

    def first(self) -> Given:
        """The first sample alone, without its label."""
        return Given(
            names=self.names[:1],
            pictures=None if self.pictures is None else self.pictures[:1],
            array=None if self.array is None else self.array[:1],
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (C, H, W) for pictures (of the first one), an array's own."""
        if self.pictures is not None:
            return channels_first(self.pictures[0].shape) if self.pictures else ()
        shape = self.array.shape[1:] if self.array is not None else ()
        if self.array is not None and self.array.dtype == np.uint8:
            if len(shape) == 2:
                return (1, *shape)
            if len(shape) == 3 and shape[2] in (1, 3, 4):
                return channels_first(shape)
        return shape


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(H, W, C) -> (C, H, W)."""
    return (*shape[-1:], *shape[:-1])
