"""Activations of one checkpoint while they are collected, a few samples at a time: in memory, or on disk where many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cutaway.recording.store import activation_name

MEMORY_BYTES = 128 << 20
"""More than this goes through a file, so that a recording needs little more memory than its model."""


class Scratch:
    """Collects layer id -> [sample, …], piece by piece. `close` takes the files away."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.activations: Mapping[str, np.ndarray] = {}
        """What is there; reading a layer of it reads that layer from the disk, where it lies there."""

    def put(self, first: int, activations: Mapping[str, np.ndarray]) -> None:
        """The activations of some samples, float32, from the sample `first` on. Raises OSError on a full disk."""
        if not self.activations:
            self.activations = self.room(activations, np.dtype(np.float32), "activations")
        self.fill(self.activations, first, activations)

    def convert(self, dtype: Any) -> None:
        """Everything in another precision, a sample at a time."""
        before = self.activations
        made = self.room(before, np.dtype(dtype), "converted")
        for sample in range(self.count):
            self.fill(made, sample, {id: row(before, id, sample)[None] for id in before})
        if isinstance(before, OnDisk):
            before.close()
        self.activations = made

    def room(self, like: Mapping[str, np.ndarray], dtype: np.dtype[Any], name: str) -> Mapping[str, np.ndarray]:
        """Empty arrays [sample, *shape] in memory or on disk."""
        shapes = like.shapes if isinstance(like, OnDisk) else {id: values.shape[1:] for id, values in like.items()}
        size = sum(map(math.prod, shapes.values())) * self.count * dtype.itemsize
        if size <= MEMORY_BYTES:
            return {id: np.empty((self.count, *shape), dtype) for id, shape in shapes.items()}
        return OnDisk(self.folder / f".{name}.scratch", shapes, self.count, dtype)

    def fill(self, room: Mapping[str, np.ndarray], first: int, activations: Mapping[str, np.ndarray]) -> None:
        if isinstance(room, OnDisk):
            room.write(first, activations)
            return
        for id, values in activations.items():
            room[id][first : first + len(values)] = values

    def close(self) -> None:
        if isinstance(self.activations, OnDisk):
            self.activations.close()
        self.activations = {}


def row(activations: Mapping[str, np.ndarray], id: str, sample: int) -> np.ndarray:
    """One layer of one sample."""
    return activations.read(id, sample) if isinstance(activations, OnDisk) else activations[id][sample]


class OnDisk(Mapping[str, np.ndarray]):
    """Layer id -> [sample, …] in a file in which each sample lies together, as recordings are written.

    Not a mapped file: a full disk is an error then, not the end of the process, and pages count as nobody's memory.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]], count: int, dtype: np.dtype[Any]) -> None:
        self.path = path
        self.shapes = dict(shapes)
        self.count = count
        self.dtype = dtype
        self.places: dict[str, int] = {}
        self.sample_bytes = 0
        for id, shape in shapes.items():
            self.places[id] = self.sample_bytes
            self.sample_bytes += math.prod(shape) * dtype.itemsize
        self.file: BinaryIO = path.open("w+b")

    def write(self, first: int, activations: Mapping[str, np.ndarray]) -> None:
        """Some samples of all layers, in the layers' order."""
        self.file.seek(first * self.sample_bytes)
        for sample in range(len(next(iter(activations.values())))):
            for id in self.shapes:
                values = np.ascontiguousarray(activations[id][sample], self.dtype)
                if values.size:
                    self.file.write(values.reshape(-1).view(np.uint8).data)
        self.file.flush()

    def read(self, id: str, sample: int) -> np.ndarray:
        values = np.empty(self.shapes[id], self.dtype)
        if values.size:
            self.file.seek(sample * self.sample_bytes + self.places[id])
            self.file.readinto(values.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
        return values

    def __getitem__(self, id: str) -> np.ndarray:
        values = np.empty((self.count, *self.shapes[id]), self.dtype)
        for sample in range(self.count):
            values[sample] = self.read(id, sample)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def by_sample(self) -> dict[str, Any]:
        """ "<sample>/<layer>" -> what is read when it is written."""
        return {
            activation_name(sample, id): Row(self, id, sample) for sample in range(self.count) for id in self.shapes
        }

    def close(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


class Row:
    """One layer of one sample, with an array's measures, read when NumPy asks for the array."""

    def __init__(self, whole: OnDisk, id: str, sample: int) -> None:
        self.whole = whole
        self.place = (id, sample)
        self.shape = whole.shapes[id]
        self.dtype = whole.dtype
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.whole.read(*self.place), dtype)
