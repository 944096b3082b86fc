"""Server-sent events: what a recording's growing files are now, and again whenever one changes.

One watch looks for all who listen, and only while somebody does. It looks at the files themselves, so that it
does not matter which process, or which machine behind a mounted folder, wrote them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

HEARTBEAT_S = 15.0
"""After this long without news a comment goes out, so that nothing on the way takes the connection for dead."""

RETRY = b"retry: 1000\n\n"
"""Milliseconds after which a page that lost the connection asks again."""

FIELDS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold messages back until it has a few of them
}


class Sight(NamedTuple):
    """Versions of the files that change, None for those that are not there, and whether somebody is writing."""

    recording: str | None
    metrics: str | None
    insights: str | None
    writing: bool

    def message(self) -> bytes:
        return b"data: " + msgspec.json.encode(self._asdict()) + b"\n\n"


class Look(Protocol):
    """One look at a recording; called in a worker thread, `every_s` seconds apart. Raises nothing."""

    every_s: float

    def __call__(self) -> Sight: ...


class Watch:
    """Looks again and again while somebody listens. Everything but the looks runs in the server's event loop."""

    def __init__(self, begin: Callable[[], Look]) -> None:
        """`begin` gives a look that remembers nothing of earlier ones: nobody has looked in between."""
        self.begin = begin
        self.listeners: set[asyncio.Event] = set()
        self.task: asyncio.Task[None] | None = None
        self.latest: Sight | None = None
        self.closed = False

    async def messages(self) -> AsyncIterator[bytes]:
        """What one listener is sent: the state at once, then every change. Ends with `close`."""
        news = asyncio.Event()
        self.listeners.add(news)
        if self.task is None:
            self.latest = None
            self.task = asyncio.create_task(self.look())
        elif self.latest is not None:
            news.set()
        try:
            yield RETRY
            while not self.closed:
                try:
                    await asyncio.wait_for(news.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                news.clear()
                if self.latest is not None and not self.closed:
                    yield self.latest.message()
        finally:
            self.listeners.discard(news)
            if not self.listeners:
                self.task.cancel()
                self.task = None

    async def look(self) -> None:
        look = self.begin()
        while True:
            sight = await to_thread.run_sync(look, abandon_on_cancel=True)
            if sight != self.latest:
                self.latest = sight
                self.wake()
            await asyncio.sleep(look.every_s)

    def wake(self) -> None:
        for news in self.listeners:
            news.set()

    def close(self) -> None:
        """Ends all streams, so that the server can end."""
        self.closed = True
        self.wake()

    async def endpoint(self, request: Request) -> Response:
        """`GET /events`."""
        if request.method == "HEAD":
            return Response(headers=FIELDS)
        return StreamingResponse(self.messages(), headers=FIELDS)
