"""Attaches to a layer what only ever follows it: a bias, a batch norm, an activation, a dropout.

What is attached is in `fused`, in order; its parameters and constants become the layer's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from cutaway.sources.onnx_draft import Draft, Weight
from cutaway.sources.onnx_graph import Graph

CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d"}
HOSTS = CONVOLUTIONS | {"dense", "batch_norm", "layer_norm", "group_norm", "add", "multiply", "subtract"}
"""What an activation is attached to."""

ACTIVATIONS = {"relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu", "softmax", "activation"}
GATES = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}
"""x · sigmoid(x) is one function, in two nodes."""


class Drafts:
    """The layers in the making, and who makes and reads which value."""

    def __init__(self, graph: Graph, drafts: Iterable[Draft]) -> None:
        self.graph = graph
        self.all = list(drafts)
        self.makers = {value: draft for draft in self.all for value in draft.outputs}
        self.kept = set(graph.outputs)
        self.gone: set[int] = set()
        self.users: dict[str, list[Draft]] = {}
        for draft in self.all:
            for value in draft.inputs:
                self.users.setdefault(value, []).append(draft)

    def before(self, draft: Draft) -> Draft | None:
        """The layer that `draft` alone reads, where it reads nothing else and is nobody's output."""
        if len(draft.inputs) != 1:
            return None
        value = draft.inputs[0]
        host = self.makers.get(value)
        if host is None or host.output != value or value in self.kept or len(self.users[value]) != 1:
            return None
        return host

    def attach(self, draft: Draft, host: Draft, name: str) -> None:
        """`host` now puts out what `draft` did."""
        host.fused.append(name)
        host.fused_nodes.append(draft.node.name or draft.node.op)
        self.absorb(draft, host)

    def absorb(self, draft: Draft, host: Draft) -> None:
        host.outputs[0] = draft.output
        self.makers[draft.output] = host
        self.gone.add(id(draft))

    def rest(self) -> list[Draft]:
        return [draft for draft in self.all if id(draft) not in self.gone]


def fuse(graph: Graph, drafts: list[Draft]) -> list[Draft]:
    """The layers that are left when all that can be attached is."""
    found = Drafts(graph, drafts)
    for draft in list(found.all):
        gated(found, draft)
    for draft in found.rest():
        host = found.before(draft)
        if host is not None:
            any(attach(found, draft, host) for attach in (biased, normalised, activated))
    return found.rest()


def biased(found: Drafts, draft: Draft, host: Draft) -> bool:
    """MatMul + Add of a constant vector, and Conv + Add of one number a channel."""
    if draft.kind != "add" or len(draft.weights) != 1 or host.fused or host.weight("bias") or draft.extra:
        return False
    weight = draft.weights[0]
    units = found.graph.shape(host.output)
    if units is None or host.kind not in CONVOLUTIONS | {"dense"}:
        return False
    if host.kind == "dense":
        wanted = (*(1,) * (len(weight.shape) - 1), units[-1])
    else:
        wanted = (units[1], *(1,) * (len(units) - 2))
    if weight.shape != wanted:
        return False
    host.weights.append(Weight("bias", weight.const, (weight.const.size,)))
    found.absorb(draft, host)
    return True


def normalised(found: Drafts, draft: Draft, host: Draft) -> bool:
    """A batch norm behind a convolution or a dense layer."""
    if draft.kind != "batch_norm" or host.kind not in CONVOLUTIONS | {"dense"} or host.fused or draft.extra:
        return False
    host.weights += draft.weights
    host.attributes["epsilon"] = draft.attributes["epsilon"]
    found.attach(draft, host, "batch_norm")
    return True


def activated(found: Drafts, draft: Draft, host: Draft) -> bool:
    """An activation behind a layer without one; a dropout behind anything, since it does nothing while inferring."""
    if draft.kind == "dropout":
        found.attach(draft, host, "dropout")
        return True
    if draft.kind not in ACTIVATIONS or host.kind not in HOSTS or set(host.fused) - {"batch_norm", "dropout"}:
        return False
    if draft.kind == "prelu" and host.kind in ("add", "multiply", "subtract"):
        return False  # their parameters are what is added
    if "dropout" in host.fused or host.weight("alpha") or (draft.extra and host.extra.keys() & draft.extra.keys()):
        return False
    name = str(draft.extra.pop("name", draft.kind))
    host.weights += draft.weights
    host.extra |= draft.extra
    if "slope" in draft.attributes:
        host.attributes["slope"] = draft.attributes["slope"]
    if draft.attributes.get("axis"):
        host.extra["softmax_axis"] = draft.attributes["axis"]
    found.attach(draft, host, name)
    return True


def gated(found: Drafts, draft: Draft) -> None:
    """x → Sigmoid → · x becomes one activation in place of the product."""
    if draft.kind != "multiply" or len(draft.inputs) != 2 or draft.weights or draft.extra:
        return
    for value, other in (draft.inputs, draft.inputs[::-1]):
        gate = found.makers.get(other)
        if gate is None or gate.inputs != [value] or other in found.kept or len(found.users[other]) != 1:
            continue
        name = GATES.get(str(gate.extra.get("name", gate.kind)))
        plain = gate.extra.get("alpha", 1 / 6), gate.extra.get("beta", 0.5)
        if name is None or abs(plain[0] - 1 / 6) > 1e-6 or plain[1] != 0.5:
            continue
        draft.kind, draft.extra = ("silu", {}) if name == "silu" else ("activation", {"name": name})
        draft.op, draft.inputs = f"{gate.op}, {draft.op}", [value]
        found.users[value] = [user for user in found.users[value] if user is not gate]
        found.gone.add(id(gate))
        return
