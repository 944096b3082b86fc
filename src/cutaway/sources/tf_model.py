"""From drafts to a Network: what belongs to the layer before it is put there, layers get the names of their scopes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cutaway.network import Network
from cutaway.sources import InputSpec
from cutaway.sources.tf_convert import Converter, Shape
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known
from cutaway.sources.tf_layers import Draft, Weight, finished
from cutaway.sources.tf_prune import Pruned
from cutaway.sources.tf_types import DTYPES

HOSTS = {"conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d", "dense", "batch_norm", "add"}
"""Layers that take up what follows them. A softmax stays apart: the logits in front of it are worth a look."""
NORMED = HOSTS - {"batch_norm", "add"}
ACTIVATIONS = {"relu", "sigmoid", "tanh", "silu", "leaky_relu", "activation"}

OPERATION = re.compile(
    r"(Conv[123]D\w*|Conv2DBackpropInput|convolution|conv_transpose|MatMul|BiasAdd|Add(V2|N)?|Sub|Mul|RealDiv|Relu6?|Elu|"
    r"Selu|LeakyRelu|Sigmoid|Tanh|Softmax|Softplus|MaxPool(2[dD]|V2)?|AvgPool(2[dD])?|FusedBatchNorm(V\d)?|Mean|ConcatV?2?|"
    r"concat|Pad(V2)?|Reshape|Squeeze|Maximum|Minimum|depthwise|separable_conv2d|batchnorm|cond|XW_plus_b)(_\d+)?"
)
"""Names that TensorFlow gives by itself; the scope in front of them is what the author wrote."""

CHOSEN = re.compile(r"(conv|add|sub|mul|truediv|matmul|relu|xw_plus_b|bias_add|flatten)(_\d+)?")
"""Names that TensorFlow gives by itself or that an author chose; only what is no operation's own name ends in these."""


@dataclass
class Converted:
    """A network with what is needed to fill it: expressions for its parameters, and its inputs."""

    network: Network
    weights: dict[str, Weight]
    inputs: tuple[InputSpec, ...]
    tensors: dict[str, str]
    """Layer id -> the graph's tensor that its output is."""
    notes: tuple[str, ...]


def convert(
    pruned: Pruned, variable: Callable[[Node], Known], shapes: Sequence[Shape], names: Sequence[str] = ()
) -> Converted:
    """The network of a pruned graph. names: what the inputs are called, where not as their nodes."""
    converter = Converter(pruned, variable, shapes)
    ends = converter.run()
    drafts = converter.drafts
    given = list(range(len(pruned.inputs)))
    fuse(drafts, ends)
    order = needed(drafts, ends, given)
    called = layer_names(drafts, order)
    layers = finished(drafts, called, order)
    network = Network(layers=layers, inputs=tuple(called[i] for i in given), outputs=tuple(called[i] for i in ends))
    return Converted(
        network=network,
        weights={f"{called[i]}/{role}": weight for i in order for role, weight in drafts[i].weights.items()},
        inputs=tuple(
            specification(converter, i, called[i], names[i] if i < len(names) else pruned.inputs[i][0]) for i in given
        ),
        tensors={called[i]: f"{drafts[i].tensor[0]}:{drafts[i].tensor[1]}" for i in order if drafts[i].tensor[0]},
        notes=tuple(dict.fromkeys(converter.notes)),
    )


def specification(c: Converter, index: int, layer: str, name: str) -> InputSpec:
    """What one input takes."""
    draft = c.drafts[index]
    flow = c.values[draft.tensor]
    last = getattr(flow, "last", True)
    shape = draft.shapes[0]
    if len(shape) == 3 and (last or len(getattr(flow, "shape", ())) == 2):
        shape, last = (*shape[1:], shape[0]), True
    layout: Literal["NCHW", "NHWC"] = "NHWC" if last and len(shape) > 1 else "NCHW"
    node = c.graph.nodes[draft.tensor[0]]
    number = node.dtype("dtype") or (node.dtypes("output_types") or node.dtypes("component_types") or [1])[0]
    dtype = {"u1": "uint8", "<i4": "int32", "<i8": "int64"}.get(DTYPES.get(number, ""), "float32")
    rescales = any((index, 0) in other.inputs and from_bytes(other) for other in c.drafts)
    return InputSpec(name=name, shape=shape, dtype=dtype, layout=layout, rescales=rescales, layer=layer)


def from_bytes(draft: Draft) -> bool:
    """Whether a layer brings 0 … 255 to something near 0: divides by about 255, or takes a mean of bytes away."""
    constant = draft.attributes.get("extra", {}).get("constant")
    if constant is None:
        return False
    size = float(np.abs(np.asarray(constant)).mean())
    return 1 / 300 < size < 1 / 40 if draft.kind == "multiply" else draft.kind == "add" and 80 < size < 160


def fuse(drafts: list[Draft], ends: list[int]) -> None:
    """Puts batch norms and activations into the layers that they follow; `ends` is changed where one was an output."""
    readers: dict[int, int] = {}
    for draft in drafts:
        for before, _ in draft.inputs:
            readers[before] = readers.get(before, 0) + 1
    now = list(range(len(drafts)))
    for index, draft in enumerate(drafts):
        draft.inputs = [(now[before], number) for before, number in draft.inputs]
        if len(draft.inputs) != 1:
            continue
        before, number = draft.inputs[0]
        host = drafts[before]
        if (
            number
            or readers.get(before, 0) != 1
            or before in ends
            or host.shapes != draft.shapes
            or not takes(host, draft)
        ):
            continue
        extra = {k: v for k, v in draft.attributes.get("extra", {}).items() if k != "name"}
        if extra:
            host.attributes["extra"] = {**host.attributes.get("extra", {}), **extra}
        for key in ("epsilon", "slope"):
            if key in draft.attributes:
                host.attributes[key] = draft.attributes[key]
        host.fused += [word(draft), *draft.fused]
        host.weights.update(draft.weights)
        host.tensor = draft.tensor
        readers[before] = readers.get(index, 0)
        now[index] = before
        ends[:] = [before if end == index else end for end in ends]


def takes(host: Draft, draft: Draft) -> bool:
    own = draft.attributes.get("extra", {})
    if draft.kind == "batch_norm":
        return host.kind in NORMED and not host.fused and not own and len(host.shapes) == 1
    if draft.kind not in ACTIVATIONS or host.kind not in HOSTS or "axis" in draft.attributes:
        return False
    # One set of constants for one layer: a second function with its own would get the first one's.
    return (
        not (own.keys() - {"name"} and host.fused)
        and not host.attributes.get("extra")
        and "slope" not in host.attributes
    )


def word(draft: Draft) -> str:
    return str(draft.attributes["extra"]["name"]) if draft.kind == "activation" else draft.kind


def needed(drafts: list[Draft], ends: list[int], given: list[int]) -> list[int]:
    """Drafts that the outputs depend on, and all inputs, in an order in which they can be computed."""
    found = {*ends, *given}
    for index in range(len(drafts) - 1, -1, -1):
        if index in found:
            found.update(before for before, _ in drafts[index].inputs)
    return sorted(found)


def layer_names(drafts: list[Draft], order: list[int]) -> list[str]:
    """A unique name for each draft: its scope's where the rest is TensorFlow's own, else its node's."""
    names = [""] * len(drafts)
    taken: set[str] = set()
    wished, plain = as_written({index: scope_of(drafts[index]) for index in order}, drafts)
    # What has weights, and the inputs, have the first choice of a scope's name.
    for index in sorted(order, key=lambda i: (drafts[i].kind != "input", not drafts[i].weights, i)):
        node = plain(drafts[index].node or drafts[index].op)
        name = next((one for one in (wished[index], node) if one and one not in taken), None)
        number = 1
        while name is None or name in taken:
            name = f"{node}_{number}"
            number += 1
        names[index] = name
        taken.add(name)
    return names


def as_written(wished: dict[int, str], drafts: list[Draft]) -> tuple[dict[int, str], Callable[[str], str]]:
    """Names without what Keras puts around them: `functional_1/skip_1` is the author's `skip`.

    The variables are still called as the author called their layers. What stands in front of that in the names of all
    layers with weights, and behind it, is taken off the others too.
    """
    names = dict(wished)
    around: set[tuple[str, str]] = set()
    for index in wished:
        draft = drafts[index]
        if draft.kind == "input" or "kernel" not in draft.weights:
            continue
        called = [leaf.label or leaf.variable or "" for leaf in draft.weights["kernel"].known.leaves()]
        scope = next((one.rpartition("/")[0] for one in called if "/" in one), None)
        found = re.search(rf"(?:^|/){re.escape(scope)}(_\d+)?(?:/|$)", draft.node) if scope else None
        if scope is None or found is None:
            continue
        before = draft.node[: found.start()] + "/" if draft.node[found.start()] == "/" else ""
        names[index] = before + scope
        around.add((before, found[1] or ""))
    heads, tails = {before for before, _ in around}, {behind for _, behind in around}
    if len(heads) != 1:
        return wished, str
    (head,) = heads
    tail = next(iter(tails)) if len(tails) == 1 else ""

    def plain(name: str) -> str:
        first, *others = name.removeprefix(head).split("/")
        return "/".join([first.removesuffix(tail), *others]) or name

    weighted = {index for index in wished if names[index] != wished[index]}
    return {i: name.removeprefix(head) if i in weighted else plain(name) for i, name in names.items()}, plain


def scope_of(draft: Draft) -> str:
    """The scope of a layer's node, or where it has none that of its kernel's variable."""
    parts = (draft.node or draft.op).split("/")
    whole = len(parts)
    while len(parts) > 1 and OPERATION.fullmatch(parts[-1]):
        parts.pop()
    while len(parts) > 1 and len(parts) == whole and CHOSEN.fullmatch(parts[-1]):
        parts.pop()
    if len(parts) == 1 and (OPERATION.fullmatch(parts[0]) or CHOSEN.fullmatch(parts[0])) and "kernel" in draft.weights:
        for leaf in draft.weights["kernel"].known.leaves():
            name = leaf.label or leaf.variable or ""
            if "/" in name:
                return name.rpartition("/")[0]
            if name and not name.startswith("Variable"):
                return name
    return "/".join(parts)
