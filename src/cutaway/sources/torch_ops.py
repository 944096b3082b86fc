"""Operations of PyTorch in Cutaway's words: what kind of layer a call is, what it was built with, which roles its
parameters have. An operation that is not in the tables is `other` under its own name.

Argument names are those of `torch.nn.functional` and of ATen, which agree but for `self`, which is `input` here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cutaway.network import Attributes, Kind, Role
from cutaway.sources.torch_program import Call, Program, Ref, refs_in

SIGNATURES = {
    "conv": "input weight bias stride padding dilation groups",
    "conv_transpose": "input weight bias stride padding output_padding groups dilation",
    "linear": "input weight bias",
    "max_pool": "input kernel_size stride padding dilation ceil_mode return_indices",
    "avg_pool": "input kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "avg_pool1d": "input kernel_size stride padding ceil_mode count_include_pad",
    "adaptive_pool": "input output_size return_indices",
    "batch_norm": "input running_mean running_var weight bias training momentum eps",
    "instance_norm": "input running_mean running_var weight bias use_input_stats momentum eps",
    "layer_norm": "input normalized_shape weight bias eps",
    "group_norm": "input num_groups weight bias eps",
    "relu": "input inplace",
    "leaky_relu": "input negative_slope inplace",
    "hardtanh": "input min_val max_val inplace",
    "clamp": "input min max",
    "elu": "input alpha inplace",
    "celu": "input alpha inplace",
    "softplus": "input beta threshold",
    "threshold": "input threshold value inplace",
    "shrink": "input lambd",
    "gelu": "input approximate",
    "prelu": "input weight",
    "softmax": "input dim _stacklevel dtype",
    "binary": "input other alpha",
    "pow": "input exponent",
    "cat": "tensors dim",
    "flatten": "input start_dim end_dim",
    "dim": "input dim",
    "permute": "input dims",
    "transpose": "input dim0 dim1",
    "mean": "input dim keepdim",
    "pad": "input pad mode value",
    "interpolate": "input size scale_factor mode align_corners recompute_scale_factor antialias",
    "pixel_shuffle": "input upscale_factor",
    "chunk": "input chunks dim",
    "split": "input split_size dim",
    "getitem": "input index",
    "embedding": "input weight",
    "addmm": "bias input weight",
    "matmul": "input other",
    "dropout": "input p training inplace",
    "one": "input",
}

ALIASES = {
    *("contiguous", "clone", "detach", "alias", "to", "type", "float", "half", "double", "bfloat16", "cpu", "cuda"),
    *("requires_grad", "data", "identity", "lift_fresh_copy", "_to_copy", "type_as", "view_as_self", "positive"),
    *("expand_as_self", "lift_fresh", "detach_copy", "_assert_tensor_metadata"),
}
"""What hands its input on: no layer of its own."""


@dataclass(frozen=True)
class Weight:
    """A parameter of a layer: which value, and how its axes become canonical."""

    value: int
    axes: tuple[int, ...] | None = None
    """Permutation; None when the axes stay."""
    shape: tuple[int, ...] = ()
    source_axes: str | None = None


@dataclass(frozen=True)
class Described:
    """A call as a layer."""

    kind: Kind
    inputs: tuple[int, ...]
    attributes: Attributes = Attributes()
    weights: Mapping[Role, Weight] = field(default_factory=dict)
    function: str = ""
    """Activations: the name that stands in `fused`."""


class Reader:
    """The arguments of one call, with their defaults and the shapes of its tensors."""

    def __init__(self, call: Call, program: Program) -> None:
        self.call = call
        self.program = program
        self.given = call.arguments

    def get(self, name: str, default: Any = None) -> Any:
        value = self.given.get(name)
        return default if value is None else value

    def ref(self, name: str) -> int | None:
        value = self.given.get(name)
        return value.id if isinstance(value, Ref) else None

    def shape(self, name: str = "input") -> tuple[int, ...]:
        id = self.ref(name)
        return () if id is None else self.program.values[id].shape

    @property
    def output(self) -> tuple[int, ...]:
        return self.program.values[self.call.outputs[0]].shape

    def inner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Without the batch axis."""
        return shape[1:] if shape and shape[0] == self.program.batch else shape

    def axis(self, dim: Any, shape: tuple[int, ...] | None = None) -> int | None:
        """A dimension of the input (or of `shape`) as an axis of a sample; None for the batch axis and nonsense."""
        rank = len(self.shape() if shape is None else shape)
        if not isinstance(dim, int) or not -rank <= dim < rank:
            return None
        return dim % rank - 1 if dim % rank else None

    def inputs(self, *names: str) -> tuple[int, ...]:
        return tuple(ref.id for name in names for ref in refs_in(self.given.get(name)))

    def weights(self, **roles: str) -> dict[Role, Weight]:
        found: dict[Role, Weight] = {}
        for role, name in roles.items():
            id = self.ref(name)
            if id is not None:
                found[role] = Weight(id, shape=self.program.values[id].shape)  # type: ignore[index]
        return found


def ints(value: Any, count: int, default: int) -> tuple[int, ...]:
    """A number or a list of them as `count` numbers."""
    if value is None or (isinstance(value, list | tuple) and not value):
        return (default,) * count
    if isinstance(value, list | tuple):
        numbers = tuple(int(one) for one in value)
        return numbers * count if len(numbers) == 1 else numbers
    return (int(value),) * count


def pairs(value: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Padding of a convolution as (before, after) per axis; "same" puts an odd rest behind."""
    if value == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(value, str):
        return ((0, 0),) * len(kernel)
    return tuple((side, side) for side in ints(value, len(kernel), 0))


def two_axes(values: tuple[Any, ...], filler: Any) -> tuple[Any, ...]:
    """One-dimensional windows are rows: (1, k)."""
    return (filler, *values) if len(values) == 1 else values


def row(weight: Weight, axes: str) -> Weight:
    """A one-dimensional kernel [O, I, k] as [O, I, 1, k]."""
    if len(weight.shape) != 3:
        return weight
    return Weight(weight.value, shape=(*weight.shape[:2], 1, weight.shape[2]), source_axes=axes)


def conv(a: Reader) -> Described:
    weight = a.shape("weight")
    rank = len(weight) - 2
    kernel = weight[2:]
    dilation = ints(a.get("dilation"), rank, 1)
    padding = pairs(a.get("padding", 0), kernel, dilation)
    groups = int(a.get("groups", 1))
    channels = weight[1] * groups
    kind: Kind = {1: "conv1d", 2: "conv2d", 3: "conv3d"}.get(rank, "other")  # type: ignore[assignment]
    if rank == 2 and groups == channels and groups > 1:
        kind = "depthwise_conv2d"
    weights = a.weights(kernel="weight", bias="bias")
    weights["kernel"] = row(weights["kernel"], "OIW")
    attributes = Attributes(
        kernel=two_axes(kernel, 1),
        stride=two_axes(ints(a.get("stride"), rank, 1), 1),
        padding=two_axes(padding, (0, 0)),
        dilation=two_axes(dilation, 1),
        groups=groups,
    )
    return Described(kind, a.inputs("input"), attributes, weights)


def conv_transpose(a: Reader) -> Described:
    weight = a.shape("weight")
    rank = len(weight) - 2
    weights = a.weights(kernel="weight", bias="bias")
    weights["kernel"] = row(weights["kernel"], "IOW")
    more = ints(a.get("output_padding"), rank, 0)
    sides = tuple((side, side) for side in ints(a.get("padding"), rank, 0))
    attributes = Attributes(
        kernel=two_axes(weight[2:], 1),
        stride=two_axes(ints(a.get("stride"), rank, 1), 1),
        padding=two_axes(sides, (0, 0)),
        dilation=two_axes(ints(a.get("dilation"), rank, 1), 1),
        groups=int(a.get("groups", 1)),
        extra={"output_padding": list(two_axes(more, 0))} if any(more) else {},
    )
    return Described("conv_transpose2d", a.inputs("input"), attributes, weights)


def linear(a: Reader) -> Described:
    return Described("dense", a.inputs("input"), weights=a.weights(kernel="weight", bias="bias"))


def addmm(a: Reader) -> Described:
    weights = turned(a, "weight") | a.weights(bias="bias")
    plain = a.get("beta", 1) == 1 and a.get("alpha", 1) == 1
    return Described("dense", a.inputs("input"), weights=weights) if plain and "kernel" in weights else other(a)


def matmul(a: Reader) -> Described:
    """x @ W with a weight of the model is a dense layer."""
    weights = turned(a, "other")
    return Described("dense", a.inputs("input"), weights=weights) if weights else other(a)


def turned(a: Reader, name: str) -> dict[Role, Weight]:
    """A matrix [I, O] of the model as the kernel [O, I]; {} when it is none."""
    id = a.ref(name)
    shape = a.shape(name)
    if id is None or len(shape) != 2 or a.program.values[id].origin != "parameter":
        return {}
    return {"kernel": Weight(id, axes=(1, 0), shape=shape[::-1], source_axes="IO")}


def pool(a: Reader) -> Described:
    rank = int(a.call.op.split("pool")[1][0])
    maximum = a.call.op.startswith("max")
    kernel = ints(a.get("kernel_size"), rank, 1)
    stride = ints(a.get("stride"), rank, 0) if a.get("stride") else kernel
    padding = tuple((side, side) for side in ints(a.get("padding"), rank, 0))
    extra: dict[str, Any] = {"ceil_mode": True} if a.get("ceil_mode", False) else {}
    if a.get("divisor_override"):
        extra["divisor_override"] = a.get("divisor_override")
    attributes = Attributes(
        kernel=two_axes(kernel, 1),
        stride=two_axes(stride, 1),
        padding=two_axes(padding, (0, 0)),
        dilation=two_axes(ints(a.get("dilation"), rank, 1), 1) if maximum else None,
        count_include_pad=None if maximum else bool(a.get("count_include_pad", True)),
        extra=extra,
    )
    return Described("max_pool2d" if maximum else "average_pool2d", a.inputs("input"), attributes)


def adaptive_pool(a: Reader) -> Described:
    average = "avg" in a.call.op
    size = a.output[2:]
    if average and all(length == 1 for length in size):
        return Described("global_average_pool", a.inputs("input"), Attributes(extra={"keepdims": True}))
    extra = {"output_size": list(size), "mode": "average" if average else "max"}
    return Described("adaptive_pool", a.inputs("input"), Attributes(extra=extra))


def reduction(a: Reader) -> Described:
    """Mean, sum, max, min over axes; the mean over all pixels of maps is a global average pool."""
    shape, dims = a.shape(), a.get("dim", list(range(len(a.shape()))))
    axes = [a.axis(dim) for dim in (dims if isinstance(dims, list | tuple) else [dims])]
    known = sorted(axis for axis in axes if axis is not None)
    if len(known) != len(axes) or len(a.call.outputs) > 1:
        return other(a)
    name = {"amax": "max", "amin": "min"}.get(a.call.op, a.call.op)
    keep: dict[str, Any] = {"keepdims": True} if a.get("keepdim", False) else {}
    if name in ("mean", "max") and len(shape) in (3, 4) and known == list(range(1, len(shape) - 1)):
        mode = {"mode": "max"} if name == "max" else {}
        return Described("global_average_pool", a.inputs("input"), Attributes(extra=keep | mode))
    return Described("other", a.inputs("input"), Attributes(extra={"name": name, "axes": known, **keep}))


def batch_norm(a: Reader) -> Described:
    weights = a.weights(gamma="weight", beta="bias", mean="running_mean", variance="running_var")
    extra = {} if "mean" in weights and not a.get("training", False) else {"batch_statistics": True}
    attributes = Attributes(epsilon=float(a.get("eps", 1e-5)), extra=extra)
    return Described("batch_norm", a.inputs("input"), attributes, weights)


def instance_norm(a: Reader) -> Described:
    """One group per channel."""
    if not a.get("use_input_stats", True):
        return batch_norm(a)
    channels = a.shape()[1] if len(a.shape()) > 1 else 1
    attributes = Attributes(epsilon=float(a.get("eps", 1e-5)), groups=channels)
    return Described("group_norm", a.inputs("input"), attributes, a.weights(gamma="weight", beta="bias"))


def layer_norm(a: Reader) -> Described:
    count = len(ints(a.get("normalized_shape"), 1, 1))
    rank = len(a.shape())
    attributes = Attributes(
        epsilon=float(a.get("eps", 1e-5)), extra={"axes": [axis - 1 for axis in range(rank - count, rank)]}
    )
    return Described("layer_norm", a.inputs("input"), attributes, a.weights(gamma="weight", beta="bias"))


def group_norm(a: Reader) -> Described:
    attributes = Attributes(epsilon=float(a.get("eps", 1e-5)), groups=int(a.get("num_groups", 1)))
    return Described("group_norm", a.inputs("input"), attributes, a.weights(gamma="weight", beta="bias"))


def activation(kind: Kind, name: str, **constants: tuple[str, Any]) -> Callable[[Reader], Described]:
    """An elementwise function; `constants` say which argument is which entry of `extra`, and its default."""

    def describe(a: Reader) -> Described:
        extra: dict[str, Any] = {}
        for entry, (argument, default) in constants.items():
            value = a.get(argument, default)
            if isinstance(value, Ref):
                return other(a)
            if value is not None and value != "none":
                extra[entry] = value
        slope = extra.pop("slope", None)
        if kind == "activation":
            extra["name"] = name
        return Described(kind, a.inputs("input"), Attributes(slope=slope, extra=extra), function=name)

    return describe


def prelu(a: Reader) -> Described:
    return Described("prelu", a.inputs("input"), weights=a.weights(alpha="weight"), function="prelu")


def softmax(a: Reader) -> Described:
    name = a.call.op.removeprefix("_").removeprefix("special_")
    axis = a.axis(a.get("dim"))
    if axis is None:
        return other(a)
    if name == "log_softmax":
        attributes = Attributes(axis=axis, extra={"name": name})
        return Described("activation", a.inputs("input"), attributes, function=name)
    return Described("softmax", a.inputs("input"), Attributes(axis=axis), function=name)


def binary(kind: Kind, role: Role = "bias") -> Callable[[Reader], Described]:
    """Addition and the like: of two tensors, of a tensor and a parameter of the model, or of a tensor and a number."""

    def describe(a: Reader) -> Described:
        sides = [a.given.get("input"), a.given.get("other")]
        if a.call.op == "rsub":
            sides.reverse()
        alpha = a.get("alpha", 1)
        extra: dict[str, Any] = {} if kind != "other" else {"name": "divide"}
        first, second = sides
        if isinstance(first, Ref) and isinstance(second, Ref) and alpha == 1:
            own = [one for one in (first, second) if a.program.values[one.id].origin == "parameter"]
            if len(own) != 1:
                return Described(kind, (first.id, second.id), Attributes(extra=extra))
            weight, data = own[0], second if own[0] is first else first
            if own[0] is first and kind not in ("add", "multiply"):
                extra["reverse"] = True
            return Described(kind, (data.id,), Attributes(extra=extra), {role: below(a, weight.id, data.id)})
        number, data = (second, first) if isinstance(first, Ref) else (first, second)
        if not isinstance(data, Ref) or not isinstance(number, int | float) or alpha != 1:
            return other(a)
        extra["constant"] = number
        if data is second and kind not in ("add", "multiply"):
            extra["reverse"] = True
        return Described(kind, (data.id,), Attributes(extra=extra))

    return describe


def below(a: Reader, parameter: int, data: int) -> Weight:
    """A parameter that is added to samples: without the axis of one that stands for the batch."""
    shape = a.program.values[parameter].shape
    cut = len(shape) == len(a.program.values[data].shape) and shape[:1] == (1,)
    return Weight(parameter, shape=shape[1:] if cut else shape)


def div(a: Reader) -> Described:
    return other(a) if a.get("rounding_mode") else binary("other", "gamma")(a)


def cat(a: Reader) -> Described:
    refs = a.inputs("tensors")
    axis = a.axis(a.get("dim", 0), a.program.values[refs[0]].shape) if refs else None
    return Described("concat", refs, Attributes(axis=axis)) if axis is not None else other(a)


def flatten(a: Reader) -> Described:
    if len(a.inner(a.output)) == 1:
        return Described("flatten", a.inputs("input"))
    return reshape(a)


def reshape(a: Reader) -> Described:
    """The new shape is the output's, whatever it was written as."""
    before, after = a.shape(), a.output
    if not before or not after or before[0] != after[0]:
        return other(a)
    kind: Kind = "flatten" if len(after) == 2 and len(before) > 2 else "reshape"
    attributes = Attributes(extra={"shape": list(after[1:])}) if kind == "reshape" else Attributes()
    return Described(kind, a.inputs("input"), attributes)


def permute(a: Reader) -> Described:
    rank = len(a.shape())
    if a.call.op == "permute":
        order = [int(dim) % rank for dim in a.get("dims", [])]
    else:
        order = list(range(rank))
        first, second = (0, 1) if a.call.op == "t" else (a.get("dim0", 0), a.get("dim1", 0))
        order[first % rank], order[second % rank] = order[second % rank], order[first % rank]
    if rank < 2 or not order or order[0] != 0:
        return other(a)
    return Described("permute", a.inputs("input"), Attributes(extra={"permutation": [axis - 1 for axis in order[1:]]}))


def pad(a: Reader) -> Described:
    """`pad` counts from the last axis on."""
    flat = list(a.get("pad", []))
    sides = tuple((int(flat[i]), int(flat[i + 1])) for i in range(0, len(flat) - 1, 2))[::-1]
    if len(sides) >= len(a.shape()):
        return other(a)
    extra = {"mode": a.get("mode", "constant")} if a.get("mode", "constant") != "constant" else {}
    if a.get("value"):
        extra["value"] = a.get("value")
    sides = two_axes(sides, (0, 0)) if len(a.shape()) == 4 else sides
    return Described("pad", a.inputs("input"), Attributes(padding=sides, extra=extra))


def upsample(a: Reader) -> Described:
    """`F.interpolate`, or one of ATen's functions by mode."""
    name = a.call.op
    mode = a.get("mode", "nearest")
    for known in ("nearest-exact", "nearest", "bilinear", "bicubic", "trilinear", "linear"):
        if name.startswith("upsample_" + known) or (known == "nearest-exact" and name.startswith("_upsample_nearest")):
            mode = known
            break
    if mode == "area":
        extra = {"output_size": list(a.output[2:]), "mode": "average"}
        return Described("adaptive_pool", a.inputs("input"), Attributes(extra=extra))
    extra = {"mode": mode, "size": list(a.output[2:])}
    if mode == "nearest-exact":
        # The pixel whose middle is nearest.
        extra |= {"mode": "nearest", "coordinates": "half_pixel", "rounding": "round_prefer_ceil"}
    if a.get("align_corners", False):
        extra["align_corners"] = True
    scale = a.get("scale_factor", a.get("scale_factors"))
    if scale is not None and not a.get("recompute_scale_factor", False):
        scales = list(scale) if isinstance(scale, list | tuple) else [scale] * (len(a.output) - 2)
        exact = all(
            math.isclose(size * factor, length)
            for size, factor, length in zip(a.shape()[2:], scales, a.output[2:], strict=False)
        )
        if not exact:  # the factor as given counts, not the ratio of the sizes
            extra["scale"] = [float(factor) for factor in scales]
    return Described("upsample", a.inputs("input"), Attributes(extra=extra))


def dropout(a: Reader) -> Described:
    return Described("dropout", a.inputs("input"), function="dropout")


def embedding(a: Reader) -> Described:
    return Described("embedding", a.inputs("input"), weights=a.weights(kernel="weight"))


def parts(a: Reader) -> Described:
    """chunk, split, unbind: several outputs along an axis."""
    dim = a.get("dim", 0)
    axis = a.axis(dim)
    if axis is None or a.call.op == "unbind":
        return other(a)
    sizes = [a.program.values[id].shape[dim] for id in a.call.outputs]
    return Described("crop", a.inputs("input"), Attributes(axis=axis, extra={"split": sizes}))


def getitem(a: Reader) -> Described:
    """x[:, 1:, ::2]: a part of every sample; anything cleverer is `other`."""
    index = a.get("index")
    entries = list(index) if isinstance(index, list | tuple) else [index]
    rank = len(a.shape())
    if entries.count(Ellipsis) == 1:
        at = entries.index(Ellipsis)
        entries[at : at + 1] = [slice(None)] * (rank - len(entries) + 1)
    if not entries or entries[0] != slice(None) or len(entries) > rank:
        return other(a)
    slices: list[Any] = []
    for one in entries[1:]:
        if isinstance(one, slice) and all(isinstance(x, int | None) for x in (one.start, one.stop, one.step)):
            slices.append([one.start, one.stop, one.step])
        elif isinstance(one, int) and not isinstance(one, bool):
            slices.append(one)
        else:
            return other(a)
    return cut(a, slices)


def cut(a: Reader, slices: list[Any]) -> Described:
    return Described("crop", a.inputs("input"), Attributes(extra={"slices": slices}))


def slice_along(a: Reader) -> Described:
    """ATen's slice, select and narrow."""
    axis = a.axis(a.get("dim", 0))
    if axis is None:
        return other(a)
    if a.call.op == "select":
        wanted: Any = a.get("index")
    elif a.call.op == "narrow":
        start = a.get("start", 0)
        wanted = [start, start + a.get("length", 0), None]
    else:
        stop = a.get("end")
        wanted = [a.get("start"), None if isinstance(stop, int) and stop >= 1 << 62 else stop, a.get("step")]
    known = isinstance(wanted, int) or all(isinstance(one, int | None) for one in wanted or ["?"])
    return cut(a, [[None, None, None]] * axis + [wanted]) if known else other(a)


def shuffle(a: Reader) -> Described:
    extra = {"mode": "pixel_shuffle", "scale": a.get("upscale_factor")}
    return Described("upsample", a.inputs("input"), Attributes(extra=extra))


def attention(a: Reader) -> Described:
    """Queries, keys and values, once each; weights as layers of their own, as there are more than roles."""
    return Described("attention", tuple(dict.fromkeys(ref.id for ref in refs_in(a.given))))


def recurrent(a: Reader) -> Described:
    """The sequence and the weights; a first state of zeros is not told."""
    refs = [ref.id for ref in refs_in(a.given)]
    return Described("recurrent", tuple(one for one in refs if a.program.values[one].origin != "constant"))


def other(a: Reader) -> Described:
    """Its own name, and all that it reads."""
    return Described("other", tuple(ref.id for ref in refs_in(a.given)))


def named(name: str) -> Callable[[Reader], Described]:
    """What the executor knows under that name, of the tensors that it reads."""
    return lambda a: Described("other", a.inputs("input", "other"), Attributes(extra={"name": name}))


Describe = Callable[[Reader], Described]

OPS: dict[str, tuple[str, Describe]] = {
    **{f"conv{n}d": ("conv", conv) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": ("conv_transpose", conv_transpose) for n in (1, 2, 3)},
    **{f"max_pool{n}d{tail}": ("max_pool", pool) for n in (1, 2, 3) for tail in ("", "_with_indices")},
    **{f"avg_pool{n}d": ("avg_pool", pool) for n in (2, 3)},
    **{f"adaptive_{which}_pool{n}d": ("adaptive_pool", adaptive_pool) for which in ("avg", "max") for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d_with_indices": ("adaptive_pool", adaptive_pool) for n in (1, 2, 3)},
    "avg_pool1d": ("avg_pool1d", pool),
    "linear": ("linear", linear),
    "addmm": ("addmm", addmm),
    "matmul": ("matmul", matmul),
    "mm": ("matmul", matmul),
    **{name: ("mean", reduction) for name in ("mean", "sum", "amax", "amin")},
    "batch_norm": ("batch_norm", batch_norm),
    "instance_norm": ("instance_norm", instance_norm),
    "layer_norm": ("layer_norm", layer_norm),
    "group_norm": ("group_norm", group_norm),
    "relu": ("relu", activation("relu", "relu")),
    "relu6": ("relu", activation("activation", "relu6")),
    "leaky_relu": ("leaky_relu", activation("leaky_relu", "leaky_relu", slope=("negative_slope", 0.01))),
    "prelu": ("prelu", prelu),
    "sigmoid": ("one", activation("sigmoid", "sigmoid")),
    "tanh": ("one", activation("tanh", "tanh")),
    "gelu": ("gelu", activation("gelu", "gelu", approximate=("approximate", None))),
    "silu": ("relu", activation("silu", "silu")),
    "mish": ("relu", activation("activation", "mish")),
    "hardswish": ("relu", activation("activation", "hardswish")),
    "hardsigmoid": ("relu", activation("activation", "hardsigmoid")),
    "hardtanh": ("hardtanh", activation("activation", "hardtanh", min=("min_val", -1.0), max=("max_val", 1.0))),
    "clamp": ("clamp", activation("activation", "clip", min=("min", None), max=("max", None))),
    "clip": ("clamp", activation("activation", "clip", min=("min", None), max=("max", None))),
    "elu": ("elu", activation("activation", "elu", alpha=("alpha", 1.0))),
    "celu": ("celu", activation("activation", "celu", alpha=("alpha", 1.0))),
    "selu": ("relu", activation("activation", "selu")),
    "softplus": ("softplus", activation("activation", "softplus", beta=("beta", 1.0))),
    "softsign": ("one", activation("activation", "softsign")),
    "logsigmoid": ("one", activation("activation", "logsigmoid")),
    "log_sigmoid": ("one", activation("activation", "logsigmoid")),
    "tanhshrink": ("one", activation("activation", "tanhshrink")),
    "softshrink": ("shrink", activation("activation", "softshrink", **{"lambda": ("lambd", 0.5)})),
    "hardshrink": ("shrink", activation("activation", "hardshrink", **{"lambda": ("lambd", 0.5)})),
    "threshold": (
        "threshold",
        activation("activation", "threshold", threshold=("threshold", 0.0), value=("value", 0.0)),
    ),
    "pow": ("pow", activation("activation", "pow", exponent=("exponent", 2))),
    **{name: ("one", activation("activation", name)) for name in (
        "exp", "log", "sqrt", "rsqrt", "reciprocal", "square", "abs", "neg", "sign", "floor", "ceil", "round",
        "sin", "cos", "erf",
    )},
    **{name: ("softmax", softmax) for name in ("softmax", "_softmax", "log_softmax", "_log_softmax")},
    "add": ("binary", binary("add")),
    "sub": ("binary", binary("subtract")),
    "subtract": ("binary", binary("subtract")),
    "rsub": ("binary", binary("subtract")),
    "mul": ("binary", binary("multiply", "gamma")),
    "multiply": ("binary", binary("multiply", "gamma")),
    "div": ("binary", div),
    "divide": ("binary", div),
    "true_divide": ("binary", div),
    **{name: ("binary", named(name)) for name in ("maximum", "minimum")},
    **{name: ("cat", cat) for name in ("cat", "concat", "concatenate")},
    "flatten": ("flatten", flatten),
    **{name: ("one", reshape) for name in ("view", "reshape", "unflatten", "_unsafe_view", "view_copy")},
    **{name: ("dim", reshape) for name in ("squeeze", "unsqueeze")},
    "permute": ("permute", permute),
    "transpose": ("transpose", permute),
    "swapaxes": ("transpose", permute),
    "t": ("one", permute),
    "pad": ("pad", pad),
    "constant_pad_nd": ("pad", pad),
    "interpolate": ("interpolate", upsample),
    "upsample": ("interpolate", upsample),
    **{f"upsample_{mode}": ("interpolate", upsample) for mode in (
        "nearest1d", "nearest2d", "nearest3d", "bilinear2d", "bicubic2d", "trilinear3d", "linear1d",
    )},
    "_upsample_nearest_exact2d": ("interpolate", upsample),
    "pixel_shuffle": ("pixel_shuffle", shuffle),
    **{name: ("dropout", dropout) for name in (
        "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout",
    )},
    "embedding": ("embedding", embedding),
    "chunk": ("chunk", parts),
    "split": ("split", parts),
    "split_with_sizes": ("split", parts),
    "unbind": ("dim", parts),
    "getitem": ("getitem", getitem),
    "slice": ("one", slice_along),
    "select": ("one", slice_along),
    "narrow": ("one", slice_along),
    "multi_head_attention_forward": ("one", attention),
    "scaled_dot_product_attention": ("one", attention),
    **{name: ("one", recurrent) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}  # fmt: skip
"""Plain name -> the names of its arguments by position, and what describes it."""


def describe(call: Call, program: Program) -> Described:
    """A call as a layer; `other` where the tables have no word for it."""
    reader = Reader(call, program)
    known = OPS.get(call.op)
    try:
        return known[1](reader) if known else other(reader)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError):
        return other(reader)  # arguments that the table does not expect: the box is still right


def argument_names(op: str) -> list[str]:
    """Names of an operation's arguments by position; [] when it is not known."""
    return SIGNATURES[OPS[op][0]].split() if op in OPS else []


def plain_name(name: str) -> str:
    """`__iadd__`, `add_`, `radd` … -> `add`; `__rsub__` -> `rsub`."""
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
        if name in ("iadd", "imul", "isub", "idiv", "itruediv", "ipow", "iand", "ior"):
            name = name[1:]
        elif name in ("radd", "rmul"):
            name = name[1:]
        name = {"truediv": "div"}.get(name, name)
    elif name.endswith("_") and not name.startswith("_"):
        name = name.rstrip("_")
    return name
