"""Opening a recording: the index, and single tensors by byte range. Everything that is read is checked first."""

from __future__ import annotations

import contextlib
import operator
import os
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from cutaway.errors import NotRecorded, RecordingError, UnknownLayer
from cutaway.network import Network
from cutaway.recording import tensors
from cutaway.recording.check import check_index
from cutaway.recording.places import FolderPlace, MissingKey, Place, find_place
from cutaway.recording.schema import FORMAT, VERSION, Checkpoint, Completeness, Index, Insight, Samples, Summary
from cutaway.recording.steps import separated

INDEX_KEY = "recording.json"
SAMPLES_KEY = "samples.safetensors"
METRICS_KEY = "metrics.jsonl"
INSIGHTS_KEY = "insights.jsonl"
INDEX_LIMIT = 256_000_000
"""Bytes; a network of 100,000 layers needs about a tenth of it."""

HEADERS_KEPT = 256

ATTEMPTS = 20
"""How often an index is read again when it lists a checkpoint whose files are gone."""

Line = TypeVar("Line")


def parameters_key(index: int) -> str:
    """Key of the parameters at the checkpoint with that number (not position)."""
    return f"checkpoints/{index:06d}.safetensors"


def activations_key(index: int) -> str:
    """Key of the activations at the checkpoint with that number."""
    return f"activations/{index:06d}.safetensors"


def gradients_key(index: int) -> str:
    """Key of the gradients at the checkpoint with that number."""
    return f"gradients/{index:06d}.safetensors"


def summary_key(index: int) -> str:
    """Key of the summary of the checkpoint with that number."""
    return f"summary/{index:06d}.json"


def checkpoint_keys(index: int) -> tuple[str, ...]:
    """Keys of all files that the checkpoint with that number may have."""
    orders = f"orders/{index:06d}.safetensors"
    return parameters_key(index), activations_key(index), gradients_key(index), summary_key(index), orders


def activation_name(sample: int, layer: str) -> str:
    """Name of one layer's output for one sample, inside an activations file."""
    return f"{sample:05d}/{layer}"


class Recording:
    """What a network is and what it did: graph, parameters at every checkpoint, activations of a few samples.

    `checkpoint` arguments are positions in `checkpoints` (0 is the first recorded one, -1 the last), not epochs.
    Arrays are float32 in canonical axes and are read when asked for, nothing before and nothing beside.
    """

    def __init__(self, place: Place) -> None:
        """Reads and checks `recording.json`. Raises RecordingError."""
        self.place = place
        self.index = read_index(place)
        self.headers: OrderedDict[str, dict[str, tensors.Entry]] = OrderedDict()

    def __repr__(self) -> str:
        layers, checkpoints = len(self.network.layers), len(self.checkpoints)
        return f"<Recording {self.name!r}: {layers} layers, {checkpoints} checkpoints, {self.samples.count} samples>"

    @property
    def location(self) -> str:
        """The folder or the URL it was opened from."""
        return self.place.location

    @property
    def path(self) -> Path | None:
        """The folder, or None for a recording behind http(s)."""
        return self.place.path if isinstance(self.place, FolderPlace) else None

    @property
    def name(self) -> str:
        return self.index.name

    @property
    def network(self) -> Network:
        return self.index.network

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return self.index.checkpoints

    @property
    def samples(self) -> Samples:
        return self.index.samples

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.index.classes

    @property
    def completeness(self) -> Completeness:
        return self.index.completeness

    def parameters(self, layer: str, role: str, checkpoint: int) -> np.ndarray:
        """One weight tensor at a checkpoint, float32: conv kernels O,I/groups,kH,kW, dense kernels O,I, others C.

        Raises UnknownLayer when the network has no such layer, role or checkpoint, NotRecorded when the file does
        not hold it, RecordingError when the file is damaged.
        """
        node = self.network.layer(layer)
        parameter = node.parameter(role)
        if parameter is None:
            roles = ", ".join(p.role for p in node.parameters) or "none"
            raise UnknownLayer(f"layer {layer!r} has no {role!r}; its parameters: {roles}")
        moment = self.checkpoint(checkpoint)
        key = parameters_key(moment.index)
        entry = self.header(key).get(parameter.key)
        if entry is None:
            raise NotRecorded(f"{role} of layer {layer!r} was not recorded at {moment.label}")
        return self.read(key, parameter.key, entry, parameter.shape)

    def activations(self, layer: str, checkpoint: int, sample: int) -> np.ndarray:
        """What a layer put out for one sample at a checkpoint, float32: maps C,H,W or a vector C.

        `layer` may also be one of a layer's `steps`.

        Raises UnknownLayer when there is no such layer, checkpoint or sample, NotRecorded when the recording left
        that layer out, RecordingError when the file is damaged.
        """
        node = separated(self.network).layer(layer)
        moment = self.checkpoint(checkpoint)
        name = activation_name(position(sample, self.samples.count, "sample"), layer)
        key = activations_key(moment.index)
        try:
            entry = self.header(key).get(name)
        except MissingKey:
            if self.completeness.activations:
                raise
            entry = None
        if entry is None:
            raise NotRecorded(f"activations of layer {layer!r} were not recorded at {moment.label}")
        return self.read(key, name, entry, node.output_shapes[0] if node.output_shapes else None)

    @cached_property
    def images(self) -> np.ndarray:
        """All samples as a person sees them, [sample, H, W, C], uint8 or float32. Raises NotRecorded."""
        try:
            entry = self.header(SAMPLES_KEY).get("images")
        except MissingKey:
            entry = None
        if entry is None:
            raise NotRecorded(f"{self.location}: this recording holds no sample images")
        if len(entry.shape) != 4 or entry.shape[0] != self.samples.count:
            raise RecordingError(
                f"{self.location}/{SAMPLES_KEY}: images have shape {list(entry.shape)}, "
                f"expected [{self.samples.count}, H, W, C]"
            )
        return self.read(SAMPLES_KEY, "images", entry, None)

    def metrics(self) -> list[dict[str, float]]:
        """Rows of metrics.jsonl in order, [] when there are none; a value that was not finite comes back as NaN.

        A last line that a running writer has not finished yet is left out.
        """
        rows = self.lines(METRICS_KEY, dict[str, float | None])
        return [{key: float("nan") if value is None else value for key, value in row.items()} for row in rows]

    def insights(self) -> list[Insight]:
        """What the training's rules found, in order, [] when nothing was written."""
        return self.lines(INSIGHTS_KEY, Insight)

    def lines(self, key: str, kind: type[Line]) -> list[Line]:
        """What stands in a .jsonl file, without a last line that a running writer has not finished yet."""
        try:
            lines = self.place.get(key).split(b"\n")
        except MissingKey:
            return []
        found = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found.append(msgspec.json.decode(line, type=kind))
            except tensors.BAD_JSON as error:
                if number == len(lines):
                    break
                raise RecordingError(f"{self.location}/{key}: line {number} can't be read ({error})") from None
        return found

    def summary(self, checkpoint: int) -> Summary:
        """Ranges, histograms, dead maps and norms per layer id at a checkpoint; empty when none was written.

        Raises MissingKey for a checkpoint that a training which goes on has thinned out since.
        """
        number = self.checkpoint(checkpoint).index
        key = summary_key(number)
        try:
            return msgspec.json.decode(self.place.get(key), type=Summary)
        except MissingKey:
            if all(one.index != number for one in read_index(self.place).checkpoints):
                raise
            return Summary(layers={})
        except tensors.BAD_JSON as error:
            raise RecordingError(f"{self.location}/{key}: can't be read ({error}); delete it or record again") from None

    def checkpoint(self, checkpoint: int) -> Checkpoint:
        """The checkpoint at that position, counted from the end when negative. Raises UnknownLayer."""
        return self.checkpoints[position(checkpoint, len(self.checkpoints), "checkpoint")]

    def check(self) -> None:
        """Looks at the header of every listed file without reading a tensor. Raises RecordingError.

        Finds missing and truncated files, and tensors of another shape than the network says. `open` does this for
        folders; over HTTP it would be a request for every file.
        """
        shapes = {p.key: p.shape for layer in self.network for p in layer.parameters}
        outputs = {layer.id: layer.output_shapes[0] for layer in separated(self.network) if layer.output_shapes}
        with contextlib.suppress(MissingKey):
            self.header(SAMPLES_KEY)
        for moment in self.checkpoints:
            key = parameters_key(moment.index)
            for name, entry in self.header(key).items():
                self.check_entry(key, name, entry, shapes.get(name))
            key = activations_key(moment.index)
            try:
                found = self.header(key)
            except MissingKey:
                if self.completeness.activations:
                    raise
                continue
            for name, entry in found.items():
                self.check_entry(key, name, entry, outputs.get(name.partition("/")[2]))

    def check_entry(self, key: str, name: str, entry: tensors.Entry, shape: tuple[int, ...] | None) -> None:
        if key != SAMPLES_KEY and entry.dtype not in (np.float32, np.float16):
            raise RecordingError(f"{self.location}/{key}: {name!r} is {entry.dtype}; it must be float32 or float16")
        if shape is not None and entry.shape != shape:
            raise RecordingError(
                f"{self.location}/{key}: {name!r} has shape {list(entry.shape)}, the network says {list(shape)}; "
                "record again"
            )

    def header(self, key: str) -> dict[str, tensors.Entry]:
        """What a safetensors file holds and where, read once. Raises MissingKey or RecordingError."""
        if key not in self.headers:
            where = f"{self.location}/{key}"
            size = self.place.size(key)
            length = tensors.header_length(bytes(self.place.range(key, 0, 8)), size, where)
            self.headers[key] = tensors.parse_header(bytes(self.place.range(key, 8, 8 + length)), size, where)
            while len(self.headers) > HEADERS_KEPT:
                self.headers.popitem(last=False)
        return self.headers[key]

    def read(self, key: str, name: str, entry: tensors.Entry, shape: tuple[int, ...] | None) -> np.ndarray:
        """One tensor's bytes as an array that belongs to the caller."""
        self.check_entry(key, name, entry, shape)
        data = self.place.range(key, entry.start, entry.stop)
        if len(data) != entry.stop - entry.start:
            raise RecordingError(f"{self.location}/{key}: ends inside {name!r}; the file is truncated")
        return tensors.decode(data, entry)


def open(path_or_url: str | os.PathLike[str]) -> Recording:
    """Opens a recording from a folder or an http(s) address, reading only its index (and a folder's file headers).

    Raises RecordingError, one line that names the file, when it is none, is damaged, or was made by a newer version.
    """
    recording = Recording(find_place(path_or_url))
    for _ in range(ATTEMPTS if recording.path is not None else 0):
        try:
            recording.check()
            break
        except MissingKey:
            # A training that goes on thins out its checkpoints: the index that we have may be an old one.
            again = Recording(recording.place)
            if again.index == recording.index:
                raise
            recording = again
    return recording


def read_index(place: Place) -> Index:
    """`recording.json` of a place, checked. Raises RecordingError."""
    where = f"{place.location}/{INDEX_KEY}"
    try:
        size = place.size(INDEX_KEY)
        if size > INDEX_LIMIT:
            raise RecordingError(f"{where}: {size} bytes are too much for an index (limit {INDEX_LIMIT})")
        text = place.get(INDEX_KEY)
    except MissingKey:
        raise RecordingError(
            f"{place.location}: no recording (there is no {INDEX_KEY} in it); `cutaway record` makes one"
        ) from None
    try:
        head = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        found = msgspec.json.decode(head.get("format", b"null"))
        version = msgspec.json.decode(head.get("version", b"null"))
    except tensors.BAD_JSON as error:
        raise RecordingError(f"{where}: can't be read ({error}); the recording is damaged: record it again") from None
    if found != FORMAT:
        raise RecordingError(f"{where}: not a recording (its format is {found!r}, expected {FORMAT!r})")
    if not isinstance(version, int) or version < 1:
        raise RecordingError(f"{where}: its version is {version!r}, expected a whole number from 1 on")
    if version > VERSION:
        raise RecordingError(
            f"{where}: made by a newer Cutaway (format version {version}, this one reads up to {VERSION}); "
            "update with `pip install -U cutaway`"
        )
    try:
        index = msgspec.json.decode(text, type=Index)
    except tensors.BAD_JSON as error:
        raise RecordingError(f"{where}: not as the format says ({error})") from None
    check_index(index, where)
    return index


def position(value: int, count: int, what: str) -> int:
    """`value` as a position from 0 on, counting from the end when negative. Raises UnknownLayer."""
    try:
        number = operator.index(value)
    except TypeError:
        raise UnknownLayer(f"{what} must be a position (a whole number), got {value!r}") from None
    if not -count <= number < count:
        held = f"positions 0 to {count - 1}" if count else "none"
        raise UnknownLayer(f"no {what} at position {number}; the recording has {held}")
    return number % count
