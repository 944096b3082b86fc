"""ONNX operations that only move pixels, in Cutaway's words: concat, reshape, permute, pad, crop, resize."""

from __future__ import annotations

from typing import Any

import numpy as np

from cutaway.sources.onnx_draft import Draft, Weight, ints
from cutaway.sources.onnx_graph import Graph, Node


def concat(graph: Graph, node: Node, draft: Draft) -> None:
    x, axis = graph.shape(node.outputs[0]), int(node.attributes.get("axis", 1))
    if x is not None and len(draft.inputs) == len(node.inputs) and axis % len(x) > 0:
        draft.kind, draft.attributes = "concat", {"axis": axis % len(x) - 1}


def reshaped(graph: Graph, node: Node, draft: Draft) -> None:
    """Flatten, Reshape, Squeeze, Unsqueeze."""
    x, y = graph.shape(node.input(0)), graph.shape(node.outputs[0])
    if x is None or y is None or len(y) < 2 or x[0] != y[0]:
        return
    if len(y) == 2 and len(x) > 2:
        draft.kind, draft.attributes = "flatten", {"input_order": "CHW"} if len(x) > 3 else {}
    else:
        draft.kind, draft.extra = "reshape", {"shape": list(y[1:])}


def transpose(graph: Graph, node: Node, draft: Draft) -> None:
    x = graph.shape(node.input(0))
    order = node.attributes.get("perm") or (tuple(reversed(range(len(x)))) if x else ())
    if order and order[0] == 0 and sorted(order) == list(range(len(order))):
        draft.kind, draft.extra = "permute", {"permutation": [axis - 1 for axis in order[1:]]}


def pad(graph: Graph, node: Node, draft: Draft) -> None:
    x = graph.shape(node.input(0))
    pads = list(ints(graph, node, "pads", 1) or node.attributes.get("paddings", ()))
    axes = graph.numbers(node.input(3)) if node.input(3) else None
    if x is None or (node.input(3) and axes is None):
        return
    over = [int(axis) % len(x) for axis in axes.reshape(-1)] if axes is not None else list(range(len(x)))
    if len(pads) != 2 * len(over):
        return
    both = [(0, 0)] * len(x)
    for axis, first, last in zip(over, pads[: len(over)], pads[len(over) :], strict=True):
        both[axis] = (first, last)
    if both[0] != (0, 0):
        return
    skipped = 2 if len(x) > 2 and both[1] == (0, 0) else 1
    draft.kind, draft.attributes = "pad", {"padding": tuple(both[skipped:])}
    value = graph.numbers(node.input(2)) if node.input(2) else None
    number = float(value.reshape(-1)[0]) if value is not None and value.size else node.attributes.get("value", 0.0)
    mode = node.attributes.get("mode", "constant")
    draft.extra = ({"mode": mode} if mode != "constant" else {}) | ({"value": number} if number else {})


def crop(graph: Graph, node: Node, draft: Draft) -> None:
    x = graph.shape(node.input(0))
    starts, ends = ints(graph, node, "starts", 1), ints(graph, node, "ends", 2)
    if x is None or starts is None or ends is None:
        return
    axes = ints(graph, node, "axes", 3) or tuple(range(len(starts)))
    steps = ints(graph, node, "steps", 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        return
    slices: list[list[int | None]] = [[None, None, None] for _ in x]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        far = abs(end) > 1 << 31  # "to the end"
        slices[axis % len(x)] = [start, None if far else end, step]
    if slices[0] == [None, None, None] and all(one[2] is None or one[2] > 0 for one in slices):
        draft.kind, draft.extra = "crop", {"slices": slices[1:]}


def split(graph: Graph, node: Node, draft: Draft) -> None:
    x, axis = graph.shape(node.input(0)), int(node.attributes.get("axis", 0))
    parts = [graph.shape(value) for value in node.outputs]
    if x is None or axis % len(x) == 0 or any(part is None for part in parts):
        return
    draft.kind, draft.attributes = "crop", {"axis": axis % len(x) - 1}
    draft.extra = {"split": [part[axis % len(x)] for part in parts if part is not None]}


def gather(graph: Graph, node: Node, draft: Draft) -> None:
    table, x = graph.constants.get(node.input(0)), graph.shape(node.input(0))
    axis, indices = int(node.attributes.get("axis", 0)), graph.numbers(node.input(1))
    if table is not None and len(table.shape) == 2 and axis == 0:
        draft.kind, draft.inputs = "embedding", [node.input(1)]
        draft.weights = [Weight("kernel", table, table.shape)]
    elif x is not None and axis % len(x) > 0 and indices is not None and indices.ndim == 0:
        slices: list[Any] = [[None, None, None] for _ in x]
        slices[axis % len(x)] = int(indices)
        draft.kind, draft.extra = "crop", {"slices": slices[1:]}


def resize(graph: Graph, node: Node, draft: Draft) -> None:
    x, y = graph.shape(node.input(0)), graph.shape(node.outputs[0])
    mode = node.attributes.get("mode", "nearest")
    if x is None or y is None or x[:2] != y[:2] or len(x) < 3 or mode not in ("nearest", "linear", "bilinear"):
        return
    old = node.op == "Upsample" or graph.opset < 11
    way = "asymmetric" if old else node.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old else node.attributes.get("nearest_mode", "round_prefer_floor")
    if way not in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
        return
    draft.kind = "upsample"
    draft.extra = {"size": list(y[2:]), "mode": "nearest" if mode == "nearest" else "bilinear", "coordinates": way}
    if mode == "nearest":
        draft.extra["rounding"] = rounding
    given = node.attributes.get("scales") or graph.numbers(node.input(1 if old else 2))
    scales = () if given is None else tuple(float(one) for one in np.asarray(given).reshape(-1))
    if len(scales) == len(x):
        draft.extra["scale"] = list(scales[2:])


def depth_to_space(graph: Graph, node: Node, draft: Draft) -> None:
    if node.attributes.get("mode", "DCR") == "CRD":
        draft.kind = "upsample"
        draft.extra = {"mode": "pixel_shuffle", "scale": int(node.attributes.get("blocksize", 1))}
