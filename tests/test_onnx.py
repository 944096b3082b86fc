"""ONNX models against ONNX Runtime run plainly, and against the executor in NumPy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import ARCHITECTURES, Builder, one_node, saved, with_sparse

import cutaway
from cutaway.errors import SourceError
from cutaway.execute import execute
from cutaway.network import Layer
from cutaway.samples import Prepared
from cutaway.shapes import parameter_count
from cutaway.sources import How
from cutaway.sources.onnx import Onnx, open_onnx
from cutaway.sources.onnx_run import parts

RANDOM = np.random.default_rng(5)


def opened(model: onnx.ModelProto, folder: Path, **how: Any) -> Onnx:
    return open_onnx(saved(model, folder), How(**how))


def prepared(source: Onnx, count: int = 2, wanted: frozenset[str] | None = None, seed: int = 1) -> Prepared:
    """Random inputs for all inputs of a model."""
    random = np.random.default_rng(seed)
    inputs = {
        spec.name: random.normal(size=(count, *(size or 1 for size in spec.shape))).astype(spec.dtype)
        for spec in source.inputs
    }
    names = [str(position) for position in range(count)]
    return Prepared(images=np.zeros((count, 4, 4, 3), np.uint8), names=names, inputs=inputs, wanted=wanted)


def plain(model: onnx.ModelProto, values: list[str], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """ONNX Runtime as anybody runs it, all samples at once."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=value) for value in values)
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(values, session.run(values, dict(inputs)), strict=True))


def assert_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Within 1e-4 of the layer's largest magnitude."""
    assert found.shape == expected.shape, what
    assert np.abs(found - expected).max() <= 1e-4 * max(np.abs(expected).max(), 1e-6), what


def only(source: Onnx, kind: str) -> Layer:
    """The one layer of a kind."""
    (found,) = [layer for layer in source.network if layer.kind == kind]
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architectures(architecture: str, tmp_path: Path) -> None:
    """Every layer's activations equal ONNX Runtime's, every parameter the file's, and no number is lost."""
    builder, model = ARCHITECTURES[architecture]()
    source = opened(model, tmp_path)
    samples = prepared(source)
    found = source.activations(0, samples)
    assert list(found) == [layer.id for layer in source.network]
    expected = plain(
        model, [source.built.values[id] for id in found if id not in source.network.inputs], samples.inputs
    )
    for id, values in found.items():
        if id not in source.network.inputs:
            assert_close(values, expected[source.built.values[id]], id)
        assert values.shape[1:] == source.network.layer(id).output_shape
    parameters = source.parameters(0)
    assert parameter_count(source.network) == builder.total
    for key, weight in source.built.parameters.items():
        assert np.array_equal(parameters[key], builder.weights[weight.const.name].reshape(parameters[key].shape)), key
    computed = execute(source.network, parameters, samples.inputs)
    for id, values in found.items():
        assert_close(computed[id], values, id)


def test_resnet_graph(tmp_path: Path) -> None:
    """Names and module paths are the user's; what only follows a layer is attached to it, skips are edges."""
    source = opened(ARCHITECTURES["resnet"]()[1], tmp_path)
    ids = [layer.id for layer in source.network]
    assert ids[:5] == ["image", "conv1", "maxpool", "layer1.0.conv1", "layer1.0.conv2"]
    block = source.network.layer("layer2.0.conv1")
    assert (block.name, block.path, block.fused) == ("conv1", ("layer2", "0"), ("batch_norm", "relu"))
    assert [parameter.role for parameter in block.parameters] == ["kernel", "gamma", "beta", "mean", "variance"]
    assert not next(p for p in block.parameters if p.role == "mean").trainable
    joined = source.network.layer("layer2.0.Add")
    assert [edge.layer for edge in joined.inputs] == ["layer2.0.conv2", "layer2.0.downsample.0"]
    assert joined.fused == ("relu",)
    assert source.network.layer("fc").attributes.input_order == "CHW"
    assert source.network.outputs == ("fc",)


def test_functions_of_two_nodes(tmp_path: Path) -> None:
    """x · sigmoid(x) is SiLU, and a batch norm in front of a convolution stays a layer."""
    source = opened(ARCHITECTURES["mobilenet"]()[1], tmp_path)
    assert source.network.layer("features.2.expand.0").fused == ("batch_norm", "silu")
    assert source.network.layer("features.3.depth.0").fused == ("batch_norm", "hard_swish")
    assert source.network.layer("features.1.depth.0").kind == "depthwise_conv2d"
    dense = opened(ARCHITECTURES["densenet"]()[1], tmp_path)
    assert dense.network.layer("block1.layer2.norm").fused == ("relu",)
    assert [edge.layer for edge in dense.network.layer("concat_2").inputs] == ["concat_1", "block1.layer2.conv"]


def kernel(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


ODD: dict[str, onnx.ModelProto] = {
    "stride": one_node("Conv", ("n", 3, 11, 7), kernel(5, 3, 3, 2), strides=[2, 3]),
    "dilation": one_node("Conv", ("n", 3, 13, 9), kernel(4, 3, 3, 3), dilations=[2, 3], pads=[2, 1, 0, 3]),
    "groups": one_node("Conv", ("n", 6, 9, 5), kernel(4, 3, 3, 1), kernel(4), group=2),
    "depthwise multiplier": one_node("Conv", ("n", 3, 9, 5), kernel(6, 1, 3, 3), group=3, pads=[1, 0, 2, 1]),
    "same upper": one_node("Conv", ("n", 2, 10, 7), kernel(3, 2, 4, 3), auto_pad="SAME_UPPER", strides=[3, 2]),
    "same lower": one_node("Conv", ("n", 2, 10, 7), kernel(3, 2, 4, 2), auto_pad="SAME_LOWER", strides=[3, 2]),
    "valid": one_node("Conv", ("n", 2, 10, 7), kernel(3, 2, 4, 3), auto_pad="VALID"),
    "row": one_node("Conv", ("n", 3, 17), kernel(5, 3, 4), strides=[2], pads=[1, 2], dilations=[2]),
    "volume": one_node("Conv", ("n", 2, 5, 6, 7), kernel(3, 2, 2, 3, 3), strides=[1, 2, 2], pads=[0, 1, 1, 1, 1, 0]),
    "transposed": one_node("ConvTranspose", ("n", 4, 5, 7), kernel(4, 3, 3, 4), strides=[2, 3], pads=[1, 0, 0, 2],
                           output_padding=[1, 0]),
    "transposed groups": one_node("ConvTranspose", ("n", 4, 5, 7), kernel(4, 3, 2, 2), group=2, dilations=[2, 1]),
    "transposed shape": one_node("ConvTranspose", ("n", 2, 5, 7), kernel(2, 3, 3, 3), strides=[2, 2],
                                 output_shape=[10, 14]),
    "max": one_node("MaxPool", ("n", 3, 11, 8), kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 1, 1]),
    "max dilated": one_node("MaxPool", ("n", 3, 11, 8), kernel_shape=[2, 2], dilations=[3, 2]),
    "max ceil": one_node("MaxPool", ("n", 3, 10, 7), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "average": one_node("AveragePool", ("n", 3, 11, 8), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "average with padding": one_node("AveragePool", ("n", 3, 11, 8), kernel_shape=[3, 3], pads=[1, 2, 0, 1],
                                     count_include_pad=1),
    "global max": one_node("GlobalMaxPool", ("n", 3, 5, 7)),
    "gemm": one_node("Gemm", ("n", 7), kernel(7, 5), kernel(5), alpha=0.5, beta=2.0),
    "gemm scalar bias": one_node("Gemm", ("n", 7), kernel(5, 7), kernel(1), transB=1),
    "matmul of rows": one_node("MatMul", ("n", 6, 7), kernel(7, 5)),
    "instance norm": one_node("InstanceNormalization", ("n", 3, 5, 7), kernel(3), kernel(3), epsilon=1e-3),
    "layer norm": one_node("LayerNormalization", ("n", 3, 5, 7), kernel(5, 7), kernel(5, 7), axis=2),
    "group norm": one_node("GroupNormalization", ("n", 6, 5, 7), kernel(6), kernel(6), num_groups=3, opset=21),
    "prelu": one_node("PRelu", ("n", 3, 5, 7), kernel(3, 1, 1)),
    "leaky": one_node("LeakyRelu", ("n", 3, 5, 7), alpha=0.3),
    "hard sigmoid": one_node("HardSigmoid", ("n", 3, 5), alpha=0.3, beta=0.4),
    "gelu": one_node("Gelu", ("n", 3, 5), opset=20),
    "clip": one_node("Clip", ("n", 3, 5), np.float32(-0.4), np.float32(0.7)),
    "softmax of maps": one_node("Softmax", ("n", 3, 5, 7), axis=1),
    "multiply by channel": one_node("Mul", ("n", 3, 5, 7), kernel(1, 3, 1, 1)),
    "divide": one_node("Div", ("n", 3, 5, 7), np.float32(3)),
    "pad": one_node("Pad", ("n", 3, 5, 7), np.array([0, 0, 1, 2, 0, 0, 3, 0]), np.float32(1.5)),
    "pad reflecting": one_node("Pad", ("n", 3, 5, 7), np.array([0, 0, 1, 2, 0, 0, 3, 0]), mode="reflect"),
    "slice": one_node("Slice", ("n", 3, 9, 7), np.array([1, -5]), np.array([9, 1 << 60]), np.array([2, 3]),
                      np.array([2, 1])),
    "transpose": one_node("Transpose", ("n", 3, 5, 7), perm=[0, 2, 1, 3]),
    "resize nearest": one_node("Resize", ("n", 3, 5, 7), None, np.array([1, 1, 2, 1.5], np.float32)),
    "resize down": one_node("Resize", ("n", 3, 8, 9), None, None, np.array([2, 3, 5, 4]), mode="linear",
                            coordinate_transformation_mode="align_corners"),
    "pixel shuffle": one_node("DepthToSpace", ("n", 8, 5, 3), blocksize=2, mode="CRD"),
    "old upsample": one_node("Upsample", ("n", 3, 5, 7), np.array([1, 1, 2, 3], np.float32), opset=9),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_shapes(name: str, tmp_path: Path) -> None:
    """Attributes in Cutaway's words mean the same: NumPy computes from them what ONNX Runtime does from the file."""
    model = ODD[name]
    if name == "resize down":
        del model.graph.input[0].type.tensor_type.shape.dim[0]
        model.graph.input[0].type.tensor_type.shape.dim.insert(0, onnx.TensorShapeProto.Dimension(dim_value=2))
    source = opened(model, tmp_path)
    samples = prepared(source)
    layer = source.network.layers[-1]
    assert layer.kind != "other" or layer.attributes.extra["name"] == "divide"
    found = source.activations(0, samples)[layer.id]
    assert_close(found, plain(model, [source.built.values[layer.id]], samples.inputs).popitem()[1], name)
    computed = execute(source.network, source.parameters(0), samples.inputs)
    assert_close(computed[layer.id], found, name)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21])
def test_opsets(opset: int, tmp_path: Path) -> None:
    """From the oldest that ONNX Runtime takes; before version 4 of the format weights are listed as inputs."""
    b = Builder()
    x = b.unit(b.input, (3, 4), 3, "stem")
    x = b.node("Reshape", x, b.const("shape", [0, -1]))
    model = b.model(b.dense(x, (4 * 32 * 24, 5), "fc"), opset=opset, ir=3 if opset < 9 else 8)
    if opset < 9:
        for name, values in b.weights.items():
            kind = helper.np_dtype_to_tensor_dtype(values.dtype)
            model.graph.input.append(helper.make_tensor_value_info(name, kind, values.shape))
    source = opened(model, tmp_path)
    assert [spec.name for spec in source.inputs] == ["image"]
    assert [layer.kind for layer in source.network] == ["input", "conv2d", "flatten", "dense"]
    samples = prepared(source)
    expected = plain(model, [model.graph.output[0].name], samples.inputs).popitem()[1]
    assert_close(source.activations(0, samples)["fc"], expected, "fc")


def test_weights_in_constants(tmp_path: Path) -> None:
    """Weights come from `Constant` nodes as well as from initializers, small and large, transposed on the way."""
    b = Builder(("n", 40))
    large, small = kernel(50, 40), kernel(3, 50)
    w = b.node("Constant", value=numpy_helper.from_array(large))
    x = b.node("MatMul", b.input, b.node("Transpose", w, perm=[1, 0]))
    x = b.relu(b.node("Add", x, b.node("Constant", value_floats=[0.5] * 50)))
    v = b.node("Constant", value=numpy_helper.from_array(small))
    model = b.model(b.node("Gemm", x, b.node("Identity", v), transB=1))
    source = opened(model, tmp_path)
    assert [layer.kind for layer in source.network] == ["input", "dense", "dense"]
    first, second = source.network.layers[1:]
    parameters = source.parameters(0)
    assert first.fused == ("relu",)
    assert np.array_equal(parameters[f"{first.id}/kernel"], large)
    assert np.array_equal(parameters[f"{first.id}/bias"], np.full(50, 0.5, np.float32))
    assert np.array_equal(parameters[f"{second.id}/kernel"], small)
    samples = prepared(source)
    expected = plain(model, [model.graph.output[0].name], samples.inputs).popitem()[1]
    assert_close(source.activations(0, samples)[second.id], expected, "second")


def test_subgraphs_and_unknown_operations_are_boxes(tmp_path: Path) -> None:
    """An If is one box that reads what its branches read; what depends on a foreign operation has no activations."""
    b = Builder(("n", 3, 8, 8))
    x = b.relu(b.conv(b.input, (3, 4), 3, "stem"))

    def branch(op: str) -> Any:
        node = helper.make_node(op, [x], [f"out_{op}"])
        return helper.make_graph([node], op, [], [helper.make_tensor_value_info(f"out_{op}", 1, None)])

    total = b.node("ReduceSum", b.node("Cast", b.input, to=TensorProto.FLOAT), keepdims=0)
    flag = b.node("Greater", total, b.const("zero", 0, np.float32))
    chosen = b.node("If", flag, name="gate", then_branch=branch("Neg"), else_branch=branch("Exp"))
    foreign = b.node("Strange", chosen, domain="my.own", name="strange")
    model = b.model(foreign, chosen, opsets=[helper.make_opsetid("my.own", 1)])
    source = opened(model, tmp_path)
    gate = source.network.layer("gate")
    assert (gate.kind, gate.op) == ("other", "If")
    assert "stem" in [edge.layer for edge in gate.inputs]
    found = source.activations(0, prepared(source))
    assert found["gate"].shape == (2, 4, 8, 8)
    assert "strange" not in found
    assert source.network.layer("strange").op == "my.own.Strange"
    assert not source.completeness.activations
    assert "Strange" in source.completeness.notes[0]


def test_functions_are_opened(tmp_path: Path) -> None:
    """A model's own functions are shown by their bodies."""
    b = Builder(("n", 3, 8, 8))
    called = b.node("Twice", b.conv(b.input, (3, 4), 3, "stem"), domain="own")
    model = b.model(called, opsets=[helper.make_opsetid("own", 1)], ir=9)
    nodes = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Add", ["b", "b"], ["c"])]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["c"], nodes, [helper.make_opsetid("", 17)]))
    source = opened(model, tmp_path)
    assert [layer.kind for layer in source.network] == ["input", "conv2d", "add"]
    samples = prepared(source)
    assert_close(source.activations(0, samples)["add_1"], plain(model, [called], samples.inputs)[called], "add_1")


def test_external_data(tmp_path: Path) -> None:
    """Weights in a file beside the model, in a folder below it too."""
    builder, model = ARCHITECTURES["resnet"]()
    (tmp_path / "data").mkdir()
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="data/weights.bin", size_threshold=0)
    source = open_onnx(tmp_path / "m.onnx", How())
    assert np.array_equal(source.parameters(0)["conv1/kernel"], builder.weights["conv1.weight"])
    samples = prepared(source, 1)
    value = source.built.values["fc"]
    expected = plain(ARCHITECTURES["resnet"]()[1], [value], samples.inputs)[value]
    assert_close(source.activations(0, samples)["fc"], expected, "fc")


def test_free_sizes(tmp_path: Path) -> None:
    """Height and width that the model leaves free come from `size`, the channels from its first kernel."""
    b = Builder(("n", "c", "h", "w"))
    model = b.model(b.head(b.unit(b.input, (4, 6), 3, "stem"), 6))
    assert opened(model, tmp_path).inputs[0].shape == (4, 224, 224)
    source = opened(model, tmp_path, size=(30, 50))
    assert source.inputs[0].shape == (4, 30, 50)
    assert source.network.layer("stem.conv").output_shape == (6, 30, 50)
    assert source.activations(0, prepared(source))["stem.conv"].shape == (2, 6, 30, 50)
    assert opened(model, tmp_path, sample_shape=(4, 20, 12)).inputs[0].shape == (4, 20, 12)


def test_channels_last(tmp_path: Path) -> None:
    """TensorFlow's layout around a model: the input is recorded channels first, the dense layer says HWC."""
    b = Builder(("n", 6, 8, 3))
    x = b.relu(b.conv(b.node("Transpose", b.input, perm=[0, 3, 1, 2]), (3, 5), 3, "stem"))
    flat = b.node("Reshape", b.node("Transpose", x, perm=[0, 2, 3, 1]), b.const("shape", [-1, 5 * 6 * 8]))
    model = b.model(b.node("MatMul", flat, b.weight("fc/kernel", 240, 4), name="fc"))
    source = opened(model, tmp_path)
    assert [layer.kind for layer in source.network] == ["input", "conv2d", "flatten", "dense"]
    assert (source.inputs[0].shape, source.inputs[0].layout) == ((6, 8, 3), "NHWC")
    assert source.network.layers[-1].attributes.input_order == "HWC"
    samples = prepared(source)
    found = source.activations(0, samples)
    assert np.array_equal(found["image"], np.moveaxis(samples.inputs["image"], -1, 1))
    computed = execute(source.network, source.parameters(0), {"image": found["image"]})
    for id in ("stem", "fc"):
        assert_close(computed[id], found[id], id)


def test_several_inputs(tmp_path: Path) -> None:
    """`input` names where the samples go; the others get zeros."""
    b = Builder(("n", 3, 8, 8))
    b.inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ("n", 4, 8, 8)))
    out = b.node("Add", b.conv(b.input, (3, 4), 3, "stem"), "mask", name="/sum/Add")
    model = b.model(out)
    assert [spec.name for spec in opened(model, tmp_path).inputs] == ["image", "mask"]
    source = opened(model, tmp_path, input="mask")
    assert [spec.name for spec in source.inputs] == ["mask", "image"]
    samples = prepared(source)
    alone = Prepared(images=samples.images, names=samples.names, inputs={"mask": samples.inputs["mask"]})
    found = source.activations(0, alone)
    assert not found["image"].any()
    assert np.array_equal(found["sum"], samples.inputs["mask"])
    with pytest.raises(SourceError, match="no input 'nothing'; it has 'image', 'mask'"):
        opened(model, tmp_path, input="nothing")


@pytest.mark.parametrize("batch", [1, 3])
def test_fixed_batch(batch: int, tmp_path: Path) -> None:
    """A model that takes so many samples at once gets them, whatever their number is."""
    b = Builder((batch, 3, 8, 8))
    x = b.node("Reshape", b.unit(b.input, (3, 4), 3, "stem"), b.const("shape", [batch, 256]))
    model = b.model(b.dense(x, (256, 5), "fc"))
    source = opened(model, tmp_path)
    samples = prepared(source, 4)
    found = source.activations(0, samples)["fc"]
    rows = [samples.inputs["image"][position : position + 1].repeat(batch, 0) for position in range(4)]
    value = source.built.values["fc"]
    for position, row in enumerate(rows):
        assert_close(found[position], plain(model, [value], {"image": row})[value][0], "fc")


def test_half_precision_and_integers(tmp_path: Path) -> None:
    """16-bit weights and inputs, and 8-bit pictures."""
    b = Builder(("n", 3, 8, 8))
    b.inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ("n", 3, 8, 8))]
    x = b.node("Cast", "image", to=TensorProto.FLOAT16)
    b.weights["w"] = kernel(4, 3, 3, 3).astype(np.float16)
    model = b.model(b.node("Conv", x, "w", name="stem"))
    source = opened(model, tmp_path)
    assert source.inputs[0].dtype == "uint8"
    pictures = RANDOM.integers(0, 255, (2, 3, 8, 8), np.uint8)
    samples = Prepared(images=np.moveaxis(pictures, 1, -1), names=["a", "b"], inputs={"image": pictures})
    found = source.activations(0, samples)["stem"]
    assert found.dtype == np.float32
    assert np.array_equal(source.parameters(0)["stem/kernel"], b.weights["w"].astype(np.float32))


def test_quantised(tmp_path: Path) -> None:
    """Weights behind DequantizeLinear are what they stand for; QLinearConv is a box that has its kernel."""
    b = Builder(("n", 3, 8, 8))
    b.weights["w"] = RANDOM.integers(-127, 127, (4, 3, 3, 3), np.int8)
    scale, zero = b.const("scale", [0.1, 0.2, 0.3, 0.4], np.float32), b.const("zero", [0, 1, 2, 3], np.int8)
    x = b.node("Conv", b.input, b.node("DequantizeLinear", "w", scale, zero, axis=0), name="stem")
    one, none = b.const("one", 0.05, np.float32), b.const("none", 3, np.int8)
    q = b.node("QuantizeLinear", x, one, none, name="q")
    b.weights["w2"] = RANDOM.integers(-127, 127, (2, 4, 1, 1), np.int8)
    box = b.node("QLinearConv", q, one, none, "w2", one, none, one, none, name="box")
    model = b.model(b.node("DequantizeLinear", box, one, none, name="back"))
    source = opened(model, tmp_path)
    expected = (b.weights["w"].astype(np.float32) - np.arange(4).reshape(4, 1, 1, 1)) * b.weights["scale"].reshape(
        4, 1, 1, 1
    )
    parameters = source.parameters(0)
    assert np.allclose(parameters["stem/kernel"], expected, atol=1e-6)
    assert np.allclose(parameters["box/kernel"], (b.weights["w2"].astype(np.float32) - 3) * np.float32(0.05))
    assert only(source, "conv2d").id == "stem"
    assert source.network.layer("box").op == "QLinearConv"
    assert source.activations(0, prepared(source))["box"].shape == (2, 2, 6, 6)


def test_shapes_that_only_a_run_tells(tmp_path: Path) -> None:
    """A size that is computed from the values of the sample."""
    b = Builder(("n", 3, 8, 8))
    x = b.relu(b.conv(b.input, (3, 4), 3, "stem"))
    top = b.node("ReduceMax", b.node("Abs", b.input), keepdims=0)
    times = b.node("Cast", b.node("Clip", top, b.const("two", 2, np.float32), b.const("2", 2, np.float32)), to=7)
    one = b.const("one", [1])
    repeats = b.node("Concat", one, one, one, b.node("Unsqueeze", times, b.const("zero", [0])), axis=0)
    model = b.model(b.node("Tile", x, repeats, name="tiled"))
    source = opened(model, tmp_path)
    assert source.network.layer("tiled").output_shape == (4, 8, 16)
    assert [edge.layer for edge in source.network.layer("tiled").inputs] == ["stem"]
    assert source.activations(0, prepared(source))["tiled"].shape == (2, 4, 8, 16)


def test_only_what_is_wanted(tmp_path: Path) -> None:
    """Other layers are neither computed nor returned; the result is the same."""
    source = opened(ARCHITECTURES["resnet"]()[1], tmp_path)
    every = source.activations(0, prepared(source))
    some = source.activations(0, prepared(source, wanted=frozenset({"layer1.0.conv1", "image"})))
    assert list(some) == ["image", "layer1.0.conv1"]
    assert np.array_equal(some["layer1.0.conv1"], every["layer1.0.conv1"])
    assert source.engine.loaded == (source.built.values["layer1.0.conv1"],)


def test_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit the memory at once is computed in several runs, with the same result."""
    assert parts({"a": 3, "b": 3, "c": 9, "d": 1}, 7) == [["a", "b"], ["c"], ["d"]]
    source = opened(ARCHITECTURES["unet"]()[1], tmp_path)
    whole = source.activations(0, prepared(source))
    monkeypatch.setattr("cutaway.sources.onnx_run.PART_BYTES", 50_000)
    assert len(parts({value: 20_000 for value in "abcdef"}, 50_000)) == 3
    pieces = source.activations(0, prepared(source))
    assert len(source.engine.loaded) < len(whole) - 1
    for id, values in whole.items():
        assert np.array_equal(pieces[id], values), id


def test_shared_weights(tmp_path: Path) -> None:
    """One convolution that is called twice is two layers with one parameter."""
    b = Builder(("n", 3, 8, 8))
    w = b.weight("same.weight", 3, 3, 3, 3)
    x = b.node("Conv", b.input, w, pads=[1, 1, 1, 1])
    model = b.model(b.node("Conv", b.relu(x), w, pads=[1, 1, 1, 1]))
    source = opened(model, tmp_path)
    first, second = source.network.layers[1:]
    assert (first.id, second.id) == ("same", "same_2")
    assert first.parameters[0].key == second.parameters[0].key == "same/kernel"
    assert (first.call, second.call) == (0, 1)
    assert parameter_count(source.network) == 81


@pytest.mark.parametrize("flat", [False, True])
def test_sparse_weights(flat: bool, tmp_path: Path) -> None:
    """They are weights like others, whose zeros are not in the file."""
    b = Builder(("n", 3, 8, 8))
    model = b.model(b.conv(b.input, (3, 4), 3, "stem"))
    kernel = with_sparse(model, "stem.weight", flat=flat)
    source = opened(model, tmp_path)
    assert np.array_equal(source.parameters(0)["stem/kernel"], kernel)
    samples = prepared(source)
    computed = execute(source.network, source.parameters(0), samples.inputs)
    for id, values in source.activations(0, samples).items():
        assert_close(values, computed[id], id)


def test_names_without_names(tmp_path: Path) -> None:
    """Nodes that nobody named get readable, unique ones."""
    b = Builder(("n", 3, 8, 8))
    x = b.input
    for number in range(3):
        x = b.node("Conv", x, b.const(str(number), kernel(3, 3, 1, 1), np.float32))
    x = b.node("MaxPool", x, kernel_shape=[2, 2])
    source = opened(b.model(b.node("LRN", x, size=3)), tmp_path)
    assert [layer.id for layer in source.network] == ["image", "conv_1", "conv_2", "conv_3", "max_pool_1", "lrn_1"]
    assert source.network.layer("lrn_1").kind == "other"


def test_scopes_of_the_newer_exporter(tmp_path: Path) -> None:
    """PyTorch's newer exporter keeps modules and source lines beside the nodes."""
    b = Builder(("n", 3, 8, 8))
    b.node("MaxPool", b.input, name="node_MaxPool_3", kernel_shape=[2, 2])
    for key, text in (
        ("pkg.torch.onnx.name_scopes", "['', 'body', 'body.2', 'body.2.pool', 'max_pool2d_1']"),
        ("pkg.torch.onnx.stack_trace", 'File "/home/me/net.py", line 41, in forward\n  return self.pool(x)\n'
         'File "/x/site-packages/torch/nn/modules/pooling.py", line 3, in forward'),
    ):  # fmt: skip
        b.nodes[-1].metadata_props.add(key=key, value=text)
    source = opened(b.model("v1", ir=10), tmp_path)
    layer = source.network.layers[-1]
    assert (layer.id, layer.name, layer.path, layer.source) == ("body.2.pool", "pool", ("body", "2"), "net.py:41")


def test_recording(tmp_path: Path) -> None:
    """From file to recording, through the public functions."""
    path = saved(ARCHITECTURES["inception"]()[1], tmp_path)
    images = np.random.default_rng(3).normal(size=(3, 3, 32, 24)).astype(np.float32)
    recording = cutaway.record(path, images, tmp_path / "run")
    source = cutaway.open_source(path)
    assert isinstance(source, Onnx)
    blank = np.zeros((3, 4, 4, 3), np.uint8)
    expected = source.activations(0, Prepared(images=blank, names=["a", "b", "c"], inputs={"image": images}))
    for id in ("image", "mixed2.branch3_2.conv", "concat_2", "fc"):
        assert np.array_equal(recording.activations(id, 0, 1), expected[id][1])
    assert np.array_equal(recording.parameters("fc", "kernel", 0), source.parameters(0)["fc/kernel"])
    assert recording.network.layer("fc").fused == ("softmax",)
    assert np.isclose(recording.activations("fc", 0, 0).sum(), 1, atol=1e-5)


def test_example(tmp_path: Path) -> None:
    """The example in `examples/` runs as it stands there."""
    example = Path(__file__).parents[1] / "examples" / "record_onnx.py"
    command = [sys.executable, str(example), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "edges    conv2d with relu: 4 × 32 × 32" in done.stdout
    assert cutaway.open(tmp_path / "run").network.outputs == ("mean",)


def test_wrong_samples_are_named(tmp_path: Path) -> None:
    source = opened(ARCHITECTURES["resnet"]()[1], tmp_path)
    wrong = Prepared(np.zeros((1, 4, 4, 3), np.uint8), ["a"], inputs={"image": np.zeros((1, 3, 5, 5), np.float32)})
    with pytest.raises(SourceError, match=r"takes \[3, 32, 24\] a sample, got \[3, 5, 5\]"):
        source.activations(0, wrong)
    with pytest.raises(SourceError, match="no samples for the input 'image'"):
        source.activations(0, Prepared(np.zeros((1, 4, 4, 3), np.uint8), ["a"]))
