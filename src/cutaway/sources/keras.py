"""Keras models: `.keras`, `.h5` from Keras 2.0 on, weights beside their configuration, and live models.

Files are read without Keras (h5py alone), and nothing in them runs. Activations of files come from the executor, those
of live models from Keras itself, whatever its backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, SampleSet, Source, canonical_inputs

GRAPHLESS = (
    "weights without a graph; give the model as well: `cutaway record model.keras --weights {path}` (or its "
    "model.to_json()), or --model package.module:function that builds it"
)


def open_keras(path: Path, how: How) -> Source:
    """Opens a `.keras`, `.h5`, `.weights.h5` or `.json` file. Raises SourceError."""
    from cutaway.sources import keras_archive
    from cutaway.sources.keras_config import refuse_code
    from cutaway.sources.keras_hdf5 import one_line

    opened = keras_archive.read(path, how)
    beside = None if how.weights is None else keras_archive.read(how.weights, how)
    if opened.config is None and beside is not None:
        opened, beside = beside, opened
    if opened.config is None:
        if how.model is None:
            raise SourceError(f"{path}: {GRAPHLESS.format(path=path)}")
        return trusted("open_weights", path, how)
    weights = (beside or opened).weights
    if weights is None:
        raise SourceError(
            f"{opened.path}: the configuration of a model without weights; add them: --weights file.weights.h5"
        )
    try:
        refuse_code(opened.config, str(opened.path))
    except SourceError:
        if not how.trust:
            raise
        return trusted("open_trusted", opened.path, how)
    try:
        return KerasFile(path, opened, weights, how)
    except RecursionError:
        raise SourceError(f"{opened.path}: a configuration nested deeper than any model's; refused") from None
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        # What Keras writes never gets here; what somebody changed by hand may be anything.
        what = one_line(error)
        raise SourceError(f"{opened.path}: a configuration that Keras does not write ({what}); save it again") from None


def trusted(opener: str, path: Path, how: How) -> Source:
    """Through Keras itself, which runs the user's own code. Raises ModuleNotFoundError where it is not installed."""
    from cutaway.sources import keras_live

    source: Source = getattr(keras_live, opener)(path, how)
    return source


def open_model(model: Any, how: How) -> Source:
    """Opens a live Keras model; it computes its activations itself. Raises SourceError."""
    from cutaway.sources.keras_live import KerasModel

    return KerasModel(model, how)


class KerasFile:
    """A `Source` over a file: graph from its JSON, parameters from its HDF5, activations from the executor."""

    samples: SampleSet | None = None

    def __init__(self, path: Path, opened: Any, weights: Any, how: How) -> None:
        from cutaway.execute import unsupported
        from cutaway.sources.keras_config import read_program
        from cutaway.sources.keras_graph import build
        from cutaway.sources.keras_layers import expected
        from cutaway.sources.keras_weights import weights_of

        self.path = path
        self.name = path.name.removesuffix(".json").removesuffix(".keras").removesuffix(".h5").removesuffix(".weights")
        self.producer = f"Keras {opened.version}" if opened.version else "Keras"
        self.classes: Sequence[str] | None = how.classes
        self.checkpoints = (Checkpoint(index=0, label=self.name),)
        program = read_program(opened.config, str(opened.path))
        found = weights_of(weights, program.root, expected)
        try:
            self.graph = build(program, found, how, version=opened.version, backend=opened.backend)
        except SourceError as error:
            raise SourceError(f"{path}: {error}") from None
        self.network = self.graph.network
        self.inputs = self.graph.inputs
        self.unsupported = unsupported(self.network)
        self.completeness = completeness(self.graph.notes, self.unsupported)

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """All parameters by key, float32 in canonical axes."""
        return self.values

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Read once: the activations of every few samples need them all."""
        return {key: weight.canonical(weight.tensor.read()) for key, weight in self.graph.weights.items()}

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """What the wanted layers put out, [sample, …], computed in NumPy; layers that can't be are left out."""
        from cutaway.execute import execute

        wanted: Any = getattr(samples, "wanted", None)
        ids = [layer.id for layer in self.network if layer.id not in self.unsupported]
        chosen = ids if wanted is None else [id for id in ids if id in wanted]
        try:
            return execute(self.network, self.values, self.given(samples), chosen)
        except MemoryError:
            raise SourceError(f"{self.path}: not enough memory for its layers; give a smaller --size") from None

    def given(self, samples: SampleSet) -> dict[str, np.ndarray]:
        """The inputs by layer, channels first; zeros for an input that no samples are for."""
        made = canonical_inputs(self.inputs, samples)
        for spec in self.inputs:
            if spec.layer not in made:
                shape = self.network.layer(spec.layer).output_shape
                made[spec.layer] = np.zeros((len(samples.images), *shape), np.float32)
        return made

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """None are in the files."""
        return []


def completeness(notes: Sequence[str], unsupported: Mapping[str, str]) -> Completeness:
    """What is missing: activations of layers that can't be computed here, each with why."""
    if not unsupported:
        return Completeness(notes=tuple(notes))
    roots = [f"{id} ({why})" for id, why in unsupported.items() if not why.startswith("it depends on")]
    shown = ", ".join(roots[:3]) + (" …" if len(roots) > 3 else "")
    note = (
        f"Activations of {len(unsupported)} layers are not recorded, from {shown} on; graph and weights are. Keras "
        "itself can record them: open the live model."
    )
    missing: dict[str, tuple[str, ...]] = {id: ("activations",) for id in unsupported}
    return Completeness(activations=False, runnable=False, notes=(*notes, note), missing=missing)


__all__ = ["KerasFile", "open_keras", "open_model"]
