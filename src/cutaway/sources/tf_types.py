"""TensorFlow's element types and `TensorProto`: tensors as they lie in graphs.

TensorProto: 1 dtype, 2 shape, 4 tensor_content (raw bytes), else repeated values by type: 5 float, 6 double, 7 int,
8 string, 9 complex64, 10 int64, 11 bool, 12 complex128, 13 half and bfloat16, 16 uint32, 17 uint64; fewer values than
elements mean that the last one goes on. TensorShapeProto: 2 dim {1 size}, 3 unknown rank.
Source: tensorflow/core/framework/{types,tensor,tensor_shape}.proto.
"""

from __future__ import annotations

import math

import numpy as np

from cutaway.sources.tf_wire import Damaged, Message, signed

FLOAT, INT32, STRING, INT64, BOOL, BFLOAT16, RESOURCE, VARIANT = 1, 3, 7, 9, 10, 14, 20, 21

DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    8: "<c8",
    9: "<i8",
    10: "?",
    11: "i1",  # quantised, as the integers that they are
    12: "u1",
    13: "<i4",
    14: "<u2",  # bfloat16: the upper half of a float32
    15: "<i2",
    16: "<u2",
    17: "<u2",
    18: "<c16",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}

MAX_DIMENSIONS = 32
MAX_CONSTANT = 64 << 20
"""Bytes that a repeated value may fill: a tensor of two numbers can declare any shape."""

Shape = tuple[int, ...]


def dtype_of(number: int) -> np.dtype:
    """Raises Damaged for types without a fixed size (strings, resources) and for unknown ones."""
    if number not in DTYPES:
        raise Damaged(f"elements of the type {number}, which are no numbers")
    return np.dtype(DTYPES[number])


def is_float(number: int) -> bool:
    return number % 100 in (1, 2, 14, 19)


def as_numbers(raw: np.ndarray, number: int) -> np.ndarray:
    """What the stored elements are as NumPy knows them."""
    if number == BFLOAT16:
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw


def shape_of(message: Message) -> tuple[int, ...] | None:
    """A TensorShapeProto; -1 where a size is free, None where even the rank is."""
    if message.whole(3):
        return None
    sizes = tuple(dim.whole(1) for dim in message.messages(2))
    if len(sizes) > MAX_DIMENSIONS:
        raise Damaged(f"a tensor of {len(sizes)} dimensions")
    return sizes


def fixed_shape(message: Message) -> Shape:
    shape = shape_of(message)
    if shape is None or any(size < 0 for size in shape):
        raise Damaged("a stored tensor without a shape")
    return shape


def tensor(message: Message) -> np.ndarray | list[bytes]:
    """A TensorProto: an array, or for strings their list. Raises Damaged."""
    number, shape = message.whole(1), fixed_shape(message.message(2))
    if number == STRING:
        return [bytes(value) for value in message.blobs(8)]
    dtype, count = dtype_of(number), math.prod(shape)
    content = message.raw(4)
    if len(content):
        if len(content) != count * dtype.itemsize:
            raise Damaged(f"a constant of {len(content)} bytes with the shape {list(shape)}")
        return as_numbers(np.frombuffer(content, dtype), number).reshape(shape)
    values = typed_values(message, number, dtype)
    if len(values) > count:
        raise Damaged(f"a constant of {len(values)} values with the shape {list(shape)}")
    if len(values) < count:
        last = values[-1] if len(values) else np.zeros((), values.dtype)
        if len(values) < 2:
            return np.broadcast_to(last, shape)  # takes no memory
        if count * dtype.itemsize > MAX_CONSTANT:
            raise Damaged(f"a constant declares the shape {list(shape)}")
        values = np.concatenate([values, np.full(count - len(values), last)])
    return values.reshape(shape)


def typed_values(message: Message, number: int, dtype: np.dtype) -> np.ndarray:
    """The repeated values of the field that belongs to the type."""
    if number in (1, 2):
        return message.numbers(5 if number == 1 else 6, dtype)
    if number in (8, 18):
        return message.numbers(9 if number == 8 else 12, dtype)
    field = {INT64: 10, BOOL: 11, BFLOAT16: 13, 19: 13, 22: 16, 23: 17}.get(number, 7)
    given = message.ints(field)
    if number in (BFLOAT16, 19):
        raw = np.array([value & 0xFFFF for value in given], np.uint16)
        return as_numbers(raw, number) if number == BFLOAT16 else raw.view(np.float16)
    if number == 23:
        return np.array([value & 0xFFFFFFFFFFFFFFFF for value in given], np.uint64)
    return np.array([signed(value) for value in given], np.int64).astype(dtype)
