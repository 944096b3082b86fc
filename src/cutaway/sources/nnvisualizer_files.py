"""The files of an nn-visualizer export: which there are, and their JSON as checked arrays, axes still as they lie.

    model_structure.json                [["input", [1, H, W, C]], ["conv0", [kH, kW, I, O]], ["maxpool0", [H, W]],
                                         ["fc0", [I, O]], …, ["0", "1", … class names]]
    model_weights_epochNNN.json         [[name, shape, values], …], pools with dummy values
    model_activations_epochNNN.json     [[name, [sample, …], values], …, [[true class names], [predicted ones]]]

Written by the export script of nn-visualizer (S. Sietzen, TU Wien 2018).
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cutaway.errors import SourceError

EPOCH_FILE = re.compile(r"(?P<model>.*)_(?P<what>weights|activations)_epoch_?(?P<epoch>\d{1,9})\.json")


class Epoch(NamedTuple):
    """One recorded epoch and its two files."""

    number: int
    weights: Path
    activations: Path


class Entry(NamedTuple):
    """One layer as model_structure.json names it."""

    name: str
    shape: tuple[int, ...]


class Structure(NamedTuple):
    """model_structure.json."""

    path: Path
    entries: tuple[Entry, ...]
    classes: tuple[str, ...] | None


class Activations(NamedTuple):
    """One activations file: values [sample, …] by layer name, and the samples' true class names where given."""

    values: dict[str, np.ndarray]
    truth: tuple[str, ...] | None


def find_structure(folder: Path) -> Path:
    """The one structure file of a folder. Raises SourceError for none or several."""
    found = sorted(folder.glob("*_structure.json"))
    if not found:
        raise SourceError(f"{folder}: there is no model_structure.json beside the epochs; export it again")
    if len(found) > 1:
        raise SourceError(
            f"{folder}: two models lie here ({found[0].name}, {found[1].name}); put each into a folder of its own"
        )
    return found[0]


def find_epochs(folder: Path, model: str) -> list[Epoch]:
    """The epochs of a folder by number (9 before 10). Raises SourceError for none, gaps, doubles and halves."""
    files: dict[int, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = EPOCH_FILE.fullmatch(path.name)
        if match is None or match["model"] != model:
            continue
        kinds = files.setdefault(int(match["epoch"]), {})
        if match["what"] in kinds:
            raise SourceError(f"{path}: the same epoch as {kinds[match['what']].name}; keep one of them")
        kinds[match["what"]] = path
    if not files:
        raise SourceError(f"{folder}: no {model}_weights_epochNNN.json in it; export the run's epochs again")
    for kinds in files.values():
        for have, lack in (("weights", "activations"), ("activations", "weights")):
            if lack not in kinds:
                missing = kinds[have].name.replace(f"_{have}_", f"_{lack}_")
                raise SourceError(f"{folder / missing}: missing, while {kinds[have].name} is there; copy it too")
    check_gaps(folder, sorted(files))
    return [Epoch(number, kinds["weights"], kinds["activations"]) for number, kinds in sorted(files.items())]


def check_gaps(folder: Path, numbers: list[int]) -> None:
    """Raises SourceError when an epoch is missing in between; saving every n-th epoch (0, 5, 10) is no gap."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    if len(steps) > 1 and len(set(steps)) == 1:
        return
    for before, step in zip(numbers[:-1], steps, strict=True):
        if step > 1:
            raise SourceError(
                f"{folder}: epoch {before + 1} is missing between {before} and {before + step}; "
                "copy its files too, or take away the later ones"
            )


def read_structure(path: Path) -> Structure:
    """The layers in order, and the class names. Raises SourceError."""
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise SourceError(f"{path}: expected a list of [name, shape], found {seen(content)}; export it again")
    classes = None
    if is_names(content[-1]):
        classes = tuple(content.pop())
    entries = []
    for item in content:
        match item:
            case [str(name), [*sizes]] if name and sizes and all(is_size(size) for size in sizes):
                entries.append(Entry(name, tuple(sizes)))
            case _:
                raise SourceError(f"{path}: expected [name, shape], found {seen(item)}; export it again")
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{path}: two layers are called {name!r}; rename one and export again")
    if len(entries) < 2:
        raise SourceError(f"{path}: names {len(entries)} layers; a network has at least an input and one layer")
    return Structure(path, tuple(entries), classes)


def read_weights(path: Path, structure: Structure, wanted: list[str]) -> dict[str, np.ndarray]:
    """Kernels float32 by layer name, for the layers in `wanted`; the pools' dummies are left out.

    Raises SourceError when one is missing or has another shape than the structure says.
    """
    found = {name: (shape, values) for name, shape, values in triples(path, read_json(path))}
    shapes = dict(structure.entries)
    weights = {}
    for name in wanted:
        if name not in found:
            raise SourceError(f"{path}: no weights of layer {name!r} in it; export the epoch again")
        array = as_array(found[name][1], f"{path}: weights of layer {name!r}")
        if array.shape != shapes[name]:
            raise SourceError(
                f"{path}: weights of layer {name!r} have shape {list(array.shape)}, "
                f"{structure.path.name} says {list(shapes[name])}; both must come from the same run"
            )
        weights[name] = array
    return weights


def read_activations(path: Path, structure: Structure) -> Activations:
    """Activations float32 by layer name. Raises SourceError when one is missing, or samples differ in number."""
    content = read_json(path)
    truth = None
    match content:
        case [*layers, [[*true], [*predicted]]] if is_names(true) and is_names(predicted):
            content, truth = layers, tuple(true)
    found = {name: values for name, _, values in triples(path, content)}
    values = {}
    count = len(truth) if truth is not None else None
    for name, _ in structure.entries:
        if name not in found:
            raise SourceError(f"{path}: no activations of layer {name!r} in it; export the epoch again")
        array = as_array(found[name], f"{path}: activations of layer {name!r}")
        if array.ndim < 2 or 0 in array.shape:
            raise SourceError(f"{path}: activations of layer {name!r} have shape {list(array.shape)}, not [sample, …]")
        count = len(array) if count is None else count
        if len(array) != count:
            raise SourceError(
                f"{path}: {len(array)} samples in layer {name!r}, {count} elsewhere; export the epoch again"
            )
        values[name] = array
    return Activations(values, truth)


def triples(path: Path, content: Any) -> list[tuple[str, Any, Any]]:
    """[name, shape, values] of every layer in a file. Raises SourceError for anything else."""
    if not isinstance(content, list):
        raise SourceError(f"{path}: expected a list of [name, shape, values], found {seen(content)}; export it again")
    found = []
    for item in content:
        match item:
            case [str(name), shape, values]:
                found.append((name, shape, values))
            case _:
                raise SourceError(f"{path}: expected [name, shape, values], found {seen(item)}; export it again")
    return found


def read_json(path: Path) -> Any:
    """A file's JSON, NaN and Infinity included (Python writes them). Raises SourceError with line and byte."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error}); check its permissions") from None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass  # JSON proper has no NaN; Python's reader takes it, and says where it got lost otherwise
    except RecursionError:
        raise SourceError(f"{path}: lists nested too deep; this is no file of nn-visualizer") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path}: broken off or damaged at byte {error.pos} of {len(text)} (line {error.lineno}: {error.msg}); "
            "copy it again"
        ) from None
    except (ValueError, RecursionError) as error:  # not text, numbers of thousands of digits
        raise SourceError(f"{path}: not JSON ({error}); copy it again") from None


def as_array(values: Any, what: str) -> np.ndarray:
    """Nested lists of numbers as float32, each exactly `np.float32(value)`. Raises SourceError for anything else."""
    try:
        array = np.array(values)
    except (ValueError, OverflowError, RecursionError):
        raise SourceError(f"{what} are lists of unequal length; export the epoch again") from None
    if array.dtype.kind not in "fiu":
        raise SourceError(f"{what} are not all numbers; export the epoch again")
    with np.errstate(over="ignore"):  # beyond float32 is infinite there, and is shown as such
        return array.astype(np.float32)


def is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def seen(value: Any) -> str:
    """A value in a few words, for an error's text."""
    text = repr(value) if not isinstance(value, list) or len(value) < 5 else f"a list of {len(value)}"
    return text if len(text) <= 60 else text[:57] + "…"
