"""HDF5 as Keras writes it, read with suspicion: nothing outside the file, no size believed before it is checked.

HDF5 can link to other files, keep a dataset's bytes in any file of the disk, assemble it from others, load a filter
from a library, and declare terabytes in a few bytes. None of that is ever in a model; a file that has it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import h5py
import numpy as np

from cutaway.errors import SourceError

MAX_OBJECTS = 200_000
MAX_DEPTH = 64
MAX_ATTRIBUTE_BYTES = 16 << 20
"""`model_config`, the largest attribute there is, has a few MB for a network of a thousand layers."""

MAX_CHUNK_BYTES = 256 << 20
FLOOR_BYTES = 16 << 20
MAX_EXPANSION = 200
"""A dataset above the floor may be so many times larger than what is stored of it: trained weights hardly compress."""

OWN_FILTERS = {1, 2, 3, 5, 6, 32000}
"""deflate, shuffle, fletcher32, nbit, scaleoffset, lzf. HDF5 would load any other from a library on the disk."""

BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, NotImplementedError, UnicodeError)
"""What h5py raises on damaged files."""


@dataclass(frozen=True)
class Stored:
    """One dataset: its size is checked, its numbers are still in the file."""

    path: str
    shape: tuple[int, ...]
    dataset: Any
    bfloat16: bool

    def read(self) -> np.ndarray:
        """The values as float32. Raises SourceError where the bytes can't be decoded."""
        try:
            values = self.dataset[()]
        except BROKEN as error:
            raise SourceError(f"{self.path!r} can't be read ({one_line(error)}); the file is damaged") from None
        array = np.asarray(values)
        if self.bfloat16:  # the upper half of a float32
            return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(self.shape)
        return np.asarray(array, np.float32)


@dataclass(frozen=True)
class Group:
    """A group's attributes, decoded and checked; `members` in the file's own order."""

    path: str
    attributes: Mapping[str, Any]
    members: tuple[str, ...]


class Hdf5:
    """Everything that is in a file, walked once: groups and datasets by their path, `layers/conv2d/vars/0`."""

    def __init__(self, file: IO[bytes] | str, what: str, max_bytes: int) -> None:
        """Raises SourceError naming `what` for anything that is damaged or refused."""
        self.what = what
        self.max_bytes = max_bytes
        self.groups: dict[str, Group] = {}
        self.datasets: dict[str, Stored] = {}
        self.total = 0
        try:
            self.file = h5py.File(file, "r", locking=False)
        except BROKEN as error:
            raise self.error(f"not a whole HDF5 file ({one_line(error)}); download or copy it again") from None
        try:
            self.walk()
        except BROKEN as error:
            raise self.error(f"damaged ({one_line(error)}); download or copy it again") from None

    def error(self, text: str) -> SourceError:
        return SourceError(f"{self.what}: {text}")

    def close(self) -> None:
        self.file.close()

    def walk(self) -> None:
        seen: set[int] = set()
        waiting: list[tuple[str, Any]] = [("", self.file["/"])]
        while waiting:
            path, group = waiting.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in seen:
                raise self.error(f"group {path!r} is inside itself; Keras writes no such files")
            seen.add(address)
            if path.count("/") >= MAX_DEPTH:
                raise self.error(f"groups nested more than {MAX_DEPTH} deep; Keras writes no such files")
            if len(group) + len(seen) + len(waiting) + len(self.datasets) > MAX_OBJECTS:
                raise self.error(f"more than {MAX_OBJECTS:,} groups and datasets; no model has as many")
            members = tuple(group)
            self.groups[path] = Group(path, self.attributes(group, path), members)
            for name in members:
                inner = f"{path}/{name}" if path else name
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    where = f" to {link.filename!r}" if isinstance(link, h5py.ExternalLink) else ""
                    raise self.error(f"{inner!r} is a link{where}, not data; refused, models have none")
                found = group[name]
                if isinstance(found, h5py.Group):
                    waiting.append((inner, found))
                elif isinstance(found, h5py.Dataset):
                    self.datasets[inner] = self.checked(inner, found)

    def checked(self, path: str, dataset: Any) -> Stored:
        """A dataset that is inside the file and as large as it says."""
        if dataset.external:
            raise self.error(f"{path!r} lies in another file ({dataset.external[0][0]!r}); refused, models are whole")
        if dataset.is_virtual:
            raise self.error(f"{path!r} is put together from other files; refused, models are whole")
        shape, kind = dataset.shape, dataset.dtype
        bfloat16 = kind.kind == "V" and kind.itemsize == 2 and plain(dataset.attrs.get("dtype")) == "bfloat16"
        if shape is None or not (kind.kind in "fiub" or bfloat16):
            return Stored(path, (), dataset, False)  # text, and what else is no weight; nothing reads it
        declared = math.prod(shape) * kind.itemsize
        stored = dataset.id.get_storage_size()
        if declared > FLOOR_BYTES and declared > MAX_EXPANSION * stored:
            raise self.error(f"{path!r} says {size(declared)} and holds {size(stored)}; refused")
        self.total += declared
        if self.total > self.max_bytes:
            raise self.error(f"its numbers take more than {size(self.max_bytes)}; allow them with --max-bytes")
        creation = dataset.id.get_create_plist()
        for number in range(creation.get_nfilters()):
            code = creation.get_filter(number)[0]
            if code not in OWN_FILTERS:
                raise self.error(f"{path!r} is packed with a filter (number {code}) that HDF5 would load from the disk")
        if dataset.chunks and math.prod(dataset.chunks) * kind.itemsize > MAX_CHUNK_BYTES:
            raise self.error(f"{path!r} is packed in pieces of more than {size(MAX_CHUNK_BYTES)}; refused")
        return Stored(path, tuple(shape), dataset, bfloat16)

    def attributes(self, group: Any, path: str) -> dict[str, Any]:
        """Texts, numbers and lists of texts of a group."""
        names = tuple(group.attrs)
        if len(names) > 10_000:
            raise self.error(f"group {path!r} has {len(names):,} attributes; Keras writes no such files")
        made: dict[str, Any] = {}
        for name in names:
            attribute = group.attrs.get_id(name)
            shape = attribute.shape or ()
            if math.prod(shape) * max(8, attribute.get_type().get_size()) > MAX_ATTRIBUTE_BYTES:
                raise self.error(f"attribute {name!r} has more than {size(MAX_ATTRIBUTE_BYTES)}; refused")
            try:
                made[name] = plain(group.attrs[name])
            except BROKEN:
                continue  # of a type that h5py does not know: nothing that is needed here
        return made

    def texts(self, path: str, name: str) -> list[str]:
        """A list of names, in one attribute or cut into `name0`, `name1`, … as HDF5's headers are small."""
        attributes = self.groups[path].attributes if path in self.groups else {}
        if name in attributes:
            return as_texts(attributes[name])
        return [text for part in parts(attributes, name) for text in as_texts(part)]


def parts(attributes: Mapping[str, Any], name: str) -> Iterator[Any]:
    number = 0
    while f"{name}{number}" in attributes:
        yield attributes[f"{name}{number}"]
        number += 1


def as_texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [str(value)]


def plain(value: Any) -> Any:
    """bytes, NumPy's texts and arrays of them as str and lists."""
    if isinstance(value, bytes | np.bytes_):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return [plain(one) for one in value.reshape(-1).tolist()]
    return value


def size(count: int) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        count = count / 1000  # type: ignore[assignment]
    return ""


def one_line(error: BaseException) -> str:
    """The message of somebody else's exception, in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "…"
