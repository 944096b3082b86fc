"""Recording a live ResNet-18 against its plain forward passes, and against writing the same numbers.

    python benchmarks/sources/torch_recording.py [--samples 16] [--size 224] [--repeat 5] [--width 64]

Prints the median of each, taking turns in one run, and the ratio; asked for is at most 1.3 × the forward passes, plus
writing. "Passes" are what a user would write: one batch of the samples through the model, without gradients.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import torch_models

import cutaway
from cutaway.samples import Prepared
from cutaway.sources import How
from cutaway.sources.torch import open_module


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    begun = clock()
    work()
    return clock() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--width", type=int, default=64, help="maps of the first stage; 64 is ResNet-18")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wall", action="store_true", help="time by the wall; by default it is the process's own time")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = torch_models.spread(torch_models.ResNet(options.width, (2, 2, 2, 2), 1000))
    images = np.random.default_rng(0).random((options.samples, 3, options.size, options.size), np.float32)
    batch = torch.from_numpy(images)

    def passes() -> None:
        with torch.no_grad():
            model(batch)

    def activations() -> None:
        """Opened and run: the graph, all outputs of all layers as arrays, the parameters. Nothing is written."""
        source = open_module(model, How(sample_shape=images.shape[1:]))
        pictures = np.zeros((options.samples, 1, 1, 1), np.uint8)
        samples = Prepared(pictures, ["sample"] * options.samples, inputs={"x": images})
        kept.update(source.activations(0, samples))
        kept.update(source.parameters(0))

    kept: dict[str, np.ndarray] = {}
    plain, live, whole = [], [], []
    clock = time.perf_counter if options.wall else time.process_time
    with tempfile.TemporaryDirectory() as place:
        passes()
        for _ in range(options.repeat):
            plain.append(seconds(passes, clock))
            live.append(seconds(activations, clock))
            whole.append(seconds(lambda: cutaway.record(model, images, f"{place}/run", overwrite=True), clock))
    middle = {name: statistics.median(times) for name, times in (("plain", plain), ("live", live), ("whole", whole))}
    amount = sum(array.nbytes for array in kept.values()) / 1e6
    print(
        f"forward passes        {middle['plain']:.3f} s   {options.samples} samples of {options.size} × {options.size}"
    )
    print(f"opened, all outputs   {middle['live']:.3f} s   {amount:.0f} MB")
    print(f"record, with writing  {middle['whole']:.3f} s")
    print(f"ratio                 {middle['live'] / middle['plain']:.2f} × the forward passes (≤ 1.3)")


if __name__ == "__main__":
    main()
