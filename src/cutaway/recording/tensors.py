"""safetensors files: reading single tensors by byte range, and writing in an order that we choose.

Format: https://huggingface.co/docs/safetensors — 8 bytes little-endian header length, a JSON header
{"name": {"dtype", "shape", "data_offsets": [begin, end]}}, then the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cutaway.errors import RecordingError

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}

BAD_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding bytes that are no JSON, or other JSON than expected, may raise."""

HEADER_LIMIT = 100_000_000
"""Bytes; the same limit as the safetensors library, so that a crafted length can't make us allocate more."""


class Entry(NamedTuple):
    """Where one tensor lies: bytes `start` to `stop` of the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


class RawEntry(msgspec.Struct, frozen=True):
    """What the header says of one tensor, before it is believed."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def header_length(prefix: bytes, file_size: int, where: str) -> int:
    """The header's length in bytes, from the first 8 bytes of a file of `file_size` bytes.

    Raises RecordingError when the file is too short for it or the length is absurd.
    """
    if len(prefix) < 8 or file_size < 8:
        raise RecordingError(f"{where}: {file_size} bytes are no safetensors file; it is truncated: copy it again")
    length = int.from_bytes(prefix[:8], "little")
    if length > HEADER_LIMIT:
        raise RecordingError(f"{where}: says that its header has {length} bytes; this is not a safetensors file")
    if 8 + length > file_size:
        raise RecordingError(
            f"{where}: truncated in its header ({file_size} bytes, the header alone needs {8 + length}); copy it again"
        )
    return length


def parse_header(header: bytes, file_size: int, where: str) -> dict[str, Entry]:
    """Tensor name -> where it lies, after checking every claim against the file's real size.

    Raises RecordingError for JSON that is none, unknown dtypes, shapes that don't fit their bytes, tensors that
    overlap, leave gaps or reach past the end, and bytes behind the last tensor.
    """
    try:
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        entries = {name: msgspec.json.decode(value, type=RawEntry) for name, value in raw.items()}
    except BAD_JSON as error:
        raise RecordingError(f"{where}: its safetensors header can't be read ({error}); write it again") from None
    data_start = 8 + len(header)
    found: dict[str, Entry] = {}
    position = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        begin, end = entry.data_offsets
        dtype = DTYPES.get(entry.dtype)
        if dtype is None:
            raise RecordingError(f"{where}: tensor {name!r} has dtype {entry.dtype}; a recording holds F32 or F16")
        if any(size < 0 for size in entry.shape) or end - begin != math.prod(entry.shape) * dtype.itemsize:
            raise RecordingError(
                f"{where}: tensor {name!r} says shape {list(entry.shape)} of {entry.dtype} in {end - begin} bytes; "
                "the file is damaged"
            )
        if begin != position:
            raise RecordingError(f"{where}: tensor {name!r} starts at {begin}, expected {position}; it is damaged")
        position = end
        found[name] = Entry(dtype, entry.shape, data_start + begin, data_start + end)
    if data_start + position != file_size:
        what = "truncated" if data_start + position > file_size else "longer than its header says"
        raise RecordingError(f"{where}: {what} ({file_size} bytes, expected {data_start + position}); copy it again")
    return found


def decode(data: bytearray, entry: Entry) -> np.ndarray:
    """The array in those bytes; half precision comes back as float32 (which holds every float16 exactly)."""
    array = np.frombuffer(data, entry.dtype).reshape(entry.shape)
    return array.astype(np.float32) if entry.dtype == np.float16 else array


def encode(tensors: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """A safetensors file in pieces, one tensor at a time, in the mapping's order (wider dtypes first).

    The order matters: a reader gets everything of one sample with one range request. Wide dtypes come first so that
    every tensor is aligned to its own width. The library would copy the whole file in memory and order by name.
    """
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    yield header({name: (array.dtype, array.shape) for name, array in ordered})[0]
    for _, array in ordered:
        yield flat_bytes(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))


def header(kinds: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> tuple[bytes, dict[str, Entry]]:
    """What a file begins with whose tensors have those dtypes and shapes, and where each of them lies then.

    Raises RecordingError for a dtype that recordings don't have.
    """
    described: dict[str, Any] = {}
    places: dict[str, Entry] = {}
    position = 0
    for name, (dtype, shape) in kinds.items():
        little = dtype.newbyteorder("<")
        if little not in NAMES:
            raise RecordingError(f"tensor {name!r} has dtype {dtype}; a recording holds float32 or float16")
        stop = position + math.prod(shape) * dtype.itemsize
        described[name] = {"dtype": NAMES[little], "shape": list(shape), "data_offsets": [position, stop]}
        places[name] = Entry(little, shape, position, stop)
        position = stop
    text = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    first = 8 + len(text)
    found = {name: entry._replace(start=first + entry.start, stop=first + entry.stop) for name, entry in places.items()}
    return len(text).to_bytes(8, "little") + text, found


def flat_bytes(values: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, where they lie."""
    # A view of no bytes can't be cast.
    return values.reshape(-1).view(np.uint8).data if values.size else memoryview(b"")
