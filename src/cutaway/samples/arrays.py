"""The first few rows of `.npy`, `.npz` and IDX files: declared sizes are checked before anything is allocated.

Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html and http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from cutaway.errors import SourceError

MOST_BYTES = 2 << 30
"""What the samples of one file may take in memory."""

HEADER_LIMIT = 10_000
MEMBERS_LIMIT = 1000

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

IMAGES = ("x_test", "images", "image", "x", "test_images", "inputs", "data", "samples", "x_train", "train_images")
LABELS = ("y_test", "labels", "label", "y", "test_labels", "targets", "target", "y_train", "train_labels")


def read_npy(path: Path, count: int | None) -> np.ndarray:
    """The first `count` rows of an array file. Raises SourceError."""
    with path.open("rb") as file:
        return rows(file, count, str(path))


def read_npz(path: Path, count: int | None) -> dict[str, np.ndarray]:
    """The first `count` rows of every array in an archive, by name. Raises SourceError."""
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            members = [name for name in names if name.endswith(".npy")]
            if not members and any(name.endswith("data.pkl") for name in names):
                raise SourceError(f"{path}: a PyTorch file, no samples; a model goes before --samples")
            if len(members) > MEMBERS_LIMIT:
                raise SourceError(f"{path}: {len(members)} arrays; up to {MEMBERS_LIMIT} are read")
            left = MOST_BYTES
            for name in members:
                with archive.open(name) as file:
                    array = rows(file, count, f"{path} ({name.removesuffix('.npy')})", left)
                left -= array.nbytes
                arrays[name.removesuffix(".npy")] = array
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, ValueError) as error:
        raise SourceError(f"{path}: a broken .npz archive ({error}); write it again") from None
    if not arrays:
        raise SourceError(f"{path}: an archive without arrays; samples are an .npz that `numpy.savez` wrote")
    return arrays


def rows(file: IO[bytes], count: int | None, where: str, most: int = MOST_BYTES) -> np.ndarray:
    """The first `count` rows of an open `.npy` file. Raises SourceError."""
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file, max_header_size=HEADER_LIMIT)
    except (ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise SourceError(f"{where}: not an array that NumPy wrote ({first_line(error)})") from None
    if dtype.hasobject:
        raise SourceError(
            f"{where}: holds Python objects (a pickle), which could run code when read; save an array of numbers"
        )
    if dtype.kind not in "biuf":
        raise SourceError(f"{where}: holds {dtype}, no numbers; save an array of numbers")
    # In Fortran's order the first rows lie everywhere.
    taken = shape if fortran or count is None or not shape else (min(count, shape[0]), *shape[1:])
    size = math.prod(taken) * dtype.itemsize
    if any(length < 0 for length in shape) or size > most:
        raise SourceError(f"{where}: {size:,} bytes of samples are too many; give fewer or smaller ones (--count)")
    array = np.frombuffer(exactly(file, size, where), dtype).reshape(taken, order="F" if fortran else "C")
    return array[:count] if shape else array


def read_idx(path: Path, count: int | None) -> np.ndarray:
    """The first `count` rows of an IDX file, gzipped or not. Raises SourceError."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            head = exactly(file, 4, str(path))
            dtype = IDX_TYPES.get(head[2])
            if head[:2] != b"\0\0" or dtype is None or not 1 <= head[3] <= 8:
                raise SourceError(f"{path}: not an IDX file; it starts with {head.hex()}")
            shape = np.frombuffer(exactly(file, 4 * head[3], str(path)), ">u4").tolist()
            taken = shape if count is None else [min(count, shape[0]), *shape[1:]]
            size = math.prod(taken) * np.dtype(dtype).itemsize
            if size > MOST_BYTES:
                raise SourceError(f"{path}: says that it holds {size:,} bytes of samples, which are too many")
            array = np.frombuffer(exactly(file, size, str(path)), dtype).reshape(taken)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: a broken gzip file ({error}); copy it again") from None
    return array.astype(array.dtype.newbyteorder("="))


def is_idx(head: bytes) -> bool:
    """Whether a file's first bytes are those of IDX."""
    return head[:2] == b"\0\0" and len(head) > 3 and head[2] in IDX_TYPES and 1 <= head[3] <= 8


class Readable(Protocol):
    """A file, a member of an archive, or what comes out of a gzip file."""

    def read(self, size: int, /) -> bytes: ...


def exactly(file: Readable, size: int, where: str) -> bytes:
    """So many bytes, in pieces: a declared size alone never makes us allocate. Raises SourceError."""
    pieces, left = [], size
    while left:
        piece = file.read(min(left, 1 << 24))
        if not piece:
            raise SourceError(f"{where}: truncated, {left:,} bytes are missing; copy it again")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def first_line(error: Exception) -> str:
    """The beginning of what NumPy says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def images_and_labels(arrays: Mapping[str, np.ndarray], where: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The array that is pictures, and the one that is their labels, by name or by looks. Raises SourceError."""
    lower = {name.lower(): array for name, array in arrays.items()}
    images = next((lower[name] for name in IMAGES if name in lower and lower[name].ndim > 1), None)
    if images is None:
        several = [array for array in arrays.values() if array.ndim > 1]
        if not several:
            raise SourceError(f"{where}: no array of samples among {', '.join(arrays)}; they have two axes at least")
        images = max(several, key=lambda array: (array.ndim, array.nbytes))
    count = len(images)
    labels = next((lower[name] for name in LABELS if name in lower and len_of(lower[name]) == count), None)
    if labels is None:
        flat = (a for a in arrays.values() if a is not images and a.ndim == 1 and len(a) == count)
        labels = next((array for array in flat if array.dtype.kind in "iu"), None)
    return images, labels


def len_of(array: np.ndarray) -> int:
    return len(array) if array.ndim else 0


def as_labels(values: Any, where: str) -> list[int | None]:
    """Class indices from an array [n], [n, 1] or one-hot [n, class]; negative ones are not known."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] > 1:
        array = array.argmax(axis=1)
    array = array.reshape(-1)
    if array.dtype.kind == "f" and np.array_equal(array, np.rint(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise SourceError(f"{where}: labels are whole numbers, one for each sample; found {array.dtype}")
    return [int(value) if value >= 0 else None for value in array.tolist()]
