"""A layer in the making, and its parameters: what operations of a file become before they have names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cutaway.network import Kind, Role
from cutaway.sources.onnx_graph import Const, Graph, Node, Shape

Change = Callable[[np.ndarray], np.ndarray]
Maker = Callable[[Graph, Node, "Draft"], None]
"""Tells what the layer of a node is, in Cutaway's words."""


@dataclass(eq=False)
class Weight:
    """A parameter before its layer has a name. Layers with the same constant and change share it."""

    role: Role
    const: Const
    shape: Shape
    change: str = ""
    """What is done to the stored numbers, in words; part of what makes two parameters the same."""
    apply: Change | None = None
    source_axes: str | None = None

    def read(self) -> np.ndarray:
        values = self.const.read()
        values = values if self.apply is None else self.apply(values)
        return np.ascontiguousarray(values, np.float32).reshape(self.shape)


@dataclass(eq=False)
class Draft:
    """A layer in the making."""

    node: Node
    kind: Kind
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    weights: list[Weight] = field(default_factory=list)
    fused: list[str] = field(default_factory=list)
    fused_nodes: list[str] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        return self.outputs[0]

    def weight(self, role: str) -> Weight | None:
        return next((one for one in self.weights if one.role == role), None)


def ints(graph: Graph, node: Node, name: str, position: int) -> tuple[int, ...] | None:
    """Whole numbers that older operators have as an attribute and newer ones as an input."""
    if name in node.attributes:
        return tuple(int(one) for one in node.attributes[name])
    numbers = graph.numbers(node.input(position))
    return None if numbers is None else tuple(int(one) for one in numbers.reshape(-1))
