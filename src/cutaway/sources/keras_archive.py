"""What lies in a Keras file: the configuration (JSON), the weights (HDF5), and which Keras wrote them.

    .keras        zip of config.json, model.weights.h5, metadata.json     Keras 3, and 2.12 on
    .h5           HDF5 with the attribute model_config and the group model_weights
    .weights.h5   HDF5 with weights alone
    .json         `model.to_json()`, the configuration alone

Nothing is unpacked onto the disk, and nothing in a configuration is imported or called.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cutaway.errors import SourceError
from cutaway.sources import How
from cutaway.sources.keras_hdf5 import Hdf5, one_line, size

MAX_CONFIG_BYTES = 16 << 20
MAX_CONFIG_PARTS = 1_000_000
"""Objects and lists in a configuration; a network of a thousand layers has some 50,000."""

MAX_RATIO = 200
"""What a member of a zip may grow by when it is unpacked; JSON shrinks to a tenth, weights hardly at all."""

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"


@dataclass(frozen=True)
class Opened:
    """A model's configuration and its weights; either may be missing."""

    path: Path
    config: dict[str, Any] | None
    weights: Hdf5 | None
    version: str
    """Keras's own: "3.15.1", "2.4.0", or "" where the file does not tell."""
    backend: str = ""


def read(path: Path, how: How) -> Opened:
    """Opens one file. Raises SourceError when it is damaged, is something else, or is a trap."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return read_zip(path, how)
    if head.startswith(b"\x89HDF"):
        return read_hdf5(path, how)
    if path.suffix == ".json" or head.lstrip()[:1] == b"{":
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise SourceError(f"{path}: a configuration of {size(path.stat().st_size)}; no model has as much")
        config = parse(path.read_bytes(), str(path))
        return Opened(path, config, None, str(config.get("keras_version", "")), str(config.get("backend", "")))
    if not head:
        raise SourceError(f"{path}: empty; download or copy it again")
    raise SourceError(f"{path}: neither a .keras archive nor HDF5; download or copy it again")


def read_hdf5(path: Path, how: How) -> Opened:
    weights = Hdf5(path.open("rb"), str(path), how.max_bytes)
    attributes = dict(weights.groups[""].attributes)
    if "model_weights" in weights.groups:
        attributes = {**weights.groups["model_weights"].attributes, **attributes}
    given = attributes.get("model_config")
    config = None if given is None else parse(str(given).encode("utf-8", "replace"), str(path))
    version, backend = str(attributes.get("keras_version", "")), str(attributes.get("backend", ""))
    return Opened(path, config, weights, version, backend)


def read_zip(path: Path, how: How) -> Opened:
    try:
        archive = zipfile.ZipFile(path)
        members = {member.filename: member for member in archive.infolist()}
        if CONFIG not in members:
            raise SourceError(f"{path}: a zip without {CONFIG}, so not a Keras model; save it with model.save()")
        config = parse(unpacked(archive, members[CONFIG], path, MAX_CONFIG_BYTES), f"{path}: {CONFIG}")
        told = {}
        if METADATA in members:
            told = parse(unpacked(archive, members[METADATA], path, 1 << 20), f"{path}: {METADATA}")
        weights = None
        if WEIGHTS in members:
            file = opened(archive, members[WEIGHTS], path, how.max_bytes)
            weights = Hdf5(file, f"{path}: {WEIGHTS}", how.max_bytes)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, EOFError, RuntimeError) as error:
        raise SourceError(
            f"{path}: not a whole .keras archive ({one_line(error)}); download or copy it again"
        ) from None
    return Opened(path, config, weights, str(told.get("keras_version", "")))


def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, most: int) -> bytes:
    """The bytes of a member. What it says of its size is checked first, and is not trusted while reading."""
    check_size(member, path, most)
    try:
        with archive.open(member) as stream:
            data = stream.read(member.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{path}: {member.filename} is damaged ({one_line(error)}); copy the file again") from None
    if len(data) != member.file_size:
        raise SourceError(f"{path}: {member.filename} is not as long as the archive says; copy the file again")
    return data


def check_size(member: zipfile.ZipInfo, path: Path, most: int) -> None:
    if member.file_size > most:
        raise SourceError(
            f"{path}: {member.filename} unpacks to {size(member.file_size)}, {size(most)} are allowed"
            + ("; allow more with --max-bytes" if member.filename == WEIGHTS else "; no model has as much")
        )
    if member.file_size > 1 << 20 and member.file_size > MAX_RATIO * max(1, member.compress_size):
        raise SourceError(
            f"{path}: {member.filename} is {size(member.compress_size)} that grow to {size(member.file_size)}; refused"
        )


def opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, most: int) -> Any:
    """A member to read from anywhere: where it lies, as Keras stores it, or else unpacked in memory."""
    if member.compress_type != zipfile.ZIP_STORED:
        return io.BytesIO(unpacked(archive, member, path, most))
    check_size(member, path, most)
    with archive.open(member):  # reads and checks the header that stands before the bytes
        pass
    file = path.open("rb")
    file.seek(member.header_offset)
    header = file.read(30)
    start = (
        member.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    )
    if start + member.file_size > path.stat().st_size:
        raise SourceError(f"{path}: {member.filename} is cut off; download or copy it again")
    window = Window(file, start, member.file_size)
    check = 0
    while part := window.read(1 << 20):
        check = zlib.crc32(part, check)
    if check != member.CRC:
        raise SourceError(f"{path}: {member.filename} is damaged (its checksum is another); copy the file again")
    return window


class Window(io.BufferedIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self.file, self.start, self.length, self.at = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self.at, 2: self.length}[whence]
        self.at = max(0, base + offset)
        return self.at

    def read(self, count: int | None = -1, /) -> bytes:
        left = max(0, self.length - self.at)
        wanted = left if count is None or count < 0 else min(count, left)
        self.file.seek(self.start + self.at)
        data = self.file.read(wanted)
        self.at += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def parse(text: bytes, what: str) -> dict[str, Any]:
    """A configuration. Raises SourceError when it is no JSON object, or larger than any model's."""
    if len(text) > MAX_CONFIG_BYTES or text.count(b"{") + text.count(b"[") > MAX_CONFIG_PARTS:
        raise SourceError(f"{what}: a configuration of {size(len(text))}; no model has as much, refused")
    try:
        found = json.loads(text)  # not msgspec: Keras writes Infinity and NaN as Python does
    except ValueError as error:
        raise SourceError(f"{what}: not JSON ({one_line(error)}); download or copy it again") from None
    except RecursionError:
        raise SourceError(f"{what}: nested deeper than any model; refused") from None
    if not isinstance(found, dict):
        raise SourceError(f"{what}: not the configuration of a model; save it with model.save() or model.to_json()")
    return found
