"""Binding a port, serving from a background thread, and ending cleanly."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from cutaway.errors import ServerError
from cutaway.recording.places import FolderPlace, HttpPlace
from cutaway.server.app import Location, Served, create_app
from cutaway.server.events import Watch
from cutaway.server.looks import look_at

if TYPE_CHECKING:
    from cutaway.recording.store import Recording

PORT = 7410
"""Tried first; a free one is taken when it is in use."""

BUNDLE = Path(__file__).parent.parent / "static"
EVERYWHERE = {"", "0.0.0.0", "::"}


class Server(uvicorn.Server):
    """uvicorn's server, which ends streams that would go on for ever, and can cut off what is still being sent."""

    loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, config: uvicorn.Config, watches: Iterable[Watch]) -> None:
        super().__init__(config)
        self.watches = tuple(watches)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for watch in self.watches:
            watch.close()
        await super().shutdown(sockets)

    def cut_off(self) -> None:
        """Close all connections at once; called from another thread."""
        self.force_exit = True
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self.loop.call_soon_threadsafe(self.abort_connections)

    def abort_connections(self) -> None:
        # Merely closed, a connection first waits until a client that no longer reads has taken everything.
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


class Viewer:
    """A running server. `url` is the page's address; `close()` ends it, and a `with` block does so too."""

    def __init__(self, url: str, server: Server, listener: socket.socket) -> None:
        self.url = url
        self.server = server
        self.thread = threading.Thread(target=self.run, args=(listener,), name="cutaway-server", daemon=True)
        self.thread.start()

    def run(self, listener: socket.socket) -> None:
        try:
            self.server.run(sockets=[listener])
        finally:
            listener.close()

    def close(self) -> None:
        """Stop answering. Waits a moment for transfers that are under way, then cuts them off."""
        self.server.should_exit = True
        self.thread.join(0.5)
        if self.thread.is_alive():
            self.server.cut_off()
            self.thread.join(5)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<cutaway viewer at {self.url}>"


def start(
    recording: Recording | str | os.PathLike[str],
    *,
    compare: Recording | str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    bundle: Path = BUNDLE,
) -> Viewer:
    """Serve a recording from a background thread.

    `recording` may also be the path or the address of one, and so may `compare`, which the page then shows beside it;
    a taken `port`, or 0, gives a free one; `bundle` is the folder of the built viewer. Raises ServerError: no bundle,
    no such host, no permission to listen there.
    """
    if not (bundle / "index.html").is_file():
        raise ServerError(
            f"the viewer is not built: {bundle / 'index.html'} is missing; run 'make build' in the clone, "
            "or install a released package (pip install cutaway)"
        )
    one = served(recording)
    other = None if compare is None else served(compare)
    listener = listen(host, port)
    bound = listener.getsockname()[1]
    config = uvicorn.Config(
        create_app(one, bundle, own_names(host), other),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    # Warnings and errors still reach stderr through logging's last resort.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    watches = [each.watch for each in (one, other) if each is not None]
    query = "" if other is None else "?b=compare/"
    return Viewer(f"http://{shown_host(host)}:{bound}/{query}", Server(config, watches), listener)


def serve(
    recording: Recording | str | os.PathLike[str],
    *,
    compare: Recording | str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    open_browser: bool = True,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a recording until Ctrl-C or SIGTERM; `announce` gets the page's address first. Arguments as for `start`."""
    with interruptible() as ended, start(recording, compare=compare, host=host, port=port) as viewer:
        announce(viewer.url)
        if open_browser:
            open_page(viewer.url)
        while not ended.wait(0.5):  # a wait without limit can't be interrupted on Windows
            if not viewer.thread.is_alive():
                raise ServerError("the server has stopped by itself; what happened stands above")


def show(
    recording: Any,
    samples: Any = None,
    *,
    compare: Recording | str | os.PathLike[str] | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    browser: bool = True,
    block: bool | None = None,
    **options: Any,
) -> Viewer:
    """Show a recording, or the path or address of one, in the browser; returns what has `.url` and `.close()`.

    A model (a path, a live PyTorch or Keras model) is recorded first: with `samples` and the `options` of
    `cutaway.record`. `compare` is a second recording of the same architecture, or its path or address: the page shows
    the two side by side.

    `block` waits for Ctrl-C. Left out, a script waits (it would end, and the page with it), and an interactive
    session goes on. Raises ServerError.
    """
    from cutaway.cache import as_recording

    recording = as_recording(recording, samples, **options)
    if block is None:
        block = not (hasattr(sys, "ps1") or sys.flags.interactive or hasattr(builtins, "get_ipython"))
    if not block:
        viewer = start(recording, compare=compare, host=host, port=port)
        if browser:
            open_page(viewer.url)
        return viewer
    with interruptible() as ended, start(recording, compare=compare, host=host, port=port) as viewer:
        print(viewer.url, flush=True)
        if browser:
            open_page(viewer.url)
        while not ended.wait(0.5) and viewer.thread.is_alive():
            pass
    return viewer


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of ending the program where it stands."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    if threading.current_thread() is not threading.main_thread():
        yield ended  # only the main thread may handle signals
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on that port, or on a free one when it is 0 or taken. Raises ServerError."""
    if not 0 <= port <= 65535:
        raise ServerError(f"port must be between 0 and 65535, got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ServerError(f"host {host!r} is not an address of this machine ({error}); try 127.0.0.1") from None
    for attempt in (address, (address[0], 0, *address[2:])):
        listener = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":  # on Windows this would share a port that is in use
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(attempt)
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE and attempt is address and port != 0:
                continue
            if error.errno == errno.EACCES:
                raise ServerError(f"no permission to listen on port {port}; choose one above 1023") from None
            raise ServerError(f"can't listen on {host} port {port}: {error.strerror}; try 127.0.0.1") from None
    raise ServerError(f"no free port on {host}; close a program that holds many, or name a port")


def own_names(host: str) -> set[str]:
    """The host names that requests may carry."""
    names = {"127.0.0.1", "localhost", "::1", host.strip("[]").lower()} - EVERYWHERE
    if host in EVERYWHERE:
        names |= {"*", socket.gethostname().lower(), socket.getfqdn().lower()}
    return names


def shown_host(host: str) -> str:
    """The host as it stands in the page's address."""
    if host in EVERYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def served(recording: Recording | str | os.PathLike[str]) -> Served:
    """A recording to serve, with what watches it. Raises as `location`."""
    where = location(recording)
    return Served(where, Watch(lambda: look_at(where)))


def location(recording: Recording | str | os.PathLike[str]) -> Location:
    """Where a recording's keys are to be had. Raises RecordingError for a path or an address without one."""
    if isinstance(recording, (str, os.PathLike)):
        from cutaway.recording.store import open as open_recording

        recording = open_recording(recording)
    place = recording.place
    if isinstance(place, FolderPlace):
        return place.path
    if isinstance(place, HttpPlace):
        return place.url
    raise ServerError(f"{recording.location}: only recordings in a folder or behind http(s) can be served")


def open_page(url: str) -> None:
    """Open the page in the browser, where there is a desktop to open it on."""
    desktop = os.name == "nt" or sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    # Without a desktop `webbrowser` starts a text browser in this very terminal.
    if not desktop and "BROWSER" not in os.environ:
        print("no desktop found here; open the address above in a browser", file=sys.stderr)
        return
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
