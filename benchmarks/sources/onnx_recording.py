"""Recording an ONNX model against plain ONNX Runtime inference of the same samples plus writing them.

    python benchmarks/sources/onnx_recording.py [MODEL.onnx] [--samples 20] [--repeat 5]

Without a model a ResNet-18 with random weights is built (11.7 M numbers, 3 × 224 × 224). Both sides are processes of
their own, so both pay for their imports. "plain" loads the model as anybody does, with all optimisations, runs the
samples one by one, and keeps nothing; "writing" stores what a recording of the same amount holds, and makes its
summaries. Asked for is record ≤ 2 × plain + writing.

Measured on two cores that others used, too (in processor time of both processes, 12 samples take 0.93, 20 take 0.78 to
0.91 of it); of the memory about 95 MB are ONNX Runtime's copies of the kernels (`OPTIMISED_BYTES`):

    samples        12         20         40
    ratio          0.83       0.76       0.64
    memory         480 MB     482 MB     532 MB
    without        204 MB     204 MB     228 MB
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMORY = """
def peak(process):
    line = next(line for line in open(f"/proc/{process}/status") if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6
"""

PLAIN = """
import sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
entry = session.get_inputs()[0]
for sample in np.load(sys.argv[2]):
    session.run(None, {entry.name: sample[None]})
print(peak("self"))
"""

RECORD = """
import sys, numpy as np, cutaway
from cutaway.sources.onnx_run import engine
cutaway.record(sys.argv[1], np.load(sys.argv[2]), sys.argv[3], count=int(sys.argv[4]), overwrite=True)
print(peak("self") + peak(engine().process.pid))
"""

WRITE = """
import sys, shutil, cutaway, numpy as np
from pathlib import Path
from safetensors.numpy import load_file, save_file
from cutaway.recording.summary import summarise
run, out = Path(sys.argv[1]), Path(sys.argv[2])
network = cutaway.open(run).network
parameters = load_file(run / "checkpoints/000000.safetensors")
stored = load_file(run / "activations/000000.safetensors")
count = 1 + max(int(key.partition("/")[0]) for key in stored)
ids = [key.partition("/")[2] for key in stored if key.startswith("00000/")]
values = {id: np.stack([stored[f"{n:05d}/{id}"] for n in range(count)]) for id in ids}
import time
begun = time.perf_counter()
summarise(network, parameters, values)
save_file(parameters, out / "c.safetensors")
save_file({f"{n:05d}/{id}": values[id][n] for n in range(count) for id in ids}, out / "a.safetensors")
print(time.perf_counter() - begun)
"""


def resnet18(path: Path) -> None:
    """ResNet-18 (He et al., 2015) with random weights."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from onnx_models import resnet

    path.write_bytes(resnet(64, ("n", 3, 224, 224))[1].SerializeToString())


def measured(code: str, *arguments: object) -> tuple[float, float]:
    """Seconds and peak MB of a process."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEMORY + code, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - begun, float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    import numpy as np
    import onnxruntime

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = options.model or folder / "resnet18.onnx"
        if options.model is None:
            resnet18(model)
        shape = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[1:]
        samples = np.random.default_rng(0).normal(size=(options.samples, *shape)).astype(np.float32)
        np.save(folder / "samples.npy", samples)
        plain, recording, writing = [], [], []
        for _ in range(options.repeat):  # taking turns, so that a busy machine slows all
            plain.append(measured(PLAIN, model, folder / "samples.npy"))
            recording.append(measured(RECORD, model, folder / "samples.npy", folder / "run", options.samples))
            done = subprocess.run(
                [sys.executable, "-c", WRITE, folder / "run", folder], check=True, capture_output=True, text=True
            )
            writing.append(float(done.stdout))
        size = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file())
    (run, without), (record, peak) = map(min, (plain, recording))  # what else the machine does only ever adds
    write = min(writing)
    print(f"plain       {run:.2f} s   ONNX Runtime, {options.samples} samples")
    print(f"writing     {write:.2f} s   {size / 1e6:.0f} MB with summaries")
    print(f"record      {record:.2f} s")
    print(f"ratio       {record / (2 * run + write):.2f} of 2 × plain + writing (≤ 1)")
    print(f"peak memory {peak:.0f} MB, both processes; {without:.0f} MB without recording")


if __name__ == "__main__":
    main()
