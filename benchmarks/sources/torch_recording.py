"""Recording a live ResNet-18 against its plain forward passes plus writing the same numbers, and the memory it takes.

    python benchmarks/sources/torch_recording.py [--samples 4] [--size 224] [--repeat 5] [--width 64]

Asked for is record ≤ 1.3 × passes + writing. "Passes" are what a user would write: one batch of the samples through the
model, without gradients. The first ratio is that of everything but writing; the second takes `record` as it is, against
storing what the recording holds from memory, and making its summaries. Times are by the clock, the least of several,
taking turns, on a machine that does nothing else; beside them the processor's, which counts what is written beside
computing a second time.

Memory (Linux only) is measured in processes of their own: the peak of one that runs the samples through the model one
by one, and of one that records them. Asked for is at most 200 MB more.

Measured on two idle cores:

    samples                    4          12         40
    ratio, nothing written     1.27       1.19       1.12
    ratio with writing         0.94       0.89       0.81
      of the processor         1.10       1.10       1.04
    memory                     +66 MB     +116 MB    +142 MB
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
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
from cutaway.recording.summary import summarise
from cutaway.recording.tensors import encode
from cutaway.samples import Prepared
from cutaway.sources import How
from cutaway.sources.torch import open_module

MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch, torch_models
way, width, count, size, out = sys.argv[2], *map(int, sys.argv[3:6]), sys.argv[6]
model = torch_models.spread(torch_models.ResNet(width, (2, 2, 2, 2), 1000))
images = np.random.default_rng(0).random((count, 3, size, size), np.float32)
if way == "plain":
    with torch.no_grad():
        for image in images:
            model(torch.from_numpy(image[None]))
else:
    import cutaway
    cutaway.record(model, images, out, count=count)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(int(peak.split()[1]) * 1024 / 1e6)
"""


def seconds(work: Callable[[], object]) -> np.ndarray:
    """[by the clock, of the processor]"""
    begun = np.array([time.perf_counter(), time.process_time()])
    work()
    return np.array([time.perf_counter(), time.process_time()]) - begun


def peak_mb(way: str, options: argparse.Namespace, out: str) -> float:
    """The most memory that a process takes in which the samples run through the model, recorded or not."""
    arguments = [Path(torch_models.__file__).parent, way, options.width, options.samples, options.size, out]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def writer(run: cutaway.Recording, out: Path) -> Callable[[], None]:
    """What writes once more what a recording holds, from memory."""
    ids = [layer.id for layer in run.network]
    outputs = {id: np.stack([run.activations(id, 0, n) for n in range(run.samples.count)]) for id in ids}
    keys = {p.key: (layer.id, p.role) for layer in run.network for p in layer.parameters}
    parameters = {key: run.parameters(id, role, 0) for key, (id, role) in keys.items()}

    def write() -> None:
        summarise(run.network, parameters, outputs)
        rows = {f"{n:05d}/{id}": values[n] for n in range(run.samples.count) for id, values in outputs.items()}
        for name, tensors in (("c", parameters), ("a", rows)):
            with (out / name).open("wb") as file:
                for piece in encode(tensors):
                    file.write(piece)

    return write


def told(figures: np.ndarray) -> str:
    return "   ".join(f"{figure:.3f}" for figure in figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--width", type=int, default=64, help="maps of the first stage; 64 is ResNet-18")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = torch_models.spread(torch_models.ResNet(options.width, (2, 2, 2, 2), 1000))
    images = np.random.default_rng(0).random((options.samples, 3, options.size, options.size), np.float32)
    batch = torch.from_numpy(images)

    def passes() -> None:
        with torch.no_grad():
            model(batch)

    def outputs() -> None:
        """The graph, all outputs of all layers as arrays, the parameters: what `record` asks for before it writes."""
        source = open_module(model, How(sample_shape=images.shape[1:], first_sample=lambda spec: images[:1]))
        for some in (images[:1], images[1:]):
            pictures = np.zeros((len(some), 1, 1, 1), np.uint8)
            source.activations(0, Prepared(pictures, ["sample"] * len(some), inputs={"x": some}))
        source.parameters(0)

    plain, live, record, writing = [], [], [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def recording() -> cutaway.Recording:
            return cutaway.record(model, images, folder / "run", count=options.samples)

        write = writer(recording(), folder)
        for _ in range(options.repeat):
            plain.append(seconds(passes))
            live.append(seconds(outputs))
            shutil.rmtree(folder / "run")
            record.append(seconds(recording))
            writing.append(seconds(write))
        size = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file()) / 1e6
        without, peak = (peak_mb(way, options, f"{place}/{way}") for way in ("plain", "record"))
    # What else the machine does only ever adds.
    one, shown, all, two = (np.min(times, axis=0) for times in (plain, live, record, writing))
    print("                      by the clock, of the processor")
    print(f"forward passes        {told(one)} s   {options.samples} samples of {options.size} × {options.size}")
    print(f"writing               {told(two)} s   {size:.0f} MB with summaries")
    print(f"opened, all outputs   {told(shown)} s")
    print(f"record                {told(all)} s")
    print(f"ratio                 {told(shown / one)} × the forward passes, nothing written (≤ 1.3)")
    print(f"                      {told(all / (1.3 * one + two))} of 1.3 × forward passes + writing (≤ 1)")
    print(f"peak memory           {peak:.0f} MB, {peak - without:.0f} MB more than {without:.0f} MB without (≤ 200)")


if __name__ == "__main__":
    main()
