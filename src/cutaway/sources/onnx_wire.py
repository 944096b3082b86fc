"""ONNX files without their weights: walks the protobuf, leaves large tensors where they lie, counts before it trusts.

A model of many gigabytes is a graph of some kilobytes and blocks of numbers. `slim` copies the graph and turns each
block into what ONNX calls external data: a place in a file. So the weights are read when they are asked for, once.
Wire format: https://protobuf.dev/programming-guides/encoding/; field numbers: onnx.proto of ONNX 1.21.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

HERE = "\x00"
"""The location of data that lies in the model's own file: a name that no file can have."""

LARGE = 1024
"""Bytes from which on a tensor stays in the file."""

MAX_NODES = 100_000
MAX_ENTRIES = 400_000
MAX_GRAPH_BYTES = 24 << 20
MAX_DEPTH = 16

MODEL_GRAPH, GRAPH_NODE, GRAPH_INITIALIZER, NODE_ATTRIBUTE = 7, 1, 5, 5
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 5, 6, 11
TENSOR_TYPE, TENSOR_FLOATS, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 2, 4, 9, 13, 14
FLOAT = 1
PACKED_NUMBERS = (5, 7, 10, 11)
"""int32_data, int64_data, double_data and uint64_data of a tensor."""


class Damaged(ValueError):
    """The bytes are no ONNX model, or one that is too large; the text says why."""


class Field(NamedTuple):
    """One field: its number, wire type, where it begins, and where its value lies."""

    number: int
    wire: int
    begin: int
    start: int
    end: int


@dataclass
class Counted:
    """What was seen so far, so that a small file can't become a large graph."""

    nodes: int = 0
    entries: int = 0
    bytes: int = 0
    numbers: int = 0


def fields(view: memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of a message. Raises Damaged where they don't fit between `start` and `end`."""
    at = start
    while at < end:
        begin = at
        tag, at = varint(view, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, after = varint(view, at, end)
        elif wire == 2:
            length, at = varint(view, at, end)
            after = at + length
        elif wire in (1, 5):
            after = at + (8 if wire == 1 else 4)
        else:
            raise Damaged(f"no field can look like what stands at byte {begin}")
        if after > end or number == 0:
            raise Damaged(f"it ends in the middle of a field at byte {begin}")
        yield Field(number, wire, begin, at, after)
        at = after


def varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise Damaged(f"it ends in the middle of a number at byte {at}")


def slim(view: memoryview) -> bytes:
    """The model with its large tensors as external data at HERE. Raises Damaged."""
    counted = Counted()
    parts = []
    for found in fields(view, 0, len(view)):
        if found.number == MODEL_GRAPH and found.wire == 2:
            parts.append(message(MODEL_GRAPH, graph(view, found, counted)))
        else:
            parts.append(copied(view, found, counted))
    return b"".join(parts)


def graph(view: memoryview, where: Field, counted: Counted) -> bytes:
    parts = []
    for found in fields(view, where.start, where.end):
        if found.wire == 2 and found.number == GRAPH_INITIALIZER:
            count(counted, 1)
            parts.append(message(GRAPH_INITIALIZER, tensor(view, found, counted)))
        elif found.wire == 2 and found.number == GRAPH_NODE:
            count(counted, 1, nodes=1)
            parts.append(message(GRAPH_NODE, node(view, found, counted)))
        else:
            parts.append(copied(view, found, counted))
    return b"".join(parts)


def node(view: memoryview, where: Field, counted: Counted) -> bytes:
    """A node; a `Constant` may hold a large tensor, an `If` or `Loop` graphs with nodes of their own."""
    if where.end - where.start < LARGE:
        for found in fields(view, where.start, where.end):
            if found.number == NODE_ATTRIBUTE and found.wire == 2:
                inside(view, found, counted)
        return copied_bytes(view, where.start, where.end, counted)
    parts = []
    for found in fields(view, where.start, where.end):
        if found.number == NODE_ATTRIBUTE and found.wire == 2:
            inside(view, found, counted)
            parts.append(message(NODE_ATTRIBUTE, attribute(view, found, counted)))
        else:
            parts.append(copied(view, found, counted))
    return b"".join(parts)


def attribute(view: memoryview, where: Field, counted: Counted) -> bytes:
    return b"".join(
        message(ATTRIBUTE_TENSOR, tensor(view, found, counted))
        if found.number == ATTRIBUTE_TENSOR and found.wire == 2
        else copied(view, found, counted)
        for found in fields(view, where.start, where.end)
    )


def inside(view: memoryview, where: Field, counted: Counted, depth: int = 0) -> None:
    """Counts the nodes of the graphs in an attribute."""
    if depth > MAX_DEPTH:
        raise Damaged(f"graphs inside graphs, more than {MAX_DEPTH} deep")
    for found in fields(view, where.start, where.end):
        if found.wire != 2 or found.number not in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
            continue
        for piece in fields(view, found.start, found.end):
            count(counted, 1, nodes=int(piece.number == GRAPH_NODE))
            if piece.number == GRAPH_NODE and piece.wire == 2:
                for one in fields(view, piece.start, piece.end):
                    if one.number == NODE_ATTRIBUTE and one.wire == 2:
                        inside(view, one, counted, depth + 1)


def tensor(view: memoryview, where: Field, counted: Counted) -> bytes:
    """A tensor; numbers that lie in the file as they lie in memory become a place in the file."""
    if where.end - where.start < LARGE:
        return copied_bytes(view, where.start, where.end, counted)
    found = list(limited(fields(view, where.start, where.end)))
    kind = next((varint(view, f.start, f.end)[0] for f in found if f.number == TENSOR_TYPE and f.wire == 0), 0)
    blocks = [
        f for f in found if f.wire == 2 and (f.number == TENSOR_RAW or (f.number, kind) == (TENSOR_FLOATS, FLOAT))
    ]
    # 1: what ONNX calls float32 … 11: float64. Newer types (bfloat16, 8-bit floats, 4-bit integers) stay in place.
    if len(blocks) != 1 or kind not in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13):
        for one in found:
            if one.number in PACKED_NUMBERS or one.number in (TENSOR_RAW, TENSOR_FLOATS):
                counted.numbers += one.end - one.begin
        if counted.numbers > 4 * MAX_GRAPH_BYTES:
            raise Damaged("its tensors are written in a form that can't be read in pieces; save it with raw data")
        return bytes(view[where.start : where.end])
    block = blocks[0]
    dropped = (block.number, TENSOR_EXTERNAL, TENSOR_LOCATION)
    parts = [copied(view, one, counted) for one in found if one.number not in dropped]
    place = {"location": HERE, "offset": str(block.start), "length": str(block.end - block.start)}
    for key, value in place.items():
        parts.append(message(TENSOR_EXTERNAL, message(1, key.encode()) + message(2, value.encode())))
    parts.append(bytes([TENSOR_LOCATION << 3, 1]))
    return b"".join(parts)


def limited(found: Iterator[Field], most: int = 4096) -> Iterator[Field]:
    """No tensor has more fields than its axes and a handful; numbers written one by one are refused."""
    for position, one in enumerate(found):
        if position == most:
            raise Damaged("a tensor is written number by number; save the model with raw data")
        yield one


def count(counted: Counted, entries: int, nodes: int = 0) -> None:
    counted.entries += entries
    counted.nodes += nodes
    if counted.nodes > MAX_NODES:
        raise Damaged(f"more than {MAX_NODES:,} nodes; a graph that large can't be shown")
    if counted.entries > MAX_ENTRIES:
        raise Damaged(f"more than {MAX_ENTRIES:,} entries in its graph")


def copied(view: memoryview, found: Field, counted: Counted) -> bytes:
    count(counted, 1)
    return copied_bytes(view, found.begin, found.end, counted)


def copied_bytes(view: memoryview, start: int, end: int, counted: Counted) -> bytes:
    counted.bytes += end - start
    if counted.bytes > MAX_GRAPH_BYTES:
        raise Damaged(f"its graph, without the weights, is larger than {MAX_GRAPH_BYTES >> 20} MB")
    return bytes(view[start:end])


def message(number: int, data: bytes) -> bytes:
    """A field of bytes."""
    return written(number << 3 | 2) + written(len(data)) + data


def written(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
