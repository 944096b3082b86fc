"""Records a small ONNX model and looks into the recording. Runs in seconds: `python examples/record_onnx.py [RUN]`.

Needs `pip install "cutaway[onnx]"`. The model is built here, so that nothing is downloaded: two convolutions that find
the edges of a picture, one after the other, and a mean of what they found. Give a folder to keep the recording.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import cutaway


def edge_finder(path: Path) -> None:
    """Sobel's kernels, down and across, then their amount: relu(conv2(relu(conv1(image))))."""
    sobel = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], np.float32) / 4
    kernels = np.stack([sobel, sobel.T, -sobel, -sobel.T])[:, None]
    weights = {"edges.weight": kernels, "amount.weight": np.full((1, 4, 1, 1), 0.5, np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "edges.weight"], ["e"], name="/edges/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["e"], ["r"], name="/relu/Relu"),
        helper.make_node("Conv", ["r", "amount.weight"], ["a"], name="/amount/Conv"),
        helper.make_node("GlobalAveragePool", ["a"], ["mean"], name="/mean/GlobalAveragePool"),
    ]
    graph = helper.make_graph(
        nodes,
        "edges",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 32, 32])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["n", 1, 1, 1])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def pictures() -> np.ndarray:
    """A square, a disc and stripes, 8-bit, [sample, H, W, C]."""
    y, x = np.mgrid[:32, :32]
    shapes = [(abs(y - 16) < 9) & (abs(x - 16) < 9), (y - 16) ** 2 + (x - 16) ** 2 < 100, x // 4 % 2 == 0]
    return np.stack(shapes).astype(np.uint8)[..., None] * 255


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "edges.onnx"
        edge_finder(model)
        run = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(place) / "run"
        recording = cutaway.record(model, pictures(), run, overwrite=True)
        for layer in recording.network:
            fused = f" with {', '.join(layer.fused)}" if layer.fused else ""
            print(f"{layer.id:8} {layer.kind}{fused}: {' × '.join(map(str, layer.output_shape))}")
        for sample, name in enumerate(("square", "disc", "stripes")):
            amount = recording.activations("amount", -1, sample=sample)
            print(f"{name}: {int((amount > 0).sum())} pixels lie on an edge")
        if len(sys.argv) > 1:
            print(f"open it with: cutaway open {run}")


if __name__ == "__main__":
    main()
