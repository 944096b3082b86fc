"""FlatBuffers, read with every offset checked: a file can't make a reader look outside it, or go on for ever.

A table is a signed offset to its vtable, which has the place of each field. Encoding:
https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct

import numpy as np


class Damaged(ValueError):
    """An offset or a length that does not fit the file."""


class Buffer:
    """The bytes of a file."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data)
        self.size = len(self.data)
        self.tables = 0

    def number(self, form: str, at: int) -> int:
        size = struct.calcsize(form)
        if at < 0 or at + size > self.size:
            raise Damaged(f"it points to byte {at}, and has {self.size}")
        found: int = struct.unpack_from("<" + form, self.data, at)[0]
        return found

    def root(self) -> Table:
        return self.table(self.number("I", 0))

    def table(self, at: int) -> Table:
        self.tables += 1
        if self.tables > 2_000_000:
            raise Damaged("its tables go on for ever")
        start = at - self.number("i", at)
        return Table(self, at, start, self.number("H", start))

    def block(self, start: int, size: int) -> memoryview:
        if start < 0 or size < 0 or start + size > self.size:
            raise Damaged(f"{size:,} bytes from byte {start:,} on are more than its {self.size:,}")
        return self.data[start : start + size]


class Table:
    """A table; fields by their number in the schema, with a default where the file leaves them out."""

    def __init__(self, buffer: Buffer, at: int, vtable: int, size: int) -> None:
        self.buffer, self.at, self.vtable, self.size = buffer, at, vtable, size

    def place(self, field: int) -> int:
        """Where a field lies; 0 when it is left out."""
        entry = 4 + 2 * field
        if entry + 2 > self.size:
            return 0
        offset = self.buffer.number("H", self.vtable + entry)
        return self.at + offset if offset else 0

    def whole(self, field: int, form: str = "i", default: int = 0) -> int:
        place = self.place(field)
        return self.buffer.number(form, place) if place else default

    def flag(self, field: int) -> bool:
        return bool(self.whole(field, "B"))

    def real(self, field: int, default: float = 0.0) -> float:
        place = self.place(field)
        return float(self.buffer.number("f", place)) if place else default

    def table(self, field: int) -> Table | None:
        place = self.place(field)
        return self.buffer.table(place + self.buffer.number("I", place)) if place else None

    def vector(self, field: int, width: int, most: int = 1 << 31) -> tuple[int, int]:
        """(first byte, entries) of a vector; (0, 0) when it is left out. Raises Damaged beyond the file, or `most`."""
        place = self.place(field)
        if not place:
            return 0, 0
        start = place + self.buffer.number("I", place)
        count = self.buffer.number("I", start)
        if count > most:
            raise Damaged(f"a list of {count:,} entries, more than {most:,}")
        self.buffer.block(start + 4, count * width)
        return start + 4, count

    def tables(self, field: int, most: int) -> list[Table]:
        start, count = self.vector(field, 4, most)
        places = [start + 4 * position for position in range(count)]
        return [self.buffer.table(place + self.buffer.number("I", place)) for place in places]

    def numbers(self, field: int, dtype: str, most: int = 1 << 20) -> np.ndarray:
        """A vector of numbers, where it lies."""
        kind = np.dtype(dtype)
        start, count = self.vector(field, kind.itemsize, most)
        return np.frombuffer(self.buffer.block(start, count * kind.itemsize), kind)

    def text(self, field: int) -> str:
        start, count = self.vector(field, 1, 1 << 16)
        return bytes(self.buffer.block(start, count)).decode("utf-8", "replace")
