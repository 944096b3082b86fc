"""What several tests need: a small recording written by hand, an nn-visualizer export, and the command as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from safetensors.numpy import save_file

EPOCHS = 3
SAMPLES = 2

Run = Callable[..., subprocess.CompletedProcess[str]]
Served = Callable[..., AbstractContextManager["Served_"]]


@pytest.fixture
def recording_folder(tmp_path: Path) -> Path:
    """A recording of one dense layer, two checkpoints and two samples, put down file by file as the format says."""
    return write_recording(tmp_path / "recording")


def write_recording(run: Path) -> Path:
    """Written by the format's own words, not by Cutaway: what reads it can't share a mistake with what wrote it."""
    for folder in ("checkpoints", "activations", "summary"):
        (run / folder).mkdir(parents=True)
    random = np.random.default_rng(7)
    layers = [
        {"id": "input", "name": "input", "kind": "input", "output_shapes": [[1, 4, 4]]},
        {
            "id": "fc",
            "name": "fc",
            "kind": "dense",
            "inputs": [{"layer": "input"}],
            "output_shapes": [[3]],
            "attributes": {"input_order": "CHW"},
            "parameters": [
                {"role": "kernel", "key": "fc/kernel", "shape": [3, 16]},
                {"role": "bias", "key": "fc/bias", "shape": [3]},
            ],
        },
    ]
    images = random.integers(0, 256, (2, 4, 4, 1), dtype=np.uint8)
    save_file({"images": images, "labels": np.array([0, 2])}, run / "samples.safetensors")
    for index in (0, 5):
        kernel = random.normal(size=(3, 16)).astype(np.float32)
        bias = random.normal(size=3).astype(np.float32)
        save_file({"fc/kernel": kernel, "fc/bias": bias}, run / f"checkpoints/{index:06d}.safetensors")
        outputs: dict[str, np.ndarray] = {}
        for sample in range(2):
            pixels = images[sample, :, :, 0].astype(np.float32) / 255
            outputs[f"{sample:05d}/input"] = pixels[None]
            outputs[f"{sample:05d}/fc"] = kernel @ pixels.reshape(-1) + bias
        save_file(outputs, run / f"activations/{index:06d}.safetensors")
        (run / f"summary/{index:06d}.json").write_text('{"layers": {}}')
    (run / "metrics.jsonl").write_text('{"step": 1, "epoch": 0, "loss": 1.5}\n{"step": 2, "epoch": 5, "loss": 0.5}\n')
    document = {
        "format": "cutaway-recording",
        "version": 1,
        "name": "by hand",
        "created": "2026-01-01T00:00:00Z",
        "producer": "tests",
        "network": {"layers": layers, "inputs": ["input"], "outputs": ["fc"]},
        "checkpoints": [
            {"index": 0, "label": "epoch 0", "epoch": 0, "step": 0},
            {"index": 5, "label": "epoch 5", "epoch": 5, "step": 500},
        ],
        "samples": {"count": 2, "names": ["one", "two"], "labels": [0, 2]},
        "classes": ["zero", "one", "two"],
        "completeness": {"graph": True, "parameters": True, "biases": True, "activations": True, "runnable": False},
    }
    (run / "recording.json").write_text(json.dumps(document))
    return run


@pytest.fixture
def export_folder(tmp_path: Path) -> Path:
    """A small training run in nn-visualizer's JSON: conv, pool, two dense layers, three epochs, two samples."""
    return write_export(tmp_path / "export")


def write_export(folder: Path, size: int = 8, maps: int = 2) -> Path:
    """Values are random; shapes and nesting are those that nn-visualizer's export script writes."""
    folder.mkdir()
    half, classes = size // 2, ["a", "b", "c"]
    kernels: dict[str, tuple[int, ...]] = {
        "conv0": (3, 3, 1, maps),
        "fc0": (half * half * maps, 4),
        "fc_out": (4, len(classes)),
    }
    outputs: dict[str, tuple[int, ...]] = {
        "input": (size, size, 1),
        "conv0": (size, size, maps),
        "maxpool0": (half, half, maps),
        "fc0": (4,),
        "fc_out": (len(classes),),
    }
    structure = [
        ["input", [1, size, size, 1]],
        ["conv0", kernels["conv0"]],
        ["maxpool0", [half, half]],
        ["fc0", kernels["fc0"]],
        ["fc_out", kernels["fc_out"]],
        classes,
    ]
    (folder / "model_structure.json").write_text(json.dumps(structure))
    for epoch in range(EPOCHS):
        random = np.random.default_rng(epoch)
        weights: list[object] = [["input", [1], [0]]]
        for layer in ("conv0", "maxpool0", "fc0", "fc_out"):
            shape = kernels.get(layer, (half, half))
            values = random.normal(size=shape) if layer in kernels else np.zeros(shape)
            weights.append([layer, shape, values.astype(np.float32).tolist()])
        (folder / f"model_weights_epoch{epoch:03d}.json").write_text(json.dumps(weights))
        activations: list[object] = []
        for layer, shape in outputs.items():
            # The samples are the same at every epoch, so their pictures are too.
            values = (np.random.default_rng(99) if layer == "input" else random).random((SAMPLES, *shape))
            activations.append([layer, [SAMPLES, *shape], values.astype(np.float32).tolist()])
        activations.append([["a", "c"], ["a", "b"]])
        (folder / f"model_activations_epoch{epoch:03d}.json").write_text(json.dumps(activations))
    return folder


def environment(cache: Path, **more: str) -> dict[str, str]:
    """The environment of a person at a plain terminal; the cache is the test's own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CUTAWAY_DEBUG", "DISPLAY", "BROWSER")}
    return kept | {"CUTAWAY_CACHE": str(cache), "COLUMNS": "100", "NO_COLOR": "1"} | more


@pytest.fixture
def cutaway(tmp_path: Path) -> Run:
    """Runs `cutaway …` to its end as a process of its own."""

    def run(*arguments: object, timeout: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cutaway", *map(str, arguments)]
        env = environment(tmp_path / "cache", **more)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env)

    return run


class Served_:
    """A running `cutaway demo` or `cutaway open`: its first line on stdout, and how it ended."""

    def __init__(self, process: subprocess.Popen[str], url: str, seconds: float) -> None:
        self.process = process
        self.url = url
        self.seconds = seconds
        self.stdout = ""
        self.stderr = ""

    def end(self, number: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        self.stdout, self.stderr = self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """Runs `cutaway demo|open …` while the block lasts."""

    @contextmanager
    def serve(*arguments: object, **more: str) -> Iterator[Served_]:
        command = [sys.executable, "-m", "cutaway", *map(str, arguments), "--no-browser"]
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path / "cache", **more),
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline()
            assert url, f"no address came: {read(process.stderr)}"
            yield Served_(process, url.rstrip("\n"), time.monotonic() - begun)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    return serve


def read(stream: IO[str] | None) -> str:
    return "" if stream is None else stream.read()
