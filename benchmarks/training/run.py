"""What recording costs a training, beside TensorBoard and nn3d.

    pip install tensorboard nn3d
    python benchmarks/training/run.py lenet       # PyTorch, 28 × 28 × 1, 938 steps of 64 pictures an epoch
    python benchmarks/training/run.py resnet18    # PyTorch, 11.7 million parameters, 64 × 64 × 3, 200 steps of 16
    python benchmarks/training/run.py keras       # LeNet again; KERAS_BACKEND=torch for another backend
    python benchmarks/training/run.py step        # a step that is not recorded
    python benchmarks/training/run.py checkpoint  # one checkpoint of that ResNet-18, within one training

--threads: of the training; with as many as there are cores none is left for the recorder. --only "every 100" runs the
plain loop and the ways with that in their name. More: --help.

Ways take turns in one process; each round begins with another one, and one round before them does not count. A time is
that of the loop, from the first step until everything is written and closed. Recordings, and what is written for
TensorBoard, include the state before the first step. README.md has figures and explains the columns.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import Longest, Run, bytes_in, load, percent, table, take_turns
from pictures import SAMPLES

import cutaway

RATES = ["epoch", "100 steps"]
CALLS = 20_000
CHECKPOINTS = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loop", choices=("lenet", "resnet18", "keras", "step", "checkpoint"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, help="an epoch; 938, and 200 for ResNet-18")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if options.loop == "step":
        print_step()
        return
    if options.loop == "checkpoint":
        print_checkpoint(options.threads)
        return
    length = options.epochs, options.steps, RATES
    if options.loop == "keras":
        import keras_loop

        ways = keras_loop.ways(options.threads, *length)
    else:
        import torch_loops

        ways = torch_loops.ways(options.loop, options.threads, *length)
    chosen = {name: run for name, run in ways.items() if name == "plain" or options.only in name}
    print(f"{options.loop}: {options.epochs} epochs, {SAMPLES} samples, training threads: {options.threads}; {load()}")
    with tempfile.TemporaryDirectory() as place:
        compare(chosen, Path(place), options.rounds)
    print(load())


def compare(ways: dict[str, Run], place: Path, rounds: int) -> None:
    """Runs all ways in turns; prints the table, whether the losses stayed the same, and what recordings hold."""

    def empty(name: str) -> Path:
        folder = place / name.replace(" ", "-").replace(",", "")
        shutil.rmtree(folder, ignore_errors=True)
        folders[name] = folder
        return folder

    folders: dict[str, Path] = {}
    found = take_turns(ways, rounds, empty)
    runs = {name: cutaway.open(folders[name]) for name in ways if name.startswith("Cutaway")}
    print(table(found, {name: bytes_in(folder) for name, folder in folders.items()}))
    for name, run in runs.items():
        same = all(one.losses == found["plain"][0].losses for one in found[name])
        raw = raw_bytes(run)
        whole = bytes_in(folders[name])
        rows = (folders[name] / "metrics.jsonl").stat().st_size
        print(f"{name}: losses {'bit for bit those' if same else 'NOT THOSE'} of the plain loop")
        print(
            f"  {len(run.checkpoints)} checkpoints of {raw / len(run.checkpoints) / 1e6:.2f} MB as float32; on the disk"
        )
        print(f"  {(whole - rows) / raw:.3f} times that, {whole / raw:.3f} with the loss of every step (metrics.jsonl)")
        for note in run.completeness.notes:
            print(f"  {note}")


def raw_bytes(run: cutaway.Recording) -> int:
    """Parameters and outputs of all checkpoints as float32."""
    parameters = {one.key: math.prod(one.shape) for layer in run.network for one in layer.parameters}
    outputs = sum(math.prod(layer.output_shape) for layer in run.network)
    return 4 * len(run.checkpoints) * (sum(parameters.values()) + run.samples.count * outputs)


def print_step() -> None:
    """What `recorder.step(loss=loss)` takes where nothing is recorded: in the loop, and with what follows of it."""
    import torch
    from torch_loops import lenet

    loss = torch.zeros(())
    with tempfile.TemporaryDirectory() as place:
        samples = torch.zeros((1, 1, 28, 28)).numpy()
        recorder = cutaway.Recorder(f"{place}/run", lenet(), samples=samples, every=10 * CALLS)
        time.sleep(1)  # the first checkpoint
        times, processor = [], time.process_time()
        for _ in range(CALLS):
            begun = time.perf_counter()
            recorder.step(loss=loss)
            times.append(time.perf_counter() - begun)
        recorder.close(final=False)
        whole = (time.process_time() - processor) / CALLS
    print(f"a step that is not recorded: {1e6 * statistics.median(times):.1f} µs (median of {CALLS:,})")
    print(f"its row in metrics.jsonl included, of all threads: {1e6 * whole:.1f} µs")


def print_checkpoint(threads: int) -> None:
    """What one checkpoint of the ResNet-18 costs the loop: the steps behind it against as many later ones.

    Both are of one training, so that where its memory happens to lie, which changes whole runs by some percent, is the
    same for both.
    """
    import torch_loops

    half = 20
    loop = torch_loops.resnet18_loop(epochs=1, steps=None, threads=threads)
    times: list[float] = []

    class Timed(torch_loops.Recorded):
        def step(self, loss: torch_loops.Tensor) -> None:
            super().step(loss)
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as place:
        model = loop.make()
        samples = loop.pictures[:SAMPLES]
        way = Timed(Path(place) / "run", model, samples, loop.labels, f"{2 * half} steps")
        stop = Longest()
        for _ in range(CHECKPOINTS * 2 * half // loop.steps + 1):
            loop.run(model, way, stop)
        begun = time.perf_counter()
        way.close()
        closing = time.perf_counter() - begun
    # From the first checkpoint behind the beginning on: the step that takes it counts among those behind it.
    steps = np.diff(times)[2 * half - 2 :]
    blocks = steps[: len(steps) // (2 * half) * 2 * half].reshape(-1, 2, half).sum(axis=2)
    more = blocks[:, 0] - blocks[:, 1]
    step = blocks[:, 1].mean() / half
    error = more.std(ddof=1) / len(more) ** 0.5
    print(f"resnet18: {len(more)} checkpoints, {SAMPLES} samples, training threads: {threads}; {load()}")
    print(f"a step without one: {1000 * step:.1f} ms; longest stop {1000 * stop.wall:.1f} ms; the end: {closing:.2f} s")
    print(f"a checkpoint costs the loop {1000 * more.mean():.0f} ± {1000 * error:.0f} ms")
    for distance in (100, loop.steps):
        print(f"  every {distance} steps: {percent(1 + more.mean() / (distance * step))}")


if __name__ == "__main__":
    main()
