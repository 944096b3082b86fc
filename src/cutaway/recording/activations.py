"""The activations of one checkpoint while they are collected, a few samples at a time, into the file that stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cutaway.recording import tensors
from cutaway.recording.statistics import Tally
from cutaway.recording.store import activation_name

KEPT_BYTES = 32 << 20
"""So much of what is written stays in memory, too: a small recording is not read back."""


class Activations(Mapping[str, "Outputs"]):
    """Layer id -> outputs [sample, …], in a file in which each sample lies together, as recordings are written.

    Little is kept in memory, so that a recording takes little more of it than its model. Not a mapped file: a full
    disk is an error then, not the end of the process, and pages count as nobody's memory.
    """

    def __init__(self, path: Path, count: int, dtype: Any = np.float32) -> None:
        """A place for `count` samples; the file is made when the first ones come."""
        self.path = path
        self.count = count
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.places: dict[str, tensors.Entry] = {}
        self.tallies: dict[str, Tally] = {}
        """Range and moments of each layer, taken while its values are at hand."""
        self.file: BinaryIO | None = None
        self.kept: dict[str, np.ndarray] = {}
        self.room = KEPT_BYTES

    def put(self, first: int, outputs: Mapping[str, np.ndarray]) -> None:
        """Some samples of all layers, from the sample `first` on. Raises OSError on a full disk."""
        if not outputs:
            return
        if self.file is None:
            self.begin({id: values.shape[1:] for id, values in outputs.items()})
        for sample in range(len(next(iter(outputs.values())))):
            for id in self.shapes:
                values = np.ascontiguousarray(outputs[id][sample], self.dtype)
                self.store(activation_name(first + sample, id), values)
                self.tallies[id].add(values)

    def begin(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.tallies = {id: Tally(maps_of(shape)) for id, shape in shapes.items()}
        every = {activation_name(sample, id): shape for sample in range(self.count) for id, shape in shapes.items()}
        header, self.places = tensors.header({name: (self.dtype, shape) for name, shape in every.items()})
        self.file = self.path.open("w+b", buffering=0)
        self.write(0, np.frombuffer(header, np.uint8))

    def store(self, name: str, values: np.ndarray) -> None:
        """One layer of one sample."""
        self.write(self.places[name].start, values)
        self.room -= values.nbytes
        if self.room >= 0:
            self.kept[name] = values

    def write(self, at: int, values: np.ndarray) -> None:
        assert self.file is not None
        rest = tensors.flat_bytes(values)
        if at != self.file.tell():
            self.file.seek(at)
        while rest:
            rest = rest[self.file.write(rest) :]

    def read(self, id: str, sample: int, into: np.ndarray) -> np.ndarray:
        """One layer of one sample: what was kept, or `into`, filled from the file."""
        name = activation_name(sample, id)
        if name in self.kept:
            return self.kept[name]
        assert self.file is not None
        rest = tensors.flat_bytes(into)
        self.file.seek(self.places[name].start)
        while rest:
            rest = rest[self.file.readinto(rest) :]  # type: ignore[attr-defined]
        return into

    def convert(self, dtype: Any) -> None:
        """Everything in another precision, a sample at a time. Raises OSError on a full disk."""
        made = Activations(self.path.with_name(f"{self.path.name}.converted"), self.count, dtype)
        with closing(made):
            made.begin(self.shapes)
            for id, outputs in self.items():
                for sample, values in enumerate(outputs):
                    made.store(activation_name(sample, id), values.astype(made.dtype))
            self.close()
            made.move_to(self.path)
        self.dtype, self.places, self.kept = made.dtype, made.places, made.kept
        self.file = self.path.open("r+b", buffering=0)

    def move_to(self, path: Path) -> None:
        """Gives the file its name. Raises OSError."""
        assert self.file is not None
        self.file.close()
        self.path.replace(path)
        self.file = None

    def close(self) -> None:
        """Takes the file away, where it was not given its name."""
        if self.file is not None:
            self.file.close()
            self.file = None
            self.path.unlink()

    def __getitem__(self, id: str) -> Outputs:
        if id not in self.shapes:
            raise KeyError(id)
        return Outputs(self, id)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


class Outputs:
    """One layer's outputs [sample, …], read a sample at a time; each holds until the next one is asked for."""

    def __init__(self, whole: Activations, id: str) -> None:
        self.whole = whole
        self.id = id
        self.shape = (whole.count, *whole.shapes[id])
        self.tally = whole.tallies[id]

    def __iter__(self) -> Iterator[np.ndarray]:
        buffer = np.empty(self.shape[1:], self.whole.dtype)
        return (self.whole.read(self.id, sample, buffer) for sample in range(self.whole.count))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.stack([values.copy() for values in self]).astype(dtype or self.whole.dtype, copy=False)


def maps_of(shape: tuple[int, ...]) -> int:
    """Into how many maps or units an output [C, …] divides; 1 for a single number."""
    return shape[0] if shape else 1
