"""Batch norms, in TensorFlow's own operations and written by hand, and other scales and shifts per channel.

Written by hand a batch norm is arithmetic, in one of many orders. Whatever the order it is x · S + T; here S and T are
tried with random numbers in the place of the weights: when S = γ / √(v + ε) and T = β − μ · S hold, it is one.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known, constant
from cutaway.sources.tf_layers import Flow, Value, Weight

if TYPE_CHECKING:
    from cutaway.sources.tf_convert import Converter

FOLDS_BIAS = {"conv1d", "conv2d", "conv3d", "depthwise_conv2d", "conv_transpose2d", "dense"}
MAX_EPSILON = 0.5
MAX_ATTRIBUTE = 256


def channels(flow: Flow) -> int:
    return flow.canonical()[0]


def per_channel(known: Known, flow: Flow) -> bool:
    """Whether a value is one number, or one for each channel where broadcasting puts it on the channels' axis."""
    if math.prod(known.shape) == 1:
        return True
    rank = len(flow.shape)
    shape = (1,) * (rank - len(known.shape)) + known.shape
    axis = rank - 1 if flow.last or rank < 3 else 1
    return len(shape) == rank and shape[axis] == channels(flow) == math.prod(shape)


def biased(c: Converter, flow: Flow, known: Known) -> Flow | None:
    """Puts a bias into the convolution or dense layer that it follows; None where that is not what it is."""
    if flow.flat is not None or flow.pending or flow.draft < 0:
        return None
    draft = c.drafts[flow.draft]
    if draft.kind not in FOLDS_BIAS or "bias" in draft.weights or draft.fused or not c.alone(flow):
        return None
    maps = channels(flow) if flow.shape else draft.weights["kernel"].shape[0]
    if math.prod(known.shape) != maps or (flow.shape and not per_channel(known, flow)):
        return None
    if any(leaf.moment for leaf in known.leaves()):
        return None
    draft.weights["bias"] = Weight(known, "vector", not known.constant)
    return flow


def settled(c: Converter, flow: Flow) -> Flow:
    """What is pending on a flow as a layer: a batch norm, else a multiplication and an addition."""
    base = Flow(flow.draft, flow.shape, flow.last, flow.output)
    scale, shift = flow.scale, flow.shift
    node = c.graph.nodes.get(flow.node) or Node(flow.node, "Mul", [])
    if scale is not None and channels(flow) and (found := batch_norm(scale, shift, channels(flow))):
        weights, epsilon = found
        normed = c.emit("batch_norm", node, [base], flow.shape, flow.last, epsilon=epsilon)
        draft = c.drafts[normed.draft]
        draft.tensor = (flow.node, 0)
        finish(c, normed, weights)
        return normed
    if scale is not None:
        base = by_known(c, "multiply", node, base, scale)
        if shift is not None:  # two layers for what may have been one operation or many
            c.drafts[base.draft].tensor = ("", 0)
            c.drafts[base.draft].node = f"{flow.node}/scale"
    if shift is not None:
        base = by_known(c, "add", node, base, shift)
    c.drafts[base.draft].tensor = (flow.node, 0)
    return base


def finish(c: Converter, flow: Flow, weights: dict[str, Known]) -> None:
    """Writes a batch norm's parameters into its draft; without a mean it works with the batch's own."""
    draft = c.drafts[flow.draft]
    for role, known in weights.items():
        if not known.moment:
            size = channels(flow)
            spread = known if math.prod(known.shape) == size else c.calculation("BroadcastTo", known, constant([size]))
            draft.weights[role] = Weight(spread, "vector", role in ("gamma", "beta"))  # type: ignore[index]
    if "mean" not in draft.weights or "variance" not in draft.weights:
        draft.weights.pop("mean", None)
        draft.weights.pop("variance", None)
        draft.attributes["extra"] = {"batch_statistics": True}
        c.notes.append(
            f"{draft.node} normalises with the mean and variance of the batch: the graph keeps no moving averages for "
            "it. Its values depend on which samples are recorded together."
        )


def by_known(c: Converter, kind: str, node: Node, flow: Flow, known: Known) -> Flow:
    """Adds or multiplies a constant (a few numbers, kept as an attribute) or weights (kept as a parameter)."""
    if any(leaf.moment for leaf in known.leaves()):
        raise ValueError("statistics of a batch outside a batch norm")
    result = c.emit(kind, node, [flow], flow.shape, flow.last)  # type: ignore[arg-type]
    draft = c.drafts[result.draft]
    weight = c.parameter(known, flow)
    if known.value is None or known.value.size > MAX_ATTRIBUTE:
        draft.weights["gamma" if kind == "multiply" else "bias"] = weight
    elif known.value.size == 1:
        draft.attributes["extra"] = {"constant": float(known.value.item())}
    else:  # the mean colour of a data set is nothing that was learnt
        draft.attributes["extra"] = {"constant": weight.array(lambda leaf: np.empty(0)).tolist()}
    return result


def batch_norm(scale: Known, shift: Known | None, size: int) -> tuple[dict[str, Known], float] | None:
    """Roles and ε of x · scale + shift as a batch norm; None where it is none."""
    inside = [leaf for leaf in scale.leaves() if not leaf.constant]
    numbers = [leaf.value for leaf in scale.leaves() if leaf.value is not None and leaf.value.size == 1]
    small = sorted({float(value.reshape(-1)[0]) for value in numbers if 0 < abs(value.reshape(-1)[0]) < MAX_EPSILON})
    outside = [] if shift is None else [leaf for leaf in shift.leaves() if leaf.variable or leaf.moment]
    outside = [leaf for leaf in outside if all(leaf is not other for other in inside)]
    if not 1 <= len(inside) <= 2 or not 1 <= len(outside) <= 2:
        return None
    if any(math.prod(leaf.shape) not in (1, size) for leaf in inside + outside):
        return None
    random = np.random.default_rng(0)
    values = {id(leaf): random.uniform(0.01, 1, leaf.shape) for leaf in inside + outside}
    s = scale.evaluate(lambda leaf: values[id(leaf)]).reshape(-1)
    t = (shift or constant(0.0)).evaluate(lambda leaf: values[id(leaf)]).reshape(-1)
    for order in permutations(inside):
        variance, gamma = order[0], order[1] if len(order) > 1 else None
        v = values[id(variance)].reshape(-1)
        g = values[id(gamma)].reshape(-1) if gamma is not None else 1.0
        fitting = next((e for e in [0.0, *small] if close(s, g / np.sqrt(v + e))), None)
        if fitting is None:
            continue
        for others in permutations(outside):
            mean, beta = others[0], others[1] if len(others) > 1 else None
            b = values[id(beta)].reshape(-1) if beta is not None else 0.0
            if close(t, b - values[id(mean)].reshape(-1) * s):
                roles = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
                return {role: known for role, known in roles.items() if known is not None}, fitting
    return None


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-8, atol=1e-12))  # in float64: an ε left out would show


def fused_batch_norm(c: Converter, node: Node, given: list[Value | None]) -> list[Value | None]:
    """FusedBatchNorm, V2, V3: x, γ, β, mean, variance; in training form with the moving averages that it updates."""
    x = c.laid(c.plain(given[0]), not node.text("data_format").startswith("NC"))
    names = ("gamma", "beta", "mean", "variance")
    weights = {name: known for name, known in zip(names, given[1:], strict=True) if isinstance(known, Known)}
    if len(weights) < len(names):
        raise ValueError("its weights depend on the input")
    size = channels(x)
    if node.flag("is_training", True):
        for number, role in ((1, "mean"), (2, "variance")):
            known = c.moving_average((node.name, number), size)
            if known is None and math.prod(weights[role].shape) == size and not weights[role].constant:
                known = weights[role]  # a blend of the old average and the new one reads the old one
            if known is None:
                del weights[role]
            else:
                weights[role] = known
    for role, neutral in (("gamma", 1), ("beta", 0)):
        values = weights[role].value
        if values is not None and bool(np.all(values == neutral)):
            del weights[role]
    flow = c.emit("batch_norm", node, [x], x.shape, x.last, epsilon=node.real("epsilon", 1e-4))
    finish(c, flow, weights)
    return [flow, None, None, None, None, None]


def statistic(c: Converter, node: Node, flow: Flow, shape: tuple[int, ...]) -> Known:
    """The mean or the variance of a batch: the moving average that it updates, else itself."""
    role = "variance" if flow.draft < 0 else "mean"
    size = math.prod(shape)
    known = c.moving_average((node.name, 0), size)
    if known is not None:
        return c.calculation("Reshape", known, constant(list(shape)))
    return Known(shape, moment=role)
