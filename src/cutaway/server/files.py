"""One file over HTTP: Range, ETag, HEAD, gzip (RFC 9110).

A file is opened once per request, and its size and ETag come from the open file: a recording that is
replaced while it is read gives either the old bytes or the new ones, never a mixture.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response, StreamingResponse

CHUNK = 256 * 1024
"""Bytes per read: large enough to be quick, small enough to stop soon after a client has gone."""

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl; charset=utf-8",
    ".safetensors": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
"""Said here, not by the system's table: on some Windows machines that calls JavaScript text/plain."""

SMALLEST_GZIP = 1024
GZIPPED = {".html", ".js", ".css", ".json", ".jsonl", ".svg", ".txt", ".webmanifest"}


class Span(NamedTuple):
    """Bytes `first` up to, but not including, `end`."""

    first: int
    end: int


class Unsatisfiable(Exception):
    """A range that has no byte in the file: 416."""


def byte_range(header: str | None, size: int) -> Span | None:
    """The single range that a Range header asks of `size` bytes; None stands for the whole file.

    What isn't understood, several ranges included, is answered with the whole file, as RFC 9110 §14.2
    allows. Raises Unsatisfiable.
    """
    match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", header or "", re.ASCII | re.IGNORECASE)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, size)
    first = int(match[1])
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Span(first, min(int(match[2]) + 1, size) if match[2] else size)


def matches(header: str, etag: str) -> bool:
    """Whether If-None-Match names this ETag (weak comparison)."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    for part in header.split(","):
        coding, _, weight = part.partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False


class Squeezed:
    """The gzipped files that were asked for last; the bundle's few files stay, a long recording's JSON passes by."""

    def __init__(self, budget_bytes: int = 16 << 20) -> None:
        self.budget_bytes = budget_bytes
        self.held_bytes = 0
        self.entries: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def get(self, path: Path, etag: str, file: io.FileIO) -> bytes:
        """The file's content gzipped; runs in a worker thread."""
        key = (str(path), etag)
        found = self.entries.pop(key, None)
        if found is None:
            found = gzip.compress(file.read(), 6, mtime=0)
            self.held_bytes += len(found)
        self.entries[key] = found
        while self.held_bytes > self.budget_bytes and len(self.entries) > 1:
            self.held_bytes -= len(self.entries.popitem(last=False)[1])
        return found


SQUEEZED = Squeezed()


async def file_response(path: Path, headers: Headers, *, head: bool, extra: Mapping[str, str]) -> Response:
    """Answer GET or HEAD for a file, with `extra` headers; 404 when it can't be opened."""
    try:
        file: io.FileIO | None = await to_thread.run_sync(open_regular, path)
    except OSError:
        return not_found()
    assert file is not None
    try:
        about = os.fstat(file.fileno())
        etag = etag_of(about)
        fields = {"accept-ranges": "bytes", "content-type": TYPES.get(path.suffix, "application/octet-stream"), **extra}
        squeezable = path.suffix in GZIPPED and about.st_size >= SMALLEST_GZIP
        if squeezable:
            fields["vary"] = "accept-encoding"
        ranged = headers.get("range") if headers.get("if-range", etag) == etag else None
        squeeze = squeezable and ranged is None and accepts_gzip(headers.get("accept-encoding", ""))
        fields["etag"] = f'{etag[:-1]}-gzip"' if squeeze else etag
        if "if-none-match" in headers and matches(headers["if-none-match"], fields["etag"]):
            del fields["content-type"]
            return Response(status_code=304, headers=fields)
        if squeeze:
            body = await to_thread.run_sync(SQUEEZED.get, path, etag, file)
            fields |= {"content-encoding": "gzip", "content-length": str(len(body))}
            return Response(b"" if head else body, headers=fields)
        try:
            span = byte_range(ranged, about.st_size)
        except Unsatisfiable:
            text = f"{path.name} has {about.st_size} bytes, none of them in the range asked for\n"
            return PlainTextResponse(text, 416, {**extra, "content-range": f"bytes */{about.st_size}"})
        status = 200 if span is None else 206
        if span is not None:
            fields["content-range"] = f"bytes {span.first}-{span.end - 1}/{about.st_size}"
        first, end = span or (0, about.st_size)
        fields["content-length"] = str(end - first)
        if head:
            return Response(status_code=status, headers=fields)
        response = StreamingResponse(chunks(file, first, end), status, fields)
        file = None  # the generator closes it
        return response
    finally:
        if file is not None:
            file.close()


def etag_of(about: os.stat_result) -> str:
    """The ETag of a file in that state."""
    return f'"{about.st_ino:x}-{about.st_size:x}-{about.st_mtime_ns:x}"'


async def chunks(file: io.FileIO, first: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `first` up to `end`; closes the file, also when the client has gone."""
    try:
        file.seek(first)
        while first < end:
            data = await to_thread.run_sync(file.read, min(CHUNK, end - first))
            if not data:
                return  # the file was cut short meanwhile; the client sees that Content-Length is not met
            first += len(data)
            yield data
    finally:
        file.close()


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, and nothing that merely looks like one (a link, a pipe, a device)."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(str(path))
    return io.FileIO(descriptor, "rb")


def not_found() -> Response:
    """404, not to be kept: a file that a running training has not written yet may be there a moment later."""
    return PlainTextResponse("not here\n", 404, {"cache-control": "no-store"})
