"""Summaries of one checkpoint: ranges, histograms, dead maps, norms, and how far the weights moved.

The viewer scales colours with them before it has fetched a single tensor, and draws from them how each layer changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cutaway.network import Layer, Network
from cutaway.recording.activations import Outputs, maps_of
from cutaway.recording.schema import LayerSummary, Summary, TensorSummary
from cutaway.recording.statistics import (
    Rows,
    Tally,
    of_each,
    relative_change,
    saturated_share,
    short,
    summarise_tensor,
)
from cutaway.recording.steps import parts

WEIGHT_ROLES = ("kernel", "depthwise", "pointwise")

LIMITS = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
"""Between which limits the functions that saturate stay, by name without underscores."""

MOST_CLASSES = 1000
"""Outputs with more numbers than this are not copied into the summary."""

MOST_MAPS = 256
"""Layers with more maps have no histogram of each, so that the summary of a large network stays small."""

Arrays = Mapping[str, np.ndarray]


def summarise(
    network: Network,
    parameters: Arrays,
    activations: Mapping[str, Rows],
    before: Arrays | None = None,
    gradients: Arrays | None = None,
    step_update: Mapping[str, float] | None = None,
) -> Summary:
    """The summary of one checkpoint.

    `parameters`, `before` (those of the checkpoint before, None for the first), `gradients` and `step_update`
    (‖Δw‖ / ‖w‖ of one step of the optimiser) by parameter key; `activations` by layer id, [sample, C, …]. Layers with
    nothing of it are left out. What lies between the steps of a layer (`Layer.steps`) has a summary, too.
    """
    layers = {}
    for layer in (one for whole in network for one in (whole, *parts(whole)[:-1])):
        outputs = activations.get(layer.id)
        weights = of_layer(layer, parameters)
        if outputs is None and not weights:
            continue
        step = (step_update or {}).get(kernel_key(layer) or "")
        layers[layer.id] = LayerSummary(
            **({} if outputs is None else summarise_outputs(layer, outputs)),
            parameters=weights,
            update_ratio=update_ratio(layer, parameters, before or {}),
            step_update_ratio=None if step is None else short(step),
            gradients=of_layer(layer, gradients or {}),
        )
    return Summary(layers=layers, scores=scores(network, activations))


def of_layer(layer: Layer, tensors: Arrays) -> dict[str, TensorSummary]:
    """Summaries by role of a layer's parameters, or of their gradients."""
    return {p.role: summarise_tensor(tensors[p.key]) for p in layer.parameters if p.key in tensors}


def summarise_outputs(layer: Layer, outputs: Rows) -> dict[str, Any]:
    """The fields of a LayerSummary that are about what a layer put out, [sample, C, …]."""
    shape = outputs.shape
    maps = maps_of(shape[1:])
    tally = outputs.tally if isinstance(outputs, Outputs) else Tally.of(outputs, maps)
    low, high, mean, dead = tally.of_maps() if len(shape) > 1 else ((), (), (), ())
    limits = limits_of(layer)
    each = layer.kind != "input" and maps <= MOST_MAPS and math.prod(shape[2:]) > 1
    counts = tally.count(outputs, maps if each else 1)
    return {
        "activations": tally.of_tensor(counts),
        "map_low": low,
        "map_high": high,
        "map_mean": mean,
        "dead": dead,
        "saturated": None if limits is None else saturated_share(outputs, *limits),
        "map_histograms": of_each(counts) if each else (),
    }


def limits_of(layer: Layer) -> tuple[float, float] | None:
    """Between which limits a layer's recorded output saturates, None where it does not."""
    names = [layer.kind, str(layer.attributes.extra.get("name", "")), layer.op.rpartition(".")[2], *layer.fused]
    found = [LIMITS[name] for name in (name.replace("_", "").lower() for name in names) if name in LIMITS]
    return found[-1] if found else None


def class_scores(network: Network, activations: Mapping[str, Rows]) -> np.ndarray | None:
    """The network's first output, [sample, class]; None where it was not recorded or is no vector."""
    output = activations.get(network.outputs[0]) if network.outputs else None
    return np.asarray(output) if output is not None and len(output.shape) == 2 else None


def scores(network: Network, activations: Mapping[str, Rows]) -> tuple[tuple[float | None, ...], ...] | None:
    """The class scores, [sample][class], to 7 digits; None where there are none, or more than 1,000."""
    output = class_scores(network, activations)
    if output is None or output.shape[1] > MOST_CLASSES:
        return None
    return tuple(tuple(short(one) if math.isfinite(one) else None for one in row.tolist()) for row in output)


def kernel_key(layer: Layer) -> str | None:
    """Key of a layer's weights, None where it has none."""
    return next((p.key for p in layer.parameters if p.role in WEIGHT_ROLES), None)


def update_ratio(layer: Layer, parameters: Arrays, before: Arrays) -> float | None:
    """‖w − w before‖ / ‖w before‖ of a layer's kernel; None without a kernel before, or where it was zero."""
    key = kernel_key(layer)
    if key is None or key not in parameters or key not in before:
        return None
    ratio = relative_change(before[key], parameters[key])
    return None if ratio is None else short(ratio)
