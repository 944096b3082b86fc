"""`.pt2` files of `torch.export`, read without torch and without running anything.

The archive holds the graph as JSON (`models/model.json`: operations, arguments, module stack, source lines) and every
weight as plain bytes. `torch.export.load` would fall back to unpickling; it is never called.
Format: torch/_export/serde/schema.py and torch/export/pt2_archive/constants.py in PyTorch 2.13.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.execute import execute
from cutaway.network import Network
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, InputSpec, canonical_inputs
from cutaway.sources.torch_graph import build, canonical
from cutaway.sources.torch_limits import uncomputed
from cutaway.sources.torch_pt2 import Exported, program_of, read_pt2

FLOATS = ("float16", "float32", "float64", "bfloat16")


def open_pt2(path: Path, how: How) -> ExportSource:
    """An exported program as a source. Raises SourceError, in one line, for what can't be read."""
    return ExportSource(path, how)


class ExportSource:
    """The program's graph; activations are computed by Cutaway's own executor."""

    samples = None

    def __init__(self, path: Path, how: How) -> None:
        self.path = path
        self.how = how
        self.exported: Exported = read_pt2(path, how)
        self.program = program_of(self.exported)
        self.graph = build(self.program)
        self.name = path.stem
        self.producer = f"torch {self.exported.version}".strip()
        self.classes = how.classes
        self.checkpoints: Sequence[Checkpoint] = [Checkpoint(index=0, label=path.stem)]
        self.unsupported = uncomputed(self.network)
        self.notes = tuple(self.told())

    @property
    def network(self) -> Network:
        return self.graph.network

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        values = [self.program.values[number] for number in self.program.inputs]
        return tuple(
            InputSpec(
                name=value.name,
                shape=value.shape[1:],
                dtype="float32" if value.dtype in FLOATS else value.dtype,
                layer=self.graph.inputs[value.name],
            )
            for value in values
        )

    @property
    def completeness(self) -> Completeness:
        missing: dict[str, tuple[str, ...]] = {id: ("activations",) for id in self.unsupported}
        return Completeness(activations=not missing, runnable=not missing, notes=self.notes, missing=missing)

    def told(self) -> list[str]:
        notes = []
        first = next((id for id, why in self.unsupported.items() if not why.startswith("it depends")), None)
        if first is not None:
            notes.append(
                f"{self.unsupported[first]} ({first}): from there on activations are not recorded. A live module "
                "records them: --model package.module:function with its weights."
            )
        values = self.program.values
        used = {values[weight.value].name for weight in self.graph.weights.values()}
        places = {self.exported.entries[name].place for name in used if name in self.exported.entries}
        idle = [name for name in self.exported.parameters if self.exported.entries[name].place not in places]
        if idle:
            notes.append(f"Parameters that the program does not use are left out: {', '.join(idle[:4])}.")
        return notes

    def with_weights(self, path: Path) -> ExportSource:
        """The same graph with the weights of another export of the same model."""
        other = read_pt2(path, self.how)
        if set(other.entries) != set(self.exported.entries):
            return ExportSource(path, self.how)  # another network; whoever asks compares the graphs
        again = copy.copy(self)
        again.path, again.exported = path, other
        again.checkpoints = [Checkpoint(index=0, label=path.stem)]
        return again

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        values = self.program.values
        found = {}
        for key, weight in self.graph.weights.items():
            entry = self.exported.entries.get(values[weight.value].name)
            if entry is None:
                raise SourceError(f"{self.path}: it has no weights {values[weight.value].name!r}; it is damaged")
            try:
                found[key] = canonical(entry.read(), weight)
            except ValueError:
                raise SourceError(
                    f"{self.path}: {values[weight.value].name} has shape {list(entry.shape)}, the graph takes "
                    f"{list(weight.shape)}; it is damaged"
                ) from None
        return found

    def activations(self, checkpoint: int, samples: Any) -> Mapping[str, np.ndarray]:
        wanted = getattr(samples, "wanted", None)
        ids = [
            layer.id
            for layer in self.network
            if layer.id not in self.unsupported and (wanted is None or layer.id in wanted)
        ]
        return execute(self.network, self.parameters(checkpoint), canonical_inputs(self.inputs, samples), ids)

    def metrics(self) -> Sequence[Mapping[str, float]]:
        return ()
