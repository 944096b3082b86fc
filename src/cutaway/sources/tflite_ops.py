"""What each TensorFlow Lite operator is in Cutaway's words, and how its channels-last tensors lie in a recording.

Maps are channels last in the file and channels first in a recording, kernels O,H,W,I and O,I,H,W. Fields of options:
tensorflow/lite/schema/schema.fbs; what operators compute: tensorflow/lite/kernels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.network import Kind
from cutaway.shapes import same_padding
from cutaway.sources.onnx_draft import Draft, Weight
from cutaway.sources.onnx_graph import Const, Graph
from cutaway.sources.tflite_flatbuffer import Table

FUSED = {1: "relu", 2: "relu_n1_to_1", 3: "relu6", 4: "tanh", 5: "sign"}
SAME = 0
Maker = Callable[[Graph, Draft, "Options"], None]


class Options:
    """The options of an operator, with their defaults where the file leaves them out."""

    def __init__(self, table: Table | None) -> None:
        self.table = table

    def whole(self, field: int, form: str = "i", default: int = 0) -> int:
        return default if self.table is None else self.table.whole(field, form, default)

    def real(self, field: int, default: float = 0.0) -> float:
        return default if self.table is None else self.table.real(field, default)

    def flag(self, field: int) -> bool:
        return self.table is not None and self.table.flag(field)


def first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with the channels behind the batch, for maps (four axes and more)."""
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 3 else shape


def to_first(values: np.ndarray) -> np.ndarray:
    return np.moveaxis(values, -1, 1) if values.ndim > 3 else values


def axis_of(axis: int, rank: int) -> int:
    """An axis of a channels-last tensor as an axis of the sample in a recording; −1 for the batch."""
    at = axis % rank
    if rank < 4 or at == 0:
        return at - 1
    return 0 if at == rank - 1 else at


def fuse(draft: Draft, code: int) -> None:
    """The activation inside an operator."""
    if code in FUSED:
        draft.fused.append(FUSED[code])


def window(
    draft: Draft, graph: Graph, options: Options, kernel: tuple[int, int], strides: tuple[int, int],
    dilations: tuple[int, int] = (1, 1),
) -> None:  # fmt: skip
    """Kernel, stride, dilation, and the pixels that SAME or VALID pads."""
    x = graph.shape(draft.inputs[0])
    padding = ((0, 0), (0, 0))
    if options.whole(0, "b") == SAME and x is not None:
        sides = [same_padding(*one) for one in zip(x[2:], kernel, strides, dilations, strict=True)]
        padding = (sides[0], sides[1])
    draft.attributes |= {"kernel": kernel, "stride": strides, "padding": padding, "dilation": dilations}


def constant(graph: Graph, draft: Draft, position: int) -> Const | None:
    return graph.constants.get(draft.node.input(position))


def bias(graph: Graph, draft: Draft, position: int = 2) -> None:
    const = constant(graph, draft, position)
    if const is not None:
        draft.weights.append(Weight("bias", const, (const.size,)))


def conv(graph: Graph, draft: Draft, options: Options) -> None:
    kernel, x = constant(graph, draft, 1), graph.shape(draft.node.input(0))
    if kernel is None or x is None or len(kernel.shape) != 4 or not kernel.shape[3]:
        return
    out, height, width, inputs = kernel.shape
    draft.inputs = [draft.node.input(0)]
    draft.kind, draft.attributes = "conv2d", {"groups": max(1, x[1] // inputs)}
    strides = options.whole(2), options.whole(1)
    window(draft, graph, options, (height, width), strides, (options.whole(5, default=1), options.whole(4, default=1)))
    shape = (out, inputs, height, width)
    draft.weights = [Weight("kernel", kernel, shape, "OIHW", lambda v: v.transpose(0, 3, 1, 2), "OHWI")]
    bias(graph, draft)
    fuse(draft, options.whole(3, "b"))


def depthwise(graph: Graph, draft: Draft, options: Options) -> None:
    kernel, x = constant(graph, draft, 1), graph.shape(draft.node.input(0))
    if kernel is None or x is None or len(kernel.shape) != 4:
        return
    _, height, width, out = kernel.shape
    draft.inputs = [draft.node.input(0)]
    draft.kind, draft.attributes = "depthwise_conv2d", {"groups": x[1]}
    strides = options.whole(2), options.whole(1)
    window(draft, graph, options, (height, width), strides, (options.whole(6, default=1), options.whole(5, default=1)))
    shape = (out, 1, height, width)
    draft.weights = [Weight("kernel", kernel, shape, "OIHW", lambda v: v.transpose(3, 0, 1, 2), "1HWO")]
    bias(graph, draft)
    fuse(draft, options.whole(4, "b"))


def transposed(graph: Graph, draft: Draft, options: Options) -> None:
    kernel, x, y = constant(graph, draft, 1), graph.shape(draft.node.input(2)), graph.shape(draft.output)
    if kernel is None or x is None or y is None or len(kernel.shape) != 4:
        return
    out, height, width, inputs = kernel.shape
    strides = options.whole(2), options.whole(1)
    padding, extra = [], []
    for n, size, k, s in zip(x[2:], y[2:], (height, width), strides, strict=True):
        total = (n - 1) * s + k - size
        before = max(0, total) // 2 if options.whole(0, "b") == SAME else 0
        padding.append((before, max(0, total) - before))
        extra.append(max(0, -total))
    draft.inputs, draft.kind = [draft.node.input(2)], "conv_transpose2d"
    draft.attributes = {"kernel": (height, width), "stride": strides, "padding": tuple(padding), "dilation": (1, 1),
                        "groups": 1}  # fmt: skip
    if any(extra):
        draft.extra["output_padding"] = extra
    shape = (inputs, out, height, width)
    draft.weights = [Weight("kernel", kernel, shape, "IOHW", lambda v: v.transpose(3, 0, 1, 2), "OHWI")]
    bias(graph, draft, 3)
    fuse(draft, options.whole(3, "b"))


def dense(graph: Graph, draft: Draft, options: Options) -> None:
    kernel, x = constant(graph, draft, 1), graph.shape(draft.node.input(0))
    if kernel is None or x is None or len(kernel.shape) != 2 or options.whole(1, "b"):
        return
    draft.inputs, draft.kind = [draft.node.input(0)], "dense"
    draft.weights = [Weight("kernel", kernel, kernel.shape)]
    if len(x) > 3 and not options.flag(2):
        draft.attributes["input_order"] = "HWC"
    elif len(x) > 2 and options.flag(2):
        draft.attributes["axis"] = 0 if len(x) > 3 else -1
    bias(graph, draft)
    fuse(draft, options.whole(0, "b"))


def pool(kind: Kind) -> Maker:
    def make(graph: Graph, draft: Draft, options: Options) -> None:
        draft.kind = kind
        window(draft, graph, options, (options.whole(4), options.whole(3)), (options.whole(2), options.whole(1)))
        if kind == "average_pool2d":
            draft.attributes["count_include_pad"] = False
        fuse(draft, options.whole(5, "b"))

    return make


def arithmetic(kind: Kind, name: str = "", fused: int | None = 0) -> Maker:
    """Two values, one of which may be constant: one number is an attribute, more are a parameter."""

    def make(graph: Graph, draft: Draft, options: Options) -> None:
        constants = [graph.constants[value] for value in draft.node.inputs if value in graph.constants]
        if len(constants) > 1:
            return
        if constants:
            const, x = constants[0], graph.shape(draft.inputs[0])
            if x is None or len(const.shape) > len(x):
                return
            shape = const.shape
            if const.size == 1:
                draft.extra["constant"] = float(np.asarray(const.read(), np.float32).reshape(-1)[0])
            else:
                whole = (*(1,) * (len(x) - len(shape)), *shape)
                if whole[0] != 1:
                    return
                canonical = first(whole)
                change: Any = lambda v: to_first(v.reshape(whole))  # noqa: E731
                role: Any = "gamma" if kind == "multiply" else "bias"
                draft.weights = [Weight(role, const, canonical[1:], f"as {whole}", change)]
            if draft.node.inputs[0] in graph.constants and draft.node.op in ("SUB", "DIV"):
                draft.extra["reverse"] = True
        draft.kind = kind
        if name:
            draft.extra["name"] = name
        if fused is not None:
            fuse(draft, options.whole(fused, "b"))

    return make


def function(kind: Kind, name: str = "", **constants: float) -> Maker:
    def make(graph: Graph, draft: Draft, options: Options) -> None:
        draft.kind = kind
        draft.extra = ({"name": name} if name else {}) | constants

    return make


def leaky_relu(graph: Graph, draft: Draft, options: Options) -> None:
    draft.kind, draft.attributes = "leaky_relu", {"slope": options.real(0)}


def gelu(graph: Graph, draft: Draft, options: Options) -> None:
    draft.kind = "gelu"
    if options.flag(0):
        draft.extra["approximate"] = "tanh"


def prelu(graph: Graph, draft: Draft, options: Options) -> None:
    alpha, x = constant(graph, draft, 1), graph.shape(draft.node.input(0))
    if alpha is None or x is None or len(alpha.shape) > len(x) - 1:
        return
    whole = (1, *(1,) * (len(x) - 1 - len(alpha.shape)), *alpha.shape)
    shape = first(whole)[1:]
    draft.inputs, draft.kind = [draft.node.input(0)], "prelu"
    flat = (shape[0],) if all(size == 1 for size in shape[1:]) else shape
    draft.weights = [Weight("alpha", alpha, flat, f"as {whole}", lambda v: to_first(v.reshape(whole)))]


def softmax(kind: Kind, name: str = "") -> Maker:
    def make(graph: Graph, draft: Draft, options: Options) -> None:
        x = graph.shape(draft.inputs[0])
        if x is None or len(x) < 2 or (not name and options.real(0) not in (0.0, 1.0)):
            return
        draft.kind, draft.attributes = kind, {"axis": 0 if len(x) > 3 else len(x) - 2}
        if name:
            draft.extra["name"] = name

    return make


def concat(graph: Graph, draft: Draft, options: Options) -> None:
    y = graph.shape(draft.output)
    if y is None or any(value in graph.constants for value in draft.node.inputs):
        return
    axis = axis_of(options.whole(0), len(y))
    if axis >= 0:
        draft.kind, draft.attributes = "concat", {"axis": axis}
        fuse(draft, options.whole(1, "b"))


def reshape(graph: Graph, draft: Draft, options: Options) -> None:
    x, y = graph.shape(draft.inputs[0]), graph.shape(draft.output)
    if x is None or y is None or len(y) < 2 or x[0] != y[0]:
        return
    maps = len(x) > 3 or len(y) > 3
    if len(y) == 2 and len(x) > 2:
        draft.kind, draft.attributes = "flatten", {"input_order": "HWC"} if maps else {}
    else:
        draft.kind, draft.extra = "reshape", {"shape": list(y[1:])}
        draft.attributes = {"input_order": "HWC"} if maps else {}


def reduce(name: str) -> Maker:
    """Means and maxima over all pixels of maps are global pools."""

    def make(graph: Graph, draft: Draft, options: Options) -> None:
        x, axes = graph.shape(draft.inputs[0]), graph.numbers(draft.node.input(1))
        if x is None or axes is None:
            return
        over = sorted({axis_of(int(axis), len(x)) for axis in axes.reshape(-1)})
        keep = options.flag(0)
        if name in ("mean", "max") and len(x) > 3 and over == list(range(1, len(x) - 1)):
            draft.kind = "global_average_pool"
            draft.extra = {"keepdims": keep} | ({"mode": "max"} if name == "max" else {})
        elif over and over[0] >= 0 and (keep or len(x) < 4):
            draft.extra = {"name": name, "axes": over, "keepdims": keep}

    return make


def pad(graph: Graph, draft: Draft, options: Options) -> None:
    x, pads = graph.shape(draft.inputs[0]), graph.numbers(draft.node.input(1))
    if x is None or pads is None or pads.shape != (len(x), 2):
        return
    sides = [(int(low), int(high)) for low, high in pads]
    if sides[0] != (0, 0):
        return
    ordered = [sides[-1], *sides[1:-1]] if len(x) > 3 else sides[1:]
    draft.kind = "pad"
    draft.attributes = {"padding": tuple(ordered[1:] if ordered[0] == (0, 0) and len(ordered) > 1 else ordered)}
    if draft.node.op == "MIRROR_PAD":
        draft.extra["mode"] = "symmetric" if options.whole(0, "b") else "reflect"
    elif draft.node.op == "PADV2":
        value = graph.numbers(draft.node.input(2))
        draft.extra["value"] = 0.0 if value is None else float(value.reshape(-1)[0])


def transpose(graph: Graph, draft: Draft, options: Options) -> None:
    x, order = graph.shape(draft.inputs[0]), graph.numbers(draft.node.input(1))
    if x is None or order is None or sorted(order.reshape(-1).tolist()) != list(range(len(x))) or order[0] != 0:
        return
    axes = [len(x) - 1, *range(1, len(x) - 1)] if len(x) > 3 else list(range(1, len(x)))
    draft.kind = "permute"
    draft.extra = {"permutation": [axes.index(int(order[axis])) for axis in axes]}


def resize(mode: str) -> Maker:
    def make(graph: Graph, draft: Draft, options: Options) -> None:
        y = graph.shape(draft.output)
        if y is None:
            return
        corners, half = (options.flag(2), options.flag(3)) if mode == "bilinear" else (options.flag(0), options.flag(1))
        draft.kind = "upsample"
        way = "align_corners" if corners else "half_pixel" if half else "asymmetric"
        draft.extra = {"size": list(y[2:]), "mode": mode, "coordinates": way}
        if mode == "nearest":
            draft.extra["rounding"] = "floor" if way == "asymmetric" else "round_prefer_ceil"

    return make


def undilated(graph: Graph, drafts: list[Draft]) -> list[Draft]:
    """A dilated convolution as converters write it, SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND, as one layer."""
    makers = {draft.output: draft for draft in drafts}
    readers = Counter(value for draft in drafts for value in draft.inputs)
    gone: set[int] = set()
    for last in drafts:
        conv = makers.get(last.inputs[0]) if last.node.op == "BATCH_TO_SPACE_ND" and last.inputs else None
        before = makers.get(conv.inputs[0]) if conv is not None and conv.inputs else None
        if conv is None or before is None or before.node.op != "SPACE_TO_BATCH_ND" or not before.inputs:
            continue
        block, unblock = (graph.numbers(one.node.input(1)) for one in (before, last))
        pads, crops = (graph.numbers(one.node.input(2)) for one in (before, last))
        if conv.kind not in ("conv2d", "depthwise_conv2d") or conv.attributes["stride"] != (1, 1):
            continue
        if pads is None or crops is None or block is None or unblock is None or block.shape != (2,):
            continue
        alone = readers[conv.output] == readers[before.output] == 1 and conv.output not in graph.outputs
        if pads.shape != (2, 2) or crops.shape != (2, 2) or not np.array_equal(block, unblock) or not alone:
            continue
        inner = conv.attributes["padding"]
        conv.attributes["dilation"] = tuple(int(size) for size in block)
        # Padding inside the blocks is so many steps of the dilation; what is cut off behind was never wanted.
        conv.attributes["padding"] = tuple(
            (int(p[0] - c[0] + i[0] * d), int(p[1] - c[1] + i[1] * d))
            for p, c, i, d in zip(pads, crops, inner, conv.attributes["dilation"], strict=True)
        )
        conv.inputs, conv.outputs = list(before.inputs), list(last.outputs)
        gone |= {id(before), id(last)}
    return [draft for draft in drafts if id(draft) not in gone]


FIRST_ONLY = {"RESHAPE", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "PAD", "PADV2", "MIRROR_PAD",
              "TRANSPOSE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "STRIDED_SLICE", "SLICE", "EXPAND_DIMS",
              "TILE", "SQUEEZE", "BROADCAST_TO", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"}  # fmt: skip
"""Only their first input is data, the others are sizes and axes: what computes those is not drawn."""

FUNCTIONS: dict[str, Maker] = {
    "RELU": function("relu"),
    "RELU6": function("activation", "relu6"),
    "RELU_N1_TO_1": function("activation", "relu_n1_to_1"),
    "RELU_0_TO_1": function("activation", "clip", min=0.0, max=1.0),
    "LEAKY_RELU": leaky_relu,
    "PRELU": prelu,
    "ELU": function("activation", "elu"),
    "LOGISTIC": function("sigmoid"),
    "TANH": function("tanh"),
    "GELU": gelu,
    "HARD_SWISH": function("activation", "hard_swish"),
    "SOFTMAX": softmax("softmax"),
    "LOG_SOFTMAX": softmax("activation", "log_softmax"),
}

OPS: dict[str, Maker] = FUNCTIONS | {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": dense,
    "MAX_POOL_2D": pool("max_pool2d"),
    "AVERAGE_POOL_2D": pool("average_pool2d"),
    "ADD": arithmetic("add"),
    "ADD_N": arithmetic("add", fused=None),
    "SUB": arithmetic("subtract"),
    "MUL": arithmetic("multiply"),
    "DIV": arithmetic("other", "divide"),
    "MAXIMUM": arithmetic("other", "maximum", None),
    "MINIMUM": arithmetic("other", "minimum", None),
    "CONCATENATION": concat,
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "EXPAND_DIMS": reshape,
    "MEAN": reduce("mean"),
    "REDUCE_MAX": reduce("max"),
    "REDUCE_MIN": reduce("min"),
    "SUM": reduce("sum"),
    "PAD": pad,
    "PADV2": pad,
    "MIRROR_PAD": pad,
    "TRANSPOSE": transpose,
    "RESIZE_BILINEAR": resize("bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": resize("nearest"),
    **{
        name: function("activation", name.lower())
        for name in ("EXP", "LOG", "SQRT", "RSQRT", "SQUARE", "ABS", "NEG", "SIGN", "FLOOR", "CEIL", "ROUND", "SIN")
    },
}


def draft_of(graph: Graph, node: Any, options: Options) -> Draft:
    """The layer of an operator."""
    data = [value for value in node.inputs if value and value not in graph.constants]
    if node.op in FIRST_ONLY and node.input(0) in data:
        data = [node.input(0)]
    draft = Draft(node, "other", node.op, list(data), list(node.outputs))
    maker = OPS.get(node.op)
    if maker is not None and data:
        try:
            maker(graph, draft, options)
        except (TypeError, ValueError, IndexError, ArithmeticError):
            # Options that can't be: a plain box, and whether it runs is for the engine to say.
            draft = Draft(node, "other", node.op, list(data), list(node.outputs))
    lost = [graph.constants[value] for value in node.inputs if value in graph.constants]
    if draft.kind == "other" and not draft.weights and any(one.floating and one.size > 1 for one in lost):
        draft.missing = ("parameters",)
    return draft
