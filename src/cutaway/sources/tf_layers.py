"""Layers while a graph is read: what flows between nodes, and drafts that become `Layer`s at the end.

TensorFlow keeps the channels last unless told otherwise; a `Flow` remembers which of its axes they are, so that a
transpose between the two conventions is no layer at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from cutaway.network import Attributes, Edge, Kind, Layer, Parameter, Role
from cutaway.sources.tf_graph import Tensor
from cutaway.sources.tf_known import Known

BATCH = 1_000_003
"""Stands for the batch size where the graph leaves it free: a prime that no other size is a multiple of."""

TURNS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "HWIO": lambda a: a.transpose(3, 2, 0, 1),
    "HWOI": lambda a: a.transpose(3, 2, 0, 1),  # of a transposed convolution, I,O,kH,kW
    "HWIM": lambda a: a.transpose(2, 3, 0, 1).reshape(-1, 1, *a.shape[:2]),  # depthwise, M maps for each
    "DHWIO": lambda a: a.transpose(4, 3, 0, 1, 2),
    "IO": lambda a: a.T,
    "OI": lambda a: a,
    "vector": lambda a: a.reshape(-1),
    "as it is": lambda a: a,
}
"""From TensorFlow's axes to canonical ones."""


@dataclass
class Weight:
    """A parameter: what it is computed from, and how it is turned into canonical axes."""

    known: Known
    axes: str = "as it is"
    trainable: bool = True
    turn: Callable[[np.ndarray], np.ndarray] | None = None

    def array(self, leaf: Callable[[Known], np.ndarray]) -> np.ndarray:
        turned = (self.turn or TURNS[self.axes])(self.known.evaluate(leaf))
        return np.ascontiguousarray(turned, np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.turn or TURNS[self.axes])(np.broadcast_to(np.float32(0), self.known.shape)).shape


@dataclass
class Draft:
    """A layer in the making. `tensor` is the graph's tensor that its output is."""

    kind: Kind
    op: str
    tensor: Tensor
    inputs: list[tuple[int, int]] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    weights: dict[Role, Weight] = field(default_factory=dict)
    fused: list[str] = field(default_factory=list)
    node: str = ""
    """The node that it is named after."""


class Atrous(NamedTuple):
    """A flow that was cut into blocks so that a plain convolution becomes a dilated one."""

    block: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Flow:
    """A tensor that depends on the input: an output of a draft, in TensorFlow's shape (batch first).

    What is scaled and shifted per channel stays pending (`scale`, `shift`) until it is known to be a batch norm or not.
    """

    draft: int
    shape: tuple[int, ...]
    last: bool = True
    """Whether the channels are the last axis of `shape`; with less than three axes it does not matter."""
    output: int = 0
    flat: str | None = None
    """For maps read as a vector by a flatten that is no layer yet: the order of the pixels."""
    scale: Known | None = None
    shift: Known | None = None
    node: str = ""
    """The last node of what is pending."""
    atrous: Atrous | None = None
    folded: bool = False
    """Maps read as rows, one for each pixel of each sample, for a matrix product; `shape` is that of the maps."""

    @property
    def pending(self) -> bool:
        return self.scale is not None or self.shift is not None

    @property
    def plain(self) -> bool:
        return not self.pending and self.flat is None and self.atrous is None and not self.folded

    def with_shape(self, shape: tuple[int, ...], **more: Any) -> Flow:
        return replace(self, shape=shape, **more)

    def canonical(self) -> tuple[int, ...]:
        """Shape of a sample, channels first."""
        sample = self.shape[1:]
        return (sample[-1], *sample[:-1]) if self.last and len(sample) > 1 else sample

    def axis(self, axis: int) -> int:
        """An axis of the TensorFlow tensor (0 is the batch) as an axis of the canonical sample."""
        rank = len(self.shape)
        axis = axis + rank if axis < 0 else axis
        if not 0 < axis < rank:
            raise ValueError(f"axis {axis} of a tensor with {rank} axes")
        if not self.last or rank < 3:
            return axis - 1
        return 0 if axis == rank - 1 else axis

    def ordered(self, entries: list[Any]) -> list[Any]:
        """One entry per axis of a sample, in TensorFlow's order, in the canonical order."""
        return [entries[-1], *entries[:-1]] if self.last and len(entries) > 1 else entries


Value = Flow | Known


def aligned(values: np.ndarray, rank: int, last: bool) -> np.ndarray:
    """A known value below a sample's axes: [C] becomes [C, 1, 1] where the channels are last."""
    values = values.reshape((1,) * (rank - values.ndim) + values.shape)[0] if values.ndim < rank else values[0]
    return np.moveaxis(values, -1, 0) if last and values.ndim > 1 else values


def finished(drafts: list[Draft], names: list[str], order: list[int]) -> tuple[Layer, ...]:
    """The layers of some drafts in an order."""
    layers = []
    for index in order:
        draft, name = drafts[index], names[index]
        *path, short = name.split("/")
        layers.append(
            Layer(
                id=name,
                name=short,
                path=tuple(path),
                kind=draft.kind,
                op=draft.op,
                inputs=tuple(Edge(layer=names[before], output=number) for before, number in draft.inputs),
                output_shapes=tuple(draft.shapes),
                attributes=Attributes(**draft.attributes),
                parameters=tuple(
                    Parameter(
                        role=role,
                        key=f"{name}/{role}",
                        shape=weight.shape,
                        trainable=weight.trainable,
                        source_axes=weight.axes if weight.axes.isupper() else None,
                    )
                    for role, weight in draft.weights.items()
                ),
                fused=tuple(draft.fused),
            )
        )
    return tuple(layers)
