"""A flat graph: the calls of functions replaced by the functions' nodes, conditions by what inference takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from cutaway.sources.tf_graph import MAX_NODES, Function, Node, Tensor, inner, read_raw
from cutaway.sources.tf_wire import Damaged

CALLS = {"PartitionedCall", "StatefulPartitionedCall", "RemoteCall"}
BRANCHES = {"If", "StatelessIf"}
RANDOM = {
    *("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt", "Multinomial", "RandomShuffle"),
    *("StatelessRandomUniform", "StatelessRandomNormal", "StatelessRandomUniformV2", "StatelessRandomNormalV2"),
    *("StatelessTruncatedNormal", "StatelessTruncatedNormalV2", "ParameterizedTruncatedNormal"),
}
UPDATES = {
    *("Assign", "AssignAdd", "AssignSub", "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"),
    *("AssignMovingAvg", "ScatterUpdate"),
}
MAX_DEPTH = 60
MAX_CALLS = 5_000


class Graph:
    """Nodes by name; `library` are the functions that they call."""

    def __init__(self, nodes: Iterable[Node], library: Mapping[str, Function]) -> None:
        self.nodes: dict[str, Node] = {}
        self.library = library
        self.alias: dict[Tensor, Tensor] = {}
        """Outputs of replaced calls -> the tensors inside that they are."""
        self.calls = 0
        self.trains: dict[str, bool] = {}
        self.add(nodes, 0)

    def add(self, nodes: Iterable[Node], depth: int) -> None:
        for node in nodes:
            if len(self.nodes) >= MAX_NODES:
                raise Damaged(f"a graph of more than {MAX_NODES:,} nodes once its functions are put in")
            self.nodes[node.name] = node
            if node.op in CALLS:
                self.inline(node, node.function(), node.inputs, depth)
            elif node.op in self.library:  # the calls of TensorFlow 1's Defun
                self.inline(node, node.op, node.inputs, depth)
            elif node.op in BRANCHES:
                self.inline(node, self.branch(node), node.inputs[1:], depth)

    def inline(self, call: Node, name: str, given: list[Tensor], depth: int) -> None:
        """Puts a function's nodes in the place of a call."""
        function = self.library.get(name)
        if function is None:
            return  # stays a node of its own, shown as a box
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise Damaged(f"more than {MAX_CALLS:,} calls of functions")
        if depth > MAX_DEPTH:
            raise Damaged(f"functions that call each other {MAX_DEPTH} deep, at last {name!r}")
        if len(given) < len(function.arguments):
            raise Damaged(f"{call.name!r} gives {len(given)} of {len(function.arguments)} arguments to {name!r}")
        tensors: dict[str, Tensor] = dict(zip(function.arguments, given, strict=False))
        names: dict[str, str] = {}
        body = []
        for data in function.nodes:
            raw = read_raw(data)
            if raw.name in names:
                raise Damaged(f"two nodes {raw.name!r} in the function {name!r}")
            names[raw.name] = inside = self.free_name(raw.name, call.name)
            self.nodes[inside] = raw.node(inside)  # reserves the name
            body.append((raw, self.nodes[inside]))
            if len(self.nodes) > MAX_NODES:
                raise Damaged(f"a graph of more than {MAX_NODES:,} nodes once its functions are put in")
        for raw, node in body:
            node.inputs = [inner(text, tensors, names) for text in raw.inputs]
            node.controls = [names[one] for one in raw.controls if one in names]
        self.add([node for _, node in body], depth + 1)
        for number, result in enumerate(function.results):
            if result in function.returned:
                self.alias[call.name, number] = inner(function.returned[result], tensors, names)

    def free_name(self, name: str, call: str) -> str:
        if name not in self.nodes:
            return name
        name = f"{call}/{name}"
        number = 1
        while (tried := name if number == 1 else f"{name}_{number}") in self.nodes:
            number += 1
        return tried

    def branch(self, node: Node) -> str:
        """The function that inference takes: not the one with random numbers or updates, else what the flag says."""
        then, otherwise = node.function("then_branch"), node.function("else_branch")
        trains = [self.is_training(then, 0), self.is_training(otherwise, 0)]
        if trains[0] != trains[1]:
            return otherwise if trains[0] else then
        return then if self.truth(node.inputs[0]) else otherwise

    def is_training(self, name: str, depth: int) -> bool:
        """Whether a function holds what only training does."""
        if name not in self.trains:
            self.trains[name] = False  # for one that calls itself
            function = self.library.get(name)
            nodes = map(read_raw, function.nodes) if function is not None and depth < MAX_DEPTH else ()
            self.trains[name] = any(
                node.op in RANDOM
                or node.op in UPDATES
                or (node.op.startswith("FusedBatchNorm") and node.node("").flag("is_training", True))
                or (node.op in CALLS and self.is_training(node.node("").function(), depth + 1))
                for node in nodes
            )
        return self.trains[name]

    def users(self) -> dict[str, list[Node]]:
        """Node -> the nodes that read an output of it."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            for name in {self.real(tensor)[0] for tensor in node.inputs}:
                found.setdefault(name, []).append(node)
        return found

    def real(self, tensor: Tensor) -> Tensor:
        """The tensor that one is, through the outputs of calls that were replaced."""
        for _ in range(len(self.alias) + 1):
            if tensor not in self.alias:
                return tensor
            tensor = self.alias[tensor]
        raise Damaged(f"the result of {tensor[0]!r} is itself")

    def truth(self, tensor: Tensor, depth: int = 0) -> bool:
        """What a condition is at inference: a constant or a default; flags that are fed count as "not training"."""
        name = self.real(tensor)[0]
        node = self.nodes.get(name)
        if node is None or depth > 20:
            return False
        if node.op == "Const":
            value = node.constant()
            return isinstance(value, np.ndarray) and bool(np.any(value))
        if node.op == "Placeholder":
            words = name.lower()
            return "train" not in words and any(word in words for word in ("infer", "test", "eval", "predict"))
        if node.op == "LogicalNot" and node.inputs:
            return not self.truth(node.inputs[0], depth + 1)
        if node.op in ("LogicalAnd", "LogicalOr") and len(node.inputs) == 2:
            both = [self.truth(one, depth + 1) for one in node.inputs]
            return all(both) if node.op == "LogicalAnd" else any(both)
        if node.op in ("Identity", "PlaceholderWithDefault", "Cast", "Switch", "ToBool") and node.inputs:
            return self.truth(node.inputs[0], depth + 1)
        return False
