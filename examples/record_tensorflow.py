"""Records a TensorFlow 1 checkpoint without TensorFlow. Runs in seconds:

    python examples/record_tensorflow.py [CHECKPOINTS [RUN]]

CHECKPOINTS: a folder of them, one `.index`, or a SavedModel; without it the small network of the tests, which was saved
twice while it was trained. RUN: where the recording is to stay.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

import cutaway

SMALL = Path(__file__).parents[1] / "tests" / "fixtures" / "tf" / "conv.zip"


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        checkpoints = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(place) / "checkpoints"
        if len(sys.argv) < 2:
            with zipfile.ZipFile(SMALL) as archive:
                archive.extractall(checkpoints)
        run = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(place) / "run"
        source = cutaway.open_source(checkpoints)
        height, width, maps = source.inputs[0].shape  # channels last, as TensorFlow has them
        y, x = np.mgrid[: height or 64, : width or 64]
        pictures = np.stack([x % 2 == 0, y % 2 == 0, (x + y) % 4 < 2]).astype(np.uint8)[..., None] * 255
        recording = cutaway.record(source, np.repeat(pictures, maps or 1, axis=3), run, overwrite=True)
        for layer in recording.network:
            fused = f" with {', '.join(layer.fused)}" if layer.fused else ""
            print(f"{layer.id:14} {layer.kind}{fused}: {' × '.join(map(str, layer.output_shape))}")
        first = next(layer for layer in recording.network if layer.parameter("kernel"))
        kernels = [recording.parameters(first.id, "kernel", one.index) for one in recording.checkpoints]
        for moment, kernel in zip(recording.checkpoints, kernels, strict=True):
            moved = np.abs(kernel - kernels[0]).mean()
            print(f"{moment.label}: the kernels of {first.id} have moved {moved:.4f} on average")
        if len(sys.argv) > 2:
            print(f"open it with: cutaway open {run}")


if __name__ == "__main__":
    main()
