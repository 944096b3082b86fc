"""An engine in a process of its own: what a hostile file makes it do, crash, hang or eat memory, stays there.

Messages are a length, JSON, and the arrays that the JSON announces, as they lie in memory. The parent never unpickles
anything, and reads arrays straight into the place where they are wanted. Used for ONNX Runtime and for LiteRT.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import count
from typing import Any, BinaryIO

import numpy as np

from cutaway.errors import SourceError

START = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"

HEADER_BYTES = 64 << 20
"""The longest JSON that is read: a child that a file has taken over can't fill the parent's memory with it."""

Arrays = dict[str, np.ndarray]
Handler = Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]


class Failed(Exception):
    """The engine refused; the text is its own, in one line."""


class Apart:
    """The parent's side of one engine. The process starts at the first call and goes when nobody calls for a while.

    All models of a format share one: a folder of a hundred checkpoints is not a hundred processes.
    """

    def __init__(self, module: str, what: str) -> None:
        """`module` has the child's `main`; `what` is the engine's name for people."""
        self.module = module
        self.what = what
        self.process: subprocess.Popen[bytes] | None = None
        self.holder = 0
        """Whose model is loaded in the process: a number from `token()`, 0 for nobody's."""
        self.lock = threading.Lock()
        self.calls = 0
        self.watched = False
        """Whether somebody looks after `IDLE_SECONDS` whether the process is still needed."""
        self.greeted = False
        """Whether the process has said that it is there."""

    def call(
        self,
        request: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        *,
        into: Mapping[str, np.ndarray] | None = None,
        seconds: float,
        holder: int | None = None,
    ) -> tuple[dict[str, Any], Arrays]:
        """One question and its answer. Arrays that `into` names are read into its arrays, where they fit them.

        `holder`: whose model this call puts into the process, where it does. Raises Failed with the engine's own
        words, and SourceError when it crashed, took more than `seconds`, or more memory than it was allowed.
        """
        with self.lock:
            process = self.process if self.process is not None and self.process.poll() is None else self.start()
            assert process.stdin is not None
            assert process.stdout is not None
            self.greet(process)
            self.holder = self.holder if holder is None else 0
            with ended_after(process, seconds) as late:
                try:
                    send(process.stdin, dict(request), arrays or {})
                    reply, found = receive(process.stdout, into or {})
                except (OSError, EOFError, ValueError):
                    code = died(process)
                    why = f"took more than {seconds:.0f} s" if late.is_set() else f"crashed ({signal_name(code)})"
                    raise SourceError(f"{self.what} {why}; the file is damaged, or not made for it") from None
                except BaseException:  # interrupted in the middle of an answer: the next one would be out of step
                    process.kill()
                    raise
                finally:
                    self.calls += 1
                    self.watch()
            if "failed" in reply:
                raise Failed(str(reply["failed"]))
            if holder is not None:
                self.holder = holder
        return reply, found

    def ready(self) -> None:
        """Starts the process where there is none, without waiting for it: it gets ready while a file is read."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start()
                self.watch()

    def start(self) -> subprocess.Popen[bytes]:
        code = START.format(path=sys.path, module=self.module)
        self.holder = 0
        if self.process is not None:
            end(self.process)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        widen(self.process.stdout)
        with suppress(OSError):
            send(self.process.stdin, {"do": "start"}, {})
        self.greeted = False
        return self.process

    def greet(self, process: subprocess.Popen[bytes]) -> None:
        """Waits for a process that was started. That takes long on a busy machine; it is not the model's time."""
        if not self.greeted:
            self.greeted = True
            assert process.stdout is not None
            with ended_after(process, START_SECONDS), suppress(OSError, EOFError):
                receive(process.stdout, {})

    def watch(self) -> None:
        """Has somebody look after a while whether the process is still needed."""
        if not self.watched:
            self.watched = True
            later(IDLE_SECONDS, self.rest, self.calls)

    def rest(self, calls: int) -> None:
        """Ends the process unless it was called again since; then it looks again later."""
        free = self.lock.acquire(blocking=False)
        try:
            if not free or calls != self.calls:
                later(IDLE_SECONDS, self.rest, self.calls)
            elif self.process is not None:
                end(self.process)
                self.process, self.holder, self.watched = None, 0, False
        finally:
            if free:
                self.lock.release()


START_SECONDS, IDLE_SECONDS = 60.0, 20.0
SHARED: dict[str, Apart] = {}
TOKENS = count(1)


def shared(module: str, what: str) -> Apart:
    """The process of an engine."""
    return SHARED.setdefault(module, Apart(module, what))


def token() -> int:
    """A number that stands for one model."""
    return next(TOKENS)


def later(seconds: float, work: Callable[[int], None], number: int) -> None:
    timer = threading.Timer(seconds, work, (number,))
    timer.daemon = True
    timer.start()


@contextmanager
def ended_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kills a process that is still at it after `seconds`; the event says that this happened."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def died(process: subprocess.Popen[bytes]) -> int:
    """How a process ended that answers no more; one that is still there is made to."""
    try:
        return process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def end(process: subprocess.Popen[bytes]) -> None:
    """Closes both pipes, which ends the child, and waits for it."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    process.wait()


def widen(pipe: Any) -> None:
    """A pipe holds 64 KB; with 1 MB large arrays need fewer changes between the two processes (Linux only)."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def send(pipe: Any, message: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    packed = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    message = {**message, "arrays": [[name, a.dtype.str, list(a.shape)] for name, a in packed.items()]}
    text = json.dumps(message).encode()
    write(pipe, struct.pack("<Q", len(text)) + text)
    for values in packed.values():
        if values.size:
            write(pipe, flat_bytes(values))


def flat_bytes(values: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, where they lie."""
    return values.reshape(-1).view(np.uint8).data


def write(pipe: Any, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[pipe.write(rest) :]


def receive(pipe: Any, into: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], Arrays]:
    """Raises EOFError where the other side is gone, ValueError for what can't be an answer."""
    size = struct.unpack("<Q", read(pipe, bytearray(8)))[0]
    if size > HEADER_BYTES:
        raise ValueError("a header that long")
    message = json.loads(bytes(read(pipe, bytearray(size))))
    arrays: Arrays = {}
    for name, kind, shape in message.pop("arrays"):
        dtype = np.dtype(kind)
        if dtype.hasobject:
            raise ValueError("objects")
        place = into.get(name)
        if place is not None and place.dtype == dtype and list(place.shape) == list(shape) and place.flags.c_contiguous:
            arrays[name] = place
        else:
            arrays[name] = np.empty(shape, dtype)
        if arrays[name].size:
            read(pipe, flat_bytes(arrays[name]))
    return message, arrays


def read(pipe: Any, place: bytearray | memoryview) -> bytearray | memoryview:
    rest = memoryview(place)
    while rest:
        count = pipe.readinto(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return place


# --- the child's side ------------------------------------------------------------------------------------------------


def serve(handlers: Mapping[str, Handler], library: str) -> None:
    """Answers until the parent is gone. What libraries print goes nowhere: stdout is the parent's.

    `library` is imported first of all: what is slow to import is ready when the parent has read the file.
    """

    def begin(request: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        import_module(library)
        return {}, {}

    handlers = {"start": begin, **handlers}
    out: BinaryIO = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    source: BinaryIO = os.fdopen(0, "rb", buffering=0)
    widen(out)
    while True:
        try:
            request, arrays = receive(source, {})
        except (EOFError, OSError):
            return
        try:
            reply, found = handlers[request["do"]](request, arrays)
        except MemoryError:
            reply, found = {"failed": "it needs more memory than a model of this size should"}, {}
        except Exception as error:  # whatever an engine raises is told to the parent
            reply, found = {"failed": f"{type(error).__name__}: {error}"}, {}
        send(out, reply, found)


def limit_memory(more: int) -> None:
    """Lets this process grow by `more` bytes of its own and no further, where the system can (Linux)."""
    with suppress(ImportError, OSError, ValueError, StopIteration):
        import resource

        with open("/proc/self/status") as file:
            now = int(next(line for line in file if line.startswith("VmData:")).split()[1]) << 10
        # Stacks and heaps of the engine's threads come on top.
        most = now + more + (os.cpu_count() or 1) * (16 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
