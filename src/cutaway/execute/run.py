"""Walks a network and computes layer after layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from cutaway.errors import SourceError, UnknownLayer
from cutaway.execute import pointwise, shaping
from cutaway.execute.about import Weights, function_name, named
from cutaway.execute.kinds import FUSED, LAYERS, fused
from cutaway.execute.plain import ALONG_AN_AXIS, OTHERS
from cutaway.network import Layer, Network


def execute(
    network: Network,
    parameters: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
    wanted: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """What every wanted layer puts out: layer id -> array [N, …output shape], in the network's order.

    parameters: by key, in canonical axes. inputs: input layer's id -> [N, C, H, W] or [N, …].
    wanted: ids of layers; None for all. Layers that none of these needs are not computed, and what nobody needs any
    more is freed on the way. Computes in float32, or in float64 where an input is float64.

    Raises SourceError naming the layer where its kind can't be computed or its numbers don't fit together, and
    UnknownLayer for a wanted layer that the network does not have.
    """
    ids = {layer.id for layer in network}
    for name in wanted or ():
        if name not in ids:
            raise UnknownLayer(f"no layer {name!r} in this network to compute")
    needed = needed_for(network, ids if wanted is None else set(wanted))
    users = Counter(edge.layer for layer in network if layer.id in needed for edge in layer.inputs)
    kind = np.result_type(np.float32, *(values.dtype for values in inputs.values() if values.dtype.kind == "f"))
    count = len(next(iter(inputs.values()))) if inputs else 1
    kept: dict[str, np.ndarray] = {}
    alive: dict[str, list[np.ndarray]] = {}
    for layer in network:
        if layer.id not in needed:
            continue
        if layer.id in inputs:
            outputs = [np.asarray(inputs[layer.id], kind)]
        else:
            given = [output(alive, edge.layer, edge.output, layer) for edge in layer.inputs]
            outputs = computed(layer, given, weights_of(layer, parameters, kind), count, kind)
        if wanted is None or layer.id in wanted:
            kept[layer.id] = outputs[0]
        if users[layer.id]:
            alive[layer.id] = outputs
        for edge in layer.inputs:
            users[edge.layer] -= 1
            if not users[edge.layer]:
                alive.pop(edge.layer, None)
    return kept


def needed_for(network: Network, wanted: Collection[str]) -> set[str]:
    """The wanted layers and all that they depend on."""
    needed = set(wanted)
    for layer in reversed(network.layers):  # every layer stands behind those that it reads
        if layer.id in needed:
            needed.update(edge.layer for edge in layer.inputs)
    return needed


def output(alive: Mapping[str, list[np.ndarray]], id: str, number: int, reader: Layer) -> np.ndarray:
    outputs = alive.get(id)
    if outputs is None:
        raise SourceError(f"layer {reader.id!r} reads {id!r}, which does not stand before it")
    if number >= len(outputs):
        raise SourceError(f"layer {reader.id!r} reads output {number} of {id!r}, which has {len(outputs)}")
    return outputs[number]


def weights_of(layer: Layer, parameters: Mapping[str, np.ndarray], kind: Any) -> dict[str, np.ndarray]:
    """The parameters of a layer by role. Raises SourceError for one that is missing."""
    weights = {}
    for parameter in layer.parameters:
        if parameter.key not in parameters:
            raise SourceError(f"layer {layer.id!r}: its {parameter.role} ({parameter.key!r}) is missing")
        weights[str(parameter.role)] = np.asarray(parameters[parameter.key], kind)
    return weights


def computed(layer: Layer, given: list[np.ndarray], weights: Weights, count: int, kind: Any) -> list[np.ndarray]:
    """The outputs of one layer, with everything that is fused to it."""
    if layer.kind == "input":
        raise SourceError(f"layer {layer.id!r} is an input, and nothing was given for it")
    function = LAYERS.get(layer.kind)
    if function is None:
        raise SourceError(
            f"layer {layer.id!r}: {named(layer)} can't be computed here; its graph and weights are shown, "
            "its activations are not"
        )
    try:
        with np.errstate(all="ignore"):  # a NaN or an overflow is the model's own, and is shown
            if layer.kind == "constant":
                given = [np.empty((count, 0), kind)]
            if not given:
                raise ValueError("it has no input")
            result = function(layer, given, weights)
            outputs = list(result) if isinstance(result, list) else [result]
            for name in layer.fused:
                outputs[0] = fused(name, layer, outputs[0], weights)
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
        shapes = ", ".join("×".join(map(str, values.shape[1:])) or "1" for values in given)
        text = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        raise SourceError(f"layer {layer.id!r} ({named(layer)}) on {shapes}: {text}") from None
    return [np.asarray(values, kind) for values in outputs]


def stages(layer: Layer, given: list[np.ndarray], parameters: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The first output of a layer [N, …] as its kind alone makes it, and behind each of `fused`.

    given: what it reads, in the order of its inputs; parameters: by key. Raises SourceError as `execute`.
    """
    weights = weights_of(layer, parameters, np.float32)
    found = computed(replace(layer, fused=()), given, weights, len(given[0]), np.float32)[:1]
    for name in layer.fused:
        with np.errstate(all="ignore"):
            found.append(np.asarray(fused(name, layer, found[-1].view(), weights), np.float32))  # a view stays as it is
    return found


def unsupported(network: Network) -> dict[str, str]:
    """Layers that `execute` can't compute: id -> why, in words; those that depend on one of them are listed too."""
    why: dict[str, str] = {}
    for layer in network:
        blocked = next((edge.layer for edge in layer.inputs if edge.layer in why), None)
        if layer.kind != "input" and not supports(layer):
            why[layer.id] = f"{named(layer)} can't be computed here"
        elif blocked is not None:
            root = why[blocked] if why[blocked].startswith("it depends on ") else f"it depends on {blocked!r}"
            why[layer.id] = root
    return why


def supports(layer: Layer) -> bool:
    """Whether a layer's kind, and the function that it names, can be computed."""
    known = {*pointwise.FUNCTIONS, *ALONG_AN_AXIS}
    if not all(pointwise.plain(name) in known or pointwise.plain(name) in FUSED for name in layer.fused):
        return False
    extra = layer.attributes.extra
    match layer.kind:
        case "activation":
            return pointwise.plain(function_name(layer)) in known
        case "other":
            return pointwise.plain(function_name(layer)) in OTHERS
        case "upsample":
            return extra.get("mode", "nearest") in shaping.UPSAMPLE_MODES
        case "pad":
            return extra.get("mode", "constant") in shaping.PAD_MODES
    return layer.kind in LAYERS
