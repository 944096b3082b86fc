"""What each ONNX operation is in Cutaway's words: kind, attributes, parameters, and which inputs carry the data.

An operation that is not in the table is `other` under its own name. Attributes are those that `cutaway.execute` reads,
so that the executor can check what ONNX Runtime computes. Operators: https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cutaway.network import Kind, Role
from cutaway.sources.onnx_draft import Change, Draft, Maker, Weight, ints
from cutaway.sources.onnx_graph import Const, Graph, Node, Shape
from cutaway.sources.onnx_moves import concat, crop, depth_to_space, gather, pad, reshaped, resize, split, transpose


def draft_of(graph: Graph, node: Node) -> Draft:
    """The layer of a node."""
    data = [value for value in node.reads if value not in graph.constants]
    if node.op in SHAPED_BY_INPUT and node.domain == "" and node.input(0) in data:
        data = [node.input(0)]

    def plain() -> Draft:
        op = f"{node.domain}.{node.op}" if node.domain else node.op
        return Draft(node, "other", op, list(dict.fromkeys(data)) if node.op in SUBGRAPHS else data, list(node.outputs))

    draft = plain()
    maker = OPS.get(node.op) if node.domain in ("", "com.microsoft") else None
    if maker is not None and data:
        try:
            maker(graph, node, draft)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError):
            draft = (
                plain()
            )  # attributes of another type than the operator's: whether that runs is for the engine to say
    if draft.kind == "other" and not draft.weights:
        lost = [graph.constants[v] for v in node.inputs if v in graph.constants]
        if any(one.floating and one.size > 1 for one in lost):
            draft.missing = ("parameters",)
    return draft


SUBGRAPHS = ("If", "Loop", "Scan")

SHAPED_BY_INPUT = {"Reshape", "Resize", "Upsample", "Pad", "Slice", "Expand", "Tile", "Unsqueeze", "Squeeze", "Clip",
                   "Dropout", "Split", "TopK", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd",
                   "CumSum"}  # fmt: skip
"""Only their first input is data, the others are sizes, axes or limits: what computes those is not drawn."""


# --- windows ---------------------------------------------------------------------------------------------------------


def conv(graph: Graph, node: Node, draft: Draft) -> None:
    weight, x = graph.constants.get(node.input(1)), graph.shape(node.input(0))
    if weight is None or not 3 <= len(weight.shape) <= 5:
        return  # a kernel that is computed: a box with two inputs
    rank, groups = len(weight.shape) - 2, max(1, int(node.attributes.get("group", 1)))
    draft.inputs = [node.input(0)]
    kinds: tuple[Kind, ...] = ("conv1d", "conv2d", "conv3d")
    draft.kind = kinds[rank - 1]
    if rank == 2 and groups > 1 and weight.shape[1] == 1 and x is not None and x[1] == groups:
        draft.kind = "depthwise_conv2d"
    draft.attributes = windowed(node, weight.shape[2:], x) | {"groups": groups}
    draft.weights = [kernel_of(weight)]
    bias(graph, draft, node.input(2))


def kernel_of(weight: Const) -> Weight:
    """O,I,… as ONNX has it; a kernel over a row of pixels gets a height of 1."""
    row = len(weight.shape) == 3
    shape = (*weight.shape[:2], 1, weight.shape[2]) if row else weight.shape
    return Weight("kernel", weight, shape, source_axes="OIW" if row else None)


def conv_transpose(graph: Graph, node: Node, draft: Draft) -> None:
    weight, x = graph.constants.get(node.input(1)), graph.shape(node.input(0))
    if weight is None or not 3 <= len(weight.shape) <= 5:
        return
    rank, groups = len(weight.shape) - 2, max(1, int(node.attributes.get("group", 1)))
    draft.inputs, draft.weights = [node.input(0)], [kernel_of(weight)]
    bias(graph, draft, node.input(2))
    draft.kind = "conv_transpose2d" if rank < 3 else "other"
    window = windowed(node, weight.shape[2:], None)
    more = tuple(int(size) for size in node.attributes.get("output_padding", ())) or (0,) * rank
    wanted, way = node.attributes.get("output_shape"), node.attributes.get("auto_pad", "NOTSET")
    if x is not None and (wanted or way.startswith("SAME")):
        sizes = wanted[-rank:] if wanted else [n * s for n, s in zip(x[2:], window["stride"], strict=True)]
        pads = []
        for n, size, k, s, d, e in zip(
            x[2:], sizes, window["kernel"], window["stride"], window["dilation"], more, strict=True
        ):
            total = (n - 1) * s + e + (k - 1) * d + 1 - size
            # The odd pixel: behind for SAME_UPPER, in front otherwise, as the operator's text says.
            first = total // 2 if way == "SAME_UPPER" else total - total // 2
            pads.append((first, total - first))
        window["padding"] = tuple(pads)
    draft.attributes = window | {"groups": groups}
    if any(more):
        draft.extra["output_padding"] = list(more)


def pool(kind: Kind) -> Maker:
    def make(graph: Graph, node: Node, draft: Draft) -> None:
        kernel = tuple(int(size) for size in node.attributes.get("kernel_shape", ()))
        if not kernel:
            return
        draft.kind = kind
        draft.attributes = windowed(node, kernel, graph.shape(node.input(0)))
        if kind == "average_pool2d":
            draft.attributes["count_include_pad"] = bool(node.attributes.get("count_include_pad", 0))
        if node.attributes.get("ceil_mode", 0):
            draft.extra["ceil_mode"] = True

    return make


def windowed(node: Node, kernel: Shape, x: Shape | None) -> dict[str, Any]:
    """kernel, stride, padding and dilation; `auto_pad` becomes the pixels that it stands for."""
    rank = len(kernel)
    stride = fitting(node.attributes.get("strides"), rank, 1)
    dilation = fitting(node.attributes.get("dilations"), rank, 1)
    pads = fitting(node.attributes.get("pads"), 2 * rank, 0)
    padding = tuple(zip(pads[:rank], pads[rank:], strict=True))
    way = node.attributes.get("auto_pad", "NOTSET")
    if way == "VALID":
        padding = ((0, 0),) * rank
    elif way.startswith("SAME") and x is not None and len(x) == rank + 2:
        found = []
        for n, k, s, d in zip(x[2:], kernel, stride, dilation, strict=True):
            total = max(0, (-(-n // max(1, s)) - 1) * s + d * (k - 1) + 1 - n)
            small, large = total // 2, total - total // 2
            found.append((small, large) if way == "SAME_UPPER" else (large, small))
        padding = tuple(found)
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def fitting(values: Any, count: int, default: int) -> Shape:
    found = tuple(int(one) for one in values or ())
    return found if len(found) == count else (default,) * count


def global_pool(mode: str | None) -> Maker:
    def make(graph: Graph, node: Node, draft: Draft) -> None:
        draft.kind = "global_average_pool"
        draft.extra = {"keepdims": True} | ({"mode": mode} if mode else {})

    return make


def reduce(name: str) -> Maker:
    """Means and maxima over all pixels of maps are global pools."""

    def make(graph: Graph, node: Node, draft: Draft) -> None:
        x, axes = graph.shape(node.input(0)), ints(graph, node, "axes", 1)
        if x is None:
            return
        over = sorted(axis % len(x) for axis in axes) if axes else list(range(len(x)))
        keep = bool(node.attributes.get("keepdims", 1))
        if name in ("mean", "max") and len(x) > 2 and over == list(range(2, len(x))):
            draft.kind = "global_average_pool"
            draft.extra = {"keepdims": keep} | ({"mode": "max"} if name == "max" else {})
        elif 0 not in over:
            draft.extra = {"name": name, "axes": [axis - 1 for axis in over], "keepdims": keep}

    return make


# --- dense -----------------------------------------------------------------------------------------------------------


def gemm(graph: Graph, node: Node, draft: Draft) -> None:
    weight = graph.constants.get(node.input(1))
    if weight is None or len(weight.shape) != 2 or node.attributes.get("transA", 0):
        return
    alpha, beta = float(node.attributes.get("alpha", 1.0)), float(node.attributes.get("beta", 1.0))
    if node.input(2) and node.input(2) not in graph.constants:
        return
    draft.kind, draft.inputs = "dense", [node.input(0)]
    draft.weights = [dense_kernel(weight, transpose=not node.attributes.get("transB", 0), factor=alpha)]
    units = draft.weights[0].shape[0]
    const = graph.constants.get(node.input(2))
    if const is not None and const.size in (1, units):
        apply = None if beta == 1 and const.size == units else lambda values: np.broadcast_to(values * beta, units)
        draft.weights.append(Weight("bias", const, (units,), f"* {beta} to {units}" if apply else "", apply))


def dense_kernel(weight: Const, *, transpose: bool, factor: float = 1.0) -> Weight:
    """O,I, whichever way it lies in the file."""
    shape = weight.shape[::-1] if transpose else weight.shape

    def apply(values: np.ndarray) -> np.ndarray:
        values = values.T if transpose else values
        return values if factor == 1 else values * np.float32(factor)

    change = f"{'T' if transpose else ''}{'' if factor == 1 else factor}"
    return Weight("kernel", weight, shape, change, apply if change else None, "IO" if transpose else None)


def matmul(graph: Graph, node: Node, draft: Draft) -> None:
    weight, x = graph.constants.get(node.input(1)), graph.shape(node.input(0))
    if weight is not None and len(weight.shape) == 2 and x is not None and len(x) > 1:
        draft.kind, draft.inputs = "dense", [node.input(0)]
        draft.weights = [dense_kernel(weight, transpose=True)]
        if len(x) > 2:
            draft.attributes["axis"] = -1
    elif len(draft.inputs) == 2:
        draft.extra["name"] = "matmul"


def bias(graph: Graph, draft: Draft, value: str) -> None:
    const = graph.constants.get(value)
    if const is not None:
        draft.weights.append(Weight("bias", const, (const.size,)))


# --- normalisation ---------------------------------------------------------------------------------------------------


def batch_norm(graph: Graph, node: Node, draft: Draft) -> None:
    given = [graph.constants.get(node.input(position)) for position in (1, 2, 3, 4)]
    draft.attributes = {"epsilon": float(node.attributes.get("epsilon", 1e-5))}
    roles: tuple[Role, ...] = ("gamma", "beta", "mean", "variance")
    if any(const is None for const in given):
        return
    draft.kind, draft.inputs = "batch_norm", [node.input(0)]
    draft.outputs = draft.outputs[:1]
    draft.weights = [Weight(r, c, (c.size,)) for r, c in zip(roles, given, strict=True) if c is not None]
    if node.attributes.get("training_mode", 0):
        draft.extra["batch_statistics"] = True


def layer_norm(graph: Graph, node: Node, draft: Draft) -> None:
    x = graph.shape(node.input(0))
    axis = int(node.attributes.get("axis", -1))
    if x is None:
        return
    draft.kind, draft.inputs, draft.outputs = "layer_norm", [node.input(0)], draft.outputs[:1]
    draft.attributes = {"epsilon": float(node.attributes.get("epsilon", 1e-5))}
    draft.extra = {"axes": list(range(axis % len(x) - 1, len(x) - 1))}
    scale_and_shift(graph, node, draft)


def group_norm(graph: Graph, node: Node, draft: Draft) -> None:
    """GroupNormalization, and InstanceNormalization: as many groups as channels."""
    x = graph.shape(node.input(0))
    if x is None:
        return
    draft.kind, draft.inputs = "group_norm", [node.input(0)]
    groups = x[1] if node.op == "InstanceNormalization" else int(node.attributes.get("num_groups", 1))
    draft.attributes = {"epsilon": float(node.attributes.get("epsilon", 1e-5)), "groups": groups}
    scale_and_shift(graph, node, draft, x[1])


def scale_and_shift(graph: Graph, node: Node, draft: Draft, channels: int | None = None) -> None:
    roles: tuple[Role, ...] = ("gamma", "beta")
    for role, position in zip(roles, (1, 2), strict=True):
        const = graph.constants.get(node.input(position))
        if const is None:
            continue
        if channels and const.size and const.size < channels and channels % const.size == 0:  # one a group, opset 18
            times = channels // const.size
            change: Change = lambda values, times=times: np.repeat(values.reshape(-1), times)  # type: ignore[misc]  # noqa: E731
            draft.weights.append(Weight(role, const, (channels,), f"repeated {times}", change))
        else:
            draft.weights.append(Weight(role, const, const.shape))


# --- functions -------------------------------------------------------------------------------------------------------


def function(kind: Kind, name: str = "", **constants: float) -> Maker:
    """A kind of its own, or an `activation` with its name; `constants` are attributes with their defaults."""

    def make(graph: Graph, node: Node, draft: Draft) -> None:
        draft.kind, draft.inputs = kind, [node.input(0)]
        draft.extra = ({"name": name} if name else {}) | {
            key: float(node.attributes.get(key, default)) for key, default in constants.items()
        }

    return make


def leaky_relu(graph: Graph, node: Node, draft: Draft) -> None:
    draft.kind, draft.attributes = "leaky_relu", {"slope": float(node.attributes.get("alpha", 0.01))}


def prelu(graph: Graph, node: Node, draft: Draft) -> None:
    alpha = graph.constants.get(node.input(1))
    if alpha is None:
        return
    draft.kind, draft.inputs = "prelu", [node.input(0)]
    shape = (alpha.size,) if math.prod(alpha.shape[1:]) == 1 or alpha.size == 1 else alpha.shape
    draft.weights = [Weight("alpha", alpha, shape)]


def clip(graph: Graph, node: Node, draft: Draft) -> None:
    limits: list[float | None] = []
    for key, position in (("min", 1), ("max", 2)):
        numbers = graph.numbers(node.input(position)) if node.input(position) else None
        if node.input(position) and (numbers is None or numbers.size != 1):
            return
        limits.append(float(numbers.reshape(-1)[0]) if numbers is not None else node.attributes.get(key))
    low, high = (None if one is None or abs(one) > 3e38 else one for one in limits)
    if (low, high) == (0, None):
        draft.kind = "relu"
        return
    draft.kind = "activation"
    if (low, high) == (0, 6):
        draft.extra = {"name": "relu6"}
    else:
        draft.extra = {"name": "clip"} | {k: v for k, v in (("min", low), ("max", high)) if v is not None}


def softmax(kind: Kind, name: str = "") -> Maker:
    def make(graph: Graph, node: Node, draft: Draft) -> None:
        x = graph.shape(node.input(0))
        axis = int(node.attributes.get("axis", -1 if graph.opset >= 13 else 1))
        if x is None or axis % len(x) == 0 or (graph.opset < 13 and math.prod(x[axis % len(x) + 1 :]) != 1):
            return  # before opset 13 it ran over all axes from that one on
        draft.kind, draft.attributes = kind, {"axis": axis % len(x) - 1}
        if name:
            draft.extra["name"] = name

    return make


def gelu(graph: Graph, node: Node, draft: Draft) -> None:
    draft.kind = "gelu"
    if node.attributes.get("approximate", "none") == "tanh":
        draft.extra["approximate"] = "tanh"


def power(graph: Graph, node: Node, draft: Draft) -> None:
    exponent = graph.numbers(node.input(1))
    if exponent is not None and exponent.size == 1:
        draft.kind, draft.extra = "activation", {"name": "pow", "exponent": float(exponent.reshape(-1)[0])}


def arithmetic(kind: Kind, name: str = "") -> Maker:
    """Two or more values, one of which may be constant: a number is an attribute, more are a parameter."""

    def make(graph: Graph, node: Node, draft: Draft) -> None:
        constants = [graph.constants[value] for value in node.inputs if value in graph.constants]
        if len(constants) > 1:
            return
        if constants:
            const, x = constants[0], graph.shape(draft.inputs[0])
            if x is None or len(const.shape) > len(x):
                return
            shape = const.shape
            if len(shape) == len(x):  # the samples' own axis
                if shape[0] != 1:
                    return
                shape = shape[1:]
            if const.size == 1:
                draft.extra["constant"] = float(const.read().reshape(-1)[0])
            else:
                draft.weights = [Weight("gamma" if kind == "multiply" else "bias", const, shape)]
            if node.inputs[0] in graph.constants and node.op in ("Sub", "Div"):
                draft.extra["reverse"] = True
        draft.kind = kind
        if name:
            draft.extra["name"] = name

    return make


def same(kind: Kind) -> Maker:
    def make(graph: Graph, node: Node, draft: Draft) -> None:
        draft.kind, draft.inputs, draft.outputs = kind, [node.input(0)], draft.outputs[:1]

    return make


def recurrent(graph: Graph, node: Node, draft: Draft) -> None:
    draft.kind = "recurrent"
    given: tuple[tuple[Role, int], ...] = (("kernel", 1), ("bias", 3))
    for role, position in given:
        const = graph.constants.get(node.input(position))
        if const is not None:
            draft.weights.append(Weight(role, const, const.shape))
    draft.missing = ("recurrent kernel",)


def quantised_conv(graph: Graph, node: Node, draft: Draft) -> None:
    """A box under its own name, with its kernel as the numbers that the integers stand for."""
    position = 3 if node.op.startswith("QLinear") else 1
    weight, scale = graph.constants.get(node.input(position)), graph.constants.get(node.input(position + 1))
    draft.inputs = [node.input(0)]
    if weight is None or scale is None or position == 1 or len(weight.shape) < 2:
        draft.missing = ("parameters",)
        return
    zero = graph.constants.get(node.input(5))
    matrix = len(weight.shape) == 2

    def apply(values: np.ndarray) -> np.ndarray:
        along = (1, -1) if matrix else (-1, *(1,) * (len(weight.shape) - 1))
        factors = scale.read().astype(np.float32).reshape(-1)
        zeros = np.zeros(1, np.float32) if zero is None else zero.read().astype(np.float32).reshape(-1)
        found = (values.astype(np.float32) - zeros.reshape(along)) * factors.reshape(along)
        return found.T if matrix else found

    shape = weight.shape[::-1] if matrix else kernel_of(weight).shape
    draft.weights = [Weight("kernel", weight, shape, "dequantised", apply, "IO" if matrix else None)]
    draft.missing = ("bias",) if node.input(8) else ()


FUNCTIONS: dict[str, Maker] = {
    "Relu": function("relu"),
    "Sigmoid": function("sigmoid"),
    "Tanh": function("tanh"),
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Clip": clip,
    "Gelu": gelu,
    "Swish": function("silu"),
    "Elu": function("activation", "elu", alpha=1.0),
    "Selu": function("activation", "selu"),
    "Celu": function("activation", "celu", alpha=1.0),
    "HardSigmoid": function("activation", "hard_sigmoid", alpha=0.2, beta=0.5),
    "HardSwish": function("activation", "hard_swish"),
    "Softplus": function("activation", "softplus"),
    "Softsign": function("activation", "softsign"),
    "Mish": function("activation", "mish"),
    "ThresholdedRelu": function("activation", "thresholded_relu", alpha=1.0),
    "Softmax": softmax("softmax"),
    "LogSoftmax": softmax("activation", "log_softmax"),
}
"""What is attached to the layer that it follows."""

OPS: dict[str, Maker] = FUNCTIONS | {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": pool("max_pool2d"),
    "AveragePool": pool("average_pool2d"),
    "GlobalAveragePool": global_pool(None),
    "GlobalMaxPool": global_pool("max"),
    "ReduceMean": reduce("mean"),
    "ReduceMax": reduce("max"),
    "ReduceMin": reduce("min"),
    "ReduceSum": reduce("sum"),
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "InstanceNormalization": group_norm,
    "GroupNormalization": group_norm,
    "Add": arithmetic("add"),
    "Sum": arithmetic("add"),
    "Sub": arithmetic("subtract"),
    "Mul": arithmetic("multiply"),
    "Div": arithmetic("other", "divide"),
    "Max": arithmetic("other", "maximum"),
    "Min": arithmetic("other", "minimum"),
    "Mean": arithmetic("other", "average"),
    "Pow": power,
    "Concat": concat,
    "Flatten": reshaped,
    "Reshape": reshaped,
    "Squeeze": reshaped,
    "Unsqueeze": reshaped,
    "Transpose": transpose,
    "Pad": pad,
    "Slice": crop,
    "Split": split,
    "Gather": gather,
    "Resize": resize,
    "Upsample": resize,
    "DepthToSpace": depth_to_space,
    "Dropout": same("dropout"),
    "LSTM": recurrent,
    "GRU": recurrent,
    "RNN": recurrent,
    "Attention": same("attention"),
    "MultiHeadAttention": same("attention"),
    "QLinearConv": quantised_conv,
    "QLinearMatMul": quantised_conv,
    "ConvInteger": quantised_conv,
    **{
        name: function("activation", name.lower())
        for name in ("Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Sin")
    },
}
