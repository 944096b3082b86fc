"""Functions of `keras.ops` (and of TensorFlow in Keras 2's graphs) between the layers: what each is as a layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from typing import Any

from cutaway.network import Attributes, Kind
from cutaway.sources.keras_config import Value
from cutaway.sources.keras_describe import Described, Site, Unclear, activation


def describe(site: Site) -> Described | list[Described]:
    """The layers that an operation becomes. Raises Unclear for one that is not known."""
    make = OPERATIONS.get(name_of(site))
    if make is None:
        raise Unclear(f"operation {site.owner.class_name}")
    return make(site)


def name_of(site: Site) -> str:
    """`TrueDivide`, for Keras 2's `TFOpLambda` the end of its function: `math.truediv` -> Truediv."""
    if site.owner.class_name != "TFOpLambda":
        return site.owner.class_name
    word = str(site.get("function", "")).rpartition(".")[2]
    return "".join(part.capitalize() for part in word.split("_"))


# --- shapes ----------------------------------------------------------------------------------------------------------


def reshaped(site: Site, target: list[Any]) -> Described:
    """To a shape of a sample in Keras's axes, with at most one -1."""
    total = math.prod(site.shape)
    sizes = [-1 if size is None else int(size) for size in target]
    if sizes.count(-1) == 1:
        rest = math.prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = total // rest
    if math.prod(sizes) != total or any(size < 0 for size in sizes):
        raise Unclear(f"{total} values as {target}")
    shape = site.canonical_shape(sizes)
    order = site.order if site.last else None
    if len(shape) == 1:
        return Described("flatten", Attributes(input_order=site.order), shapes=(shape,))
    return Described("reshape", Attributes(input_order=order, extra={"shape": list(shape)}), shapes=(shape,))


def transposed(site: Site, permutation: Sequence[int]) -> Described:
    """`permutation`: for each of Keras's axes of the output sample, Keras's axis of the input sample."""
    rank = len(site.shape)
    if sorted(permutation) != list(range(rank)):
        raise Unclear(f"permutation {permutation}")
    order = [*range(rank)] if not site.last or rank < 2 else [rank - 1, *range(rank - 1)]
    # order[c]: Keras's axis that stands at c when the channels are first
    turned = [order.index(permutation[order[c]]) for c in range(rank)]
    return Described("permute", Attributes(extra={"permutation": turned}))


def broadcast(site: Site, described: Described, inputs: Sequence[Value]) -> list[Described]:
    """An operation on several tensors, of which those with fewer axes get more: Keras lines up the last ones."""
    shapes = site.shapes[: len(inputs)]
    ranks = {len(shape) for shape in shapes if shape is not None}
    if len(ranks) < 2 or not site.last or None in shapes:
        return [changed(described, inputs=list(inputs))]
    parts: list[Described] = []
    read: list[Value | None] = []
    rank = max(ranks)
    for position, (value, shape) in enumerate(zip(inputs, shapes, strict=True)):
        assert shape is not None
        if len(shape) == rank:
            read.append(value)
            continue
        if parts:
            raise Unclear("several tensors to broadcast")
        keras = (*(1,) * (rank - len(shape)), *site.in_keras(shape))
        wide = site.canonical_shape(keras)
        attributes = Attributes(input_order="HWC", extra={"shape": list(wide)})
        parts.append(Described("reshape", attributes, inputs=[value], name=f"input_{position}", shapes=(wide,)))
        read.append(None)
    return [*parts, changed(described, inputs=read)]


# --- arithmetic ------------------------------------------------------------------------------------------------------


def arithmetic(kind: Kind, name: str = "") -> Callable[[Site], list[Described]]:
    """Of two tensors, or of a tensor and a constant."""

    def make(site: Site) -> list[Described]:
        args = [*site.call.args, *(site.call.kwargs[key] for key in ("y", "x2") if key in site.call.kwargs)]
        values = [one for one in args if isinstance(one, Value)]
        extra: dict[str, Any] = {"name": name} if name else {}
        if len(args) != 2 or not values:
            raise Unclear("not two operands")
        if len(values) == 2:
            return broadcast(site, Described(kind, Attributes(extra=extra)), values)
        other = args[1] if isinstance(args[0], Value) else args[0]
        extra["constant"] = site.constant(constant_of(other), len(site.shape))
        if not isinstance(args[0], Value):
            extra["reverse"] = True
        return [Described(kind, Attributes(extra=extra), inputs=values)]

    return make


def constant_of(data: Any) -> Any:
    """A number or nested lists; Keras wraps arrays as objects."""
    if isinstance(data, dict):
        inner = data.get("config")
        if isinstance(inner, dict) and "value" in inner:
            return inner["value"]
        raise Unclear("a constant of another kind")
    return data


def power(site: Site) -> Described:
    exponent = site.call.args[1] if len(site.call.args) > 1 else None
    if not isinstance(exponent, int | float):
        raise Unclear("a power of a tensor")
    return activation(site, "pow", {"exponent": exponent})


def argument(site: Site, name: str, position: int, default: Any = None) -> Any:
    """An argument of an operation, wherever Keras has put it: configuration, keyword, or position."""
    if name in site.owner.config:
        return site.get(name)
    if name in site.call.kwargs:
        return site.call.kwargs[name]
    return site.call.args[position] if len(site.call.args) > position else default


def reduction(name: str) -> Callable[[Site], Described]:
    def make(site: Site) -> Described:
        given, keep = argument(site, "axis", 1), bool(argument(site, "keepdims", 2, False))
        rank = len(site.shape)
        if given is None:
            raise Unclear("over the batch")
        axes = sorted(site.axis(axis) for axis in (given if isinstance(given, list | tuple) else [given]))
        if axes == list(range(1, rank)) and name in ("mean", "max"):
            mode = {"mode": "max"} if name == "max" else {}
            return Described("global_average_pool", Attributes(extra={**mode, **({"keepdims": True} if keep else {})}))
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(site.shape) if keep or axis not in axes)
        if not keep and 0 in axes and site.last and len(shape) > 1:
            raise Unclear("the channels vanish")  # what is then Keras's last axis is not the first here
        return Described("other", Attributes(extra={"name": name, "axes": axes, "keepdims": keep}), shapes=(shape,))

    return make


# --- parts and pieces ------------------------------------------------------------------------------------------------


def concatenate(site: Site) -> Described:
    values = site.call.inputs
    return Described("concat", Attributes(axis=site.axis(int(argument(site, "axis", 1, 0)))), inputs=values)


def reshape(site: Site) -> Described:
    target = argument(site, "newshape", 1)
    if target is None:
        target = argument(site, "shape", 1)
    return reshaped(site, list(target)[1:])


def transpose(site: Site) -> Described:
    axes = argument(site, "axes", 1)
    if axes is None:
        axes = argument(site, "perm", 1)
    if not axes or axes[0] != 0:
        raise Unclear("the batch moves")
    return transposed(site, [axis - 1 for axis in axes[1:]])


def squeeze(site: Site) -> Described:
    axis = argument(site, "axis", 1)
    keras = list(site.in_keras(site.shape))
    given = [axis] if isinstance(axis, int) else axis
    if not given:
        raise Unclear("all axes of one")
    gone = {one - 1 if one > 0 else one + len(keras) for one in given}
    if any(keras[one] != 1 for one in gone):
        raise Unclear("an axis that is not one")
    return reshaped(site, [size for position, size in enumerate(keras) if position not in gone])


def expand_dims(site: Site) -> Described:
    axis = argument(site, "axis", 1)
    keras = list(site.in_keras(site.shape))
    position = axis - 1 if axis > 0 else axis + len(keras) + 1
    if axis == 0 or not 0 <= position <= len(keras):
        raise Unclear("an axis before the batch")
    return reshaped(site, [*keras[:position], 1, *keras[position:]])


def pad(site: Site) -> Described:
    widths = argument(site, "pad_width", 1)
    if str(argument(site, "mode", 2, "constant")) != "constant" or site.call.kwargs.get("constant_values"):
        raise Unclear("padding of another kind")
    if any(widths[0]):
        raise Unclear("the batch is padded")
    ordered = [tuple(pair) for pair in widths[1:]]
    if len(ordered) != len(site.shape):
        raise Unclear("padding of other axes")
    if site.last and len(ordered) > 1:
        ordered = [ordered[-1], *ordered[:-1]]
    return Described("pad", Attributes(padding=tuple(ordered)))


def get_item(site: Site) -> Described:
    """x[:, 1:, ..., ::2]: parts of a sample; a position, whose axis vanishes, where the channels stay."""
    key = argument(site, "key", 1)
    keys = list(key) if isinstance(key, list) else [key]
    rank = len(site.shape)
    wide = [n for n, one in enumerate(keys) if is_object(one, "__ellipsis__")]
    if wide:
        missing = rank + 1 - (len(keys) - 1)
        keys[wide[0] : wide[0] + 1] = [None] * missing
    keys += [None] * (rank + 1 - len(keys))
    if len(keys) != rank + 1 or not whole(keys[0]):
        raise Unclear("other samples")
    slices: list[Any] = []
    for axis, one in enumerate(keys[1:]):
        if isinstance(one, int) and not isinstance(one, bool):
            if axis == rank - 1 and rank > 1:
                raise Unclear("the channels vanish")
            slices.append(one)
        else:
            slices.append(bounds(one))
    if site.last and rank > 1:
        slices = [slices[-1], *slices[:-1]]
    return Described("crop", Attributes(extra={"slices": slices}))


def is_object(one: Any, name: str) -> bool:
    return isinstance(one, dict) and one.get("class_name") == name


def bounds(one: Any) -> list[int | None]:
    if one is None:
        return [None, None, None]
    if not is_object(one, "__slice__"):
        raise Unclear("an index of another kind")
    config = one["config"]
    found = [config.get("start"), config.get("stop"), config.get("step")]
    if any(part is not None and not isinstance(part, int) for part in found) or found[2] == 0:
        raise Unclear("an index of another kind")
    return found


def whole(one: Any) -> bool:
    return one is None or (is_object(one, "__slice__") and bounds(one)[:2] == [None, None])


def split(site: Site) -> Described:
    """Into equal parts, or at positions, along an axis."""
    given, axis = argument(site, "indices_or_sections", 1), site.axis(int(argument(site, "axis", 2, 0)))
    size = site.shape[axis]
    if isinstance(given, int):
        if given < 1 or size % given:
            raise Unclear("unequal parts")
        sizes = [size // given] * given
    else:
        edges = [0, *given, size]
        sizes = [high - low for low, high in itertools.pairwise(edges)]
    if any(part < 0 for part in sizes):
        raise Unclear("parts of less than nothing")
    return Described("crop", Attributes(axis=axis, extra={"split": sizes}), outputs=len(sizes))


# --- functions -------------------------------------------------------------------------------------------------------


def function(name: str, **constants: tuple[str, int]) -> Callable[[Site], Described]:
    """An elementwise function; `constants`: here -> (Keras's argument, its position)."""

    def make(site: Site) -> Described:
        extra = {here: argument(site, there, position) for here, (there, position) in constants.items()}
        if any(value is not None and not isinstance(value, int | float | str) for value in extra.values()):
            raise Unclear("a constant that is a tensor")
        described = activation(site, name, extra)
        return changed(described, inputs=site.call.inputs[:1])

    return make


def gelu(site: Site) -> Described:
    return activation(site, "gelu", {"approximate": "tanh" if argument(site, "approximate", 1, True) else None})


def softmax(name: str) -> Callable[[Site], Described]:
    def make(site: Site) -> Described:
        axis = argument(site, "axis", 1, -1)
        if not isinstance(axis, int):
            raise Unclear("softmax over several axes")
        return activation(site, name, axis=site.axis(axis))

    return make


def identity(site: Site) -> Described:
    return activation(site, "identity")


OPERATIONS: dict[str, Callable[[Site], Described | list[Described]]] = {
    "Add": arithmetic("add"),
    "Subtract": arithmetic("subtract"),
    "Multiply": arithmetic("multiply"),
    "TrueDivide": arithmetic("other", "divide"),
    "Divide": arithmetic("other", "divide"),
    "Maximum": arithmetic("other", "maximum"),
    "Minimum": arithmetic("other", "minimum"),
    "AddV2": arithmetic("add"),
    "Sub": arithmetic("subtract"),
    "Mul": arithmetic("multiply"),
    "Truediv": arithmetic("other", "divide"),
    "Power": power,
    "Pow": power,
    "Mean": reduction("mean"),
    "Sum": reduction("sum"),
    "Max": reduction("max"),
    "Amax": reduction("max"),
    "Min": reduction("min"),
    "Amin": reduction("min"),
    "ReduceMean": reduction("mean"),
    "ReduceSum": reduction("sum"),
    "ReduceMax": reduction("max"),
    "ReduceMin": reduction("min"),
    "Concatenate": concatenate,
    "Concat": concatenate,
    "Reshape": reshape,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "ExpandDims": expand_dims,
    "Pad": pad,
    "GetItem": get_item,
    "Split": split,
    "Relu": function("relu"),
    "Relu6": function("relu6"),
    "LeakyRelu": function("leaky_relu", slope=("negative_slope", 1)),
    "Elu": function("elu", alpha=("alpha", 1)),
    "Celu": function("celu", alpha=("alpha", 1)),
    "Clip": function("clip", min=("x_min", 1), max=("x_max", 2)),
    "Gelu": gelu,
    "Softmax": softmax("softmax"),
    "LogSoftmax": softmax("log_softmax"),
    "Identity": identity,
    "StopGradient": identity,
    "Cast": identity,
    **{
        name: function(word)
        for name, word in {
            **{word.title().replace("_", ""): word for word in ("sigmoid", "tanh", "silu", "selu", "softplus")},
            **{word.title().replace("_", ""): word for word in ("softsign", "hard_sigmoid", "hard_silu", "hard_tanh")},
            **{word.title().replace("_", ""): word for word in ("log_sigmoid", "tanh_shrink", "exp", "log", "sqrt")},
            **{
                word.title().replace("_", ""): word for word in ("rsqrt", "square", "negative", "sign", "floor", "ceil")
            },
            **{word.title().replace("_", ""): word for word in ("round", "sin", "cos", "erf", "reciprocal")},
            "Absolute": "abs",
            "Abs": "abs",
            "Swish": "silu",
            "HardSwish": "hard_silu",
        }.items()
    },
}
