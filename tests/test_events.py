"""Server-sent events over real HTTP, while other processes write: what arrives, in which order, and how it ends."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Served

from cutaway.errors import RecordingError
from cutaway.recording.lock import is_held, lock_of, locked
from cutaway.server import Viewer, looks, start
from cutaway.server.looks import Activity, FolderLook, RemoteFile

TESTS = Path(__file__).parent
TINY = TESTS / "fixtures/tiny"
LONG_S = 20.0
"""Nothing here takes a second; a test that waits this long has failed."""


class Listener:
    """One open stream of events, read in a thread of its own."""

    def __init__(self, url: str, events: str = "events") -> None:
        self.client = httpx.Client(timeout=LONG_S)
        self.answer = self.client.send(self.client.build_request("GET", f"{url}{events}"), stream=True)
        self.messages: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.ended: str | None = None
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self) -> None:
        try:
            for line in self.answer.iter_lines():
                self.lines.append(line)
                if line.startswith("data: "):
                    self.messages.append(json.loads(line.removeprefix("data: ")))
            self.ended = "cleanly"
        except (httpx.HTTPError, httpx.StreamError) as error:
            self.ended = repr(error)

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message from now on, or the latest one, that is as wanted."""
        seen = max(0, len(self.messages) - 1)
        until = time.monotonic() + LONG_S
        while time.monotonic() < until:
            for message in self.messages[seen:]:
                if wanted(message):
                    return message
            time.sleep(0.02)
        raise AssertionError(f"no such message among {self.messages}")

    def first(self) -> dict[str, Any]:
        return self.wait(lambda _: True)

    def change(self, field: str, since: dict[str, Any]) -> dict[str, Any]:
        return self.wait(lambda message: message[field] != since[field])

    def close(self) -> None:
        """Hangs up."""
        connection = self.answer.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):  # the server has hung up
            connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.client.close()


@contextmanager
def listening(url: str, events: str = "events") -> Iterator[Listener]:
    listener = Listener(url, events)
    try:
        yield listener
    finally:
        listener.close()


class Growing:
    """A process that writes a recording and does as it is told (fixtures/growing.py)."""

    def __init__(self, run: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fixtures.growing", str(TINY), str(run)],
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def do(self, what: str) -> None:
        """Returns when it is done."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().split() == what.split()[:1]

    def end(self) -> None:
        self.process.communicate("end\n", timeout=LONG_S)


@contextmanager
def growing(run: Path) -> Iterator[Growing]:
    process = Growing(run)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.communicate()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    (folder / "index.html").write_text("<!doctype html><title>Cutaway</title>")
    return folder


@pytest.fixture
def viewer(recording_folder: Path, bundle: Path) -> Iterator[Viewer]:
    with start(recording_folder, port=0, bundle=bundle) as running:
        yield running


def test_what_another_process_commits_arrives(tmp_path: Path, bundle: Path) -> None:
    run = tmp_path / "run"
    with growing(run) as process, start(run, port=0, bundle=bundle) as viewer, listening(viewer.url) as listener:
        first = listener.first()
        assert first["writing"]
        assert first["metrics"] is None
        assert first["insights"] is None
        process.do("half")
        process.do("metrics 3")
        # A checkpoint's files alone are no news: only the index makes it one.
        measured = listener.change("metrics", first)
        assert measured["recording"] == first["recording"]
        process.do("add")
        added = listener.change("recording", measured)
        assert added["metrics"] == measured["metrics"]
        assert len(httpx.get(f"{viewer.url}recording/recording.json").json()["checkpoints"]) == 1
        process.end()
        assert listener.wait(lambda message: not message["writing"])["recording"] == added["recording"]


def test_the_versions_are_the_files_etags(viewer: Viewer) -> None:
    with listening(viewer.url) as listener:
        first = listener.first()
        assert first["writing"] is False
        assert first["insights"] is None
        for name, key in (("recording", "recording.json"), ("metrics", "metrics.jsonl")):
            answer = httpx.get(f"{viewer.url}recording/{key}", headers={"accept-encoding": "identity"})
            assert answer.headers["etag"] == first[name]


def test_the_folder_replaced_removed_and_back(viewer: Viewer, recording_folder: Path, tmp_path: Path) -> None:
    with listening(viewer.url) as listener:
        first = listener.first()
        shutil.copytree(recording_folder, tmp_path / "other")
        recording_folder.rename(tmp_path / "old")
        gone = listener.wait(lambda message: message["recording"] is None)
        assert gone["metrics"] is None
        (tmp_path / "other").rename(recording_folder)
        back = listener.wait(lambda message: message["recording"] is not None)
        assert back["recording"] != first["recording"]
        # Swapped within one look: still news.
        shutil.copytree(recording_folder, tmp_path / "third")
        recording_folder.rename(tmp_path / "second")
        (tmp_path / "third").rename(recording_folder)
        listener.change("recording", back)


def test_insights_and_what_is_no_plain_file(viewer: Viewer, recording_folder: Path) -> None:
    with listening(viewer.url) as listener:
        first = listener.first()
        (recording_folder / "insights.jsonl").write_text("{}\n")
        told = listener.change("insights", first)
        (recording_folder / "insights.jsonl").unlink()
        (recording_folder / "insights.jsonl").symlink_to("/etc/hostname")
        assert listener.change("insights", told)["insights"] is None


def test_listeners_come_and_go_and_share_one_watch(viewer: Viewer, recording_folder: Path) -> None:
    (watch,) = viewer.server.watches
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(viewer.url)) for _ in range(5)]
        states = [listener.first() for listener in listeners]
        assert all(state == states[0] for state in states)
        task = watch.task
        listeners.pop().close()
        with (recording_folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 3}\n')
        for listener in listeners:
            listener.change("metrics", states[0])
        assert watch.task is task
        assert len(watch.listeners) == 4
    # Nobody listens: nobody looks.
    until = time.monotonic() + LONG_S
    assert task is not None
    while not task.cancelling() and time.monotonic() < until:
        time.sleep(0.02)
    assert task.cancelling()
    assert not watch.listeners
    with listening(viewer.url) as listener:
        assert listener.first()["metrics"] != states[0]["metrics"]


def test_heartbeat(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutaway.server.events.HEARTBEAT_S", 0.05)
    with listening(viewer.url) as listener:
        until = time.monotonic() + LONG_S
        while listener.lines.count(": still here") < 3 and time.monotonic() < until:
            time.sleep(0.02)
        assert listener.lines.count(": still here") >= 3
        assert len(listener.messages) == 1


def test_a_second_recording_has_events_of_its_own(tmp_path: Path, recording_folder: Path, bundle: Path) -> None:
    b = tmp_path / "b"
    with growing(b) as process, start(recording_folder, compare=b, port=0, bundle=bundle) as viewer:
        base = viewer.url.partition("?")[0]
        with listening(base) as first, listening(base, "events/compare") as second:
            before = second.first()
            assert (first.first()["writing"], before["writing"]) == (False, True)
            process.do("add")
            second.change("recording", before)
            assert len(first.messages) == 1
        viewer.close()
        assert not viewer.thread.is_alive()
    with start(recording_folder, port=0, bundle=bundle) as viewer:
        assert httpx.get(f"{viewer.url}events/compare").status_code == 404


def test_headers_hosts_and_methods(viewer: Viewer) -> None:
    with listening(viewer.url) as listener:
        headers = listener.answer.headers
        assert headers["content-type"] == "text/event-stream"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
    assert httpx.get(f"{viewer.url}events", headers={"host": "elsewhere.example"}).status_code == 421
    assert httpx.post(f"{viewer.url}events").status_code == 405
    head = httpx.head(f"{viewer.url}events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")


def test_closing_ends_open_streams(recording_folder: Path, bundle: Path) -> None:
    with start(recording_folder, port=0, bundle=bundle) as viewer:
        listeners = [Listener(viewer.url) for _ in range(3)]
        for listener in listeners:
            listener.first()
        viewer.close()
        assert not viewer.thread.is_alive()
        for listener in listeners:
            listener.thread.join(LONG_S)
            assert listener.ended == "cleanly"
            listener.close()


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_ends_the_command_with_open_streams(recording_folder: Path, served: Served, number: int) -> None:
    with served("open", recording_folder, "--port", 0) as running, listening(running.url) as listener:
        listener.first()
        assert running.end(number) == 0
        assert "Traceback" not in running.stderr
        assert "rror" not in running.stderr


def test_a_recording_without_a_checkpoint_yet_opens(tmp_path: Path, served: Served) -> None:
    with growing(tmp_path / "run") as process, served("open", tmp_path / "run", "--port", 0) as running:
        with listening(running.url) as listener:
            first = listener.first()
            assert first["writing"]
            process.do("add")
            listener.change("recording", first)
        assert running.end(2) == 0


# --- whether somebody writes -----------------------------------------------------------------------------------------


def test_asking_for_the_lock_turns_no_writer_away(tmp_path: Path) -> None:
    path = lock_of(tmp_path / "run")
    assert not is_held(path)
    assert not path.exists()
    path.touch()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_held(path)
            time.sleep(0.0005)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            with locked(path, tmp_path / "run"):
                assert is_held(path)
                with pytest.raises(RecordingError, match="another process is recording"), locked(path, tmp_path):
                    pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not is_held(path)


def test_without_a_lock_changes_tell(recording_folder: Path) -> None:
    look = FolderLook(recording_folder)
    # What lies there fresh, with no lock beside it, was finished on this machine.
    assert not look().writing
    with (recording_folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3}\n')
    assert look().writing
    assert not FolderLook(recording_folder)().writing
    # A lock file that nobody here holds: its holder may be on another machine, as long as files are fresh.
    lock_of(recording_folder).touch()
    assert FolderLook(recording_folder)().writing
    for key in looks.KEYS[:2]:
        os.utime(recording_folder / key, (time.time() - 60, time.time() - 60))
    assert not FolderLook(recording_folder)().writing


def test_whoever_let_go_of_the_lock_writes_no_more(recording_folder: Path) -> None:
    look = FolderLook(recording_folder)
    with locked(lock_of(recording_folder), recording_folder):
        assert look().writing
        with (recording_folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 3}\n')
    assert not look().writing


def test_a_slow_training_is_not_over_between_its_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("cutaway.server.looks.time.monotonic", lambda: now[0])
    activity = Activity()

    def after(seconds: float, version: str) -> bool:
        now[0] += seconds
        return activity.goes_on((version,))

    assert not after(0, "a")
    assert after(1, "b")
    assert not after(11, "b")
    assert after(49, "c")
    assert after(150, "c")
    assert not after(40, "c")


# --- recordings on another web server --------------------------------------------------------------------------------


@contextmanager
def static_host(folder: Path, told: tuple[str, ...]) -> Iterator[str]:
    """A file server that tells only these of its headers."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, directory=str(folder), **more)  # type: ignore[arg-type]

        def send_header(self, keyword: str, value: str) -> None:
            if keyword.lower() in told:
                super().send_header(keyword, value)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("told", [("content-length", "content-type", "last-modified"), ("content-length",)])
def test_a_remote_recording(recording_folder: Path, bundle: Path, told: tuple[str, ...]) -> None:
    with (
        static_host(recording_folder, told) as far,
        start(far, port=0, bundle=bundle) as viewer,
        listening(viewer.url) as listener,
    ):
        first = listener.first()
        assert first["recording"] is not None
        assert first["metrics"] is not None
        assert first["insights"] is None
        assert not first["writing"]
        with (recording_folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 3}\n')
        changed = listener.change("metrics", first)
        assert changed["writing"]
        assert changed["recording"] == first["recording"]


def test_a_remote_recording_on_a_server_with_etags(tmp_path: Path, bundle: Path) -> None:
    run = tmp_path / "run"
    with (
        growing(run) as process,
        start(run, port=0, bundle=bundle) as far,
        start(f"{far.url}recording", port=0, bundle=bundle) as viewer,
        listening(viewer.url) as listener,
    ):
        first = listener.first()
        process.do("add")
        added = listener.change("recording", first)
        assert added["writing"]
        far.close()
        # A server that is gone for a while is no news: what was known stays.
        time.sleep(1.5)
        assert listener.messages[-1] == added


def test_a_file_known_by_its_content_is_read_less_often_while_it_stays(recording_folder: Path) -> None:
    with static_host(recording_folder, ("content-length",)) as far:
        file = RemoteFile(f"{far}/metrics.jsonl")
        first = file.version()
        assert first is not None
        waits = []
        for _ in range(7):
            file.due = 0
            assert file.version() == first
            waits.append(file.wait_s)
        assert waits == [1, 2, 4, 8, 16, 30, 30]
        (recording_folder / "metrics.jsonl").write_text("{}\n")
        file.due = 0
        assert file.version() != first
        assert file.wait_s == 0
