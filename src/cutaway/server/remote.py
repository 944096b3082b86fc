"""The keys of a recording that lies on another web server, handed through.

The page may not read from another origin unless that server says so, and most static hosts don't; so the
request goes through here, with its range and its conditions, and the answer comes back as it arrives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, build_opener
from urllib.request import Request as RemoteRequest

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from cutaway import __version__
from cutaway.server.files import CHUNK, not_found

TIMEOUT_S = 30
ASKED = ("range", "if-range", "if-none-match")
ANSWERED = ("content-length", "content-range", "content-type", "etag", "last-modified", "accept-ranges")
RELAYED = {200, 206, 304, 416}


class StayOnTheWeb(HTTPRedirectHandler):
    """Follows redirects to http and https only (urllib would follow ftp too)."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> RemoteRequest | None:
        if not newurl.lower().startswith(("http://", "https://")):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> OpenerDirector:
    """An opener that knows http(s), the system's proxies, and nothing else of use to an attacker."""
    return build_opener(ProxyHandler(), StayOnTheWeb())


async def remote_response(url: str, headers: Headers, *, head: bool, extra: Mapping[str, str]) -> Response:
    """Ask `url` for what the page asked of us; 502 with the reason when there is no answer."""
    fields = remote_fields() | {name: headers[name] for name in ASKED if name in headers}
    request = RemoteRequest(url, headers=fields, method="HEAD" if head else "GET")
    try:
        answer = await to_thread.run_sync(fetch, request)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return PlainTextResponse(f"{url} can't be reached: {reason}\n", 502, {"cache-control": "no-store"})
    if answer.status not in RELAYED:
        await to_thread.run_sync(answer.close)
        if answer.status in (404, 410):
            return not_found()
        return PlainTextResponse(f"{url} answered {answer.status}\n", 502, {"cache-control": "no-store"})
    relayed = {name: answer.headers[name] for name in ANSWERED if name in answer.headers} | dict(extra)
    if head or answer.status in (304, 416):
        await to_thread.run_sync(answer.close)
        relayed.pop("content-length" if answer.status == 416 else "", None)
        return Response(status_code=answer.status, headers=relayed)
    return StreamingResponse(pieces(answer), answer.status, relayed)


def remote_fields() -> dict[str, str]:
    """The headers of every request."""
    # "identity": byte ranges are ranges of the file, not of a compressed form of it.
    return {"user-agent": f"cutaway/{__version__}", "accept-encoding": "identity"}


def fetch(request: RemoteRequest, timeout_s: float = TIMEOUT_S) -> HTTPResponse:
    """Open the request; an answer with an error status is an answer too. Runs in a worker thread."""
    try:
        return cast(HTTPResponse, opener().open(request, timeout=timeout_s))
    except HTTPError as error:
        return cast(HTTPResponse, error)


async def pieces(answer: HTTPResponse) -> AsyncIterator[bytes]:
    """The body as it arrives; closes the connection, also when the client has gone."""
    try:
        while data := await to_thread.run_sync(answer.read1, CHUNK):
            yield data
    finally:
        answer.close()
