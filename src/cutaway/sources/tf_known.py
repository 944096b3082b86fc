"""What a graph computes without looking at its input: constants, weights, and arithmetic on them.

Kept as an expression and worked out per checkpoint, so that weight normalisation, a batch norm written by hand, or a
kernel glued together from partitions all end as plain parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.sources import tf_types
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_wire import Damaged

FREE_ELEMENTS = 1 << 24
"""Of one result, or four times what goes in: a tiny graph may fill, tile or broadcast to any size."""
MAX_OPERATIONS = 10_000
"""In one expression, each counted as often as it is used."""
LARGE = 1 << 20

Read = Callable[[str], np.ndarray]


@dataclass(eq=False)
class Known:
    """A constant (`value`), a weight (`variable`), or an operation on others."""

    shape: tuple[int, ...]
    value: np.ndarray | None = None
    variable: str | None = None
    node: Node | None = None
    given: tuple[Known, ...] = ()
    number: int = 0
    """Which output of the operation."""
    moment: str | None = None
    """For what a batch norm takes from the batch itself: "mean" or "variance"."""
    label: str = ""
    """What the author calls a weight, where that is not `variable`."""
    operations: int = 1

    @property
    def constant(self) -> bool:
        return self.value is not None

    def leaves(self) -> list[Known]:
        """Weights, moments and constants that it is made of, each once, in the order in which they stand."""
        found: dict[int, Known] = {}
        seen: set[int] = set()
        stack = [self]
        while stack:
            one = stack.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if one.node is None:
                found[id(one)] = one
            stack.extend(reversed(one.given))
        return list(found.values())

    def evaluate(self, leaf: Callable[[Known], np.ndarray]) -> np.ndarray:
        """The array; `leaf` gives those of weights. Works through deep expressions without recursion."""
        done: dict[int, np.ndarray] = {}
        stack = [self]
        while stack:
            one = stack[-1]
            if id(one) in done:
                stack.pop()
            elif one.value is not None:
                done[id(one)] = one.value
            elif one.node is None:
                done[id(one)] = leaf(one)
            elif missing := [other for other in one.given if id(other) not in done]:
                stack.extend(missing)
            else:
                done[id(one)] = calculated(one.node, [done[id(other)] for other in one.given], one.number)
        return done[id(self)]


def constant(value: Any) -> Known:
    array = np.asarray(value)
    return Known(array.shape, value=array)


def combined(node: Node, given: Sequence[Known], number: int = 0) -> Known:
    """A node over known values: worked out at once where all are constants, else kept; its shape by a dry run."""
    if all(one.constant for one in given):
        result = calculated(node, [one.value for one in given if one.value is not None], number)
        return Known(result.shape, value=result)
    operations = 1 + sum(one.operations for one in given)
    if operations > MAX_OPERATIONS:
        raise Damaged(f"more than {MAX_OPERATIONS:,} operations on weights at {node.name!r}")
    if node.op in ELEMENTWISE:
        shape = tuple(np.broadcast_shapes(*(one.shape for one in given)))
        sized(shape, math.prod(shape) // 4 if shape in [one.shape for one in given] else 0)
    else:
        shape = calculated(node, [probe(one) if one.value is None else one.value for one in given], number).shape
    return Known(shape, node=node, given=tuple(given), number=number, operations=operations)


def probe(known: Known) -> np.ndarray:
    """Something of a shape, for the shape of what is made of it; large ones are never written to."""
    if math.prod(known.shape) > LARGE:
        return np.empty(known.shape, np.float32)
    return np.broadcast_to(np.float32(0.5), known.shape)


def computable(op: str) -> bool:
    return op in OPERATIONS


def calculated(node: Node, given: Sequence[np.ndarray], number: int = 0) -> np.ndarray:
    """One node on arrays. Raises Damaged where the result would be too large."""
    with np.errstate(all="ignore"):
        result = OPERATIONS[node.op](node, list(given))
    array = np.asarray(result[number] if isinstance(result, list | tuple) else result)
    return array


def sized(shape: Sequence[Any], given: int = 0) -> tuple[int, ...]:
    """A shape of few enough elements, where so many go in."""
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) > max(FREE_ELEMENTS, 4 * given):
        raise Damaged(f"a constant of the shape {list(sizes)}")
    return sizes


Operation = Callable[[Node, list[np.ndarray]], Any]


def elementwise(function: Callable[..., Any]) -> Operation:
    def apply(node: Node, given: list[np.ndarray]) -> Any:
        sized(np.broadcast_shapes(*(one.shape for one in given)), sum(one.size for one in given))
        return function(*given)

    return apply


def reduction(function: Callable[..., Any]) -> Operation:
    def apply(node: Node, given: list[np.ndarray]) -> Any:
        axes = tuple(int(axis) for axis in given[1].reshape(-1))
        return function(given[0], axis=axes, keepdims=node.flag("keep_dims"))

    return apply


def whole(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values.reshape(-1))


def divided(a: np.ndarray, b: np.ndarray) -> Any:
    return a / b if a.dtype.kind == "f" else a // np.where(b == 0, 1, b)


def cast(node: Node, given: list[np.ndarray]) -> Any:
    number = node.dtype("DstT")
    return given[0].astype(np.float32 if number == tf_types.BFLOAT16 else tf_types.dtype_of(number))


def index_of(node: Node, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]) -> tuple[Any, ...]:
    """The NumPy index of a StridedSlice: bit i of a mask stands for entry i."""
    masks = {name: node.whole(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    index: list[Any] = []
    for i, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        if masks["ellipsis"] >> i & 1:
            index.append(Ellipsis)
        elif masks["new_axis"] >> i & 1:
            index.append(None)
        elif masks["shrink_axis"] >> i & 1:
            index.append(int(first))
        else:
            start = None if masks["begin"] >> i & 1 else int(first)
            stop = None if masks["end"] >> i & 1 else int(last)
            index.append(slice(start, stop, int(step)))
    return tuple(index)


def squeezed(node: Node, given: list[np.ndarray]) -> Any:
    axes = tuple(node.ints("squeeze_dims"))
    return np.squeeze(given[0], axes or None)


def sliced(node: Node, given: list[np.ndarray]) -> Any:
    begin, size = whole(given[1]), whole(given[2])
    return given[0][tuple(slice(b, None if s < 0 else b + s) for b, s in zip(begin, size, strict=True))]


def ranged(node: Node, given: list[np.ndarray]) -> Any:
    start, stop, step = (one.item() for one in given)
    if step == 0 or (stop - start) / step > FREE_ELEMENTS:
        raise Damaged(f"a range from {start} to {stop} by {step}")
    return np.arange(start, stop, step, dtype=given[0].dtype)


def tiled(node: Node, given: list[np.ndarray]) -> Any:
    sized([size * times for size, times in zip(given[0].shape, whole(given[1]), strict=True)])
    return np.tile(given[0], whole(given[1]))


def product(node: Node, given: list[np.ndarray]) -> Any:
    a, b = given
    rows, columns = a.shape[1 if node.flag("transpose_a") else 0], b.shape[0 if node.flag("transpose_b") else 1]
    sized((rows, columns), a.size + b.size)
    return (a.T if node.flag("transpose_a") else a) @ (b.T if node.flag("transpose_b") else b)


def gathered(node: Node, given: list[np.ndarray]) -> Any:
    axis = int(given[2].item()) if len(given) > 2 else 0
    sized((given[0].size // max(1, given[0].shape[axis]) * given[1].size,), given[0].size)
    return np.take(given[0], given[1].astype(np.int64), axis)


ELEMENTWISE: Mapping[str, Operation] = {
    **dict.fromkeys(("Add", "AddV2", "BiasAdd"), elementwise(np.add)),
    "AddN": elementwise(lambda *given: sum(given[1:], given[0])),
    "Sub": elementwise(np.subtract),
    "Mul": elementwise(np.multiply),
    **dict.fromkeys(("RealDiv", "Div"), elementwise(divided)),
    **dict.fromkeys(("FloorDiv",), elementwise(lambda a, b: a // np.where(b == 0, 1, b))),
    **dict.fromkeys(("FloorMod", "Mod"), elementwise(lambda a, b: a % np.where(b == 0, 1, b))),
    **dict.fromkeys(("Maximum",), elementwise(np.maximum)),
    **dict.fromkeys(("Minimum",), elementwise(np.minimum)),
    "Pow": elementwise(np.power),
    "SquaredDifference": elementwise(lambda a, b: (a - b) ** 2),
    "Rsqrt": elementwise(lambda a: 1 / np.sqrt(a)),
    "Sqrt": elementwise(np.sqrt),
    "Square": elementwise(np.square),
    **dict.fromkeys(("Reciprocal", "Inv"), elementwise(lambda a: 1 / a)),
    "Neg": elementwise(np.negative),
    "Exp": elementwise(np.exp),
    "Log": elementwise(np.log),
    "Abs": elementwise(np.abs),
    "Sign": elementwise(np.sign),
    "Floor": elementwise(np.floor),
    "Ceil": elementwise(np.ceil),
    "Round": elementwise(np.rint),
    "Tanh": elementwise(np.tanh),
    "Sigmoid": elementwise(lambda a: 0.5 * np.tanh(0.5 * a) + 0.5),
    "Softplus": elementwise(lambda a: np.logaddexp(0, a)),
    "Relu": elementwise(lambda a: np.maximum(a, 0)),
    "Greater": elementwise(np.greater),
    "GreaterEqual": elementwise(np.greater_equal),
    "Less": elementwise(np.less),
    "LessEqual": elementwise(np.less_equal),
    "Equal": elementwise(np.equal),
    "NotEqual": elementwise(np.not_equal),
    "LogicalNot": elementwise(np.logical_not),
    "LogicalAnd": elementwise(np.logical_and),
    "LogicalOr": elementwise(np.logical_or),
    **dict.fromkeys(("Select", "SelectV2"), elementwise(np.where)),
}

OPERATIONS: Mapping[str, Operation] = {
    **ELEMENTWISE,
    "Sum": reduction(np.sum),
    "Mean": reduction(np.mean),
    "Max": reduction(np.max),
    "Min": reduction(np.min),
    "Prod": reduction(np.prod),
    "All": reduction(np.all),
    "Any": reduction(np.any),
    "Cast": cast,
    "Reshape": lambda node, given: given[0].reshape(whole(given[1])),
    "Transpose": lambda node, given: given[0].transpose(whole(given[1])),
    "ExpandDims": lambda node, given: np.expand_dims(given[0], int(given[1].item())),
    "Squeeze": squeezed,
    "ConcatV2": lambda node, given: np.concatenate(given[:-1], int(given[-1].item())),
    "Concat": lambda node, given: np.concatenate(given[1:], int(given[0].item())),
    **dict.fromkeys(("Pack",), lambda node, given: np.stack(given, node.whole("axis"))),
    "Unpack": lambda node, given: [np.take(given[0], i, node.whole("axis")) for i in range(node.whole("num"))],
    "Split": lambda node, given: np.split(given[1], node.whole("num_split"), int(given[0].item())),
    "StridedSlice": lambda node, given: given[0][index_of(node, *map(whole, given[1:4]))],
    "Slice": sliced,
    "Shape": lambda node, given: np.array(given[0].shape, np.int32),
    "ShapeN": lambda node, given: [np.array(one.shape, np.int32) for one in given],
    "Size": lambda node, given: np.int32(given[0].size),
    "Rank": lambda node, given: np.int32(given[0].ndim),
    "Fill": lambda node, given: np.broadcast_to(given[1], sized(whole(given[0]))),
    "BroadcastTo": lambda node, given: np.broadcast_to(given[0], sized(whole(given[1]))),
    "ZerosLike": lambda node, given: np.zeros_like(given[0]),
    "OnesLike": lambda node, given: np.ones_like(given[0]),
    "Range": ranged,
    "Tile": tiled,
    "MatMul": product,
    **dict.fromkeys(("Gather", "GatherV2"), gathered),
    "ReverseV2": lambda node, given: np.flip(given[0], whole(given[1])),
}
