"""What a rule sees and what it returns, and how figures are written."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Literal

from cutaway.network import Layer
from cutaway.recording.schema import LayerSummary, Summary, TensorSummary
from cutaway.recording.summary import WEIGHT_ROLES

Level = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something that a rule found."""

    text: str
    value: float
    grade: float
    """How bad it is: it is said again when this grew by 1. A logarithm for ratios, quarters for shares."""
    layer: str | None = None
    sample: int | None = None
    level: Level = "warning"


@dataclass(frozen=True)
class Rule:
    """A rule's name, and the rule in words."""

    name: str
    why: str
    each: bool = False
    """Each layer or sample is a case of its own; otherwise the network is, and a finding names where it is worst."""


@dataclass(frozen=True)
class Update:
    """How far a layer's kernel moved: ‖Δw‖ / ‖w‖, over `steps` steps of the optimiser (None: not known how many)."""

    ratio: float
    steps: int | None

    def limit(self, one_step: float) -> float:
        """What `one_step` allows over that many steps. From ten steps on a kernel rarely goes on in one direction."""
        return one_step * (10 if self.steps is None else min(self.steps, 10))


@dataclass
class History:
    """What rules remember of the checkpoints before: as much after 10,000 of them as after ten."""

    start_norms: dict[str, float] = field(default_factory=dict)
    """Norms of the kernels at the first checkpoint, by layer id."""
    start_dead: dict[str, float] = field(default_factory=dict)
    """Shares of dead maps or units at the first checkpoint, by layer id."""
    newest: dict[str, list[Update]] = field(default_factory=dict)
    """What is known of the present checkpoint: since the one before, and of one step where it was measured."""
    updates: dict[str, deque[Update]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=2)))
    """The better of these at the present checkpoint and the one before."""
    farthest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Largest ratio of each layer so far."""
    fastest: float = 0.0
    """Largest ratio of any layer so far, by step."""
    gradient_norms: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    """Of all kernels together, the present one not included."""

    def add(self, layer: str, updates: list[Update]) -> None:
        """One layer at the present checkpoint; the update of one step, which says more, stands last."""
        self.newest[layer] = updates
        self.updates[layer].append(updates[-1])
        self.farthest[layer] = max(self.farthest[layer], *(update.ratio for update in updates))
        self.fastest = max(self.fastest, *(update.ratio / update.limit(1) for update in updates))


@dataclass(frozen=True)
class Moment:
    """A checkpoint that is not the first, as rules see it."""

    summary: Summary
    samples: int | None
    layers: tuple[Layer, ...]
    hidden: tuple[Layer, ...]
    """All but the network's inputs and outputs."""
    weighted: tuple[Layer, ...]
    """Layers that own trainable weights, in the network's order."""
    gates: frozenset[str]
    """Layers whose output multiplies another's: that they are all on or off is what they are for."""
    past: History

    def of(self, layer: Layer) -> LayerSummary | None:
        return self.summary.layers.get(layer.id)

    def kernels(self, what: Literal["parameters", "gradients"]) -> dict[str, TensorSummary]:
        """Summaries of the trainable kernels, or of their gradients, by layer id."""
        found = {}
        for layer in self.weighted:
            tensors: dict[str, TensorSummary] = getattr(self.of(layer) or LayerSummary(), what)
            kernel = next((tensors[role] for role in WEIGHT_ROLES if role in tensors), None)
            if kernel is not None:
                found[layer.id] = kernel
        return found

    def name(self, layer: str) -> str:
        """What the network's picture calls a layer; the whole id of a nested one, whose name alone says little."""
        node = next(node for node in self.layers if node.id == layer)
        return node.id if node.path else node.name


def percent(share: float) -> str:
    """ "41 %"; what is not nothing and not all is never written as 0 % or 100 %."""
    if 0 < share < 0.01:
        return "less than 1 %"
    return f"{min(99, round(100 * share)) if share < 1 else 100} %"


def figure(value: float) -> str:
    """Three digits that a person can read: "1,200", "0.034", "2.1 · 10⁻⁷"."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "NaN" if math.isnan(value) else "infinite"
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 7:
        return f"{value:,.{max(0, 2 - exponent)}f}".replace("-", "−")
    power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10**exponent:.1f} · 10{power}".replace("-", "−")


def listed(names: list[str]) -> str:
    """ "a", "a and b", "a, b and c", "a, b and 7 more"."""
    shown = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
    return " and ".join([*([", ".join(shown[:-1])] if len(shown) > 1 else []), shown[-1]])
