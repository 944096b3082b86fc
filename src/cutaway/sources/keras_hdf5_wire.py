"""The bytes of an HDF5 file: object headers, their messages, groups, heaps. A part of the format, in plain Python.

HDF5's own library crashes on damaged files, follows links out of them, and loads filters from the disk; this reads
what h5py writes for Keras (and can't do any of that). Format: The HDF Group, "HDF5 File Format Specification 3.0".
Every offset is checked against the file, every chain of blocks is followed once.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

MAX_BLOCKS = 400_000
"""Blocks of any kind that are looked at."""

MAX_BLOCK_BYTES = 64 << 20
"""The longest run of metadata (a heap of names or texts)."""

MAX_TEXT_BYTES = 64 << 20
"""All texts together, however often a few bytes are named as one."""

MAX_NAME = 1024


class Damaged(Exception):
    """The bytes contradict themselves. The text says where, for the person who has the file."""


class Refused(Exception):
    """What is there is sound and never in a model (a link out of the file), or of a kind that is not read."""


class Message(NamedTuple):
    kind: int
    data: bytes


@dataclass(frozen=True)
class Datatype:
    """`kind`: f, i, u, b (bfloat16), s (text of fixed length), v (text in a heap), or "" for any other."""

    kind: str
    size: int
    big: bool = False


@dataclass(frozen=True)
class Layout:
    """Where a dataset's bytes are: in the header itself, in one run, or in chunks under a tree; None: nowhere."""

    inline: bytes | None = None
    address: int | None = None
    size: int = 0
    chunk: tuple[int, ...] = ()


class Wire:
    """A file and the widths of its numbers."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        file.seek(0, 2)
        self.end = file.tell()
        self.blocks = 0
        self.spent = 0
        """Bytes of metadata read so far; blocks that lie over each other would make a small file endless."""
        self.texts = 0
        self.heaps: dict[int, dict[int, bytes]] = {}
        start = self.piece(0, 24)
        if start[:8] != b"\x89HDF\r\n\x1a\n":
            raise Damaged("it does not begin as HDF5")
        version = start[8]
        if version in (0, 1):
            self.offset, self.length = start[13], start[14]
            at = 24 if version == 0 else 28
        elif version in (2, 3):
            self.offset, self.length = start[9], start[10]
            at = 12
        else:
            raise Damaged(f"version {version} of the format")
        if self.offset not in (4, 8) or self.length not in (4, 8):
            raise Damaged("widths that there are not")
        self.nowhere = (1 << 8 * self.offset) - 1
        if self.number(at, self.offset) != 0:
            raise Damaged("it does not begin at its beginning")
        said = self.number(at + 2 * self.offset, self.offset)
        if said > self.end:
            raise Damaged(f"it is cut off: {self.end:,} of {said:,} bytes")
        self.root = self.number(at + (5 if version < 2 else 3) * self.offset, self.offset)

    # --- numbers -----------------------------------------------------------------------------------------------------

    def piece(self, at: int, count: int) -> bytes:
        """`count` bytes from `at` on. Raises Damaged where the file has fewer."""
        if at < 0 or count < 0 or at + count > self.end:
            raise Damaged(f"{count:,} bytes from {at:,} on, the file has {self.end:,}")
        self.file.seek(at)
        data = self.file.read(count)
        if len(data) != count:
            raise Damaged(f"the file became shorter than {self.end:,} bytes")
        return data

    def number(self, at: int, width: int) -> int:
        return int.from_bytes(self.piece(at, width), "little")

    def block(self, at: int, count: int, signature: bytes = b"") -> bytes:
        """A block of metadata, counted, with its signature checked."""
        self.blocks += 1
        self.spent += count
        if self.blocks > MAX_BLOCKS or self.spent > 4 * self.end + (16 << 20):
            raise Refused("more groups and texts than any model has")
        if count > MAX_BLOCK_BYTES:
            raise Damaged(f"a block of {count:,} bytes")
        data = self.piece(at, count)
        if not data.startswith(signature):
            raise Damaged(f"no {signature.decode()} at {at:,}")
        return data

    # --- object headers ----------------------------------------------------------------------------------------------

    def messages(self, at: int) -> list[Message]:
        """All messages of the object whose header is there."""
        first = self.block(at, 16)
        found: list[Message] = []
        if first[:4] == b"OHDR":
            flags, place = first[5], at + 6
            place += (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            waiting = [(place + width, self.number(place, width))]
            prefix = 6 if flags & 4 else 4
        elif first[0] == 1:
            waiting, prefix = [(at + 16, int.from_bytes(first[8:12], "little"))], 8
            flags = 0
        else:
            raise Damaged(f"no object at {at:,}")
        seen = set()
        while waiting:
            start, count = waiting.pop(0)
            if start in seen:
                raise Damaged(f"the header at {at:,} goes in a circle")
            seen.add(start)
            data = self.block(start, count)
            for message in self.split(data, prefix):
                if message.kind != 0x10:
                    found.append(message)
                    continue
                if len(message.data) < self.offset + self.length:
                    raise Damaged("a header that goes on nowhere")
                more = int.from_bytes(message.data[: self.offset], "little")
                size = int.from_bytes(message.data[self.offset : self.offset + self.length], "little")
                if prefix == 8:
                    waiting.append((more, size))
                else:
                    self.block(more, 4, b"OCHK")
                    waiting.append((more + 4, size - 8))
        return found

    def split(self, data: bytes, prefix: int) -> Iterator[Message]:
        at = 0
        while at + prefix <= len(data):
            if prefix == 8:
                kind, size, flags = struct.unpack_from("<HHB", data, at)
            else:
                kind, size, flags = struct.unpack_from("<BHB", data, at)
            at += prefix
            if at + size > len(data):
                raise Damaged("a message longer than its header")
            if flags & 2 and kind in (1, 3, 8, 0xB):
                raise Refused("a type or a shape that is kept elsewhere; Keras writes none")
            yield Message(kind, data[at : at + size])
            at += size

    # --- groups ------------------------------------------------------------------------------------------------------

    def links(self, messages: list[Message]) -> list[tuple[str, int]] | None:
        """Names and addresses of what is in a group; None where the object is no group. Raises Refused for links."""
        found: list[tuple[str, int]] = []
        group = False
        for kind, data in messages:
            if kind == 0x11:
                group = True
                fields = Fields(data, self)
                tree, heap = fields.address(), fields.address()
                found += self.symbols(tree, self.names(heap))
            elif kind == 0x06:
                group = True
                found.append(self.link(data))
            elif kind == 0x02:
                group = True
                fields = Fields(data, self)
                flags = fields.take(2)[1]
                fields.take(8 if flags & 1 else 0)
                if fields.address() != self.nowhere:
                    raise Refused("a group in a form that Keras never writes (links out of the file need it)")
        return found if group else None

    def link(self, data: bytes) -> tuple[str, int]:
        fields = Fields(data, self)
        flags = fields.take(2)[1]
        kind = fields.take(1)[0] if flags & 8 else 0
        fields.take((8 if flags & 4 else 0) + (1 if flags & 0x10 else 0))
        name = text(fields.take(int.from_bytes(fields.take(1 << (flags & 3)), "little")))
        if kind != 0:
            raise Refused(f"{name!r} is a link{' to another file' if kind == 64 else ''}, not data; models have none")
        return name, fields.address()

    def names(self, at: int) -> bytes:
        """The names in a group's heap, each ended by a zero."""
        head = Fields(self.block(at, 8 + 2 * self.length + self.offset, b"HEAP")[8:], self)
        size = head.size()
        head.size()
        return self.block(head.address(), size)

    def symbols(self, tree: int, names: bytes) -> Iterator[tuple[str, int]]:
        width = 2 * self.offset + 24
        for node in self.leaves(tree, 0, self.length):
            head = self.block(node, 8, b"SNOD")
            count = int.from_bytes(head[6:8], "little")
            entries = self.block(node + 8, count * width)
            for number in range(count):
                fields = Fields(entries[number * width : (number + 1) * width], self)
                start, address = fields.size(self.offset), fields.address()
                stop = names.find(b"\0", start)
                name = text(names[start : stop if stop >= 0 else start])
                if not name or len(name) > MAX_NAME:
                    raise Damaged("a name that is not there")
                if fields.size(4) == 2:
                    raise Refused(f"{name!r} is a link, not data; models have none")
                yield name, address

    def leaves(self, at: int, kind: int, key: int) -> Iterator[int]:
        """The children of a tree's lowest nodes."""
        for _, child in self.branches(at, kind, key):
            yield child

    def branches(self, at: int, kind: int, key: int) -> Iterator[tuple[bytes, int]]:
        """Keys and children of a tree's lowest nodes (version 1 of the trees), each node looked at once."""
        waiting, seen = [(at, -1)], set()
        while waiting:
            place, level = waiting.pop()
            if place in seen:
                raise Damaged(f"the tree at {at:,} goes in a circle")
            seen.add(place)
            head = self.block(place, 8 + 2 * self.offset, b"TREE")
            here, count = head[5], int.from_bytes(head[6:8], "little")
            if head[4] != kind or (level >= 0 and here != level - 1):
                raise Damaged(f"another tree at {place:,}")
            each = key + self.offset
            data = self.block(place + len(head), count * each)
            children = []
            for number in range(count):
                part = data[number * each : (number + 1) * each]
                children.append((part[:key], int.from_bytes(part[key:], "little")))
            if here:
                waiting += [(child, here) for _, child in reversed(children)]
            else:
                yield from children

    # --- datasets and attributes -------------------------------------------------------------------------------------

    def shape(self, data: bytes) -> tuple[int, ...] | None:
        """A dataspace: () for one value, None for none at all."""
        fields = Fields(data, self)
        version, rank, _, empty = fields.take(4)
        if rank > 32:
            raise Damaged(f"{rank} axes")
        if version == 1:
            fields.take(4)
        elif version != 2:
            raise Damaged(f"version {version} of a shape")
        elif empty == 2:
            return None
        return tuple(fields.size() for _ in range(rank))

    def datatype(self, data: bytes) -> Datatype:
        fields = Fields(data, self)
        head, bits, *_ = fields.take(4)
        size = fields.size(4)
        kind, big = head & 15, bool(bits & 1)
        if kind == 0 and size in (1, 2, 4, 8):
            return Datatype("i" if bits & 8 else "u", size, big)
        if kind == 1 and size in (2, 4, 8):
            fields.take(4)
            exponent = fields.take(2)[1]
            if bits & 64 or (size, exponent) not in ((2, 5), (2, 8), (4, 8), (8, 11)):
                return Datatype("", size)
            return Datatype("b" if (size, exponent) == (2, 8) else "f", size, big)
        if kind == 3:
            return Datatype("s", size)
        if kind == 5 and size == 2:
            return Datatype("o", 2)
        if kind == 8:
            return self.datatype(fields.rest())
        if kind == 9 and bits & 15 == 1 and size == 8 + self.offset:
            return Datatype("v", size)
        return Datatype("", size)

    def layout(self, data: bytes) -> Layout:
        fields = Fields(data, self)
        version, kind = fields.take(2)
        if version in (1, 2):
            rank, kind = kind, fields.take(1)[0]
            fields.take(5)
            address = fields.address() if kind else 0
            sizes = tuple(fields.size(4) for _ in range(min(rank, 32)))
            if kind == 0:
                return Layout(inline=fields.take(fields.size(4)))
            if kind == 1:
                return Layout(address=self.somewhere(address), size=math.prod(sizes))
            return Layout(address=self.somewhere(address), chunk=sizes[:-1])
        if version not in (3, 4):
            raise Damaged(f"version {version} of a layout")
        if kind == 0:
            return Layout(inline=fields.take(fields.size(2)))
        if kind == 1:
            return Layout(address=self.somewhere(fields.address()), size=fields.size())
        if kind == 2 and version == 3:
            rank = fields.take(1)[0]
            address = fields.address()
            return Layout(address=self.somewhere(address), chunk=tuple(fields.size(4) for _ in range(rank))[:-1])
        if kind == 3:
            raise Refused("it is put together from other files; models are whole")
        raise Refused("its chunks are in HDF5's newest form; save the model again with Keras")

    def somewhere(self, address: int) -> int | None:
        return None if address == self.nowhere else address

    def filters(self, data: bytes) -> list[int]:
        """The numbers of the filters that a dataset's chunks went through, in that order."""
        fields = Fields(data, self)
        version, count = fields.take(2)
        if version == 1:
            fields.take(6)
        codes = []
        for _ in range(count):
            code = fields.size(2)
            length = fields.size(2) if version == 1 or code >= 256 else 0
            _, values = fields.size(2), fields.size(2)
            fields.take(-(-length // 8) * 8 if version == 1 else length)
            fields.take(4 * values + (4 if version == 1 and values % 2 else 0))
            codes.append(code)
        return codes

    def attribute(self, data: bytes) -> tuple[str, Any]:
        """Name and value: text, a number, or a list; None for a value of a kind that is not known."""
        fields = Fields(data, self)
        version, flags = fields.take(2)
        sizes = [fields.size(2) for _ in range(3)]
        if version == 3:
            fields.take(1)
        if version not in (1, 2, 3):
            raise Damaged(f"version {version} of an attribute")
        parts = []
        for size in sizes:
            parts.append(fields.take(size))
            fields.take(-size % 8 if version == 1 else 0)
        name = text(parts[0].rstrip(b"\0"))
        if flags & 3 and version > 1:
            return name, None
        kind, shape = self.datatype(parts[1]), self.shape(parts[2])
        if shape is None:
            return name, []
        count, rest = math.prod(shape), fields.rest()
        if not kind.kind or kind.size * count > len(rest) or count > len(rest):
            return name, None
        values = [self.value(kind, rest[n * kind.size : (n + 1) * kind.size]) for n in range(count)]
        return name, values if shape else values[0]

    def value(self, kind: Datatype, data: bytes) -> Any:
        if kind.kind == "s":
            return text(data.split(b"\0", 1)[0])
        if kind.kind == "v":
            length = int.from_bytes(data[:4], "little")
            address, index = int.from_bytes(data[4:-4], "little"), int.from_bytes(data[-4:], "little")
            self.texts += length
            if self.texts > MAX_TEXT_BYTES:
                raise Refused(f"more than {MAX_TEXT_BYTES >> 20} MB of texts; no model has as much")
            return text(self.heap(address).get(index, b"")[:length]) if length else ""
        if kind.kind in "iu":
            return int.from_bytes(data, "big" if kind.big else "little", signed=kind.kind == "i")
        if kind.kind == "f":
            return struct.unpack((">" if kind.big else "<") + {2: "e", 4: "f", 8: "d"}[kind.size], data)[0]
        return None

    def heap(self, at: int) -> dict[int, bytes]:
        """The texts in a collection, by number."""
        if at in self.heaps:
            return self.heaps[at]
        size = int.from_bytes(self.block(at, 8 + self.length, b"GCOL")[8:], "little")
        data = self.block(at, size)
        found: dict[int, bytes] = {}
        place = 8 + self.length
        while place + 8 + self.length <= len(data):
            index = int.from_bytes(data[place : place + 2], "little")
            count = int.from_bytes(data[place + 8 : place + 8 + self.length], "little")
            place += 8 + self.length
            if not index:
                break
            if place + count > len(data):
                raise Damaged("a text longer than its heap")
            found[index] = data[place : place + count]
            place += -(-count // 8) * 8
        self.heaps[at] = found
        return found


class Fields:
    """Numbers one after the other. Raises Damaged at the end."""

    def __init__(self, data: bytes, wire: Wire) -> None:
        self.data, self.wire, self.at = data, wire, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Damaged("a message that ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def size(self, width: int | None = None) -> int:
        return int.from_bytes(self.take(self.wire.length if width is None else width), "little")

    def address(self) -> int:
        return int.from_bytes(self.take(self.wire.offset), "little")

    def rest(self) -> bytes:
        return self.data[self.at :]


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
