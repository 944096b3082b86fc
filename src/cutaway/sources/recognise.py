"""What a path is, by its content: the table from formats to the functions that open them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from inspect import getmro
from pathlib import Path
from typing import Any, NamedTuple

from cutaway.errors import SourceError
from cutaway.sources import How, Source

END_OF_ZIP = 65_557
"""A zip ends with a record of at most this many bytes, a comment included."""

LARGEST_TABLE = 64_000_000
"""Bytes of a zip's table of contents from which on it is not read: half a million names."""


class Format(NamedTuple):
    """A format, how it is recognised, and `module:function` that opens it (None: nothing in it can be opened)."""

    name: str
    matches: Callable[[Path], bool]
    opener: str | None
    remedy: str = ""
    """What to do where it can't be opened."""


def holds(*patterns: str) -> Callable[[Path], bool]:
    """A folder with a file of one of these names."""
    return lambda path: any(next(path.glob(pattern), None) is not None for pattern in patterns)


def starts(*magics: bytes, at: int = 0) -> Callable[[Path], bool]:
    """A file whose bytes from `at` on are one of these."""
    return lambda path: head(path)[at:].startswith(magics)


def zipped(*endings: str) -> Callable[[Path], bool]:
    """A zip archive with a member whose name ends so."""

    def matches(path: Path) -> bool:
        if not head(path).startswith(b"PK\x03\x04"):
            return False
        return any(name.endswith(endings) for name in zip_names(path, path.stat().st_mtime_ns))

    return matches


@lru_cache(maxsize=8)
def zip_names(path: Path, changed_ns: int) -> tuple[str, ...]:
    """Names in a zip archive, read once for all formats; none where it is none, or holds an absurd number of them."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_OF_ZIP))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    # Bytes of the table of contents; all ones refer to a larger field elsewhere, for archives no model needs.
    if end < 0 or int.from_bytes(tail[end + 12 : end + 16], "little") > LARGEST_TABLE:
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.namelist()[:10_000])
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return ()


def is_idx(start: bytes) -> bool:
    """The magic of IDX files: two zeros, a type of numbers, how many axes."""
    return start[:2] == b"\0\0" and start[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e" and 1 <= (start[3:4] or b"\0")[0] <= 8


def named(*endings: str) -> Callable[[Path], bool]:
    """A file whose name ends so, for formats without a magic."""
    return lambda path: path.name.endswith(endings)


def safetensors(path: Path) -> bool:
    return head(path)[8:10] in (b'{"', b"{ ", b"{}") and int.from_bytes(head(path)[:8], "little") < 100_000_000


def onnx(path: Path) -> bool:
    """ONNX has no magic: a protobuf whose first field is the version (a small number)."""
    return path.suffix == ".onnx" or (path.suffix in ("", ".pb") and head(path)[:1] == b"\x08")


def tensorflow(path: Path) -> bool:
    """`model.ckpt-3.meta`, its `.index`, a shard of its data, or the name that they have in common."""
    if path.is_file():
        return path.suffix in (".meta", ".index") or ".data-" in path.suffix
    return path.with_name(path.name + ".index").is_file()


NNVISUALIZER = "cutaway.sources.nnvisualizer:open_nnvisualizer"
TENSORFLOW = "cutaway.sources.tensorflow:open_tensorflow"
TORCH = "cutaway.sources.torch:open_torch"
KERAS = "cutaway.sources.keras:open_keras"
ONNX = "cutaway.sources.onnx:open_onnx"
TFLITE = "cutaway.sources.tflite:open_tflite"
FOLDER = "cutaway.sources.folder:open_folder"

SAMPLES = "a model comes first: `cutaway record MODEL --samples {path} --out RUN`"

FOLDERS = (
    Format(
        "an nn-visualizer export",
        holds("*_structure.json", "*_weights_epoch*.json", "*_activations_epoch*.json"),
        NNVISUALIZER,
    ),
    Format("a TensorFlow SavedModel", holds("saved_model.pb"), TENSORFLOW),
    Format("a folder of TensorFlow checkpoints", holds("*.index"), FOLDER),
    Format("a folder of PyTorch checkpoints", holds("*.pt", "*.pth", "*.pt2", "*.ckpt", "*.safetensors"), FOLDER),
    Format("a folder of Keras checkpoints", holds("*.keras", "*.h5", "*.hdf5"), FOLDER),
    Format("a folder of ONNX models", holds("*.onnx"), FOLDER),
    Format("a folder of TensorFlow Lite models", holds("*.tflite"), FOLDER),
    Format(
        "a folder of pictures",
        holds("*.png", "*.jpg", "*.jpeg"),
        None,
        SAMPLES,
    ),
)

FILES = (
    Format("a Keras model (.keras)", zipped("metadata.json"), KERAS),
    Format("a PyTorch exported program (.pt2)", zipped("models/model.json", "serialized_exported_program.json"), TORCH),
    Format("a TorchScript module", zipped("/code/.data/ts_code", "constants.pkl"), TORCH),
    Format("a PyTorch checkpoint (.pt)", zipped("data.pkl"), TORCH),
    Format("a Keras or HDF5 file (.h5)", starts(b"\x89HDF\r\n\x1a\n"), KERAS),
    Format("a TensorFlow Lite model", starts(b"TFL3", at=4), TFLITE),
    Format("a pickle, probably an old PyTorch checkpoint", starts(*(b"\x80" + bytes([n]) for n in range(2, 6))), TORCH),
    Format("a TensorFlow checkpoint", tensorflow, TENSORFLOW),
    Format("a safetensors file: weights without a graph", safetensors, TORCH),
    Format(
        "a picture",
        starts(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF"),
        None,
        SAMPLES,
    ),
    Format(
        "an array (.npy, .npz)",
        lambda path: head(path).startswith(b"\x93NUMPY") or zipped(".npy")(path),
        None,
        SAMPLES,
    ),
    Format("samples (IDX, as MNIST has it)", lambda path: is_idx(head(path)), None, SAMPLES),
    Format("a gzipped file, perhaps samples", starts(b"\x1f\x8b"), None, SAMPLES),
    Format("an ONNX model", onnx, ONNX),
    # What is broken at its beginning still gets the words of the format that its name promises.
    Format("a Keras model", named(".keras", ".h5", ".hdf5"), KERAS),
    Format("a PyTorch file", named(".pt", ".pth", ".pt2", ".ckpt", ".safetensors"), TORCH),
    Format("a TensorFlow Lite model", named(".tflite", ".lite"), TFLITE),
    Format(
        "a file of Keras's `model.to_json()`",
        lambda path: path.suffix == ".json" and b'"class_name"' in head(path, 1000),
        KERAS,
    ),
)

READABLE = (
    "this version reads ONNX, PyTorch (.pt2, .pt, .pth, .safetensors), Keras (.keras, .h5), TensorFlow checkpoints and "
    "SavedModels, .tflite, folders of these, and nn-visualizer's exports"
)

LIVE = {
    # Keras first: on PyTorch as its backend, a Keras model is a torch.nn.Module as well.
    "keras": ("keras", "Model", "cutaway.sources.keras:open_model"),
    "torch": ("torch.nn.modules.module", "Module", "cutaway.sources.torch:open_module"),
}

EXTRAS = {
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "torch": "torch",
    "h5py": "keras",
    "keras": "keras",
    "tensorflow": "keras",
    "tflite": "tflite",
    "ai_edge_litert": "tflite",
    "flatbuffers": "tflite",
}
"""What a missing module is installed with: `pip install "cutaway[…]"`."""


def recognise(path: Path, given: str, how: How) -> Source:
    """The source that a path holds; `given` is what the user wrote. Raises SourceError."""
    if given.startswith(("http://", "https://")):
        raise SourceError(f"{given}: an address; a recording there opens with `cutaway open`, a model has to be here")
    try:
        if path.is_dir():
            return in_folder(path, how)
        if not path.exists() and not tensorflow(path):
            raise SourceError(f"{path}: no such file or folder; check the path")
        return in_file(path, how)
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error}); check its permissions") from None


def in_folder(path: Path, how: How) -> Source:
    if (path / "recording.json").exists():
        raise SourceError(f"{path}: a recording already; open it with `cutaway open`")
    if not any(path.iterdir()):
        raise SourceError(f"{path}: an empty folder; {READABLE}")
    found = first(FOLDERS, path)
    if found is None:
        raise SourceError(f"{path}: no model in it that is known; {READABLE}")
    return opened(found, path, how)


def in_file(path: Path, how: How) -> Source:
    if path.name == "saved_model.pb":
        return in_folder(path.parent, how)
    found = first(FILES, path)
    if found is not None:
        return opened(found, path, how)
    if path.suffix == ".json":
        raise SourceError(f"{path}: a single JSON file; give the folder that holds model_structure.json and its epochs")
    raise SourceError(f"{path}: not a model that is known; {READABLE}")


def live(model: Any, how: How) -> Source:
    """The source over an object of a framework, recognised without importing any. Raises SourceError."""
    for framework, (module, name, opener) in LIVE.items():
        for base in getmro(type(model)):
            if base.__name__ == name and (base.__module__ == module or base.__module__.startswith(module + ".")):
                return call(opener, f"this {framework} model", model, how)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise SourceError(f"a {kind} can't be opened; give a path, a torch.nn.Module, or a Keras model")


def first(formats: tuple[Format, ...], path: Path) -> Format | None:
    return next((known for known in formats if known.matches(path)), None)


def opened(found: Format, path: Path, how: How) -> Source:
    if found.opener is None:
        raise SourceError(f"{path}: seems to be {found.name}; {found.remedy.format(path=path) or READABLE}")
    return call(found.opener, f"{path}: seems to be {found.name}", path, how)


def call(opener: str, what: str, subject: Any, how: How) -> Source:
    """Imports an opener and calls it. Raises SourceError naming the extra where a library is not installed."""
    module, _, function = opener.partition(":")
    if find_spec(module) is None:
        raise SourceError(f"{what}, which can't be read yet; {READABLE}")
    try:
        source: Source = getattr(import_module(module), function)(subject, how)
    except ModuleNotFoundError as error:
        if (remedy := remedy_for(error)) is None:
            raise
        raise SourceError(f"{what}; {remedy}") from None
    return source


def remedy_for(error: ModuleNotFoundError) -> str | None:
    """What to do about a library that is not installed, where an extra brings it."""
    missing = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(missing)
    return None if extra is None else f'that takes {missing}: pip install "cutaway[{extra}]"'


def head(path: Path, count: int = 16) -> bytes:
    """The first bytes of a file, enough for every magic; b"" where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:  # the common name of a TensorFlow checkpoint's files
        return b""
