"""TensorFlow Lite models: graph and weights from the file, checked byte by byte; activations from LiteRT.

LiteRT runs in a process of its own and keeps every tensor (`tflite_worker`). What is quantised is shown as the numbers
that the integers stand for. Batch norms are folded into kernels by the converter, activations lie inside layers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, InputSpec, SampleSet
from cutaway.sources.onnx_apart import Failed, shared, token
from cutaway.sources.onnx_build import Built, assembled, layer_names, orders
from cutaway.sources.onnx_draft import Draft
from cutaway.sources.onnx_fuse import fuse
from cutaway.sources.onnx_graph import Const, Graph, Node
from cutaway.sources.onnx_run import MULTIPLIES_PER_SECOND, SECONDS, SPARE_BYTES, shortened, value_bytes
from cutaway.sources.tflite_file import LiteFile, Tensor, read_lite
from cutaway.sources.tflite_ops import Options, draft_of, first, to_first, undilated

MOST_BYTES, MOST_GROWTH = 256 << 20, 256
"""One tensor may take so many bytes for one sample, or so many times the input's."""

FREE_SIZE = 224

FOLDED = "TensorFlow Lite files have batch norms folded into kernels and biases; activations are part of their layers."
INTEGERS = "The model computes with integers; shown are the numbers that they stand for."


def open_tflite(path: Path, how: How) -> TFLite:
    """Opens a .tflite file. Raises SourceError, one line; ModuleNotFoundError where LiteRT is not installed."""
    for needed in ("tflite", "ai_edge_litert"):
        if find_spec(needed) is None:
            raise ModuleNotFoundError(f"No module named {needed!r}", name=needed)
    return TFLite(read_lite(path, how.max_bytes), how)


class TFLite:
    """A `Source` over one file."""

    samples: SampleSet | None = None

    def __init__(self, file: LiteFile, how: How) -> None:
        self.file = file
        self.path = file.path
        self.name = file.path.stem
        self.producer = "TensorFlow Lite"
        self.classes: Sequence[str] | None = how.classes
        self.checkpoints = (Checkpoint(index=0, label=file.path.stem),)
        self.apart = shared("cutaway.sources.tflite_worker", "LiteRT")
        self.token = token()
        self.seconds, self.bytes = SECONDS, SPARE_BYTES
        self.names = unique_names(file.tensors, file.inputs)
        self.indices = {name: index for index, name in enumerate(self.names)}
        self.sizes = {index: self.input_size(file.tensors[index], how) for index in file.inputs}
        self.batch = next((sizes[0] for sizes in self.sizes.values() if sizes), 1)
        self.notes = [FOLDED]
        if any(one.quantised is not None for one in file.tensors):
            self.notes.append(INTEGERS)
        self.custom = sorted({one.name for one in file.operators if one.custom})
        self.shapes = self.all_shapes()
        self.built: Built = self.build()
        self.network = self.built.network
        self.inputs = self.input_specs(how)
        self.set_limits()

    @property
    def completeness(self) -> Completeness:
        missing = dict(self.built.missing)
        notes = list(self.notes)
        if self.custom:
            notes.append(f"LiteRT does not know {', '.join(self.custom)[:200]}: graph and weights without activations.")
        return Completeness(activations=not self.custom, notes=tuple(notes), missing=missing)

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Parameters by key, float32 in canonical axes, dequantised."""
        try:
            return {key: weight.read() for key, weight in self.built.parameters.items()}
        except ValueError as error:
            raise SourceError(f"{self.path}: a weight can't be read: {shortened(str(error))}; damaged") from None

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """Layer id -> [sample, …] of the wanted layers, dequantised, channels first."""
        given: Mapping[str, np.ndarray] = getattr(samples, "inputs", {})
        wanted: frozenset[str] | None = getattr(samples, "wanted", None)
        fed = {index: self.fed(index, given, len(samples.images)) for index in self.sizes}
        count = len(next(iter(fed.values())))
        found: dict[str, np.ndarray] = {}
        places: dict[int, tuple[str, np.ndarray]] = {}
        for id, value in self.built.values.items():
            index, shapes = self.indices[value], self.network.layer(id).output_shapes
            if (wanted is not None and id not in wanted) or not shapes:
                continue
            if index in fed:
                found[id] = np.ascontiguousarray(to_first(self.real(index, fed[index])), np.float32)
            elif not self.custom:
                places[index] = (id, np.empty((count, *shapes[0]), np.float32))
        if places:
            self.load()
        for start in range(0, count if places else 0, self.batch):
            rows = range(start, min(start + self.batch, count))
            padded = [*rows, *[rows[-1]] * (self.batch - len(rows))]
            feeds = {str(index): np.ascontiguousarray(values[padded]) for index, values in fed.items()}
            outputs = self.run(feeds, list(places))
            for index in list(places):
                id, place = places[index]
                values = outputs.get(index)
                if values is None or not self.put(place, rows, values):
                    del places[index]
                    self.notes.append(f"{id}: its output is not an array of one shape; not recorded.")
        found |= dict(places.values())
        for id, const in self.built.constants.items():
            if wanted is None or id in wanted:
                whole = const.read().astype(np.float32).reshape(self.network.layer(id).output_shape)
                found[id] = np.broadcast_to(whole, (count, *whole.shape))
        return {layer.id: found[layer.id] for layer in self.network if layer.id in found}

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """None are in the file."""
        return []

    def put(self, place: np.ndarray, rows: range, values: np.ndarray) -> bool:
        """Puts a batch, channels first, into its rows; False where its shape is another than the network's."""
        shape = place.shape[1:]
        if values.shape == (self.batch, *shape):
            place[rows.start : rows.stop] = values[: len(rows)]
            return True
        if self.batch == 1 and values.shape == shape:
            place[rows.start] = values
            return True
        return False

    # --- LiteRT ------------------------------------------------------------------------------------------------------

    def load(self) -> None:
        if self.apart.holder == self.token:
            return
        resized = [
            [index, list(sizes)] for index, sizes in self.sizes.items() if sizes != self.file.tensors[index].shape
        ]
        memory = 2 * self.file.bytes + self.bytes
        request = {"do": "load", "path": str(self.path.resolve()), "inputs": resized, "memory": memory}
        try:
            self.apart.call(request, seconds=2 * SECONDS + self.file.bytes / 20e6, holder=self.token)
        except Failed as error:
            raise SourceError(f"{self.path}: LiteRT can't load it: {shortened(str(error))}") from None
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from None

    def run(self, feeds: Mapping[str, np.ndarray], outputs: Sequence[int]) -> dict[int, np.ndarray]:
        """Real numbers of tensors for one batch, channels first."""
        _, found = self.ask({"do": "run", "outputs": list(outputs)}, feeds)
        return {int(name): to_first(self.real(int(name), values)) for name, values in found.items()}

    def ask(self, request: Mapping[str, Any], feeds: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], Any]:
        try:
            return self.apart.call(request, feeds, seconds=self.seconds)
        except Failed as error:
            raise SourceError(f"{self.path}: LiteRT can't run it: {shortened(str(error))}") from None
        except SourceError as error:
            raise SourceError(f"{self.path}: {error}") from None

    def real(self, index: int, values: np.ndarray) -> np.ndarray:
        quantised = self.file.tensors[index].quantised
        return values.astype(np.float32, copy=False) if quantised is None else quantised.real(values)

    # --- the graph ---------------------------------------------------------------------------------------------------

    def all_shapes(self) -> dict[int, tuple[int, ...]]:
        """Shapes of all tensors, those of the file unless an input's size was left free; then a blank run tells."""
        tensors = self.file.tensors
        shapes = {one.index: one.shape for one in tensors}
        if any(sizes != tensors[index].shape for index, sizes in self.sizes.items()) and not self.custom:
            self.load()
            blank = {str(index): np.zeros(sizes, tensors[index].dtype) for index, sizes in self.sizes.items()}
            made = [index for one in self.file.operators for index in one.outputs]
            reply, _ = self.ask({"do": "run", "outputs": made, "sizes": True}, blank)
            shapes |= {int(name): tuple(sizes) for name, sizes in reply["sizes"].items()}
            shapes |= self.sizes
        most = max(MOST_BYTES, MOST_GROWTH * max(map(value_bytes, self.sizes.values())))
        for index, shape in shapes.items():
            if tensors[index].data is None and value_bytes(shape) > most:
                raise SourceError(
                    f"{self.path}: the tensor {self.names[index][:80]!r} of shape {list(shape)} takes "
                    f"{value_bytes(shape) / 1e9:.1f} GB for one sample; the file is damaged"
                )
        return shapes

    def build(self) -> Built:
        """Operators become layers with the same parts as those of an ONNX graph."""
        names, tensors = self.names, self.file.tensors
        # Numbers of a type that is not read here (4 bits) are no constants: their layer is a box without parameters.
        readable = [one for one in tensors if one.data is not None and one.dtype is not None]
        constants = {names[one.index]: constant_of(names[one.index], one) for one in readable}
        shapes: dict[str, tuple[int | None, ...]] = {names[index]: first(s) for index, s in self.shapes.items()}
        inputs = tuple(names[index] for index in self.file.inputs)
        outputs = tuple(names[index] for index in self.file.outputs)
        graph = Graph(str(self.path), [], inputs, outputs, constants, shapes, 0)
        drafts: dict[int, Draft] = {}
        made = {*inputs, *constants}
        makers: dict[str, tuple[Node, Options]] = {}
        later = {names[index] for operator in self.file.operators for index in operator.outputs}
        for operator in self.file.operators:
            values = tuple(names[index] if index >= 0 else "" for index in operator.inputs)
            made_of = tuple(names[index] for index in operator.outputs)
            name = module_of(operator.name, operator.outputs, operator.inputs, tensors)
            node = Node(operator.name, "", name, values, made_of, {}, {}, None)
            for value in values:
                if value in later and value not in made:
                    raise SourceError(f"{self.path}: {operator.name} reads {value[:80]!r} before it is made; damaged")
            if not node.outputs:
                continue
            if operator.name == "DEQUANTIZE" and values[0] in constants:  # 16-bit weights
                const = constants[values[0]]
                constants[node.outputs[0]] = Const(const.name, const.shape, "<f4", const.read)
                made.add(node.outputs[0])
                continue
            for value in node.outputs:
                if value in made:
                    raise SourceError(f"{self.path}: the tensor {value[:80]!r} is made twice; the file is damaged")
            made.update(node.outputs)
            makers |= {value: (node, Options(operator.options)) for value in node.outputs}
            graph.nodes.append(node)
        unnumbered(graph.nodes)
        waiting, order = list(outputs), {id(node): position for position, node in enumerate(graph.nodes)}
        while waiting:
            maker = makers.get(waiting.pop())
            if maker is None or order[id(maker[0])] in drafts:
                continue
            draft = draft_of(graph, *maker)
            drafts[order[id(maker[0])]] = draft
            waiting += draft.inputs
        found = fuse(graph, undilated(graph, [drafts[position] for position in sorted(drafts)]))
        orders(graph, found)
        for draft in found:
            tensor = tensors[self.indices[draft.output]]
            if tensor.quantised is not None:
                draft.extra["rounded"] = f"{8 * np.dtype(tensor.dtype).itemsize}-bit integers"
        return assembled(graph, found, [], layer_names(graph, found, []), self.batch, frozenset())

    # --- inputs ------------------------------------------------------------------------------------------------------

    def input_size(self, tensor: Tensor, how: How) -> tuple[int, ...]:
        """Sizes of an input: the file's, free ones from `how`, else 224 pixels."""
        if tensor.dtype is None:
            raise SourceError(f"{self.path}: the input {tensor.name[:80]!r} takes text or such; not read here")
        sizes = [0 if free else size for size, free in zip(tensor.shape, tensor.free, strict=True)]
        if sizes:
            sizes[0] = sizes[0] or 1
        if len(sizes) == 4:
            shape = how.sample_shape if how.sample_shape is not None and len(how.sample_shape) == 3 else None
            pixels = how.size or (shape[1:] if shape else (FREE_SIZE, FREE_SIZE))
            sizes[1:] = [size or n for size, n in zip(sizes[1:], (*pixels, shape[0] if shape else 3), strict=True)]
        elif how.sample_shape is not None and len(how.sample_shape) == len(sizes) - 1:
            sizes[1:] = [size or n for size, n in zip(sizes[1:], how.sample_shape, strict=True)]
        found = tuple(size or 1 for size in sizes)
        if value_bytes(found) > MOST_BYTES:
            raise SourceError(f"{self.path}: the input {tensor.name[:80]!r} takes {list(found)}, more than 256 MB")
        return found

    def input_specs(self, how: How) -> tuple[InputSpec, ...]:
        """All inputs, the one that samples go to first. Raises SourceError when `how.input` names none."""
        specs = []
        for index, sizes in self.sizes.items():
            tensor = self.file.tensors[index]
            dtype = "float32" if tensor.quantised is not None else np.dtype(tensor.dtype).name
            layout: Any = "NHWC" if len(sizes) > 3 else "NCHW"
            specs.append(InputSpec(self.names[index], sizes[1:], dtype, layout))
        if how.input is not None and all(spec.name != how.input for spec in specs):
            named = ", ".join(repr(spec.name) for spec in specs)
            raise SourceError(f"{self.path}: no input {how.input!r}; it has {named}")
        pictures = [spec for spec in specs if spec.name == how.input or (how.input is None and len(spec.shape) > 1)]
        chosen = (pictures or specs)[0]
        return (chosen, *(spec for spec in specs if spec is not chosen))

    def fed(self, index: int, given: Mapping[str, np.ndarray], count: int) -> np.ndarray:
        """What an input gets, in the model's own numbers: integers where it is quantised."""
        tensor, spec = self.file.tensors[index], next(s for s in self.inputs if s.name == self.names[index])
        dtype = str(tensor.dtype)
        if spec.name not in given:
            if spec is self.inputs[0]:
                raise SourceError(f"{self.path}: no samples for the input {spec.name!r}; give them with --samples")
            values = np.zeros((count, *(size or 1 for size in spec.shape)), np.float32)
        else:
            values = np.asarray(given[spec.name])
        if values.shape[1:] != spec.shape:
            raise SourceError(
                f"{self.path}: the input {spec.name!r} takes {list(spec.shape)} a sample, got {list(values.shape[1:])}"
            )
        return values.astype(dtype) if tensor.quantised is None else tensor.quantised.integers(values, dtype)

    def set_limits(self) -> None:
        """Memory and time that one run may take, from the shapes."""
        self.bytes += 3 * sum(
            value_bytes(shape) for index, shape in self.shapes.items() if self.file.tensors[index].data is None
        )
        for layer in self.network:
            kernel = layer.parameter("kernel")
            if kernel is not None and layer.output_shape:
                pixels = math.prod(layer.output_shape[1:]) if "conv" in layer.kind else 1
                self.seconds += math.prod(kernel.shape) * pixels * self.batch / MULTIPLIES_PER_SECOND


def constant_of(name: str, tensor: Tensor) -> Const:
    dtype = "<f4" if tensor.quantised is not None else tensor.dtype or "<i8"
    return Const(name, tensor.shape, dtype, tensor.read)


def unique_names(tensors: Sequence[Tensor], inputs: Sequence[int]) -> list[str]:
    """A name for each tensor that no other has; inputs without what a signature puts around theirs."""
    counts = Counter(one.name for one in tensors)
    taken = {name for name, number in counts.items() if number == 1}
    found = []
    for one in tensors:
        name = one.name if one.name and counts[one.name] == 1 else f"{one.name or 'tensor'}:{one.index}"
        while name in taken and name != one.name:
            name += "'"
        taken.add(name)
        found.append(name)
    for index in inputs:
        plain = found[index].removeprefix("serving_default_").removesuffix(":0")
        if plain and plain not in taken:
            found[index] = plain
            taken.add(plain)
    return found


def unnumbered(nodes: Sequence[Node]) -> None:
    """Takes the number off that Keras 3 adds to every name of a model: net_1/stem_1/convolution -> net/stem/…"""
    modules = [node.name.split("/")[:-1][:2] for node in nodes if "/" in node.name]
    tail = re.search(r"_\d+$", modules[0][0]) if modules else None
    if tail is None or not all(part.endswith(tail[0]) for parts in modules for part in parts):
        return
    for node in nodes:
        node.name = "/".join(part.removesuffix(tail[0]) or part for part in node.name.split("/"))


WORDS = {
    "CONV_2D": ("Conv", "convolution", "BiasAdd"),
    "DEPTHWISE_CONV_2D": ("depthwise", "Depthwise", "BiasAdd"),
    "TRANSPOSE_CONV": ("conv2d_transpose", "Conv2DTranspose", "conv_transpose", "BiasAdd"),
    "FULLY_CONNECTED": ("MatMul", "BiasAdd"),
}
"""What TensorFlow calls the operation that an operator was made from."""

GENERIC = ("Identity", "PartitionedCall", "tfl.", "arith.")
"""How names begin that the converter made up."""


def module_of(op: str, outputs: Sequence[int], inputs: Sequence[int], tensors: Sequence[Tensor]) -> str:
    """The user's name for an operator. Several that became one are joined by semicolons: the one that it is counts."""
    if not outputs:
        return ""
    joined = [tensors[outputs[0]].name]
    if op in WORDS and len(inputs) > 1 and inputs[1] >= 0:
        joined += [tensors[index].name for index in inputs[1:3] if index >= 0]
    found = []
    for name in ";".join(joined).split(";"):
        parts = [part for part in name.split("/") if part and not part.startswith("StatefulPartitionedCall")]
        if parts and not parts[0].startswith(GENERIC):
            found.append("/".join(parts))
    wanted = WORDS.get(op, ())
    best = next((name for word in wanted for name in found if name.rpartition("/")[2].startswith(word)), None)
    return (best or (found[0] if found else "")).rstrip(":0123456789") if found else ""
