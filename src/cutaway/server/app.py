"""The routes: the viewer's files; a recording's keys under `/recording/` and its changes under `/events`; a second
recording's keys under `/compare/` and its changes under `/events/compare`.

What isn't a key of a recording by its very form is never looked up, so no path, encoded in whatever way,
leads out of the recording's folder. Requests under a host name that isn't the server's own are refused: a page
that points its own name at this address (DNS rebinding) reads nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutaway.server.events import Watch
from cutaway.server.files import file_response, not_found
from cutaway.server.remote import remote_response

KEY = re.compile(
    r"recording\.json|metrics\.jsonl|insights\.jsonl|samples\.safetensors"
    r"|(checkpoints|activations|gradients|orders)/\d{6}\.safetensors"
    r"|summary/\d{6}\.json",
    re.ASCII,
)
"""Every file that a recording can have (docs/recording.md)."""

REVALIDATED = {"cache-control": "no-cache"}
IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def content_policy(page: str) -> str:
    """The content security policy of a page: everything from here, and the inline scripts that it has now."""
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline)
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        # Inline styles are what the interface's components set on their elements.
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self' blob: data:; "
        "worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


Endpoint = Callable[[Request], Awaitable[Response]]
Location = Path | Callable[[str], str]
"""A recording's folder, or what tells the address of a key of one that lies on another web server."""


class Served(NamedTuple):
    """A recording, and what watches it."""

    location: Location
    watch: Watch


def create_app(recording: Served, viewer: Path, hosts: Collection[str], compare: Served | None = None) -> ASGIApp:
    """The application for one recording, and one that it is compared with.

    `viewer` is the folder with the built viewer; `hosts` are the names, lower case and without port, under which
    requests are answered, "*" standing for any address written in numbers.
    """
    places = [("/recording/", "/events", recording)]
    if compare is not None:
        places.append(("/compare/", "/events/compare", compare))
    routes = [
        *(
            Route(f"{prefix}{{key:path}}", recording_endpoint(prefix, served.location), methods=["GET"])
            for prefix, _, served in places
        ),
        *(Route(events, served.watch.endpoint, methods=["GET"]) for _, events, served in places),
        Route("/{path:path}", viewer_endpoint(viewer), methods=["GET"]),
    ]
    page = (viewer / "index.html").read_text(encoding="utf-8")
    return Guard(Starlette(routes=routes), hosts, SECURITY | {"content-security-policy": content_policy(page)})


def recording_endpoint(prefix: str, recording: Location) -> Endpoint:
    """Answers for the keys of a recording, which begin with `prefix`."""
    place = recording.resolve() if isinstance(recording, Path) else recording

    async def endpoint(request: Request) -> Response:
        # Not the route's parameter: its pattern lets a last line break go.
        key = request.scope["path"].removeprefix(prefix)
        if KEY.fullmatch(key) is None:
            return not_found()
        head = request.method == "HEAD"
        if not isinstance(place, Path):
            return await remote_response(place(key), request.headers, head=head, extra=REVALIDATED)
        path = place / key
        # The checkpoints' folder may not be a link to somewhere else either.
        if path.parent.resolve() != path.parent:
            return not_found()
        return await file_response(path, request.headers, head=head, extra=REVALIDATED)

    return endpoint


def viewer_endpoint(viewer: Path) -> Endpoint:
    """Answers for the files of the built viewer."""
    root = viewer.resolve()

    async def endpoint(request: Request) -> Response:
        wanted = request.scope["path"].removeprefix("/") or "index.html"
        parts = wanted.split("/")
        if any(part in ("", "..") or part.startswith(".") or re.search(r"[\\:\0-\x1f]", part) for part in parts):
            return not_found()
        path = root.joinpath(*parts)
        if path.resolve() != path:
            return not_found()
        # The build puts a digest of their content into these files' names.
        extra = IMMUTABLE if PurePosixPath(wanted).parts[0] == "assets" else REVALIDATED
        return await file_response(path, request.headers, head=request.method == "HEAD", extra=extra)

    return endpoint


class Guard:
    """Refuses other host names, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], fields: Mapping[str, str]) -> None:
        self.app = app
        self.fields = fields
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.fields.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif is_own(Headers(scope=scope).getlist("host"), self.hosts):
            await self.app(scope, receive, send_guarded)
        else:
            text = f"this server answers only as {', '.join(sorted(self.hosts - {'*'}))}\n"
            await PlainTextResponse(text, 421)(scope, receive, send_guarded)


def is_own(values: list[str], hosts: Collection[str]) -> bool:
    """Whether a request's Host header is one of ours, with whatever port (tunnels change it).

    A page can point a *name* at this machine, but not a number: "*" lets through any address in numbers.
    """
    if len(values) != 1:
        return False
    try:
        name = urlsplit(f"//{values[0]}").hostname or ""
    except ValueError:
        return False
    if re.search(r"[@/?#\\\s]", values[0]):
        return False
    name = name.rstrip(".")
    return name in hosts or ("*" in hosts and re.fullmatch(r"[\d.]+|[\da-f:.]*:[\da-f:.]*", name) is not None)
