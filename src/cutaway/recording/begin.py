"""What `record` begins with: the source opened, the samples ready for its model, the names of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from cutaway.errors import CutawayError, SourceError
from cutaway.samples import Given, Preprocessing, prepare, read_samples
from cutaway.samples.read import read_classes
from cutaway.sources import InputSpec, Source, inputs_of, open_source

Classes = tuple[str, ...] | None


@dataclass(frozen=True)
class Wish:
    """What the user wants to have recorded as samples."""

    samples: Any = None
    count: int | None = None
    labels: Any = None
    classes: Any = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)


def begun(source: Any, wish: Wish, how: Mapping[str, Any]) -> tuple[Source, Any, Classes]:
    """(source, samples ready for it or None, names of the classes that the user or the samples tell).

    Samples are read before the model is opened, so that one that leaves its input's size free can go by theirs.
    Raises CutawayError.
    """
    told = read_classes(wish.classes)
    given: Given | None = None
    if wish.samples is not None and (not is_source(source) or inputs_of(source)):
        given = read_samples(wish.samples, count=wish.count, labels=wish.labels, classes=told)
    opened: Source = source if is_source(source) else opened_for(source, wish, given, told, how)
    if opened is source and any(value for option, value in how.items() if option != "input"):
        raise CutawayError(f"{', '.join(how)}: the source is open already; give that to open_source")
    inputs = inputs_of(opened)
    if not inputs:  # it has its samples, or none; a `SampleSet` of the caller's goes to it as it is
        if wish.samples is None:
            return opened, opened.samples, told
        if not hasattr(wish.samples, "images"):
            raise SourceError(f"{opened.name}: holds its own samples and no model to run others through")
        return opened, wish.samples, told
    if given is None:
        if opened.samples is not None:
            return opened, opened.samples, told
        from cutaway.sources.testcard import make_card

        given = make_card(inputs, wish.preprocessing.size)
    given, told = reconciled(opened, given, told)
    return opened, prepare(given, inputs, wish.preprocessing), told


def opened_for(source: Any, wish: Wish, given: Given | None, told: Classes, how: Mapping[str, Any]) -> Source:
    """The source opened with all that is known of the samples. Raises CutawayError."""
    shape = given.shape if given is not None and given.shape else None
    size = wish.preprocessing.size
    if shape is not None and size is not None and len(shape) == 3:
        shape = (shape[0], *size)
    first = None if given is None else partial(first_sample, given, wish.preprocessing)
    told_of = {"size": size, "layout": wish.preprocessing.layout, "classes": told}
    return open_source(source, **how, **told_of, sample_shape=shape, first_sample=first)


def first_sample(given: Given, how: Preprocessing, spec: InputSpec) -> np.ndarray | None:
    """The first of the samples [1, …] as that input takes it; None where it does not fit."""
    try:
        return prepare(given.first(), (spec,), how).inputs[spec.name]
    except SourceError:
        return None


def is_source(source: Any) -> bool:
    """Whether it is a `Source` already, not something to open."""
    return all(hasattr(source, name) for name in ("network", "checkpoints", "completeness", "activations"))


def reconciled(source: Source, given: Given, told: Classes) -> tuple[Given, Classes]:
    """The samples' labels in the model's own classes. Raises SourceError where the user's labels don't fit them."""
    width = outputs_of(source)
    names = given.classes
    if told is None and names is not None:  # of sub-folders or words, which the model may not know
        if source.classes is not None and set(names) <= set(source.classes):
            position = {name: index for index, name in enumerate(source.classes)}
            labels = [None if label is None else position[names[label]] for label in given.labels or ()]
            given = replace(given, labels=labels, classes=None)
        elif source.classes is None and width in (None, len(names)):
            told = names
        else:
            have = len(source.classes or ()) or width
            note = f"labels left out: the samples' classes are not the {have} that the model tells apart"
            given = replace(given, labels=None, classes=None, notes=(*given.notes, note))
    largest = max((label for label in given.labels or () if label is not None), default=-1)
    if width is not None and largest >= width > 1:
        raise SourceError(
            f"{source.name}: a sample's label is {largest}, but the model has {width} outputs (0 to {width - 1}); "
            "check --labels"
        )
    return given, told


def outputs_of(source: Source) -> int | None:
    """Numbers in the network's first output where that is a vector."""
    outputs = source.network.outputs
    shape = source.network.layer(outputs[0]).output_shape if outputs else ()
    return shape[0] if len(shape) == 1 else None


def classes_of(source: Source, told: Classes) -> Classes:
    """Names of the classes: the user's, else the source's. Raises SourceError where the user's don't fit."""
    width = outputs_of(source)
    if told is None:
        return None if source.classes is None else tuple(source.classes)
    if width is not None and len(told) != width:
        raise SourceError(f"{source.name}: {len(told)} classes for {width} outputs; check --classes")
    return told
