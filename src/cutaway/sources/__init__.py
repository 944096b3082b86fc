"""Sources: anything that can tell its network, its parameters at a checkpoint and its activations for images.

`open_source` recognises by content what a path (or a live object) is and hands it to the one file that reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from cutaway.errors import CutawayError
from cutaway.network import Network
from cutaway.recording.schema import Checkpoint, Completeness

MAX_BYTES = 16 << 30
"""What a model may unpack to unless the user allows more: a small file must not make a big process."""


@dataclass(frozen=True)
class How:
    """How to open a model: what the file itself can't tell. Every opener is `open_x(path, how) -> Source`."""

    model: str | Callable[..., Any] | None = None
    """What builds the model that weights belong to: "package.module:function", or the function."""
    trust: bool = False
    """Whether code from the files may run (pickles, Lambda layers, TorchScript, a framework's own loader)."""
    input: str | None = None
    """Which of several inputs the samples go to; the others get zeros."""
    classes: tuple[str, ...] | None = None
    max_bytes: int = MAX_BYTES
    """The most bytes that tensors may unpack to; openers check what is declared before they allocate."""
    weights: Path | None = None
    """A second file with the weights, where graph and weights lie apart (`.keras` or JSON with `.weights.h5`)."""
    size: tuple[int, int] | None = None
    """(H, W) that the model is to get, where its input leaves that free."""
    layout: Literal["NCHW", "NHWC"] | None = None
    """Axes of the model's input, where neither the model nor its format tell."""
    sample_shape: tuple[int, ...] | None = None
    """Shape of one sample as given: (C, H, W) for pictures. Live models that leave their size free go by it."""
    first_sample: Callable[[InputSpec], np.ndarray | None] | None = None
    """The first sample [1, …] as an input takes it, None where it does not fit that: a live model that has to run to
    show its graph runs on it, and has its outputs ready then."""


@dataclass(frozen=True)
class InputSpec:
    """One input of a model, so that samples can be made ready for it."""

    name: str
    shape: tuple[int | None, ...]
    """Without the batch axis, in the model's own layout; None where the model leaves a size free."""
    dtype: str = "float32"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Whether the channels of a picture come first or last in `shape`."""
    rescales: bool = False
    """Whether the model itself brings 0…255 to what it was trained on: then nothing is divided by 255."""
    layer: str = ""
    """Id of its layer in the network, where that is not `name`."""


class SampleSet(Protocol):
    """Inputs as the person sees them, with what is known about them. `cutaway.samples.Pictures` is one."""

    @property
    def images(self) -> np.ndarray:
        """[sample, H, W, C], uint8 or float32."""
        ...

    @property
    def labels(self) -> Sequence[int | None] | None:
        """Class indices, None where not known."""
        ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def preprocessing(self) -> str | None:
        """What turned the picture into the model's input, in words."""
        ...


class Source(Protocol):
    """What every origin of a recording can tell. All arrays are in canonical axes, without a batch axis."""

    @property
    def name(self) -> str: ...

    @property
    def producer(self) -> str:
        """Who made the model, for people: "nn-visualizer", "torch 2.13"."""
        ...

    @property
    def network(self) -> Network: ...

    @property
    def checkpoints(self) -> Sequence[Checkpoint]: ...

    @property
    def classes(self) -> Sequence[str] | None: ...

    @property
    def samples(self) -> SampleSet | None:
        """The inputs that come with the source; None when the user has to give them."""
        ...

    @property
    def completeness(self) -> Completeness:
        """What is known and what is missing. Read last by `record`: it may grow while checkpoints are read."""
        ...

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Parameter key -> array, at the checkpoint with that position in `checkpoints`."""
        ...

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """Layer id -> array [sample, …output shape], for every recorded layer, the input included.

        A source that tells its `inputs` (`InputSpec`s, an optional attribute, see `inputs_of`) gets
        `cutaway.samples.Prepared`: besides the pictures the arrays that its model takes, by input name, and the ids
        of the layers that are wanted. It may be asked several times with a few samples each, while what it gave
        before is still read.
        """
        ...

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """Rows of `metrics.jsonl`; empty when the origin has none."""
        ...


def inputs_of(source: Source) -> tuple[InputSpec, ...]:
    """What a source's model takes; () for one that brings its recorded samples along and can't run others."""
    return tuple(getattr(source, "inputs", ()))


def canonical_inputs(specs: Sequence[InputSpec], samples: SampleSet) -> dict[str, np.ndarray]:
    """Input layer id -> [sample, C, H, W] (or [sample, …]) of prepared samples, as the executor takes them."""
    given: Mapping[str, np.ndarray] = getattr(samples, "inputs", {})
    return {
        spec.layer or spec.name: np.moveaxis(given[spec.name], -1, 1)
        if spec.layout == "NHWC" and given[spec.name].ndim > 2
        else given[spec.name]
        for spec in specs
        if spec.name in given
    }


def open_source(path: Any, **how: Any) -> Source:
    """Opens a model: a file, a folder, several files (checkpoints of one model), or a live PyTorch or Keras model.

    Recognises by content what a path is. `how` are the fields of `How`: `model` (what builds the model that bare
    weights belong to), `trust`, `input`, `classes`, `max_bytes`, `weights`, `size`, `layout`.

    Opening never runs code from the files without `trust=True`. Raises SourceError, one line, when there is nothing,
    or something that can't be read: then it says what it seems to be and what to do.
    """
    from cutaway.sources.recognise import live, recognise

    chosen = how_of(how)
    if isinstance(path, str | os.PathLike):
        return recognise(Path(os.fspath(path)).expanduser(), os.fspath(path), chosen)
    if isinstance(path, list | tuple) and path and all(isinstance(one, str | os.PathLike) for one in path):
        if len(path) == 1:
            return open_source(path[0], **how)
        from cutaway.sources.folder import open_files

        return open_files([Path(os.fspath(one)).expanduser() for one in path], chosen)
    return live(path, chosen)


def how_of(options: Mapping[str, Any]) -> How:
    """`How` from keyword arguments, None standing for a default. Raises CutawayError for one that there is not."""
    known = [field.name for field in fields(How)]
    for name in options:
        if name not in known:
            raise CutawayError(f"open_source has no option {name!r}; it has {', '.join(known)}")
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(given.get("weights"), str):
        given["weights"] = Path(given["weights"]).expanduser()
    if "classes" in given:
        given["classes"] = tuple(str(name) for name in given["classes"])
    return How(**given)
