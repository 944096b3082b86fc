"""HDF5 as Keras writes it, read with suspicion: nothing outside the file, no size believed before it is checked.

HDF5 can link to other files, keep a dataset's bytes in any file of the disk, assemble it from others, load a filter
from a library, and declare terabytes in a few bytes. None of that is ever in a model; a file that has it is refused.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.keras_hdf5_wire import Damaged, Datatype, Layout, Message, Refused, Wire

MAX_OBJECTS = 200_000
MAX_DEPTH = 64
MAX_CHUNK_BYTES = 256 << 20
FLOOR_BYTES = 16 << 20
MAX_PATH = 2048
MAX_EXPANSION = 100
"""A dataset above the floor may be so many times larger than what is stored of it: trained weights hardly compress."""

DEFLATE, SHUFFLE, FLETCHER = 1, 2, 3


@dataclass(frozen=True)
class Group:
    """A group's attributes: texts, numbers, lists of them."""

    path: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """One dataset: its size is checked, its numbers are still in the file."""

    file: Hdf5
    path: str
    shape: tuple[int, ...]
    datatype: Datatype
    layout: Layout
    filters: tuple[int, ...]

    def read(self) -> np.ndarray:
        """The values as float32. Raises SourceError where the bytes can't be unpacked."""
        try:
            return self.decoded()
        except (Damaged, Refused, zlib.error) as error:
            raise self.file.error(f"{self.path!r} is damaged ({error}); download or copy it again") from None

    def decoded(self) -> np.ndarray:
        count = math.prod(self.shape)
        if self.layout.chunk:
            values = self.from_chunks()
        elif self.layout.inline is not None:
            values = self.numbers(self.layout.inline, count)
        elif self.layout.address is None:
            return np.zeros(self.shape, np.float32)  # declared and never written
        else:
            values = self.numbers(self.file.wire.piece(self.layout.address, count * self.datatype.size), count)
        return np.asarray(values, np.float32).reshape(self.shape)

    def numbers(self, data: bytes, count: int) -> np.ndarray:
        order, kind = ">" if self.datatype.big else "<", self.datatype.kind
        if len(data) < count * self.datatype.size:
            raise Damaged(f"{len(data):,} bytes for {count:,} numbers")
        if kind in ("b", "o"):  # bfloat16: the upper half of a float32
            halves = np.frombuffer(data, f"{order}u2", count).astype(np.uint32)
            return (halves << 16).view(np.float32)
        return np.frombuffer(data, f"{order}{kind}{self.datatype.size}", count)

    def from_chunks(self) -> np.ndarray:
        """Chunks put together; those that are missing are zeros."""
        values = np.zeros(self.shape, np.float32)
        chunk, rank = self.layout.chunk, len(self.shape)
        for key, address in self.file.chunks(self.layout, rank):
            stored = int.from_bytes(key[:4], "little")
            skipped = int.from_bytes(key[4:8], "little")
            start = [int.from_bytes(key[8 + 8 * axis : 16 + 8 * axis], "little") for axis in range(rank)]
            if any(low >= size for low, size in zip(start, self.shape, strict=True)):
                raise Damaged("a chunk outside its dataset")
            data = self.unpacked(self.file.wire.piece(address, stored), skipped)
            piece = self.numbers(data, math.prod(chunk)).reshape(chunk)
            ends = [min(low + length, size) for low, length, size in zip(start, chunk, self.shape, strict=True)]
            here = tuple(slice(low, high) for low, high in zip(start, ends, strict=True))
            values[here] = piece[tuple(slice(0, high - low) for low, high in zip(start, ends, strict=True))]
        return values

    def unpacked(self, data: bytes, skipped: int) -> bytes:
        whole = math.prod(self.layout.chunk) * self.datatype.size
        for position, code in reversed(list(enumerate(self.filters))):
            if skipped >> position & 1:
                continue
            if code == DEFLATE:
                data = zlib.decompressobj().decompress(data, whole + 64)
            elif code == SHUFFLE:
                data = np.frombuffer(data, np.uint8).reshape(self.datatype.size, -1).T.tobytes()
            elif code == FLETCHER:
                data = data[:-4]
        return data


class Hdf5:
    """Everything that is in a file, walked once: groups and datasets by their path, `layers/conv2d/vars/0`."""

    def __init__(self, file: IO[bytes], what: str, max_bytes: int) -> None:
        """Raises SourceError naming `what` for anything that is damaged or refused."""
        self.what, self.max_bytes = what, max_bytes
        self.total = self.plain = 0
        self.groups: dict[str, Group] = {}
        self.datasets: dict[str, Stored] = {}
        try:
            self.wire = Wire(file)
            self.walk()
            self.wire.blocks = self.wire.spent = -(1 << 62)  # what was walked once may be read as often as one likes
        except Damaged as error:
            raise self.error(f"damaged HDF5 ({error}); download or copy it again") from None
        except Refused as error:
            raise self.error(f"{error}; refused") from None

    def error(self, text: str) -> SourceError:
        return SourceError(f"{self.what}: {text}")

    def walk(self) -> None:
        seen: set[int] = set()
        waiting: list[tuple[str, int, int]] = [("", self.wire.root, 0)]
        while waiting:
            path, address, depth = waiting.pop()
            messages = self.wire.messages(address)
            links = self.wire.links(messages)
            if links is None:
                if not path:
                    raise Damaged("its root is no group")
                self.add_dataset(path, messages)
                continue
            if address in seen:
                raise Refused(f"group {path!r} is inside itself")
            seen.add(address)
            if len(path) > MAX_PATH:
                raise Refused("names longer than any model's")
            if depth >= MAX_DEPTH:
                raise Refused(f"groups are nested more than {MAX_DEPTH} deep")
            if len(links) + len(seen) + len(waiting) + len(self.datasets) > MAX_OBJECTS:
                raise Refused(f"more than {MAX_OBJECTS:,} groups and datasets; no model has as many")
            self.groups[path] = Group(path, self.attributes(messages))
            waiting += [(f"{path}/{name}" if path else name, place, depth + 1) for name, place in reversed(links)]

    def attributes(self, messages: list[Message]) -> dict[str, Any]:
        return dict(self.wire.attribute(data) for kind, data in messages if kind == 0x0C)

    def add_dataset(self, path: str, messages: list[Message]) -> None:
        """A dataset that is inside the file and as large as it says."""
        found = {kind: data for kind, data in messages if kind != 0x0C}
        if 0x07 in found:
            raise Refused(f"{path!r} lies in another file; models are whole")
        if not {0x01, 0x03, 0x08} <= set(found):
            return  # a named type, for example: nothing that is read
        shape, datatype = self.wire.shape(found[0x01]), self.wire.datatype(found[0x03])
        try:
            layout = self.wire.layout(found[0x08])
        except Refused as error:
            raise Refused(f"{path!r}: {error}") from None
        if datatype.kind == "o" and self.attributes(messages).get("dtype") != "bfloat16":
            return
        if shape is None or datatype.kind not in tuple("fiubo"):
            return  # texts, and what else is no weight
        filters = tuple(self.wire.filters(found[0x0B])) if 0x0B in found else ()
        strange = [code for code in filters if code not in (DEFLATE, SHUFFLE, FLETCHER)]
        if strange:
            raise Refused(f"{path!r} is packed with a filter (number {strange[0]}) that Keras does not use")
        stored = Stored(self, path, shape, datatype, layout, filters)
        self.check_size(stored)
        self.datasets[path] = stored

    def check_size(self, stored: Stored) -> None:
        declared = math.prod(stored.shape) * stored.datatype.size
        layout, there = stored.layout, 0
        if layout.chunk:
            if len(layout.chunk) != len(stored.shape) or not all(layout.chunk):
                raise Damaged(f"chunks of {list(layout.chunk)} for {list(stored.shape)} in {stored.path!r}")
            if math.prod(layout.chunk) * stored.datatype.size > MAX_CHUNK_BYTES:
                raise Refused(f"{stored.path!r} is packed in pieces of more than {size(MAX_CHUNK_BYTES)}")
            parts = (int.from_bytes(key[:4], "little") for key, _ in self.chunks(layout, len(stored.shape)))
            there = min(sum(parts), self.wire.end)
        elif layout.inline is not None:
            there = len(layout.inline)
        elif layout.address is not None:
            there = min(layout.size, max(0, self.wire.end - layout.address))
            if there < declared:
                raise Damaged(f"{stored.path!r} says {size(declared)} and has {size(there)}")
        if declared > FLOOR_BYTES and declared > MAX_EXPANSION * there:
            raise Refused(f"{stored.path!r} says {size(declared)} and holds {size(there)}")
        taken = 4 * math.prod(stored.shape)
        self.total += taken
        self.plain += 0 if stored.filters else taken
        if self.plain > 8 * self.wire.end + FLOOR_BYTES:
            raise Refused("the same numbers under many names")
        if self.total > self.max_bytes:
            raise Refused(f"its numbers take more than {size(self.max_bytes)}; allow them with --max-bytes")

    def chunks(self, layout: Layout, rank: int) -> Iterator[tuple[bytes, int]]:
        if layout.address is None:
            return iter(())
        return self.wire.branches(layout.address, 1, 8 + 8 * (rank + 1))

    def texts(self, path: str, name: str) -> list[str]:
        """A list of names, in one attribute or cut into `name0`, `name1`, … as HDF5's headers are small."""
        attributes = self.groups[path].attributes if path in self.groups else {}
        if name in attributes:
            return as_texts(attributes[name])
        whole: list[str] = []
        for number in itertools.count():
            if f"{name}{number}" not in attributes:
                return whole
            whole += as_texts(attributes[f"{name}{number}"])
        return whole


def as_texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [str(value)]


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def one_line(error: BaseException) -> str:
    """The message of somebody else's exception, in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "…"
