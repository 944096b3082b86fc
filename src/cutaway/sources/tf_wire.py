"""Protocol buffers' wire format, as much of it as TensorFlow's files need; no protobuf package, no schema compiler.

A message is a run of fields: a varint `number << 3 | type`, then a varint (type 0), 8 bytes (1), a length and so many
bytes (2), or 4 bytes (5). Numbers come from TensorFlow's `.proto` files and stand where a message is read.
Format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property

import numpy as np

Value = int | memoryview


class Damaged(ValueError):
    """Bytes that are not what their format says; whoever knows the file's name makes a SourceError of it."""


def varint(data: memoryview | bytes, at: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits at a position, and where it ends."""
    result = shift = 0
    while True:
        if at >= len(data):
            raise Damaged("ends in the middle of a number")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise Damaged("a number of more than 64 bits")


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """(field number, value) in the order of the bytes; fixed-size numbers come as their bytes."""
    at, end = 0, len(data)
    while at < end:
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = varint(data, at - 1)
        kind, number = key & 7, key >> 3
        if number == 0:
            raise Damaged("a field without a number")
        if kind == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Damaged(f"a field of the unknown type {kind}")
        if size > end - at:
            raise Damaged(f"a field of {size} bytes where {end - at} are left")
        yield number, data[at : at + size]
        at += size


def signed(value: int) -> int:
    """int32 and int64 lie as 64-bit two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


class Message:
    """The fields of one message by number, read when the first is asked for. A field that is not there is empty."""

    __slots__ = ("__dict__", "data")

    def __init__(self, data: memoryview | bytes = b"") -> None:
        self.data = memoryview(data)

    @cached_property
    def parts(self) -> dict[int, list[Value]]:
        found: dict[int, list[Value]] = {}
        for number, value in fields(self.data):
            found.setdefault(number, []).append(value)
        return found

    def has(self, number: int) -> bool:
        return number in self.parts

    def blobs(self, number: int) -> list[memoryview]:
        """A repeated field of strings, bytes or messages."""
        return [blob(value) for value in self.parts.get(number, ())]

    def raw(self, number: int) -> memoryview:
        values = self.parts.get(number)
        return blob(values[-1]) if values else memoryview(b"")

    def text(self, number: int) -> str:
        return str(self.raw(number), "utf-8", "replace")

    def texts(self, number: int) -> list[str]:
        return [str(value, "utf-8", "replace") for value in self.blobs(number)]

    def message(self, number: int) -> Message:
        return Message(self.raw(number))

    def messages(self, number: int) -> list[Message]:
        return [Message(value) for value in self.blobs(number)]

    def whole(self, number: int, default: int = 0) -> int:
        values = self.parts.get(number)
        return number_of(values[-1]) if values else default

    def fixed32(self, number: int) -> int:
        value = self.raw(number)
        return int.from_bytes(value[:4], "little")

    def real(self, number: int, default: float = 0.0) -> float:
        if number not in self.parts:
            return default
        value = self.raw(number)
        if len(value) != 4:
            raise Damaged("a float that is not 4 bytes long")
        return float(struct.unpack("<f", value)[0])

    def ints(self, number: int) -> list[int]:
        """Repeated numbers, packed or one by one."""
        found: list[int] = []
        for value in self.parts.get(number, ()):
            if isinstance(value, memoryview):
                at = 0
                while at < len(value):
                    one, at = varint(value, at)
                    found.append(signed(one))
            else:
                found.append(signed(value))
        return found

    def numbers(self, number: int, dtype: np.dtype) -> np.ndarray:
        """Repeated floats or doubles, packed or one by one; `dtype` little-endian."""
        joined = b"".join(self.blobs(number))
        if len(joined) % dtype.itemsize:
            raise Damaged("repeated numbers end in the middle of one")
        return np.frombuffer(joined, dtype)

    def mapped(self, number: int) -> dict[str, Message]:
        """A `map<string, message>`: entries of a key (1) and a value (2)."""
        return {entry.text(1): entry.message(2) for entry in self.messages(number)}


def blob(value: Value) -> memoryview:
    if isinstance(value, memoryview):
        return value
    raise Damaged("a number where bytes belong")


def number_of(value: Value) -> int:
    if isinstance(value, memoryview):
        raise Damaged("bytes where a number belongs")
    return signed(value)
