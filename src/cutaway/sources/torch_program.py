"""What a PyTorch model computed, call by call: what the live recorder and the reader of `.pt2` files both make.

Nothing here needs torch. Shapes have their batch axis, as the framework has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands for a tensor among the arguments of a call: position in `Program.values`."""

    id: int


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that was there: an input, a parameter or buffer, a constant, or what a call put out."""

    shape: tuple[int, ...]
    dtype: str
    origin: Literal["input", "parameter", "constant", "call"]
    name: str = ""
    """Of an input: its argument's name; of a parameter or buffer: its name in the state dict."""
    trainable: bool = False
    data: Any = None
    """A constant's numbers, where they are at hand: a tensor or an array."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation. `arguments` by name; tensors in them, also within lists, are `Ref`s."""

    op: str
    """Plain name, the same for every way to call it: "conv2d", "add", "relu"."""
    label: str
    """As the framework names it: "torch.nn.Conv2d", "torch.add", "aten.add.Tensor"."""
    arguments: Mapping[str, Any]
    outputs: tuple[int, ...]
    module: str = ""
    """Path of the innermost module: "layer1.0.conv1"; "" for the model itself."""
    leaf: bool = False
    """Whether that module is one of the framework's own layers, so that the call *is* the module."""
    turn: int = 0
    """How often that module was called before."""
    source: str | None = None
    """Where in the user's code: "model.py:41"."""
    title: str = ""
    """What the user called, where that has another name than `op`."""

    def refs(self) -> list[int]:
        """Values that it reads, in the order of the arguments."""
        return [ref.id for ref in refs_in(self.arguments)]


@dataclass(slots=True)
class Program:
    """Calls in the order in which they ran."""

    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    batch: int = 1
    """Samples in each tensor whose first axis is the batch."""

    def add(self, value: Value) -> int:
        self.values.append(value)
        return len(self.values) - 1


def refs_in(arguments: Any) -> Iterator[Ref]:
    """Every Ref within nested lists and mappings."""
    if isinstance(arguments, Ref):
        yield arguments
    elif isinstance(arguments, Mapping):
        for one in arguments.values():
            yield from refs_in(one)
    elif isinstance(arguments, list | tuple):
        for one in arguments:
            yield from refs_in(one)
