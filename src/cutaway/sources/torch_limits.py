"""What of a program from a file is computed: what the executor knows, whose shapes are those that the file declares,
and whose memory on the way stays small. A file of a few bytes must not fill a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cutaway.errors import CutawayError
from cutaway.execute import unsupported
from cutaway.network import Layer, Network
from cutaway.shapes_of import layer_shapes

TENSOR_NUMBERS = 64 << 20
"""In one tensor for one sample, also in one that is only there on the way: more than any picture needs."""

TAPS = 1 << 18
"""Positions in one window."""

Shape = tuple[int, ...]


def uncomputed(network: Network) -> dict[str, str]:
    """Layers that are not computed: id -> why, in words; those that depend on one of them are listed too."""
    why = unsupported(network)
    shapes = {layer.id: layer.output_shapes for layer in network}
    for layer in network:
        if layer.id in why or layer.kind in ("input", "constant"):
            continue
        blocked = next((edge.layer for edge in layer.inputs if edge.layer in why), None)
        if blocked is not None:
            why[layer.id] = why[blocked] if why[blocked].startswith("it depends on ") else f"it depends on {blocked!r}"
            continue
        try:
            inputs = [shapes[edge.layer][edge.output] for edge in layer.inputs]
            reason = contradiction(layer, inputs) or excess(layer, inputs)
        except (CutawayError, IndexError, ValueError, TypeError) as error:
            reason = str(error)[:200]
        if reason:
            why[layer.id] = reason
    return why


def contradiction(layer: Layer, inputs: Sequence[Shape]) -> str | None:
    """Why a layer can't put out what is declared; None when it does."""
    found = layer_shapes(layer, inputs) if layer.kind != "other" else other_shapes(layer, inputs)
    if found[: len(layer.output_shapes)] == layer.output_shapes[: len(found)] and found:
        return None
    given, declared = (" × ".join(map(str, shapes[0])) if shapes else "?" for shapes in (found, layer.output_shapes))
    return f"its arguments give {given}, the file says {declared}"


def other_shapes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    """Shapes of what has no kind of its own: arithmetic that broadcasts, products of matrices, means over axes."""
    name = str(layer.attributes.extra.get("name"))
    own = [parameter.shape for parameter in layer.parameters]
    if name in ("mean", "sum", "max", "min"):
        axes = [axis % len(inputs[0]) for axis in layer.attributes.extra.get("axes", ())]
        if layer.attributes.extra.get("keepdims"):
            return (tuple(1 if axis in axes else size for axis, size in enumerate(inputs[0])),)
        return (tuple(size for axis, size in enumerate(inputs[0]) if axis not in axes),)
    if name == "matmul":
        (*first, rows, inner), (*second, also, columns) = inputs
        return ((*np.broadcast_shapes(tuple(first), tuple(second)), rows, columns),) if inner == also else ()
    return (tuple(np.broadcast_shapes(*inputs, *own)),)


def excess(layer: Layer, inputs: Sequence[Shape]) -> str | None:
    """Why computing a layer would need too much memory or time; None when it does not."""
    attributes = layer.attributes
    if attributes.kernel is None or not inputs or len(inputs[0]) < 2:
        return None
    rank = len(inputs[0]) - 1
    kernel, stride, dilation = (
        fitted(values, rank) for values in (attributes.kernel, attributes.stride, attributes.dilation)
    )
    padding = (((0, 0),) * rank + (attributes.padding or ()))[-rank:]
    before, after = inputs[0][1:], layer.output_shape[1:]
    steps = before if layer.kind == "conv_transpose2d" else after
    extents = [
        max(size + abs(low) + abs(high), (count - 1) * step + spread * (taps - 1) + 1)
        for size, count, taps, step, spread, (low, high) in zip(
            before, steps, kernel, stride, dilation, padding, strict=True
        )
    ]
    if min(*kernel, *stride, *dilation) < 1:
        return "its window has a size, stride or dilation below 1"
    channels = max(inputs[0][0], layer.output_shape[0])
    if math.prod(extents) * channels > TENSOR_NUMBERS or math.prod(kernel) > TAPS:
        return "its window reaches too far"
    return None


def fitted(values: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """One number per axis."""
    return ((1,) * rank + (values or ()))[-rank:]
