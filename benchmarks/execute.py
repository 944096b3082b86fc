"""How long the executor takes for one picture through a network the size of ResNet-50, and how much memory.

    python benchmarks/execute.py

On a machine that does other things too, OPENBLAS_NUM_THREADS=1 tells what the work itself takes: waiting threads spin.

Weights are random: only the sizes matter. He et al., "Deep Residual Learning for Image Recognition", 2015, table 1.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from cutaway.execute import execute
from cutaway.network import Attributes, Edge, Layer, Network, Parameter
from cutaway.shapes import parameter_count, with_shapes

STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""Blocks, maps of the inner convolutions, stride of the first block."""


def conv(id: str, before: str, channels: int, maps: int, kernel: int, stride: int = 1, relu: bool = True) -> Layer:
    """A convolution with the batch norm (and ReLU) behind it."""
    shapes: dict[str, tuple[int, ...]] = {"kernel": (maps, channels, kernel, kernel)}
    shapes |= {role: (maps,) for role in ("gamma", "beta", "mean", "variance")}
    return Layer(
        id=id,
        name=id,
        kind="conv2d",
        inputs=(Edge(layer=before),),
        attributes=Attributes(
            kernel=(kernel, kernel), stride=(stride, stride), padding=((kernel // 2, kernel // 2),) * 2, groups=1
        ),
        parameters=tuple(Parameter(role=role, key=f"{id}/{role}", shape=shape) for role, shape in shapes.items()),  # type: ignore[arg-type]
        fused=("batch_norm", "relu") if relu else ("batch_norm",),
    )


def resnet50() -> Network:
    """The graph, 25.6 million parameters."""
    pool = Attributes(kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)))
    layers = [
        Layer(id="input", name="input", kind="input", output_shapes=((3, 224, 224),)),
        conv("stem", "input", 3, 64, 7, 2),
        Layer(id="pool", name="pool", kind="max_pool2d", inputs=(Edge(layer="stem"),), attributes=pool),
    ]
    before, channels = "pool", 64
    for stage, (blocks, maps, first) in enumerate(STAGES, start=1):
        for block in range(blocks):
            id, stride = f"layer{stage}.{block}", first if block == 0 else 1
            layers.append(conv(f"{id}.conv1", before, channels, maps, 1))
            layers.append(conv(f"{id}.conv2", f"{id}.conv1", maps, maps, 3, stride))
            layers.append(conv(f"{id}.conv3", f"{id}.conv2", maps, 4 * maps, 1, relu=False))
            skip = before
            if block == 0:
                skip = f"{id}.downsample"
                layers.append(conv(skip, before, channels, 4 * maps, 1, stride, relu=False))
            inputs = (Edge(layer=f"{id}.conv3"), Edge(layer=skip))
            layers.append(Layer(id=f"{id}.add", name="add", kind="add", inputs=inputs, fused=("relu",)))
            before, channels = f"{id}.add", 4 * maps
    layers.append(Layer(id="mean", name="mean", kind="global_average_pool", inputs=(Edge(layer=before),)))
    weights = (
        Parameter(role="kernel", key="fc/kernel", shape=(1000, channels)),
        Parameter(role="bias", key="fc/bias", shape=(1000,)),
    )
    layers.append(Layer(id="fc", name="fc", kind="dense", inputs=(Edge(layer="mean"),), parameters=weights))
    return with_shapes(Network(layers=tuple(layers), inputs=("input",), outputs=("fc",)))


def main() -> None:
    network = resnet50()
    random = np.random.default_rng(0)
    shapes = {parameter.key: parameter.shape for layer in network for parameter in layer.parameters}
    parameters = {key: random.random(shape, np.float32) * 0.05 for key, shape in shapes.items()}
    image = {"input": random.random((1, 3, 224, 224), np.float32)}
    print(f"{parameter_count(network) / 1e6:.1f} million parameters, {len(network.layers)} layers")
    execute(network, parameters, image)
    for what, wanted in (("all layers", None), ("only the output", {"fc"})):
        seconds, processor = [], []
        for _ in range(5):
            begun, used = time.perf_counter(), time.process_time()
            outputs = execute(network, parameters, image, wanted)
            seconds.append(time.perf_counter() - begun)
            processor.append(time.process_time() - used)
        size = sum(values.nbytes for values in outputs.values())
        best, median = min(seconds), sorted(seconds)[2]
        print(
            f"{what}: {best:.2f} s for one picture 224×224 (median {median:.2f}; {min(processor):.2f} s of processor "
            f"time), {size / 1e6:.0f} MB"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
