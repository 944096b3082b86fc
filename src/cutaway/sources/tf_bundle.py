"""A checkpoint's tensors: `PREFIX.index` says where they lie in `PREFIX.data-00000-of-00001` and its sisters.

The index is a table (tf_table.py). Under the empty key stands a BundleHeaderProto (1 number of shards, 2 byte order),
under every tensor's name a BundleEntryProto (1 dtype, 2 shape, 3 shard, 4 offset, 5 size, 6 masked CRC-32C, 7 slices).
A tensor saved in parts has an entry with `slices` and no bytes; each part has an entry of its own, whose key is the
name and the slice in an encoding that sorts (OrderedCode). Strings lie as their lengths (varints), the CRC of these,
and their bytes. Source: tensorflow/core/protobuf/tensor_bundle.proto, util/tensor_bundle/, lib/strings/ordered_code.cc.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cutaway.errors import CutawayError, SourceError
from cutaway.sources import tf_types
from cutaway.sources.tf_checksum import crc32c, unmasked
from cutaway.sources.tf_table import MAX_INDEX, read_table
from cutaway.sources.tf_wire import Damaged, Message, varint

MAX_STRINGS = 64 << 20
MAX_SHARDS = 10_000

Extent = tuple[int, int]
"""(start, length) along one axis; (0, -1) is all of it."""


class Entry(NamedTuple):
    """Where a tensor lies."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    slices: tuple[tuple[Extent, ...], ...]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """One line about the file, whatever its bytes made of the code that reads them."""
    try:
        yield
    except CutawayError:
        raise
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error}); check its permissions") from None
    except Damaged as error:
        raise SourceError(f"{path}: damaged: {error}") from None
    except RecursionError:
        raise SourceError(f"{path}: damaged: its parts are nested too deeply") from None
    except Exception as error:  # bytes from anywhere reach every line that reads them
        text = " ".join(str(error).split())[:200]
        raise SourceError(f"{path}: damaged, can't be understood ({type(error).__name__}: {text})") from error


class Bundle:
    """The tensors of one checkpoint. Raises SourceError for anything that is not as the index says."""

    def __init__(self, prefix: Path, max_bytes: int) -> None:
        self.prefix = prefix
        self.path = prefix.with_name(prefix.name + ".index")
        self.max_bytes = max_bytes
        self.entries: dict[str, Entry] = {}
        self.parts: dict[bytes, Entry] = {}
        with reading(self.path):
            self.read_index()

    def read_index(self) -> None:
        if self.path.stat().st_size > MAX_INDEX:
            raise Damaged(f"{self.path.stat().st_size} bytes; an index has at most {MAX_INDEX >> 20} MB")
        header: Message | None = None
        for key, value in read_table(memoryview(self.path.read_bytes())):
            if not key:
                header = Message(value)
            elif key[0] == 0:  # the encoded names of slices begin so
                self.parts[key] = entry(Message(value))
            else:
                self.entries[str(key, "utf-8", "replace")] = entry(Message(value))
        if header is None:
            raise Damaged("an index without a header; it is no checkpoint's")
        self.shards = header.whole(1)
        if not 0 < self.shards <= MAX_SHARDS:
            raise Damaged(f"it declares {self.shards} data files")
        if header.whole(2):
            raise SourceError(f"{self.path}: big-endian numbers; save the checkpoint again on a common machine")

    def shard_path(self, number: int) -> Path:
        if not 0 <= number < self.shards:
            raise Damaged(f"a tensor in data file {number} of {self.shards}")
        return self.prefix.with_name(f"{self.prefix.name}.data-{number:05d}-of-{self.shards:05d}")

    def check(self, names: Sequence[str]) -> None:
        """Raises SourceError unless the data files hold all bytes of these tensors, and these stay under the limit."""
        total = 0
        sizes: dict[int, int] = {}
        with reading(self.path):
            for name in names:
                whole = self.entries[name]
                found = [self.part(name, extents) for extents in whole.slices] if whole.slices else [whole]
                size = sum(one.size for one in found)
                total += size
                if size != math.prod(whole.shape) * tf_types.dtype_of(whole.dtype).itemsize:
                    raise Damaged(f"{name!r} declares the shape {list(whole.shape)} and {size} bytes")
                for one in found:
                    if one.shard not in sizes:
                        path = self.shard_path(one.shard)
                        if not path.is_file():
                            raise SourceError(f"{path}: missing; the weights lie in it, put it beside {self.path.name}")
                        sizes[one.shard] = path.stat().st_size
                    if one.offset < 0 or one.size < 0 or one.offset + one.size > sizes[one.shard]:
                        path = self.shard_path(one.shard)
                        raise SourceError(
                            f"{path}: has {sizes[one.shard]} bytes, {name!r} lies at {one.offset} … "
                            f"{one.offset + one.size}; it is cut off, copy it again"
                        )
        if total > self.max_bytes:
            raise SourceError(f"{self.path}: {total:,} bytes of weights, allowed are {self.max_bytes:,}; --max-bytes")

    def shape(self, name: str) -> tuple[int, ...]:
        return self.entries[name].shape

    def tensor(self, name: str) -> np.ndarray:
        """A tensor of numbers, whole, in its own dtype (bfloat16 as float32)."""
        found = self.entries[name]
        with reading(self.path):
            if not found.slices:
                return self.numbers(found, name)
            dtype = tf_types.as_numbers(np.empty(0, tf_types.dtype_of(found.dtype)), found.dtype).dtype
            self.check([name])
            whole = np.empty(found.shape, dtype)
            covered = 0
            for extents in found.slices:
                place = whole[tuple(slice(s, None if n < 0 else s + n) for s, n in whole_rank(extents, found.shape))]
                values = self.numbers(self.part(name, extents), name)
                if values.shape != place.shape:
                    raise Damaged(f"a part of {name!r} has the shape {list(values.shape)}, not {list(place.shape)}")
                place[...] = values
                covered += values.size
            if covered < whole.size:
                raise Damaged(f"{name!r} is only there in part")
            return whole

    def part(self, name: str, extents: tuple[Extent, ...]) -> Entry:
        try:
            return self.parts[slice_key(name, extents)]
        except KeyError:
            raise Damaged(f"a part of {name!r} is missing") from None

    def numbers(self, found: Entry, name: str) -> np.ndarray:
        """The bytes of one entry as an array, their size and checksum compared with the index."""
        dtype = tf_types.dtype_of(found.dtype)
        if math.prod(found.shape) * dtype.itemsize != found.size:
            raise Damaged(f"{name!r} declares the shape {list(found.shape)} and {found.size} bytes")
        raw = self.raw(found, name)
        if crc32c(raw) != found.checksum:
            raise SourceError(f"{self.shard_path(found.shard)}: the checksum of {name!r} is wrong; copy the file again")
        return tf_types.as_numbers(np.frombuffer(raw, dtype), found.dtype).reshape(found.shape)

    def raw(self, found: Entry, name: str) -> bytes:
        if not 0 <= found.size <= self.max_bytes or found.offset < 0:
            raise Damaged(f"{name!r} declares {found.size} bytes at {found.offset}")
        path = self.shard_path(found.shard)
        with reading(path), path.open("rb") as file:
            if found.offset + found.size > path.stat().st_size:
                raise Damaged(f"{name!r} lies at {found.offset} … {found.offset + found.size}, beyond its end")
            file.seek(found.offset)
            return file.read(found.size)

    def strings(self, name: str) -> list[bytes]:
        """A tensor of strings."""
        found = self.entries[name]
        with reading(self.path):
            if found.dtype != tf_types.STRING or found.size > MAX_STRINGS:
                raise Damaged(f"{name!r} is not made of strings, or of too many")
            raw = memoryview(self.raw(found, name))
            at, lengths = 0, []
            for _ in range(min(math.prod(found.shape), len(raw))):
                length, at = varint(raw, at)
                lengths.append(length)
            wide = b"".join(length.to_bytes(4 if length < 1 << 32 else 8, "little") for length in lengths)
            if crc32c(raw[at:], crc32c(wide)) != found.checksum or sum(lengths) != len(raw) - at - 4:
                raise SourceError(f"{self.shard_path(found.shard)}: the checksum of {name!r} is wrong; copy it again")
            at += 4  # the checksum of the lengths, which the other one includes
            values = []
            for length in lengths:
                values.append(bytes(raw[at : at + length]))
                at += length
            return values


def entry(message: Message) -> Entry:
    """A BundleEntryProto."""
    return Entry(
        dtype=message.whole(1),
        shape=tf_types.fixed_shape(message.message(2)),
        shard=message.whole(3),
        offset=message.whole(4),
        size=message.whole(5),
        checksum=unmasked(message.fixed32(6)),
        slices=tuple(
            tuple((extent.whole(1), extent.whole(2, -1)) for extent in one.messages(1)) for one in message.messages(7)
        ),
    )


def whole_rank(extents: tuple[Extent, ...], shape: tuple[int, ...]) -> tuple[Extent, ...]:
    if len(extents) != len(shape) or any(start < 0 for start, _ in extents):
        raise Damaged(f"a part with {len(extents)} axes of a tensor with {len(shape)}")
    return extents


def slice_key(name: str, extents: tuple[Extent, ...]) -> bytes:
    """The key of one part of a tensor: OrderedCode of 0, the name, the rank, and start and length per axis."""
    escaped = name.encode().replace(b"\x00", b"\x00\xff")
    key = increasing(0) + escaped + b"\x00\x01" + increasing(len(extents))
    return key + b"".join(signed_increasing(start) + signed_increasing(length) for start, length in extents)


def increasing(value: int) -> bytes:
    """How many bytes, then the bytes from the top."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def signed_increasing(value: int) -> bytes:
    """So many leading ones as bytes, then the number; negative ones inverted."""
    size = (~value if value < 0 else value).bit_length() // 7 + 1
    if size > 8:
        raise Damaged(f"a part that starts at {value}")
    flags = (0xFF << (8 - size) & 0xFF) << 8 * (size - 1)
    mask = (1 << 8 * size) - 1
    return ((value & mask) ^ flags).to_bytes(size, "big")


def prefix_of(path: Path) -> Path:
    """`model.ckpt-3` of `model.ckpt-3.index`, `.meta` or `.data-00000-of-00001`."""
    return path.with_name(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path.name))
