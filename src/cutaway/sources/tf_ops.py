"""What each TensorFlow operation becomes: windows, dense layers, activations, arithmetic. Shapes: tf_shaping.py.

A handler takes the converter, the node and the values of its inputs, and gives the value of its output. It raises
ValueError where the operation is in a form that has no layer kind; it is shown as a box then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cutaway.network import Kind
from cutaway.shapes import output_size, same_padding
from cutaway.sources.tf_convert import Converter
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known, constant
from cutaway.sources.tf_layers import Flow, Value, Weight
from cutaway.sources.tf_norm import biased, by_known, channels, fused_batch_norm, per_channel, statistic

Handler = Callable[[Converter, Node, list[Value | None]], Value | list[Value | None]]
Pairs = tuple[tuple[int, int], ...]


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
    node: Node, x: Flow, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
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
    return padding, tuple(map(output_size, size, kernel, stride, padding, dilation))


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
        size = tuple(map(output_size, x.canonical()[1:], taps, stride, padding, dilation))
    else:
        padding, size = windowed(node, x, taps, stride, dilation)
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
        size = tuple(map(output_size, x.canonical()[1:], taps, stride, padding, dilation))
    else:
        padding, size = windowed(node, x, taps, stride, dilation)
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
    padding, size = windowed(node, x, kernel, stride, (1,) * rank)
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


# --- arithmetic ------------------------------------------------------------------------------------------------------

NAMES: dict[str, tuple[Kind, str]] = {
    "Add": ("add", ""),
    "AddV2": ("add", ""),
    "AddN": ("add", ""),
    "Sub": ("subtract", ""),
    "Mul": ("multiply", ""),
    "RealDiv": ("other", "divide"),
    "Div": ("other", "divide"),
    "Maximum": ("other", "maximum"),
    "Minimum": ("other", "minimum"),
}


def arithmetic(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Between activations a layer; with weights or numbers a bias, something pending, or a layer with a parameter."""
    if all(isinstance(one, Flow) for one in given):
        return between(c, node, [one for one in given if isinstance(one, Flow)])
    if len(given) != 2:
        raise ValueError("weights among many addends")
    first, second = given
    if isinstance(first, Flow) and isinstance(second, Known):
        return with_known(c, node, first, second)
    if isinstance(second, Flow) and isinstance(first, Known):
        if node.op in ("Add", "AddV2", "Mul", "Maximum", "Minimum"):
            return with_known(c, node, second, first)
        if node.op == "Sub":  # k − x = k + (−1) · x
            negative = with_known(c, Node(node.name, "Mul", []), second, constant(np.float32(-1)))
            return with_known(c, Node(node.name, "AddV2", []), negative, first)
        if first.value is not None and first.value.size == 1:
            extra = {"name": "divide", "constant": float(first.value.reshape(-1)[0]), "reverse": True}
            x = c.plain(second)
            return c.emit("other", node, [x], x.shape, x.last, extra=extra)
    raise ValueError("arithmetic with something that is not known")


def between(c: Converter, node: Node, flows: list[Flow]) -> Flow:
    if (leaky := leak(c, node, flows)) is not None:
        x, slope = leaky
        return c.emit("leaky_relu", node, [x], x.shape, x.last, slope=slope)
    if (whole := error_unit(c, node, flows)) is not None:
        return c.emit("gelu", node, [whole], whole.shape, whole.last)
    plain = [c.plain(flow) for flow in flows]
    if node.op == "Mul" and len(plain) == 2:
        for x, gate in (plain, plain[::-1]):
            draft = c.drafts[gate.draft]
            if draft.kind == "sigmoid" and not draft.fused and draft.inputs == [(x.draft, x.output)]:
                return c.emit("silu", node, [x], x.shape, x.last)
    rank = len(plain[0].shape)
    if any(len(one.shape) != rank for one in plain):
        raise ValueError("activations with different numbers of axes")
    plain = [c.laid(one, plain[0].last) for one in plain]
    shape = tuple(np.broadcast_shapes(*(one.shape for one in plain)))
    kind, name = NAMES[node.op]
    return c.emit(kind, node, plain, shape, plain[0].last, **({"extra": {"name": name}} if name else {}))


def leak(c: Converter, node: Node, flows: list[Flow]) -> tuple[Flow, float] | None:
    """What max(x, slope · x) reads, the leaky ReLU of before there was one, and its slope."""
    if node.op != "Maximum" or len(flows) != 2:
        return None
    for x, scaled in (flows, flows[::-1]):
        factor = None if scaled.scale is None else scaled.scale.value
        if factor is None or factor.size != 1 or scaled.shift is not None or not 0 <= factor.item() < 1:
            continue
        x = c.plain(x)
        if (x.draft, x.output) == (scaled.draft, scaled.output):
            return x, float(factor.item())
    return None


def one_number(value: Known | None, default: float) -> float:
    """A pending scale or shift that is one number."""
    if value is None:
        return default
    if value.value is None or value.value.size != 1:
        return math.nan
    return float(value.value.item())


def error_unit(c: Converter, node: Node, flows: list[Flow]) -> Flow | None:
    """What ½x · (1 + erf(x / √2)) reads, a GELU, in whatever way its factors are spread; Keras writes it with erfc."""
    if node.op != "Mul" or len(flows) != 2:
        return None
    for x, gate in (flows, flows[::-1]):
        inner = c.drafts[gate.draft] if gate.draft >= 0 else None
        if (
            inner is None
            or inner.attributes.get("extra") != {"name": "erf"}
            or x.shift is not None
            or x.flat
            or x.folded
        ):
            continue
        scaled = c.drafts[inner.inputs[0][0]]
        inside = float(scaled.attributes.get("extra", {}).get("constant", math.nan))
        if scaled.kind != "multiply" or scaled.inputs != [(x.draft, x.output)]:
            continue
        outside = one_number(x.scale, 1.0)
        terms = (
            outside * one_number(gate.shift, 0.0),
            outside * one_number(gate.scale, 1.0) * math.copysign(1, inside),
        )
        if np.allclose(terms, 0.5, atol=1e-6) and math.isclose(abs(inside), math.sqrt(0.5), rel_tol=1e-6):
            return replace(x, scale=None, shift=None)
    return None


def negative(c: Converter, node: Node, given: list[Value | None]) -> Value:
    if not isinstance(given[0], Flow):
        raise ValueError("nothing to negate")
    return with_known(c, Node(node.name, "Mul", []), given[0], constant(np.float32(-1)))


def complement(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """erfc(x) = 1 − erf(x)."""
    x = c.plain(given[0])
    flow = c.emit("activation", node, [x], x.shape, x.last, extra={"name": "erf"})
    c.drafts[flow.draft].tensor = ("", 0)
    return replace(flow, scale=constant(np.float32(-1)), shift=constant(np.float32(1)), node=node.name)


def with_known(c: Converter, node: Node, flow: Flow, value: Known) -> Flow:
    """x + k, x − k, x · k, x / k, max(x, k), min(x, k)."""
    op = "AddV2" if node.op in ("Add", "AddV2") else node.op
    if flow.pending and c.readers.get(flow.node, 0) > 1:
        flow = c.plain(flow)  # what others read too is a layer of its own
    if op in ("Maximum", "Minimum"):
        x = c.plain(flow)
        number = float(c.array(value).reshape(-1)[0])
        if math.prod(value.shape) != 1:
            raise ValueError("a limit for each value")
        if op == "Maximum" and number == 0:
            return c.emit("relu", node, [x], x.shape, x.last)
        limit = {"min" if op == "Maximum" else "max": number}
        return c.emit("activation", node, [x], x.shape, x.last, extra={"name": "clip", **limit})
    if op == "AddV2" and (done := biased(c, flow, value)) is not None:
        c.drafts[done.draft].tensor = (node.name, 0)
        return done
    if len(value.shape) < 2 and one_number(value, math.nan) == (0 if op in ("AddV2", "Sub") else 1):
        return flow  # · 1 and + 0, which Keras writes for options that are not used
    if flow.flat is not None or not per_channel(value, flow):
        x = c.plain(flow)
        if op == "AddV2" or op == "Mul":
            return by_known(c, "add" if op == "AddV2" else "multiply", node, x, value)
        turned = c.calculation("Neg" if op == "Sub" else "Reciprocal", value)
        return by_known(c, "add" if op == "Sub" else "multiply", node, x, turned)
    scale, shift = flow.scale, flow.shift
    if op in ("AddV2", "Sub"):
        if shift is not None:
            shift = c.calculation(op, shift, value)
        else:
            shift = value if op == "AddV2" else c.calculation("Neg", value)
    else:
        op = "Mul" if op == "Mul" else "RealDiv"
        one = constant(np.float32(1))
        scale = value if scale is None and op == "Mul" else c.calculation(op, scale or one, value)
        shift = None if shift is None else c.calculation(op, shift, value)
    return replace(flow, scale=scale, shift=shift, node=node.name)


def bias_add(c: Converter, node: Node, given: list[Value | None]) -> Value:
    flow, value = given[0], known(given[1])
    if not isinstance(flow, Flow):
        raise ValueError("a bias without a layer")
    if not is_last(node) and len(flow.shape) > 2:
        value = c.calculation("Reshape", value, constant([-1, *(1,) * (len(flow.shape) - 2)]))
    return with_known(c, Node(node.name, "AddV2", [], node.data), flow, value)


def squared_difference(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Between activations a layer. With a batch's mean it is on the way to its variance: no layer, only its mean is."""
    flow = next(one for one in given if isinstance(one, Flow))
    if all(isinstance(one, Flow) for one in given):
        difference = between(c, Node(node.name, "Sub", []), [one for one in given if isinstance(one, Flow)])
        c.drafts[difference.draft].tensor = ("", 0)
        extra = {"name": "square"}
        return c.emit("activation", node, [difference], difference.shape, difference.last, extra=extra)
    return replace(flow, draft=-1, flat=None, scale=None, shift=None)


def mean(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Over the pixels a global pool; over the batch a batch norm's statistic; over other axes a box that computes."""
    flow = given[0]
    if not isinstance(flow, Flow):
        raise ValueError("a mean of nothing")
    rank = len(flow.shape)
    axes = sorted({axis % rank for axis in c.integers(given[1])})
    keep = node.flag("keep_dims")
    shape = tuple(1 if i in axes else size for i, size in enumerate(flow.shape) if keep or i not in axes)
    if 0 in axes:
        channel = rank - 1 if flow.last else 1
        if node.op != "Mean" or axes != [i for i in range(rank) if i != channel] or rank < 2:
            raise ValueError("a reduction over the batch")
        return statistic(c, node, flow, shape)
    x = c.plain(flow)
    pixels = [i for i in range(1, rank) if i != (rank - 1 if x.last else 1)]
    last = x.last and (keep or rank - 1 not in axes)
    if axes == pixels and rank > 2 and node.op in ("Mean", "Max"):
        extra = {"extra": {"mode": "max"}} if node.op == "Max" else {}
        return c.emit("global_average_pool", node, [x], shape, last, **extra)
    name = node.op.lower()
    if name not in ("mean", "max", "sum", "min") or not axes:
        raise ValueError("a reduction that is not known")
    told = {"name": name, "axes": sorted(x.axis(axis) for axis in axes), "keepdims": keep}
    return c.emit("other", node, [x], shape, last, extra=told)


# --- activations -----------------------------------------------------------------------------------------------------

KINDS: dict[str, Kind] = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
FUNCTIONS = {
    **{"Relu6": "relu6", "Elu": "elu", "Selu": "selu", "Softplus": "softplus", "Softsign": "softsign", "Exp": "exp"},
    **{"Log": "log", "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Square": "square", "Abs": "abs", "Sign": "sign"},
    **{"Floor": "floor", "Ceil": "ceil", "Round": "round", "Erf": "erf", "Sin": "sin", "Cos": "cos"},
    **{"Reciprocal": "reciprocal", "Inv": "reciprocal"},
}


def activation(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x = c.plain(given[0])
    if node.op in KINDS:
        return c.emit(KINDS[node.op], node, [x], x.shape, x.last)
    if node.op == "LeakyRelu":
        return c.emit("leaky_relu", node, [x], x.shape, x.last, slope=node.real("alpha", 0.2))
    if node.op in ("Softmax", "LogSoftmax"):
        axis = x.axis(-1)
        if node.op == "Softmax":
            return c.emit("softmax", node, [x], x.shape, x.last, axis=axis)
        return c.emit("activation", node, [x], x.shape, x.last, axis=axis, extra={"name": "log_softmax"})
    return c.emit("activation", node, [x], x.shape, x.last, extra={"name": FUNCTIONS[node.op]})


def power(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x, exponent = c.plain(given[0]), c.array(given[1])
    return c.emit("activation", node, [x], x.shape, x.last, extra={"name": "pow", "exponent": float(exponent.item())})


def clipped(c: Converter, node: Node, given: list[Value | None]) -> Value:
    x, low, high = c.plain(given[0]), c.array(given[1]), c.array(given[2])
    extra = {"name": "clip", "min": float(low.item()), "max": float(high.item())}
    return c.emit("activation", node, [x], x.shape, x.last, extra=extra)


def cast(c: Converter, node: Node, given: list[Value | None]) -> Value:
    if not isinstance(given[0], Flow):
        raise ValueError("nothing to cast")
    if node.dtype("DstT") not in (1, 2, 14, 19):
        raise ValueError("a cast to whole numbers")
    return given[0]


from cutaway.sources import tf_shaping  # noqa: E402 - it needs the names above

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("Conv2D", "Conv3D"), convolution),
    "DepthwiseConv2dNative": depthwise,
    "Conv2DBackpropInput": transposed,
    **dict.fromkeys(("MaxPool", "MaxPoolV2", "AvgPool", "MaxPool3D", "AvgPool3D"), pool),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), matmul),
    "BiasAdd": bias_add,
    **dict.fromkeys(NAMES, arithmetic),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), fused_batch_norm),
    "SquaredDifference": squared_difference,
    **dict.fromkeys(("Mean", "Max", "Sum", "Min"), mean),
    **dict.fromkeys((*KINDS, *FUNCTIONS, "LeakyRelu", "Softmax", "LogSoftmax"), activation),
    "Erfc": complement,
    "Neg": negative,
    "Pow": power,
    "ClipByValue": clipped,
    "Cast": cast,
    **tf_shaping.HANDLERS,
}
