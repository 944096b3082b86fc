"""From the calls of a program to the network: what is a layer of its own, what belongs to the layer before, and names.

Batch norms, activations and dropout become part of the layer that they follow when nothing else reads that layer. A
flatten between maps and a dense layer vanishes; the dense layer says in which order it takes the pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from cutaway.network import Attributes, Edge, Layer, Network, Parameter, Role
from cutaway.sources.torch_ops import ALIASES, describe
from cutaway.sources.torch_program import Call, Program
from cutaway.sources.torch_words import Described, Reader, Weight, other

WEIGHTED = {"conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d", "dense"}
"""What a batch norm can be part of."""

ACTIVATIONS = {
    *("relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu", "softmax", "activation"),
}

HOSTS = WEIGHTED | {
    *("batch_norm", "layer_norm", "group_norm", "add", "subtract", "multiply", "concat"),
    *("max_pool2d", "average_pool2d", "global_average_pool", "adaptive_pool"),
}
"""What an activation can be part of."""

SMALL = 4096
"""Numbers in a constant that goes into the index itself."""


@dataclass(eq=False, slots=True)
class Node:
    """A layer while the network is put together."""

    call: Call | None
    described: Described
    outputs: list[int]
    """Values as they are recorded: after everything that is fused."""
    given: str = ""
    """Its id where that is settled: inputs and constants."""
    fused: list[str] = field(default_factory=list)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """The network of a program, and where its numbers are."""

    network: Network
    recorded: Mapping[str, tuple[int, ...]]
    """Layer id -> the values that it puts out."""
    weights: Mapping[str, Weight]
    """Parameter key -> the value that holds it, and how it becomes canonical."""
    inputs: Mapping[str, str]
    """Input name -> id of its layer."""


def build(program: Program) -> Graph:
    """The network of a program. Never fails on an operation that is not known: that is a layer of kind `other`."""
    return Builder(program).graph()


class Builder:
    """The steps, in order; `graph` walks through them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.same: dict[int, int] = {}
        self.made: dict[int, tuple[Node, int]] = {}
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        self.follow_aliases()
        self.make_nodes()
        self.drop_unused()
        self.users = Counter(self.root(value) for node in self.nodes for value in node.described.inputs)
        self.users.update(self.root(value) for value in self.program.outputs)
        self.fuse()
        self.fold_flattens()
        self.drop_unread_outputs()
        self.name()
        return self.finish()

    def root(self, value: int) -> int:
        """The value itself, behind everything that only hands it on."""
        while value in self.same:
            value = self.same[value]
        return value

    def follow_aliases(self) -> None:
        shapes = [value.shape for value in self.program.values]
        for call in self.program.calls:
            refs = call.refs()
            if not refs or len(call.outputs) != 1 or call.outputs[0] == refs[0]:
                continue
            whole = call.op == "slice" and shapes[refs[0]] == shapes[call.outputs[0]]  # x[:]
            if whole or call.op in ALIASES:
                self.same[call.outputs[0]] = refs[0]

    # --- nodes -------------------------------------------------------------------------------------------------------

    def make_nodes(self) -> None:
        for number in self.program.inputs:
            name = self.program.values[number].name or "input"
            self.place(Node(None, Described("input", ()), [number], given=name))
        if len(self.program.inputs) == 1:
            self.nodes[0].given = "input"
        for call in self.program.calls:
            if call.outputs and call.outputs[0] in self.same:
                continue
            described = describe(call, self.program)
            if any(self.program.values[self.root(one.value)].origin == "call" for one in described.weights.values()):
                described = other(Reader(call, self.program))  # weights that are computed on the way
            inputs = tuple(self.root(value) for value in described.inputs)
            roots = {role: replace(weight, value=self.root(weight.value)) for role, weight in described.weights.items()}
            for value in inputs:
                if value not in self.made:
                    self.place(self.constant(value))
            self.place(Node(call, replace(described, inputs=inputs, weights=roots), list(call.outputs)))
        for value in map(self.root, self.program.outputs):
            if value not in self.made:
                self.place(self.constant(value))

    def place(self, node: Node) -> None:
        self.nodes.append(node)
        for position, value in enumerate(node.outputs):
            self.made[value] = (node, position)

    def constant(self, number: int) -> Node:
        """A parameter or a constant that is read like the output of a layer."""
        value = self.program.values[number]
        if value.origin == "parameter":
            shape = value.shape[1:] if value.shape[:1] == (1,) else value.shape
            weights: dict[Role, Weight] = {"kernel": Weight(number, shape=shape)}
            return Node(None, Described("constant", (), weights=weights), [number], given=value.name)
        extra: dict[str, Any] = {}
        if value.data is not None and np.prod(value.shape, dtype=float) <= SMALL:
            array = np.asarray(value.data)
            if array.dtype.kind in "biuf":
                extra["value"] = (array[0] if array.shape[:1] == (1,) else array).tolist()
        return Node(None, Described("constant", (), Attributes(extra=extra)), [number], given=value.name or "constant")

    def drop_unused(self) -> None:
        """What no output needs goes (sizes, conditions), but for what has parameters."""
        needed: set[int] = {self.root(value) for value in self.program.outputs}
        kept = []
        for node in reversed(self.nodes):
            wanted = node.described.weights and node.described.kind != "constant"
            if needed.intersection(node.outputs) or wanted or node.described.kind == "input":
                needed.update(node.described.inputs)
                kept.append(node)
        self.nodes = kept[::-1]

    # --- what belongs together ---------------------------------------------------------------------------------------

    def fuse(self) -> None:
        remaining = []
        for node in self.nodes:
            host = self.host_of(node)
            if host is None:
                remaining.append(node)
                continue
            what = node.described
            extra = {key: value for key, value in what.attributes.extra.items() if key != "name"}
            if what.attributes.axis:
                extra["softmax_axis"] = what.attributes.axis
            own = host.described.attributes
            attributes = msgspec.structs.replace(
                own,
                epsilon=own.epsilon if what.attributes.epsilon is None else what.attributes.epsilon,
                slope=own.slope if what.attributes.slope is None else what.attributes.slope,
                extra={**own.extra, **extra},
            )
            host.described = replace(
                host.described, attributes=attributes, weights={**host.described.weights, **what.weights}
            )
            host.fused += [what.function or what.kind, *node.fused]
            host.outputs[0] = node.outputs[0]
            self.made[node.outputs[0]] = (host, 0)
        self.nodes = remaining

    def host_of(self, node: Node) -> Node | None:
        """The layer that a node becomes part of; None when it stays a layer of its own."""
        what = node.described
        if len(what.inputs) != 1 or len(node.outputs) != 1:
            return None
        value = what.inputs[0]
        host, position = self.made[value]
        if position or self.users[value] != 1 or value != host.outputs[0]:
            return None
        if what.kind == "dropout":
            return None if host.described.kind in ("input", "constant") else host
        allowed = WEIGHTED if what.kind == "batch_norm" else HOSTS if what.kind in ACTIVATIONS else set()
        own = host.described
        if own.kind not in allowed or set(own.weights) & set(what.weights):
            return None
        clash = (set(own.attributes.extra) & set(what.attributes.extra)) - {"name"}
        given = [(own.attributes.epsilon, what.attributes.epsilon), (own.attributes.slope, what.attributes.slope)]
        if clash or any(first is not None and second is not None for first, second in given):
            return None
        if what.attributes.axis is not None and "softmax_axis" in own.attributes.extra:
            return None
        return host

    def fold_flattens(self) -> None:
        """maps -> flatten -> dense: the dense layer reads the maps."""
        readers: dict[int, list[Node]] = {}
        for node in self.nodes:
            for value in node.described.inputs:
                readers.setdefault(id(self.made[value][0]), []).append(node)
        outputs = {id(self.made[self.root(value)][0]) for value in self.program.outputs}
        gone = set()
        for node in self.nodes:
            users = readers.get(id(node), [])
            flat = node.described.kind in ("flatten", "reshape") and len(self.inner(node.outputs[0])) == 1
            if not flat or id(node) in outputs or not users or set(node.fused) - {"dropout"}:
                continue
            if len(self.inner(node.described.inputs[0])) < 2 or any(user.described.kind != "dense" for user in users):
                continue
            for user in users:
                attributes = msgspec.structs.replace(user.described.attributes, input_order="CHW")
                user.described = replace(user.described, inputs=node.described.inputs, attributes=attributes)
            before, position = self.made[node.described.inputs[0]]
            if node.fused and not position and self.users[node.described.inputs[0]] == 1:
                before.fused += [name for name in node.fused if before.described.kind != "input"]
            gone.add(id(node))
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    def drop_unread_outputs(self) -> None:
        """The indices of a pool, the last states of a recurrent layer: where nothing reads them, they are not told."""
        read = {self.root(value) for value in self.program.outputs}
        read.update(value for node in self.nodes for value in node.described.inputs)
        for node in self.nodes:
            while len(node.outputs) > 1 and node.described.kind != "crop" and node.outputs[-1] not in read:
                node.outputs.pop()

    def inner(self, value: int) -> tuple[int, ...]:
        shape = self.program.values[value].shape
        return shape[1:] if shape and shape[0] == self.program.batch else shape

    # --- names -------------------------------------------------------------------------------------------------------

    def name(self) -> None:
        """The module's path where a module is one layer; otherwise the path and the operation."""
        groups: dict[tuple[str, int], list[Node]] = {}
        for node in self.nodes:
            if node.call is not None and node.call.leaf and node.call.module:
                groups.setdefault((node.call.module, node.call.turn), []).append(node)
        heads = set()
        for group in groups.values():
            owners = [node for node in group if owns(node)] if len(group) > 1 else group
            if len(owners) == 1:
                heads.add(id(owners[0]))
        taken: dict[str, int] = {}
        for node in self.nodes:
            call = node.call
            if call is None:
                wish = node.given
            elif id(node) in heads:
                wish = call.module
            else:
                name = call.title or call.op
                wish = f"{call.module}.{name}" if call.module else name
            node.id = unique(wish, taken)

    def finish(self) -> Graph:
        keys: dict[tuple[int, Any, tuple[int, ...]], str] = {}
        weights: dict[str, Weight] = {}
        layers = []
        for node in self.nodes:
            parameters = []
            for role, weight in node.described.weights.items():
                key = keys.setdefault((weight.value, weight.axes, weight.shape), f"{node.id}/{role}")
                weights.setdefault(key, weight)
                trainable = self.program.values[weight.value].trainable
                parameters.append(
                    Parameter(role=role, key=key, shape=weight.shape, trainable=trainable,
                              source_axes=weight.source_axes)
                )  # fmt: skip
            layers.append(self.layer(node, tuple(parameters)))
        network = Network(
            layers=tuple(layers),
            inputs=tuple(node.id for node in self.nodes if node.described.kind == "input"),
            outputs=tuple(dict.fromkeys(self.made[self.root(value)][0].id for value in self.program.outputs)),
        )
        inputs = {self.program.values[n.outputs[0]].name: n.id for n in self.nodes if n.described.kind == "input"}
        return Graph(network, {node.id: tuple(node.outputs) for node in self.nodes}, weights, inputs)

    def layer(self, node: Node, parameters: tuple[Parameter, ...]) -> Layer:
        path, _, name = node.id.rpartition(".")
        call = node.call
        return Layer(
            id=node.id,
            name=name,
            kind=node.described.kind,
            path=tuple(path.split(".")) if path else (),
            op=call.label if call is not None else "",
            inputs=tuple(
                Edge(layer=host.id, output=position)
                for host, position in (self.made[value] for value in node.described.inputs)
            ),
            output_shapes=tuple(self.inner(value) for value in node.outputs),
            attributes=node.described.attributes,
            parameters=parameters,
            fused=tuple(node.fused),
            call=call.turn if call is not None and call.leaf else 0,
            source=call.source if call is not None else None,
        )


def owns(node: Node) -> bool:
    """Whether a node is what its module is there for, among several."""
    return bool(node.described.weights) or node.described.kind in ("attention", "recurrent")


def unique(wish: str, taken: dict[str, int]) -> str:
    """The name, or the name with `:2`, `:3` … where it is taken: the second time that a layer is called.

    `taken` counts how often each name was wished for.
    """
    name = wish
    while name in taken:
        taken[wish] += 1
        name = f"{wish}:{taken[wish]}"
    taken[name] = 1
    return name


def canonical(array: np.ndarray, weight: Weight) -> np.ndarray:
    """A tensor of the model as the parameter that the network has."""
    turned = array if weight.axes is None else array.transpose(weight.axes)
    return np.ascontiguousarray(turned, dtype=np.float32).reshape(weight.shape)
