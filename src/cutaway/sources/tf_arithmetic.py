"""Arithmetic in a graph: what is a bias, a scale that waits to be a batch norm, an activation by hand, or a layer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cutaway.network import Kind
from cutaway.sources.tf_convert import Converter
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known, constant
from cutaway.sources.tf_layers import Flow, Value
from cutaway.sources.tf_norm import biased, by_known, per_channel, statistic
from cutaway.sources.tf_windows import is_last, known

NAMES: dict[str, tuple[Kind, str]] = {
    "Add": ("add", ""),
    "AddV2": ("add", ""),
    "AddN": ("add", ""),
    "Sub": ("subtract", ""),
    "Mul": ("multiply", ""),
    "RealDiv": ("other", "divide"),
    "Div": ("other", "divide"),
    "Maximum": ("other", "maximum"),
    "Minimum": ("other", "minimum"),
}


def arithmetic(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Between activations a layer; with weights or numbers a bias, something pending, or a layer with a parameter."""
    if all(isinstance(one, Flow) for one in given):
        return between(c, node, [one for one in given if isinstance(one, Flow)])
    if len(given) != 2:
        raise ValueError("weights among many addends")
    first, second = given
    if isinstance(first, Flow) and isinstance(second, Known):
        return with_known(c, node, first, second)
    if isinstance(second, Flow) and isinstance(first, Known):
        if node.op in ("Add", "AddV2", "Mul", "Maximum", "Minimum"):
            return with_known(c, node, second, first)
        if node.op == "Sub":  # k − x = k + (−1) · x
            negative = with_known(c, Node(node.name, "Mul", []), second, constant(np.float32(-1)))
            return with_known(c, Node(node.name, "AddV2", []), negative, first)
        if first.value is not None and first.value.size == 1:
            extra = {"name": "divide", "constant": float(first.value.reshape(-1)[0]), "reverse": True}
            x = c.plain(second)
            return c.emit("other", node, [x], x.shape, x.last, extra=extra)
    raise ValueError("arithmetic with something that is not known")


def between(c: Converter, node: Node, flows: list[Flow]) -> Flow:
    if (leaky := leak(c, node, flows)) is not None:
        x, slope = leaky
        return c.emit("leaky_relu", node, [x], x.shape, x.last, slope=slope)
    if (whole := error_unit(c, node, flows)) is not None:
        return c.emit("gelu", node, [whole], whole.shape, whole.last)
    plain = [c.plain(flow) for flow in flows]
    if node.op == "Mul" and len(plain) == 2:
        for x, gate in (plain, plain[::-1]):
            draft = c.drafts[gate.draft]
            if draft.kind == "sigmoid" and not draft.fused and draft.inputs == [(x.draft, x.output)]:
                return c.emit("silu", node, [x], x.shape, x.last)
    rank = len(plain[0].shape)
    if any(len(one.shape) != rank for one in plain):
        raise ValueError("activations with different numbers of axes")
    plain = [c.laid(one, plain[0].last) for one in plain]
    shape = tuple(np.broadcast_shapes(*(one.shape for one in plain)))
    kind, name = NAMES[node.op]
    return c.emit(kind, node, plain, shape, plain[0].last, **({"extra": {"name": name}} if name else {}))


def leak(c: Converter, node: Node, flows: list[Flow]) -> tuple[Flow, float] | None:
    """What max(x, slope · x) reads, the leaky ReLU of before there was one, and its slope."""
    if node.op != "Maximum" or len(flows) != 2:
        return None
    for x, scaled in (flows, flows[::-1]):
        factor = None if scaled.scale is None else scaled.scale.value
        if factor is None or factor.size != 1 or scaled.shift is not None or not 0 <= factor.item() < 1:
            continue
        x = c.plain(x)
        if (x.draft, x.output) == (scaled.draft, scaled.output):
            return x, float(factor.item())
    return None


def one_number(value: Known | None, default: float) -> float:
    """A pending scale or shift that is one number."""
    if value is None:
        return default
    if value.value is None or value.value.size != 1:
        return math.nan
    return float(value.value.item())


def error_unit(c: Converter, node: Node, flows: list[Flow]) -> Flow | None:
    """What ½x · (1 + erf(x / √2)) reads, a GELU, in whatever way its factors are spread; Keras writes it with erfc."""
    if node.op != "Mul" or len(flows) != 2:
        return None
    for x, gate in (flows, flows[::-1]):
        inner = c.drafts[gate.draft] if gate.draft >= 0 else None
        if (
            inner is None
            or inner.attributes.get("extra") != {"name": "erf"}
            or x.shift is not None
            or x.flat
            or x.folded
        ):
            continue
        scaled = c.drafts[inner.inputs[0][0]]
        inside = float(scaled.attributes.get("extra", {}).get("constant", math.nan))
        if scaled.kind != "multiply" or scaled.inputs != [(x.draft, x.output)]:
            continue
        outside = one_number(x.scale, 1.0)
        terms = (
            outside * one_number(gate.shift, 0.0),
            outside * one_number(gate.scale, 1.0) * math.copysign(1, inside),
        )
        if np.allclose(terms, 0.5, atol=1e-6) and math.isclose(abs(inside), math.sqrt(0.5), rel_tol=1e-6):
            return replace(x, scale=None, shift=None)
    return None


def negative(c: Converter, node: Node, given: list[Value | None]) -> Value:
    if not isinstance(given[0], Flow):
        raise ValueError("nothing to negate")
    return with_known(c, Node(node.name, "Mul", []), given[0], constant(np.float32(-1)))


def complement(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """erfc(x) = 1 − erf(x)."""
    x = c.plain(given[0])
    flow = c.emit("activation", node, [x], x.shape, x.last, extra={"name": "erf"})
    c.drafts[flow.draft].tensor = ("", 0)
    return replace(flow, scale=constant(np.float32(-1)), shift=constant(np.float32(1)), node=node.name)


def with_known(c: Converter, node: Node, flow: Flow, value: Known) -> Flow:
    """x + k, x − k, x · k, x / k, max(x, k), min(x, k)."""
    op = "AddV2" if node.op in ("Add", "AddV2") else node.op
    if flow.pending and c.readers.get(flow.node, 0) > 1:
        flow = c.plain(flow)  # what others read too is a layer of its own
    if op in ("Maximum", "Minimum"):
        x = c.plain(flow)
        number = float(c.array(value).reshape(-1)[0])
        if math.prod(value.shape) != 1:
            raise ValueError("a limit for each value")
        if op == "Maximum" and number == 0:
            return c.emit("relu", node, [x], x.shape, x.last)
        limit = {"min" if op == "Maximum" else "max": number}
        return c.emit("activation", node, [x], x.shape, x.last, extra={"name": "clip", **limit})
    if op == "AddV2" and (done := biased(c, flow, value)) is not None:
        c.drafts[done.draft].tensor = (node.name, 0)
        return done
    if len(value.shape) < 2 and one_number(value, math.nan) == (0 if op in ("AddV2", "Sub") else 1):
        return flow  # · 1 and + 0, which Keras writes for options that are not used
    if flow.flat is not None or not per_channel(value, flow):
        x = c.plain(flow)
        if op == "AddV2" or op == "Mul":
            return by_known(c, "add" if op == "AddV2" else "multiply", node, x, value)
        turned = c.calculation("Neg" if op == "Sub" else "Reciprocal", value)
        return by_known(c, "add" if op == "Sub" else "multiply", node, x, turned)
    scale, shift = flow.scale, flow.shift
    if op in ("AddV2", "Sub"):
        if shift is not None:
            shift = c.calculation(op, shift, value)
        else:
            shift = value if op == "AddV2" else c.calculation("Neg", value)
    else:
        op = "Mul" if op == "Mul" else "RealDiv"
        one = constant(np.float32(1))
        scale = value if scale is None and op == "Mul" else c.calculation(op, scale or one, value)
        shift = None if shift is None else c.calculation(op, shift, value)
    return replace(flow, scale=scale, shift=shift, node=node.name)


def bias_add(c: Converter, node: Node, given: list[Value | None]) -> Value:
    flow, value = given[0], known(given[1])
    if not isinstance(flow, Flow):
        raise ValueError("a bias without a layer")
    if not is_last(node) and len(flow.shape) > 2:
        value = c.calculation("Reshape", value, constant([-1, *(1,) * (len(flow.shape) - 2)]))
    return with_known(c, Node(node.name, "AddV2", [], node.data), flow, value)


def squared_difference(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Between activations a layer. With a batch's mean it is on the way to its variance: no layer, only its mean is."""
    flow = next(one for one in given if isinstance(one, Flow))
    if all(isinstance(one, Flow) for one in given):
        difference = between(c, Node(node.name, "Sub", []), [one for one in given if isinstance(one, Flow)])
        c.drafts[difference.draft].tensor = ("", 0)
        extra = {"name": "square"}
        return c.emit("activation", node, [difference], difference.shape, difference.last, extra=extra)
    return replace(flow, draft=-1, flat=None, scale=None, shift=None)


def mean(c: Converter, node: Node, given: list[Value | None]) -> Value:
    """Over the pixels a global pool; over the batch a batch norm's statistic; over other axes a box that computes."""
    flow = given[0]
    if not isinstance(flow, Flow):
        raise ValueError("a mean of nothing")
    rank = len(flow.shape)
    axes = sorted({axis % rank for axis in c.integers(given[1])})
    keep = node.flag("keep_dims")
    shape = tuple(1 if i in axes else size for i, size in enumerate(flow.shape) if keep or i not in axes)
    if 0 in axes:
        channel = rank - 1 if flow.last else 1
        if node.op != "Mean" or axes != [i for i in range(rank) if i != channel] or rank < 2:
            raise ValueError("a reduction over the batch")
        return statistic(c, node, flow, shape)
    x = c.plain(flow)
    pixels = [i for i in range(1, rank) if i != (rank - 1 if x.last else 1)]
    last = x.last and (keep or rank - 1 not in axes)
    if axes == pixels and rank > 2 and node.op in ("Mean", "Max"):
        extra = {"extra": {"mode": "max"}} if node.op == "Max" else {}
        return c.emit("global_average_pool", node, [x], shape, last, **extra)
    name = node.op.lower()
    if name not in ("mean", "max", "sum", "min") or not axes:
        raise ValueError("a reduction that is not known")
    told = {"name": name, "axes": sorted(x.axis(axis) for axis in axes), "keepdims": keep}
    return c.emit("other", node, [x], shape, last, extra=told)
