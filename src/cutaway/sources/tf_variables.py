"""Where a graph's variables lie in a checkpoint: under which key, and which part of it.

The graph itself tells: SaveV2's inputs are the file, the keys, the parts ("144 3 0,72:-" is the shape of the whole and
a range for each axis), then the variables. Where nothing saves a variable its name is the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.tf_bundle import Bundle
from cutaway.sources.tf_flat import Graph
from cutaway.sources.tf_graph import Node
from cutaway.sources.tf_known import Known
from cutaway.sources.tf_wire import Damaged

SAVES = {"SaveV2": (1, 2, 3), "SaveSlices": (1, 2, 3), "Save": (1, None, 2)}
"""Where the keys, the parts and the first tensor stand among the inputs."""


class Place(NamedTuple):
    """A key, and per axis (start, length) where a variable is only a part of what is saved."""

    key: str
    part: tuple[tuple[int, int], ...] | None = None


class Places:
    """Variable's node -> place."""

    def __init__(self, places: dict[str, list[Place]], labels: dict[str, str] | None = None) -> None:
        self.places = places
        self.labels = labels or {}
        """What the author calls a variable, where its node has another name."""

    def place(self, bundle: Bundle, name: str) -> Place:
        """Raises SourceError where a checkpoint does not hold a variable."""
        found: list[Place] = [*self.places.get(name, ()), Place(name)]
        for place in found:
            if place.key in bundle.entries:
                return place
        raise SourceError(
            f"{bundle.path}: holds no variable {name!r}, which the graph needs; "
            "is the .meta that of another model, or was the variable left out when saving?"
        )

    def shape(self, bundle: Bundle, name: str) -> tuple[int, ...]:
        place = self.place(bundle, name)
        whole = bundle.shape(place.key)
        if place.part is None:
            return whole
        return tuple(size if length < 0 else length for size, (_, length) in zip(whole, place.part, strict=True))

    def read(self, bundle: Bundle, name: str) -> np.ndarray:
        place = self.place(bundle, name)
        values = bundle.tensor(place.key)
        if place.part is None:
            return values
        return values[tuple(slice(s, None if n < 0 else s + n) for s, n in place.part)]

    def check(self, bundle: Bundle, leaves: Iterable[Known]) -> None:
        """Raises SourceError unless a checkpoint holds all weights, of their shapes, with all their bytes."""
        keys = {}
        for leaf in leaves:
            if leaf.variable:
                if self.shape(bundle, leaf.variable) != leaf.shape:
                    raise SourceError(
                        f"{bundle.path}: {leaf.variable!r} has the shape {list(self.shape(bundle, leaf.variable))}, "
                        f"in the other checkpoints {list(leaf.shape)}; all must come from the same run"
                    )
                keys[self.place(bundle, leaf.variable).key] = True
        bundle.check(list(keys))

    def known(self, bundle: Bundle, node: Node) -> Known:
        """The weight that a variable's node stands for; its bytes are there, whatever its shape claims."""
        bundle.check([self.place(bundle, node.name).key])
        return Known(self.shape(bundle, node.name), variable=node.name, label=self.labels.get(node.name, ""))


def saved_places(graph: Graph) -> Places:
    """What the Savers of a graph tell."""
    places: dict[str, list[Place]] = {}
    for node in graph.nodes.values():
        if node.op == "VarHandleOp" and (shared := node.text("shared_name")):
            places.setdefault(node.name, []).append(Place(shared))
    for node in graph.nodes.values():
        if node.op not in SAVES:
            continue
        at, parts_at, first = SAVES[node.op]
        if len(node.inputs) < first:
            continue
        keys = strings(graph, node, at)
        parts = [""] * len(keys) if parts_at is None else strings(graph, node, parts_at)
        for key, part, (name, _) in zip(keys, parts, node.inputs[first:], strict=False):
            variable = graph.nodes.get(variable_of(graph, name))
            if variable is not None:
                places.setdefault(variable.name, []).insert(0, Place(key, part_of(part)))
    return Places(places)


def strings(graph: Graph, node: Node, at: int) -> list[str]:
    constant = graph.nodes.get(graph.real(node.inputs[at])[0])
    value = constant.constant() if constant is not None and constant.op == "Const" else []
    return [str(one, "utf-8", "replace") for one in value] if isinstance(value, list) else []


def variable_of(graph: Graph, name: str) -> str:
    """The variable behind the reads of it."""
    for _ in range(20):
        node = graph.nodes.get(name)
        if node is None or node.op not in ("Identity", "ReadVariableOp", "Switch", "Cast") or not node.inputs:
            break
        name = graph.real(node.inputs[0])[0]
    return name


def part_of(text: str) -> tuple[tuple[int, int], ...] | None:
    """`144 3 0,72:-` -> ((0, 72), (0, -1)); None for the whole."""
    *_, ranges = text.split(" ") if text.strip() else [""]
    if not ranges:
        return None
    found = []
    for one in ranges.split(":"):
        start, comma, length = one.partition(",")
        if one != "-" and not (comma and start.isdigit() and length.isdigit()):
            raise Damaged(f"a part {text!r} of a variable")
        found.append((0, -1) if one == "-" else (int(start), int(length)))
    return None if all(one == (0, -1) for one in found) else tuple(found)
