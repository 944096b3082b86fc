"""Output shapes for every kind of layer, from the shapes of its inputs; nothing is computed.

Shapes are those of one sample, without the batch: (C, H, W) for maps, (C,) for vectors. What a layer's attributes mean
stands in `cutaway.execute`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cutaway.errors import CutawayError
from cutaway.network import Layer
from cutaway.shapes import output_size, pool_size, transposed_size

Shape = tuple[int, ...]

SAME = {
    *("batch_norm", "layer_norm", "group_norm", "relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu"),
    *("softmax", "activation", "dropout", "output"),
}


def layer_shapes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    """The shapes of a layer's outputs; () where they don't follow from the inputs' (other, attention, recurrent …).

    Raises CutawayError naming the layer where inputs and attributes don't fit together.
    """
    function = SHAPES.get(layer.kind)
    try:
        if layer.kind in SAME:
            shapes: tuple[Shape, ...] = (tuple(inputs[0]),)
        elif function is None:
            return ()
        else:
            shapes = function(layer, [tuple(shape) for shape in inputs])
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
        given = ", ".join("×".join(map(str, shape)) for shape in inputs)
        raise CutawayError(f"layer {layer.id!r} ({layer.kind}) on {given or 'nothing'}: {error}") from None
    if "flatten" in layer.fused and shapes:
        shapes = ((math.prod(shapes[0]),), *shapes[1:])
    return shapes


def per_axis(values: Any, rank: int, default: Any) -> tuple[Any, ...]:
    """One entry per spatial axis; one for all of them."""
    given = tuple(values or ())
    if len(given) == 1:
        return given * rank
    return (*(default,) * (rank - len(given)), *given)[-rank:] if rank else ()


def kernel_shape(layer: Layer) -> Shape:
    found = layer.parameter("kernel") or layer.parameter("depthwise")
    if found is None:
        raise ValueError("it has no kernel")
    return found.shape


def window(layer: Layer, rank: int, kernel: Shape) -> tuple[tuple[Any, ...], ...]:
    attributes = layer.attributes
    return (
        per_axis(kernel, rank, 1),
        per_axis(attributes.stride, rank, 1) or (1,) * rank,
        per_axis(attributes.padding, rank, (0, 0)) or ((0, 0),) * rank,
        per_axis(attributes.dilation, rank, 1) or (1,) * rank,
    )


def conv(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape = kernel_shape(layer)
    rank = len(inputs[0]) - 1
    maps = shape[0]
    pointwise = layer.parameter("pointwise")
    if pointwise is not None:
        maps = pointwise.shape[0]
    sides = window(layer, rank, layer.attributes.kernel or shape[2:])
    return ((maps, *map(output_size, inputs[0][1:], *sides)),)


def conv_transpose(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape = kernel_shape(layer)
    rank = len(inputs[0]) - 1
    extra = per_axis(layer.attributes.extra.get("output_padding"), rank, 0) or (0,) * rank
    sides = window(layer, rank, layer.attributes.kernel or shape[2:])
    return ((shape[1] * (layer.attributes.groups or 1), *map(transposed_size, inputs[0][1:], *sides, extra)),)


def dense(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    units, values = kernel_shape(layer)
    shape, attributes = inputs[0], layer.attributes
    if attributes.input_order is None and attributes.axis is not None:
        return (replaced(shape, attributes.axis, units),)
    if len(shape) > 1 and (attributes.input_order is not None or shape[-1] != values):
        return ((units,),)
    return ((*shape[:-1], units),)


def pool(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    attributes, shape = layer.attributes, inputs[0]
    rank = len(shape) - 1
    kernel, stride, padding, dilation = window(layer, rank, attributes.kernel or (1,))
    if attributes.stride is None:
        stride = kernel
    ceil = bool(attributes.extra.get("ceil_mode"))
    axes = zip(shape[1:], kernel, stride, padding, dilation, strict=True)
    return ((shape[0], *(pool_size(*axis, ceil=ceil) for axis in axes)),)


def global_pool(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    keep = layer.attributes.extra.get("keepdims")
    return ((inputs[0][0], *(1,) * (len(inputs[0]) - 1 if keep else 0)),)


def adaptive_pool(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape = inputs[0]
    size = layer.attributes.extra.get("output_size", 1)
    sizes = size if isinstance(size, list | tuple) else (size,) * (len(shape) - 1)
    return ((shape[0], *(b if s is None else s for s, b in zip(sizes, shape[1:], strict=True))),)


def broadcast(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shapes = [*inputs, *(parameter.shape for parameter in layer.parameters)]
    shapes.append(nested_shape(layer.attributes.extra.get("constant")))
    rank = max(map(len, shapes))
    lined_up = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    made = []
    for sizes in zip(*lined_up, strict=True):
        several = {size for size in sizes if size != 1}
        if len(several) > 1:
            raise ValueError("the shapes can't be broadcast to each other")
        made.append(several.pop() if several else 1)
    return (tuple(made),)


def concat(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    axis = layer.attributes.axis or 0
    shapes = [*inputs, *(parameter.shape for parameter in layer.parameters)]
    if len({replaced(shape, axis, 0) for shape in shapes}) > 1:
        raise ValueError(f"only the sizes along axis {axis} may differ")
    return (replaced(shapes[0], axis, sum(shape[axis] for shape in shapes)),)


def flatten(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape, extra = inputs[0], layer.attributes.extra
    start, end = extra.get("start", 0) % len(shape), extra.get("end", -1) % len(shape)
    return ((*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]),)


def reshape(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape = tuple(layer.attributes.extra["shape"])
    total = math.prod(inputs[0])
    if -1 in shape:
        rest = math.prod(size for size in shape if size != -1)
        shape = tuple(total // rest if size == -1 else size for size in shape)
    if math.prod(shape) != total:
        raise ValueError(f"{total} values don't make {list(shape)}")
    return (shape,)


def permute(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    return (tuple(inputs[0][axis] for axis in layer.attributes.extra["permutation"]),)


def pad(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    return (grown(inputs[0], layer.attributes.padding or (), 1),)


def crop(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape, extra = inputs[0], layer.attributes.extra
    if "split" in extra:
        return tuple(replaced(shape, layer.attributes.axis or 0, size) for size in extra["split"])
    if "slices" in extra:
        parts = extra["slices"]
        made = tuple(
            len(range(*slice(*part).indices(size)))
            for part, size in zip(parts, shape, strict=False)
            if isinstance(part, list | tuple)
        )
        return ((*made, *shape[len(parts) :]),)
    return (grown(shape, layer.attributes.padding or (), -1),)


def upsample(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    shape, extra = inputs[0], layer.attributes.extra
    if extra.get("mode") == "pixel_shuffle":
        factor = int(extra["scale"])
        return ((shape[0] // factor**2, *(size * factor for size in shape[1:])),)
    if extra.get("size"):
        return ((shape[0], *extra["size"]),)
    scale = extra["scale"]
    scales = scale if isinstance(scale, list | tuple) else (scale,) * (len(shape) - 1)
    return ((shape[0], *(math.floor(s * f + 1e-6) for s, f in zip(shape[1:], scales, strict=True))),)


def constant(layer: Layer, inputs: Sequence[Shape]) -> tuple[Shape, ...]:
    if layer.parameters:
        return (layer.parameters[0].shape,)
    return (nested_shape(layer.attributes.extra.get("value")),)


def nested_shape(value: Any) -> Shape:
    """The shape of lists in lists; () of a number."""
    shape = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def replaced(shape: Shape, axis: int, size: int) -> Shape:
    """The shape with another size along one axis."""
    position = axis % len(shape)
    return (*shape[:position], size, *shape[position + 1 :])


def grown(shape: Shape, padding: Sequence[Sequence[int]], sign: int) -> Shape:
    """The last axes with padding put around them, or cut off."""
    lead = len(shape) - len(padding)
    ends = (size + sign * (low + high) for size, (low, high) in zip(shape[lead:], padding, strict=True))
    return (*shape[:lead], *ends)


SHAPES: dict[str, Callable[[Layer, Sequence[Shape]], tuple[Shape, ...]]] = {
    "conv1d": conv,
    "conv2d": conv,
    "conv3d": conv,
    "depthwise_conv2d": conv,
    "conv_transpose2d": conv_transpose,
    "dense": dense,
    "max_pool2d": pool,
    "average_pool2d": pool,
    "global_average_pool": global_pool,
    "adaptive_pool": adaptive_pool,
    "add": broadcast,
    "multiply": broadcast,
    "subtract": broadcast,
    "concat": concat,
    "flatten": flatten,
    "reshape": reshape,
    "permute": permute,
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "constant": constant,
}
