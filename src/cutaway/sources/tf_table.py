"""The sorted table (SSTable) that a checkpoint's `.index` file is: keys and values in blocks.

    block …  block  metaindex block  index block  footer (48 bytes)

The footer holds the positions of the metaindex and the index block (two varints each, padded to 40 bytes) and a magic.
A block is followed by its compression (one byte: 0 none, 1 Snappy) and a masked CRC-32C over both. In a block stand
entries `shared varint, own varint, value length varint, own bytes of the key, value` (a key shares its beginning with
the one before), then restart points (uint32 each) and their number. The index block maps the last key of each block to
the block's position and size. Format: leveldb/doc/table_format.md; tensorflow/core/lib/io/table_format.txt.
"""

from __future__ import annotations

from collections.abc import Iterator

from cutaway.sources.tf_checksum import crc32c, unmasked, unsnapped
from cutaway.sources.tf_wire import Damaged, varint

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
TRAILER = 5

MAX_INDEX = 16 << 20
"""Bytes of an index file. A hundred thousand tensors take a tenth of it."""
MAX_UNPACKED = 32 << 20
MAX_ENTRIES = 200_000
MAX_KEYS = 32 << 20
"""Bytes of all keys, spelled out: a key of one new byte may share a megabyte with the one before."""


def read_table(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) of every entry in the order of the keys. Raises Damaged."""
    if len(data) < FOOTER:
        raise Damaged(f"{len(data)} bytes, too short for an index")
    footer = data[-FOOTER:]
    if int.from_bytes(footer[40:], "little") != MAGIC:
        raise Damaged("it does not end as an index does; it may be cut off")
    _, at = handle(footer, 0)
    (start, size), _ = handle(footer, at)
    left = MAX_UNPACKED
    keys = entries_left = 0
    for _, place in entries(block(data, start, size, left)):
        (start, size), _ = handle(place, 0)
        contents = block(data, start, size, left)
        left -= len(contents)
        for key, value in entries(contents):
            keys += len(key)
            entries_left += 1
            if entries_left > MAX_ENTRIES or keys > MAX_KEYS:
                raise Damaged(f"more than {MAX_ENTRIES:,} entries, or more than {MAX_KEYS >> 20} MB of names")
            yield key, value


def handle(data: memoryview, at: int) -> tuple[tuple[int, int], int]:
    """((position, size) of a block, where the pair ends)."""
    start, at = varint(data, at)
    size, at = varint(data, at)
    return (start, size), at


def block(data: memoryview, start: int, size: int, limit: int) -> memoryview:
    """A block's contents, checked and unpacked to at most `limit` bytes."""
    if start + size + TRAILER > len(data):
        raise Damaged(f"a block of {size} bytes at {start}, beyond the end of the file")
    contents = data[start : start + size]
    kind = data[start + size]
    stored = int.from_bytes(data[start + size + 1 : start + size + TRAILER], "little")
    if crc32c(data[start : start + size + 1]) != unmasked(stored):
        raise Damaged(f"the checksum of the block at {start} is wrong; copy the file again")
    if kind == 0:
        return contents
    if kind == 1:
        return memoryview(unsnapped(contents, limit))
    raise Damaged(f"a block is compressed in the unknown way {kind}")


def entries(contents: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The entries of one block."""
    if len(contents) < 4:
        raise Damaged("a block without restart points")
    restarts = int.from_bytes(contents[-4:], "little")
    end = len(contents) - 4 - 4 * restarts
    if end < 0:
        raise Damaged(f"a block of {len(contents)} bytes declares {restarts} restart points")
    at, key = 0, b""
    while at < end:
        shared, at = varint(contents, at)
        own, at = varint(contents, at)
        length, at = varint(contents, at)
        if shared > len(key) or own + length > end - at:
            raise Damaged("an entry reaches beyond its block")
        key = key[:shared] + bytes(contents[at : at + own])
        yield key, contents[at + own : at + own + length]
        at += own + length
