"""A training without a framework: the tiny network of the fixtures, whose weights move a little with every step.

As a program it trains until it is killed, again and again: `python tests/training_plain.py RUN ROUNDS`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from fixtures.make_recording import TinySource

import cutaway
from cutaway.sources import SampleSet

Snapshot = dict[str, np.ndarray]


class LoadedSource(TinySource):
    """The tiny source with the weights of the snapshot that was loaded last."""

    loaded: Snapshot = {}

    def parameters(self, checkpoint: int) -> Snapshot:
        return self.loaded

    def activations(self, checkpoint: int, samples: SampleSet) -> dict[str, np.ndarray]:
        """Of the right shapes, and telling which weights they come from."""
        mark = np.float32(self.loaded["scores/bias"][0])
        count = len(samples.images)
        return {layer.id: np.full((count, *layer.output_shape), mark) for layer in self.network}


class PlainAdapter:
    """What a framework would have: weights, one more step of them, and snapshots."""

    background = True

    def __init__(self) -> None:
        self.source = LoadedSource()
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.weights = {key: np.array(values) for key, values in TinySource().parameters(0).items()}

    def train(self) -> None:
        """One step: every weight becomes 1 larger."""
        for values in self.weights.values():
            values += 1

    def take(self, into: Any | None, gradients: bool) -> Snapshot:
        if into is None:
            return {key: values.copy() for key, values in self.weights.items()}
        for key, values in self.weights.items():
            into[key][...] = values
        return dict(into)

    def load(self, snapshot: Snapshot) -> None:
        self.reached.set()
        self.go_on.wait(30)
        self.source.loaded = snapshot

    def gradients(self, snapshot: Snapshot) -> Mapping[str, np.ndarray]:
        return {}

    def settle(self) -> None:
        pass

    def reading(self) -> AbstractContextManager[Any]:
        return nullcontext()


def train(run: Path, steps: int, pause_s: float = 0.0, **options: Any) -> cutaway.Recorder:
    """A training of so many steps, and its recorder, not closed yet."""
    adapter = PlainAdapter()
    recorder = cutaway.Recorder(run, adapter, **options)
    for _ in range(recorder.steps):
        adapter.train()
    for _ in range(steps):
        adapter.train()
        recorder.step(loss=1 / (recorder.steps + 1))
        if pause_s:
            time.sleep(pause_s)
    return recorder


def check(run: Path) -> int:
    """Reads all that a recording lists; the step of its last checkpoint. Raises what is wrong with it."""
    recording = cutaway.open(run)
    start = TinySource().parameters(0)
    for position, moment in enumerate(recording.checkpoints):
        assert moment.step is not None
        for layer in recording.network:
            for parameter in layer.parameters:
                values = recording.parameters(layer.id, parameter.role, position)
                np.testing.assert_allclose(values, start[parameter.key] + moment.step, rtol=1e-4, atol=1e-3)
        mark = recording.parameters("scores", "bias", position)[0]
        for sample in range(recording.samples.count):
            assert (recording.activations("pool", position, sample) == mark).all()
        assert recording.summary(position).layers
    steps = [moment.step for moment in recording.checkpoints]
    assert steps == sorted(set(steps))  # type: ignore[type-var]
    rows = [row["step"] for row in recording.metrics() if "loss" in row]
    assert rows == list(range(1, len(rows) + 1))
    assert recording.images.shape[0] == recording.samples.count
    recording.insights()
    return steps[-1] or 0


def killed(run: Path, commits: bool, after_s: float) -> None:
    """One process that trains in `run` and is killed so long after it began, or after its next checkpoint."""
    index = run / "recording.json"
    before = index.stat().st_mtime_ns if index.exists() else 0
    child = os.fork()
    if child == 0:
        train(run, 1_000_000, pause_s=0.0005, every=3, max_checkpoints=8)
        os._exit(1)
    while commits and not (index.exists() and index.stat().st_mtime_ns > before):
        time.sleep(0.005)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> None:
    run, rounds = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(7)
    reached = []
    for number in range(rounds):
        killed(run, number % 3 > 0, chance.uniform(0, 0.1))
        if (run / "recording.json").exists():
            reached.append(check(run))
    assert reached == sorted(reached)
    print(len(reached), len(set(reached)), reached[-1])


if __name__ == "__main__":
    main()
