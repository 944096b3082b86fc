"""The command line, as processes: help, addresses, signals, exit codes, what goes to stdout and what to stderr."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import EPOCHS, Run, Served, environment, write_recording

from cutaway import __version__

COMMANDS = ["demo", "open", "record", "info"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(cutaway: Run, command: str) -> None:
    result = cutaway(command, "--help")
    assert result.returncode == 0
    assert f"Example: cutaway {command} " in result.stdout
    assert result.stderr == ""


def test_help_names_every_command(cutaway: Run) -> None:
    result = cutaway("--help")
    assert result.returncode == 0
    assert "Example: cutaway demo" in result.stdout
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout


def test_version(cutaway: Run) -> None:
    assert cutaway("--version").stdout == f"cutaway {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("open",),
        ("record", "x"),
        ("info", "--yaml", "x"),
        ("demo", "--port", "many"),
        ("demo", "--port", "65536"),
        ("demo", "--port", "-1"),
    ],
)
def test_wrong_use_exits_with_2(cutaway: Run, arguments: tuple[str, ...]) -> None:
    result = cutaway(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "Usage: " in result.stderr


def test_import_is_quick_and_loads_no_framework() -> None:
    # Processor time: what a busy machine does meanwhile is not counted.
    probe = """import sys, time, cutaway, cutaway.cli
print(time.process_time(), *(m for m in sys.modules if "." not in m))"""
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    seconds, *modules = result.stdout.split()
    assert float(seconds) < 0.5
    loaded = set(modules)
    assert not loaded & {"torch", "tensorflow", "keras", "onnx", "jax", "numpy", "starlette", "uvicorn", "rich"}


# --- demo and open ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_serves_and_ends_cleanly(served: Served, number: int) -> None:
    with served("demo", "--port", 0) as running:
        parts = urlsplit(running.url)
        assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/")
        assert httpx.get(running.url).headers["content-type"].startswith("text/html")
        index = httpx.get(running.url + "recording/recording.json").json()
        assert index["format"] == "cutaway-recording"
        assert len(index["checkpoints"]) >= 9
        assert running.end(number) == 0
        assert running.stdout == ""  # the address stood alone
        assert running.stderr.endswith("Ctrl-C ends\n")
        assert len(running.stderr.splitlines()) == 1


def test_signal_right_after_the_address(served: Served) -> None:
    with served("demo", "--port", 0) as running:
        assert running.end(signal.SIGINT) == 0
        assert "Traceback" not in running.stderr


def test_ctrl_c_while_a_client_is_connected(served: Served) -> None:
    with served("demo", "--port", 0) as running, httpx.Client(base_url=running.url) as client:
        assert client.get("/").status_code == 200
        begun = time.monotonic()
        assert running.end(signal.SIGINT) == 0
        assert time.monotonic() - begun < 5
        assert "Traceback" not in running.stderr


def test_asked_port_and_taken_port(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        with served("demo", "--port", port) as running:
            assert urlsplit(running.url).port not in (port, 0, None)
            assert httpx.get(running.url).status_code == 200
    with served("demo", "--port", port) as running:
        assert urlsplit(running.url).port == port


def test_host_option(served: Served, cutaway: Run) -> None:
    with served("demo", "--port", 0, "--host", "localhost") as running:
        assert running.url.startswith("http://localhost:")
        assert httpx.get(running.url).status_code == 200
    result = cutaway("demo", "--no-browser", "--host", "203.0.113.7")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "203.0.113.7" in result.stderr


def test_only_own_host_names(served: Served) -> None:
    with served("demo", "--port", 0) as running:
        assert httpx.get(running.url, headers={"host": "evil.example"}).status_code == 421


def test_open_a_recording_and_a_remote_one(served: Served, recording_folder: Path) -> None:
    with served("open", recording_folder, "--port", 0) as near:
        assert httpx.get(near.url + "recording/recording.json").json()["name"] == "by hand"
        with served("open", near.url + "recording/", "--port", 0) as far:
            index = httpx.get(far.url + "recording/recording.json")
            assert index.json()["name"] == "by hand"
            part = httpx.get(far.url + "recording/samples.safetensors", headers={"range": "bytes=0-7"})
            assert (part.status_code, len(part.content)) == (206, 8)


def test_open_compares_two_recordings(served: Served, cutaway: Run, recording_folder: Path, tmp_path: Path) -> None:
    other = write_recording(tmp_path / "other")
    with served("open", recording_folder, "--compare", other, "--port", 0) as near:
        base, query = near.url.split("?")
        assert query == "b=compare/"
        assert httpx.get(base + "compare/recording.json").json()["name"] == "by hand"
        with served("open", other, "--compare", base + "compare/", "--port", 0) as far:
            again = far.url.split("?")[0]
            assert httpx.get(again + "compare/checkpoints/000000.safetensors").status_code == 200
        near.end(signal.SIGINT)
        assert "compared with by hand" in near.stderr
    missing = cutaway("open", recording_folder, "--compare", tmp_path / "nothing", "--no-browser")
    assert missing.returncode == 1
    assert missing.stdout == ""
    assert "nothing" in missing.stderr
    assert missing.stderr.count("\n") == 1


def test_open_a_model_records_it_once(served: Served, export_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with served("open", export_folder, "--port", 0) as first:
        assert len(httpx.get(first.url + "recording/recording.json").json()["checkpoints"]) == EPOCHS
        first.end(signal.SIGINT)
        assert "100 %" in first.stderr
    (kept,) = cache.iterdir()
    written = (kept / "recording.json").stat().st_mtime_ns
    moved = export_folder.rename(tmp_path / "elsewhere")
    with served("open", moved, "--port", 0) as second:
        assert httpx.get(second.url + "recording/recording.json").status_code == 200
    assert [entry.name for entry in cache.iterdir()] == [kept.name]
    assert (kept / "recording.json").stat().st_mtime_ns == written
    weights = moved / "model_weights_epoch001.json"
    weights.write_text(weights.read_text().replace("[", " [", 1))
    with served("open", moved, "--port", 0):
        assert len(list(cache.iterdir())) == 2


# --- record ----------------------------------------------------------------------------------------------------------


def test_record(cutaway: Run, export_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "new" / "run"
    result = cutaway("record", export_folder, "--out", run, "--name", "tiny", "--half")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert f"{run}: tiny · " in result.stderr
    assert "\x1b" not in result.stderr
    assert json.loads((run / "recording.json").read_text())["name"] == "tiny"
    again = cutaway("record", export_folder, "--out", run)
    assert again.returncode == 1
    assert again.stderr.startswith("error: ")
    assert "--overwrite" in again.stderr
    over = cutaway("record", export_folder, "--out", run, "--overwrite")
    assert over.returncode == 0
    assert json.loads((run / "recording.json").read_text())["name"] != "tiny"
    assert [entry.name for entry in run.parent.iterdir()] == ["run"]


def test_record_shows_a_bar_on_a_terminal(export_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cutaway", "record", str(export_folder), "--out", str(tmp_path / "run")]
    master, slave = pty.openpty()
    env = environment(tmp_path / "cache", TERM="xterm-256color")
    process = subprocess.Popen(command, stderr=slave, stdout=subprocess.PIPE, env=env)
    os.close(slave)
    shown = b""
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
    os.close(master)
    assert process.wait(20) == 0
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
    assert "━".encode() in shown
    assert b"Traceback" not in shown


# --- info ------------------------------------------------------------------------------------------------------------


def test_info_of_a_recording(cutaway: Run, recording_folder: Path) -> None:
    result = cutaway("info", recording_folder)
    assert result.returncode == 0
    assert result.stderr == ""
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["fc", "dense", "3", "51"] in rows
    assert ["input", "input", "1", "×", "4", "×", "4"] in rows
    assert ["checkpoints", "2:", "epoch", "0,", "epoch", "5"] in rows
    assert ["samples", "2:", "one,", "two"] in rows
    assert ["classes", "3:", "zero,", "one,", "two"] in rows
    assert ["complete", "graph,", "parameters,", "biases,", "activations"] in rows
    assert ["missing", "runnable"] in rows


def test_info_as_json(cutaway: Run, recording_folder: Path) -> None:
    result = cutaway("info", recording_folder, "--json")
    document = json.loads(result.stdout)
    size = sum(path.stat().st_size for path in recording_folder.rglob("*") if path.is_file())
    assert list(document) == ["name", "layers", "checkpoints", "samples", "classes", "bytes", "insights"]
    assert document["name"] == "by hand"
    assert document["bytes"] == size
    assert document["classes"] == ["zero", "one", "two"]
    assert document["samples"] == {"count": 2, "names": ["one", "two"], "labels": [0, 2]}
    assert document["checkpoints"][1] == {"index": 5, "label": "epoch 5", "epoch": 5, "step": 500}
    assert document["layers"][1] == {
        "id": "fc",
        "name": "fc",
        "kind": "dense",
        "inputs": ["input"],
        "output_shape": [3],
        "fused": [],
        "parameters": {"kernel": [3, 16], "bias": [3]},
    }


def test_info_of_a_model_that_is_not_recorded(cutaway: Run, export_folder: Path, tmp_path: Path) -> None:
    document = json.loads(cutaway("info", export_folder, "--json").stdout)
    assert [layer["name"] for layer in document["layers"]] == ["input", "conv0", "maxpool0", "fc0", "fc_out"]
    assert document["layers"][1]["parameters"] == {"kernel": [2, 1, 3, 3]}
    assert len(document["checkpoints"]) == EPOCHS
    assert not (tmp_path / "cache").exists()
    text = cutaway("info", export_folder)
    assert "not recorded yet" in text.stdout
    assert "biases" in text.stdout.split("missing", 1)[1]


def test_info_into_a_closed_pipe(recording_folder: Path) -> None:
    command = f"'{sys.executable}' -m cutaway info '{recording_folder}' --json | true"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
