"""Pools: over windows, over everything, to a wanted size."""

from __future__ import annotations

import numpy as np

from cutaway.execute import windows
from cutaway.execute.about import Weights
from cutaway.network import Layer


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
