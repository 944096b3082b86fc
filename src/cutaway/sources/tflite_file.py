"""A TensorFlow Lite file as plain Python: operators, tensors, and where the constants lie, all checked.

Field numbers: tensorflow/lite/schema/schema.fbs, version 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.tflite_flatbuffer import Buffer, Damaged, Table

DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8", 12: "<u8", 15: "<u4",
          16: "<u2"}  # fmt: skip
"""Types of tensors as NumPy writes them; strings, complex and 4-bit numbers are not read."""

MAX_OPERATORS, MAX_TENSORS = 100_000, 300_000


@dataclass(frozen=True)
class Quantised:
    """Real number = (integer − zero) · scale; one of each, or one per entry along `axis`."""

    scale: np.ndarray
    zero: np.ndarray
    axis: int

    def real(self, values: np.ndarray, axis: int | None = None) -> np.ndarray:
        """The numbers that integers stand for, float32. `axis`: where the quantised axis lies by now."""
        scale, zero = self.scale.astype(np.float32), self.zero.astype(np.float32)
        if scale.size > 1:
            at = self.axis if axis is None else axis
            along = tuple(-1 if position == at else 1 for position in range(values.ndim))
            scale, zero = scale.reshape(along), zero.reshape(along)
        return np.asarray((values.astype(np.float32) - zero) * scale, np.float32)

    def integers(self, values: np.ndarray, dtype: str) -> np.ndarray:
        """The integers that real numbers become, rounded and clipped."""
        limits = np.iinfo(np.dtype(dtype))
        found = np.rint(values / self.scale.astype(np.float32)) + self.zero.astype(np.float32)
        return np.asarray(np.clip(np.nan_to_num(found), limits.min, limits.max), dtype)


@dataclass(frozen=True)
class Tensor:
    """One value of the graph; `data` is None for what is computed."""

    index: int
    name: str
    shape: tuple[int, ...]
    free: tuple[bool, ...]
    """Which sizes may change, the batch's among them."""
    dtype: str | None
    data: memoryview | None
    quantised: Quantised | None

    def read(self) -> np.ndarray:
        """A constant's numbers; those that integers stand for where it is quantised."""
        assert self.data is not None
        assert self.dtype is not None
        values = np.frombuffer(self.data, self.dtype).reshape(self.shape)
        return values if self.quantised is None else self.quantised.real(values)


@dataclass(frozen=True)
class Operator:
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    custom: bool


@dataclass(frozen=True)
class LiteFile:
    path: Path
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    description: str
    bytes: int


def read_lite(path: Path, max_bytes: int) -> LiteFile:
    """Reads and checks a file. Raises SourceError, one line."""
    size = path.stat().st_size
    if size > max_bytes:
        raise SourceError(f"{path}: {size / 1e9:.1f} GB; allow more with max_bytes (--max-bytes)")
    data: Any = np.memmap(path, np.uint8, "r") if size else b""
    if size < 8 or bytes(data[4:8]) != b"TFL3":
        raise SourceError(f"{path}: no TensorFlow Lite model (version 3), or cut off at its beginning")
    try:
        return read(path, Buffer(memoryview(data)))
    except Damaged as error:
        raise SourceError(f"{path}: can't be read as a TensorFlow Lite model: {error}; damaged, or cut off") from None


def read(path: Path, buffer: Buffer) -> LiteFile:
    model = buffer.root()
    graphs = model.tables(2, 1000)
    if not graphs:
        raise Damaged("it has no graph")
    buffers = model.tables(4, MAX_TENSORS)
    graph = graphs[0]
    tensors = [tensor_of(index, one, buffers) for index, one in enumerate(graph.tables(0, MAX_TENSORS))]
    codes = [operator_name(code) for code in model.tables(1, 10_000)]
    operators = []
    for one in graph.tables(3, MAX_OPERATORS):
        code = one.whole(0, "I")
        if code >= len(codes):
            raise Damaged(f"an operator of kind {code}, and it has {len(codes)}")
        inputs, outputs = indices(one, 1, tensors, optional=True), indices(one, 2, tensors)
        name, custom = codes[code]
        operators.append(Operator(name, inputs, outputs, one.table(4), custom))
    if not operators:
        raise Damaged("its graph has no operators")
    ends = indices(graph, 1, tensors), indices(graph, 2, tensors)
    if not all(ends):
        raise Damaged("its graph has no input or no output")
    return LiteFile(path, tensors, operators, *ends, model.text(3)[:80], buffer.size)


def operator_name(code: Table) -> tuple[str, bool]:
    """(CONV_2D, False), or (the name of somebody's own operator, True)."""
    number = max(code.whole(0, "b"), code.whole(3, "i"))
    names = {value: key for key, value in vars(import_module("tflite").BuiltinOperator).items() if key.isupper()}
    if names.get(number) == "CUSTOM":
        return code.text(1)[:100] or "CUSTOM", True
    return names.get(number, f"OPERATOR_{number}"), number not in names


def indices(table: Table, field: int, tensors: list[Tensor], *, optional: bool = False) -> tuple[int, ...]:
    """Tensors that a list names; −1 for one that is left out."""
    found = tuple(int(one) for one in table.numbers(field, "<i4", MAX_TENSORS))
    for index in found:
        if not (-1 if optional else 0) <= index < len(tensors):
            raise Damaged(f"tensor {index} is named, and it has {len(tensors)}")
    return found


def tensor_of(index: int, table: Table, buffers: list[Table]) -> Tensor:
    shape = tuple(int(size) for size in table.numbers(0, "<i4", 32))
    signature = tuple(int(size) for size in table.numbers(7, "<i4", 32)) or shape
    if any(size < 0 for size in shape) or len(signature) != len(shape):
        raise Damaged(f"tensor {index} has the shape {list(shape)}")
    name = table.text(3)[:1000]
    kind, number = table.whole(1, "b"), table.whole(2, "I")
    if number >= len(buffers):
        raise Damaged(f"tensor {name[:80]!r} lies in block {number}, and it has {len(buffers)}")
    dtype = DTYPES.get(kind)
    data = data_of(buffers[number]) if number else None
    if data is not None and dtype is not None:
        needed = math.prod(shape) * np.dtype(dtype).itemsize
        if len(data) != needed:
            if table.table(6) is not None:
                raise Damaged(f"tensor {name[:80]!r} is sparse, which is not read here")
            raise Damaged(f"tensor {name[:80]!r} of shape {list(shape)} needs {needed:,} bytes and has {len(data):,}")
    quantised = quantisation(table.table(4), shape) if dtype is not None and np.dtype(dtype).kind in "iu" else None
    free = tuple(size < 0 for size in signature)
    return Tensor(index, name, shape, free, dtype, data, quantised)


def data_of(table: Table) -> memoryview | None:
    """The bytes of a block; those of very large models lie behind the flatbuffer."""
    offset, size = table.whole(1, "Q"), table.whole(2, "Q")
    if offset > 1:
        return table.buffer.block(offset, size)
    start, count = table.vector(0, 1)
    return table.buffer.block(start, count) if count else None


def quantisation(table: Table | None, shape: tuple[int, ...]) -> Quantised | None:
    if table is None:
        return None
    scale, zero = table.numbers(2, "<f4"), table.numbers(3, "<i8")
    axis = table.whole(6, "i")
    if not scale.size or not scale.any():
        return None
    if not zero.size:
        zero = np.zeros(scale.size, np.int64)
    if scale.size != zero.size or (scale.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scale.size)):
        raise Damaged(f"{scale.size} scales for a tensor of shape {list(shape)}")
    return Quantised(scale, zero, axis)
