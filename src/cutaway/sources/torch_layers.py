"""Calls of PyTorch that have weights or windows, as layers: convolutions, dense layers, pools, norms."""

from __future__ import annotations

from typing import Any

from cutaway.network import Attributes, Kind, Role
from cutaway.sources.torch_program import refs_in
from cutaway.sources.torch_words import Described, Reader, Weight, ints, other, two_axes


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


def pairs(value: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Padding of a convolution as (before, after) per axis; "same" puts an odd rest behind."""
    if value == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(value, str):
        return ((0, 0),) * len(kernel)
    return tuple((side, side) for side in ints(value, len(kernel), 0))


def row(weight: Weight, axes: str) -> Weight:
    """A one-dimensional kernel [O, I, k] as [O, I, 1, k]."""
    if len(weight.shape) != 3:
        return weight
    return Weight(weight.value, shape=(*weight.shape[:2], 1, weight.shape[2]), source_axes=axes)


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


def embedding(a: Reader) -> Described:
    return Described("embedding", a.inputs("input"), weights=a.weights(kernel="weight"))


def attention(a: Reader) -> Described:
    """Queries, keys and values, once each; weights as layers of their own, as there are more than roles."""
    return Described("attention", tuple(dict.fromkeys(ref.id for ref in refs_in(a.given))))


def recurrent(a: Reader) -> Described:
    """The sequence and the weights; a first state of zeros is not told."""
    refs = [ref.id for ref in refs_in(a.given)]
    return Described("recurrent", tuple(one for one in refs if a.program.values[one].origin != "constant"))
