"""Runs a converted network in NumPy: the executor, and between its parts what only TensorFlow has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
from msgspec.structs import replace

from cutaway.execute import execute, unsupported
from cutaway.network import Layer, Network


def response_norm(x: np.ndarray, layer: Layer) -> np.ndarray:
    """tf.nn.local_response_normalization of [N, C, H, W]: x / (bias + α · Σ x²)^β over neighbouring channels."""
    extra = layer.attributes.extra
    radius = int(extra["depth_radius"])
    squares = np.pad(np.square(x), ((0, 0), (radius + 1, radius), (0, 0), (0, 0))).cumsum(1, np.float64)
    sums = squares[:, 2 * radius + 1 :] - squares[:, : -2 * radius - 1]
    return np.asarray(x / (extra["bias"] + extra["alpha"] * sums) ** extra["beta"], x.dtype)


def depth_to_space(x: np.ndarray, layer: Layer) -> np.ndarray:
    """[N, b·b·C, H, W] -> [N, C, H·b, W·b]; the position in the block is the slower index of the channels."""
    count, maps, height, width = x.shape
    block = int(layer.attributes.extra["block"])
    parts = x.reshape(count, block, block, maps // block**2, height, width)
    return parts.transpose(0, 3, 4, 1, 5, 2).reshape(count, -1, height * block, width * block)


def space_to_depth(x: np.ndarray, layer: Layer) -> np.ndarray:
    count, maps, height, width = x.shape
    block = int(layer.attributes.extra["block"])
    parts = x.reshape(count, maps, height // block, block, width // block, block)
    return parts.transpose(0, 3, 5, 1, 2, 4).reshape(count, -1, height // block, width // block)


SPECIAL: Mapping[str, Callable[[np.ndarray, Layer], np.ndarray]] = {
    "tf.LRN": response_norm,
    "tf.DepthToSpace": depth_to_space,
    "tf.SpaceToDepth": space_to_depth,
}


def is_special(layer: Layer) -> bool:
    return layer.kind == "other" and layer.attributes.extra.get("name") in SPECIAL


def split(network: Network) -> tuple[Network, list[Layer]]:
    """The network as the executor takes it, in which TensorFlow's own operations are inputs, and these operations."""
    special = [layer for layer in network if is_special(layer)]
    layers = tuple(replace(layer, kind="input", inputs=()) if is_special(layer) else layer for layer in network)
    return replace(network, layers=layers), special


def uncomputed(network: Network) -> dict[str, str]:
    """Layers that can't be computed, and why."""
    plain, special = split(network)
    why = dict(unsupported(plain))
    if not special or not why:
        return why
    for layer in network:
        blocked = next((edge.layer for edge in layer.inputs if edge.layer in why), None)
        if blocked is not None and layer.id not in why:
            why[layer.id] = f"it depends on {blocked!r}"
    return why


def run(
    network: Network,
    parameters: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
    wanted: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Activations of the wanted layers (None: all) that can be computed: layer id -> [N, …output shape]."""
    why = uncomputed(network)
    chosen = [layer.id for layer in network if layer.id not in why and (wanted is None or layer.id in wanted)]
    plain, special = split(network)
    if not special:
        return execute(plain, parameters, inputs, chosen)
    known = dict(inputs)
    for layer in special:
        if layer.id in why:
            continue
        before = layer.inputs[0].layer
        if before not in known:
            known |= execute(plain, parameters, known, [before])
        known[layer.id] = SPECIAL[layer.attributes.extra["name"]](known[before], layer)
    return execute(plain, parameters, known, chosen)
