"""record(): asks a source for everything at every checkpoint and writes it down, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cutaway.errors import CutawayError, SourceError
from cutaway.recording.metrics import merge_rows, sample_scores
from cutaway.recording.schema import FORMAT, VERSION, Completeness, Index, Samples
from cutaway.recording.store import Recording
from cutaway.recording.store import open as open_recording
from cutaway.recording.summary import summarise
from cutaway.recording.writer import Writer, new_recording, timestamp
from cutaway.sources import SampleSet, Source

HALF_ERROR = 1e-3
"""Largest error that float16 may make, as a share of the tensor's largest magnitude."""

Progress = Callable[[int, int, str], object]
"""Called with (done, total, text): checkpoints written, of how many, and what comes next."""


def record(
    source: Source | str | os.PathLike[str],
    samples: SampleSet | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    checkpoints: Sequence[int] | None = None,
    half: bool = False,
    overwrite: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
) -> Recording:
    """Records a source into the folder `out` and opens the result.

    source: from `open_source`, or a path that it can read.
    samples: the inputs to record; None takes those that the source brings along.
    checkpoints: positions in the source's list of checkpoints; None takes all.
    half: float16 where the error stays under 1e-3 of a tensor's maximum (one decision for all activations of a
        checkpoint, so that a sample stays one byte range).
    overwrite: replace a recording that is there, once the new one is complete.

    Raises SourceError when the source contradicts itself, RecordingError when `out` can't be written; in either
    case, and when interrupted, nothing is left behind.
    """
    if out is None:
        raise CutawayError("record needs out=…, the folder that the recording goes to")
    run = Path(out).expanduser()
    if isinstance(source, str | os.PathLike):
        from cutaway.sources import open_source

        source = open_source(source)
    given = samples if samples is not None else source.samples
    chosen = choose(source, checkpoints)
    report: Progress = progress or (lambda done, total, text: None)
    with new_recording(run, overwrite=overwrite) as folder:
        index = Index(
            format=FORMAT,
            version=VERSION,
            name=name or source.name,
            created=timestamp(),
            producer=source.producer,
            network=source.network,
            checkpoints=(),
            samples=describe(given),
            classes=None if source.classes is None else tuple(source.classes),
            completeness=source.completeness,
        )
        writer = Writer(folder, index, run)
        if given is not None:
            writer.write_samples(np.asarray(given.images), given.labels)
        scores = []
        before: Mapping[str, np.ndarray] | None = None
        for done, position in enumerate(chosen):
            moment = source.checkpoints[position]
            report(done, len(chosen), moment.label)
            parameters = checked_parameters(source, position)
            activations = checked_activations(source, position, given)
            scores += sample_scores(index, moment, activations)
            summary = summarise(source.network, parameters, activations, before)
            before = parameters
            if half:
                parameters = {key: values.astype(half_of([values])) for key, values in parameters.items()}
                dtype = half_of(activations.values())
                activations = {layer: values.astype(dtype) for layer, values in activations.items()}
            writer.add_checkpoint(moment, parameters, activations, summary)
        writer.write_metrics(merge_rows(source.metrics(), scores))
        writer.index = finish(writer.index, source.completeness, half)
        writer.write_index()
        report(len(chosen), len(chosen), "done")
    return open_recording(run)


def finish(index: Index, completeness: Completeness, half: bool) -> Index:
    """The index as it is written. A source may learn what is missing while it is read, so it is asked last."""
    if half:
        note = "Values are stored as 16-bit floats where that changes them by less than 0.1 % of a tensor's maximum."
        completeness = msgspec.structs.replace(completeness, notes=(*completeness.notes, note))
    return msgspec.structs.replace(index, completeness=completeness)


def choose(source: Source, checkpoints: Sequence[int] | None) -> list[int]:
    """Positions to record, in the source's order. Raises SourceError for one that is not there, or for none."""
    count = len(source.checkpoints)
    for position in checkpoints or ():
        if not -count <= position < count:
            raise SourceError(f"{source.name}: no checkpoint at position {position}; it has 0 to {count - 1}")
    chosen = range(count) if checkpoints is None else sorted({position % count for position in checkpoints})
    if not chosen:
        raise SourceError(f"{source.name}: no checkpoint to record; give at least one")
    return list(chosen)


def describe(samples: SampleSet | None) -> Samples:
    """What the index says of the samples. Raises SourceError when their parts don't fit each other."""
    if samples is None:
        return Samples(count=0)
    images = np.asarray(samples.images)
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
        raise SourceError(
            f"samples must be pictures [sample, H, W, C] of uint8 or float32, got {list(images.shape)} {images.dtype}"
        )
    labels = samples.labels
    for what, values in (("names", samples.names), ("labels", labels)):
        if values is not None and len(values) not in (len(images), 0):
            raise SourceError(f"{len(values)} {what} for {len(images)} samples; give one for each")
    return Samples(
        count=len(images),
        names=tuple(samples.names),
        labels=tuple(labels) if labels else None,
        preprocessing=samples.preprocessing,
    )


def checked_parameters(source: Source, position: int) -> dict[str, np.ndarray]:
    """All parameters at a checkpoint by key, float32. Raises SourceError when one is missing or of another shape."""
    given = source.parameters(position)
    label = source.checkpoints[position].label
    arrays: dict[str, np.ndarray] = {}
    for layer in source.network.layers:
        for parameter in layer.parameters:
            if parameter.key not in given:
                raise SourceError(f"layer {layer.id!r}: the {parameter.role} is missing at {label}")
            values = np.asarray(given[parameter.key], np.float32)
            if values.shape != parameter.shape:
                raise SourceError(
                    f"layer {layer.id!r}: the {parameter.role} has shape {list(values.shape)} at {label}, "
                    f"the network says {list(parameter.shape)}"
                )
            arrays[parameter.key] = values
    return arrays


def checked_activations(source: Source, position: int, samples: Any) -> dict[str, np.ndarray]:
    """All activations at a checkpoint, layer id -> float32 [sample, …], in the network's order.

    Raises SourceError when a layer has another shape than the network says or another number of samples.
    """
    if samples is None:
        return {}
    given = source.activations(position, samples)
    count = len(samples.images)
    arrays: dict[str, np.ndarray] = {}
    for layer in source.network.layers:
        if layer.id not in given:
            continue
        values = np.asarray(given[layer.id], np.float32)
        expected = layer.output_shape if layer.output_shapes else values.shape[1:]
        if values.shape != (count, *expected):
            raise SourceError(
                f"layer {layer.id!r}: activations have shape {list(values.shape)} at "
                f"{source.checkpoints[position].label}, expected {[count, *expected]}"
            )
        arrays[layer.id] = values
    return arrays


def half_of(arrays: Iterable[np.ndarray]) -> type[np.float16] | type[np.float32]:
    """float16 when every one of the arrays survives it: nothing overflows, and the largest error is small."""
    for values in arrays:
        finite = values[np.isfinite(values)]
        if not finite.size:
            continue
        largest = float(np.abs(finite).max())
        if largest > float(np.finfo(np.float16).max):
            return np.float32
        rounded = finite.astype(np.float16).astype(np.float32)
        if float(np.abs(rounded - finite).max()) >= HALF_ERROR * largest and largest > 0:
            return np.float32
    return np.float16
