"""Weights without a graph: state dicts in `.pt`, `.pth`, `.ckpt` (zip or legacy) and safetensors; without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint
from cutaway.sources import How
from cutaway.sources.pickles import MAX_BYTES, WIDTHS, Opaque, PickleError, Storage, StoredTensor, Unpickled, unpickle
from cutaway.sources.torch_zip import Archive, piece

MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of a legacy file holds."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "ema")
"""Where training scripts put the state dict, the likeliest first."""

SAFETENSORS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip

HEADER_LIMIT = 100_000_000


@dataclass(frozen=True)
class Entry:
    """One tensor of a file, read when it is asked for."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]
    place: str = ""
    """Where its numbers lie, where several names may share them."""


@dataclass(frozen=True)
class Weights:
    """The state dict in a file."""

    path: Path
    kind: str
    """What the file is, for people: "a PyTorch state_dict"."""
    entries: Mapping[str, Entry]
    checkpoint: Checkpoint

    def __str__(self) -> str:
        count = sum(math.prod(entry.shape) for entry in self.entries.values())
        first = ", ".join(f"{name} {list(entry.shape)}" for name, entry in list(self.entries.items())[:2])
        return f"{self.kind}: {len(self.entries)} tensors, {count:,} numbers ({first}, …)"


def read_weights(path: Path, how: How) -> Weights:
    """The weights in a file, by its content. Nothing in it runs, but with `trust`. Raises SourceError."""
    max_bytes = how.max_bytes
    with path.open("rb") as file:
        start = file.read(10)
    if start.startswith(b"PK\x03\x04"):
        return from_zip(path, Archive(path), max_bytes)
    if start[:1] == b"\x80":
        return from_legacy(path, max_bytes)
    if start[8:9] == b"{":
        return from_safetensors(path, max_bytes)
    raise SourceError(
        f"{path}: neither a zip archive nor a pickle nor safetensors, so no PyTorch file; it may be damaged: copy it "
        "again"
    )


# --- zip: what torch.save writes -------------------------------------------------------------------------------------


def from_zip(path: Path, archive: Archive, max_bytes: int) -> Weights:
    pickled = checked(path, archive.read("data.pkl", MAX_BYTES))
    order = archive.read("byteorder", 100).strip() if "byteorder" in archive else b"little"
    places: dict[str, tuple[int, int]] = {}

    def place(storage: Storage) -> tuple[int, int]:
        if storage.key not in places:
            start, count = archive.place(f"data/{storage.key}")
            if count < storage.count * WIDTHS[storage.dtype]:
                raise SourceError(
                    f"{path}: data/{storage.key} has {count:,} bytes, {storage.count:,} numbers of {storage.dtype} "
                    "are said to be in it; it is damaged"
                )
            places[storage.key] = start, count
        return places[storage.key]

    return state_dict(path, pickled.value, place, ">" if order == b"big" else "<", max_bytes)


def checked(path: Path, data: bytes, start: int = 0) -> Unpickled:
    """A pickle that names nothing but what checkpoints need. Raises SourceError naming what else it has."""
    try:
        pickled = unpickle(data, start)
    except PickleError as error:
        raise SourceError(f"{path}: {error}; refused") from None
    if pickled.foreign:
        some = ", ".join(pickled.foreign[:3]) + (", …" if len(pickled.foreign) > 3 else "")
        if isinstance(pickled.value, Opaque):
            raise SourceError(
                f"{path}: a whole pickled object ({pickled.value.name}), and loading it would run code; save "
                "model.state_dict() instead, or, if you trust the file, --trust runs what it names"
            )
        raise SourceError(
            f"{path}: its pickle names {some}, which unpickling would run; refused. Save only the state_dict, or, if "
            "you trust the file, --trust runs what it names"
        )
    return pickled


# --- legacy: torch.save before 1.6 -----------------------------------------------------------------------------------


def from_legacy(path: Path, max_bytes: int) -> Weights:
    """Five pickles (magic, protocol, machine, object, storage keys), then each storage: its count, its numbers."""
    size = path.stat().st_size
    data = piece(path, 0, min(size, MAX_BYTES))
    first = checked(path, data)
    if first.value != MAGIC:
        what = f" of {first.value.name}" if isinstance(first.value, Opaque) else ""
        raise SourceError(f"{path}: a pickle{what}, but not one that torch.save wrote; refused")
    version = checked(path, data, first.end)
    machine = checked(path, data, version.end)
    content = checked(path, data, machine.end)
    keys = checked(path, data, content.end)
    big = isinstance(machine.value, dict) and machine.value.get("little_endian") is False
    places: dict[str, tuple[int, int]] = {}
    at = keys.end
    for key in keys.value if isinstance(keys.value, list) else ():
        storage = content.storages.get(str(key))
        if storage is None:
            raise SourceError(f"{path}: it lists a storage that nothing refers to; it is damaged")
        count = int.from_bytes(piece(path, at, 8), "big" if big else "little")
        length = count * WIDTHS[storage.dtype]
        if count != storage.count or at + 8 + length > size:
            raise SourceError(f"{path}: truncated, or damaged: {count:,} numbers can't be in it; copy it again")
        places[storage.key] = at + 8, length
        at += 8 + length

    def place(storage: Storage) -> tuple[int, int]:
        if storage.key not in places:
            raise SourceError(f"{path}: the numbers of storage {storage.key} are missing; it is damaged")
        return places[storage.key]

    return state_dict(path, content.value, place, ">" if big else "<", max_bytes)


# --- what is in it ---------------------------------------------------------------------------------------------------


def state_dict(
    path: Path, value: Any, place: Callable[[Storage], tuple[int, int]], order: str, max_bytes: int
) -> Weights:
    """The tensors by name, out of the wrapper that a training script put them in."""
    if not isinstance(value, dict):
        kind = value.name if isinstance(value, Opaque) else type(value).__name__
        raise SourceError(f"{path}: holds a {kind}, no state_dict; save model.state_dict()")
    inner, wrapper = unwrapped(value)
    tensors = {str(name): one for name, one in inner.items() if isinstance(one, StoredTensor)}
    if not tensors:
        keys = ", ".join(str(key) for key in list(value)[:5])
        raise SourceError(f"{path}: a dict without tensors ({keys}); save model.state_dict()")
    entries = {}
    for name, tensor in tensors.items():
        start, _ = place(tensor.storage)
        entries[name] = Entry(tensor.shape, tensor.dtype, reader(path, tensor, start, order))
    check_total(path, entries, max_bytes)
    kind = "a Lightning checkpoint" if "pytorch-lightning_version" in value else "a PyTorch state_dict"
    if wrapper and kind == "a PyTorch state_dict":
        kind = f"a PyTorch state_dict under {wrapper!r}"
    return Weights(path, kind, entries, moment(path, value))


def unwrapped(value: dict[Any, Any]) -> tuple[dict[Any, Any], str]:
    """The mapping with the tensors, and the name that it stands under."""
    if any(isinstance(one, StoredTensor) for one in value.values()):
        return value, ""
    known = [name for name in WRAPPERS if name in value]
    for name in [*known, *(key for key in value if key not in known and not str(key).startswith("optim"))]:
        inner = value[name]
        if isinstance(inner, dict) and any(isinstance(one, StoredTensor) for one in inner.values()):
            return inner, str(name)
    return value, ""


def unwrapped_tensors(value: Any) -> dict[str, Any]:
    """The same for what torch itself has loaded: tensors by name."""

    def tensors(inner: Any) -> dict[str, Any]:
        items = inner.items() if isinstance(inner, dict) else ()
        return {str(name): one for name, one in items if hasattr(one, "detach") and hasattr(one, "shape")}

    for inner in (value, *(value.get(name) for name in WRAPPERS if isinstance(value, dict))):
        if found := tensors(inner):
            return found
    return {}


def moment(path: Path, value: Mapping[Any, Any]) -> Checkpoint:
    """Epoch and step, where the training wrote them beside the weights."""
    epoch, step = value.get("epoch"), value.get("global_step", value.get("step"))
    return Checkpoint(
        index=0,
        label=path.stem,
        epoch=epoch if type(epoch) is int and 0 <= epoch < 1 << 31 else None,
        step=step if type(step) is int and 0 <= step < 1 << 48 else None,
    )


def check_total(path: Path, entries: Mapping[str, Entry], max_bytes: int) -> None:
    total = sum(math.prod(entry.shape) * WIDTHS[entry.dtype] for entry in entries.values())
    if total > max_bytes:
        raise SourceError(f"{path}: its tensors have {total:,} bytes, at most {max_bytes:,} are read; see --max-bytes")


def reader(path: Path, tensor: StoredTensor, start: int, order: str) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        width = WIDTHS[tensor.dtype]
        size = math.prod(tensor.shape)
        if not size:
            return decoded(b"", tensor.dtype, order).reshape(tensor.shape)
        last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True))
        numbers = decoded(piece(path, start + tensor.offset * width, (last + 1) * width), tensor.dtype, order)
        strides = tuple(stride * numbers.itemsize for stride in tensor.strides)
        view = np.lib.stride_tricks.as_strided(numbers, tensor.shape, strides, writeable=False)
        return np.array(view)  # a copy: contiguous, writable, and 0-d where the tensor is

    return read


def decoded(data: bytes, dtype: str, order: str = "<") -> np.ndarray:
    """Bytes as numbers; bfloat16, which NumPy does not have, as float32, which holds it exactly."""
    if dtype == "bfloat16":
        bits = np.frombuffer(data, order + "u2").astype(np.uint32) << 16
        return bits.view(np.float32)
    return np.frombuffer(data, np.dtype(order + np.dtype(dtype).str[1:])).astype(dtype)


# --- safetensors -----------------------------------------------------------------------------------------------------


class Header(msgspec.Struct, frozen=True):
    """What a safetensors header says of one tensor, before it is believed."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def from_safetensors(path: Path, max_bytes: int) -> Weights:
    """Format: https://huggingface.co/docs/safetensors. Every claim is checked against the file's size."""
    size = path.stat().st_size
    length = int.from_bytes(piece(path, 0, 8), "little")
    if length > min(HEADER_LIMIT, size - 8):
        raise SourceError(f"{path}: says that its header has {length:,} bytes; truncated, or no safetensors file")
    try:
        raw = msgspec.json.decode(piece(path, 8, length), type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        headers = {name: msgspec.json.decode(value, type=Header) for name, value in raw.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path}: its safetensors header can't be read ({error}); it is damaged") from None
    entries = {}
    for name, header in headers.items():
        begin, end = header.data_offsets
        dtype = SAFETENSORS.get(header.dtype)
        if dtype is None:
            raise SourceError(f"{path}: tensor {name!r} is of {header.dtype}, which can't be read")
        fits = all(length >= 0 for length in header.shape) and 0 <= begin <= end <= size - 8 - length
        if not fits or end - begin != math.prod(header.shape) * WIDTHS[dtype]:
            raise SourceError(f"{path}: tensor {name!r} does not fit into the file; truncated, or damaged")
        entries[name] = Entry(header.shape, dtype, stored(path, 8 + length + begin, end - begin, header.shape, dtype))
    if not entries:
        raise SourceError(f"{path}: a safetensors file without tensors")
    check_total(path, entries, max_bytes)
    return Weights(path, "a safetensors file", entries, Checkpoint(index=0, label=path.stem))


def stored(path: Path, start: int, count: int, shape: tuple[int, ...], dtype: str) -> Callable[[], np.ndarray]:
    return lambda: decoded(piece(path, start, count), dtype).reshape(shape)


# --- into a module ---------------------------------------------------------------------------------------------------


def fill(module: Any, weights: Weights) -> list[str]:
    """Puts weights into a `torch.nn.Module`, whatever prefix their names carry; what else was in the file, in words.

    Raises SourceError naming what is missing or of another shape; then the module is as it was.
    """
    import torch

    own = {name: tensor for name, tensor in module.state_dict().items() if isinstance(tensor, torch.Tensor)}
    names = matched(list(own), weights.entries)
    kind = type(module).__name__
    # Tied weights stand in some files once.
    filled = {own[name].data_ptr() for name in names}
    missing = [
        name
        for name, tensor in own.items()
        if name not in names and not name.endswith("num_batches_tracked") and tensor.data_ptr() not in filled
    ]
    spare = [name for name in weights.entries if name not in set(names.values())]
    if missing:
        besides = f"; it has {listed(spare)} instead" if spare else ""
        raise SourceError(
            f"{weights.path}: its weights are not those of {kind}: {listed(missing)} missing{besides}; check that "
            "--model builds the network that was trained"
        )
    for name, given in names.items():
        shape, wanted = weights.entries[given].shape, tuple(own[name].shape)
        if shape != wanted:
            raise SourceError(
                f"{weights.path}: {given} has shape {list(shape)}, in {kind} it is {list(wanted)}; check that --model "
                "builds the network that was trained"
            )
    with torch.no_grad():
        for name, given in names.items():
            own[name].copy_(torch.from_numpy(weights.entries[given].read()))
    return [f"{weights.path.name} also holds {listed(spare)}, which the model does not have."] if spare else []


def matched(wanted: list[str], entries: Mapping[str, Entry]) -> dict[str, str]:
    """The model's name -> the file's, with the prefix (DDP's `module.`, Lightning's `model.`) that fits most."""
    best: dict[str, str] = {}
    for prefix in prefixes(wanted, entries):
        found = {name: prefix + name for name in wanted if prefix + name in entries}
        if len(found) > len(best):
            best = found
    return best


def prefixes(wanted: list[str], entries: Mapping[str, Entry]) -> Iterator[str]:
    """None first, then what stands before the names of the model's first few tensors."""
    yield ""
    seen = set()
    for name in wanted[:3]:
        for given in entries:
            if given.endswith("." + name) and given[: -len(name)] not in seen:
                seen.add(given[: -len(name)])
                yield given[: -len(name)]


def listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
