"""Walks a network and computes layer after layer; `LAYERS` is what each kind does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from cutaway.errors import SourceError, UnknownLayer
from cutaway.execute import pointwise, shaping, windows
from cutaway.network import Layer, Network

Weights = Mapping[str, np.ndarray]
Result = np.ndarray | list[np.ndarray]


def execute(
    network: Network,
    parameters: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
    wanted: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """What every wanted layer puts out: layer id -> array [N, …output shape], in the network's order.

    parameters: by key, in canonical axes. inputs: input layer's id -> [N, C, H, W] or [N, …].
    wanted: ids of layers; None for all. Layers that none of these needs are not computed, and what nobody needs any
    more is freed on the way. Computes in float32, or in float64 where an input is float64.

    Raises SourceError naming the layer where its kind can't be computed or its numbers don't fit together, and
    UnknownLayer for a wanted layer that the network does not have.
    """
    ids = {layer.id for layer in network}
    for name in wanted or ():
        if name not in ids:
            raise UnknownLayer(f"no layer {name!r} in this network to compute")
    needed = needed_for(network, ids if wanted is None else set(wanted))
    users = Counter(edge.layer for layer in network if layer.id in needed for edge in layer.inputs)
    kind = np.result_type(np.float32, *(values.dtype for values in inputs.values() if values.dtype.kind == "f"))
    count = len(next(iter(inputs.values()))) if inputs else 1
    kept: dict[str, np.ndarray] = {}
    alive: dict[str, list[np.ndarray]] = {}
    for layer in network:
        if layer.id not in needed:
            continue
        if layer.id in inputs:
            outputs = [np.asarray(inputs[layer.id], kind)]
        else:
            given = [output(alive, edge.layer, edge.output, layer) for edge in layer.inputs]
            outputs = computed(layer, given, weights_of(layer, parameters, kind), count, kind)
        if wanted is None or layer.id in wanted:
            kept[layer.id] = outputs[0]
        if users[layer.id]:
            alive[layer.id] = outputs
        for edge in layer.inputs:
            users[edge.layer] -= 1
            if not users[edge.layer]:
                alive.pop(edge.layer, None)
    return kept


def needed_for(network: Network, wanted: Collection[str]) -> set[str]:
    """The wanted layers and all that they depend on."""
    needed = set(wanted)
    for layer in reversed(network.layers):  # every layer stands behind those that it reads
        if layer.id in needed:
            needed.update(edge.layer for edge in layer.inputs)
    return needed


def output(alive: Mapping[str, list[np.ndarray]], id: str, number: int, reader: Layer) -> np.ndarray:
    outputs = alive.get(id)
    if outputs is None:
        raise SourceError(f"layer {reader.id!r} reads {id!r}, which does not stand before it")
    if number >= len(outputs):
        raise SourceError(f"layer {reader.id!r} reads output {number} of {id!r}, which has {len(outputs)}")
    return outputs[number]


def weights_of(layer: Layer, parameters: Mapping[str, np.ndarray], kind: Any) -> dict[str, np.ndarray]:
    """The parameters of a layer by role. Raises SourceError for one that is missing."""
    weights = {}
    for parameter in layer.parameters:
        if parameter.key not in parameters:
            raise SourceError(f"layer {layer.id!r}: its {parameter.role} ({parameter.key!r}) is missing")
        weights[str(parameter.role)] = np.asarray(parameters[parameter.key], kind)
    return weights


def computed(layer: Layer, given: list[np.ndarray], weights: Weights, count: int, kind: Any) -> list[np.ndarray]:
    """The outputs of one layer, with everything that is fused to it."""
    if layer.kind == "input":
        raise SourceError(f"layer {layer.id!r} is an input, and nothing was given for it")
    function = LAYERS.get(layer.kind)
    if function is None:
        raise SourceError(
            f"layer {layer.id!r}: {named(layer)} can't be computed here; its graph and weights are shown, "
            "its activations are not"
        )
    try:
        with np.errstate(all="ignore"):  # a NaN or an overflow is the model's own, and is shown
            if layer.kind == "constant":
                given = [np.empty((count, 0), kind)]
            if not given:
                raise ValueError("it has no input")
            result = function(layer, given, weights)
            outputs = list(result) if isinstance(result, list) else [result]
            for name in layer.fused:
                outputs[0] = fused(name, layer, outputs[0], weights)
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
        shapes = ", ".join("×".join(map(str, values.shape[1:])) or "1" for values in given)
        text = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        raise SourceError(f"layer {layer.id!r} ({named(layer)}) on {shapes}: {text}") from None
    return [np.asarray(values, kind) for values in outputs]


def stages(layer: Layer, given: list[np.ndarray], parameters: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The first output of a layer [N, …] as its kind alone makes it, and behind each of `fused`.

    given: what it reads, in the order of its inputs; parameters: by key. Raises SourceError as `execute`.
    """
    weights = weights_of(layer, parameters, np.float32)
    found = computed(replace(layer, fused=()), given, weights, len(given[0]), np.float32)[:1]
    for name in layer.fused:
        with np.errstate(all="ignore"):
            found.append(np.asarray(fused(name, layer, found[-1].view(), weights), np.float32))  # a view stays as it is
    return found


def named(layer: Layer) -> str:
    """A layer's kind, or for `other` and `activation` the framework's own word."""
    word = layer.attributes.extra.get("name") or layer.op
    return f"{layer.kind} ({word})" if layer.kind in ("other", "activation") and word else layer.kind


def unsupported(network: Network) -> dict[str, str]:
    """Layers that `execute` can't compute: id -> why, in words; those that depend on one of them are listed too."""
    why: dict[str, str] = {}
    for layer in network:
        blocked = next((edge.layer for edge in layer.inputs if edge.layer in why), None)
        if layer.kind != "input" and not supports(layer):
            why[layer.id] = f"{named(layer)} can't be computed here"
        elif blocked is not None:
            root = why[blocked] if why[blocked].startswith("it depends on ") else f"it depends on {blocked!r}"
            why[layer.id] = root
    return why


def supports(layer: Layer) -> bool:
    """Whether a layer's kind, and the function that it names, can be computed."""
    known = {*pointwise.FUNCTIONS, *ALONG_AN_AXIS}
    if not all(pointwise.plain(name) in known or pointwise.plain(name) in FUSED for name in layer.fused):
        return False
    extra = layer.attributes.extra
    match layer.kind:
        case "activation":
            return pointwise.plain(function_name(layer)) in known
        case "other":
            return pointwise.plain(function_name(layer)) in OTHERS
        case "upsample":
            return extra.get("mode", "nearest") in shaping.UPSAMPLE_MODES
        case "pad":
            return extra.get("mode", "constant") in shaping.PAD_MODES
    return layer.kind in LAYERS


def fused(name: str, layer: Layer, x: np.ndarray, weights: Weights) -> np.ndarray:
    """One of the things that a layer's recorded output already contains."""
    word = pointwise.plain(name)
    if word == "batchnorm":
        return batch_norm(layer, [x], weights)
    if word == "relu" and not layer.attributes.extra and x.flags.owndata and x.flags.writeable and layer.kind in FRESH:
        np.maximum(x, 0, out=x)
        return x
    if word == "flatten":
        return shaping.flattened(x, layer.attributes.input_order if layer.kind != "dense" else None)
    if word == "prelu":
        return prelu(layer, [x], weights)
    if word in ALONG_AN_AXIS:
        return ALONG_AN_AXIS[word](x, axis_of(layer.attributes.extra.get("softmax_axis", 0), x))
    if word == "bias":
        return x
    return pointwise.activated(word, x, constants(layer))


FUSED = ("batchnorm", "flatten", "prelu", "bias")
ALONG_AN_AXIS = {"softmax": pointwise.softmax, "logsoftmax": pointwise.log_softmax}
FRESH = ("conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d")
"""Kinds whose result belongs to nobody else, so that it can be changed in place."""


def constants(layer: Layer) -> dict[str, Any]:
    """What an activation function takes besides its input."""
    slope = layer.attributes.slope
    return {**({} if slope is None else {"slope": slope, "alpha": slope}), **layer.attributes.extra}


def function_name(layer: Layer) -> str:
    """What an `activation` or `other` layer computes: `extra["name"]`, else the end of its op."""
    return str(layer.attributes.extra.get("name") or layer.op.rpartition(".")[2] or "linear")


def axis_of(axis: int | None, x: np.ndarray, default: int = 0) -> int:
    """An axis of a sample (0: channels; negative from the end) as an axis of the batch [N, …]."""
    given = default if axis is None else axis
    found = given + 1 if given >= 0 else given + x.ndim
    if not 1 <= found < x.ndim:
        raise ValueError(f"there is no axis {given}")
    return found


# --- with weights ----------------------------------------------------------------------------------------------------


def conv(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x, attributes = given[0], layer.attributes
    rank = x.ndim - 2
    if "depthwise" in weights:
        kernel = spatial(weights["depthwise"], rank)
        bias = None if "pointwise" in weights else weights.get("bias")
        x = windows.convolved(x, kernel, windows.window_of(attributes, rank, kernel.shape[2:]), x.shape[1], bias)
        if "pointwise" not in weights:
            return x
        kernel = spatial(weights["pointwise"], rank)
        once = windows.Window((1,) * rank, (1,) * rank, ((0, 0),) * rank, (1,) * rank)
        return windows.convolved(x, kernel, once, 1, weights.get("bias"))
    kernel = spatial(weights["kernel"], rank)
    groups = attributes.groups or (x.shape[1] if layer.kind == "depthwise_conv2d" else 1)
    window = windows.window_of(attributes, rank, kernel.shape[2:])
    return windows.convolved(x, kernel, window, groups, weights.get("bias"))


def conv_transpose(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x, attributes = given[0], layer.attributes
    rank = x.ndim - 2
    kernel = spatial(weights["kernel"], rank)
    window = windows.window_of(attributes, rank, kernel.shape[2:])
    extra = windows.fitted(tuple(attributes.extra.get("output_padding") or (0,)), rank, 0)
    return windows.transposed(x, kernel, window, attributes.groups or 1, extra, weights.get("bias"))


def spatial(kernel: np.ndarray, rank: int) -> np.ndarray:
    """A kernel over `rank` spatial axes; one over a row of pixels is recorded with a height of 1."""
    if rank < 1:
        raise ValueError("a convolution takes maps, [C, …]")
    if kernel.ndim == rank + 3 and kernel.shape[2] == 1:
        return kernel[:, :, 0]
    if kernel.ndim != rank + 2:
        raise ValueError(f"its kernel has {kernel.ndim} axes, expected {rank + 2}")
    return kernel


def dense(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """Over a vector, over all pixels of maps (`input_order`), or along one axis (the last, or `axis`)."""
    x, kernel, bias = given[0], weights["kernel"], weights.get("bias")
    attributes, units = layer.attributes, kernel.shape[1]
    along = attributes.input_order is None and attributes.axis is not None
    if x.ndim > 2 and not along and (attributes.input_order is not None or x.shape[-1] != units):
        x = shaping.flattened(x, attributes.input_order)
    axis = axis_of(attributes.axis, x, -1) if along else x.ndim - 1
    if x.shape[axis] != units:
        raise ValueError(f"its kernel takes {units} values, found {x.shape[axis]}")
    x = np.moveaxis(x, axis, -1)
    y = x @ kernel.T
    if bias is not None:
        y += bias
    return np.asarray(np.moveaxis(y, -1, axis))


def batch_norm(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x, attributes = given[0], layer.attributes
    axis = axis_of(attributes.axis if layer.kind == "batch_norm" else None, x)
    epsilon = 1e-5 if attributes.epsilon is None else attributes.epsilon
    return pointwise.scaled(x, weights, epsilon, axis, bool(attributes.extra.get("batch_statistics")))


def layer_norm(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """Over `axis`, over extra["axes"], or over as many last axes as gamma has."""
    x, attributes = given[0], layer.attributes
    gamma, beta = weights.get("gamma"), weights.get("beta")
    some = gamma if gamma is not None else beta
    if "axes" in attributes.extra:
        axes = tuple(axis_of(axis, x) for axis in attributes.extra["axes"])
    elif attributes.axis is not None:
        axes = (axis_of(attributes.axis, x),)
    else:
        rank = some.ndim if some is not None else int(attributes.extra.get("rank", x.ndim - 1))
        axes = tuple(range(x.ndim - rank, x.ndim))
    y = pointwise.normalised(x, axes, 1e-5 if attributes.epsilon is None else attributes.epsilon)
    shape = tuple(size if position in axes else 1 for position, size in enumerate(x.shape))
    if gamma is not None:
        y = y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)


def group_norm(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x, attributes = given[0], layer.attributes
    parts = x.reshape(len(x), attributes.groups or 1, -1)
    y = pointwise.normalised(parts, (2,), 1e-5 if attributes.epsilon is None else attributes.epsilon).reshape(x.shape)
    shape = (-1, *(1,) * (x.ndim - 2))
    if "gamma" in weights:
        y = y * weights["gamma"].reshape(shape)
    return y + weights["beta"].reshape(shape) if "beta" in weights else y


def prelu(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """alpha: one, one per channel, or one per value of the sample (1 where axes share)."""
    x, alpha = given[0], weights["alpha"]
    if alpha.ndim == 1 and x.ndim > 2:
        alpha = alpha.reshape(-1, *(1,) * (x.ndim - 2))
    return np.where(x >= 0, x, alpha * x)


# --- pools -----------------------------------------------------------------------------------------------------------


def pool(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x, attributes = given[0], layer.attributes
    rank = x.ndim - 2
    kernel = attributes.kernel or (1,)
    window = windows.window_of(attributes, rank)
    if attributes.stride is None:
        window = window._replace(stride=windows.fitted(kernel, rank, 1))
    y = windows.pooled(
        x,
        window,
        maximum=layer.kind == "max_pool2d",
        ceil=bool(attributes.extra.get("ceil_mode")),
        count_padding=bool(attributes.count_include_pad),
    )
    divisor = attributes.extra.get("divisor_override")
    if divisor and layer.kind != "max_pool2d":
        covered = windows.shares(x.shape[2:], y.shape[2:], window, bool(attributes.count_include_pad))
        y = y * covered.astype(y.dtype) / divisor
    return y


def is_maximum(layer: Layer) -> bool:
    mode = str(layer.attributes.extra.get("mode") or layer.op)
    return "max" in mode.lower()


def global_pool(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """One value per map: a vector [C], or maps of one pixel where the network says so."""
    x = given[0]
    axes = tuple(range(2, x.ndim))
    keep = len(layer.output_shape) > 1 if layer.output_shapes else bool(layer.attributes.extra.get("keepdims"))
    y = x.max(axes, keepdims=True) if is_maximum(layer) else x.mean(axes, keepdims=True)
    return np.asarray(y if keep else y.reshape(x.shape[:2]))


def adaptive_pool(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x = given[0]
    size = layer.attributes.extra.get("output_size") or layer.output_shape[1:] or (1,) * (x.ndim - 2)
    sizes = tuple(size) if isinstance(size, list | tuple) else (size,) * (x.ndim - 2)
    whole = tuple(before if now is None else now for now, before in zip(sizes, x.shape[2:], strict=True))
    return windows.adaptive(x, whole, maximum=is_maximum(layer))


# --- without weights -------------------------------------------------------------------------------------------------


def function(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """`activation`, and the kinds that are named after their function."""
    name = function_name(layer) if layer.kind == "activation" else layer.kind
    if (word := pointwise.plain(name)) in ALONG_AN_AXIS:
        return ALONG_AN_AXIS[word](given[0], axis_of(layer.attributes.axis, given[0]))
    if word not in pointwise.FUNCTIONS:
        raise SourceError(f"layer {layer.id!r}: the activation function {name!r} is not known here")
    return pointwise.activated(name, given[0], constants(layer))


def operands(layer: Layer, given: list[np.ndarray], weights: Weights) -> list[np.ndarray]:
    """What is added, multiplied, …: the inputs, then the layer's own parameters or constant, below each other."""
    more = list(weights.values())
    constant = layer.attributes.extra.get("constant")
    if constant is not None:
        more.append(np.asarray(constant, given[0].dtype))
    rank = max([x.ndim for x in given] + [one.ndim + 1 for one in more])
    found = [shaping.aligned(x, rank) for x in given] + more
    return found[::-1] if layer.attributes.extra.get("reverse") else found


def folded(operation: Callable[..., Any]) -> Callable[[Layer, list[np.ndarray], Weights], np.ndarray]:
    def apply(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
        first, *others = operands(layer, given, weights)
        for other in others:
            first = operation(first, other)
        return np.broadcast_to(first, (len(given[0]), *first.shape[1:]))

    return apply


def concat(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    axis = axis_of(layer.attributes.axis, given[0])
    return np.concatenate(
        [*given, *(np.broadcast_to(one, (len(given[0]), *one.shape)) for one in weights.values())], axis
    )


def flatten(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """Everything into a vector; from extra["start"] to extra["end"] (axes of a sample) where only some axes join."""
    x, extra = given[0], layer.attributes.extra
    start, end = axis_of(extra.get("start", 0), x), axis_of(extra.get("end", -1), x)
    if (start, end) == (1, x.ndim - 1):
        return shaping.flattened(x, layer.attributes.input_order)
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


def reshape(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    shape = layer.attributes.extra.get("shape") or layer.output_shape
    return shaping.reshaped(given[0], shape, layer.attributes.input_order)


def permute(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """extra["permutation"]: for every axis of the output sample, the axis of the input sample, from 0."""
    return given[0].transpose(0, *(axis + 1 for axis in layer.attributes.extra["permutation"]))


def pad(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    return shaping.padded(given[0], layer.attributes.padding or (), layer.attributes.extra)


def crop(layer: Layer, given: list[np.ndarray], weights: Weights) -> Result:
    """`padding` cut off, extra["slices"] per axis of a sample, or extra["split"]: sizes of parts along `axis`."""
    x, extra = given[0], layer.attributes.extra
    if "split" in extra:
        return shaping.split(x, extra["split"], axis_of(layer.attributes.axis, x))
    if "slices" in extra:
        return shaping.sliced(x, extra["slices"])
    return shaping.cropped(x, layer.attributes.padding or ())


def upsample(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    x, extra = given[0], layer.attributes.extra
    if extra.get("mode") == "pixel_shuffle":
        return shaping.shuffled(x, int(extra["scale"]))
    size: Sequence[int] = extra.get("size") or layer.output_shape[1:]
    return shaping.upsampled(x, size or shaping.sizes_after(x.shape[2:], extra["scale"]), extra)


def constant(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """A parameter, or extra["value"], the same for every sample."""
    value = next(iter(weights.values())) if weights else np.asarray(layer.attributes.extra["value"], given[0].dtype)
    return np.broadcast_to(value, (len(given[0]), *value.shape))


def same(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    return given[0]


def other(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    """A few operations without a kind of their own, by extra["name"]."""
    name = pointwise.plain(function_name(layer))
    if name not in OTHERS:
        raise SourceError(
            f"layer {layer.id!r}: {named(layer)} can't be computed here; its graph and weights are shown, "
            "its activations are not"
        )
    return OTHERS[name](layer, given, weights)


def reduced(operation: Callable[..., Any]) -> Callable[[Layer, list[np.ndarray], Weights], np.ndarray]:
    """Over extra["axes"] of a sample (all but the channels unless told); extra["keepdims"]."""

    def apply(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
        x, extra = given[0], layer.attributes.extra
        axes = tuple(axis_of(axis, x) for axis in extra.get("axes", range(1, x.ndim - 1)))
        return np.asarray(operation(x, axis=axes, keepdims=bool(extra.get("keepdims"))))

    return apply


def matmul(layer: Layer, given: list[np.ndarray], weights: Weights) -> np.ndarray:
    first, second = operands(layer, given, weights)
    return np.asarray(first @ second)


OTHERS: dict[str, Callable[[Layer, list[np.ndarray], Weights], np.ndarray]] = {
    "divide": folded(np.divide),
    "div": folded(np.divide),
    "maximum": folded(np.maximum),
    "minimum": folded(np.minimum),
    "average": lambda layer, given, weights: folded(np.add)(layer, given, weights) / len(given),
    "matmul": matmul,
    "mean": reduced(np.mean),
    "sum": reduced(np.sum),
    "max": reduced(np.max),
    "min": reduced(np.min),
    "identity": same,
}

LAYERS: dict[str, Callable[[Layer, list[np.ndarray], Weights], Result]] = {
    "conv1d": conv,
    "conv2d": conv,
    "conv3d": conv,
    "depthwise_conv2d": conv,
    "conv_transpose2d": conv_transpose,
    "dense": dense,
    "max_pool2d": pool,
    "average_pool2d": pool,
    "global_average_pool": global_pool,
    "adaptive_pool": adaptive_pool,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "relu": function,
    "leaky_relu": function,
    "prelu": prelu,
    "sigmoid": function,
    "tanh": function,
    "gelu": function,
    "silu": function,
    "softmax": function,
    "activation": function,
    "add": folded(np.add),
    "multiply": folded(np.multiply),
    "subtract": folded(np.subtract),
    "concat": concat,
    "flatten": flatten,
    "reshape": reshape,
    "permute": permute,
    "pad": pad,
    "crop": crop,
    "upsample": upsample,
    "dropout": same,
    "constant": constant,
    "output": same,
    "other": other,
}
