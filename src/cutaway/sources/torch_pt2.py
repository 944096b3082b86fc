"""The contents of a `.pt2` archive: JSON and raw weights, checked, as a `Program`."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cutaway.errors import SourceError
from cutaway.sources import How
from cutaway.sources.pickles import WIDTHS
from cutaway.sources.torch_limits import TENSOR_NUMBERS
from cutaway.sources.torch_ops import plain_name
from cutaway.sources.torch_program import Call, Program, Ref, Value, refs_in
from cutaway.sources.torch_weights import Entry, check_total, decoded
from cutaway.sources.torch_zip import Archive, piece

JSON_LIMIT = 32 << 20
NODE_LIMIT = 20_000
ARGUMENT_LIMIT = 1 << 20

DTYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
          12: "bool", 13: "bfloat16", 28: "uint16", 34: "uint32", 35: "uint64"}  # fmt: skip
"""The schema's ScalarType."""

VIEWS = {
    *("slice", "select", "narrow", "view", "transpose", "permute", "squeeze", "unsqueeze", "expand", "chunk"),
    *("split", "split_with_sizes", "unbind", "t", "flatten", "reshape", "alias", "detach"),
}
"""Whose result is a part of the same memory."""

SAME = {"expand", "view", "reshape", "unsqueeze", "squeeze", "contiguous", "clone", "to", "detach", "alias", "_to_copy"}
"""What leaves a parameter the same parameter, when it keeps its count of numbers."""


class Struct(msgspec.Struct, frozen=True):
    """As the file has it; what is not named here is skipped."""


class Meta(Struct, frozen=True):
    dtype: int
    sizes: tuple[dict[str, Any], ...]
    strides: tuple[dict[str, Any], ...] = ()
    storage_offset: dict[str, Any] = {}


class Argument(Struct, frozen=True):
    name: str
    arg: msgspec.Raw


class Node(Struct, frozen=True):
    target: str
    inputs: tuple[Argument, ...]
    outputs: tuple[msgspec.Raw, ...]
    metadata: dict[str, Any] = {}


class JsonGraph(Struct, frozen=True):
    inputs: tuple[msgspec.Raw, ...]
    outputs: tuple[msgspec.Raw, ...]
    nodes: tuple[Node, ...]
    tensor_values: dict[str, Meta]
    sym_int_values: dict[str, Any] = {}


class Signature(Struct, frozen=True):
    input_specs: tuple[dict[str, Any], ...]
    output_specs: tuple[dict[str, Any], ...]


class GraphModule(Struct, frozen=True):
    graph: JsonGraph
    signature: Signature


class Document(Struct, frozen=True):
    graph_module: GraphModule
    torch_version: str = ""


class Payload(Struct, frozen=True):
    path_name: str
    use_pickle: bool = False
    is_param: bool = False
    tensor_meta: Meta | None = None


class Config(Struct, frozen=True):
    config: dict[str, Payload]


@dataclass(frozen=True)
class Exported:
    """What an archive holds: the graph as it was written, and where the weights are."""

    path: Path
    document: Document
    entries: Mapping[str, Entry]
    parameters: tuple[str, ...]
    """Names of what was trained; of those that share their numbers the first one's."""
    version: str


def read_pt2(path: Path, how: How) -> Exported:
    """Raises SourceError for what is damaged, too large, or asks for unpickling."""
    archive = Archive(path)
    names = [name for name in archive.members if name.startswith("models/") and name.endswith(".json")]
    if not names:
        if any(name.endswith("serialized_exported_program.json") for name in archive.members):
            raise SourceError(f"{path}: exported by an old torch; export it again with torch 2.10 or later")
        raise SourceError(f"{path}: an archive without models/model.json; it is no exported program, or damaged")
    wanted = "models/model.json" if "models/model.json" in names else names[0]
    document = parsed(path, archive.read(wanted, JSON_LIMIT), Document, wanted)
    count = len(document.graph_module.graph.nodes)
    if count > NODE_LIMIT:
        raise SourceError(f"{path}: a graph of {count:,} operations; at most {NODE_LIMIT:,} are read")
    big = archive.read("byteorder", 100).strip() == b"big" if "byteorder" in archive else False
    entries: dict[str, Entry] = {}
    parameters: dict[str, str] = {}
    stem = wanted.removeprefix("models/").removesuffix(".json")
    for folder in ("weights", "constants"):
        config = f"data/{folder}/{stem}_{folder}_config.json"
        if config not in archive:
            continue
        for name, payload in parsed(path, archive.read(config, JSON_LIMIT), Config, config).config.items():
            if payload.use_pickle or payload.tensor_meta is None:
                continue  # named when the graph asks for it
            entries[name] = entry_of(archive, f"data/{folder}/{payload.path_name}", name, payload.tensor_meta, big)
            if payload.is_param:
                parameters.setdefault(payload.path_name, name)
    check_total(path, entries, how.max_bytes)
    return Exported(path, document, entries, tuple(parameters.values()), document.torch_version.split("+")[0][:20])


def parsed(path: Path, data: bytes, kind: Any, name: str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(
            f"{path}: {name} in it can't be read ({str(error)[:120]}); it is damaged, or of another torch than 2.10 "
            "and later: export it again"
        ) from None


def entry_of(archive: Archive, member: str, name: str, meta: Meta, big: bool) -> Entry:
    """A weight: raw numbers of a contiguous or strided tensor."""
    dtype = DTYPES.get(meta.dtype)
    shape = sizes_of(meta, archive.path, name)
    if dtype is None:
        raise SourceError(f"{archive.path}: {name} is of a type (number {meta.dtype}) that can't be read")
    strides = tuple(whole(one, archive.path, name) for one in meta.strides)
    offset = whole(meta.storage_offset or {"as_int": 0}, archive.path, name)
    start, count = archive.place(member)
    width = WIDTHS[dtype]
    size = math.prod(shape)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=False))
    if size and (len(strides) != len(shape) or (last + 1) * width > count or size * width > count):
        # A tensor without its strides, or a view whose storage was written as the view alone.
        if size * width != count:
            raise SourceError(
                f"{archive.path}: {name} has {size:,} numbers of {dtype} in {count:,} bytes; it is damaged"
            )
        strides, offset = contiguous(shape), 0
    order = ">" if big else "<"

    def read() -> np.ndarray:
        numbers = decoded(piece(archive.path, start, count), dtype, order)
        if not size:
            return numbers[:0].reshape(shape)
        inner = tuple(stride * numbers.itemsize for stride in strides)
        return np.array(np.lib.stride_tricks.as_strided(numbers[offset:], shape, inner, writeable=False))

    return Entry(shape, dtype, read, member)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def sizes_of(meta: Meta, path: Path, name: str) -> tuple[int, ...]:
    if len(meta.sizes) > 32:
        raise SourceError(f"{path}: {name} has {len(meta.sizes)} axes; it is damaged")
    return tuple(whole(one, path, name) for one in meta.sizes)


def whole(size: Mapping[str, Any], path: Path, name: str) -> int:
    """A size: a number, or an expression with the number that it had while exporting."""
    value: Any = size.get("as_int")
    expression = size.get("as_expr")
    if value is None and isinstance(expression, dict):
        hint = expression.get("hint")
        value = hint.get("as_int") if isinstance(hint, dict) else None
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise SourceError(f"{path}: {name} has a size that is no number; it is damaged, or was exported without sizes")
    return value


# --- the graph -------------------------------------------------------------------------------------------------------


def program_of(exported: Exported) -> Program:
    """The graph as calls. Raises SourceError where it reads what no operation before has put out."""
    return Translation(exported).program()


class Translation:
    """One pass over the nodes; `names` tells which value a name stands for at that moment."""

    def __init__(self, exported: Exported) -> None:
        self.path = exported.path
        self.exported = exported
        self.graph = exported.document.graph_module.graph
        self.made = Program()
        self.names: dict[str, int] = {}
        self.wholes: dict[str, str] = {}
        """Name of a view -> name of what it is a part of."""
        self.functions = Counter(str(node.metadata.get("torch_fn", "")) for node in self.graph.nodes)
        """What the user called may be several operations here; then each goes by its own name."""
        self.paths = {path for node in self.graph.nodes for path, _, _ in stack_of(node)}
        self.parents = {
            path[:position] for path in self.paths for position in range(len(path)) if path[position] == "."
        }

    def program(self) -> Program:
        self.read_inputs()
        for node in self.graph.nodes:
            self.translate(node)
        for spec in self.exported.document.graph_module.signature.output_specs:
            argument = spec.get("user_output", {}).get("arg")
            for ref in refs_in(self.argument(argument)) if isinstance(argument, dict) else ():
                self.made.outputs.append(ref.id)
        if not self.made.inputs or not self.made.outputs:
            raise SourceError(f"{self.path}: a program without a tensor as input or output")
        return self.made

    def read_inputs(self) -> None:
        """Parameters, buffers and constants by their names in the state dict; what the user gives by its own."""
        for spec in self.exported.document.graph_module.signature.input_specs:
            kind, content = next(iter(spec.items()), ("", None))
            argument = content.get("arg") if isinstance(content, dict) else None
            if not isinstance(content, dict) or not isinstance(argument, dict):
                continue
            if kind == "user_input":
                name = (argument.get("as_tensor") or {}).get("name")
                if isinstance(name, str):
                    value = self.value(name, "input", name)
                    if not self.made.inputs and value.shape:
                        self.made.batch = value.shape[0]
                    self.made.inputs.append(self.define(name, value))
            elif kind in ("parameter", "buffer", "tensor_constant"):
                name, own = argument.get("name"), content.get(f"{kind}_name")
                if isinstance(name, str) and isinstance(own, str):
                    self.define(name, self.value(name, "parameter", own, kind == "parameter"))

    def value(self, name: str, origin: Any, own: str = "", trainable: bool = False) -> Value:
        meta = self.graph.tensor_values.get(name)
        if meta is None:
            raise SourceError(f"{self.path}: nothing is said of the tensor {name[:60]!r}; it is damaged")
        shape = sizes_of(meta, self.path, name[:60])
        dtype = DTYPES.get(meta.dtype, "float32")
        share = max(1, self.made.batch) if origin == "call" else 1
        if origin != "parameter" and math.prod(shape) // share > TENSOR_NUMBERS:
            raise SourceError(
                f"{self.path}: the tensor {name[:60]!r} has {' × '.join(map(str, shape))} numbers; at most "
                f"{TENSOR_NUMBERS:,} for one sample are computed"
            )
        return Value(shape, dtype, origin, own, trainable)

    def define(self, name: str, value: Value) -> int:
        if name in self.names:
            raise SourceError(f"{self.path}: two operations put out {name[:60]!r}; it is damaged")
        self.names[name] = self.made.add(value)
        return self.names[name]

    def translate(self, node: Node) -> None:
        outputs = [name for raw in node.outputs for name in tensor_names(self.decoded(raw))]
        if not outputs:
            return  # sizes and conditions: their numbers stand in the arguments that use them
        arguments = {
            ("input" if one.name == "self" else one.name[:60]): self.argument(self.decoded(one.arg))
            for one in node.inputs
        }
        target = node.target.removeprefix("torch.ops.").removeprefix("_operator.")
        parts = target.split(".")
        raw = parts[1] if len(parts) > 1 and parts[0] in ("aten", "prims") else parts[-1 if len(parts) < 3 else -2]
        op = plain_name(raw)
        refs = list(refs_in(arguments))
        first = self.made.values[refs[0].id] if refs else None
        if op in SAME and len(refs) == 1 and len(outputs) == 1 and first is not None and first.origin == "parameter":
            value = self.value(outputs[0], "parameter", first.name, first.trainable)
            if math.prod(value.shape) == math.prod(first.shape):
                self.define(outputs[0], value)
                return
        made = tuple(self.define(name, self.value(name, "call")) for name in outputs)
        path, turn, kind = (stack_of(node) or [("", 0, "")])[-1]
        leaf = path not in self.parents or kind.endswith(".MultiheadAttention")
        label = kind.replace("torch.nn.modules.", "torch.nn.", 1) if leaf and path else f"torch.{op}"
        if label.startswith("torch.nn.") and label.count(".") > 2:
            label = f"torch.nn.{label.rpartition('.')[2]}"
        called = str(node.metadata.get("torch_fn", ""))
        title = called.rpartition(".")[2][:60] if self.functions[called] == 1 else ""
        call = Call(op, label, arguments, made, path, leaf, turn, line_of(node), plain_name(title) or op)
        self.made.calls.append(call)
        self.follow_memory(node, raw, op, outputs, path)

    def follow_memory(self, node: Node, raw: str, op: str, outputs: list[str], path: str) -> None:
        """What an in-place operation changes is changed under all names."""
        given = next((tensor_names(self.decoded(one.arg)) for one in node.inputs), [])
        if not given:
            return
        if op in VIEWS and raw == op:
            for name in outputs:
                self.wholes[name] = given[0]
        if not raw.endswith("_") or raw.startswith("__"):
            return
        self.names[given[0]] = self.names[outputs[0]]
        part = given[0]
        for _ in range(len(self.wholes)):
            whole = self.wholes.get(part)
            if whole is None or self.made.values[self.names[whole]].origin != "call":
                break
            before = self.made.values[self.names[whole]]
            arguments = {"input": Ref(self.names[whole]), "value": Ref(self.names[part])}
            after = self.made.add(Value(before.shape, before.dtype, "call"))
            self.made.calls.append(Call("write", "torch.Tensor.__setitem__", arguments, (after,), path))
            self.names[whole] = after
            part = whole

    # --- arguments ---------------------------------------------------------------------------------------------------

    def decoded(self, raw: msgspec.Raw) -> dict[str, Any]:
        if len(bytes(raw)) > ARGUMENT_LIMIT:
            raise SourceError(f"{self.path}: an argument of {len(bytes(raw)):,} bytes in its graph; it is damaged")
        found = parsed(self.path, bytes(raw), dict[str, Any], "an argument of the graph")
        return dict(found)

    def argument(self, argument: Mapping[str, Any]) -> Any:
        """The schema's tagged union as plain numbers, strings and Refs."""
        kind, content = next(iter(argument.items()), ("as_none", True))
        if kind == "as_tensor":
            return self.ref(content)
        if kind in ("as_tensors", "as_optional_tensors") and isinstance(content, list):
            return [self.ref(one.get("as_tensor", one)) if isinstance(one, dict) else None for one in content]
        if kind == "as_optional_tensor" and isinstance(content, dict):
            return self.argument(content)
        if kind in ("as_sym_int", "as_sym_ints"):
            return [self.size(one) for one in content] if isinstance(content, list) else self.size(content)
        if kind in ("as_int", "as_ints", "as_float", "as_floats", "as_string", "as_strings", "as_bool", "as_bools"):
            return content
        return None if kind == "as_none" else str(kind)

    def ref(self, tensor: Any) -> Ref | None:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            return None
        if name not in self.names:
            raise SourceError(
                f"{self.path}: its graph reads {name[:60]!r} before anything puts it out (a cycle, or damage); refused"
            )
        return Ref(self.names[name])

    def size(self, size: Any) -> int | None:
        """A number, or a name of one with the value that it had while exporting."""
        if not isinstance(size, dict):
            return None
        if isinstance(size.get("as_int"), int):
            return int(size["as_int"])
        known = self.graph.sym_int_values.get(size.get("as_name", ""))
        return whole(known, self.path, "a size") if isinstance(known, dict) else None


def tensor_names(argument: Mapping[str, Any]) -> list[str]:
    """Names of the tensors in one argument or output."""
    kind, content = next(iter(argument.items()), ("", None))
    if kind == "as_tensor" and isinstance(content, dict):
        content = [content]
    if kind not in ("as_tensor", "as_tensors") or not isinstance(content, list):
        return []
    return [one["name"] for one in content if isinstance(one, dict) and isinstance(one.get("name"), str)]


TURN = re.compile(r"@(\d{1,6})$")


def stack_of(node: Node) -> list[tuple[str, int, str]]:
    """(path, times called before, class) of the modules around a node, from the outside in."""
    found = []
    for entry in str(node.metadata.get("nn_module_stack", ""))[:20_000].split(";"):
        parts = entry.split(",")
        if len(parts) >= 3:
            path = ",".join(parts[1:-1])
            turn = TURN.search(parts[0]) or TURN.search(path)
            found.append((TURN.sub("", path), int(turn[1]) if turn else 0, parts[-1]))
    return found


TORCHS_OWN = re.compile(r"/torch/(nn|utils|fx|export|_\w+|functional\.py)(/|$)")
"""Files of the framework, wherever it is installed."""

LINE = re.compile(r'File "([^"\n]{1,400})", line (\d{1,9}), in')


def line_of(node: Node) -> str | None:
    """The innermost line outside of torch: "model.py:41"."""
    lines = LINE.findall(str(node.metadata.get("stack_trace", ""))[:20_000])
    for file, number in reversed(lines):
        if not TORCHS_OWN.search(file.replace("\\", "/")):
            return f"{file.replace(chr(92), '/').rpartition('/')[2]}:{number}"
    return None
