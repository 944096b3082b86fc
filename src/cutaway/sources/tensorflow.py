"""TensorFlow: checkpoints of TensorFlow 1 and SavedModels without TensorFlow, checkpoints of TensorFlow 2 with it.

    PREFIX.meta  graph          tf_graph, tf_flat (functions put in), tf_prune (what inference uses),
                                tf_convert and tf_ops (layers; tf_windows, tf_arithmetic, tf_norm,
                                tf_shaping), tf_model (network), tf_run (activations)
    PREFIX.index, PREFIX.data…  tf_bundle: weights, of which tf_known makes parameters
    saved_model.pb              tf_saved: functions and the objects whose weights they use (tf_objects)

A checkpoint of TensorFlow 2 holds weights and the objects that they belong to, but no graph: tf_live.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, SampleSet, Source, canonical_inputs
from cutaway.sources.folder import refuse_several_runs
from cutaway.sources.tf_bundle import Bundle, prefix_of, reading
from cutaway.sources.tf_known import Known
from cutaway.sources.tf_model import Converted
from cutaway.sources.tf_objects import OBJECT_GRAPH
from cutaway.sources.tf_run import run, uncomputed
from cutaway.sources.tf_variables import Places


def open_tensorflow(path: Path, how: How | None = None) -> Source:
    """Opens a checkpoint (its `.index`, `.meta`, a data file, or the name that they have in common), a folder of
    checkpoints of one run, or a SavedModel's folder.

    Raises SourceError, one line, for what can't be read; TensorFlow is only needed for checkpoints of TensorFlow 2.
    """
    how = how or How()
    if path.name == "saved_model.pb":
        path = path.parent
    if (path / "saved_model.pb").is_file():
        from cutaway.sources.tf_saved import open_saved_model

        return open_saved_model(path, how)
    prefixes = in_folder(path) if path.is_dir() else [prefix_of(path)]
    for prefix in prefixes:
        if not (index := prefix.with_name(prefix.name + ".index")).is_file():
            raise SourceError(
                f"{index}: missing; a checkpoint is its .index, its .data files and, for the graph, .meta"
            )
    bundles = [Bundle(prefix, how.max_bytes) for prefix in prefixes]
    if OBJECT_GRAPH in bundles[-1].entries:
        from cutaway.sources.tf_live import open_with_model

        return open_with_model(path, bundles, how)
    from cutaway.sources.tf_meta import convert_meta, find_meta

    meta = find_meta(prefixes)
    with reading(meta):
        converted, places = convert_meta(meta, bundles[-1], how)
    return TensorFlow(path, "TensorFlow 1", converted, bundles, places, how)


def in_folder(folder: Path) -> list[Path]:
    """Prefixes of the checkpoints in a folder, `model.ckpt-3` before `model.ckpt-10`. Raises SourceError."""
    found = sorted(folder.glob("*.index"))
    if not found:
        raise SourceError(f"{folder}: no TensorFlow checkpoint in it; one is a .index with its .data files")
    refuse_several_runs(folder, found)
    return sorted(map(prefix_of, found), key=number_of)


def number_of(prefix: Path) -> int:
    """The 10 of `model.ckpt-10`; -1 where there is none."""
    found = re.search(r"-(\d{1,18})$", prefix.name)
    return int(found[1]) if found else -1


def moment(index: int, prefix: Path) -> Checkpoint:
    if (number := number_of(prefix)) >= 0:
        return Checkpoint(index=index, label=f"step {number}", step=number)
    return Checkpoint(index=index, label="as saved" if prefix.name == "variables" else prefix.name)


class TensorFlow:
    """A `Source` over a converted graph and the checkpoints that fill it."""

    classes: Sequence[str] | None
    samples: SampleSet | None = None

    def __init__(
        self, path: Path, producer: str, converted: Converted, bundles: Sequence[Bundle], places: Places, how: How
    ) -> None:
        self.path = path
        self.converted = converted
        self.how = how
        self.name = (prefix_of(path) if path.is_file() else path).name or path.resolve().name
        self.producer = producer
        self.network = converted.network
        self.inputs = converted.inputs
        self.tensors = converted.tensors
        """Layer id -> the graph's tensor that its output is."""
        self.weights = converted.weights
        self.bundles = bundles
        self.places = places
        self.classes = how.classes
        self.checkpoints = tuple(moment(position, bundle.prefix) for position, bundle in enumerate(bundles))
        with reading(path):
            why = uncomputed(self.network)
        self.completeness = Completeness(
            runnable=not why,
            notes=converted.notes,
            missing={layer: (f"activations: {reason}",) for layer, reason in why.items()},
        )
        for bundle in bundles:
            with reading(bundle.path):
                places.check(bundle, (leaf for weight in self.weights.values() for leaf in weight.known.leaves()))

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Parameters by key in canonical axes, float32, at the checkpoint with that position."""
        bundle = self.bundles[checkpoint]
        read: dict[str, np.ndarray] = {}

        def leaf(known: Known) -> np.ndarray:
            name = known.variable or ""
            if name not in read:
                read[name] = self.places.read(bundle, name)
            return read[name]

        with reading(bundle.path):
            return {key: weight.array(leaf) for key, weight in self.weights.items()}

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """Activations by layer id, [sample, C, H, W] or [sample, C], of every layer that can be computed."""
        given = canonical_inputs(self.inputs, samples)
        if not given:
            names = ", ".join(spec.name for spec in self.inputs)
            raise SourceError(f"{self.path}: the samples hold nothing for the input {names}")
        count = len(next(iter(given.values())))
        for spec in self.inputs:  # of several inputs the samples go to one, the others get zeros
            layer = self.network.layer(spec.layer or spec.name)
            given.setdefault(layer.id, np.zeros((count, *layer.output_shape), np.float32))
        wanted = getattr(samples, "wanted", None)
        return run(self.network, self.parameters(checkpoint), given, wanted)

    def with_weights(self, path: Path) -> TensorFlow:
        """The same graph with another checkpoint's weights. Raises SourceError where they don't fit."""
        bundle = Bundle(prefix_of(path), self.how.max_bytes)
        return TensorFlow(path, self.producer, self.converted, [bundle], self.places, self.how)

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """None are in a checkpoint."""
        return []
