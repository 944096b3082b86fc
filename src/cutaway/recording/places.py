"""Where a recording lies: a place gives the bytes of a key, whole or by range. A folder, or any static web server."""

from __future__ import annotations

import http.client
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from cutaway.errors import RecordingError


class MissingKey(RecordingError):
    """The place answers, and has nothing under that key."""


class Place(Protocol):
    """Bytes by key. Keys are relative paths with forward slashes, for example `checkpoints/000007.safetensors`."""

    location: str
    """The folder's path or the URL, for people."""

    def get(self, key: str) -> bytes:
        """Everything under the key. Raises MissingKey, or RecordingError when the place fails."""
        ...

    def range(self, key: str, start: int, stop: int) -> bytearray:
        """Bytes start to stop; fewer where the file ends earlier."""
        ...

    def size(self, key: str) -> int:
        """Bytes under the key."""
        ...


class FolderPlace:
    """A folder on this machine. Files are opened for each read, so a writer may replace them at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)

    def get(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def range(self, key: str, start: int, stop: int) -> bytearray:
        buffer = bytearray(max(0, min(stop, self.size(key)) - start))
        with self.open(key) as file:
            file.seek(start)
            received = file.readinto(buffer)  # type: ignore[attr-defined]
        return buffer[:received]

    def size(self, key: str) -> int:
        with self.open(key) as file:
            return os.fstat(file.fileno()).st_size

    def open(self, key: str) -> IO[bytes]:
        try:
            return (self.path / key).open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingKey(f"{self.path / key}: missing; the recording was not copied whole") from None
        except OSError as error:
            raise RecordingError(f"{self.path / key}: can't be read ({error.strerror})") from None


class HttpPlace:
    """A folder behind http(s). Asks for ranges; where the server sends the whole file instead, keeps it and goes on."""

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise RecordingError(f"{url} is no address that can be read ({error}); check its spelling") from None
        path = parts.path.removesuffix("recording.json").rstrip("/")
        self.parts = parts._replace(path=path, fragment="")
        self.location = urlunsplit(self.parts)
        self.timeout_s = timeout_s
        self.kept: dict[str, IO[bytes]] = {}
        """Whole files from servers that know no ranges, on disk rather than in memory."""
        self.sizes: dict[str, int] = {}

    def url(self, key: str) -> str:
        """The address of a key; a query in the recording's address (signed buckets) is kept."""
        return urlunsplit(self.parts._replace(path=f"{self.parts.path}/{quote(key)}"))

    def get(self, key: str) -> bytes:
        with self.request(key, {}) as response:
            return self.receive(response, key)

    def range(self, key: str, start: int, stop: int) -> bytearray:
        if key not in self.kept:
            if stop <= start:
                return bytearray()
            with self.request(key, {"Range": f"bytes={start}-{stop - 1}"}) as response:
                if response.status == 206:
                    return self.receive_range(response, key, start, stop)
                self.keep(response, key)
        file = self.kept[key]
        file.seek(start)
        return bytearray(file.read(max(0, stop - start)))

    def size(self, key: str) -> int:
        if key not in self.sizes:
            self.range(key, 0, 1)
        return self.sizes[key]

    def receive_range(self, response: http.client.HTTPResponse, key: str, start: int, stop: int) -> bytearray:
        """The answer to a range request, after checking that it is the range that was asked for."""
        said = response.headers.get("Content-Range", "")
        unit, _, rest = said.partition(" ")
        span, _, total = rest.partition("/")
        if unit != "bytes" or not total.isdecimal() or span.partition("-")[0] != str(start):
            raise RecordingError(f"{self.url(key)}: asked for bytes {start}-{stop - 1}, the server sent {said!r}")
        self.sizes[key] = int(total)
        data = bytearray(self.receive(response, key))
        if len(data) != min(stop, int(total)) - start:
            raise RecordingError(f"{self.url(key)}: asked for {stop - start} bytes, {len(data)} came")
        return data

    def keep(self, response: http.client.HTTPResponse, key: str) -> None:
        """Stores a whole file that was sent instead of a range, piece by piece."""
        file = tempfile.TemporaryFile()
        try:
            while piece := response.read(1 << 20):
                file.write(piece)
        except (OSError, http.client.HTTPException) as error:
            file.close()
            raise RecordingError(f"{self.url(key)}: the transfer broke off ({error!r}); try again") from None
        expected = response.headers.get("Content-Length", "")
        if expected.isdecimal() and file.tell() != int(expected):
            raise RecordingError(f"{self.url(key)}: {file.tell()} of {expected} bytes came; try again")
        self.sizes[key] = file.tell()
        self.kept[key] = file

    def request(self, key: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(self.url(key), headers={"Accept-Encoding": "identity", **headers})
        try:
            response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=self.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (403, 404, 410):  # buckets answer 403 for what is not there
                raise MissingKey(f"{self.url(key)}: not there (the server answers {error.code})") from None
            if error.code == 416:
                raise RecordingError(f"{self.url(key)}: shorter than expected; the file is truncated") from None
            raise RecordingError(f"{self.url(key)}: the server answers {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise RecordingError(f"{self.url(key)}: can't be reached ({reason}); check the address") from None
        return response

    def receive(self, response: http.client.HTTPResponse, key: str) -> bytes:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RecordingError(f"{self.url(key)}: the transfer broke off ({error!r}); try again") from None


def find_place(location: str | os.PathLike[str]) -> Place:
    """The place that a path or URL names; a path or URL of `recording.json` itself means its folder.

    Raises RecordingError when there is no such folder.
    """
    text = os.fspath(location)
    if text.startswith(("http://", "https://")):
        return HttpPlace(text)
    path = Path(text).expanduser()
    if path.name == "recording.json" and path.is_file():
        path = path.parent
    if not path.exists():
        raise RecordingError(f"{path}: no such folder; give a recording's folder or its http(s) address")
    if not path.is_dir():
        raise RecordingError(f"{path}: a file, not a recording's folder; `cutaway record` makes one from a model")
    return FolderPlace(path)
