"""An ONNX graph as plain Python: nodes in an order that computes, what is constant, and the shapes of all values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from importlib import import_module
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.onnx_file import DTYPES, ModelFile, Stored

MAX_FOLDED = 64 << 20
"""Bytes of a constant that is computed from others (a transposed or dequantised kernel); larger ones stay unknown."""

Shape = tuple[int, ...]


@dataclass(eq=False)
class Node:
    """One operation. `reads` are also the values that graphs inside it (If, Loop, Scan) take from around it."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    properties: dict[str, str]
    proto: Any
    reads: tuple[str, ...] = ()

    def input(self, position: int) -> str:
        """The value at that position; "" when it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(eq=False)
class Const:
    """A value that is the same for every sample, read or computed when it is asked for."""

    name: str
    shape: Shape
    dtype: str
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        return "f" in self.dtype


@dataclass
class Graph:
    """The main graph of a model."""

    path: str
    nodes: list[Node]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: dict[str, Const]
    shapes: Mapping[str, tuple[int | None, ...]]
    opset: int
    makers: dict[str, Node] = field(default_factory=dict)
    users: dict[str, list[Node]] = field(default_factory=dict)

    def shape(self, value: str) -> Shape | None:
        """The sizes of a value with its batch; None unless all are known."""
        sizes = self.shapes.get(value)
        if sizes is None or any(size is None for size in sizes):
            return None
        return tuple(size for size in sizes if size is not None)

    def numbers(self, value: str) -> np.ndarray | None:
        """A small constant (sizes, axes, limits), None when it is none."""
        found = self.constants.get(value)
        return found.read() if found is not None and found.size <= 4096 else None


def graph_of(file: ModelFile, shapes: Mapping[str, tuple[int | None, ...]]) -> Graph:
    """The graph of a checked model. Raises SourceError for a cycle, or a value that nothing makes."""
    proto = file.model.graph
    constants = {
        tensor.name: const_of(tensor.name, tensor, file.stored.get(tensor.name)) for tensor in proto.initializer
    }
    opset = max((one.version for one in file.model.opset_import if one.domain in ("", "ai.onnx")), default=1)
    inputs = tuple(value.name for value in proto.input if value.name not in constants)
    nodes = ordered([node_of(one) for one in proto.node], {*inputs, *constants}, file)
    outputs = tuple(value.name for value in proto.output)
    graph = Graph(str(file.path), nodes, inputs, outputs, constants, shapes, opset)
    for node in nodes:
        for value in node.outputs:
            graph.makers[value] = node
        for value in dict.fromkeys(node.reads):
            graph.users.setdefault(value, []).append(node)
    for value in outputs:
        if value not in graph.makers and value not in inputs and value not in constants:
            raise SourceError(f"{file.path}: nothing makes the output {value!r}; the file is damaged")
    for node in nodes:
        fold(graph, node)
    return graph


def node_of(proto: Any) -> Node:
    inputs = tuple(proto.input)
    captured: list[str] = []
    for attribute in proto.attribute:
        for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            captured += free_values(inner)
    return Node(
        op=proto.op_type,
        domain="" if proto.domain == "ai.onnx" else proto.domain,
        name=proto.name,
        inputs=inputs,
        outputs=tuple(proto.output),
        attributes={one.name: attribute_value(one) for one in proto.attribute},
        properties={one.key: one.value for one in getattr(proto, "metadata_props", ())},
        proto=proto,
        reads=tuple(value for value in (*inputs, *captured) if value),
    )


def free_values(graph: Any) -> list[str]:
    """What a graph inside a node reads from around it."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    found: list[str] = []
    for node in graph.node:
        inner = list(node.input)
        for attribute in node.attribute:
            for deeper in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                inner += free_values(deeper)
        found += [value for value in inner if value and value not in own]
        own.update(node.output)
    found += [value.name for value in graph.output if value.name not in own]
    return list(dict.fromkeys(found))


def attribute_value(attribute: Any) -> Any:
    """Numbers, words and tuples of them; tensors and graphs stay protobufs."""
    kind = attribute.type
    if kind == 1:
        return attribute.f
    if kind == 2:
        return attribute.i
    if kind == 3:
        return attribute.s.decode("utf-8", "replace")
    if kind == 4:
        return attribute.t
    if kind == 6:
        return tuple(attribute.floats)
    if kind == 7:
        return tuple(attribute.ints)
    if kind == 8:
        return tuple(one.decode("utf-8", "replace") for one in attribute.strings)
    return attribute


def ordered(nodes: list[Node], known: set[str], file: ModelFile) -> list[Node]:
    """The nodes, each behind those that it reads; the file's own order wherever that is one.

    Raises SourceError for a cycle, for a value that nothing makes, and for one that two nodes make.
    """
    makers: dict[str, int] = {}
    for position, node in enumerate(nodes):
        for value in node.outputs:
            if value and (value in makers or value in known):
                raise SourceError(f"{file.path}: the value {value[:80]!r} is made twice; the file is damaged")
            if value:
                makers[value] = position
    waiting = [0] * len(nodes)
    readers: dict[int, list[int]] = {}
    for position, node in enumerate(nodes):
        for value in set(node.reads):
            if value in makers:
                waiting[position] += 1
                readers.setdefault(makers[value], []).append(position)
            elif value not in known:
                raise SourceError(f"{file.path}: nothing makes {value[:80]!r}, which {label(node)} reads; damaged")
    ready = [position for position, count in enumerate(waiting) if not count]
    heapify(ready)
    found = []
    while ready:
        position = heappop(ready)
        found.append(nodes[position])
        for reader in readers.get(position, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, reader)
    if len(found) < len(nodes):
        stuck = next(node for node, count in zip(nodes, waiting, strict=True) if count)
        raise SourceError(f"{file.path}: its graph runs in a circle through {label(stuck)}; the file is damaged")
    return found


def label(node: Node) -> str:
    return f"the node {node.name[:80]!r} ({node.op})" if node.name else f"a node {node.op!r}"


# --- constants -------------------------------------------------------------------------------------------------------


def const_of(name: str, tensor: Any, stored: Stored | None) -> Const:
    if stored is not None:
        return Const(name, stored.shape, stored.dtype, stored.read)
    dtype = DTYPES.get(tensor.data_type, "<f4" if tensor.data_type == 16 else "<i8")

    def read() -> np.ndarray:
        try:
            values = np.asarray(import_module("onnx.numpy_helper").to_array(tensor))
        except KeyError:
            raise ValueError(f"{name[:80]!r} says that its numbers are of type {tensor.data_type}") from None
        return values.astype(np.float32) if values.dtype.kind not in "fiubU" else values

    return Const(name, tuple(tensor.dims), dtype, read)


def constant_node(node: Node) -> np.ndarray | None:
    """The value of a `Constant` node that is given as numbers."""
    for name, dtype in (("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8"), ("value_ints", "i8")):
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype)
    return None


PASSING = ("Identity", "Cast", "CastLike", "Dropout")
COMPUTED: dict[str, Callable[..., np.ndarray]] = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply,
                                                   "Div": np.divide, "Neg": np.negative, "Sqrt": np.sqrt}  # fmt: skip
SHAPED = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten")


def fold(graph: Graph, node: Node) -> None:
    """Adds what a node makes to the constants, where all that it reads is constant: never computed before it is asked.

    An operation that is not computed here (a random tensor, one that could grow) stays a node.
    """
    if len(node.outputs) < 1 or any(value not in graph.constants for value in node.reads):
        return
    output = node.outputs[0]
    given = [graph.constants[value] for value in node.inputs if value]
    if node.op == "Constant":
        tensor, numbers = node.attributes.get("value"), constant_node(node)
        if numbers is not None:
            graph.constants[output] = Const(output, numbers.shape, numbers.dtype.str, lambda: numbers)
        elif hasattr(tensor, "data_type"):
            graph.constants[output] = const_of(output, tensor, None)
    elif node.op == "Shape" or not given:
        return
    elif node.op in PASSING:
        first = given[0]
        # Under a name of its own: exporters write equal weights once, and those are not shared ones.
        graph.constants[output] = Const(output, first.shape, first.dtype, first.read)
    elif node.op in SHAPED or node.op in COMPUTED or node.op == "DequantizeLinear":
        shape = graph.shape(output)
        if shape is None or math.prod(shape) * 4 > max(MAX_FOLDED, 4 * max(one.size for one in given)):
            return
        dtype = "<f4" if node.op == "DequantizeLinear" else given[0].dtype
        graph.constants[output] = Const(output, shape, dtype, lambda: folded(graph, node, given, shape))


def folded(graph: Graph, node: Node, given: list[Const], shape: Shape) -> np.ndarray:
    arrays = [one.read() for one in given]
    if node.op == "Transpose":
        values = np.transpose(arrays[0], node.attributes.get("perm"))
    elif node.op in SHAPED:
        values = arrays[0].reshape(shape)
    elif node.op == "DequantizeLinear":
        values = dequantised(node, arrays)
    elif np.broadcast_shapes(*(one.shape for one in arrays)) != shape:
        values = arrays[0]
    else:
        with np.errstate(all="ignore"):
            values = COMPUTED[node.op](*arrays)
        if node.op == "Div" and arrays[0].dtype.kind in "iu":
            values = np.trunc(values)
        values = values.astype(arrays[0].dtype, copy=False)
    if values.shape != shape:
        raise SourceError(f"{graph.path}: {label(node)} makes {list(values.shape)}, not {list(shape)}; damaged")
    return values


def dequantised(node: Node, arrays: list[np.ndarray]) -> np.ndarray:
    """(x − zero point) · scale, one of each for the tensor or along an axis."""
    x, scale = arrays[0], arrays[1].astype(np.float32)
    zero = arrays[2].astype(np.float32) if len(arrays) > 2 else np.zeros_like(scale)
    if scale.ndim == 1 and x.ndim > 1:
        axis = int(node.attributes.get("axis", 1)) % x.ndim
        along = tuple(-1 if position == axis else 1 for position in range(x.ndim))
        scale, zero = scale.reshape(along), zero.reshape(along)
    return np.asarray((x.astype(np.float32) - zero) * scale, np.float32)
