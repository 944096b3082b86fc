"""Arithmetic on shapes: output sizes, padding, parameter counts, receptive fields. Nothing here touches values."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from cutaway.errors import CutawayError
from cutaway.network import Layer, Network

POINTWISE = {
    *("batch_norm", "relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu", "activation"),
    *("add", "multiply", "subtract", "concat", "dropout", "output"),
}
"""Kinds whose output pixel (y, x) depends on nothing but the pixel (y, x) of each input."""

WINDOWED = {"conv1d", "conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d"}


class Box(NamedTuple):
    """A half-open box of pixels: top ≤ y < bottom, left ≤ x < right."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def empty(self) -> bool:
        return self.bottom <= self.top or self.right <= self.left


T = TypeVar("T")

NOTHING = Box(0, 0, 0, 0)


def output_size(size: int, kernel: int, stride: int = 1, padding: tuple[int, int] = (0, 0), dilation: int = 1) -> int:
    """Pixels along one axis that a convolution or pooling window puts out; 0 when it does not fit once.

    `padding` is (before, after). Formula: Dumoulin and Visin, "A guide to convolution arithmetic", 2016.
    """
    span = dilation * (kernel - 1) + 1
    return max(0, (size + padding[0] + padding[1] - span) // stride + 1)


def pool_size(
    size: int, kernel: int, stride: int, padding: tuple[int, int] = (0, 0), dilation: int = 1, *, ceil: bool = False
) -> int:
    """Pixels along one axis that a pool puts out; with `ceil` a last window counts that reaches over the end.

    That one has to start inside the pixels or the padding before them, as PyTorch and ONNX have it.
    """
    whole = output_size(size, kernel, stride, padding, dilation)
    span = dilation * (kernel - 1) + 1
    over = size + sum(padding) - span
    if not ceil or over < 0 or over % stride == 0:
        return whole
    return whole + 1 if whole * stride < size + padding[0] else whole


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: tuple[int, int] = (0, 0), dilation: int = 1, extra: int = 0
) -> int:
    """Pixels along one axis that a transposed convolution puts out; `extra` is its output padding."""
    return max(0, (size - 1) * stride - padding[0] - padding[1] + dilation * (kernel - 1) + 1 + extra)


def window_shape(
    shape: tuple[int, int],
    kernel: tuple[int, ...],
    stride: tuple[int, ...] = (1, 1),
    padding: tuple[tuple[int, int], ...] = ((0, 0), (0, 0)),
    dilation: tuple[int, ...] = (1, 1),
) -> tuple[int, int]:
    """(H, W) that a convolution or pooling window makes of (H, W)."""
    height, width = (
        output_size(size, k, s, p, d) for size, k, s, p, d in zip(shape, kernel, stride, padding, dilation, strict=True)
    )
    return height, width


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """(before, after) padding of TensorFlow's SAME: the output has ⌈size / stride⌉ pixels, an odd rest goes behind."""
    wanted = -(-size // stride)
    total = max(0, (wanted - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


def parameter_count(of: Layer | Network) -> int:
    """Numbers in the parameters of a layer or of a network; a parameter that layers share counts once."""
    layers = of.layers if isinstance(of, Network) else (of,)
    shapes = {parameter.key: parameter.shape for layer in layers for parameter in layer.parameters}
    return sum(math.prod(shape) for shape in shapes.values())


def receptive_field(network: Network, layer: str, y: int, x: int, input: str | None = None) -> Box:
    """Input pixels that the output pixel (y, x) of `layer` depends on; for a unit of a vector y = x = 0.

    `input` names one of several inputs; without it the first is meant. Returns a half-open box in input pixels,
    clipped to the image; padding is not part of it. Empty when the layer does not depend on that input. A layer whose
    kind mixes positions in a way that is not known here (attention, reshape, other) counts as depending on all pixels.
    Raises UnknownLayer, and CutawayError for a pixel outside the map.
    Formula: Araujo et al., "Computing Receptive Fields of CNNs", Distill 2019.
    """
    height, width = map_size(network.layer(layer))
    if not (0 <= y < height and 0 <= x < width):
        raise CutawayError(f"layer {layer!r} has {height}×{width} pixels; there is none at ({y}, {x})")
    target = network.layer(input).id if input is not None else network.inputs[0]
    boxes = {layer: Box(y, x, y + 1, x + 1)}
    for node in reversed(network.layers):  # every layer stands behind those that it reads
        box = boxes.get(node.id, NOTHING)
        if node.id == target:
            return box
        if box.empty:
            continue
        for edge in node.inputs:
            before = box_before(node, box, network.layer(edge.layer))
            boxes[edge.layer] = union(boxes.get(edge.layer, NOTHING), before)
    return NOTHING


def box_before(layer: Layer, box: Box, source: Layer) -> Box:
    """What one layer needs of the map that it reads, to compute a box of its own output."""
    height, width = map_size(source)
    whole = Box(0, 0, height, width)
    attributes = layer.attributes
    if layer.kind in WINDOWED and attributes.kernel:
        top, bottom = span(box.top, box.bottom, layer, 0)
        left, right = span(box.left, box.right, layer, 1)
    elif layer.kind == "conv_transpose2d" and attributes.kernel:
        top, bottom = transposed_span(box.top, box.bottom, layer, 0)
        left, right = transposed_span(box.left, box.right, layer, 1)
    elif layer.kind in ("adaptive_pool", "upsample") and len(layer.output_shape) == 3:
        # Both map output pixel i of n to the share [i / n, (i + 1) / n) of the input.
        (rows, columns) = map_size(layer)
        top, bottom = box.top * height // rows, -(-box.bottom * height // rows)
        left, right = box.left * width // columns, -(-box.right * width // columns)
    elif layer.kind in ("pad", "crop") and attributes.padding:
        sign = 1 if layer.kind == "pad" else -1
        (down, _), (across, _) = two(attributes.padding, (0, 0))
        top, bottom = box.top - sign * down, box.bottom - sign * down
        left, right = box.left - sign * across, box.right - sign * across
    elif layer.kind in POINTWISE and (height, width) == map_size(layer):
        return box
    else:
        return whole
    return clip(Box(top, left, bottom, right), whole)


def span(first: int, last: int, layer: Layer, axis: int) -> tuple[int, int]:
    """Input pixels (half-open) under the windows of output pixels first … last - 1 along one axis."""
    kernel, stride, (before, _), dilation = along(layer, axis)
    start = first * stride - before
    return start, (last - 1) * stride - before + dilation * (kernel - 1) + 1


def transposed_span(first: int, last: int, layer: Layer, axis: int) -> tuple[int, int]:
    """Input pixels (half-open) whose stamps reach output pixels first … last - 1 along one axis."""
    kernel, stride, (before, _), dilation = along(layer, axis)
    reach = dilation * (kernel - 1)
    return -(-(first + before - reach) // stride), (last - 1 + before) // stride + 1


def along(layer: Layer, axis: int) -> tuple[int, int, tuple[int, int], int]:
    """Kernel, stride, padding and dilation of a layer along an axis: 0 vertical, 1 horizontal."""
    attributes = layer.attributes
    return (
        two(attributes.kernel, 1)[axis],
        two(attributes.stride, 1)[axis],
        two(attributes.padding, (0, 0))[axis],
        two(attributes.dilation, 1)[axis],
    )


def two(values: tuple[T, ...] | None, default: T) -> tuple[T, T]:
    """(vertical, horizontal) of an attribute; what is 1-D is horizontal."""
    given = values or ()
    return (*(default,) * (2 - len(given)), *given)[-2:]  # type: ignore[return-value]


def map_size(layer: Layer) -> tuple[int, int]:
    """(H, W) of a layer's maps; a vector is one pixel, a 1-D map one row."""
    shape = layer.output_shape
    if len(shape) < 2:
        return 1, 1
    return (1, shape[1]) if len(shape) == 2 else (shape[-2], shape[-1])


def union(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    if a.empty or b.empty:
        return b if a.empty else a
    return Box(min(a.top, b.top), min(a.left, b.left), max(a.bottom, b.bottom), max(a.right, b.right))


def clip(box: Box, to: Box) -> Box:
    """The part of a box inside another."""
    return Box(max(box.top, to.top), max(box.left, to.left), min(box.bottom, to.bottom), min(box.right, to.right))


def with_shapes(network: Network) -> Network:
    """The network with the output shapes that its layers don't tell, as far as these follow from their inputs."""
    from cutaway.shapes_of import layer_shapes

    known: dict[str, tuple[tuple[int, ...], ...]] = {}
    layers = []
    for layer in network.layers:
        if not layer.output_shapes:
            given = [known.get(edge.layer, ())[edge.output : edge.output + 1] for edge in layer.inputs]
            if all(given):
                layer = replace(layer, output_shapes=layer_shapes(layer, [one[0] for one in given]))
        known[layer.id] = layer.output_shapes
        layers.append(layer)
    return replace(network, layers=tuple(layers))
