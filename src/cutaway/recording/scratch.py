"""Activations of one checkpoint while they are collected, a few samples at a time: in memory, or on disk where many."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_BYTES = 128 << 20
"""More than this goes through a file, so that a recording needs no more memory than its model."""


class Scratch:
    """Layer id -> [sample, …], filled piece by piece. `close` takes the file away."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.arrays: dict[str, np.ndarray] = {}
        self.files: list[Path] = []

    def put(self, first: int, activations: Mapping[str, np.ndarray]) -> None:
        """The activations of some samples, float32, from the sample `first` on."""
        if not self.arrays:
            shapes = {id: values.shape[1:] for id, values in activations.items()}
            self.arrays = self.room(shapes, np.dtype(np.float32), "activations")
        for id, values in activations.items():
            self.arrays[id][first : first + len(values)] = values

    def converted(self, dtype: Any) -> dict[str, np.ndarray]:
        """All of it in another precision."""
        shapes = {id: values.shape[1:] for id, values in self.arrays.items()}
        made = self.room(shapes, np.dtype(dtype), "converted")
        for id, values in self.arrays.items():
            for sample in range(self.count):
                made[id][sample] = values[sample]
        return made

    def room(self, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any], name: str) -> dict[str, np.ndarray]:
        """Arrays [sample, *shape] in memory, or in a file in which each sample lies together, as they are written."""
        sizes = {id: math.prod(shape) for id, shape in shapes.items()}
        row = sum(sizes.values())
        size = row * self.count * dtype.itemsize
        if size <= MEMORY_BYTES:
            return {id: np.empty((self.count, *shape), dtype) for id, shape in shapes.items()}
        path = self.folder / f".{name}.scratch"
        self.files.append(path)
        reserve(path, size)
        whole = np.memmap(path, dtype, "r+", shape=(self.count, row))
        arrays, start = {}, 0
        for id, shape in shapes.items():
            arrays[id] = np.asarray(whole[:, start : start + sizes[id]]).reshape(self.count, *shape)
            start += sizes[id]
        return arrays

    def close(self) -> None:
        self.arrays = {}
        for path in self.files:
            path.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """A file of that size whose blocks are there: writing to a mapped file on a full disk would kill the process."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        piece = bytes(1 << 20)
        for start in range(0, size, len(piece)):
            file.write(piece[: size - start])
