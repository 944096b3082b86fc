"""Recording an ONNX model against plain ONNX Runtime inference of the same samples plus writing them.

    python benchmarks/sources/onnx_recording.py [MODEL.onnx] [--samples 20] [--repeat 5]

Without a model a ResNet-18 with random weights is built (11.7 M numbers, 3 × 224 × 224). Both sides are processes of
their own, so both pay for their imports. "plain" loads the model as anybody does, with all optimisations, runs the
samples one by one, and keeps nothing; "writing" stores what a recording of the same amount holds, and makes its
summaries. Asked for is record ≤ 2 × plain + writing.

Measured on two cores that others used, too; both processes together may hold 200 MB more than the one without:

    samples        12         20
    ratio          0.76       0.77
    memory         360 MB     347 MB
    without        202 MB     192 MB
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = """
import sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
entry = session.get_inputs()[0]
for sample in np.load(sys.argv[2]):
    session.run(None, {entry.name: sample[None]})
"""

RECORD = """
import sys, numpy as np, cutaway
cutaway.record(sys.argv[1], np.load(sys.argv[2]), sys.argv[3], count=int(sys.argv[4]), overwrite=True)
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


def seconds(code: str, *arguments: object) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    return time.perf_counter() - begun


def most_memory(code: str, *arguments: object) -> float:
    """The most that a process and its children hold at one moment, MB; pages that they share count once."""
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(map(held, [process.pid, *children(process.pid)])))
        time.sleep(0.01)
    return most


def held(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


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
            plain.append(seconds(PLAIN, model, folder / "samples.npy"))
            recording.append(seconds(RECORD, model, folder / "samples.npy", folder / "run", options.samples))
            done = subprocess.run(
                [sys.executable, "-c", WRITE, folder / "run", folder], check=True, capture_output=True, text=True
            )
            writing.append(float(done.stdout))
        without = most_memory(PLAIN, model, folder / "samples.npy")
        peak = most_memory(RECORD, model, folder / "samples.npy", folder / "run", options.samples)
        size = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file())
    run, record, write = map(min, (plain, recording, writing))  # what else the machine does only ever adds
    print(f"plain       {run:.2f} s   ONNX Runtime, {options.samples} samples")
    print(f"writing     {write:.2f} s   {size / 1e6:.0f} MB with summaries")
    print(f"record      {record:.2f} s")
    print(f"ratio       {record / (2 * run + write):.2f} of 2 × plain + writing (≤ 1)")
    print(f"peak memory {peak:.0f} MB, both processes; {without:.0f} MB without recording")


if __name__ == "__main__":
    main()
