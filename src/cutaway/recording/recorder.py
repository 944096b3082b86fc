"""record(): asks a source for everything at every checkpoint and writes it down, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from cutaway.errors import CutawayError, SourceError
from cutaway.recording.activations import Activations
from cutaway.recording.amount import Amount, amount, layer_bytes, matching
from cutaway.recording.begin import Classes, Wish, begun, classes_of
from cutaway.recording.behind import Behind
from cutaway.recording.insights import Watcher, in_order
from cutaway.recording.metrics import merge_rows, sample_scores
from cutaway.recording.schema import FORMAT, VERSION, Completeness, Index, Insight, Samples
from cutaway.recording.statistics import Rows
from cutaway.recording.steps import confirmed, step_outputs, with_steps
from cutaway.recording.store import Recording
from cutaway.recording.store import open as open_recording
from cutaway.recording.summary import class_scores, summarise
from cutaway.recording.writer import Writer, explained, new_recording, timestamp
from cutaway.samples import Prepared, preprocessing
from cutaway.sources import SampleSet, Source
from cutaway.sources.recognise import remedy_for

HALF_ERROR = 1e-3
"""Largest error that float16 may make, as a share of the tensor's largest magnitude."""

PIECE_BYTES = 32 << 20
"""Activations that are asked for at once."""

Progress = Callable[[int, int, str], object]
"""Called with (done, total, text): pieces of work (checkpoints × samples), of how many, and what comes next."""


def record(
    source: Any,
    samples: Any = None,
    out: str | os.PathLike[str] | None = None,
    *,
    checkpoints: str | Sequence[int] | None = None,
    layers: str | Sequence[str] | None = None,
    count: int | None = None,
    labels: Any = None,
    classes: Sequence[str] | str | None = None,
    size: Any = None,
    scale: Any = None,
    mean: Any = None,
    std: Any = None,
    layout: str | None = None,
    half: bool = False,
    steps: bool = False,
    overwrite: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Recording:
    """Records a source into the folder `out` and opens the result.

    source: a path, several paths (checkpoints of one model), a live PyTorch or Keras model, or what `open_source` gave.
    samples: the inputs to record: a path (folder of pictures, picture, .npy, .npz, IDX), an array, pictures; None takes
        those that the source brings along, or else a generated test picture.
    checkpoints: positions in the source's list of checkpoints, also as text, "0,1,5-10"; None takes all.
    layers: record activations only of layers whose id, name or kind is like this, "conv*,fc"; "*" for all, however
        many bytes that takes. Without it up to 2 GB.
    count: how many samples (20); labels: a file or numbers; classes: names, or a file with one a line.
    size, scale, mean, std, layout: how pictures become the model's input (see `cutaway.samples.load_samples`).
    half: float16 where the error stays under 1e-3 of a tensor's maximum (one decision for all activations of a
        checkpoint, so that a sample stays one byte range).
    steps: also what attached batch norms and activations get and give (`Layer.steps`), so that they can be shown.
    overwrite: replace a recording that is there, once the new one is complete.
    how: what `open_source` takes (model, trust, input, max_bytes, weights).

    Raises SourceError when the source contradicts itself, RecordingError when `out` can't be written; in either
    case, and when interrupted, nothing is left behind.
    """
    if out is None:
        raise CutawayError("record needs out=…, the folder that the recording goes to")
    run = Path(out).expanduser()
    wish = Wish(samples, count, labels, classes, preprocessing(size, scale, mean, std, layout, how.get("input")))
    source, given, told = begun(source, wish, how)
    chosen = choose(source, checkpoints)
    plan = planned(source, given, len(chosen), layers, count is not None, half)
    if isinstance(given, Prepared):
        given = part(given, 0, plan.samples, plan.layers)
    report: Progress = progress or (lambda done, total, text: None)
    with new_recording(run, overwrite=overwrite) as folder:
        index = index_of(source, given, told, name)
        writer = Writer(folder, index, run)
        count = 0 if given is None else len(given.images)
        if given is not None:
            writer.write_samples(np.asarray(given.images), given.labels)
        pieces = pieces_of(source, given)
        total = len(chosen) * len(pieces)
        scores = []
        watcher = Watcher(source.network, index.classes, index.samples.labels)
        insights: list[Insight] = []
        before: Mapping[str, np.ndarray] | None = None
        network = with_steps(source.network) if steps else source.network
        recorded = False
        for done, position in enumerate(chosen):
            moment = source.checkpoints[position]
            report(done * len(pieces), total, moment.label)
            parameters = checked_parameters(source, position)
            with closing(Activations(folder / ".activations.partial", count)) as activations, Behind(run) as behind:
                for number, piece in enumerate(pieces):
                    if number:
                        report(done * len(pieces) + number, total, moment.label)
                    some = part(given, piece.start, piece.stop, plan.layers) if isinstance(given, Prepared) else given
                    values = checked_activations(source, position, some, plan.layers)
                    if steps:
                        if not done and not number:
                            network = confirmed(network, parameters, values)
                        values |= step_outputs(network, parameters, values)
                    behind.do(activations.put, piece.start, values)
                    del values  # the next piece is asked for while this one is written
                behind.done()
                scores += sample_scores(index, moment, activations)
                summary = summarise(network, parameters, activations, before)
                insights += watcher.checkpoint(moment, summary, class_scores(source.network, activations))
                before = parameters
                if half:
                    parameters = {key: values.astype(half_of([values[None]])) for key, values in parameters.items()}
                    if half_of(activations.values()) is np.float16:
                        with explained(run):
                            activations.convert(np.float16)
                recorded |= bool(activations)
                writer.add_checkpoint(moment, parameters, activations, summary)
        rows = source.metrics()
        writer.write_metrics(merge_rows(rows, scores))
        insights += [insight for row in rows for insight in watcher.metrics(row)]
        writer.write_insights(in_order(insights))
        writer.index = finish(
            msgspec.structs.replace(writer.index, network=network), source.completeness, half, plan.notes, recorded
        )
        writer.write_index()
        report(total, total, "done")
    return open_recording(run)


def index_of(source: Source, given: SampleSet | None, told: Classes, name: str | None) -> Index:
    """The index of a recording that is about to begin. `told`: the classes' names, where the user tells them.

    Raises SourceError where samples or classes don't fit.
    """
    return Index(
        format=FORMAT,
        version=VERSION,
        name=name or source.name,
        created=timestamp(),
        producer=source.producer,
        network=source.network,
        checkpoints=(),
        samples=describe(given),
        classes=classes_of(source, told),
        completeness=source.completeness,
    )


def planned(source: Source, given: Any, checkpoints: int, layers: Any, counted: bool, half: bool) -> Amount:
    """Which layers and how many samples are recorded; everything where the source can't be asked for less."""
    if not isinstance(given, Prepared):
        count = 0 if given is None else len(given.images)
        return Amount(None if layers is None else matching(source.network, layers), count)
    return amount(source.network, len(given.images), checkpoints, patterns=layers, counted=counted, half=half)


def pieces_of(source: Source, given: Any) -> list[range]:
    """Samples that are asked for at once: few enough for memory where the source takes prepared samples."""
    if given is None:
        return []
    count = len(given.images)
    if not isinstance(given, Prepared):
        return [range(count)]
    each = sum(layer_bytes(source.network).values())
    # What another process computes is there twice while it is handed over.
    budget = PIECE_BYTES // 2 if getattr(source, "apart", False) else PIECE_BYTES
    step = max(1, min(count, budget // each if each else count))
    # A live model that showed its graph on the first sample has that one's outputs ready.
    first = 1 if getattr(source, "ready", False) else 0
    starts = [0][:first] + list(range(first, count, step))
    return [range(start, stop) for start, stop in pairwise([*starts, count])]


def part(given: Prepared, start: int, stop: int, wanted: frozenset[str] | None) -> Prepared:
    """Some of the samples, for the layers that are wanted."""
    return Prepared(
        images=given.images[start:stop],
        names=tuple(given.names)[start:stop],
        labels=None if given.labels is None else tuple(given.labels)[start:stop],
        preprocessing=given.preprocessing,
        inputs={name: values[start:stop] for name, values in given.inputs.items()},
        wanted=wanted,
    )


def finish(
    index: Index, completeness: Completeness, half: bool, left_out: Sequence[str] = (), recorded: bool = True
) -> Index:
    """The index as it is written. A source may learn what is missing while it is read, so it is asked last."""
    notes = [*completeness.notes, *left_out]
    if half:
        notes.append(
            "Values are stored as 16-bit floats where that changes them by less than 0.1 % of a tensor's maximum."
        )
    completeness = msgspec.structs.replace(
        completeness, notes=tuple(notes), activations=completeness.activations and recorded
    )
    return msgspec.structs.replace(index, completeness=completeness)


def choose(source: Source, checkpoints: str | Sequence[int] | None) -> list[int]:
    """Positions to record, in the source's order. Raises SourceError for one that is not there, or for none."""
    count = len(source.checkpoints)
    if isinstance(checkpoints, str):
        checkpoints = positions(checkpoints)
    for position in checkpoints or ():
        if not -count <= position < count:
            raise SourceError(f"{source.name}: no checkpoint at position {position}; it has 0 to {count - 1}")
    chosen = range(count) if checkpoints is None else sorted({position % count for position in checkpoints})
    if not chosen:
        raise SourceError(f"{source.name}: no checkpoint to record; give at least one")
    return list(chosen)


def positions(text: str) -> list[int]:
    """[0, 1, 5, 6, 7] of "0,1,5-7"; -1 is the last one. Raises CutawayError."""
    found: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(-?\d{1,6})(?:-(\d{1,6}))?\s*", piece)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise CutawayError(f'checkpoints are positions like "0,1,5-10", counted from 0; got {text!r}')
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return found


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


def checked_activations(
    source: Source, position: int, samples: Any, wanted: frozenset[str] | None = None
) -> dict[str, np.ndarray]:
    """The wanted activations at a checkpoint, layer id -> float32 [sample, …], in the network's order.

    Raises SourceError when a layer has another shape than the network says or another number of samples.
    """
    if samples is None:
        return {}
    try:
        given = source.activations(position, samples)
    except ModuleNotFoundError as error:  # some formats are read without the library that computes them
        if (remedy := remedy_for(error)) is None:
            raise
        raise SourceError(f"{source.name}: activations can't be computed; {remedy}") from None
    count = len(samples.images)
    arrays: dict[str, np.ndarray] = {}
    for layer in source.network.layers:
        if layer.id not in given or (wanted is not None and layer.id not in wanted):
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


def half_of(tensors: Iterable[Rows]) -> type[np.float16] | type[np.float32]:
    """float16 when every one of the tensors survives it: nothing overflows, and the largest error is small."""
    for rows in tensors:
        largest, error = 0.0, 0.0
        for row in rows:
            finite = row[np.isfinite(row)]
            if not finite.size:
                continue
            largest = max(largest, float(np.abs(finite).max()))
            if largest > float(np.finfo(np.float16).max):
                return np.float32
            error = max(error, float(np.abs(finite.astype(np.float16).astype(np.float32) - finite).max()))
        if error >= HALF_ERROR * largest and largest > 0:
            return np.float32
    return np.float16
