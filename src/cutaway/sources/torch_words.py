"""What describes one call of PyTorch as a layer: the arguments by name, and what comes out of reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cutaway.network import Attributes, Kind, Role
from cutaway.sources.torch_program import Call, Program, Ref, refs_in


@dataclass(frozen=True)
class Weight:
    """A parameter of a layer: which value, and how its axes become canonical."""

    value: int
    axes: tuple[int, ...] | None = None
    """Permutation; None when the axes stay."""
    shape: tuple[int, ...] = ()
    source_axes: str | None = None


NOTHING = Attributes()


@dataclass(frozen=True)
class Described:
    """A call as a layer."""

    kind: Kind
    inputs: tuple[int, ...]
    attributes: Attributes = NOTHING
    weights: Mapping[Role, Weight] = field(default_factory=dict)
    function: str = ""
    """Activations: the name that stands in `fused`."""


class Reader:
    """The arguments of one call, with their defaults and the shapes of its tensors."""

    def __init__(self, call: Call, program: Program) -> None:
        self.call = call
        self.program = program
        self.given = call.arguments

    def get(self, name: str, default: Any = None) -> Any:
        value = self.given.get(name)
        return default if value is None else value

    def ref(self, name: str) -> int | None:
        value = self.given.get(name)
        return value.id if isinstance(value, Ref) else None

    def shape(self, name: str = "input") -> tuple[int, ...]:
        id = self.ref(name)
        return () if id is None else self.program.values[id].shape

    @property
    def output(self) -> tuple[int, ...]:
        return self.program.values[self.call.outputs[0]].shape

    def inner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Without the batch axis."""
        return shape[1:] if shape and shape[0] == self.program.batch else shape

    def axis(self, dim: Any, shape: tuple[int, ...] | None = None) -> int | None:
        """A dimension of the input (or of `shape`) as an axis of a sample; None for the batch axis and nonsense."""
        rank = len(self.shape() if shape is None else shape)
        if not isinstance(dim, int) or not -rank <= dim < rank:
            return None
        return dim % rank - 1 if dim % rank else None

    def inputs(self, *names: str) -> tuple[int, ...]:
        return tuple(ref.id for name in names for ref in refs_in(self.given.get(name)))

    def weights(self, **roles: str) -> dict[Role, Weight]:
        found: dict[Role, Weight] = {}
        for role, name in roles.items():
            id = self.ref(name)
            if id is not None:
                found[role] = Weight(id, shape=self.program.values[id].shape)  # type: ignore[index]
        return found


def ints(value: Any, count: int, default: int) -> tuple[int, ...]:
    """A number or a list of them as `count` numbers."""
    if value is None or (isinstance(value, list | tuple) and not value):
        return (default,) * count
    if isinstance(value, list | tuple):
        numbers = tuple(int(one) for one in value)
        return numbers * count if len(numbers) == 1 else numbers
    return (int(value),) * count


def two_axes(values: tuple[Any, ...], filler: Any) -> tuple[Any, ...]:
    """One-dimensional windows are rows: (1, k)."""
    return (filler, *values) if len(values) == 1 else values


def other(a: Reader) -> Described:
    """Its own name, and all that it reads."""
    return Described("other", tuple(ref.id for ref in refs_in(a.given)))
