"""The executor against PyTorch: every kind on odd shapes (strides, dilation, groups, padding that differs per side)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from cutaway.errors import SourceError, UnknownLayer
from cutaway.execute import execute, unsupported
from cutaway.execute.pointwise import FUNCTIONS, erf
from cutaway.network import Attributes, Edge, Layer, Network, Parameter
from cutaway.shapes_of import layer_shapes

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional

TOLERANCE = 1e-5
"""Of the largest value of an output."""


def layer(
    kind: str,
    weights: Mapping[str, np.ndarray] | None = None,
    inputs: int = 1,
    fused: tuple[str, ...] = (),
    **attributes: Any,
) -> Layer:
    shape = attributes.pop("shape", None)
    return Layer(
        id="y",
        name="y",
        kind=kind,  # type: ignore[arg-type]
        inputs=tuple(Edge(layer=f"x{position}") for position in range(inputs)),
        output_shapes=() if shape is None else (tuple(shape),),
        attributes=Attributes(**attributes),
        parameters=tuple(
            Parameter(role=role, key=f"y/{role}", shape=values.shape)  # type: ignore[arg-type]
            for role, values in (weights or {}).items()
        ),
        fused=fused,
    )


def run(node: Layer, *inputs: Any, weights: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """What the executor makes of it; the shape that `shapes_of` tells is checked on the way."""
    arrays = [np.asarray(given) for given in inputs]
    sources = tuple(Layer(id=f"x{position}", name="x", kind="input") for position in range(len(arrays)))
    network = Network(layers=(*sources, node), inputs=tuple(source.id for source in sources), outputs=("y",))
    keys = {f"y/{role}": values for role, values in (weights or {}).items()}
    made = execute(network, keys, {f"x{position}": array for position, array in enumerate(arrays)})["y"]
    told = layer_shapes(node, [array.shape[1:] for array in arrays])
    if told:
        assert told[0] == made.shape[1:]
    return made


def same(made: np.ndarray, expected: Any, tolerance: float = TOLERANCE) -> None:
    there = expected.detach().numpy() if hasattr(expected, "detach") else np.asarray(expected)
    assert made.shape == there.shape
    assert made.dtype == there.dtype
    scale = float(np.abs(there[np.isfinite(there)]).max(initial=1e-30))
    np.testing.assert_allclose(made / scale, there / scale, rtol=0, atol=tolerance)


def random(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def pairs(values: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((value, value) for value in values)


def of(module: Any) -> dict[str, np.ndarray]:
    """A torch layer's parameters by role."""
    roles = {"weight": "kernel", "bias": "bias"}
    return {roles[name]: values.detach().numpy() for name, values in module.named_parameters()}


CONVOLUTIONS = [
    # channels, maps, kernel, stride, padding, dilation, groups, size
    (3, 5, (3, 2), (2, 1), (1, 2), (1, 2), 1, (9, 8)),
    (4, 6, (4, 3), (1, 3), (2, 0), (2, 1), 2, (11, 13)),
    (4, 8, (2, 5), (2, 2), (0, 2), (1, 1), 4, (7, 10)),
    (5, 5, (3, 4), (2, 3), (1, 1), (1, 2), 5, (12, 9)),
    (4, 6, (1, 1), (2, 2), (0, 0), (1, 1), 1, (7, 8)),
    (4, 6, (1, 1), (1, 1), (0, 0), (1, 1), 2, (7, 8)),
    (1, 2, (7, 8), (1, 1), (0, 0), (1, 1), 1, (7, 8)),
]


class TestConvolutions:
    @pytest.mark.parametrize(
        ("channels", "maps", "kernel", "stride", "padding", "dilation", "groups", "size"), CONVOLUTIONS
    )
    def test_conv2d(self, channels, maps, kernel, stride, padding, dilation, groups, size) -> None:  # type: ignore[no-untyped-def]
        module = nn.Conv2d(channels, maps, kernel, stride, padding, dilation, groups)
        x = random(2, channels, *size)
        kind = "depthwise_conv2d" if groups == channels > 1 else "conv2d"
        node = layer(
            kind, of(module), kernel=kernel, stride=stride, padding=pairs(padding), dilation=dilation, groups=groups
        )
        same(run(node, x, weights=of(module)), module(x))

    @pytest.mark.parametrize("block", [1, 3000, 1 << 30])
    def test_a_block_of_rows_at_a_time(self, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cutaway.execute.windows.BLOCK_BYTES", block)
        module = nn.Conv2d(3, 4, (3, 2), (2, 1), 1, groups=1)
        x = random(1, 3, 17, 6)
        node = layer("conv2d", of(module), stride=(2, 1), padding=((1, 1), (1, 1)))
        same(run(node, x, weights=of(module)), module(x))
        back = nn.ConvTranspose2d(3, 4, (3, 2), (2, 1), 1)
        node = layer("conv_transpose2d", of(back), stride=(2, 1), padding=((1, 1), (1, 1)))
        same(run(node, x, weights=of(back)), back(x))

    def test_padding_that_differs_on_every_side(self) -> None:
        module = nn.Conv2d(2, 3, (3, 4), stride=2)
        x = random(2, 2, 6, 7)
        node = layer("conv2d", of(module), stride=(2, 2), padding=((0, 1), (2, 3)))
        same(run(node, x, weights=of(module)), module(F.pad(x, (2, 3, 0, 1))))

    def test_negative_padding_cuts_off(self) -> None:
        module = nn.Conv2d(2, 3, 3)
        x = random(1, 2, 8, 9)
        node = layer("conv2d", of(module), padding=((-1, 2), (0, -2)))
        same(run(node, x, weights=of(module)), module(F.pad(x, (0, -2, -1, 2))))

    @pytest.mark.parametrize(
        "attributes",
        [
            {"stride": (2,), "padding": ((1, 1),), "dilation": (2,)},
            {"stride": (1, 2), "padding": ((0, 0), (1, 1)), "dilation": (1, 2)},
        ],
    )
    def test_conv1d(self, attributes: dict[str, Any]) -> None:
        module = nn.Conv1d(4, 6, 3, 2, 1, 2, 2)
        x = random(2, 4, 15)
        weights = of(module)
        same(run(layer("conv1d", weights, groups=2, **attributes), x, weights=weights), module(x))
        weights["kernel"] = weights["kernel"][:, :, None]  # as it is recorded: a row of pixels
        same(run(layer("conv1d", weights, groups=2, **attributes), x, weights=weights), module(x))

    def test_conv3d(self) -> None:
        module = nn.Conv3d(4, 6, (3, 2, 1), (2, 1, 2), (1, 0, 1), (1, 2, 1), 2)
        x = random(2, 4, 6, 7, 5)
        node = layer(
            "conv3d", of(module), stride=(2, 1, 2), padding=((1, 1), (0, 0), (1, 1)), dilation=(1, 2, 1), groups=2
        )
        same(run(node, x, weights=of(module)), module(x))

    @pytest.mark.parametrize(
        ("channels", "maps", "kernel", "stride", "padding", "dilation", "groups", "size"), CONVOLUTIONS
    )
    def test_transposed(self, channels, maps, kernel, stride, padding, dilation, groups, size) -> None:  # type: ignore[no-untyped-def]
        maps += -maps % groups
        extra = tuple(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True))
        module = nn.ConvTranspose2d(channels, maps, kernel, stride, padding, extra, groups, dilation=dilation)
        x = random(2, channels, *size)
        node = layer(
            "conv_transpose2d", of(module), stride=stride, padding=pairs(padding), dilation=dilation, groups=groups,
            extra={"output_padding": list(extra)},
        )  # fmt: skip
        same(run(node, x, weights=of(module)), module(x))

    def test_depthwise_with_several_maps_a_channel_and_separable(self) -> None:
        depth, point = nn.Conv2d(3, 6, (3, 2), (2, 1), 1, groups=3, bias=False), nn.Conv2d(6, 4, 1)
        x = random(2, 3, 7, 8)
        weights = {"depthwise": depth.weight.detach().numpy()}
        attributes: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 1), (1, 1))}
        same(run(layer("depthwise_conv2d", weights, **attributes), x, weights=weights), depth(x))
        weights |= {"pointwise": point.weight.detach().numpy(), "bias": point.bias.detach().numpy()}
        same(run(layer("conv2d", weights, **attributes), x, weights=weights), point(depth(x)))

    def test_what_does_not_fit_is_named(self) -> None:
        weights = {"kernel": np.zeros((4, 48, 3, 3), np.float32)}
        node = layer("conv2d", weights, groups=4)
        with pytest.raises(
            SourceError, match=r"layer 'y' .*groups=4 and 64 input channels each kernel spans 16 channels, found 48"
        ):
            run(node, np.zeros((1, 64, 5, 5), np.float32), weights=weights)

    def test_a_nan_stays_where_it_is(self) -> None:
        module = nn.Conv2d(1, 1, 3)
        x = random(1, 1, 8, 8)
        x[0, 0, 7, 7] = math.nan
        made = run(layer("conv2d", of(module)), x, weights=of(module))
        assert np.isnan(made).sum() == 1


class TestDense:
    def test_on_vectors(self) -> None:
        module = nn.Linear(7, 4)
        x = random(3, 7)
        same(run(layer("dense", of(module)), x, weights=of(module)), module(x))

    @pytest.mark.parametrize("order", ["CHW", "HWC"])
    def test_on_maps_in_either_order(self, order: str) -> None:
        module = nn.Linear(24, 5)
        x = random(2, 2, 3, 4)
        flat = x if order == "CHW" else x.permute(0, 2, 3, 1)
        node = layer("dense", of(module), input_order=order)
        same(run(node, x, weights=of(module)), module(flat.reshape(2, -1)))

    def test_along_the_last_axis_or_another(self) -> None:
        module = nn.Linear(4, 6)
        x = random(2, 5, 4)
        same(run(layer("dense", of(module)), x, weights=of(module)), module(x))
        turned = x.transpose(1, 2).contiguous()
        same(run(layer("dense", of(module), axis=0), turned, weights=of(module)), module(x).transpose(1, 2))

    def test_maps_of_one_pixel_without_a_flatten(self) -> None:
        module = nn.Linear(6, 3)
        x = random(2, 6, 1, 1)
        same(run(layer("dense", of(module)), x, weights=of(module)), module(x.flatten(1)))


class TestPools:
    @pytest.mark.parametrize("ceil", [False, True])
    @pytest.mark.parametrize("counts", [False, True])
    @pytest.mark.parametrize(
        ("kernel", "stride", "padding"),
        [((3, 2), (2, 3), (1, 1)), ((2, 3), (2, 2), (0, 1)), ((3, 3), (2, 2), (1, 1)), ((2, 2), (2, 2), (0, 0))],
    )
    def test_average_and_maximum(self, ceil, counts, kernel, stride, padding) -> None:  # type: ignore[no-untyped-def]
        x = random(2, 3, 8, 9)
        attributes = {"kernel": kernel, "stride": stride, "padding": pairs(padding), "extra": {"ceil_mode": ceil}}
        made = run(layer("average_pool2d", count_include_pad=counts, **attributes), x)
        same(made, nn.AvgPool2d(kernel, stride, padding, ceil, counts)(x))
        same(run(layer("max_pool2d", **attributes), x), nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)(x))

    def test_dilation_and_stride_that_is_the_kernel(self) -> None:
        x = random(2, 3, 11, 12)
        node = layer("max_pool2d", kernel=(3, 2), dilation=(2, 3), padding=((1, 1), (1, 1)))
        same(run(node, x), nn.MaxPool2d((3, 2), None, 1, (2, 3))(x))

    def test_padding_behind_only_does_not_count(self) -> None:
        x = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
        made = run(layer("average_pool2d", kernel=(2, 2), stride=(2, 2), padding=((0, 1), (0, 1))), x)
        same(made, np.array([[[[2, 3.5], [6.5, 8]]]], np.float32))

    def test_divisor_one_and_three_dimensions(self) -> None:
        x = random(2, 3, 7, 8)
        node = layer("average_pool2d", kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)), count_include_pad=True,
                     extra={"divisor_override": 5})  # fmt: skip
        same(run(node, x), nn.AvgPool2d(3, 2, 1, divisor_override=5)(x))
        x = random(2, 3, 9)
        same(run(layer("max_pool2d", kernel=(3,), stride=(2,), padding=((1, 1),)), x), nn.MaxPool1d(3, 2, 1)(x))
        x = random(1, 2, 5, 6, 7)
        same(run(layer("average_pool2d", kernel=(2, 2, 2)), x), nn.AvgPool3d(2)(x))

    def test_global(self) -> None:
        x = random(2, 3, 5, 7)
        same(run(layer("global_average_pool"), x), x.mean((2, 3)))
        same(run(layer("global_average_pool", extra={"mode": "max"}), x), x.amax((2, 3)))
        same(run(layer("global_average_pool", extra={"keepdims": True}), x), x.mean((2, 3), keepdim=True))
        same(
            run(layer("global_average_pool", extra={"keepdims": True}, shape=(3, 1, 1)), x),
            x.mean((2, 3), keepdim=True),
        )

    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 7), (8, 9), (4, None)])
    def test_adaptive(self, size: tuple[int | None, int | None]) -> None:
        x = random(2, 3, 5, 7)
        node = layer("adaptive_pool", extra={"output_size": list(size)})
        same(run(node, x), nn.AdaptiveAvgPool2d(size)(x))
        node = layer("adaptive_pool", extra={"output_size": list(size), "mode": "max"})
        same(run(node, x), nn.AdaptiveMaxPool2d(size)(x))


def normed(module: Any, *, running: bool = False) -> dict[str, np.ndarray]:
    with torch.no_grad():
        for values in module.parameters():
            values.copy_(random(*values.shape, seed=5) + 1)
        if running:
            module.running_mean.copy_(random(*module.running_mean.shape, seed=6))
            module.running_var.copy_(random(*module.running_var.shape, seed=7).abs() + 0.1)
    weights = {"gamma": module.weight.detach().numpy(), "beta": module.bias.detach().numpy()}
    return weights | ({"mean": module.running_mean.numpy(), "variance": module.running_var.numpy()} if running else {})


class TestNorms:
    def test_batch_norm(self) -> None:
        module = nn.BatchNorm2d(3, eps=1e-3).eval()
        weights = normed(module, running=True)
        x = random(2, 3, 4, 5)
        same(run(layer("batch_norm", weights, epsilon=1e-3), x, weights=weights), module(x))
        flat = nn.BatchNorm1d(3, eps=1e-3).eval()
        flat.load_state_dict(module.state_dict())
        same(run(layer("batch_norm", weights, epsilon=1e-3), x[:, :, 0, 0], weights=weights), flat(x[:, :, 0, 0]))
        node = layer("batch_norm", weights, epsilon=1e-3, axis=-1)  # of another axis than the channels
        same(run(node, x.permute(0, 2, 3, 1), weights=weights), module(x).permute(0, 2, 3, 1))

    def test_batch_norm_by_the_batch_itself(self) -> None:
        module = nn.BatchNorm2d(3).train()
        weights = normed(module)
        x = random(4, 3, 4, 5)
        same(
            run(layer("batch_norm", weights, epsilon=1e-5, extra={"batch_statistics": True}), x, weights=weights),
            module(x),
        )

    def test_layer_norm(self) -> None:
        x = random(2, 3, 4, 5)
        for shape in ((5,), (4, 5), (3, 4, 5)):
            module = nn.LayerNorm(shape, eps=1e-4)
            weights = normed(module)
            same(run(layer("layer_norm", weights, epsilon=1e-4), x, weights=weights), module(x))
        module = nn.LayerNorm(3, eps=1e-4)
        weights = normed(module)
        made = run(layer("layer_norm", weights, epsilon=1e-4, axis=0), x, weights=weights)
        same(made, module(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))

    def test_group_norm(self) -> None:
        module = nn.GroupNorm(2, 6, eps=1e-4)
        weights = normed(module)
        x = random(2, 6, 3, 5)
        same(run(layer("group_norm", weights, groups=2, epsilon=1e-4), x, weights=weights), module(x))


ACTIVATIONS: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("relu", {}, F.relu),
    ("leaky_relu", {"slope": 0.2}, lambda x: F.leaky_relu(x, 0.2)),
    ("leaky_relu", {}, F.leaky_relu),
    ("sigmoid", {}, torch.sigmoid),
    ("tanh", {}, torch.tanh),
    ("gelu", {}, F.gelu),
    ("gelu", {"extra": {"approximate": "tanh"}}, lambda x: F.gelu(x, approximate="tanh")),
    ("silu", {}, F.silu),
    ("softmax", {}, lambda x: F.softmax(x, 1)),
    ("softmax", {"axis": -1}, lambda x: F.softmax(x, -1)),
]

NAMED: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("elu", {}, F.elu),
    ("ELU", {"alpha": 0.3}, lambda x: F.elu(x, 0.3)),
    ("selu", {}, F.selu),
    ("celu", {"alpha": 0.7}, lambda x: F.celu(x, 0.7)),
    ("Hardswish", {}, F.hardswish),
    ("hard_swish", {}, F.hardswish),
    ("hardsigmoid", {}, F.hardsigmoid),
    ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}, lambda x: torch.clip(0.2 * x + 0.5, 0, 1)),
    ("relu6", {}, F.relu6),
    ("relu", {"max_value": 2.0, "negative_slope": 0.1, "threshold": 0.5},
     lambda x: torch.clip(torch.where(x > 0.5, x, 0.1 * (x - 0.5)), max=2)),
    ("softplus", {}, F.softplus),
    ("softplus", {"beta": 2}, lambda x: F.softplus(x, 2)),
    ("softsign", {}, F.softsign),
    ("mish", {}, F.mish),
    ("exponential", {}, torch.exp),
    ("linear", {}, lambda x: x),
    ("hardtanh", {"min": -0.5, "max": 2}, lambda x: F.hardtanh(x, -0.5, 2)),
    ("clip", {"min": 0.1}, lambda x: x.clamp(min=0.1)),
    ("logsigmoid", {}, F.logsigmoid),
    ("log_softmax", {}, lambda x: F.log_softmax(x, 1)),
    ("tanhshrink", {}, F.tanhshrink),
    ("softshrink", {"lambda": 0.3}, lambda x: F.softshrink(x, 0.3)),
    ("hardshrink", {}, F.hardshrink),
    ("threshold", {"threshold": 0.1, "value": 20}, lambda x: F.threshold(x, 0.1, 20)),
    ("thresholded_relu", {"alpha": 0.6}, lambda x: F.threshold(x, 0.6, 0)),
    ("quick_gelu", {}, lambda x: x * torch.sigmoid(1.702 * x)),
    ("square", {}, torch.square),
    ("abs", {}, torch.abs),
    ("neg", {}, torch.neg),
    ("pow", {"exponent": 3}, lambda x: x**3),
    ("sin", {}, torch.sin),
    ("cos", {}, torch.cos),
    ("erf", {}, torch.erf),
    ("sign", {}, torch.sign),
    ("round", {}, torch.round),
    ("floor", {}, torch.floor),
    ("ceil", {}, torch.ceil),
]  # fmt: skip


class TestActivations:
    @pytest.mark.parametrize(("kind", "attributes", "expected"), ACTIVATIONS)
    def test_kinds(self, kind: str, attributes: dict[str, Any], expected: Callable[[Any], Any]) -> None:
        x = 4 * random(2, 3, 5, 4)
        same(run(layer(kind, **attributes), x), expected(x), 2e-6)

    @pytest.mark.parametrize(("name", "extra", "expected"), NAMED)
    def test_by_name_and_fused(self, name: str, extra: dict[str, Any], expected: Callable[[Any], Any]) -> None:
        x = 4 * random(2, 3, 5, 4)
        same(run(layer("activation", extra={"name": name, **extra}), x), expected(x), 2e-6)
        same(run(layer("add", fused=(name,), extra=extra), x), expected(x), 2e-6)

    def test_the_op_names_it_where_nothing_else_does(self) -> None:
        x = random(2, 3)
        same(run(replace(layer("activation"), op="torch.nn.Hardswish"), x), F.hardswish(x))
        with pytest.raises(SourceError, match=r"layer 'y': the activation function 'Snake' is not known here"):
            run(replace(layer("activation"), op="my.Snake"), x)

    def test_far_out_nothing_overflows(self) -> None:
        x = np.array([[-1e4, -100, 0, 100, 1e4, np.nan, np.inf, -np.inf]], np.float32)
        for name in ("sigmoid", "tanh", "softplus", "mish", "silu", "gelu", "elu", "selu", "logsigmoid", "hardswish"):
            made = run(layer("activation", extra={"name": name}), x)
            assert np.isfinite(made[0, :4]).all(), name
            assert np.isnan(made[0, 5]), name
        same(run(layer("softmax"), x[:, :5]), F.softmax(torch.from_numpy(x[:, :5]), 1))

    def test_prelu(self) -> None:
        x = random(2, 3, 4, 5)
        for count in (1, 3):
            module = nn.PReLU(count)
            with torch.no_grad():
                module.weight.copy_(random(count))
            weights = {"alpha": module.weight.detach().numpy()}
            same(run(layer("prelu", weights), x, weights=weights), module(x))
        alpha = np.asarray(random(3, 1, 5, seed=3))  # Keras: one per value, shared along an axis
        same(
            run(layer("prelu", {"alpha": alpha}), x, weights={"alpha": alpha}),
            np.where(x >= 0, x, alpha * np.asarray(x)),
        )

    def test_erf_to_the_last_digits(self) -> None:
        x = np.linspace(-7, 7, 1001)
        np.testing.assert_allclose(erf(x), [math.erf(value) for value in x], rtol=0, atol=4e-16)

    def test_every_function_keeps_the_shape_and_the_precision(self) -> None:
        for dtype in (np.float32, np.float64):
            x = np.asarray(np.random.default_rng(0).random((2, 3, 4)) + 0.1, dtype)
            for name in FUNCTIONS:
                made = run(layer("activation", extra={"name": name}), x)
                assert (made.shape, made.dtype) == (x.shape, x.dtype), name


class TestArithmetic:
    def test_inputs_broadcast(self) -> None:
        x, y = random(2, 3, 4, 5), random(2, 3, 1, 1, seed=1)
        same(run(layer("add", inputs=2), x, y), x + y)
        same(run(layer("multiply", inputs=2), x, y), x * y)
        same(run(layer("subtract", inputs=2), y, x), y - x)
        same(run(layer("add", inputs=3), x, y, x), x + y + x)
        row = random(2, 5, seed=2)  # its last axis below the other's
        same(run(layer("add", inputs=2), x, row), x + row[:, None, None])

    def test_constants_and_parameters(self) -> None:
        x = random(2, 3, 4, 5)
        same(run(layer("multiply", extra={"constant": 0.5}), x), x * 0.5)
        same(run(layer("subtract", extra={"constant": 1, "reverse": True}), x), 1 - x)
        column = [[[1.0]], [[2.0]], [[3.0]]]
        same(run(layer("add", extra={"constant": column}), x), x + torch.tensor(column))
        weights = {"gamma": np.asarray(random(3, 1, 1, seed=4))}
        same(run(layer("multiply", weights), x, weights=weights), x * torch.from_numpy(weights["gamma"]))

    def test_shapes_that_do_not_fit(self) -> None:
        with pytest.raises(SourceError, match=r"layer 'y' \(add\) on 3×4, 3×5: "):
            run(layer("add", inputs=2), random(2, 3, 4), random(2, 3, 5))

    def test_others(self) -> None:
        x, y = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
        same(run(layer("other", inputs=2, extra={"name": "divide"}), x, y), x / y)
        same(run(layer("other", inputs=2, extra={"name": "Maximum"}), x, y), torch.maximum(x, y))
        same(run(layer("other", inputs=2, extra={"name": "average"}), x, y), (x + y) / 2)
        same(run(layer("other", extra={"name": "mean", "axes": [0], "keepdims": True}), x), x.mean(1, keepdim=True))
        same(run(layer("other", inputs=2, extra={"name": "matmul"}), x, y.transpose(2, 3)), x @ y.transpose(2, 3))


class TestShaping:
    def test_concat(self) -> None:
        x, y = random(2, 3, 4, 5), random(2, 2, 4, 5, seed=1)
        same(run(layer("concat", inputs=2), x, y), torch.cat([x, y], 1))
        same(run(layer("concat", inputs=2, axis=-1), x, x), torch.cat([x, x], 3))

    def test_flatten(self) -> None:
        x = random(2, 3, 4, 5)
        same(run(layer("flatten"), x), x.flatten(1))
        same(run(layer("flatten", input_order="HWC"), x), x.permute(0, 2, 3, 1).flatten(1))
        same(run(layer("flatten", extra={"start": 1, "end": 2}), x), x.flatten(2))
        same(run(layer("flatten", extra={"start": 0, "end": 1}), x), x.flatten(1, 2))
        same(run(layer("global_average_pool", fused=("flatten",), extra={"keepdims": True}), x), x.mean((2, 3)))

    def test_reshape_and_permute(self) -> None:
        x = random(2, 6, 4, 5)
        same(run(layer("reshape", extra={"shape": [3, 8, 5]}), x), x.reshape(2, 3, 8, 5))
        same(run(layer("reshape", extra={"shape": [-1, 5]}), x), x.reshape(2, -1, 5))
        same(run(layer("reshape", shape=(3, 8, 5), extra={"shape": [3, 8, 5]}, input_order="HWC"), x),
             x.permute(0, 2, 3, 1).reshape(2, 8, 5, 3).permute(0, 3, 1, 2))  # fmt: skip
        same(run(layer("permute", extra={"permutation": [2, 0, 1]}), x), x.permute(0, 3, 1, 2))

    @pytest.mark.parametrize(("mode", "torchs"), [("constant", "constant"), ("reflect", "reflect"),
                                                  ("replicate", "replicate"), ("circular", "circular")])  # fmt: skip
    def test_pad(self, mode: str, torchs: str) -> None:
        x = random(2, 3, 4, 5)
        node = layer("pad", padding=((1, 2), (3, 0)), extra={"mode": mode})
        same(run(node, x), F.pad(x, (3, 0, 1, 2), mode=torchs))

    def test_pad_with_a_value_and_by_less_than_nothing(self) -> None:
        x = random(2, 3, 4, 5)
        node = layer("pad", padding=((0, 1), (-1, 0), (2, -2)), extra={"value": 7.0})
        same(run(node, x), F.pad(x, (2, -2, -1, 0, 0, 1), value=7.0))

    def test_crop_slices_and_split(self) -> None:
        x = random(2, 6, 8, 9)
        same(run(layer("crop", padding=((1, 2), (0, 3))), x), x[:, :, 1:6, :6])
        node = layer("crop", extra={"slices": [[1, 5, 2], [None, None, None], [-3, None, 1]]})
        same(run(node, x), x[:, 1:5:2, :, -3:])
        same(run(layer("crop", extra={"slices": [2, [0, 4]]}), x), x[:, 2, :4])

    def test_the_parts_of_a_split_are_outputs(self) -> None:
        x = random(2, 6, 3, 2)
        part = replace(layer("crop", axis=0, extra={"split": [1, 5]}), id="split", inputs=(Edge(layer="x"),))
        ends = [
            Layer(id=f"end{number}", name="end", kind="output", inputs=(Edge(layer="split", output=number),))
            for number in (0, 1, 2)
        ]
        first = Layer(id="x", name="x", kind="input")
        network = Network(layers=(first, part, *ends[:2]), inputs=("x",), outputs=("end0", "end1"))
        made = execute(network, {}, {"x": np.asarray(x)})
        same(made["end0"], x[:, :1])
        same(made["end1"], x[:, 1:])
        wrong = replace(network, layers=(first, part, ends[2]))
        with pytest.raises(SourceError, match="'end2' reads output 2 of 'split', which has 2"):
            execute(wrong, {}, {"x": np.asarray(x)})

    @pytest.mark.parametrize("size", [(8, 10), (7, 3), (4, 5), (1, 1), (9, 11)])
    @pytest.mark.parametrize(("extra", "how"), [
        ({"mode": "nearest"}, {"mode": "nearest"}),
        ({"mode": "bilinear"}, {"mode": "bilinear", "align_corners": False}),
        ({"mode": "bilinear", "align_corners": True}, {"mode": "bilinear", "align_corners": True}),
        ({"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"}, {"mode": "nearest-exact"}),
    ])  # fmt: skip
    def test_upsample(self, size: tuple[int, int], extra: dict[str, Any], how: dict[str, Any]) -> None:
        x = random(2, 3, 4, 5)
        same(run(layer("upsample", extra={"size": list(size), **extra}), x), F.interpolate(x, size, **how))

    def test_upsample_by_a_factor_that_is_not_whole(self) -> None:
        x = random(2, 3, 5, 7)
        for mode, how in (("nearest", {}), ("bilinear", {"align_corners": False})):
            node = layer("upsample", extra={"scale": [1.7, 2.3], "mode": mode})
            same(run(node, x), F.interpolate(x, scale_factor=(1.7, 2.3), mode=mode, **how))

    def test_upsample_as_the_old_tensorflow_did(self) -> None:
        x = np.array([[[[0, 1, 2]]]], np.float32)
        node = layer("upsample", extra={"size": [1, 6], "mode": "bilinear", "coordinates": "asymmetric"})
        same(run(node, x), np.array([[[[0, 0.5, 1, 1.5, 2, 2]]]], np.float32))

    def test_pixel_shuffle_and_modes_that_are_not_known(self) -> None:
        x = random(2, 12, 3, 4)
        same(run(layer("upsample", extra={"mode": "pixel_shuffle", "scale": 2}), x), F.pixel_shuffle(x, 2))
        with pytest.raises(SourceError, match="upsampling by 'bicubic' is not known"):
            run(layer("upsample", extra={"mode": "bicubic", "size": [6, 8]}), x)

    def test_dropout_output_and_constant(self) -> None:
        x = random(2, 3)
        same(run(layer("dropout"), x), x)
        same(run(layer("output"), x), x)
        alone = replace(layer("constant", inputs=0, extra={"value": [[1.0, 2.0]]}), inputs=())
        same(run(alone, x), np.array([[[1, 2]], [[1, 2]]], np.float32))


class TestFused:
    def test_a_chain(self) -> None:
        conv, norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3).eval()
        weights = of(conv) | normed(norm, running=True)
        x = random(2, 3, 6, 5)
        node = layer("conv2d", weights, fused=("batch_norm", "relu", "dropout", "flatten"), epsilon=1e-3)
        same(run(node, x, weights=weights), F.relu(norm(conv(x))).flatten(1))

    def test_softmax_and_prelu(self) -> None:
        module = nn.Linear(4, 3)
        x = random(2, 4)
        same(run(layer("dense", of(module), fused=("softmax",)), x, weights=of(module)), F.softmax(module(x), 1))
        weights = of(module) | {"alpha": np.array([0.1, 0.2, 0.3], np.float32)}
        made = run(layer("dense", weights, fused=("prelu",)), x, weights=weights)
        same(made, F.prelu(module(x), torch.tensor([0.1, 0.2, 0.3])))

    def test_an_input_is_never_written_to(self) -> None:
        x = np.asarray(random(2, 3))
        before = x.copy()
        for fused in ("relu", "batch_norm"):
            run(layer("dropout", {"gamma": np.ones(3, np.float32)}, fused=(fused,)), x, weights={"gamma": np.ones(3)})
        np.testing.assert_array_equal(x, before)


CHAIN = Network(
    layers=(
        Layer(id="x", name="x", kind="input"),
        Layer(id="a", name="a", kind="relu", inputs=(Edge(layer="x"),)),
        Layer(id="b", name="b", kind="attention", inputs=(Edge(layer="a"),)),
        Layer(id="c", name="c", kind="add", inputs=(Edge(layer="a"), Edge(layer="b"))),
        Layer(id="d", name="d", kind="activation", op="my.Snake", inputs=(Edge(layer="a"),)),
        Layer(id="e", name="e", kind="tanh", inputs=(Edge(layer="a"),)),
    ),
    inputs=("x",),
    outputs=("c",),
)


class TestWalk:
    def test_only_what_is_wanted_is_computed(self) -> None:
        x = np.asarray(random(2, 3))
        made = execute(CHAIN, {}, {"x": x}, {"e"})
        assert list(made) == ["e"]
        with pytest.raises(UnknownLayer, match="no layer 'z'"):
            execute(CHAIN, {}, {"x": x}, {"z"})
        with pytest.raises(SourceError, match="layer 'x' is an input, and nothing was given"):
            execute(CHAIN, {}, {}, {"e"})

    def test_what_can_not_be_computed_is_named(self) -> None:
        with pytest.raises(SourceError, match="layer 'b': attention can't be computed here; its graph and weights"):
            execute(CHAIN, {}, {"x": np.zeros((1, 2))})
        why = unsupported(CHAIN)
        assert list(why) == ["b", "c", "d"]
        assert why["b"] == "attention can't be computed here"
        assert why["c"] == "it depends on 'b'"
        assert why["d"] == "activation (my.Snake) can't be computed here"

    def test_modes_that_are_not_known_are_told_beforehand(self) -> None:
        for node, can in (
            (layer("upsample", extra={"mode": "bicubic"}), False),
            (layer("upsample", extra={"mode": "bilinear"}), True),
            (layer("pad", extra={"mode": "odd"}), False),
            (layer("relu", fused=("snake",)), False),
            (layer("activation", fused=("snake",), extra={"name": "elu"}), False),
            (layer("other", extra={"name": "fold"}), False),
            (layer("other", extra={"name": "divide"}), True),
            (layer("conv2d", fused=("batch_norm", "relu", "log_softmax")), True),
        ):
            network = Network(layers=(Layer(id="x0", name="x", kind="input"), node), inputs=("x0",), outputs=("y",))
            assert (unsupported(network) == {}) is can

    def test_a_missing_parameter_is_named(self) -> None:
        node = layer("dense", {"kernel": np.zeros((2, 2))})
        with pytest.raises(SourceError, match=r"layer 'y': its kernel \('y/kernel'\) is missing"):
            run(node, np.zeros((1, 2), np.float32))

    def test_float64_is_computed_in_float64(self) -> None:
        module = nn.Conv2d(2, 3, 3).double()
        x = torch.randn(1, 2, 5, 5, dtype=torch.float64)
        made = run(layer("conv2d", of(module)), x, weights=of(module))
        same(made, module(x), 1e-14)

    def test_whole_numbers_become_floats(self) -> None:
        made = run(layer("relu"), np.array([[-1, 2]], np.int64))
        assert made.dtype == np.float32

    def test_memory_stays_small_on_a_long_chain(self) -> None:
        import tracemalloc

        layers = [Layer(id="l0", name="l0", kind="input")]
        layers += [Layer(id=f"l{n}", name="", kind="relu", inputs=(Edge(layer=f"l{n - 1}"),)) for n in range(1, 40)]
        network = Network(layers=tuple(layers), inputs=("l0",), outputs=("l39",))
        x = np.zeros((1, 4, 250, 250), np.float32)
        tracemalloc.start()
        execute(network, {}, {"l0": x}, {"l39"})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * x.nbytes
