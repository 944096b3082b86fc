"""Several files as the checkpoints of one model: a folder of them, or those that the user names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from cutaway.errors import SourceError
from cutaway.network import Network
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, InputSpec, SampleSet, Source, inputs_of

PATTERNS = (
    ("*.index",),
    ("*.onnx",),
    ("*.keras",),
    ("*.h5", "*.hdf5"),
    ("*.pt2",),
    ("*.pt", "*.pth", "*.ckpt", "*.bin"),
    ("*.safetensors",),
    ("*.tflite",),
)
"""Endings of the files of one format."""

NUMBER = re.compile(r"\d+")


def open_folder(folder: Path, how: How) -> Source:
    """The checkpoints in a folder, in the order of the numbers in their names.

    Raises SourceError also where they are of several formats or several trainings: which are meant is not guessed.
    """
    groups = [[one for pattern in patterns for one in folder.glob(pattern) if one.is_file()] for patterns in PATTERNS]
    found = {patterns[0]: files for patterns, files in zip(PATTERNS, groups, strict=True) if files}
    if not found:
        raise SourceError(f"{folder}: no checkpoint in it")
    if len(found) > 1:
        kinds = ", ".join(f"{len(files)} {pattern}" for pattern, files in found.items())
        raise SourceError(
            f"{folder}: holds files of several formats ({kinds}); name those that are meant, like "
            f"{folder / max(found, key=lambda pattern: len(found[pattern]))}"
        )
    (files,) = found.values()
    refuse_several_runs(folder, files)
    return open_files(files, how, name=folder.resolve().name)


def refuse_several_runs(folder: Path, files: Sequence[Path]) -> None:
    """Raises SourceError for TensorFlow checkpoints whose names before the number differ: other trainings."""
    runs: dict[str, int] = {}
    for file in files:
        if file.suffix == ".index":
            run = re.sub(r"-\d+$", "", file.stem)
            runs[run] = runs.get(run, 0) + 1
    if len(runs) > 1:
        counts = " and ".join(f"{name} ({count})" for name, count in sorted(runs.items())[:4])
        raise SourceError(
            f"{folder}: holds checkpoints of {len(runs)} trainings, {counts}{' …' if len(runs) > 4 else ''}; "
            f"name those of one, like {folder / max(runs, key=lambda run: runs[run])}*.index"
        )


def open_files(files: Sequence[Path], how: How, name: str | None = None) -> Source:
    """Files as checkpoints of one model, in the order of the numbers in their names. Raises SourceError.

    The first one's graph is the model's; the others are opened when they are asked for.
    """
    from cutaway.sources.recognise import recognise

    ordered = in_order(list(dict.fromkeys(common(file) for file in files)))
    refuse_mixed(ordered)
    first = recognise(ordered[0], str(ordered[0]), how)
    if len(ordered) == 1:
        return first
    return Checkpoints(ordered, first, how, name or ordered[0].resolve().parent.name)


def refuse_mixed(files: Sequence[Path]) -> None:
    """Raises SourceError for files of several formats."""
    from cutaway.sources.recognise import FILES, first

    found = [(file, first(FILES, file)) for file in files if file.is_file()]
    for file, known in found:
        if known is not None and known.opener is None:
            raise SourceError(
                f"{file}: seems to be {known.name}, no checkpoint; samples go after --samples, each after its own, "
                "or as one folder"
            )
    kinds = {known.opener: (file, known.name) for file, known in reversed(found) if known is not None}
    if len(kinds) > 1:
        (file, name), (other, another) = sorted(kinds.values())[:2]
        raise SourceError(
            f"{file}: seems to be {name}, but {other.name} {another}; checkpoints of one model have one format: record "
            "them apart"
        )


def common(file: Path) -> Path:
    """The name that the files of one TensorFlow checkpoint have in common; any other file's own."""
    if file.suffix in (".index", ".meta") or re.fullmatch(r"\.data-\d+-of-\d+", file.suffix):
        return file.with_suffix("")
    return file


def in_order(files: Sequence[Path]) -> list[Path]:
    """By the numbers in their names, 9 before 10; what has none ("last.pt", "best.pt") comes last, by name."""

    different = [position for position in range(most_numbers(files)) if differs(files, position)]

    def key(file: Path) -> tuple[object, ...]:
        numbers = [int(number) for number in NUMBER.findall(label_of(file))]
        if not numbers or len(numbers) <= max(different, default=-1):
            return (True, (), file.name)
        # `resnet50_epoch_9`: the 50 is the same in all names and no epoch.
        return (False, tuple(numbers[position] for position in different), file.name)

    return sorted(files, key=key)


def label_of(file: Path) -> str:
    """The name without its ending; `model.ckpt-20` has none."""
    return file.stem if file.suffix[1:].isalpha() or file.suffix in (".pt2", ".h5", ".hdf5") else file.name


def most_numbers(files: Sequence[Path]) -> int:
    return max((len(NUMBER.findall(label_of(file))) for file in files), default=0)


def differs(files: Sequence[Path], position: int) -> bool:
    """Whether the number at that position is not the same in all names that have one there."""
    found = [NUMBER.findall(label_of(file)) for file in files]
    return len({numbers[position] for numbers in found if len(numbers) > position}) > 1


def moments(files: Sequence[Path], inside: Sequence[Checkpoint | None]) -> tuple[Checkpoint, ...]:
    """A checkpoint for each file, labelled by its name; epoch or step where the name (or the file) says which."""
    different = [position for position in range(most_numbers(files)) if differs(files, position)]
    found: list[Checkpoint] = []
    for index, (file, own) in enumerate(zip(files, inside, strict=True)):
        epoch, step = (own.epoch, own.step) if own is not None else (None, None)
        numbers = NUMBER.findall(label_of(file))
        if different and len(numbers) > different[0]:
            number = int(numbers[different[0]])
            label = label_of(file)
            before = label[: [match.start() for match in NUMBER.finditer(label)][different[0]]].lower()
            if re.search(r"(step|iter|iteration|ckpt|global)[-_.=]?$", before):
                step = number if step is None else step
            elif epoch is None and number < 1_000_000:
                epoch = number
        found.append(Checkpoint(index=index, label=label_of(file), epoch=epoch, step=step))
    epochs = [moment.epoch for moment in found if moment.epoch is not None]
    if any(after < before for before, after in pairwise(epochs)):
        found = [replace(moment, epoch=None) for moment in found]
    return tuple(found)


class Checkpoints:
    """A `Source` over several files; each is opened, asked, and let go."""

    def __init__(self, files: Sequence[Path], first: Source, how: How, name: str) -> None:
        self.files = files
        self.first = first
        self.how = how
        self.name = name
        self.checkpoints = moments(
            files, [first.checkpoints[-1] if first.checkpoints else None, *[None] * len(files[1:])]
        )
        self.open: tuple[int, Source] = (0, first)
        """The one opened last: parameters and activations of a checkpoint are asked for together."""

    @property
    def producer(self) -> str:
        return self.first.producer

    @property
    def network(self) -> Network:
        return self.first.network

    @property
    def classes(self) -> Sequence[str] | None:
        return self.first.classes

    @property
    def samples(self) -> SampleSet | None:
        return self.first.samples

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return inputs_of(self.first)

    @property
    def completeness(self) -> Completeness:
        return self.first.completeness

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        source = self.at(checkpoint)
        return source.parameters(len(source.checkpoints) - 1)

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        source = self.at(checkpoint)
        return source.activations(len(source.checkpoints) - 1, samples)

    def metrics(self) -> Sequence[Mapping[str, float]]:
        return []

    def at(self, checkpoint: int) -> Source:
        """The source of one file, whose graph is compared with the first one's. Raises SourceError."""
        from cutaway.sources.recognise import recognise

        number, source = self.open
        if number != checkpoint:
            file = self.files[checkpoint]
            again: Any = getattr(self.first, "with_weights", None)
            # A source that can read other weights into the graph that it has is spared to make the graph again.
            source = again(file) if again is not None else recognise(file, str(file), self.how)
            difference = difference_of(self.first.network, source.network)
            if difference:
                raise SourceError(
                    f"{file}: another network than {self.files[0].name} ({difference}); checkpoints must be of one "
                    "network: record them apart"
                )
            self.open = (checkpoint, source)
        return source


def difference_of(first: Network, second: Network) -> str | None:
    """What tells two networks apart, in words; None where their graphs and shapes are the same."""
    if first is second:
        return None
    here, there = {layer.id: layer for layer in first}, {layer.id: layer for layer in second}
    for id in here:
        if id not in there:
            return f"it has no layer {id!r}"
    for id, layer in there.items():
        if id not in here:
            return f"it has a layer {id!r} more"
        mine = here[id]
        if mine.kind != layer.kind:
            return f"layer {id!r} is {layer.kind}, not {mine.kind}"
        if mine.inputs != layer.inputs:
            return f"layer {id!r} reads other layers"
        shapes = {parameter.role: parameter.shape for parameter in mine.parameters}
        for parameter in layer.parameters:
            if shapes.get(parameter.role) != parameter.shape:
                return (
                    f"the {parameter.role} of {id!r} is {list(parameter.shape)}, "
                    f"not {list(shapes.get(parameter.role, ()))}"
                )
    return None
