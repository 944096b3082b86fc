"""Reads the pickles that `torch.save` writes without running anything: numbers, strings, lists, dicts, tensors.

A pickle is a little program; Python's own unpickler calls whatever it names. This one knows the handful of
instructions that a checkpoint needs. It calls nothing: a name from a file becomes a `Name`, "calling" it gives an
`Opaque`, but for the few that stand for tensors, which are described and not made. `Unpickled.foreign` tells what else
was named, so that the caller can refuse the file and say why.

Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAX_STEPS = 2_000_000
"""Instructions; ten thousand tensors with their optimiser take one million."""

MAX_BYTES = 64 << 20
MAX_AXES = 32


class PickleError(Exception):
    """The bytes are no pickle that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """Something that a file calls by its name in Python: "torch._utils._rebuild_tensor_v2"."""

    name: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """What a file wanted to be made by calling something; nothing was called."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the numbers of tensors lie: `count` elements of `dtype` under `key`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A view on a storage, in elements of `dtype`."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(slots=True)
class Unpickled:
    """What a pickle holds, which names it uses beyond the known ones, and where it ended."""

    value: Any
    foreign: list[str]
    end: int
    storages: dict[str, Storage] = field(default_factory=dict)


DTYPES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "Untyped": "uint8",
}  # fmt: skip
STORAGES = {f"torch.{name}Storage": dtype for name, dtype in DTYPES.items()} | {
    "torch.storage.UntypedStorage": "uint8",
    "torch.storage.TypedStorage": "uint8",
}
WIDTHS = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1,
    "uint8": 1, "bool": 1, "uint16": 2, "uint32": 4, "uint64": 8,
}  # fmt: skip
TORCH_DTYPES = {f"torch.{dtype}": dtype for dtype in WIDTHS}

HARMLESS = {
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "torch.Size", "torch.device",
    "torch.Tensor", "torch.nn.parameter.Parameter", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state", "torch._tensor._rebuild_from_type_v2",
    "torch.serialization._get_layout", "torch.strided",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct", "numpy.dtype", "numpy.ndarray", "_codecs.encode",
    "argparse.Namespace", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath",
    "pathlib._local.PosixPath", "datetime.datetime", "datetime.timedelta", "datetime.date", "decimal.Decimal",
    "builtins.set", "builtins.frozenset", "builtins.dict", "builtins.list", "builtins.tuple", "builtins.int",
    "builtins.float", "builtins.str", "builtins.bool", "builtins.complex", "builtins.slice", "builtins.bytearray",
    "__builtin__.set", "__builtin__.dict", "__builtin__.list", "__builtin__.int", "__builtin__.float",
    "__builtin__.str", "__builtin__.unicode", "__builtin__.bytes", "__builtin__.long", "copy_reg._reconstructor",
    "pytorch_lightning.utilities.parsing.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict", "lightning_fabric.utilities.data.AttributeDict",
    *STORAGES, *TORCH_DTYPES,
}  # fmt: skip
"""Names that real checkpoints have beside their tensors. Still nothing is called: they are placeholders, too."""


def unpickle(data: bytes, start: int = 0) -> Unpickled:
    """Reads one pickle from `start` on. Raises PickleError for anything but what `torch.save` writes."""
    if len(data) - start > MAX_BYTES:
        raise PickleError(f"its pickle has {len(data) - start:,} bytes; checkpoints keep their numbers outside of it")
    try:
        return Machine(data, start).run()
    except (IndexError, ValueError, TypeError, KeyError, AttributeError, struct.error, OverflowError) as error:
        raise PickleError(f"its pickle is damaged ({type(error).__name__} in it)") from None


class Machine:
    """The stack machine. Every instruction is one method, by its byte."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.at = start
        self.steps = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.foreign: dict[str, None] = {}
        self.storages: dict[str, Storage] = {}

    def run(self) -> Unpickled:
        data, known = self.data, STEPS
        while True:
            code = data[self.at]
            self.at += 1
            if code == STOP:
                return Unpickled(self.stack.pop(), list(self.foreign), self.at, self.storages)
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise PickleError(f"its pickle has more than {MAX_STEPS:,} instructions")
            step = known.get(code)
            if step is None:
                raise PickleError(f"its pickle has an instruction ({bytes([code])!r}) that checkpoints do not have")
            step(self)

    def spend(self, steps: int) -> None:
        """What is as much work as so many instructions."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise PickleError(f"its pickle has more than {MAX_STEPS:,} instructions")

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if count < 0 or len(piece) != count:
            raise PickleError("its pickle is truncated")
        self.at += count
        return piece

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = self.data.find(b"\n", self.at, self.at + 1000)
        if end < 0:
            raise PickleError("its pickle is truncated")
        text = self.data[self.at : end].decode()
        self.at = end + 1
        return text

    def marked(self) -> list[Any]:
        """What is on the stack above the last mark, taken off."""
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    # --- names and calls ---------------------------------------------------------------------------------------------

    def named(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        if full not in HARMLESS:
            self.foreign.setdefault(full[:200])
        self.stack.append(Name(full[:200]))

    def called(self, arguments: Any) -> None:
        function = self.stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            self.stack.append(Opaque(getattr(function, "name", "?")))
            return
        made: Any = Opaque(function.name)
        builder = BUILDERS.get(function.name)
        if builder is not None:
            made = builder(self, arguments)
        self.stack.append(made)

    def ordered(self, arguments: tuple[Any, ...]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for pair in arguments[0] if arguments else ():
            self.spend(1)
            put(found, pair[0], pair[1])
        return found

    def tensor(self, arguments: tuple[Any, ...]) -> StoredTensor:
        """(storage, offset, shape, strides, …): `_rebuild_tensor_v2`."""
        storage, offset, shape, strides = arguments[:4]
        return self.view(storage, storage.dtype, offset, shape, strides)

    def tensor_v3(self, arguments: tuple[Any, ...]) -> Any:
        """The same with the element type as an argument of its own, on untyped storage."""
        storage, offset, shape, strides = arguments[:4]
        dtype = TORCH_DTYPES.get(arguments[6].name)
        if dtype is None:
            return Opaque(f"a tensor of {arguments[6].name}")
        return self.view(storage, dtype, offset, shape, strides)

    def view(self, storage: Storage, dtype: str, offset: int, shape: Any, strides: Any) -> StoredTensor:
        if len(shape) > MAX_AXES or len(shape) != len(strides):
            raise PickleError(f"it has a tensor with {len(shape)} axes and {len(strides)} strides")
        self.spend(len(shape))
        numbers = (offset, *shape, *strides)
        if not all(type(one) is int and 0 <= one < 1 << 48 for one in numbers):
            raise PickleError("it has a tensor with sizes that can't be")
        size = math.prod(shape)
        last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        room = storage.count * WIDTHS[storage.dtype] // WIDTHS[dtype]
        if size and (last >= room or size > room):
            raise PickleError(
                f"it has a tensor of {' × '.join(map(str, shape))} numbers in a storage of {room:,}; it is damaged"
            )
        return StoredTensor(storage, dtype, offset, tuple(shape), tuple(strides))

    def persistent(self) -> None:
        """("storage", type, key, device, count): the numbers lie outside the pickle."""
        what = self.stack.pop()
        kind, storage, key, _, count = what[:5]
        dtype = STORAGES.get(storage.name) if isinstance(storage, Name) else None
        if kind != "storage" or dtype is None or type(count) is not int or not 0 <= count < 1 << 48:
            raise PickleError("it refers to numbers outside in a way that is not known")
        made = Storage(str(key), dtype, count)
        self.storages.setdefault(made.key, made)
        self.stack.append(made)

    def built(self) -> None:
        """State for an object: of no use to a placeholder; a Namespace keeps it as a dict would."""
        self.stack.pop()

    # --- containers --------------------------------------------------------------------------------------------------

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if len(items) % 2:
            raise PickleError("its pickle is damaged (a key without a value)")
        if isinstance(target, dict):
            for position in range(0, len(items), 2):
                put(target, items[position], items[position + 1])

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)

    def new(self) -> None:
        arguments = self.stack.pop()
        kind = self.stack.pop()
        self.stack.append(Opaque(getattr(kind, "name", "?")))
        if kind == Name("collections.OrderedDict"):
            self.stack[-1] = self.ordered(arguments)

    def new_with_keywords(self) -> None:
        self.stack.pop()
        self.new()


def put(target: dict[Any, Any], key: Any, value: Any) -> None:
    """Only plain keys: hashing nested tuples from a file could run out of stack."""
    flat = key if isinstance(key, tuple) and len(key) < 10 else (key,)
    plain = all(one is None or isinstance(one, str | int | float | bytes) for one in flat)
    target[key if plain else repr(type(key))] = value


def unwrapped(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """A Parameter around a tensor."""
    return arguments[0]


def retyped(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """`_rebuild_from_type_v2(function, type, arguments, state)`."""
    machine.stack.append(arguments[0])
    machine.called(arguments[2])
    return machine.stack.pop()


BUILDERS: dict[str, Callable[[Machine, tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": Machine.ordered,
    "collections.defaultdict": lambda machine, arguments: {},
    "torch._utils._rebuild_tensor": Machine.tensor,
    "torch._utils._rebuild_tensor_v2": Machine.tensor,
    "torch._utils._rebuild_tensor_v3": Machine.tensor_v3,
    "torch._utils._rebuild_parameter": unwrapped,
    "torch._utils._rebuild_parameter_with_state": unwrapped,
    "torch._tensor._rebuild_from_type_v2": retyped,
}

STOP = ord(".")


def push(value: Any) -> Callable[[Machine], None]:
    return lambda m: m.stack.append(value)


def short(form: str, decode: bool) -> Callable[[Machine], None]:
    """A string or bytes with their length before them."""

    def step(m: Machine) -> None:
        piece = m.take(m.number(form))
        m.stack.append(piece.decode("utf-8", "surrogatepass") if decode else piece)

    return step


def old_string(form: str) -> Callable[[Machine], None]:
    """Python 2's strings."""
    return lambda m: m.stack.append(m.take(m.number(form)).decode("latin-1"))


def whole(form: str) -> Callable[[Machine], None]:
    """An integer of as many bytes as are said before it; longer ones than any count are none."""

    def step(m: Machine) -> None:
        piece = m.take(m.number(form))
        m.stack.append(int.from_bytes(piece, "little", signed=True) if len(piece) <= 64 else 0)

    return step


def memoized(m: Machine) -> None:
    m.memo[len(m.memo)] = m.stack[-1]


def to_memo(form: str) -> Callable[[Machine], None]:
    def step(m: Machine) -> None:
        m.memo[m.number(form)] = m.stack[-1]

    return step


def from_memo(form: str) -> Callable[[Machine], None]:
    return lambda m: m.stack.append(m.memo[m.number(form)])


def tuple_of(count: int) -> Callable[[Machine], None]:
    def step(m: Machine) -> None:
        if len(m.stack) < count:
            raise PickleError("its pickle is damaged (an empty stack)")
        m.stack[-count:] = [tuple(m.stack[-count:])]

    return step


def named_by_stack(m: Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    m.named(str(module)[:100], str(name)[:100])


STEPS: dict[int, Callable[[Machine], None]] = {
    ord(code): step
    for code, step in {
        b"\x80": lambda m: m.take(1),
        b"\x95": lambda m: m.take(8),
        b"(": lambda m: m.marks.append(len(m.stack)),
        b"0": lambda m: m.stack.pop(),
        b"1": lambda m: m.marked(),
        b"2": lambda m: m.stack.append(m.stack[-1]),
        b"N": push(None),
        b"\x88": push(True),
        b"\x89": push(False),
        b"J": lambda m: m.stack.append(m.number("<i")),
        b"K": lambda m: m.stack.append(m.number("<B")),
        b"M": lambda m: m.stack.append(m.number("<H")),
        b"\x8a": whole("<B"),
        b"\x8b": whole("<i"),
        b"G": lambda m: m.stack.append(struct.unpack(">d", m.take(8))[0]),
        b"X": short("<I", True),
        b"\x8c": short("<B", True),
        b"\x8d": short("<Q", True),
        b"T": old_string("<i"),
        b"U": old_string("<B"),
        b"C": short("<B", False),
        b"B": short("<I", False),
        b"\x8e": short("<Q", False),
        b"]": lambda m: m.stack.append([]),
        b"a": lambda m: m.append([m.stack.pop()]),
        b"e": lambda m: m.append(m.marked()),
        b"l": lambda m: m.stack.append(m.marked()),
        b")": push(()),
        b"t": lambda m: m.stack.append(tuple(m.marked())),
        b"\x85": tuple_of(1),
        b"\x86": tuple_of(2),
        b"\x87": tuple_of(3),
        b"}": lambda m: m.stack.append({}),
        b"s": lambda m: m.set_items([*reversed((m.stack.pop(), m.stack.pop()))]),
        b"u": lambda m: m.set_items(m.marked()),
        b"\x8f": lambda m: m.stack.append([]),
        b"\x90": lambda m: m.append(m.marked()),
        b"\x91": lambda m: m.stack.append(m.marked()),
        b"h": from_memo("<B"),
        b"j": from_memo("<I"),
        b"q": to_memo("<B"),
        b"r": to_memo("<I"),
        b"\x94": memoized,
        b"c": lambda m: m.named(m.line(), m.line()),
        b"\x93": named_by_stack,
        b"R": lambda m: m.called(m.stack.pop()),
        b"\x81": Machine.new,
        b"\x92": Machine.new_with_keywords,
        b"b": Machine.built,
        b"Q": Machine.persistent,
    }.items()
}
