"""Bad input through the command line: one line that names the file, the problem and the remedy; nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import EPOCHS, Run, environment, write_export

import cutaway as package

Break = Callable[[Path], None]


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that failed as it should: exit code 1, one line, nothing on stdout."""
    assert result.returncode == 1, result
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if "%" not in line[:6]]  # without progress
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert "a fault of Cutaway's" not in lines[0]
    return lines[0]


# --- models ----------------------------------------------------------------------------------------------------------


def edit(path: Path, change: Callable[[list[list[object]]], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def empty_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def no_structure(folder: Path) -> None:
    (folder / "model_structure.json").unlink()


def truncated_json(folder: Path) -> None:
    path = folder / "model_weights_epoch001.json"
    path.write_bytes(path.read_bytes()[:200])


def truncated_structure(folder: Path) -> None:
    path = folder / "model_structure.json"
    path.write_bytes(path.read_bytes()[:20])


def other_shape(folder: Path) -> None:
    def change(document: list[list[object]]) -> None:
        entry = next(entry for entry in document if entry[0] == "fc0")
        entry[1:] = [[3, 4], np.zeros((3, 4)).tolist()]

    edit(folder / "model_weights_epoch001.json", change)


def missing_epoch(folder: Path) -> None:
    for kind in ("weights", "activations"):
        (folder / f"model_{kind}_epoch001.json").unlink()


def missing_activations(folder: Path) -> None:
    (folder / "model_activations_epoch002.json").unlink()


def more_samples(folder: Path) -> None:
    def change(document: list[list[object]]) -> None:
        for entry in document[:-1]:
            name, shape, values = entry
            assert isinstance(shape, list)
            assert isinstance(values, list)
            entry[:] = [name, [shape[0] + 1, *shape[1:]], [*values, values[0]]]
        document[-1] = [["a", "c", "a"], ["a", "b", "b"]]

    edit(folder / "model_activations_epoch001.json", change)


def not_numbers(folder: Path) -> None:
    def change(document: list[list[object]]) -> None:
        document[1][2] = "none"

    edit(folder / "model_weights_epoch002.json", change)


MODELS: dict[str, tuple[Break, list[str]]] = {
    "missing path": (no_folder, ["export", "no such"]),
    "empty folder": (empty_folder, ["export", "empty"]),
    "no structure": (no_structure, ["export", "model_structure.json"]),
    "truncated JSON": (truncated_json, ["model_weights_epoch001.json", "byte 200"]),
    "truncated structure": (truncated_structure, ["model_structure.json"]),
    "weights of another shape": (other_shape, ["model_weights_epoch001.json", "fc0", "[3, 4]", "[32, 4]"]),
    "an epoch missing in between": (missing_epoch, ["export", "epoch 1 is missing"]),
    "activations missing": (missing_activations, ["model_activations_epoch002.json", "missing"]),
    "more samples in one epoch": (more_samples, ["model_activations_epoch001.json", "3 samples", "2"]),
    "no numbers": (not_numbers, ["model_weights_epoch002.json", "conv0"]),
}


@pytest.mark.parametrize("case", MODELS)
def test_bad_models(cutaway: Run, export_folder: Path, tmp_path: Path, case: str) -> None:
    damage, words = MODELS[case]
    damage(export_folder)
    before = sorted(path.name for path in tmp_path.iterdir())
    line = one_line(cutaway("record", export_folder, "--out", tmp_path / "run"))
    for word in words:
        assert word in line
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    line = one_line(cutaway("open", export_folder, "--no-browser"))
    for word in words:
        assert word in line
    cache = tmp_path / "cache"
    assert not cache.exists() or list(cache.iterdir()) == []


@pytest.mark.parametrize("command", ["open", "info", "record"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"[1, 2]"])
def test_files_that_are_no_model(cutaway: Run, tmp_path: Path, command: str, content: bytes) -> None:
    path = tmp_path / "thing.bin"
    path.write_bytes(content)
    options: dict[str, list[object]] = {"open": ["--no-browser"], "info": [], "record": ["--out", tmp_path / "run"]}
    assert "thing.bin" in one_line(cutaway(command, path, *options[command]))
    assert list(tmp_path.iterdir()) == [path]


def test_nan_is_recorded_counted_and_shown(cutaway: Run, export_folder: Path, tmp_path: Path) -> None:
    def change(document: list[list[object]]) -> None:
        kernel = np.array(document[1][2], np.float32)
        kernel[0, 0, 0, 0], kernel[1, 1, 0, 1] = np.nan, np.inf
        document[1][2] = kernel.tolist()

    edit(export_folder / "model_weights_epoch001.json", change)
    run = tmp_path / "run"
    assert cutaway("record", export_folder, "--out", run).returncode == 0
    recording = package.open(run)
    kernel = recording.parameters("conv0", "kernel", 1)  # O,I,kH,kW
    assert np.isnan(kernel[0, 0, 0, 0])
    assert np.isinf(kernel[1, 0, 1, 1])
    summary = recording.summary(1).layers["conv0"].parameters["kernel"]
    assert summary.not_finite == 2
    assert np.isfinite(summary.high)


# --- recordings ------------------------------------------------------------------------------------------------------


def newer(run: Path) -> None:
    rewrite(run, version=2)


def foreign(run: Path) -> None:
    rewrite(run, format="something-else")


def no_version(run: Path) -> None:
    rewrite(run, version=None)


def half_an_index(run: Path) -> None:
    path = run / "recording.json"
    path.write_bytes(path.read_bytes()[:100])


def rewrite(run: Path, **fields: object) -> None:
    path = run / "recording.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def truncated_tensors(run: Path) -> None:
    path = run / "checkpoints/000005.safetensors"
    os.truncate(path, path.stat().st_size - 5)


def truncated_header(run: Path) -> None:
    os.truncate(run / "checkpoints/000005.safetensors", 20)


def absurd_header(run: Path) -> None:
    path = run / "activations/000000.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + path.read_bytes()[8:])


def missing_file(run: Path) -> None:
    (run / "checkpoints/000005.safetensors").unlink()


def other_tensor_shape(run: Path) -> None:
    path = run / "recording.json"
    path.write_text(path.read_text().replace('"shape": [3, 16]', '"shape": [3, 17]'))


RECORDINGS: dict[str, tuple[Break, list[str]]] = {
    "newer version": (newer, ["recording.json", "version 2", "pip install -U"]),
    "another format": (foreign, ["recording.json", "something-else"]),
    "no version": (no_version, ["recording.json", "version"]),
    "half an index": (half_an_index, ["recording.json"]),
    "truncated safetensors": (truncated_tensors, ["checkpoints/000005.safetensors", "truncated"]),
    "truncated header": (truncated_header, ["checkpoints/000005.safetensors", "truncated"]),
    "absurd header": (absurd_header, ["activations/000000.safetensors"]),
    "missing file": (missing_file, ["checkpoints/000005.safetensors", "missing"]),
    "another shape": (other_tensor_shape, ["checkpoints/000000.safetensors", "fc/kernel", "[3, 16]", "[3, 17]"]),
}


@pytest.mark.parametrize("case", RECORDINGS)
def test_bad_recordings(cutaway: Run, recording_folder: Path, case: str) -> None:
    damage, words = RECORDINGS[case]
    damage(recording_folder)
    for command in (["open", recording_folder, "--no-browser"], ["info", recording_folder]):
        line = one_line(cutaway(*command))
        for word in words:
            assert word in line


def test_addresses_without_a_recording(cutaway: Run) -> None:
    for address in ("http://127.0.0.1:9/run", "https://", "http://[::1", "http://user:pass@127.0.0.1:9/"):
        assert "http" in one_line(cutaway("open", address, "--no-browser"))


# --- where nothing can be written ------------------------------------------------------------------------------------


def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs of our own at `folder`; skips where that is not allowed."""
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("tiny file systems are made on Linux only")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a tmpfs is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "tiny", "size=64k")


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that can't be written: by its permissions, or for root, whom those don't stop, by its mount."""
    if os.geteuid() == 0:
        yield from mounted(tmp_path / "closed", "size=64k,ro")
        return
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def test_full_disk(cutaway: Run, tmp_path: Path, tiny_disk: Path) -> None:
    export = write_export(tmp_path / "large", size=48, maps=4)
    line = one_line(cutaway("record", export, "--out", tiny_disk / "run"))
    assert str(tiny_disk / "run") in line
    assert "no space" in line
    assert list(tiny_disk.iterdir()) == []


def test_full_disk_while_overwriting_keeps_the_old(cutaway: Run, tmp_path: Path, tiny_disk: Path) -> None:
    run = tiny_disk / "run"
    assert cutaway("record", write_export(tmp_path / "small", size=4, maps=1), "--out", run).returncode == 0
    before = (run / "recording.json").read_bytes()
    one_line(cutaway("record", write_export(tmp_path / "large", size=48, maps=4), "--out", run, "--overwrite"))
    assert (run / "recording.json").read_bytes() == before
    assert [path.name for path in tiny_disk.iterdir()] == ["run"]


def test_full_disk_under_the_cache(cutaway: Run, tmp_path: Path, tiny_disk: Path) -> None:
    export = write_export(tmp_path / "large", size=48, maps=4)
    line = one_line(cutaway("open", export, "--no-browser", CUTAWAY_CACHE=str(tiny_disk / "cache")))
    assert "no space" in line
    assert not any(path.is_file() for path in tiny_disk.rglob("*"))


def test_no_permission(cutaway: Run, export_folder: Path, closed_folder: Path) -> None:
    for out in (closed_folder / "run", closed_folder / "new" / "run"):
        line = one_line(cutaway("record", export_folder, "--out", out))
        assert str(closed_folder) in line
        assert "permission" in line
    line = one_line(cutaway("open", export_folder, "--no-browser", CUTAWAY_CACHE=str(closed_folder / "cache")))
    assert "CUTAWAY_CACHE" in line


def test_out_that_is_no_place_for_a_recording(cutaway: Run, export_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert str(file) in one_line(cutaway("record", export_folder, "--out", file))
    assert str(file) in one_line(cutaway("record", export_folder, "--out", file, "--overwrite"))
    assert str(file) in one_line(cutaway("record", export_folder, "--out", file / "run"))
    assert file.read_text() == "mine"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    assert "thesis.tex" in one_line(cutaway("record", export_folder, "--out", folder, "--overwrite"))
    assert (folder / "thesis.tex").read_text() == "mine"


# --- two at once, and interrupted ------------------------------------------------------------------------------------


def recording_process(export: Path, run: Path, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cutaway", "record", str(export), "--out", str(run)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(cache))


@pytest.fixture
def slow_export(tmp_path: Path) -> Path:
    """An export that takes a second or two to record: its own epochs, many times over."""
    folder = write_export(tmp_path / "slow", size=56, maps=16)
    for epoch in range(EPOCHS, 12):
        for kind in ("weights", "activations"):
            source = folder / f"model_{kind}_epoch{epoch % EPOCHS:03d}.json"
            (folder / f"model_{kind}_epoch{epoch:03d}.json").hardlink_to(source)
    return folder


def wait_for_writing(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until the recording's first checkpoint is in its hidden folder."""
    limit = time.monotonic() + 20
    while not list(folder.glob(".*/checkpoints/*.safetensors")):
        assert process.poll() is None, "the recording ended before it could be met at work"
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_two_writers_on_one_run(cutaway: Run, slow_export: Path, export_folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    first = recording_process(slow_export, place / "run", tmp_path / "cache")
    wait_for_writing(place, first)
    first.send_signal(signal.SIGSTOP)  # so that it is certainly still at it
    try:
        line = one_line(cutaway("record", export_folder, "--out", place / "run", "--overwrite"))
    finally:
        first.send_signal(signal.SIGCONT)
    assert str(place / "run") in line
    assert "another process" in line
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert len(package.open(place / "run").checkpoints) == 12
    assert [path.name for path in place.iterdir()] == ["run"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_recording_leaves_nothing(slow_export: Path, tmp_path: Path, number: int) -> None:
    place = tmp_path / "runs"
    process = recording_process(slow_export, place / "run", tmp_path / "cache")
    wait_for_writing(place, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode in (1, 130, 143)
    assert "Traceback" not in stderr
    assert not place.exists()


def test_killed_recording_does_not_stand_in_the_way(cutaway: Run, slow_export: Path, tmp_path: Path) -> None:
    place = tmp_path / "runs"
    process = recording_process(slow_export, place / "run", tmp_path / "cache")
    wait_for_writing(place, process)
    process.kill()
    process.communicate()
    assert not (place / "run").exists()
    assert cutaway("record", slow_export, "--out", place / "run").returncode == 0
    assert [path.name for path in place.iterdir()] == ["run"]


def test_interrupted_open_leaves_nothing_in_the_cache(slow_export: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "cutaway", "open", str(slow_export), "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(cache)
    )
    wait_for_writing(cache, process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode in (1, 130)
    assert stdout == ""
    assert "Traceback" not in stderr
    assert not cache.exists() or list(cache.iterdir()) == []
