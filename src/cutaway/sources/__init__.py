"""Sources: anything that can tell its network, its parameters at a checkpoint and its activations for images.

`open_source` recognises by content what a path (or a live object) is and hands it to the one file that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from cutaway.network import Network
from cutaway.recording.schema import Checkpoint, Completeness


class SampleSet(Protocol):
    """Inputs as the person sees them, with what is known about them."""

    images: np.ndarray
    """[sample, H, W, C], uint8 or float32."""
    labels: Sequence[int | None] | None
    names: Sequence[str]
    preprocessing: str | None


class Source(Protocol):
    """What every origin of a recording can tell. All arrays are in canonical axes, without a batch axis."""

    name: str
    producer: str
    network: Network
    checkpoints: Sequence[Checkpoint]
    classes: Sequence[str] | None
    samples: SampleSet | None
    """The inputs that come with the source; None when the user has to give them."""
    completeness: Completeness

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Parameter key -> array, at the checkpoint with that position in `checkpoints`."""
        ...

    def activations(self, checkpoint: int, samples: Any) -> Mapping[str, np.ndarray]:
        """Layer id -> array [sample, …output shape], for every recorded layer, the input included."""
        ...

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """Rows of `metrics.jsonl`; empty when the origin has none."""
        ...
