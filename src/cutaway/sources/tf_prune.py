"""The part of a graph that inference uses: which tensors go in, which come out, what is passed over on the way.

A graph saved while training holds losses, gradients, updates, queues and summaries besides the network. The network is
what depends on the pictures and on nothing else that is fed, up to behind the last layer with weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources import tf_types
from cutaway.sources.tf_flat import RANDOM, UPDATES, Graph
from cutaway.sources.tf_graph import Node, Tensor
from cutaway.sources.tf_wire import Damaged

WEIGHTED = {
    *("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "Conv3DBackpropInputV2", "MatMul"),
    *("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"),
}
PASSED = {
    *("Identity", "StopGradient", "CheckNumerics", "CheckNumericsV2", "PreventGradient", "Snapshot", "Print"),
    *("PrintV2", "EnsureShape", "PlaceholderWithDefault", "Switch", "RefSwitch", "RefIdentity", "IdentityN", "Assert"),
    *(
        "FakeQuantWithMinMaxVars",
        "FakeQuantWithMinMaxArgs",
        "FakeQuantWithMinMaxVarsPerChannel",
        "DebugGradientIdentity",
    ),
}
SHAPES = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"}
QUEUES = {
    *("IteratorGetNext", "IteratorGetNextSync", "QueueDequeue", "QueueDequeueV2", "QueueDequeueMany"),
    *("QueueDequeueManyV2", "QueueDequeueUpTo", "QueueDequeueUpToV2"),
}
BEHIND = {
    *("BiasAdd", "Add", "AddV2", "Mul", "Relu", "Relu6", "Elu", "Selu", "LeakyRelu", "Sigmoid", "Tanh", "Softplus"),
    *("Softmax", "LogSoftmax", "Identity", "Squeeze", "Reshape", "ConcatV2", "MaxPool", "AvgPool", "Mean", "Merge"),
    *("Switch", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "ResizeBilinear", "ResizeNearestNeighbor"),
    *("Cast", "Transpose", "RealDiv", "Select", "SelectV2", "Rsqrt", "Pad", "BatchToSpaceND", "DepthToSpace"),
}
"""What may stand between the last weights and the network's output; what is not in it is a loss or a measure."""
FINAL = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh")
SEARCHED = 400
MAX_STEPS = 1_000_000
"""On the way through a graph, all searches together: large ones take a tenth of it."""


def candidates(graph: Graph) -> list[Tensor]:
    """Tensors that pictures may go to: placeholders and what queues deliver, of numbers, with at least two axes."""
    found: list[Tensor] = []
    for node in graph.nodes.values():
        if node.op in ("Placeholder", "PlaceholderV2"):
            shape = node.shape()
            if node.dtype("dtype") in tf_types.DTYPES and (shape is None or (len(shape) != 1 and shape != ())):
                found.append((node.name, 0))
        elif node.op == "PlaceholderWithDefault":
            shape = node.shape()
            if tf_types.is_float(node.dtype("dtype")) and shape is not None and len(shape) > 1:
                found.append((node.name, 0))
        elif node.op in QUEUES:
            types = node.dtypes("output_types") or node.dtypes("component_types")
            found += [(node.name, i) for i, number in enumerate(types[:8]) if tf_types.is_float(number) or number == 4]
    return found[:32]


def is_gradient(name: str) -> bool:
    return any(part.startswith("gradients") for part in name.split("/"))


class Pruned:
    """A graph with its inputs and outputs, and what each tensor really is at inference."""

    def __init__(
        self, graph: Graph, inputs: Iterable[Tensor] = (), outputs: Iterable[Tensor] = (), wanted: str | None = None
    ) -> None:
        self.graph = graph
        self.steps = 0
        self.users = graph.users()
        self.inputs = list(inputs) or self.find_inputs(wanted)
        self.live = self.reached(self.inputs, set(), SHAPES)
        self.noisy = self.reached([(name, -1) for name, node in graph.nodes.items() if node.op in RANDOM], set(), set())
        self.outputs = list(outputs) or self.find_outputs()
        self.dropped: set[Tensor] = set()
        """Tensors behind which a dropout was cut."""
        self.resolved: dict[Tensor, Tensor] = {}

    def step_on(self) -> None:
        """Counts a step of a search. Raises Damaged for graphs that are made to keep us busy."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Damaged("the graph is too entangled to find the network in it")

    def reached(self, starts: Iterable[Tensor], stops: set[str], avoided: set[str]) -> set[str]:
        """Nodes that depend on some tensors, not through `stops` nor through ops of `avoided`."""
        found: set[str] = set()
        stack: list[Node] = []
        for start in starts:
            found.add(start[0])
            stack += [
                user
                for user in self.users.get(start[0], ())
                if start[1] < 0 or start in [self.graph.real(one) for one in user.inputs]
            ]
        while stack:
            node = stack.pop()
            self.step_on()
            if node.name in found or node.name in stops or node.op in avoided or is_gradient(node.name):
                continue
            found.add(node.name)
            stack += self.users.get(node.name, ())
        return found

    def find_inputs(self, wanted: str | None) -> list[Tensor]:
        """Those with layers of their own behind them: labels and switches only meet what the pictures came through."""
        given = candidates(self.graph)
        stops = {name for name, _ in given}
        owners: dict[str, int] = {}
        areas = [self.reached([one], stops, SHAPES) for one in given]
        for area in areas:
            for name in area:
                owners[name] = owners.get(name, 0) + 1
        scores = [
            sum(1 for name in area if owners[name] == 1 and self.graph.nodes[name].op in WEIGHTED) for area in areas
        ]
        found = [one for one, score in zip(given, scores, strict=True) if score]
        if wanted is not None:
            named = [one for one in given if wanted in (one[0], f"{one[0]}:{one[1]}")]
            if not named:
                names = ", ".join(name for name, _ in found or given) or "none"
                raise SourceError(f"no input {wanted!r} in this graph; it has {names}")
            return named + [one for one in found if one not in named]
        if not found:
            raise Damaged(
                "no convolution or dense layer depends on a placeholder or a queue; is this the graph of a network?"
            )
        return found

    def find_outputs(self) -> list[Tensor]:
        """Behind every last layer with weights, as far as the network goes."""
        nodes = self.graph.nodes
        weighted = [name for name in nodes if name in self.live and nodes[name].op in WEIGHTED]
        # Walking back from all weighted layers marks every one that another depends on.
        inner: set[str] = set()
        stack = [tensor for name in weighted for tensor in nodes[name].inputs]
        seen: set[str] = set()
        while stack:
            name = self.graph.real(stack.pop())[0]
            if name in seen or name not in self.live:
                continue
            seen.add(name)
            inner.add(name)
            stack += nodes[name].inputs
        ends = [self.end_of(name) for name in weighted if name not in inner]
        if not ends:
            raise Damaged("no layer with weights depends on the input")
        return list(dict.fromkeys(ends))

    def end_of(self, start: str) -> Tensor:
        """The best last tensor behind a node: a softmax, a sigmoid, else what comes latest."""
        nodes = self.graph.nodes
        order = {start: 0}
        stack = [start]
        while stack:
            name = stack.pop()
            for user in self.users.get(name, ()):
                self.step_on()
                if user.name not in order and user.name in self.live and self.continues(user):
                    order[user.name] = len(order)
                    stack.append(user.name)
        ends = [name for name in order if not any(user.name in order for user in self.users.get(name, ()))] or [start]
        position = {name: i for i, name in enumerate(nodes)} if len(ends) > 1 else {}
        rank = {op: len(FINAL) - i for i, op in enumerate(FINAL)}
        best = max(
            ends, key=lambda name: (rank.get(nodes[name].op, 0), nodes[name].op != "Reshape", -position.get(name, 0))
        )
        return best, 0

    def continues(self, node: Node) -> bool:
        if node.op not in BEHIND or is_gradient(node.name):
            return False
        if node.op == "Mean":  # over pixels, not over the batch
            axes = self.graph.nodes.get(self.graph.real(node.inputs[1])[0])
            if axes is None or axes.op != "Const":
                return False
            value = axes.constant()
            return isinstance(value, np.ndarray) and 0 not in value.reshape(-1).tolist() and value.size > 0
        return True

    def resolve(self, tensor: Tensor) -> Tensor:
        """What a tensor is at inference: through identities, conditions and dropout."""
        first = tensor
        passed: set[Tensor] = set()
        while True:
            tensor = self.graph.real(tensor)
            if tensor in self.resolved:
                tensor = self.resolved[tensor]
                break
            if tensor in passed:
                raise Damaged(f"the graph runs in a circle at {tensor[0]!r}")
            passed.add(tensor)
            after = self.step(tensor)
            if after == tensor:
                break
            tensor = after
        self.resolved |= dict.fromkeys(passed, tensor)
        self.resolved[first] = tensor
        return tensor

    def step(self, tensor: Tensor) -> Tensor:
        name, number = tensor
        node = self.graph.nodes.get(name)
        if node is None:
            raise Damaged(f"a node reads {name!r}, which is not in the graph")
        if tensor in self.inputs or not node.inputs:
            return tensor
        if node.op in PASSED:
            return node.inputs[number if node.op == "IdentityN" and number < len(node.inputs) else 0]
        if node.op in ("Merge", "RefMerge"):
            return self.merged(node)
        if name in self.live and name in self.noisy:
            return self.without_noise(node) or tensor
        return tensor

    def without_noise(self, node: Node) -> Tensor | None:
        """What a dropout reads, or what noise is added to; None when this is neither."""
        if node.op not in ("Mul", "Select", "SelectV2", "Add", "AddV2"):
            return None
        given = [self.graph.real(tensor) for tensor in node.inputs]
        noise = [name in self.noisy and name not in self.live for name, _ in given]
        signal = [tensor for tensor in given if tensor[0] in self.live]
        if not any(noise) or len(signal) != 1:
            return None
        found = signal[0]
        if node.op not in ("Add", "AddV2"):  # x / keep_prob, or x · 1/(1 - rate)
            scaled = self.graph.nodes[found[0]]
            if scaled.op in ("RealDiv", "Div", "Mul") and len(scaled.inputs) == 2:
                inside = [one for one in map(self.graph.real, scaled.inputs) if one[0] in self.live]
                if len(inside) == 1:
                    found = inside[0]
            self.dropped.add(self.graph.real(found))
        return found

    def merged(self, node: Node) -> Tensor:
        """The branch of a `tf.cond` that inference takes: not the one that trains, else what its flag says."""
        sides = [self.side(tensor) for tensor in node.inputs]
        trains = [one[1] for one in sides]
        if len(sides) == 2 and trains[0] != trains[1]:
            return node.inputs[0 if trains[1] else 1]
        for flag in sides[0][0]:
            ports = [side[0].get(flag, set()) for side in sides]
            if all(len(one) == 1 for one in ports) and len(set.union(*ports)) == len(ports):
                taken = int(self.graph.truth(flag))
                return node.inputs[[next(iter(one)) for one in ports].index(taken)]
        return node.inputs[0]  # `tf.cond` gives the branch for "false" first

    def side(self, tensor: Tensor) -> tuple[dict[Tensor, set[int]], bool]:
        """One input of a Merge: the flags whose Switches it comes from, with their outputs, and whether it trains."""
        flags: dict[Tensor, set[int]] = {}
        trains = False
        seen: set[str] = set()
        stack = [tensor]
        while stack and len(seen) < SEARCHED:
            self.step_on()
            name, number = self.graph.real(stack.pop())
            node = self.graph.nodes.get(name)
            if node is None or (name in seen and node.op != "Switch"):
                continue
            seen.add(name)
            if node.op == "Switch" and len(node.inputs) == 2:
                flags.setdefault(self.graph.real(node.inputs[1]), set()).add(number)
                before = self.graph.nodes.get(self.graph.real(node.inputs[0])[0])
                if before is not None and before.op == "Switch":  # a condition inside a condition
                    stack.append(node.inputs[0])
                continue
            if node.op in RANDOM or node.op in UPDATES:
                trains = True
            if node.op.startswith("FusedBatchNorm") and node.flag("is_training", True) and "Grad" not in node.op:
                trains = True
            stack += node.inputs
            stack += [(one, 0) for one in node.controls]
        return flags, trains
