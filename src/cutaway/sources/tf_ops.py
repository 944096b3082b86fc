"""What each TensorFlow operation becomes: the table of handlers, and those of activations.

A handler takes the converter, the node and the values of its inputs, and gives the value of its output. It raises
ValueError where the operation is in a form that has no layer kind; it is shown as a box then.
"""

from __future__ import annotations

from collections.abc import Callable

from cutaway.network import Kind
from cutaway.sources import tf_arithmetic, tf_shaping, tf_windows
from cutaway.sources.tf_convert import Converter
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_layers import Flow, Value
from cutaway.sources.tf_norm import fused_batch_norm

Handler = Callable[[Converter, Node, list[Value | None]], Value | list[Value | None]]

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


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("Conv2D", "Conv3D"), tf_windows.convolution),
    "DepthwiseConv2dNative": tf_windows.depthwise,
    "Conv2DBackpropInput": tf_windows.transposed,
    **dict.fromkeys(("MaxPool", "MaxPoolV2", "AvgPool", "MaxPool3D", "AvgPool3D"), tf_windows.pool),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), tf_windows.matmul),
    "BiasAdd": tf_arithmetic.bias_add,
    **dict.fromkeys(tf_arithmetic.NAMES, tf_arithmetic.arithmetic),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), fused_batch_norm),
    "SquaredDifference": tf_arithmetic.squared_difference,
    **dict.fromkeys(("Mean", "Max", "Sum", "Min"), tf_arithmetic.mean),
    **dict.fromkeys((*KINDS, *FUNCTIONS, "LeakyRelu", "Softmax", "LogSoftmax"), activation),
    "Erfc": tf_arithmetic.complement,
    "Neg": tf_arithmetic.negative,
    "Pow": power,
    "ClipByValue": clipped,
    "Cast": cast,
    **tf_shaping.HANDLERS,
}
