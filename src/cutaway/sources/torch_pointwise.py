"""Calls of PyTorch that work value by value, or fold values together: activations, sums, products, means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.network import Attributes, Kind, Role
from cutaway.sources.torch_program import Ref
from cutaway.sources.torch_words import Described, Reader, Weight, other


def activation(kind: Kind, name: str, **constants: tuple[str, Any]) -> Callable[[Reader], Described]:
    """An elementwise function; `constants` say which argument is which entry of `extra`, and its default."""

    def describe(a: Reader) -> Described:
        extra: dict[str, Any] = {}
        for entry, (argument, default) in constants.items():
            value = a.get(argument, default)
            if isinstance(value, Ref):
                return other(a)
            if value is not None and value != "none":
                extra[entry] = value
        slope = extra.pop("slope", None)
        if kind == "activation":
            extra["name"] = name
        return Described(kind, a.inputs("input"), Attributes(slope=slope, extra=extra), function=name)

    return describe


def prelu(a: Reader) -> Described:
    return Described("prelu", a.inputs("input"), weights=a.weights(alpha="weight"), function="prelu")


def softmax(a: Reader) -> Described:
    name = a.call.op.removeprefix("_").removeprefix("special_")
    axis = a.axis(a.get("dim"))
    if axis is None:
        return other(a)
    if name == "log_softmax":
        attributes = Attributes(axis=axis, extra={"name": name})
        return Described("activation", a.inputs("input"), attributes, function=name)
    return Described("softmax", a.inputs("input"), Attributes(axis=axis), function=name)


def binary(kind: Kind, role: Role = "bias") -> Callable[[Reader], Described]:
    """Addition and the like: of two tensors, of a tensor and a parameter of the model, or of a tensor and a number."""

    def describe(a: Reader) -> Described:
        sides = [a.given.get("input"), a.given.get("other")]
        if a.call.op in ("rsub", "rdiv", "rtruediv"):
            sides.reverse()
        alpha = a.get("alpha", 1)
        extra: dict[str, Any] = {} if kind != "other" else {"name": "divide"}
        first, second = sides
        if isinstance(first, Ref) and isinstance(second, Ref) and alpha == 1:
            return of_two(a, kind, role, first, second, extra)
        inputs = a.inputs("input", "other")
        number = second if isinstance(first, Ref) else first
        if len(inputs) != 1 or not isinstance(number, int | float) or alpha != 1:
            return other(a)
        extra["constant"] = number
        if number is first and kind not in ("add", "multiply"):
            extra["reverse"] = True
        return Described(kind, inputs, Attributes(extra=extra))

    return describe


def of_two(a: Reader, kind: Kind, role: Role, first: Ref, second: Ref, extra: dict[str, Any]) -> Described:
    """Of two tensors; where one of them is a parameter it is the layer's own."""
    own = [one for one in (first, second) if a.program.values[one.id].origin == "parameter"]
    if len(own) != 1:
        return Described(kind, (first.id, second.id), Attributes(extra=extra))
    weight, data = own[0], second if own[0] is first else first
    if weight is first and kind not in ("add", "multiply"):
        extra["reverse"] = True
    return Described(kind, (data.id,), Attributes(extra=extra), {role: below(a, weight.id, data.id)})


def below(a: Reader, parameter: int, data: int) -> Weight:
    """A parameter that is added to samples: without the axis of one that stands for the batch."""
    shape = a.program.values[parameter].shape
    cut = len(shape) == len(a.program.values[data].shape) and shape[:1] == (1,)
    return Weight(parameter, shape=shape[1:] if cut else shape)


def div(a: Reader) -> Described:
    return other(a) if a.get("rounding_mode") else binary("other", "gamma")(a)


def named(name: str) -> Callable[[Reader], Described]:
    """What the executor knows under that name, of the tensors that it reads."""
    return lambda a: Described("other", a.inputs("input", "other"), Attributes(extra={"name": name}))


def reduction(a: Reader) -> Described:
    """Mean, sum, max, min over axes; the mean over all pixels of maps is a global average pool."""
    shape, dims = a.shape(), a.get("dim", list(range(len(a.shape()))))
    axes = [a.axis(dim) for dim in (dims if isinstance(dims, list | tuple) else [dims])]
    known = sorted(axis for axis in axes if axis is not None)
    if len(known) != len(axes) or len(a.call.outputs) > 1:
        return other(a)
    name = {"amax": "max", "amin": "min"}.get(a.call.op, a.call.op)
    keep: dict[str, Any] = {"keepdims": True} if a.get("keepdim", False) else {}
    if name in ("mean", "max") and len(shape) in (3, 4) and known == list(range(1, len(shape) - 1)):
        mode = {"mode": "max"} if name == "max" else {}
        return Described("global_average_pool", a.inputs("input"), Attributes(extra=keep | mode))
    return Described("other", a.inputs("input"), Attributes(extra={"name": name, "axes": known, **keep}))


def dropout(a: Reader) -> Described:
    return Described("dropout", a.inputs("input"), function="dropout")
