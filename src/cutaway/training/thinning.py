"""Which checkpoints stay when there are too many: the first, the last, and those where the weights moved most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cutaway.errors import CutawayError
from cutaway.network import Network
from cutaway.recording.schema import Checkpoint
from cutaway.recording.summary import WEIGHT_ROLES

SKETCH_VALUES = 65_536
"""Weights of a checkpoint that are kept in memory to compare it with others."""


class Kept(NamedTuple):
    """A checkpoint that is in the recording, a part of its weights, and how far they are from those before it."""

    number: int
    step: int
    sketch: np.ndarray
    way: float


class Thinning:
    """Holds at most `most` checkpoints; None holds all, and remembers nothing.

    The one that goes is the one through which the weights travel the shortest way, ‖wᵢ − wᵢ₋₁‖ + ‖wᵢ₊₁ − wᵢ‖, so that
    what stays lies about as far apart in the weights; where nothing moved, the one whose neighbours are closest in
    steps. Each layer's weights are measured against its own size at the first checkpoint, and large layers by an even
    part of their weights.
    """

    def __init__(self, network: Network, most: int | None) -> None:
        if most is not None and most < 2:
            raise CutawayError(f"max_checkpoints must be at least 2 (the first and the last), got {most}")
        self.most = most
        self.keys = sorted({p.key for layer in network for p in layer.parameters if p.role in WEIGHT_ROLES})
        self.kept: list[Kept] = []
        self.scales: dict[str, float] = {}

    def add(self, checkpoint: Checkpoint, parameters: Mapping[str, np.ndarray]) -> int | None:
        """Takes in a new checkpoint; tells the index of the one that goes for it."""
        if self.most is None:
            return None
        sketch = self.sketch(parameters)
        way = distance(self.kept[-1].sketch, sketch) if self.kept else 0.0
        self.kept.append(Kept(checkpoint.index, checkpoint.step or 0, sketch, way))
        if len(self.kept) <= self.most:
            return None
        at = min(range(1, len(self.kept) - 1), key=self.loss)
        gone, behind = self.kept[at : at + 2]
        self.kept[at : at + 2] = [behind._replace(way=distance(self.kept[at - 1].sketch, behind.sketch))]
        return gone.number

    def loss(self, at: int) -> tuple[float, int]:
        """How much is lost with the checkpoint at that position: the way through it, and the steps between."""
        before, this, behind = self.kept[at - 1 : at + 2]
        return this.way + behind.way, behind.step - before.step

    def sketch(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """An even part of every kernel, in the kernel's own scale."""
        each = max(1, SKETCH_VALUES // max(1, len(self.keys)))
        parts = []
        for key in self.keys:
            values = np.nan_to_num(parameters[key].reshape(-1), posinf=0.0, neginf=0.0)
            part = values[:: max(1, values.size // each)]
            if key not in self.scales:
                norm = float(np.linalg.norm(part))
                self.scales[key] = 1 / norm if norm > 0 else 1.0
            parts.append(part * np.float32(self.scales[key]))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Euclidean; without BLAS, whose threads would stand in the training's way."""
    return float(np.sqrt(np.square(one - other).sum()))
