"""Windows over maps and matrix products: convolutions, pools, dense layers, with TensorFlow's ways to pad."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from cutaway.network import Kind
from cutaway.shapes import output_size, same_padding
from cutaway.sources.tf_convert import Converter
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known
from cutaway.sources.tf_layers import Flow, Value, Weight
from cutaway.sources.tf_norm import channels

Pairs = tuple[tuple[int, int], ...]
MAX_POOLED = 1 << 31
"""Pixels under all windows of a pool together."""


class Window(NamedTuple):
    """One entry for each spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]


def is_last(node: Node) -> bool:
    return not node.text("data_format").startswith("NC")


def known(value: Value | None) -> Known:
    if not isinstance(value, Known):
        raise ValueError("weights that depend on the input")
    return value


def spatial(entries: list[int], last: bool, default: int, rank: int) -> tuple[int, ...]:
    """The entries of the spatial axes of one for every axis."""
    if not entries:
        return (default,) * rank
    if len(entries) != rank + 2:
        raise ValueError("windows with entries for other axes")
    batch, *rest = entries
    channel = rest.pop() if last else rest.pop(0)
    if batch != 1 or channel != 1:
        raise ValueError("a window over channels or over the batch")
    if any(not 1 <= one <= 1 << 20 for one in rest):
        raise ValueError("a window without a size")
    return tuple(rest)


def windowed(
    c: Converter, node: Node, x: Flow, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Pairs, tuple[int, ...]]:
    """Padding and size of the output, per spatial axis."""
    size = x.canonical()[1:]
    way = node.text("padding")
    padding: Pairs
    if way == "SAME":
        padding = tuple(map(same_padding, size, kernel, stride, dilation))
    elif way == "EXPLICIT":
        pairs = list(zip(*[iter(node.ints("explicit_paddings"))] * 2, strict=True))
        padding = tuple(pairs[1:-1] if x.last else pairs[2:])
    else:
        padding = ((0, 0),) * len(size)
    return padding, covered(c, node, x, Window(kernel, stride, padding, dilation))


def covered(c: Converter, node: Node, x: Flow, window: Window) -> tuple[int, ...]:
    """The size of the output. Raises Damaged where padding makes maps of any size of a small one."""
    size = x.canonical()[1:]
    padded = tuple(pixels + sum(pair) for pixels, pair in zip(size, window.padding, strict=True))
    if any(low < 0 or high < 0 for low, high in window.padding):
        raise ValueError("negative padding")
    c.spend(math.prod(padded) * channels(x), node, (0, *padded), kept=False)
    return tuple(map(output_size, size, *window))


def shaped(c: Converter, x: Flow, maps: int, size: tuple[int, ...]) -> tuple[int, ...]:
    """TensorFlow's shape of maps."""
    if not all(size):
        raise ValueError("the window is larger than the maps")
    return (c.batch, *size, maps) if x.last else (c.batch, maps, *size)


def convolution(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Conv2D and Conv3D; the kernel is HWIO, DHWIO, and groups are its fewer input channels."""
    x, kernel = c.laid(c.plain(given[0], blocks=True), is_last(node)), known(given[1])
    if not x.shape:
        return unsized(c, node, x, kernel, "conv2d", "HWIO") if len(kernel.shape) == 4 else c.box(node, [x])
    rank = len(x.shape) - 2
    taps, dilation = kernel.shape[:rank], spatial(node.ints("dilations"), x.last, 1, rank)
    atrous = x.atrous
    if atrous:
        x, dilation = replace(x, atrous=None), atrous.block
    stride = spatial(node.ints("strides"), x.last, 1, rank)
    groups, rest = divmod(channels(x), kernel.shape[rank])
    if rest or not groups or len(kernel.shape) != rank + 2:
        raise ValueError("its kernel does not fit its input")
    if atrous:
        padding = atrous.padding
        size = covered(c, node, x, Window(taps, stride, padding, dilation))
    else:
        padding, size = windowed(c, node, x, taps, stride, dilation)
    kind: Kind = "conv2d" if rank == 2 else "conv3d"
    flow = c.emit(
        kind, node, [x], shaped(c, x, kernel.shape[-1], size), x.last,
        kernel=taps, stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    c.drafts[flow.draft].weights["kernel"] = Weight(kernel, "HWIO" if rank == 2 else "DHWIO", not kernel.constant)
    return replace(flow, atrous=atrous)


def unsized(c: Converter, node: Node, x: Flow, kernel: Known, kind: Kind, axes: str) -> Flow:
    """A layer behind something whose size is not known: its weights are there, its values can't be."""
    flow = c.emit(kind, node, [x], (), x.last, **({} if kind == "dense" else {"kernel": kernel.shape[:2]}))
    c.drafts[flow.draft].weights["kernel"] = Weight(kernel, axes, not kernel.constant)
    return flow


def depthwise(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """DepthwiseConv2dNative; the kernel is height, width, input channels, maps of each."""
    x, kernel = c.laid(c.plain(given[0], blocks=True), is_last(node)), known(given[1])
    if not x.shape:
        return unsized(c, node, x, kernel, "depthwise_conv2d", "HWIM")
    taps, atrous = kernel.shape[:2], x.atrous
    dilation = spatial(node.ints("dilations"), x.last, 1, 2)
    stride = spatial(node.ints("strides"), x.last, 1, 2)
    if kernel.shape[2] != channels(x):
        raise ValueError("its kernel does not fit its input")
    if atrous:
        x, dilation, padding = replace(x, atrous=None), atrous.block, atrous.padding
        size = covered(c, node, x, Window(taps, stride, padding, dilation))
    else:
        padding, size = windowed(c, node, x, taps, stride, dilation)
    maps = kernel.shape[2] * kernel.shape[3]
    flow = c.emit(
        "depthwise_conv2d", node, [x], shaped(c, x, maps, size), x.last,
        kernel=taps, stride=stride, padding=padding, dilation=dilation, groups=channels(x),
    )  # fmt: skip
    c.drafts[flow.draft].weights["kernel"] = Weight(kernel, "HWIM", not kernel.constant)
    return replace(flow, atrous=atrous)


def transposed(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Conv2DBackpropInput, used forwards: output shape, kernel HWOI, input."""
    x, kernel = c.laid(c.plain(given[2]), is_last(node)), known(given[1])
    target = c.integers(given[0])
    stride = spatial(node.ints("strides"), x.last, 1, 2)
    if any(one != 1 for one in spatial(node.ints("dilations"), x.last, 1, 2)) or len(target) != 4:
        raise ValueError("a dilated transposed convolution")
    size = tuple(target[1:3] if x.last else target[2:])
    taps = kernel.shape[:2]
    if node.text("padding") == "SAME":
        padding = tuple(map(same_padding, size, taps, stride))
    elif node.text("padding") == "VALID":
        padding = ((0, 0), (0, 0))
    else:
        raise ValueError("explicit padding of a transposed convolution")
    plain = [(n - 1) * s - sum(p) + k for n, s, p, k in zip(x.canonical()[1:], stride, padding, taps, strict=True)]
    extra = [wanted - made for wanted, made in zip(size, plain, strict=True)]
    if any(one < 0 for one in extra):
        raise ValueError("an output that its input can't make")
    flow = c.emit(
        "conv_transpose2d", node, [x], shaped(c, x, kernel.shape[2], size), x.last,
        kernel=taps, stride=stride, padding=padding, dilation=(1, 1), groups=1,
        extra={"output_padding": extra} if any(extra) else {},
    )  # fmt: skip
    c.drafts[flow.draft].weights["kernel"] = Weight(kernel, "HWOI", not kernel.constant)
    return flow


def pool(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = c.laid(c.plain(given[0]), is_last(node))
    rank = len(x.shape) - 2
    sizes = [c.integers(one) for one in given[1:3]] if node.op == "MaxPoolV2" else []
    kernel = spatial(sizes[0] if sizes else node.ints("ksize"), x.last, 1, rank)
    stride = spatial(sizes[1] if sizes else node.ints("strides"), x.last, 1, rank)
    padding, size = windowed(c, node, x, kernel, stride, (1,) * rank)
    if math.prod(kernel) * math.prod(size) * channels(x) > MAX_POOLED:
        raise ValueError("a window of more pixels than can be looked at")
    kind: Kind = "average_pool2d" if node.op.startswith("Av") else "max_pool2d"
    return c.emit(
        kind, node, [x], shaped(c, x, channels(x), size), x.last,
        kernel=kernel, stride=stride, padding=padding, dilation=(1,) * rank,
        **({"count_include_pad": False} if kind == "average_pool2d" else {}),
    )  # fmt: skip


def matmul(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """A vector, or a flattened map, times a kernel IO; or the last axis of a sequence."""
    x, kernel = given[0], known(given[1])
    if not isinstance(x, Flow) or node.flag("transpose_a") or node.flag("adj_x") or len(kernel.shape) != 2:
        raise ValueError("not a dense layer")
    turned = node.flag("transpose_b") or node.flag("adj_y")
    inside, outside = kernel.shape[::-1] if turned else kernel.shape
    if x.pending:
        x = c.plain(x)
    order = x.flat
    if not x.shape:
        return unsized(c, node, x, kernel, "dense", "OI" if turned else "IO")
    if inside != x.shape[-1]:
        raise ValueError("its kernel does not fit its input")
    before = replace(x, flat=None, folded=False)
    shape = (*x.shape[:-1], outside)
    if x.folded:
        flow = replace(c.emit("dense", node, [before], shape, axis=0), folded=True)
    elif order is not None:
        flow = c.emit("dense", node, [before], shape, input_order=order)
    elif len(shape) > 2:
        flow = c.emit("dense", node, [c.laid(before, True)], shape, axis=0)
    else:
        flow = c.emit("dense", node, [before], shape)
    c.drafts[flow.draft].weights["kernel"] = Weight(kernel, "OI" if turned else "IO", not kernel.constant)
    return flow
