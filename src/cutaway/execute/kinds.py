"""What each kind of layer does (`LAYERS`), and what is fused to layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cutaway.execute import plain, pointwise, pools, shaping, weighted
from cutaway.execute.about import Result, Weights, axis_of, constants
from cutaway.network import Layer

FUSED = ("batchnorm", "flatten", "prelu", "bias")
FRESH = ("conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d")
"""Kinds whose result belongs to nobody else, so that it can be changed in place."""


def fused(name: str, layer: Layer, x: np.ndarray, weights: Weights) -> np.ndarray:
    """One of the things that a layer's recorded output already contains."""
    word = pointwise.plain(name)
    if word == "batchnorm":
        return weighted.batch_norm(layer, [x], weights)
    if word == "relu" and not layer.attributes.extra and x.flags.owndata and x.flags.writeable and layer.kind in FRESH:
        np.maximum(x, 0, out=x)
        return x
    if word == "flatten":
        return shaping.flattened(x, layer.attributes.input_order if layer.kind != "dense" else None)
    if word == "prelu":
        return weighted.prelu(layer, [x], weights)
    if word in plain.ALONG_AN_AXIS:
        return plain.ALONG_AN_AXIS[word](x, axis_of(layer.attributes.extra.get("softmax_axis", 0), x))
    if word == "bias":
        return x
    return pointwise.activated(word, x, constants(layer))


LAYERS: dict[str, Callable[[Layer, list[np.ndarray], Weights], Result]] = {
    "conv1d": weighted.conv,
    "conv2d": weighted.conv,
    "conv3d": weighted.conv,
    "depthwise_conv2d": weighted.conv,
    "conv_transpose2d": weighted.conv_transpose,
    "dense": weighted.dense,
    "max_pool2d": pools.pool,
    "average_pool2d": pools.pool,
    "global_average_pool": pools.global_pool,
    "adaptive_pool": pools.adaptive_pool,
    "batch_norm": weighted.batch_norm,
    "layer_norm": weighted.layer_norm,
    "group_norm": weighted.group_norm,
    "relu": plain.function,
    "leaky_relu": plain.function,
    "prelu": weighted.prelu,
    "sigmoid": plain.function,
    "tanh": plain.function,
    "gelu": plain.function,
    "silu": plain.function,
    "softmax": plain.function,
    "activation": plain.function,
    "add": plain.folded(np.add),
    "multiply": plain.folded(np.multiply),
    "subtract": plain.folded(np.subtract),
    "concat": plain.concat,
    "flatten": plain.flatten,
    "reshape": plain.reshape,
    "permute": plain.permute,
    "pad": plain.pad,
    "crop": plain.crop,
    "upsample": plain.upsample,
    "dropout": plain.same,
    "constant": plain.constant,
    "output": plain.same,
    "other": plain.other,
}
