"""Layer, Parameter, Network: the vocabulary of every stage.

A *layer* is a node of the network, a *map* one channel of its output, a *tap* one weight position in a
kernel. Axes are canonical whatever the framework: maps `C,H,W`, vectors `C`, conv kernels
`O,I/groups,kH,kW`, transposed conv `I,O/groups,kH,kW`, dense kernels `O,I`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Kind = Literal[
    "input",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "depthwise_conv2d",
    "dense",
    "max_pool2d",
    "average_pool2d",
    "global_average_pool",
    "adaptive_pool",
    "batch_norm",
    "layer_norm",
    "group_norm",
    "relu",
    "leaky_relu",
    "prelu",
    "sigmoid",
    "tanh",
    "gelu",
    "silu",
    "softmax",
    "activation",
    "add",
    "multiply",
    "subtract",
    "concat",
    "flatten",
    "reshape",
    "permute",
    "pad",
    "crop",
    "upsample",
    "dropout",
    "embedding",
    "attention",
    "recurrent",
    "constant",
    "output",
    "other",
]
"""What a layer computes. An unknown op is `other` under its own name: shown as a box, never a failure."""

Role = Literal["kernel", "depthwise", "pointwise", "bias", "gamma", "beta", "mean", "variance", "alpha"]


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that is written as JSON; absent fields stand for their defaults."""


class Edge(Struct, frozen=True):
    """One input of a layer: the output `output` of the layer `layer`."""

    layer: str
    output: int = 0


class Attributes(Struct, frozen=True):
    """What a layer was built with; only what its kind needs is set.

    Pairs are (vertical, horizontal): `kernel`, `stride`, `dilation`; `padding` is
    ((top, bottom), (left, right)) in pixels.
    """

    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    padding: tuple[tuple[int, int], ...] | None = None
    dilation: tuple[int, ...] | None = None
    groups: int | None = None
    axis: int | None = None
    epsilon: float | None = None
    slope: float | None = None
    input_order: Literal["CHW", "HWC"] | None = None
    """Dense after maps: in which order the maps' pixels are the columns of the kernel."""
    count_include_pad: bool | None = None
    """Average pools: whether padding counts in the mean."""
    extra: dict[str, Any] = {}


class Parameter(Struct, frozen=True):
    """One weight tensor of a layer. `key` is its name in every checkpoint file."""

    role: Role
    key: str
    shape: tuple[int, ...]
    trainable: bool = True
    source_axes: str | None = None
    """The axes it had in the framework, where they were converted (for example "HWIO")."""


class Layer(Struct, frozen=True):
    """A node of the network. `output_shapes` have no batch axis: (C, H, W) for maps, (C,) for vectors."""

    id: str
    name: str
    kind: Kind
    path: tuple[str, ...] = ()
    op: str = ""
    inputs: tuple[Edge, ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()
    attributes: Attributes = Attributes()
    parameters: tuple[Parameter, ...] = ()
    fused: tuple[str, ...] = ()
    """What the recorded output already contains, in order: batch_norm, relu, softmax, dropout, flatten, …"""
    steps: tuple[str, ...] = ()
    """Names under which what comes before each of `fused` is recorded, the operation's own output first; often none."""
    call: int = 0
    source: str | None = None

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the first output, without the batch axis; () when it is not known."""
        return self.output_shapes[0] if self.output_shapes else ()

    def parameter(self, role: str) -> Parameter | None:
        """The parameter with that role, or None."""
        return next((p for p in self.parameters if p.role == role), None)


class Network(Struct, frozen=True):
    """A graph of layers in an order in which they can be computed."""

    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def layer(self, id: str) -> Layer:
        """The layer with that id. Raises UnknownLayer, naming the ids there are."""
        from cutaway.errors import UnknownLayer

        for layer in self.layers:
            if layer.id == id:
                return layer
        known = ", ".join(layer.id for layer in self.layers[:12]) + (", …" if len(self.layers) > 12 else "")
        raise UnknownLayer(f"no layer {id!r} in this network; it has {known}")
