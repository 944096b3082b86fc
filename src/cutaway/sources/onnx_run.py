"""Asks ONNX Runtime for the values of chosen layers, a batch at a time, in parts that fit the memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.onnx_apart import Apart, Failed, shared, token
from cutaway.sources.onnx_file import ModelFile
from cutaway.sources.onnx_graph import Graph, Node

PART_BYTES = 256 << 20
"""Of values that are kept at once while a batch runs; what is more runs again for the next part."""

OPTIMISED_BYTES, OPTIMISED_NODES = 64 << 20, 2000
"""Models up to this size run optimised: with kernels in the order that the processor likes, which are copies of them.
Every value that is asked for is still made: as an output of the model it can't become part of another operation."""

KNOWN_DOMAINS = ("com.microsoft", "ai.onnx.preview")
SPARE_BYTES = 512 << 20
SECONDS, MULTIPLIES_PER_SECOND = 6.0, 2e8
"""How long a run may take before it counts as stuck: far more than the slowest machine needs."""


def engine() -> Apart:
    """The process that ONNX Runtime lives in."""
    return shared("cutaway.sources.onnx_worker", "ONNX Runtime")


class Engine:
    """ONNX Runtime over one model."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self.apart = engine()
        self.token = token()
        self.loaded: tuple[str, ...] = ()
        self.seconds = SECONDS
        self.bytes = SPARE_BYTES
        """What values and work space of one batch may take."""

    def model_shapes(self, sizes: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, list[int | None]]]:
        """Types and shapes of values, for inputs of those sizes: value -> (type, sizes)."""
        model = type(self.file.model)()
        model.CopyFrom(self.file.model)
        del model.graph.value_info[:]
        for value in model.graph.input:
            if value.name in sizes:
                fix(value, sizes[value.name])
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        try:
            reply, _ = self.apart.call({"do": "shapes"}, {"model": packed(model)}, seconds=SECONDS)
        except Failed as error:
            self.fail("its shapes contradict each other", error)
        return {name: (kind, found) for name, (kind, found) in reply["shapes"].items()}

    def inlined(self) -> Any:
        """The model without functions of its own."""
        try:
            _, found = self.apart.call({"do": "inline"}, {"model": packed(self.file.model)}, seconds=SECONDS)
        except Failed as error:
            self.fail("its functions can't be read", error)
        return type(self.file.model).FromString(found["model"].tobytes())

    def load(self, graph: Graph, outputs: Sequence[str]) -> None:
        """A session that computes those values and nothing that they don't need."""
        if tuple(outputs) == self.loaded and self.apart.holder == self.token:
            return
        model, needed = part_of(self.file.model, graph, outputs)
        weights = [
            [name, str(stored.path), stored.offset, stored.dtype, list(stored.shape)]
            for name, stored in self.file.stored.items()
            if name in needed
        ]
        memory = 3 * self.file.weight_bytes + self.bytes
        optimise = self.file.weight_bytes <= OPTIMISED_BYTES and len(model.graph.node) <= OPTIMISED_NODES
        request = {"do": "load", "weights": weights, "memory": memory, "holder": self.token, "optimise": optimise}
        try:
            seconds = 2 * SECONDS + self.file.weight_bytes / 20e6
            self.apart.call(request, {"model": packed(model)}, seconds=seconds, holder=self.token)
        except Failed as error:
            self.fail("ONNX Runtime can't load it", error)
        self.loaded = tuple(outputs)

    def run(
        self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str], into: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """float32 of the values named, for one batch."""
        try:
            request = {"do": "run", "outputs": list(outputs)}
            _, found = self.apart.call(request, inputs, into=into, seconds=self.seconds)
        except Failed as error:
            self.fail("ONNX Runtime can't run it", error)
        return found

    def sizes(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Shapes of the values named, found by running a batch."""
        try:
            request = {"do": "sizes", "outputs": list(outputs)}
            reply, _ = self.apart.call(request, inputs, seconds=self.seconds)
        except Failed as error:
            self.fail("ONNX Runtime can't run it", error)
        return {name: tuple(shape) for name, (_, shape) in reply["sizes"].items()}

    def fail(self, what: str, error: Failed) -> Any:
        raise SourceError(f"{self.file.path}: {what}: {shortened(str(error))}") from None


def shortened(text: str) -> str:
    """One line of an engine's words: which node and why, without the places in its own sources."""
    line = " ".join(text.split())
    node = re.search(r"while running (\w+) node\. Name:'([^']*)'", line)
    for mark in ("Status Message: ", "[ONNXRuntimeError] : ", " was false. "):
        line = line.rpartition(mark)[2]
    line = re.sub(r"\S*/onnxruntime/\S+:\d+ \S+\([^)]*\)[^\[]*(?=\[|$)", "", line) or line
    line = re.sub(r"^\d+ : [A-Z_]+ : ", "", line)
    if node:
        line = f"{node[1]} {node[2]!r}: {line}"
    return line if len(line) < 240 else f"{line[:237]}…"


def packed(model: Any) -> np.ndarray:
    return np.frombuffer(model.SerializeToString(), np.uint8)


def fix(value: Any, sizes: Sequence[int]) -> None:
    """Gives an input fixed sizes."""
    shape = value.type.tensor_type.shape
    del shape.dim[:]
    for size in sizes:
        shape.dim.add().dim_value = size


def part_of(model: Any, graph: Graph, outputs: Iterable[str]) -> tuple[Any, set[str]]:
    """The part of a model that makes those values, and the names of all values in it."""
    needed, waiting = set(outputs), list(outputs)
    nodes: set[int] = set()
    while waiting:
        node = graph.makers.get(waiting.pop())
        if node is None or id(node.proto) in nodes:
            continue
        nodes.add(id(node.proto))
        for value in node.reads:
            if value not in needed:
                needed.add(value)
                waiting.append(value)
    part = type(model)()
    part.ir_version = model.ir_version
    part.opset_import.extend(model.opset_import)
    part.graph.name = "graph"
    part.graph.node.extend(node.proto for node in graph.nodes if id(node.proto) in nodes)
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    part.graph.input.extend(value for value in model.graph.input if value.name in graph.inputs)
    for name in outputs:
        part.graph.output.add().name = name
    return part, needed


def unknown_nodes(graph: Graph) -> list[Node]:
    """Operations that ONNX Runtime does not bring: somebody's own."""
    defs: Any = import_module("onnx.defs")
    return [
        node
        for node in graph.nodes
        if not (node.domain.startswith(KNOWN_DOMAINS) or (defs.has(node.op, domain=node.domain)))
    ]


def out_of_reach(graph: Graph, nodes: Iterable[Node]) -> set[str]:
    """The values that depend on those nodes."""
    lost: set[str] = set()
    blocked = {id(node) for node in nodes}
    for node in graph.nodes:
        if id(node) in blocked or any(value in lost for value in node.reads):
            lost.update(node.outputs)
    return lost


def parts(sizes: Mapping[str, int], most: int | None = None) -> list[list[str]]:
    """Values with so many bytes each, in order, in as few parts as fit into `most` bytes (PART_BYTES)."""
    most = PART_BYTES if most is None else most
    found: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not found or size > room:
            found.append([])
            room = max(most, size)
        found[-1].append(name)
        room -= size
    return found


def value_bytes(shape: Sequence[int]) -> int:
    return 4 * math.prod(shape)
