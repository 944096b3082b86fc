"""Small ONNX models of the usual architectures, built node by node: what they hold is known without asking a reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """A graph in the making. Every method adds nodes and returns the name of the value that they make."""

    def __init__(self, shape: tuple[int | str, ...] = ("n", 3, 32, 24), *, input: str = "image", seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: dict[str, np.ndarray] = {}
        self.inputs = [helper.make_tensor_value_info(input, TensorProto.FLOAT, shape)]
        self.input = input
        self.count = 0

    def value(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def weight(self, name: str, *shape: int, positive: bool = False) -> str:
        scale = 1 / max(1, int(np.prod(shape[1:]))) ** 0.5 if len(shape) > 1 else 0.5
        values = self.random.normal(scale=scale, size=shape)
        self.weights[name] = (np.abs(values) + 0.5 if positive else values).astype(np.float32)
        return name

    def const(self, name: str, values: Any, dtype: Any = np.int64) -> str:
        self.weights[name] = np.asarray(values, dtype)
        return name

    def node(self, op: str, *inputs: str, name: str = "", outputs: int = 1, domain: str = "", **attributes: Any) -> str:
        made = [self.value() for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), made, name=name, domain=domain or None, **attributes))
        return made[0]

    def conv(self, x: str, channels: tuple[int, int], k: int, name: str, *, bias: bool = False, **how: Any) -> str:
        groups = how.pop("group", 1)
        inputs, outputs = channels
        given = [x, self.weight(f"{name}.weight", outputs, inputs // groups, k, k)]
        if bias:
            given.append(self.weight(f"{name}.bias", outputs))
        how.setdefault("pads", [k // 2] * 4)
        scope = "/" + name.replace(".", "/")
        return self.node("Conv", *given, name=f"{scope}/Conv", group=groups, kernel_shape=[k, k], **how)

    def norm(self, x: str, channels: int, name: str) -> str:
        given = [self.weight(f"{name}.{part}", channels) for part in ("weight", "bias", "running_mean")]
        given.append(self.weight(f"{name}.running_var", channels, positive=True))
        return self.node("BatchNormalization", x, *given, name=f"/{name.replace('.', '/')}/BatchNormalization")

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def unit(self, x: str, channels: tuple[int, int], k: int, name: str, **how: Any) -> str:
        """Convolution, batch norm, ReLU."""
        return self.relu(self.norm(self.conv(x, channels, k, f"{name}.conv", **how), channels[1], f"{name}.bn"))

    def dense(self, x: str, sizes: tuple[int, int], name: str) -> str:
        kernel, bias = self.weight(f"{name}.weight", sizes[1], sizes[0]), self.weight(f"{name}.bias", sizes[1])
        return self.node("Gemm", x, kernel, bias, name=f"/{name}/Gemm", transB=1)

    def head(self, x: str, channels: int, classes: int = 10) -> str:
        pooled = self.node("GlobalAveragePool", x, name="/pool/GlobalAveragePool")
        flat = self.node("Flatten", pooled, name="/Flatten")
        return self.dense(flat, (channels, classes), "fc")

    def model(self, *outputs: str, opset: int = 17, ir: int = 8, **more: Any) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "graph",
            self.inputs,
            [helper.make_tensor_value_info(value, TensorProto.FLOAT, None) for value in outputs],
            [numpy_helper.from_array(values, name) for name, values in self.weights.items()],
        )
        opsets = [helper.make_opsetid("", opset), *more.pop("opsets", [])]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="tests", **more)

    @property
    def total(self) -> int:
        """Numbers in all weights."""
        return sum(
            values.size for name, values in self.weights.items() if values.dtype.kind == "f" and name not in NO_WEIGHTS
        )


def resnet(width: int = 8, shape: tuple[int | str, ...] = ("n", 3, 32, 24)) -> tuple[Builder, onnx.ModelProto]:
    """ResNet-18: a stem, four stages of two blocks, every stage but the first halves the maps."""
    b = Builder(shape)
    x = b.relu(b.norm(b.conv(b.input, (3, width), 7, "conv1", strides=[2, 2]), width, "bn1"))
    x = b.node("MaxPool", x, name="/maxpool/MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = width
    for stage, wide in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = b.conv(x, (channels, wide), 3, f"{name}.conv1", strides=[stride, stride])
            y = b.relu(b.norm(y, wide, f"{name}.bn1"))
            y = b.norm(b.conv(y, (wide, wide), 3, f"{name}.conv2"), wide, f"{name}.bn2")
            if channels != wide:
                x = b.conv(x, (channels, wide), 1, f"{name}.downsample.0", strides=[stride, stride])
                x = b.norm(x, wide, f"{name}.downsample.1")
            x = b.relu(b.node("Add", y, x, name=f"/layer{stage}/layer{stage}.{block}/Add"))
            channels = wide
    return b, b.model(b.head(x, channels))


def inception() -> tuple[Builder, onnx.ModelProto]:
    """Two modules of four branches that are concatenated, odd and asymmetric kernels among them."""
    b = Builder()
    x, channels = b.unit(b.input, (3, 16), 3, "stem", strides=[2, 2]), 16
    for name in ("mixed1", "mixed2"):
        one = b.unit(x, (channels, 8), 1, f"{name}.branch1x1")
        three = b.unit(b.unit(x, (channels, 6), 1, f"{name}.branch3_1"), (6, 12), 3, f"{name}.branch3_2")
        row = b.node(
            "Conv", x, b.weight(f"{name}.row.weight", 4, channels, 1, 7), name=f"/{name}/row/Conv", pads=[0, 3, 0, 3]
        )
        pooled = b.node("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], name=f"/{name}/pool/AveragePool")
        x = b.node("Concat", one, three, b.relu(row), b.unit(pooled, (channels, 8), 1, f"{name}.proj"), axis=1)
        channels = 8 + 12 + 4 + 8
    return b, b.model(b.node("Softmax", b.head(x, channels), axis=1))


def unet() -> tuple[Builder, onnx.ModelProto]:
    """Down twice, up twice (one transposed convolution, one resize), with both skips."""
    b = Builder()
    first = b.unit(b.input, (3, 8), 3, "down1")
    second = b.unit(b.node("MaxPool", first, kernel_shape=[2, 2], strides=[2, 2]), (8, 16), 3, "down2")
    deep = b.unit(b.node("MaxPool", second, kernel_shape=[2, 2], strides=[2, 2]), (16, 32), 3, "middle")
    up = b.node("ConvTranspose", deep, b.weight("up2.weight", 32, 16, 2, 2), b.weight("up2.bias", 16), name="/up2/Up",
                strides=[2, 2])  # fmt: skip
    x = b.unit(b.node("Concat", up, second, axis=1), (32, 16), 3, "dec2")
    scales = b.const("scales", [1, 1, 2, 2], np.float32)
    up = b.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    x = b.unit(b.node("Concat", up, first, axis=1), (24, 8), 3, "dec1")
    out = b.node("Sigmoid", b.conv(x, (8, 1), 1, "out", bias=True))
    return b, b.model(out)


def mobilenet() -> tuple[Builder, onnx.ModelProto]:
    """Inverted residuals: expand, depthwise, project, with ReLU6, SiLU and hard swish."""
    b = Builder()
    low, high = b.const("low", 0, np.float32), b.const("high", 6, np.float32)

    def relu6(x: str) -> str:
        return b.node("Clip", x, low, high)

    def silu(x: str) -> str:
        return b.node("Mul", x, b.node("Sigmoid", x))

    def hard_swish(x: str) -> str:
        return b.node("HardSwish", x)

    x = relu6(b.norm(b.conv(b.input, (3, 8), 3, "features.0.0", strides=[2, 2]), 8, "features.0.1"))

    for number, function in enumerate((relu6, silu, hard_swish), start=1):
        name = f"features.{number}"
        y = function(b.norm(b.conv(x, (8, 24), 1, f"{name}.expand.0"), 24, f"{name}.expand.1"))
        y = function(b.norm(b.conv(y, (24, 24), 3, f"{name}.depth.0", group=24), 24, f"{name}.depth.1"))
        y = b.norm(b.conv(y, (24, 8), 1, f"{name}.project.0"), 8, f"{name}.project.1")
        x = b.node("Add", x, y)
    mean = b.node("ReduceMean", x, axes=[2, 3], keepdims=0)
    out = b.dense(b.node("Dropout", mean), (8, 10), "classifier")
    return b, b.model(out)


def densenet() -> tuple[Builder, onnx.ModelProto]:
    """Batch norm and ReLU in front of each convolution, every layer reads all before it."""
    b = Builder()
    x, channels = b.conv(b.input, (3, 8), 3, "conv0"), 8
    for block in (1, 2):
        for layer in (1, 2, 3):
            name = f"block{block}.layer{layer}"
            y = b.relu(b.norm(x, channels, f"{name}.norm"))
            x = b.node("Concat", x, b.conv(y, (channels, 6), 3, f"{name}.conv"), axis=1)
            channels += 6
        y = b.relu(b.norm(x, channels, f"transition{block}.norm"))
        y = b.conv(y, (channels, channels // 2), 1, f"transition{block}.conv")
        x, channels = b.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2]), channels // 2
    return b, b.model(b.head(x, channels))


ARCHITECTURES = {
    "resnet": resnet, "inception": inception, "unet": unet, "mobilenet": mobilenet, "densenet": densenet
}  # fmt: skip
NO_WEIGHTS = {"scales", "low", "high"}
"""Numbers in those models that are no parameters: factors and limits."""


def with_sparse(model: onnx.ModelProto, name: str, *, flat: bool) -> np.ndarray:
    """Writes one of a model's weights as a sparse one, half of whose numbers are zeros; what it is then."""
    tensor = next(one for one in model.graph.initializer if one.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values[np.abs(values) < np.median(np.abs(values))] = 0
    places = np.flatnonzero(values) if flat else np.argwhere(values)
    numbers = numpy_helper.from_array(values[values != 0], name)
    indices = numpy_helper.from_array(places.astype(np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(numbers, indices, values.shape))
    model.graph.initializer.remove(tensor)
    return values


def saved(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def one_node(
    op: str, shape: tuple[int | str, ...], *weights: Any, opset: int = 17, **attributes: Any
) -> onnx.ModelProto:
    """A model of one node: the data first, then weights (arrays, or None for what is left out)."""
    b = Builder(shape)
    names = [b.input]
    for position, values in enumerate(weights):
        if values is not None:
            b.weights[f"w{position}"] = np.asarray(values)
        names.append("" if values is None else f"w{position}")
    outputs = attributes.pop("outputs", 1)
    return b.model(b.node(op, *names, outputs=outputs, **attributes), opset=opset)
