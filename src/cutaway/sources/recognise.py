"""What a path is, by its content: the table from formats to the functions that open them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from cutaway.errors import SourceError
from cutaway.sources import Source


class Format(NamedTuple):
    """A format, how it is recognised, and `module:function` that opens it (None: this version can't read it)."""

    name: str
    matches: Callable[[Path], bool]
    opener: str | None


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
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(endings) for name in archive.namelist()[:10_000])
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return False

    return matches


def safetensors(path: Path) -> bool:
    return head(path)[8:10] in (b'{"', b"{ ", b"{}") and int.from_bytes(head(path)[:8], "little") < 100_000_000


def onnx(path: Path) -> bool:
    """ONNX has no magic: a protobuf whose first field is the version (a small number), its second the producer."""
    start = head(path)
    return start[:1] == b"\x08" and start[2:3] in (b"\x12", b":", b"B") and path.suffix in (".onnx", "", ".pb")


FOLDERS = (
    Format(
        "an nn-visualizer export",
        holds("*_structure.json", "*_weights_epoch*.json", "*_activations_epoch*.json"),
        "cutaway.sources.nnvisualizer:open_nnvisualizer",
    ),
    Format("a TensorFlow SavedModel", holds("saved_model.pb"), None),
    Format("a folder of TensorFlow checkpoints", holds("*.ckpt*.index", "checkpoint", "*.meta"), None),
    Format("a folder of PyTorch checkpoints", holds("*.pt", "*.pth"), None),
    Format("a folder of Keras checkpoints", holds("*.keras", "*.h5"), None),
    Format("a folder of ONNX models", holds("*.onnx"), None),
)

FILES = (
    Format("a Keras model (.keras)", zipped("metadata.json"), None),
    Format("a PyTorch exported program (.pt2)", zipped("models/model.json", "serialized_exported_program.json"), None),
    Format("a TorchScript module", zipped("/code/.data/ts_code", "constants.pkl"), None),
    Format("a PyTorch checkpoint (.pt)", zipped("data.pkl"), None),
    Format("a Keras or HDF5 file (.h5)", starts(b"\x89HDF\r\n\x1a\n"), None),
    Format("a TensorFlow Lite model", starts(b"TFL3", at=4), None),
    Format("a pickle, probably an old PyTorch checkpoint", starts(b"\x80\x02", b"\x80\x03", b"\x80\x04"), None),
    Format("a safetensors file: weights without a graph", safetensors, None),
    Format("an ONNX model", onnx, None),
    Format("a picture", starts(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"), None),
)

READABLE = "this version reads the folders that nn-visualizer exports"


def recognise(path: Path, given: str) -> Source:
    """The source that a path holds; `given` is what the user wrote. Raises SourceError."""
    if given.startswith(("http://", "https://")):
        raise SourceError(f"{given}: an address; a recording there opens with `cutaway open`, a model has to be here")
    try:
        if not path.exists():
            raise SourceError(f"{path}: no such file or folder; check the path")
        if path.is_dir():
            return in_folder(path)
        return in_file(path)
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error}); check its permissions") from None


def in_folder(path: Path) -> Source:
    if (path / "recording.json").exists():
        raise SourceError(f"{path}: a recording already; open it with `cutaway open`")
    if not any(path.iterdir()):
        raise SourceError(f"{path}: an empty folder; {READABLE} (model_structure.json and its epochs)")
    found = first(FOLDERS, path)
    if found is None:
        raise SourceError(f"{path}: no model_structure.json in it, nor anything else that is known; {READABLE}")
    return opened(found, path)


def in_file(path: Path) -> Source:
    found = first(FILES, path)
    if found is not None:
        return opened(found, path)
    if path.suffix == ".json":
        raise SourceError(f"{path}: a single JSON file; give the folder that holds model_structure.json and its epochs")
    raise SourceError(f"{path}: not a model that is known; {READABLE}")


def first(formats: tuple[Format, ...], path: Path) -> Format | None:
    return next((known for known in formats if known.matches(path)), None)


def opened(found: Format, path: Path) -> Source:
    if found.opener is None:
        raise SourceError(f"{path}: seems to be {found.name}, which can't be read yet; {READABLE}")
    module, _, function = found.opener.partition(":")
    source: Source = getattr(import_module(module), function)(path)
    return source


def head(path: Path) -> bytes:
    """The first bytes of a file, enough for every magic."""
    with path.open("rb") as file:
        return file.read(16)
