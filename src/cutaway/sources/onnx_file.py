"""An ONNX file as a graph without weights, and the places where its weights lie, checked before anything is read."""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.sources.onnx_wire import HERE, MAX_NODES, Damaged, slim

DTYPES = {1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4",
          13: "<u8"}  # fmt: skip
"""ONNX's types of numbers as NumPy writes them."""

NAMES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
         10: "float16", 11: "float64", 12: "uint32", 13: "uint64"}  # fmt: skip

MOST_SPARSE_BYTES = 256 << 20
"""What all sparse weights of a model may unpack to: some bytes can declare any size."""

DATA_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


@dataclass(frozen=True)
class Stored:
    """A tensor that lies in a file: where, and as what."""

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def read(self) -> np.ndarray:
        count = math.prod(self.shape)
        return np.fromfile(self.path, np.dtype(self.dtype), count, offset=self.offset).reshape(self.shape)


@dataclass(frozen=True)
class ModelFile:
    """`model` is a ModelProto whose large initializers are external data; `stored` says where they lie, by name."""

    path: Path
    model: Any
    stored: dict[str, Stored]
    weight_bytes: int


def read_model(path: Path, max_bytes: int) -> ModelFile:
    """Reads and checks a file. Raises SourceError, one line."""
    onnx: Any = import_module("onnx")
    model = onnx.ModelProto()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            view = memoryview(data)
            try:
                small = slim(view)
            finally:
                view.release()
        model.ParseFromString(small)
    except Damaged as error:
        raise SourceError(f"{path}: can't be read as an ONNX model: {error}") from None
    except ValueError:  # an empty file can't be mapped
        raise SourceError(f"{path}: an empty file, no ONNX model") from None
    except OSError:
        raise
    except Exception:  # protobuf's DecodeError, whose home differs between versions
        raise SourceError(f"{path}: can't be read as an ONNX model: damaged, or cut off") from None
    if not model.graph.node:
        raise SourceError(f"{path}: no ONNX model, or one without any nodes")
    check_words(model, path)
    hoist_constants(model.graph)
    make_dense(model.graph, path, min(max_bytes, MOST_SPARSE_BYTES))
    stored = {}
    total = 0
    for tensor in model.graph.initializer:
        found = place_of(tensor, path)
        if found is not None:
            stored[tensor.name] = found
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = HERE  # checked and remembered: nobody else is to follow it
        total += declared_bytes(tensor)
        if total > max_bytes:
            raise SourceError(
                f"{path}: its weights take more than {max_bytes / 1e9:.1f} GB; allow more with max_bytes (--max-bytes)"
            )
    check_nodes(model, path)
    return ModelFile(path, model, stored, total)


def check_words(model: Any, path: Path) -> None:
    """Names must be text: protobuf hands on what is not as bytes. Raises SourceError."""
    words: list[Any] = [one.domain for one in model.opset_import]
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    words += [word for function in model.functions for word in (function.name, function.domain)]
    words += [word for function in model.functions for word in (*function.input, *function.output)]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            words += [one.name for one in (*graph.input, *graph.output, *graph.value_info, *graph.initializer)]
            words += [one.values.name for one in graph.sparse_initializer]
            nodes += graph.node
            continue
        node = nodes.pop()
        words += [node.name, node.op_type, node.domain, *node.input, *node.output]
        words += [word for one in node.metadata_props for word in (one.key, one.value)]
        for attribute in node.attribute:
            words.append(attribute.name)
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs
    if not all(isinstance(word, str) for word in words):
        raise SourceError(f"{path}: can't be read as an ONNX model: it has names that are no text; damaged")


def hoist_constants(graph: Any) -> None:
    """`Constant` nodes whose tensor stays in the file become initializers: the same thing by another name."""
    kept = []
    for node in graph.node:
        tensors = [a.t for a in node.attribute if a.name == "value" and a.t.data_location == 1]
        if node.op_type == "Constant" and tensors and len(node.output) == 1:
            tensor = graph.initializer.add()
            tensor.CopyFrom(tensors[0])
            tensor.name = node.output[0]
        else:
            kept.append(node)
    if len(kept) != len(graph.node):
        whole = [type(node).FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(whole)


def make_dense(graph: Any, path: Path, room: int) -> None:
    """Sparse initializers become initializers with all their zeros, `room` bytes at most. Raises SourceError."""
    for sparse in graph.sparse_initializer:
        what = f"{path}: the sparse weight {sparse.values.name[:80]!r}"
        shape = tuple(sparse.dims)
        size = math.prod(shape)
        dtype = DTYPES.get(sparse.values.data_type)
        if dtype is None or len(shape) > 32 or any(length < 0 for length in shape):
            raise SourceError(f"{what} has a type of numbers or a shape that can't be read; the file is damaged")
        room -= size * np.dtype(dtype).itemsize
        if room < 0:
            raise SourceError(f"{what} unpacks to the shape {list(shape)}, which is too large to be read")
        values, places = (inline_array(one, what) for one in (sparse.values, sparse.indices))
        whole = np.zeros(size, dtype)
        whole[flat_places(places, shape, len(values.reshape(-1)), what)] = values.reshape(-1)
        graph.initializer.append(
            import_module("onnx.numpy_helper").from_array(whole.reshape(shape), sparse.values.name)
        )
    del graph.sparse_initializer[:]


def inline_array(tensor: Any, what: str) -> np.ndarray:
    """The numbers of a tensor that lies in the graph itself. Raises SourceError."""
    if tensor.data_location == 1 or tensor.data_type not in DTYPES or any(size < 0 for size in tensor.dims):
        raise SourceError(f"{what} has parts that are not in the graph itself, or no numbers; not read here")
    check_inline(tensor, what)
    return np.asarray(import_module("onnx.numpy_helper").to_array(tensor))


def flat_places(places: np.ndarray, shape: tuple[int, ...], count: int, what: str) -> np.ndarray:
    """Where the values go in the flat tensor, from one number or one per axis for each. Raises SourceError."""
    fits = places.dtype == np.int64 and places.shape in ((count,), (count, len(shape)))
    if fits and places.ndim == 2:
        fits = bool(((places >= 0) & (places < np.array(shape, np.int64))).all())
        steps = np.array([math.prod(shape[axis + 1 :]) for axis in range(len(shape))], np.int64)
        places = places @ steps if fits else places
    if not fits or bool(((places < 0) | (places >= math.prod(shape))).any()):
        raise SourceError(f"{what} has values at places outside its shape {list(shape)}; the file is damaged")
    return places


def declared_bytes(tensor: Any) -> int:
    """What a tensor unpacks to, by its declared shape."""
    dtype = DTYPES.get(tensor.data_type)
    return int(math.prod(tensor.dims)) * (np.dtype(dtype).itemsize if dtype else 1)


def place_of(tensor: Any, path: Path) -> Stored | None:
    """Where a tensor lies, None when it is in the graph itself. Raises SourceError unless shape and data agree."""
    what = f"{path}: the weight {tensor.name!r}"
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 32:
        raise SourceError(f"{what} declares the shape {list(tensor.dims)[:8]}; the file is damaged")
    if tensor.data_location != 1:
        check_inline(tensor, what)
        return None
    if tensor.data_type not in DTYPES:
        raise SourceError(f"{what} lies outside the graph with a type of numbers that is not read here")
    entries = {entry.key: entry.value for entry in tensor.external_data}
    size = declared_bytes(tensor)
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
    except ValueError:
        raise SourceError(f"{what} has no readable place in its file; the file is damaged") from None
    location = entries.get("location", "")
    file = path if location == HERE else outside(location, path, what)
    if length != size or offset < 0:
        raise SourceError(f"{what} declares {size:,} bytes and has {length:,}; the file is damaged")
    if offset + length > file.stat().st_size:
        raise SourceError(f"{what} reaches beyond the end of {file.name}; that file is cut off, copy it again")
    return Stored(file, offset, DTYPES[tensor.data_type], tuple(tensor.dims))


def check_inline(tensor: Any, what: str) -> None:
    size = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        held, needed = len(tensor.raw_data), declared_bytes(tensor)
        fits = held == needed if tensor.data_type in DTYPES else size <= 2 * held + 1
    else:
        held = max(len(getattr(tensor, name)) for name in DATA_FIELDS)
        needed = size
        fits = size <= 2 * held + 1 if tensor.data_type not in DTYPES and tensor.data_type != 8 else held == size
    if not fits:
        raise SourceError(f"{what} declares the shape {list(tensor.dims)[:8]} and holds {held:,} of {needed:,} values")


def outside(location: str, path: Path, what: str) -> Path:
    """The file that external data lies in. Raises SourceError for one that is not in the model's own folder."""
    refused = f"{what} names external data {location!r}, outside the model's folder; that is never read"
    parts = location.replace("\\", "/").split("/")
    if not location or "\x00" in location or location.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise SourceError(refused)
    folder = path.parent.resolve()
    file = path.parent / location
    try:
        if not file.resolve().is_relative_to(folder):  # a symbolic link on the way leads out
            raise SourceError(refused)
        if not file.is_file():
            raise SourceError(f"{what} lies in {location!r}, which is not beside the model; put it there")
    except (OSError, RuntimeError):
        raise SourceError(f"{what} lies in {location[:100]!r}, which can't be read") from None
    return file


def check_nodes(model: Any, path: Path) -> None:
    """Tensors inside nodes, and functions: nothing in them may reach outside or grow without bound."""
    for node in model.graph.node:
        check_attributes(node, path)
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(key: tuple[str, str], open_: tuple[tuple[str, str], ...]) -> int:
        """Nodes that a call of a function stands for."""
        if key in open_ or len(open_) > 64:
            raise SourceError(f"{path}: the function {key[1]!r} calls itself; the file is damaged")
        if key not in sizes:
            sizes[key] = sum(expanded(node, (*open_, key)) for node in functions[key].node)
        return sizes[key]

    def expanded(node: Any, open_: tuple[tuple[str, str], ...]) -> int:
        total = size((node.domain, node.op_type), open_) if (node.domain, node.op_type) in functions else 1
        for attribute in node.attribute:
            for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                total += sum(expanded(one, open_) for one in graph.node)
        return min(total, MAX_NODES + 1)

    for function in model.functions:
        for node in function.node:
            check_attributes(node, path)
    if functions and sum(expanded(node, ()) for node in model.graph.node) > MAX_NODES:
        raise SourceError(f"{path}: its functions stand for more than {MAX_NODES:,} nodes; that can't be shown")


def check_attributes(node: Any, path: Path) -> None:
    for attribute in node.attribute:
        for tensor in (*((attribute.t,) if attribute.HasField("t") else ()), *attribute.tensors):
            if tensor.data_location == 1:
                raise SourceError(f"{path}: node {node.name!r} ({node.op_type}) has external data of its own; not read")
            if any(size < 0 for size in tensor.dims):
                raise SourceError(f"{path}: node {node.name!r} declares a shape that can't be; the file is damaged")
            check_inline(tensor, f"{path}: node {node.name!r} ({node.op_type})")
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise SourceError(f"{path}: node {node.name!r} holds a sparse tensor, which is not read here")
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            for tensor in graph.initializer:
                if tensor.data_location == 1:
                    raise SourceError(f"{path}: a graph inside {node.name!r} has external data; that is not read")
                check_inline(tensor, f"{path}: a weight inside {node.name!r}")
            for inner in graph.node:
                check_attributes(inner, path)
