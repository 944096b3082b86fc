"""Sources: anything that can tell its network, its parameters at a checkpoint and its activations for images.

`open_source` recognises by content what a path (or a live object) is and hands it to the one file that reads it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from cutaway.network import Network
from cutaway.recording.schema import Checkpoint, Completeness


class SampleSet(Protocol):
    """Inputs as the person sees them, with what is known about them. `cutaway.samples.Pictures` is one."""

    @property
    def images(self) -> np.ndarray:
        """[sample, H, W, C], uint8 or float32."""
        ...

    @property
    def labels(self) -> Sequence[int | None] | None:
        """Class indices, None where not known."""
        ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def preprocessing(self) -> str | None:
        """What turned the picture into the model's input, in words."""
        ...


class Source(Protocol):
    """What every origin of a recording can tell. All arrays are in canonical axes, without a batch axis."""

    @property
    def name(self) -> str: ...

    @property
    def producer(self) -> str:
        """Who made the model, for people: "nn-visualizer", "torch 2.13"."""
        ...

    @property
    def network(self) -> Network: ...

    @property
    def checkpoints(self) -> Sequence[Checkpoint]: ...

    @property
    def classes(self) -> Sequence[str] | None: ...

    @property
    def samples(self) -> SampleSet | None:
        """The inputs that come with the source; None when the user has to give them."""
        ...

    @property
    def completeness(self) -> Completeness:
        """What is known and what is missing. Read last by `record`: it may grow while checkpoints are read."""
        ...

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Parameter key -> array, at the checkpoint with that position in `checkpoints`."""
        ...

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """Layer id -> array [sample, …output shape], for every recorded layer, the input included."""
        ...

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """Rows of `metrics.jsonl`; empty when the origin has none."""
        ...


def open_source(path: str | os.PathLike[str]) -> Source:
    """Recognises by content what a path is, and opens it: so far the folders that nn-visualizer exports.

    Opening never runs code from the files. Raises SourceError, one line, when there is nothing, or something that
    can't be read: then it says what it seems to be and what to do.
    """
    from cutaway.sources.recognise import recognise

    return recognise(Path(os.fspath(path)).expanduser(), os.fspath(path))
