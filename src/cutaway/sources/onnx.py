"""ONNX models: the graph and the weights from the file, the activations from ONNX Runtime.

The file is walked, not loaded: weights stay where they lie until they are asked for (`onnx_wire`, `onnx_file`). The
graph becomes layers in canonical axes: `onnx_graph` (nodes and constants), `onnx_ops` and `onnx_moves` (what each node
is), `onnx_fuse` (what is attached to what), `onnx_build` and `onnx_names`. ONNX Runtime runs in a process of its own,
with the layers that are wanted as outputs (`onnx_run`, `onnx_apart`, `onnx_worker`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, InputSpec, SampleSet
from cutaway.sources.onnx_build import Built, build
from cutaway.sources.onnx_file import NAMES, ModelFile, read_model
from cutaway.sources.onnx_graph import Graph, graph_of
from cutaway.sources.onnx_run import (
    MULTIPLIES_PER_SECOND,
    Engine,
    engine,
    out_of_reach,
    parts,
    shortened,
    unknown_nodes,
    value_bytes,
)

FREE_SIZE = 224
"""Pixels along a side of an input that leaves its size free, where nothing tells otherwise."""

MOST_INPUT_BYTES = 256 << 20
MOST_GROWTH = 256
"""One value may be so many times as large as the input (and 256 MB in any case)."""


def open_onnx(path: Path, how: How) -> Onnx:
    """Opens an ONNX file. Raises SourceError, one line; ModuleNotFoundError where `onnx` is not installed."""
    for needed in ("onnx", "onnxruntime"):
        if find_spec(needed) is None:  # the second is imported in a process of its own, too late to tell
            raise ModuleNotFoundError(f"No module named {needed!r}", name=needed)
    engine().ready()
    try:
        return Onnx(read_model(path, how.max_bytes), how)
    except RecursionError:
        raise SourceError(f"{path}: graphs inside graphs, deeper than can be read; the file is damaged") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: can't be read as an ONNX model: names that are no text; damaged") from None


class Onnx:
    """A `Source` over one file."""

    classes: Sequence[str] | None
    samples: SampleSet | None = None
    apart = True
    """Another process computes."""

    def __init__(self, file: ModelFile, how: How) -> None:
        self.path = file.path
        self.engine = Engine(file)
        if file.model.functions:
            file = self.engine.file = replace(file, model=self.engine.inlined())
        model = file.model
        self.name = file.path.stem
        self.classes = how.classes
        self.checkpoints = (Checkpoint(index=0, label=file.path.stem),)
        opset = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=1)
        maker = f"{model.producer_name} {model.producer_version}".strip()[:80] or "ONNX"
        self.producer = f"{maker} (ONNX opset {opset})"
        self.notes: list[str] = []
        self.sizes = self.input_sizes(file, how)
        self.batch = next((sizes[0] for sizes in self.sizes.values() if sizes), 1)
        self.graph = self.read_graph(file)
        self.lost = out_of_reach(self.graph, unknown_nodes(self.graph))
        self.probe()
        last = frozenset(name for name in self.sizes if self.says_last(name, how))
        self.built: Built = build(self.graph, self.batch, last)
        self.network = self.built.network
        self.inputs = self.input_specs(file, how)
        self.set_limits()
        self.missing = dict(self.built.missing)
        if self.lost:
            names = ", ".join(dict.fromkeys(node.op for node in unknown_nodes(self.graph)))
            self.notes.append(
                f"ONNX Runtime does not know {names[:200]}; what depends on it is shown without activations."
            )
            for id, value in self.built.values.items():
                if value in self.lost:
                    self.missing[id] = (*self.missing.get(id, ()), "activations")

    @property
    def completeness(self) -> Completeness:
        return Completeness(
            activations=not any("activations" in lacks for lacks in self.missing.values()),
            notes=tuple(self.notes),
            missing=dict(self.missing),
        )

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Parameters by key, float32 in canonical axes."""
        try:
            return {key: weight.read() for key, weight in self.built.parameters.items()}
        except (ValueError, TypeError) as error:
            raise SourceError(f"{self.path}: a weight can't be read: {shortened(str(error))}; damaged") from None

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """Layer id -> [sample, …] of the wanted layers; only those are computed and kept."""
        given: Mapping[str, np.ndarray] = getattr(samples, "inputs", {})
        wanted: frozenset[str] | None = getattr(samples, "wanted", None)
        fed = {name: self.fed(name, given, len(samples.images)) for name in self.sizes}
        count = len(next(iter(fed.values()))) if fed else len(samples.images)
        ids = [id for id in self.built.values if wanted is None or id in wanted]
        found: dict[str, np.ndarray] = {}
        places: dict[str, tuple[str, np.ndarray]] = {}
        for id in ids:
            value, shape = self.built.values[id], self.network.layer(id).output_shapes
            if value in fed:
                found[id] = self.canonical_input(value, fed[value])
            elif value not in self.lost and shape:
                places[value] = (id, np.empty((count, *shape[0]), np.float32))
        self.fill(fed, places, count)
        found |= dict(places.values())
        for id, const in self.built.constants.items():
            if wanted is None or id in wanted:
                values = const.read().astype(np.float32).reshape(self.network.layer(id).output_shape)
                found[id] = np.broadcast_to(values, (count, *values.shape))
        return {layer.id: found[layer.id] for layer in self.network if layer.id in found}

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """None are in the file."""
        return []

    def fill(self, fed: Mapping[str, np.ndarray], places: dict[str, tuple[str, np.ndarray]], count: int) -> None:
        """Runs all samples, part by part, and puts each value where it belongs; values that differ in shape go."""
        sizes = {value: self.batch * value_bytes(place.shape[1:]) for value, (_, place) in places.items()}
        for part in parts(sizes):
            self.engine.load(self.graph, part)
            for start in range(0, count, self.batch):
                rows = range(start, min(start + self.batch, count))
                feeds = {name: batch_of(values, rows, self.batch) for name, values in fed.items() if self.sizes[name]}
                feeds |= {name: values[start] for name, values in fed.items() if not self.sizes[name]}
                into = {}
                for value in part:
                    if value in places and self.batch == 1:
                        place = places[value][1]
                        whole = self.graph.shape(value)
                        if whole is not None and math.prod(whole) == math.prod(place.shape[1:]):
                            into[value] = place[start].reshape(whole)
                found = self.engine.run(feeds, part, into)
                for value in part:
                    if value in places and not self.put(places[value][1], rows, found.get(value), into.get(value)):
                        id, _ = places.pop(value)
                        self.missing[id] = (*self.missing.get(id, ()), "activations")
                        self.notes.append(f"{id}: its output changes its shape from sample to sample; not recorded.")

    def put(self, place: np.ndarray, rows: range, found: np.ndarray | None, read: np.ndarray | None) -> bool:
        """Puts a batch into its rows; False where its shape is another than the network's."""
        if found is None:
            return False
        if found is read:
            return True
        if self.batch == 1:
            if (
                found.size != math.prod(place.shape[1:])
                or found.shape[found.ndim - place.ndim + 1 :] != place.shape[1:]
            ):
                return False
            place[rows.start] = found.reshape(place.shape[1:])
            return True
        if found.shape != (self.batch, *place.shape[1:]):
            return False
        place[rows.start : rows.stop] = found[: len(rows)]
        return True

    # --- inputs ------------------------------------------------------------------------------------------------------

    def input_sizes(self, file: ModelFile, how: How) -> dict[str, tuple[int, ...]]:
        """Sizes of each input with its batch. Free ones: from `how`, from the first kernel, else 224 pixels."""
        weights = {tensor.name: tuple(tensor.dims) for tensor in file.model.graph.initializer}
        found: dict[str, tuple[int, ...]] = {}
        for value in file.model.graph.input:
            if value.name in weights:  # before version 4 of the format, weights were listed as inputs
                continue
            tensor = value.type.tensor_type
            if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
                raise SourceError(
                    f"{file.path}: the input {value.name!r} tells no shape; export the model with a shape for it"
                )
            sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
            found[value.name] = fixed(sizes, how, channels_of(file.model, value.name, weights))
            if value_bytes(found[value.name]) > MOST_INPUT_BYTES:
                raise SourceError(
                    f"{file.path}: the input {value.name!r} takes {list(found[value.name])}, more than "
                    f"{MOST_INPUT_BYTES >> 20} MB for one sample; that can't be shown"
                )
        if not found:
            raise SourceError(f"{file.path}: its graph has no input, so there is nothing to show it")
        return found

    def read_graph(self, file: ModelFile) -> Graph:
        """The graph with the shapes that can be told without running it. Raises SourceError for values too large."""
        shapes = self.engine.model_shapes(self.sizes)
        most = max(MOST_INPUT_BYTES, MOST_GROWTH * max(map(value_bytes, self.sizes.values())))
        sizes: dict[str, tuple[int | None, ...]] = {}
        for value, (_, shape) in shapes.items():
            sizes[value] = tuple(shape)
            size = value_bytes([one or 1 for one in shape])
            if size > most:
                raise SourceError(
                    f"{file.path}: the value {value[:80]!r} of shape {shape} takes {size / 1e9:.1f} GB for one sample; "
                    "give smaller ones with --size, or the file is damaged"
                )
        for stored in file.model.graph.initializer:
            sizes[stored.name] = tuple(stored.dims)
        return graph_of(file, sizes)

    def probe(self) -> None:
        """Runs a blank sample for shapes that only a run can tell."""
        graph = self.graph
        unknown = [
            value
            for node in graph.nodes
            for value in node.outputs
            if value and value not in graph.constants and value not in self.lost and graph.shape(value) is None
        ]
        if not unknown:
            return
        blank = {name: np.zeros(sizes, self.dtype(name)) for name, sizes in self.sizes.items()}
        self.engine.load(graph, unknown)
        shapes: Any = graph.shapes
        shapes.update(self.engine.sizes(blank, unknown))

    def dtype(self, name: str) -> str:
        value = next(one for one in self.engine.file.model.graph.input if one.name == name)
        return NAMES.get(value.type.tensor_type.elem_type, "float32")

    def says_last(self, name: str, how: How) -> bool:
        return how.layout == "NHWC" and len(self.sizes[name]) == 4

    def input_specs(self, file: ModelFile, how: How) -> tuple[InputSpec, ...]:
        """All inputs, the one that samples go to first. Raises SourceError when `how.input` names none."""
        specs = []
        for name, sizes in self.sizes.items():
            layout: Literal["NCHW", "NHWC"] = "NHWC" if name in self.built.channels_last else "NCHW"
            shape = sizes[1:] if sizes[:1] == (self.batch,) else sizes
            specs.append(InputSpec(name, shape, self.dtype(name), layout))
        if how.input is not None:
            chosen = [spec for spec in specs if spec.name == how.input]
            if not chosen:
                names = ", ".join(repr(spec.name) for spec in specs)
                raise SourceError(f"{self.path}: no input {how.input!r}; it has {names}")
        else:
            chosen = [spec for spec in specs if len(spec.shape) > 1][:1] or specs[:1]
        return (*chosen, *(spec for spec in specs if spec is not chosen[0]))

    def fed(self, name: str, given: Mapping[str, np.ndarray], count: int) -> np.ndarray:
        """What an input gets: [sample, …]; zeros where no sample goes to it. Raises SourceError for another shape."""
        spec = next(one for one in self.inputs if one.name == name)
        if name not in given:
            if spec is self.inputs[0]:
                raise SourceError(f"{self.path}: no samples for the input {name!r}; give them with --samples")
            return np.broadcast_to(np.zeros((), spec.dtype), (count, *(size or 1 for size in spec.shape)))
        values = np.asarray(given[name])
        if values.shape[1:] != spec.shape:
            raise SourceError(
                f"{self.path}: the input {name!r} takes {list(spec.shape)} a sample, got {list(values.shape[1:])}"
            )
        return values.astype(spec.dtype, copy=False)

    def canonical_input(self, name: str, values: np.ndarray) -> np.ndarray:
        values = np.moveaxis(values, -1, 1) if name in self.built.channels_last else values
        return np.ascontiguousarray(values, np.float32)

    def set_limits(self) -> None:
        """What one batch may take, from the shapes: the memory of all values and work space, and the time."""
        kept = sum(value_bytes(shape) for value in self.graph.makers if (shape := self.graph.shape(value)))
        multiplies, work = 0.0, 0
        for layer in self.network:
            kernel = layer.parameter("kernel")
            if kernel is None or not layer.output_shape or layer.kind == "embedding":
                continue
            pixels = math.prod(layer.output_shape[1:]) if "conv" in layer.kind else 1
            multiplies += math.prod(kernel.shape) * pixels
            work = max(work, 4 * math.prod(kernel.shape[1:]) * pixels * (layer.attributes.groups or 1))
        self.engine.bytes += 2 * kept + 2 * work * self.batch
        self.engine.seconds += multiplies * self.batch / MULTIPLIES_PER_SECOND


def fixed(sizes: list[int | None], how: How, channels: int | None) -> tuple[int, ...]:
    """Sizes without gaps: one sample a batch unless the model fixes another number."""
    found = list(sizes)
    if found:
        found[0] = found[0] or 1
    if len(found) == 4:
        given = how.sample_shape if how.sample_shape is not None and len(how.sample_shape) == 3 else None
        last = how.layout == "NHWC" or (sizes[1] is None and sizes[3] in (1, 3, 4) and how.layout is None)
        pixels = how.size or (given[1:] if given else (FREE_SIZE, FREE_SIZE))
        wanted = (given[0] if given else 3) if channels is None else channels
        order = (1, (*pixels, wanted)) if last else (1, (wanted, *pixels))
        for axis, size in enumerate(order[1], start=order[0]):
            found[axis] = found[axis] or size
    elif how.sample_shape is not None and len(how.sample_shape) == len(found) - 1:
        found[1:] = [size or given for size, given in zip(found[1:], how.sample_shape, strict=True)]
    return tuple(size or 1 for size in found)


def channels_of(model: Any, value: str, weights: Mapping[str, tuple[int, ...]]) -> int | None:
    """Channels that the first convolution over an input takes."""
    for node in model.graph.node:
        if value in node.input and node.op_type == "Conv" and len(node.input) > 1 and node.input[1] in weights:
            groups = next((one.i for one in node.attribute if one.name == "group"), 1)
            kernel = weights[node.input[1]]
            return kernel[1] * groups if len(kernel) > 2 and 0 < kernel[1] * groups < 10_000 else None
    return None


def batch_of(values: np.ndarray, rows: range, batch: int) -> np.ndarray:
    """Rows of the samples; the last one again where a model wants more."""
    return np.ascontiguousarray(values[[*rows, *[rows[-1]] * (batch - len(rows))]])
