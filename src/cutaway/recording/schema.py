"""Everything that the viewer reads as JSON, as frozen structs; the viewer's types are generated from here.

`python -m cutaway.recording.typescript` writes `viewer/src/generated/recording.ts`; a test fails when the two differ.
"""

from __future__ import annotations

from typing import Literal

from cutaway.network import Network, Struct

FORMAT = "cutaway-recording"
VERSION = 1


class Checkpoint(Struct, frozen=True):
    """One recorded moment of the training. Its files are named by `index`, six digits."""

    index: int
    label: str
    epoch: float | None = None
    step: int | None = None


class Samples(Struct, frozen=True):
    """The recorded inputs. `labels` are class indices, None where not known."""

    count: int
    names: tuple[str, ...] = ()
    labels: tuple[int | None, ...] | None = None
    preprocessing: str | None = None
    """What turned the picture that a person sees into the model's input, in words (for example "÷ 255")."""


class Completeness(Struct, frozen=True, omit_defaults=False):
    """What a recording holds of the network and what it lacks; `notes` say it in words."""

    graph: bool = True
    parameters: bool = True
    biases: bool = True
    activations: bool = True
    runnable: bool = True
    notes: tuple[str, ...] = ()
    missing: dict[str, tuple[str, ...]] = {}
    """Per layer id, what was not recorded in words: {"conv1": ("bias", "batch norm")}."""


class Index(Struct, frozen=True, omit_defaults=False):
    """`recording.json`."""

    format: str
    version: int
    name: str
    created: str
    producer: str
    network: Network
    checkpoints: tuple[Checkpoint, ...]
    samples: Samples
    classes: tuple[str, ...] | None = None
    completeness: Completeness = Completeness()


class Histogram(Struct, frozen=True):
    """Counts of values in equal bins between `low` and `high`; non-finite values are not in it."""

    low: float
    high: float
    counts: tuple[int, ...]


class TensorSummary(Struct, frozen=True):
    """One tensor at one checkpoint: finite range, moments, histogram, and how many values are not finite."""

    low: float
    high: float
    mean: float
    norm: float
    """Euclidean norm of all finite values."""
    histogram: Histogram
    not_finite: int = 0


class LayerSummary(Struct, frozen=True):
    """One layer at one checkpoint, its activations taken over all recorded samples."""

    activations: TensorSummary | None = None
    parameters: dict[str, TensorSummary] = {}
    map_low: tuple[float, ...] = ()
    map_high: tuple[float, ...] = ()
    map_mean: tuple[float, ...] = ()
    dead: tuple[int, ...] = ()
    """Maps that are zero (or one constant value) on every recorded sample."""
    update_ratio: float | None = None
    """‖w − w before‖ / ‖w before‖ of the kernel against the checkpoint before."""
    step_update_ratio: float | None = None
    """‖Δw‖ / ‖w‖ of the kernel in one step of the optimiser, where it was measured."""
    gradients: dict[str, TensorSummary] = {}
    """Of the parameters with these roles, where gradients were recorded."""
    saturated: float | None = None
    """Share of the outputs of a sigmoid, tanh or the like that lie within 1 % of its range from a limit."""
    map_histograms: tuple[tuple[int, ...], ...] = ()
    """Per map, counts in 16 equal bins between `low` and `high` of `activations`; of maps of more than one pixel."""


class Summary(Struct, frozen=True):
    """`summary/NNNNNN.json`: one entry per layer id."""

    layers: dict[str, LayerSummary]
    scores: tuple[tuple[float | None, ...], ...] | None = None
    """The network's output [sample][class], where it is one score a class of at most 1,000; null where not finite."""


class Insight(Struct, frozen=True):
    """One line of `insights.jsonl`: something that happened in the training, said at the moment where it appeared."""

    rule: str
    """Which rule found it: "dead-units", "vanishing-gradients", …"""
    level: Literal["warning", "note"]
    text: str
    """One sentence with its figure."""
    why: str
    """The rule in words, with its threshold."""
    value: float | None = None
    """The figure that the rule looked at; null where it is not finite."""
    layer: str | None = None
    sample: int | None = None
    epoch: float | None = None
    step: int | None = None
