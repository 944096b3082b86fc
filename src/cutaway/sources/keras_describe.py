"""What a description of a layer is made of, and what it is made from: axes, shapes, weights, activations by name.

Keras's tensors have their channels last (unless the model says channels_first); here they come first. An axis that
Keras counts with the batch, `keras_axis`, becomes an axis of a sample with the channels first, `axis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.network import Attributes, Kind, Role
from cutaway.shapes import same_padding
from cutaway.sources.keras_config import Call, Owner, Value
from cutaway.sources.keras_weights import Tensor

Shape = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


class Unclear(Exception):
    """A layer is used in a way that is not known here: it is shown as a box under its own name."""


@dataclass(frozen=True)
class Weight:
    """A tensor of a layer, and how it becomes canonical: transposed, reshaped, its taps turned round."""

    owner: Owner
    position: int
    tensor: Tensor
    shape: Shape
    axes: tuple[int, ...] | None = None
    source_axes: str | None = None
    flipped: bool = False
    trainable: bool = True

    def canonical(self, values: np.ndarray) -> np.ndarray:
        if self.flipped:  # Theano's convolution turns the kernel round
            values = np.flip(values, tuple(range(values.ndim - 2)))
        turned = values if self.axes is None else values.transpose(self.axes)
        return np.ascontiguousarray(turned, np.float32).reshape(self.shape)


@dataclass
class Described:
    """A layer to be: what it computes and with which weights."""

    kind: Kind
    attributes: Attributes = field(default_factory=Attributes)
    weights: dict[Role, Weight] = field(default_factory=dict)
    others: tuple[Weight, ...] = ()
    """Weights of a layer that is not known, which have no roles."""
    word: str = ""
    """How it is called among `fused`; its kind unless told."""
    activation: tuple[Described, ...] = ()
    """What it puts its result through: `activation=` of a convolution or a dense layer."""
    inputs: Sequence[Value | None] | None = None
    """What it reads, where that is not what the call reads; None in it: what stands before it in the list."""
    name: str = ""
    """Put behind the layer's own name where a layer becomes several."""
    shapes: tuple[Shape, ...] | None = None
    outputs: int = 1


@dataclass
class Site:
    """One call of a layer, with all that is known where it stands."""

    call: Call
    shapes: list[Shape | None]
    """Of its inputs: channels first, without the batch."""
    tensors: list[Tensor]
    last: bool
    """Whether the model has its channels last."""
    keras2: bool
    theano: bool = False

    @property
    def owner(self) -> Owner:
        return self.call.owner

    def get(self, name: str, default: Any = None) -> Any:
        return self.owner.config.get(name, default)

    @property
    def shape(self) -> Shape:
        """Of the first input. Raises Unclear when it is not known."""
        if not self.shapes or self.shapes[0] is None:
            raise Unclear("the shape of its input is not known")
        return self.shapes[0]

    def check_layout(self) -> None:
        """Raises Unclear for a layer that has its channels elsewhere than the model."""
        told = self.get("data_format")
        if told is not None and len(self.shape) > 1 and (told == "channels_last") != self.last:
            raise Unclear("the model mixes channels_first and channels_last")

    def axis(self, keras_axis: int, rank: int | None = None) -> int:
        """An axis that Keras counts with the batch as an axis of a sample, channels first. Raises Unclear."""
        count = len(self.shape) if rank is None else rank
        found = keras_axis - 1 if keras_axis > 0 else keras_axis + count
        if keras_axis == 0 or not 0 <= found < count:
            raise Unclear(f"axis {keras_axis} of {count + 1}")
        return to_canonical(found, count, self.last)

    def in_keras(self, shape: Shape) -> Shape:
        """A sample's shape in Keras's own axes."""
        return (*shape[1:], shape[0]) if self.last and len(shape) > 1 else shape

    def canonical_shape(self, shape: Sequence[int]) -> Shape:
        given = tuple(shape)
        return (given[-1], *given[:-1]) if self.last and len(given) > 1 else given

    @property
    def order(self) -> Any:
        """In which order pixels become a vector."""
        return "HWC" if self.last else "CHW"

    def constant(self, value: Any, rank: int) -> Any:
        """A number, or nested lists that Keras broadcasts to a tensor of that rank, channels first."""
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise Unclear("a constant that is no array") from None
        if array.size > 4096 or array.ndim > rank + 1:
            raise Unclear("a large constant")
        if array.ndim == rank + 1:
            if array.shape[0] != 1:
                raise Unclear("a constant for each sample")
            array = array[0]
        if array.ndim == 0:
            return float(array)
        array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        return (np.moveaxis(array, -1, 0) if self.last and rank > 1 else array).tolist()

    # --- weights -----------------------------------------------------------------------------------------------------

    def weight(self, position: int, expected: Sequence[int | None], what: str) -> Tensor:
        """A tensor, checked against the shape that the configuration makes it have (None: any size)."""
        tensor = self.tensors[position]
        fits = len(tensor.shape) == len(expected) and all(
            wanted is None or wanted == size for wanted, size in zip(expected, tensor.shape, strict=True)
        )
        if not fits or not math.prod(tensor.shape):
            wanted = ", ".join("?" if size is None else str(size) for size in expected)
            raise SourceError(
                f"layer {self.owner.id!r} ({self.owner.class_name}): its {what} has shape {list(tensor.shape)} in the "
                f"file, its configuration makes it [{wanted}]; the weights belong to another model"
            )
        return tensor

    def kernel(self, position: int, expected: Sequence[int | None], what: str = "kernel") -> Weight:
        """A convolution's kernel: taps, inputs, outputs -> outputs, inputs, taps (1-D: one row of taps)."""
        tensor = self.weight(position, expected, what)
        rank = len(tensor.shape) - 2
        axes = (rank + 1, rank, *range(rank))
        shape = tuple(tensor.shape[axis] for axis in axes)
        if rank == 1:
            shape = (*shape[:2], 1, shape[2])
        return self.of(position, shape, axes, "DHW"[3 - rank :] + "IO")

    def depthwise(self, position: int, expected: Sequence[int | None], what: str) -> Weight:
        """taps, channels, multiplier -> channels · multiplier, 1, taps."""
        tensor = self.weight(position, expected, what)
        *taps, channels, each = tensor.shape
        rank = len(taps)
        row = (1,) if rank == 1 else ()
        axes = (rank, rank + 1, *range(rank))
        return self.of(position, (channels * each, 1, *row, *taps), axes, "DHW"[3 - rank :] + "IM")

    def vector(self, position: int, length: int | None, what: str) -> Weight:
        tensor = self.weight(position, (length,), what)
        return self.of(position, tensor.shape)

    def of(
        self, position: int, shape: Shape, axes: tuple[int, ...] | None = None, source_axes: str | None = None
    ) -> Weight:
        return Weight(
            owner=self.owner,
            position=position,
            tensor=self.tensors[position],
            shape=shape,
            axes=axes,
            source_axes=source_axes,
            flipped=self.theano and bool(source_axes) and str(source_axes).endswith("IO") and len(shape) > 2,
            trainable=self.owner.trainable,
        )

    # --- windows -----------------------------------------------------------------------------------------------------

    def per_axis(self, name: str, rank: int, default: int = 1) -> tuple[int, ...]:
        """`kernel_size`, `strides`, …: one number for all axes, or one for each."""
        given = self.get(name, default)
        if given is None:
            given = default
        values = tuple(given) if isinstance(given, list | tuple) else (given,) * rank
        if len(values) != rank or not all(isinstance(one, int) and 0 < one < 100_000 for one in values):
            raise Unclear(f"{name} is {given!r}")
        return values

    def padding(self, kernel: Shape, stride: Shape, dilation: Shape) -> Pairs:
        """Explicit padding per axis of "valid", "same" and "causal". Raises Unclear where the size is not known."""
        way = str(self.get("padding", "valid")).lower()
        if way == "valid":
            return ((0, 0),) * len(kernel)
        if way == "causal":
            return ((dilation[0] * (kernel[0] - 1), 0),)
        if way != "same":
            raise Unclear(f"padding {way!r}")
        sizes = self.shape[1:]
        if len(sizes) != len(kernel):
            raise Unclear(f"maps of {len(sizes)} axes")
        return tuple(same_padding(*axis) for axis in zip(sizes, kernel, stride, dilation, strict=True))


def to_canonical(axis: int, rank: int, last: bool) -> int:
    """An axis of a sample in Keras's order as one with the channels first."""
    if not last or rank < 2:
        return axis
    return 0 if axis == rank - 1 else axis + 1


def pairs(value: Any, rank: int) -> Pairs:
    """`padding` and `cropping`: a number, one per axis, or a pair per axis. Raises Unclear."""
    given = value if isinstance(value, list | tuple) else [value] * rank
    if rank == 1 and len(given) == 2 and all(isinstance(one, int) for one in given):
        given = [given]
    made = tuple(tuple(one) if isinstance(one, list | tuple) else (one, one) for one in given)
    if len(made) != rank or not all(
        len(one) == 2 and all(isinstance(n, int) and 0 <= n < 1e6 for n in one) for one in made
    ):
        raise Unclear(f"padding {value!r}")
    return made


# --- activations -----------------------------------------------------------------------------------------------------

KINDS: dict[str, Kind] = {
    "relu": "relu",
    "leaky_relu": "leaky_relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
    "softmax": "softmax",
}

SAME_WORDS = {"hard_silu": "hard_swish", "exp": "exponential"}


def activation(site: Site, name: str, extra: Mapping[str, Any] | None = None, axis: int | None = None) -> Described:
    """An activation function by Keras's name. One that is not known keeps its name and is not computed."""
    name = SAME_WORDS.get(name, name)
    more = {key: value for key, value in (extra or {}).items() if value is not None}
    slope = more.pop("slope", None)
    if name == "leaky_relu" and slope is None:
        slope = 0.2
    if name == "hard_sigmoid" and site.keras2:
        more |= {"alpha": 0.2, "beta": 0.5}
    kind = KINDS.get(name, "activation")
    if name in ("softmax", "log_softmax"):
        axis = axis if axis is not None else to_canonical(len(site.shape) - 1, len(site.shape), site.last)
    if kind == "activation":
        more["name"] = name
    attributes = Attributes(slope=slope, axis=axis, extra=more)
    return Described(kind, attributes, word=kind if kind != "activation" else name)


def own_activation(site: Site) -> tuple[Described, ...]:
    """What a layer's own `activation=` says: a name, or a layer of an activation; () for none."""
    given = site.get("activation")
    if given is None or given == "linear":
        return ()
    if isinstance(given, str):
        return (activation(site, given),)
    if isinstance(given, dict):
        inner, class_name = given.get("config"), str(given.get("class_name"))
        if isinstance(inner, str):
            return () if inner == "linear" else (activation(site, inner),)
        if isinstance(inner, dict):
            from cutaway.sources.keras_layers import ACTIVATIONS

            owner = Owner(site.owner.name, class_name, "keras.layers", inner, site.owner.path)
            make = ACTIVATIONS.get(class_name)
            if make is not None:
                inside = Site(Call(owner, 0, [], {}), site.shapes, [], site.last, site.keras2)
                return (make(inside),)
            return (activation(site, class_name),)
    raise Unclear(f"activation {given!r}")
