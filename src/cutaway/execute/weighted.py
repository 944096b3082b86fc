"""Layers that have weights: convolutions, dense layers, norms."""

from __future__ import annotations

import numpy as np

from cutaway.execute import pointwise, shaping, windows
from cutaway.execute.about import Weights, axis_of
from cutaway.network import Layer


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
