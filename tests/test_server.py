"""The server, asked over real sockets: ranges, caching, host names, paths that lead outside, clients that hang up."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import Served, write_recording

import cutaway
from cutaway.errors import ServerError
from cutaway.server import Viewer, show, start
from cutaway.server.app import is_own
from cutaway.server.files import Span, Unsatisfiable, accepts_gzip, byte_range

SCRIPT = b"// a script of some length\n" * 400


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built viewer in small, with what must not be served beside it and in it."""
    outside = tmp_path_factory.mktemp("outside")
    folder = outside / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Cutaway</title><script>alert(1)</script>")
    (folder / "assets/index-1a2b.js").write_bytes(SCRIPT)
    (folder / ".secret").write_text("secret")
    (outside / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording that most tests only read, with traps in it."""
    outside = tmp_path_factory.mktemp("recordings")
    run = write_recording(outside / "recording")
    (outside / "secret.txt").write_text("secret")
    (outside / "000077.safetensors").write_text("secret")
    (run / "notes.txt").write_text("secret")
    (run / ".hidden.json").write_text("secret")
    (run / "checkpoints/000077.safetensors").symlink_to(outside / "secret.txt")
    (run / "orders").symlink_to(outside)
    os.mkfifo(run / "activations/000077.safetensors")
    return run


@pytest.fixture(scope="module")
def viewer(folder: Path, bundle: Path) -> Iterator[Viewer]:
    with start(folder, port=0, bundle=bundle) as running:
        yield running


@pytest.fixture
def client(viewer: Viewer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=viewer.url, headers={"accept-encoding": "identity"}) as opened:
        yield opened


FOLDERS = [("checkpoints", "safetensors"), ("activations", "safetensors"), ("summary", "json")]
CHECKPOINT = "recording/checkpoints/000005.safetensors"


def test_page_and_assets(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    script = client.get("/assets/index-1a2b.js")
    assert script.content == SCRIPT
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_every_key_of_the_recording(client: httpx.Client, folder: Path) -> None:
    files = [f"{kind}/{index:06d}.{suffix}" for index in (0, 5) for kind, suffix in FOLDERS]
    (folder / "insights.jsonl").write_text("{}\n")
    for key in [*files, "recording.json", "metrics.jsonl", "insights.jsonl", "samples.safetensors"]:
        answer = client.get(f"recording/{key}")
        assert answer.status_code == 200
        assert answer.content == (folder / key).read_bytes()
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-7", 0, 8),
        ("bytes=8-8", 8, 9),
        ("bytes=10-", 10, None),
        ("bytes=-5", -5, None),
        ("bytes=4-999999", 4, None),
    ],
)
def test_ranges(client: httpx.Client, folder: Path, asked: str, first: int, end: int | None) -> None:
    whole = (folder / "checkpoints/000005.safetensors").read_bytes()
    answer = client.get(CHECKPOINT, headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == whole[first:end]
    begin = first % len(whole)
    assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(answer.content) - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
def test_ranges_past_the_end(client: httpx.Client, folder: Path, asked: str) -> None:
    size = (folder / "checkpoints/000005.safetensors").stat().st_size
    answer = client.get(CHECKPOINT, headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=0-1", "bytes=5-2", "bytes=-", "bytes=a-b", "bytes=٣-٤"])
def test_what_is_no_single_range_gives_the_whole(client: httpx.Client, asked: str) -> None:
    assert client.get(CHECKPOINT, headers=[(b"range", asked.encode())]).status_code == 200


def test_byte_range() -> None:
    assert byte_range("bytes=0-0", 1) == Span(0, 1)
    assert byte_range("bytes=-9", 4) == Span(0, 4)
    assert byte_range(None, 4) is None
    with pytest.raises(Unsatisfiable):
        byte_range("bytes=0-", 0)


def test_etags(recording_folder: Path, bundle: Path) -> None:
    with start(recording_folder, port=0, bundle=bundle) as running, httpx.Client(base_url=running.url) as client:
        check_etags(client, recording_folder)


def check_etags(client: httpx.Client, recording_folder: Path) -> None:
    etag = client.get(CHECKPOINT).headers["etag"]
    again = client.get(CHECKPOINT, headers={"if-none-match": f'"other", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    path = recording_folder / "checkpoints/000005.safetensors"
    replacement = path.with_suffix(".new")
    replacement.write_bytes(path.read_bytes())
    replacement.replace(path)
    changed = client.get(CHECKPOINT, headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_if_range(client: httpx.Client) -> None:
    etag = client.get(CHECKPOINT).headers["etag"]
    assert client.get(CHECKPOINT, headers={"range": "bytes=0-3", "if-range": etag}).status_code == 206
    assert client.get(CHECKPOINT, headers={"range": "bytes=0-3", "if-range": '"old"'}).status_code == 200


def test_head(client: httpx.Client, folder: Path) -> None:
    size = (folder / "checkpoints/000005.safetensors").stat().st_size
    answer = client.head(CHECKPOINT)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(size)
    part = client.head(CHECKPOINT, headers={"range": "bytes=0-7"})
    assert (part.status_code, part.headers["content-length"]) == (206, "8")
    assert client.head("/").status_code == 200
    assert client.head("/recording/nothing").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading(client: httpx.Client, method: str) -> None:
    assert client.request(method, CHECKPOINT).status_code == 405
    assert client.request(method, "/").status_code == 405


def test_gzip_for_text_and_not_for_ranges(client: httpx.Client) -> None:
    zipped = {"accept-encoding": "br, gzip;q=0.8"}
    with client.stream("GET", "/assets/index-1a2b.js", headers=zipped) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "accept-encoding"
    assert gzip.decompress(raw) == SCRIPT
    assert int(answer.headers["content-length"]) == len(raw) < len(SCRIPT) / 10
    again = client.get("/assets/index-1a2b.js", headers={**zipped, "if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    part = client.get("/assets/index-1a2b.js", headers={**zipped, "range": "bytes=0-9"})
    assert part.content == SCRIPT[:10]
    assert "content-encoding" not in part.headers
    assert "content-encoding" not in client.get(CHECKPOINT, headers=zipped).headers


def test_accepts_gzip() -> None:
    assert accepts_gzip("deflate, gzip")
    assert accepts_gzip("*")
    assert not accepts_gzip("gzip;q=0, *")
    assert not accepts_gzip("")
    assert not accepts_gzip("xgzip")


def test_security_headers(client: httpx.Client) -> None:
    for answer in (client.get("/"), client.get(CHECKPOINT), client.get("/nothing"), client.post("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        digest = base64.b64encode(hashlib.sha256(b"alert(1)").digest()).decode()
        assert f"script-src 'self' 'wasm-unsafe-eval' 'sha256-{digest}';" in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


# --- what must not be had --------------------------------------------------------------------------------------------


def test_a_second_recording_under_compare(bundle: Path, folder: Path, tmp_path: Path) -> None:
    run = write_recording(tmp_path / "other")
    index = run / "recording.json"
    index.write_text(index.read_text().replace("by hand", "the other"))
    (tmp_path / "secret.txt").write_text("secret")
    with start(folder, compare=run, port=0, bundle=bundle) as running:
        assert urlsplit(running.url).query == "b=compare/"
        base = running.url.split("?")[0]
        with httpx.Client(base_url=base) as client:
            assert client.get("recording/recording.json").json()["name"] == "by hand"
            assert client.get("compare/recording.json").json()["name"] == "the other"
            part = client.get("compare/checkpoints/000005.safetensors", headers={"range": "bytes=3-9"})
            assert part.status_code == 206
            assert part.content == (run / "checkpoints/000005.safetensors").read_bytes()[3:10]
            assert client.get("compare/notes.txt").status_code == 404
        for path in OUTSIDE:
            answer = raw_get(base, path.replace("/recording", "/compare"))
            assert answer.split(b" ")[1] in (b"404", b"400"), answer
            assert not answer.endswith(b"secret")
        assert httpx.get(base + "compare/recording.json", headers={"host": "evil.example"}).status_code == 421


def test_nothing_under_compare_without_a_second_recording(client: httpx.Client, viewer: Viewer) -> None:
    assert urlsplit(viewer.url).query == ""
    assert client.get("compare/recording.json").status_code == 404


def test_show_takes_two_recordings(recording_folder: Path, tmp_path: Path) -> None:
    other = write_recording(tmp_path / "other")
    with show(recording_folder, compare=cutaway.open(other), browser=False, block=False) as running:
        base = running.url.split("?")[0]
        assert httpx.get(base + "compare/recording.json").json()["name"] == "by hand"


def raw(url: str, request: bytes) -> bytes:
    """The whole answer to bytes sent as they are; clients like httpx tidy up paths before they send them."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def raw_get(url: str, path: str, host: str = "127.0.0.1") -> bytes:
    return raw(url, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())


OUTSIDE = [
    "/../secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e/secret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%252e%252e%252fsecret.txt",
    "/assets/../../secret.txt",
    "/assets/..%5c..%5csecret.txt",
    "/assets//../../secret.txt",
    "//secret.txt",
    "/.secret",
    "/%2esecret",
    "/link.txt",
    "/index.html%00.txt",
    "/index.html%0a",
    "/index.html/",
    "/assets/",
    "/assets",
    "/./index.html",
    "/C:/secret.txt",
    "/recording",
    "/recording/",
    "/recording/../secret.txt",
    "/recording/..%2f..%2fsecret.txt",
    "/recording/%2e%2e/secret.txt",
    "/recording/..%252fsecret.txt",
    "/recording/checkpoints/../../secret.txt",
    "/recording/checkpoints/%2e%2e/%2e%2e/secret.txt",
    "/recording/checkpoints/000005.safetensors/../../../secret.txt",
    "/recording/checkpoints/000005.safetensors%0a",
    "/recording/checkpoints/",
    "/recording//recording.json",
    "/recording/notes.txt",
    "/recording/.hidden.json",
    "/recording/checkpoints/..%00/000005.safetensors",
    "/recording/activations/000077.safetensors",
    "/recording/checkpoints/000077.safetensors",
    "/recording/orders/000077.safetensors",
    "/recording/" + "a" * 5000,
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside(viewer: Viewer, path: str) -> None:
    answer = raw_get(viewer.url, path)
    assert answer.split(b" ")[1] in (b"404", b"400"), answer
    assert not answer.endswith(b"secret")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "a@127.0.0.1",
    ],
)
def test_other_host_names_are_refused(viewer: Viewer, host: str) -> None:
    for path in ("/", "/recording/recording.json", "/assets/index-1a2b.js"):
        answer = raw_get(viewer.url, path, host)
        assert answer.startswith(b"HTTP/1.1 421 "), answer
        assert b"by hand" not in answer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:7410", "[::1]", "[::1]:80", "localhost."])
def test_own_host_names(viewer: Viewer, host: str) -> None:
    assert raw_get(viewer.url, "/recording/recording.json", host).startswith(b"HTTP/1.1 200 ")


def test_host_header_missing_or_twice(viewer: Viewer) -> None:
    assert b" 400 " in raw(viewer.url, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")[:20]
    assert b" 421 " in raw(viewer.url, b"GET / HTTP/1.0\r\n\r\n")[:20]
    twice = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(viewer.url, twice)[:12].split(b" ")[1] in (b"400", b"421")


def test_host_names_of_a_server_for_the_whole_network() -> None:
    hosts = {"localhost", "*"}
    assert is_own(["192.168.7.2:7410"], hosts)
    assert is_own(["[fe80::1]:7410"], hosts)
    assert not is_own(["evil.example"], hosts)
    assert not is_own(["dead.beef"], hosts)
    assert not is_own(["[::1"], hosts)


# --- starting, ending, hanging up ------------------------------------------------------------------------------------


def test_given_host_is_answered(recording_folder: Path, bundle: Path) -> None:
    with start(recording_folder, host="127.0.0.2", port=0, bundle=bundle) as running:
        assert running.url.startswith("http://127.0.0.2:")
        assert httpx.get(running.url).status_code == 200


def test_taken_port_and_close(recording_folder: Path, bundle: Path) -> None:
    with start(recording_folder, port=0, bundle=bundle) as first:
        port = urlsplit(first.url).port
        assert port is not None
        with start(recording_folder, port=port, bundle=bundle) as second:
            assert second.url != first.url
            assert httpx.get(second.url).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(second.url)
    with start(recording_folder, port=port, bundle=bundle) as third:
        assert urlsplit(third.url).port == port


def test_close_cuts_off_a_transfer_under_way(recording_folder: Path, bundle: Path) -> None:
    path = recording_folder / "orders"
    path.mkdir()
    (path / "000000.safetensors").write_bytes(bytes(64 << 20))
    running = start(recording_folder, port=0, bundle=bundle)
    parts = urlsplit(running.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(b"GET /recording/orders/000000.safetensors HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.recv(10)
        begun = time.monotonic()
        running.close()
        assert time.monotonic() - begun < 5
        assert not running.thread.is_alive()


def test_show_returns_a_handle(recording_folder: Path) -> None:
    running = show(cutaway.open(recording_folder), browser=False, block=False)
    assert httpx.get(running.url + "recording/recording.json").json()["name"] == "by hand"
    running.close()


def test_missing_bundle_names_the_command(recording_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="make build"):
        start(recording_folder, port=0, bundle=tmp_path / "nowhere")


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.7", 0), ("127.0.0.1", 99999)])
def test_addresses_that_cannot_be(recording_folder: Path, bundle: Path, host: str, port: int) -> None:
    with pytest.raises(ServerError) as caught:
        start(recording_folder, host=host, port=port, bundle=bundle)
    assert "\n" not in str(caught.value)
    assert host in str(caught.value) or str(port) in str(caught.value)


def test_a_client_that_hangs_up(recording_folder: Path, served: Served) -> None:
    (recording_folder / "orders").mkdir()
    (recording_folder / "orders/000000.safetensors").write_bytes(bytes(64 << 20))
    with served("open", recording_folder, "--port", 0) as running:
        parts = urlsplit(running.url)
        for reset in (False, True) * 5:
            connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
            connection.sendall(b"GET /recording/orders/000000.safetensors HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1000)
            if reset:  # RST instead of FIN
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        for request in (
            b"GET /recording/re",
            b"\x16\x03\x01\x02\x00",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50,
        ):
            connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
            connection.sendall(request)
            connection.close()
        assert httpx.get(running.url + "recording/recording.json").json()["name"] == "by hand"
        time.sleep(0.5)
        descriptors = Path(f"/proc/{running.process.pid}/fd")
        if descriptors.is_dir():
            assert not [fd for fd in descriptors.iterdir() if "000000" in os.path.realpath(fd)]
        assert running.end(2) == 0
        assert "Traceback" not in running.stderr
        assert "rror" not in running.stderr


# --- recordings on another web server --------------------------------------------------------------------------------


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """Python's own file server: a static host that knows no ranges."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **more: object) -> None:
            super().__init__(*arguments, directory=str(folder), **more)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_remote_recording_with_ranges(bundle: Path, recording_folder: Path) -> None:
    whole = (recording_folder / "checkpoints/000005.safetensors").read_bytes()
    with (
        start(recording_folder, port=0, bundle=bundle) as far,
        start(f"{far.url}recording", port=0, bundle=bundle) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        assert client.get("recording/recording.json").json()["name"] == "by hand"
        part = client.get(CHECKPOINT, headers={"range": "bytes=3-9"})
        assert (part.status_code, part.content) == (206, whole[3:10])
        assert part.headers["content-range"] == f"bytes 3-9/{len(whole)}"
        assert client.get(CHECKPOINT, headers={"if-none-match": part.headers["etag"]}).status_code == 304
        assert client.get(CHECKPOINT, headers={"range": "bytes=999999-"}).status_code == 416
        head = client.head(CHECKPOINT)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole)))
        assert client.get("recording/checkpoints/000099.safetensors").status_code == 404
        far.close()
        gone = client.get(CHECKPOINT)
        assert gone.status_code == 502
        assert "can't be reached" in gone.text


def test_remote_recording_from_a_host_without_ranges(bundle: Path, recording_folder: Path) -> None:
    whole = (recording_folder / "checkpoints/000005.safetensors").read_bytes()
    with static_host(recording_folder) as url, start(url, port=0, bundle=bundle) as running:
        answer = httpx.get(running.url + CHECKPOINT, headers={"range": "bytes=3-9"})
        assert (answer.status_code, answer.content) == (200, whole)
