"""Reads a pruned graph node by node and makes layers of it; what each operation becomes stands in tf_ops.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.network import Kind
from cutaway.sources.tf_flat import UPDATES
from cutaway.sources.tf_graph import Node, Tensor
from cutaway.sources.tf_known import Known, combined, computable, constant
from cutaway.sources.tf_layers import BATCH, Draft, Flow, Value, Weight, aligned
from cutaway.sources.tf_prune import Pruned, is_gradient
from cutaway.sources.tf_wire import Damaged

VARIABLES = {"VariableV2", "Variable", "VarHandleOp", "AutoReloadVariable"}
CARRIES = {
    *("Identity", "Squeeze", "Sub", "Mul", "Add", "AddV2", "RealDiv", "Reshape", "StopGradient", "Cast", "Switch"),
    *("Merge", "AssignSub", "AssignSubVariableOp", "Select", "SelectV2", "ReadVariableOp"),
}
"""What stands between a batch's mean and the moving average that it updates."""
MAX_BYTES = 256 << 20
MAX_LAYERS = 5_000
MAX_INPUT = 1 << 26
FREE_VALUES = 1 << 24
"""Of one layer and one sample; more only for inputs that are large themselves."""
ALIKE = {"Identity", "Squeeze", "Reshape", "StopGradient", "Cast"}

Shape = tuple[int, ...]


class Converter:
    """Values of tensors, and the drafts of layers that they come from."""

    def __init__(self, pruned: Pruned, variable: Callable[[Node], Known], shapes: Sequence[Shape]) -> None:
        """variable: the weight that a variable's node stands for. shapes: of the inputs, -1 for a free batch."""
        self.pruned = pruned
        pruned.outputs = list(dict.fromkeys(pruned.resolve(tensor) for tensor in pruned.outputs))
        self.graph = pruned.graph
        self.variable = variable
        self.drafts: list[Draft] = []
        self.values: dict[Tensor, Value | None] = {}
        self.bytes = 0
        self.given = sum(math.prod(shape[1:]) for shape in shapes)
        self.total = 0
        if self.given > MAX_INPUT:
            raise Damaged(f"an input of {self.given:,} values")
        self.settled: dict[Flow, Flow] = {}
        """What was pending -> the layer's output that it became: two readers share one layer."""
        self.notes: list[str] = []
        self.order = self.in_order()
        self.readers = self.count_readers()
        self.last = self.channels_last(None)
        self.batch = next((shape[0] for shape in shapes if shape and shape[0] > 0), BATCH)
        for tensor, shape in zip(pruned.inputs, shapes, strict=True):
            self.add_input(tensor, (self.batch, *shape[1:]))

    def in_order(self) -> list[str]:
        """Nodes that the outputs need, each behind those that it reads. Raises Damaged for a circle."""
        done: dict[str, bool] = {name: True for name, _ in self.pruned.inputs}
        order: list[str] = []
        stack = [self.pruned.resolve(tensor)[0] for tensor in reversed(self.pruned.outputs)]
        while stack:
            name = stack[-1]
            state = done.get(name)
            if state is not None:
                stack.pop()
                if not state:
                    done[name] = True
                    order.append(name)
                continue
            done[name] = False
            for tensor in reversed(self.graph.nodes[name].inputs):
                before = self.pruned.resolve(tensor)[0]
                if before not in done:
                    stack.append(before)
                elif not done[before]:
                    raise Damaged(f"the graph runs in a circle at {before!r}")
        return order

    def count_readers(self) -> dict[str, int]:
        """How many nodes of the network read a node."""
        found: dict[str, int] = {}
        for name in self.order:
            for before in {self.pruned.resolve(tensor)[0] for tensor in self.graph.nodes[name].inputs}:
                found[before] = found.get(before, 0) + 1
        return found

    def channels_last(self, start: Tensor | None) -> bool:
        """Whether channels are last for what reads a tensor (None: for most of the graph); so where nothing tells."""
        if start is None:
            votes = [self.graph.nodes[name].text("data_format") for name in self.order]
            return sum(vote.startswith("NC") for vote in votes) <= sum(vote == "NHWC" for vote in votes)
        inside = set(self.order)
        names, seen = [start[0]], {start[0]}
        for name in names:  # grows while it is walked: breadth first
            for user in self.pruned.users.get(name, ()):
                if user.name not in inside or user.name in seen:
                    continue
                seen.add(user.name)
                if user.text("data_format"):
                    return not user.text("data_format").startswith("NC")
                if user.op == "Transpose":
                    turn = self.graph.nodes.get(self.pruned.resolve(user.inputs[1])[0])
                    given = turn.constant() if turn is not None and turn.op == "Const" else []
                    return [int(axis) for axis in given] != [0, 2, 3, 1]  # otherwise it makes them first, or is neither
                if user.op not in ("Reshape", "MatMul", "Mean"):
                    names.append(user.name)
        return True

    def add_input(self, tensor: Tensor, shape: Shape) -> None:
        node = self.graph.nodes[tensor[0]]
        flow = Flow(len(self.drafts), shape, last=self.channels_last(tensor))
        self.drafts.append(Draft("input", node.op, tensor, shapes=[flow.canonical()], node=tensor[0]))
        self.values[tensor] = flow

    def run(self) -> list[int]:
        """Converts all nodes; the drafts that the outputs are."""
        for name in self.order:
            node = self.graph.nodes[name]
            outputs = self.convert(node)
            for number, value in enumerate(outputs if isinstance(outputs, list) else [outputs]):
                self.values[name, number] = value
        ends = []
        for tensor in self.pruned.outputs:
            value = self.values.get(self.pruned.resolve(tensor))
            if not isinstance(value, Flow):
                raise Damaged(f"the output {tensor[0]!r} does not depend on the input")
            ends.append(self.plain(value).draft)
        for tensor in self.pruned.dropped:
            value = self.values.get(self.pruned.resolve(tensor))
            if isinstance(value, Flow) and value.draft >= 0 and "dropout" not in self.drafts[value.draft].fused:
                self.drafts[value.draft].fused.append("dropout")
        return ends

    def convert(self, node: Node) -> Value | list[Value | None] | None:
        from cutaway.sources.tf_ops import HANDLERS

        if node.op == "Const":
            value = node.constant()
            return None if isinstance(value, list) else constant(value)
        if node.op in VARIABLES:
            return self.variable(node)
        given = [self.values.get(self.pruned.resolve(tensor)) for tensor in node.inputs]
        if node.op in ("ReadVariableOp", "Enter") and given:
            return given[0]
        flows = [one for one in given if isinstance(one, Flow)]
        if not flows:
            if not computable(node.op) or any(one is None for one in given):
                return None
            return self.known(node, [one for one in given if isinstance(one, Known)])
        handler = HANDLERS.get(node.op)
        if handler is not None:
            try:
                return handler(self, node, given)
            except Damaged:
                raise
            except (ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError):
                pass  # not in a form that is known here: a box, whose name tells what it is
        return self.box(node, flows)

    def known(self, node: Node, given: list[Known]) -> Value | list[Value | None]:
        if node.op in ("Split", "Unpack", "ShapeN"):
            count = node.whole("num_split") or node.whole("num") or len(given)
            if count > 10_000:
                raise Damaged(f"{node.name!r} splits into {count} parts")
            return [combined(node, given, number) for number in range(count)]
        found = combined(node, given)
        if found.value is not None and found.value.base is None:
            self.bytes += found.value.nbytes
            if self.bytes > MAX_BYTES:
                raise Damaged(f"more than {MAX_BYTES >> 20} MB of constants that are computed")
        return found

    def box(self, node: Node, flows: list[Flow]) -> Value:
        """An operation that is shown under its own name and not computed."""
        shapes = node.shapes("_output_shapes")
        shape: Shape = ()
        if shapes and shapes[0] is not None and all(size > 0 for size in shapes[0][1:]):
            shape = (self.batch, *shapes[0][1:])
        inputs = []
        for flow in flows:
            try:
                inputs.append(self.plain(flow))
            except ValueError:  # what is pending has no form of its own; the box says that nothing is computed
                if flow.draft >= 0:
                    inputs.append(Flow(flow.draft, flow.shape, flow.last, flow.output))
        last = inputs[0].last if inputs else True
        return self.emit("other", node, inputs, shape, last, extra={"name": f"tf.{node.op}"})

    # --- what operations are made of ------------------------------------------------------------------------------

    def emit(
        self, kind: Kind, node: Node, inputs: Sequence[Flow], shape: Shape, last: bool = True, **attributes: Any
    ) -> Flow:
        """A new layer, reading plain flows; `shape` is TensorFlow's."""
        if len(shape) > 1 and shape[0] != self.batch:
            raise ValueError("its first axis is not the batch")
        self.spend(math.prod(shape[1:]), node, shape)
        if len(self.drafts) >= MAX_LAYERS:
            raise Damaged(f"a network of more than {MAX_LAYERS:,} layers")
        flow = Flow(len(self.drafts), shape, last)
        draft = Draft(kind, node.op, (node.name, 0), node=node.name, attributes=attributes)
        draft.inputs = [(one.draft, one.output) for one in inputs]
        draft.shapes = [flow.canonical()] if shape else []
        self.drafts.append(draft)
        return flow

    def spend(self, values: int, node: Node, shape: Shape, kept: bool = True) -> None:
        """Counts what a sample takes at a node. Raises Damaged where that is out of all proportion to the input."""
        self.total += values if kept else 0
        if values > max(FREE_VALUES, 64 * self.given) or self.total > max(8 * FREE_VALUES, 2048 * self.given):
            raise Damaged(f"{node.name!r} makes {list(shape[1:])} of an input of {self.given:,} values")

    def plain(self, value: Value | None, blocks: bool = False) -> Flow:
        """A flow that is a layer's output as it stands; scales, shifts and flattens become layers.

        Only what takes `blocks` may get maps that were cut into some.
        """
        from cutaway.sources.tf_norm import settled

        if not isinstance(value, Flow) or value.draft < 0 or value.folded or (value.atrous and not blocks):
            raise ValueError("not an activation")
        key = value
        if key in self.settled:
            return self.settled[key]
        if value.pending:
            value = settled(self, value)
        if value.flat is not None:
            node = Node(value.node or self.drafts[value.draft].node, "Reshape", [])
            flat = self.emit("flatten", node, [value], value.shape, input_order=value.flat)
            value = flat
        self.settled[key] = value
        return value

    def laid(self, flow: Flow, last: bool) -> Flow:
        """A plain flow whose channels are where an operation expects them."""
        if flow.last == last or len(flow.shape) < 3:
            return replace(flow, last=last)
        rank = len(flow.shape) - 1
        turn = [rank - 1, *range(rank - 1)] if last else [*range(1, rank), 0]
        node = Node(self.drafts[flow.draft].node + "/layout", "Transpose", [])
        return self.emit("permute", node, [flow], flow.shape, last, extra={"permutation": turn})

    def array(self, value: Value | None) -> np.ndarray:
        """A constant. Raises ValueError for anything else."""
        if isinstance(value, Known) and value.value is not None:
            return value.value
        raise ValueError("not a constant")

    def integers(self, value: Value | None) -> list[int]:
        return [int(one) for one in self.array(value).reshape(-1)]

    def alone(self, flow: Flow) -> bool:
        """Whether what follows may be put into the layer itself: nothing else reads it."""
        draft = self.drafts[flow.draft]
        return flow.plain and self.readers.get(draft.tensor[0], 0) <= 1 and draft.tensor not in self.pruned.outputs

    def calculation(self, op: str, *given: Known) -> Known:
        return combined(Node("", op, []), given)

    def parameter(self, known: Known, flow: Flow) -> Weight:
        """A known value that is combined with a flow, in the axes of its samples."""
        rank = len(flow.shape)
        if len(known.shape) > rank or (len(known.shape) == rank and known.shape[0] != 1):
            raise ValueError("a value for every sample of a batch")
        turn = partial(aligned, rank=rank, last=flow.last and rank > 2)
        return Weight(known, turn=turn, trainable=bool(known.leaves()) and not known.constant)

    def moving_average(self, tensor: Tensor, size: int) -> Known | None:
        """The variable that keeps the average of a batch's statistic: the one that is updated from it."""
        inside = set(self.order)
        queue, seen, found = [tensor[0]], {tensor[0]}, []
        for name in queue:
            for user in self.pruned.users.get(name, ()):
                self.pruned.step_on()
                first = name != tensor[0] or tensor in [self.graph.real(one) for one in user.inputs]
                if not first or user.name in seen or is_gradient(user.name):
                    continue
                if user.name in inside and user.op not in ALIKE:
                    continue  # the batch norm itself, not its update
                seen.add(user.name)
                if user.op in UPDATES:
                    node = self.graph.nodes.get(self.pruned.resolve(user.inputs[0])[0])
                    if node is not None and node.op in VARIABLES:
                        found.append(node)
                if user.op in CARRIES and len(seen) < 200:
                    queue.append(user.name)
        for node in found:  # zero_debias keeps "biased" sums beside the averages
            if not node.name.endswith(("/biased", "/local_step")):
                try:
                    known = self.variable(node)
                except SourceError:  # not saved, for example by a Saver of the trainable variables only
                    continue
                if math.prod(known.shape) == size:
                    return known
        return None
