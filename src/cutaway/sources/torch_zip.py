"""Members of the zip archives that PyTorch writes, by byte range: never compressed, never unpacked to disk."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from cutaway.errors import SourceError

DIRECTORY_LIMIT = 16 << 20
"""Bytes of the archive's own table: a hundred thousand members."""

END = 65_557
"""The last bytes of a zip archive, in which its table's place is told."""


class Archive:
    """What lies where in the file. Raises SourceError for what is no archive of PyTorch's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        check_directory(path, self.size)
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, EOFError, OverflowError) as error:
            raise SourceError(f"{path}: a damaged zip archive ({error}); copy it again") from None
        names = [info.filename for info in infos]
        self.folder = names[0].split("/")[0] + "/" if names and "/" in names[0] else ""
        self.members = {info.filename.removeprefix(self.folder): info for info in infos}

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def holds(self, start: str, end: str = "") -> bool:
        """Whether a member's name begins and ends so."""
        return any(name.startswith(start) and name.endswith(end) for name in self.members)

    def place(self, name: str) -> tuple[int, int]:
        """(first byte, count) of a member. Raises SourceError: absent, compressed, or reaching past the end."""
        info = self.members.get(name)
        if info is None:
            raise SourceError(f"{self.path}: {name} is missing in it; it is damaged: copy it again")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise SourceError(f"{self.path}: {name} in it is compressed, which PyTorch never does; refused")
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise SourceError(f"{self.path}: {name} is not where its table says; it is damaged: copy it again")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        start = info.header_offset + 30 + name_length + extra_length
        if start + info.file_size > self.size:
            raise SourceError(
                f"{self.path}: truncated: {name} needs {info.file_size:,} bytes, {max(0, self.size - start):,} are "
                "there; copy it again"
            )
        return start, info.file_size

    def read(self, name: str, limit: int) -> bytes:
        """A whole member of at most `limit` bytes."""
        start, count = self.place(name)
        if count > limit:
            raise SourceError(f"{self.path}: {name} in it has {count:,} bytes, at most {limit:,} are read")
        return piece(self.path, start, count)


def piece(path: Path, start: int, count: int) -> bytes:
    """Bytes of a file. Raises SourceError when it ends before."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(count)
    if len(data) != count:
        raise SourceError(f"{path}: truncated; copy it again")
    return data


def check_directory(path: Path, size: int) -> None:
    """Refuses a table so large that reading it would take all memory."""
    with path.open("rb") as file:
        file.seek(max(0, size - END))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise SourceError(f"{path}: truncated: a zip archive without its end; copy it again")
    count = int.from_bytes(tail[at + 12 : at + 16], "little")
    big = tail.rfind(b"PK\x06\x06")
    if big >= 0:
        count = max(count if count != 0xFFFFFFFF else 0, int.from_bytes(tail[big + 40 : big + 48], "little"))
    if count > DIRECTORY_LIMIT:
        raise SourceError(f"{path}: a zip archive whose table has {count:,} bytes; PyTorch writes no such files")
