"""From a graph of ONNX nodes to a Network: what is drawn, what is attached to what, names, shared parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cutaway.network import Attributes, Edge, Layer, Network, Parameter
from cutaway.sources.onnx_draft import Draft, Weight
from cutaway.sources.onnx_fuse import fuse
from cutaway.sources.onnx_graph import Const, Graph, Node
from cutaway.sources.onnx_names import Named, named, origin_of, source_of
from cutaway.sources.onnx_ops import draft_of

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
"""Transposes between channels last and channels first: they change how maps lie, not what they are."""

PASSING = {"dropout", "relu", "activation", "batch_norm", "leaky_relu", "sigmoid", "tanh"}
"""Kinds that leave the order of a vector as it is."""


@dataclass(frozen=True)
class Built:
    """The network, and for each layer where its values come from."""

    network: Network
    values: dict[str, str]
    """Layer id -> the value of the graph that is its activation."""
    parameters: dict[str, Weight]
    """Parameter key -> what reads it."""
    constants: dict[str, Const]
    """Ids of `constant` layers -> their value."""
    missing: dict[str, tuple[str, ...]]
    channels_last: frozenset[str]
    """Input layers whose values have their channels last."""


def build(graph: Graph, batch: int, channels_last: frozenset[str] = frozenset()) -> Built:
    """`channels_last`: inputs that are known to have their channels last; those that are transposed first join them."""
    aliases: dict[str, str] = {}
    drafts, constants = live(graph, aliases)
    last = channels_last | one_layout(graph, drafts, aliases)
    drafts = [draft for draft in drafts if draft.output not in aliases]
    for draft in drafts:
        draft.inputs = [resolved(aliases, value) for value in draft.inputs]
    graph.outputs = tuple(dict.fromkeys(resolved(aliases, value) for value in graph.outputs))
    drafts = fuse(graph, drafts)
    orders(graph, drafts)
    names = layer_names(graph, drafts, constants)
    return assembled(graph, drafts, constants, names, batch, last)


def resolved(aliases: Mapping[str, str], value: str) -> str:
    while value in aliases:
        value = aliases[value]
    return value


def live(graph: Graph, aliases: dict[str, str]) -> tuple[list[Draft], list[Const]]:
    """The nodes that the outputs depend on through data, and the constants among that data.

    What only computes sizes (Shape, Gather, Concat before a Reshape) is no part of the picture.
    """
    drafts: dict[int, Draft] = {}
    waiting, seen = list(graph.outputs), set(graph.outputs)
    while waiting:
        node = graph.makers.get(waiting.pop())
        if node is None or id(node) in drafts or node.outputs[0] in graph.constants:
            continue
        draft = draft_of(graph, node)
        drafts[id(node)] = draft
        if is_identity(node):
            aliases[node.outputs[0]] = node.inputs[0]
        for value in draft.inputs:
            if value not in seen:
                seen.add(value)
                waiting.append(value)
    found = [drafts[id(node)] for node in graph.nodes if id(node) in drafts]
    constants = {}
    for draft in found:
        # Where order counts and a constant is one of the things put together, it is a layer of its own.
        if draft.node.op in ("Concat", "Where") and draft.node.domain == "":
            draft.inputs = [value for value in draft.node.inputs if value]
            if draft.node.op == "Concat" and draft.kind == "other" and graph.shape(draft.output):
                axis = int(draft.node.attributes.get("axis", 1)) % len(graph.shape(draft.output) or (1,))
                if axis > 0:
                    draft.kind, draft.attributes, draft.missing = "concat", {"axis": axis - 1}, ()
        for value in draft.inputs:
            if value in graph.constants:
                constants[value] = graph.constants[value]
    return found, list(constants.values())


def is_identity(node: Node) -> bool:
    return node.op == "Identity" and node.domain == "" and len(node.inputs) == 1


def permutation(draft: Draft) -> tuple[int, ...]:
    return tuple(draft.node.attributes.get("perm", ())) if draft.node.op == "Transpose" else ()


def one_layout(graph: Graph, drafts: list[Draft], aliases: dict[str, str]) -> frozenset[str]:
    """Takes transposes between the two layouts out where both sides are channels first in a recording anyway.

    Returns the inputs with channels last: those that are read by nothing but a transpose to channels first.
    """
    users: dict[str, list[Draft]] = {}
    for draft in drafts:
        for value in draft.inputs:
            users.setdefault(resolved(aliases, value), []).append(draft)
    last = set()
    for value in graph.inputs:
        readers = users.get(value, [])
        if readers and all(permutation(draft) == TO_FIRST for draft in readers):
            last.add(value)
            aliases.update({draft.output: value for draft in readers})
    for draft in drafts:
        readers = users.get(draft.output, [])
        if permutation(draft) != TO_LAST or draft.output in graph.outputs or not readers:
            continue
        if all(reader.kind == "flatten" or permutation(reader) == TO_FIRST for reader in readers):
            for reader in readers:
                if reader.kind == "flatten":
                    reader.attributes["input_order"] = "HWC"
                else:
                    aliases[reader.output] = draft.inputs[0]
            aliases[draft.output] = draft.inputs[0]
    return frozenset(last)


def orders(graph: Graph, drafts: list[Draft]) -> None:
    """Tells dense layers in which order their inputs come from maps."""
    makers = {value: draft for draft in drafts for value in draft.outputs}
    for draft in drafts:
        if draft.kind != "dense":
            continue
        before = makers.get(draft.inputs[0])
        while before is not None and before.kind in PASSING and len(before.inputs) == 1:
            before = makers.get(before.inputs[0])
        if before is not None and before.kind == "flatten" and "input_order" in before.attributes:
            draft.attributes["input_order"] = before.attributes["input_order"]


def layer_names(graph: Graph, drafts: list[Draft], constants: list[Const]) -> list[Named]:
    """Names of all layers: drafts, then constants. Inputs keep theirs."""
    origins = []
    for draft in drafts:
        kernel = draft.weights[0].const.name if draft.weights else None
        origins.append(origin_of(draft.node.name, draft.node.op, draft.node.properties, kernel))
    kinds = [word(draft) for draft in drafts]
    for const in constants:
        origins.append(origin_of(const.name, "Constant", {}, None))
        kinds.append("constant")
    return named(origins, kinds, graph.inputs)


def word(draft: Draft) -> str:
    """What an unnamed layer is called: conv_3, max_pool_1, lrn_1."""
    plain = draft.kind if draft.kind not in ("other", "activation") else draft.node.op.lower()
    return plain.removesuffix("1d").removesuffix("2d").removesuffix("3d") or "layer"


def assembled(
    graph: Graph, drafts: list[Draft], constants: list[Const], names: list[Named], batch: int, last: frozenset[str]
) -> Built:
    layers: list[Layer] = []
    known: tuple[tuple[int, ...], ...]
    edges: dict[str, Edge] = {}
    values: dict[str, str] = {}
    for value in graph.inputs:
        shape = sample_shape(graph, value, batch)
        if value in last and shape is not None and len(shape) == 3:
            shape = (shape[2], *shape[:2])
        known = () if shape is None else (shape,)
        layers.append(Layer(id=value, name=value, kind="input", op="input", output_shapes=known))
        edges[value], values[value] = Edge(layer=value), value
    fixed = {}
    weights: dict[str, Weight] = {}
    keys: dict[tuple[str, str, str, tuple[int, ...]], str] = {}
    for const, name in zip(constants, names[len(drafts) :], strict=True):
        shape = const.shape[1:] if const.shape[:1] == (1,) else const.shape
        weight = Weight("bias", const, shape)
        parameters = parameters_of([weight], name.id, keys, weights)
        layers.append(
            Layer(
                id=name.id,
                name=name.name,
                path=name.path,
                kind="constant",
                op="Constant",
                output_shapes=(shape,),
                parameters=parameters,
            )
        )
        edges[const.name] = Edge(layer=name.id)
        fixed[name.id] = const
    for draft, name in zip(drafts, names, strict=False):
        for position, value in enumerate(draft.outputs):
            edges[value] = Edge(layer=name.id, output=position)
    calls: Counter[str] = Counter()
    for draft, name in zip(drafts, names, strict=False):
        parts = [sample_shape(graph, value, batch) for value in draft.outputs]
        known = tuple(part for part in parts if part is not None)
        parameters = parameters_of(draft.weights, name.id, keys, weights)
        shared = next((p.key for p in parameters if p.role == "kernel"), "")
        extra = draft.extra | ({"attached": draft.fused_nodes} if draft.fused_nodes else {})
        layers.append(
            Layer(
                id=name.id,
                name=name.name,
                kind=draft.kind,
                path=name.path,
                op=draft.op,
                inputs=tuple(edges[value] for value in draft.inputs if value in edges),
                output_shapes=known if len(known) == len(parts) else known[:1] if parts[0] is not None else (),
                attributes=Attributes(**draft.attributes, extra=extra),
                parameters=parameters,
                fused=tuple(draft.fused),
                call=calls[shared] if shared else 0,
                source=source_of(draft.node.properties),
            )
        )
        values[name.id] = draft.output
        calls[shared] += 1
    missing = {name.id: draft.missing for draft, name in zip(drafts, names, strict=False) if draft.missing}
    outputs = tuple(dict.fromkeys(edges[value].layer for value in graph.outputs if value in edges))
    network = Network(layers=tuple(layers), inputs=graph.inputs, outputs=outputs)
    return Built(network, values, weights, fixed, missing, last)


def parameters_of(
    given: list[Weight], id: str, keys: dict[tuple[str, str, str, tuple[int, ...]], str], weights: dict[str, Weight]
) -> tuple[Parameter, ...]:
    """The parameters of a layer; what another layer has already keeps the key that it has there."""
    found = []
    for weight in given:
        same = (weight.const.name, weight.role, weight.change, weight.shape)
        key = keys.setdefault(same, f"{id}/{weight.role}")
        weights.setdefault(key, weight)
        found.append(
            Parameter(
                role=weight.role,
                key=key,
                shape=weight.shape,
                trainable=weight.role not in ("mean", "variance"),
                source_axes=weight.source_axes,
            )
        )
    return tuple(found)


def sample_shape(graph: Graph, value: str, batch: int) -> tuple[int, ...] | None:
    """The shape of one sample's value: without the batch where it has one."""
    shape = graph.shape(value)
    if shape is None:
        return None
    return shape[1:] if shape and shape[0] == batch else shape
