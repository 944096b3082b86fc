"""GraphDef: the nodes of a TensorFlow graph and the functions that they call.

GraphDef: 1 node, 2 library {1 function}. NodeDef: 1 name, 2 op, 3 input ("node", "node:1", "^node" for order only),
5 attr, a map of AttrValues (1 list, 2 s, 3 i, 4 f, 5 b, 6 type, 7 shape, 8 tensor, 10 func {1 name}). FunctionDef:
1 signature (an OpDef: 1 name, 2 input_arg, 3 output_arg, of ArgDefs with 1 name, 3 type), 3 node_def, 4 ret (output ->
tensor); its tensors are called "node:output:0".
Source: tensorflow/core/framework/{graph,node_def,attr_value,function,op_def}.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cutaway.sources import tf_types
from cutaway.sources.tf_wire import Damaged, Message, fields

MAX_NODES = 100_000
"""Inception-ResNet with its gradients has 50,000."""

Tensor = tuple[str, int]
"""(node, number of its output)."""

LATER_OUTPUTS = {"output_true": 1, "value_index": 1, "batch_mean": 1, "batch_variance": 2, "indices": 1, "variance": 1}
"""Outputs by name that are not their op's first; functions name what graphs number."""


class Node:
    """One operation. Attributes are parsed when they are asked for."""

    __slots__ = ("__dict__", "controls", "data", "inputs", "name", "op")

    def __init__(self, name: str, op: str, inputs: list[Tensor], data: memoryview | bytes = b"") -> None:
        self.name = name
        self.op = op
        self.inputs = inputs
        self.controls: list[str] = []
        self.data = data

    @cached_property
    def attributes(self) -> dict[str, Message]:
        return Message(self.data).mapped(5)

    def attribute(self, name: str) -> Message:
        return self.attributes.get(name) or Message()

    def whole(self, name: str, default: int = 0) -> int:
        return self.attribute(name).whole(3, default)

    def real(self, name: str, default: float = 0.0) -> float:
        return self.attribute(name).real(4, default)

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.attribute(name).whole(5, default))

    def text(self, name: str) -> str:
        return self.attribute(name).text(2)

    def dtype(self, name: str) -> int:
        return self.attribute(name).whole(6) % 100  # a reference to a float is a float

    def dtypes(self, name: str) -> list[int]:
        return [number % 100 for number in self.attribute(name).message(1).ints(6)]

    def ints(self, name: str) -> list[int]:
        return self.attribute(name).message(1).ints(3)

    def shape(self, name: str = "shape") -> tuple[int, ...] | None:
        """-1 for free sizes; None for a free rank, or where there is no such attribute."""
        found = self.attribute(name)
        return tf_types.shape_of(found.message(7)) if found.has(7) else None

    def shapes(self, name: str) -> list[tuple[int, ...] | None]:
        return [tf_types.shape_of(one) for one in self.attribute(name).message(1).messages(7)]

    def constant(self) -> np.ndarray | list[bytes]:
        return tf_types.tensor(self.attribute("value").message(8))

    def function(self, name: str = "f") -> str:
        return self.attribute(name).message(10).text(1)


class Function(NamedTuple):
    """A FunctionDef: its arguments and results by name."""

    name: str
    arguments: list[str]
    results: list[str]
    returned: Mapping[str, str]
    nodes: list[memoryview]
    shapes: dict[int, tuple[int, ...] | None]
    types: list[int]


class GraphDef:
    """Nodes by name in the order of the file, and the function library."""

    def __init__(self, message: Message) -> None:
        given = message.blobs(1)
        if len(given) > MAX_NODES:
            raise Damaged(f"a graph of {len(given):,} nodes; at most {MAX_NODES:,} are read")
        self.nodes = {node.name: node for node in map(read_node, given)}
        self.library: dict[str, Function] = {}
        for one in message.message(2).blobs(1):
            found = read_function(Message(one))
            self.library[found.name] = found


def read_node(data: memoryview) -> Node:
    name = op = ""
    inputs: list[Tensor] = []
    controls: list[str] = []
    for number, value in fields(data):
        if number > 3:
            continue  # attributes, which come last and are most of the bytes
        if isinstance(value, int):
            raise Damaged("a node whose name is a number")
        text = str(value, "utf-8", "replace")
        if number == 1:
            name = text
        elif number == 2:
            op = text
        elif text.startswith("^"):
            controls.append(text[1:])
        else:
            inputs.append(tensor_name(text))
    node = Node(name, op, inputs, data)
    node.controls = controls
    return node


def tensor_name(text: str) -> Tensor:
    """`conv/Relu` or `conv/Relu:0` of a graph."""
    name, colon, number = text.rpartition(":")
    if not colon:
        return text, 0
    return (name, int(number)) if number.isdigit() and len(number) < 6 else (text, 0)


def read_function(message: Message) -> Function:
    signature = message.message(1)
    arguments = signature.messages(2)
    shapes: dict[int, tuple[int, ...] | None] = {}
    for entry in message.messages(7):  # map<uint32, ArgAttrs {1 attr}>
        for name, value in entry.message(2).mapped(1).items():
            if name == "_output_shapes" and value.message(1).has(7):
                shapes[entry.whole(1)] = tf_types.shape_of(value.message(1).messages(7)[0])
    return Function(
        name=signature.text(1),
        arguments=[one.text(1) for one in arguments],
        results=[one.text(1) for one in signature.messages(3)],
        returned={entry.text(1): entry.text(2) for entry in message.messages(4)},
        nodes=message.blobs(3),
        shapes=shapes,
        types=[one.whole(3) for one in arguments],
    )


class RawNode(NamedTuple):
    """A node of a function, whose inputs are called in the function's own way."""

    name: str
    op: str
    inputs: list[str]
    controls: list[str]
    data: memoryview

    def node(self, name: str) -> Node:
        return Node(name, self.op, [], self.data)


def read_raw(data: memoryview) -> RawNode:
    message = Message(data)
    inputs = message.texts(3)
    return RawNode(
        message.text(1),
        message.text(2),
        [one for one in inputs if not one.startswith("^")],
        [one[1:] for one in inputs if one.startswith("^")],
        data,
    )


def inner(text: str, arguments: Mapping[str, Tensor], names: Mapping[str, str]) -> Tensor:
    """A function's `argument`, `node:output:0` or `node:output` as a tensor of the flat graph."""
    parts = text.split(":")
    if parts[0] in arguments:
        return arguments[parts[0]]
    if parts[0] not in names:
        raise Damaged(f"a function reads {parts[0]!r}, which is not in it")
    number = int(parts[-1]) if len(parts) > 1 and parts[-1].isdigit() and len(parts[-1]) < 6 else 0
    if len(parts) == 3:
        number += LATER_OUTPUTS.get(parts[1], 0)
    return names[parts[0]], number
