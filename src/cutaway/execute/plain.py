"""Layers without a kernel: functions, joins, what moves values, and a few operations without a kind of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.execute import pointwise, shaping
from cutaway.execute.about import Result, Weights, axis_of, constants, function_name, named
from cutaway.network import Layer

ALONG_AN_AXIS = {"softmax": pointwise.softmax, "logsoftmax": pointwise.log_softmax}


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
