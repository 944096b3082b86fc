"""Reads samples from wherever they lie: `read_samples` is the door.

A picture is never decoded before its size is known, and nothing in a file runs.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import CutawayError, SourceError
from cutaway.samples import arrays
from cutaway.samples.given import Given

COUNT = 20
"""Samples that are recorded unless told otherwise."""

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jfif")
MOST_PIXELS = 80_000_000
"""In one picture; a few bytes can declare billions."""

MOST_SIDE = 2048
"""Pixels; larger pictures are made smaller while they are read: no layer is shown at such a size, and twenty of them
would not fit into memory."""

LABELS_LIMIT = 64 << 20


def read_samples(
    spec: Any,
    *,
    count: int | None = None,
    labels: Any = None,
    classes: Sequence[str] | str | None = None,
) -> Given:
    """Up to `count` (20) samples from a path, paths, arrays, PIL pictures, or a `SampleSet`.

    labels: a file (a line or a number each), or numbers; else those that lie with the samples (sub-folder names, the
    labels file beside an IDX file, an array in the `.npz`).
    classes: names of the classes, or a file with one a line.
    Raises SourceError, one line, for what can't be read.
    """
    if count is not None and count < 1:
        raise CutawayError(f"count must be at least 1, got {count}")
    most = count or COUNT
    names_of_classes = read_classes(classes)
    given = found(spec, most, names_of_classes)
    if not len(given):
        raise SourceError(f"{place(spec)}: no sample in it")
    if labels is not None:
        given = with_labels(given, labels, names_of_classes)
    if names_of_classes is not None:
        given = changed(given, classes=names_of_classes)
    if given.labels is not None and given.classes is not None:
        largest = max((label for label in given.labels if label is not None), default=0)
        if largest >= len(given.classes):
            raise SourceError(
                f"a sample's label is {largest}, but there are {len(given.classes)} classes (0 to "
                f"{len(given.classes) - 1}); check --labels and --classes"
            )
    return given


def found(spec: Any, most: int, classes: tuple[str, ...] | None) -> Given:
    """The samples with the labels that lie with them."""
    if isinstance(spec, Given):
        return shortened(spec, most)
    if isinstance(spec, str | os.PathLike):
        return in_path(Path(os.fspath(spec)).expanduser(), most, classes)
    if hasattr(spec, "images") and hasattr(spec, "names"):  # a SampleSet
        return from_set(spec, most)
    if isinstance(spec, Mapping):
        by_name = {str(name): np.asarray(values)[:most] for name, values in spec.items()}
        return from_arrays(by_name, "samples")
    if isinstance(spec, list | tuple) and spec and all(isinstance(one, str | os.PathLike) for one in spec):
        files = [Path(os.fspath(one)).expanduser() for one in spec]
        if len(files) == 1:
            return in_path(files[0], most, classes)
        return pictures(files[:most], files[0].parent)
    if isinstance(spec, list | tuple) and spec and all(hasattr(one, "convert") for one in spec):  # PIL
        return Given(
            names=numbered(min(len(spec), most)),
            pictures=[picture(one, f"sample {i}") for i, one in enumerate(spec)][:most],
        )
    if hasattr(spec, "convert") and hasattr(spec, "getbands"):
        return Given(names=numbered(1), pictures=[picture(spec, "the sample")])
    try:
        array = np.asarray(spec.detach().cpu() if hasattr(spec, "detach") else spec)
    except (ValueError, TypeError) as error:
        raise SourceError(f"samples can't be made an array: {arrays.first_line(error)}") from None
    if array.dtype.kind not in "biuf" or array.ndim < 2:
        raise SourceError(
            f"samples are an array [sample, …] of numbers, a path, or pictures; got {type(spec).__name__} "
            f"{list(array.shape)} of {array.dtype}"
        )
    return Given(names=numbered(min(len(array), most)), array=array[:most])


def from_set(spec: Any, most: int) -> Given:
    images = np.asarray(spec.images)[:most]
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
        raise SourceError(
            f"samples must be pictures [sample, H, W, C] of uint8 or float32, got {list(images.shape)} {images.dtype}"
        )
    labels = None if spec.labels is None else tuple(spec.labels)
    for what, values in (("names", spec.names), ("labels", labels)):
        if values and len(values) != len(spec.images):
            raise SourceError(f"{len(values)} {what} for {len(spec.images)} samples; give one for each")
    names = tuple(spec.names)[:most] or numbered(len(images))
    kept = None if labels is None else labels[:most]
    if images.dtype == np.uint8:
        return Given(names=names, pictures=list(images), labels=kept, preprocessing=spec.preprocessing)
    return Given(names=names, array=np.moveaxis(images, -1, 1), labels=kept, preprocessing=spec.preprocessing)


def in_path(path: Path, most: int, classes: tuple[str, ...] | None) -> Given:
    try:
        if path.is_dir():
            return in_folder(path, most, classes)
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise SourceError(
            f"{path}: no such file or folder; --samples takes pictures, .npy, .npz or IDX files"
        ) from None
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error}); check its permissions") from None
    if head.startswith(b"\x93NUMPY"):
        array = arrays.read_npy(path, most)
        if array.ndim < 2:
            raise SourceError(f"{path}: an array [sample, …] has two axes at least, found {list(array.shape)}")
        return Given(names=numbered(len(array)), array=array)
    if head.startswith(b"PK\x03\x04"):
        return from_arrays(arrays.read_npz(path, most), str(path))
    if head.startswith(b"\x1f\x8b") or arrays.is_idx(head):
        return idx(path, most)
    if head.startswith(b"\x80") and path.suffix not in PICTURES:
        raise SourceError(f"{path}: a pickle, which could run code when read; save an array with numpy.save")
    return pictures([path], path.parent)


def in_folder(path: Path, most: int, classes: tuple[str, ...] | None) -> Given:
    """Pictures, those of sub-folders in turn so that every class is there; or the array files of a data set."""
    folders = sorted((one for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")), key=natural)
    loose = [one for one in sorted(path.iterdir(), key=natural) if one.suffix.lower() in PICTURES and one.is_file()]
    by_folder = [
        [one for one in sorted(folder.rglob("*"), key=natural) if one.suffix.lower() in PICTURES and one.is_file()]
        for folder in folders
    ]
    if not loose and any(by_folder):
        names = [folder.name for folder, files in zip(folders, by_folder, strict=True) if files]
        filled = [files for files in by_folder if files]
        chosen = [one for row in zip_longest(*filled) for one in row if one is not None][:most]
        where = {name: position for position, name in enumerate(names)}
        labels: list[int | None]
        told: tuple[str, ...] | None = tuple(names)
        if classes is not None and set(names) <= set(classes):
            where = {name: position for position, name in enumerate(classes)}
        elif all(name.isdecimal() for name in names):  # folders 0 … 9 are the labels themselves
            where, told = {name: int(name) for name in names}, None
        labels = [where[one.relative_to(path).parts[0]] for one in chosen]
        return changed(pictures(chosen, path), labels=labels, classes=told)
    if loose:
        return pictures(loose[:most], path)
    for pattern in ("t10k-images*", "*images*-idx?-ubyte*", "*.npz", "*.npy"):
        first = next(iter(sorted(path.glob(pattern))), None)
        if first is not None:
            return in_path(first, most, classes)
    raise SourceError(f"{path}: no pictures in it ({', '.join(PICTURES[:4])}, …), nor .npz, .npy or IDX files")


def pictures(files: Sequence[Path], root: Path) -> Given:
    """Picture files; their names are relative to `root`."""
    return Given(
        names=tuple(one.relative_to(root).as_posix() if one.is_relative_to(root) else one.name for one in files),
        pictures=[read_picture(one) for one in files],
        notes=(f"made smaller while reading, to {MOST_SIDE} pixels a side",) if any(map(is_large, files)) else (),
    )


def is_large(path: Path) -> bool:
    """Whether a picture (that has been read before) is made smaller while it is read."""
    from PIL import Image

    with Image.open(path) as image:
        return max(image.size) > MOST_SIDE


def read_picture(path: Path) -> np.ndarray:
    """[H, W, C] uint8 with one, three or four channels, turned as its EXIF data say. Raises SourceError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `picture` looks at the size itself
            with Image.open(path) as image:
                return picture(image, str(path))
    except SourceError:
        raise
    except Image.DecompressionBombError:
        raise SourceError(f"{path}: more pixels than {MOST_PIXELS:,}; give a smaller picture") from None
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; --samples takes pictures, .npy, .npz or IDX files") from None
    except Exception as error:  # PIL's decoders raise whatever they like
        raise SourceError(
            f"{path}: not a picture that can be read ({arrays.first_line(error)}); --samples takes pictures, .npy, "
            ".npz or IDX files"
        ) from None


def picture(image: Any, where: str) -> np.ndarray:
    """A PIL picture as [H, W, C] uint8. Raises SourceError."""
    from PIL import ImageOps

    width, height = image.size
    if width * height > MOST_PIXELS:
        raise SourceError(f"{where}: {width} × {height} pixels are too many; give a smaller picture")
    image = ImageOps.exif_transpose(image)
    if max(image.size) > MOST_SIDE:
        image = image.convert("RGB") if image.mode == "P" else image.copy()
        image.thumbnail((MOST_SIDE, MOST_SIDE), reducing_gap=2.0)
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):  # more than 8 bits: its own range becomes 0 … 255
        values = np.asarray(image).astype(np.float64)
        top = 65535 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 255
        return np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)[..., None]
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    if image.mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def from_arrays(by_name: Mapping[str, np.ndarray], where: str) -> Given:
    images, labels = arrays.images_and_labels(by_name, where)
    return Given(
        names=numbered(len(images)),
        array=images,
        labels=None if labels is None else arrays.as_labels(labels, where),
        named=by_name,
    )


def idx(path: Path, most: int) -> Given:
    """An IDX file of pictures, with the labels that lie beside it under the usual name."""
    array = arrays.read_idx(path, most)
    if array.ndim < 2:
        raise SourceError(f"{path}: labels, no pictures (one axis); give the images file, labels beside it are found")
    labels = None
    name = re.sub(r"images(.)idx\d", r"labels\1idx1", path.name)
    for beside in (path.with_name(name), path.with_name(name.removesuffix(".gz")), path.with_name(name + ".gz")):
        if name != path.name and beside.is_file():
            labels = arrays.as_labels(arrays.read_idx(beside, most), str(beside))
            break
    return Given(names=numbered(len(array)), array=array, labels=labels)


def with_labels(given: Given, labels: Any, classes: tuple[str, ...] | None) -> Given:
    """The samples with labels from a file or from numbers. Raises SourceError where they are too few."""
    where = place(labels) if isinstance(labels, str | os.PathLike) else "labels"
    if isinstance(labels, str | os.PathLike):
        values: Any = labels_in(Path(os.fspath(labels)).expanduser(), given)
    else:
        values = labels.detach().cpu() if hasattr(labels, "detach") else labels
    if isinstance(values, list | tuple) and any(isinstance(value, str) for value in values):
        values, classes = by_word([str(value) for value in values], classes or given.classes, where)
        given = changed(given, classes=classes)
    elif not (isinstance(values, list | tuple) and any(value is None for value in values)):
        values = arrays.as_labels(values, where)
    if len(values) < len(given):
        raise SourceError(f"{where}: {len(values)} labels for {len(given)} samples; give one for each")
    return changed(given, labels=tuple(values[: len(given)]))


def labels_in(path: Path, given: Given) -> Any:
    """Labels of a file: an array, IDX, or text with a number or a word a line, after the sample's name or alone."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if head.startswith(b"\x93NUMPY"):
            return arrays.read_npy(path, len(given))
        if head.startswith(b"PK\x03\x04"):
            by_name = arrays.read_npz(path, len(given))
            return next((by_name[name] for name in arrays.LABELS if name in by_name), next(iter(by_name.values())))
        if head.startswith(b"\x1f\x8b") or arrays.is_idx(head):
            return arrays.read_idx(path, len(given))
        text = read_text(path)
    except OSError as error:
        raise SourceError(f"{path}: labels can't be read ({error.strerror or error}); check the path") from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = [re.split(r"[,;\t]| (?=\S+$)", line) for line in lines]
    files = {Path(name).name for name in given.names}
    if rows and any(len(row) > 1 and Path(row[0]).name in files for row in rows):
        told = {Path(row[0].strip()).name: row[-1].strip() for row in rows if len(row) > 1}
        found = [told.get(Path(name).name) for name in given.names]
        if all(value is None or value.lstrip("-").isdecimal() for value in found):
            return [None if value is None else int(value) for value in found]
        return [value or "" for value in found]
    if all(line.lstrip("-").isdecimal() for line in lines):
        return [int(line) for line in lines]
    return lines


def by_word(words: list[str], classes: tuple[str, ...] | None, where: str) -> tuple[list[int | None], tuple[str, ...]]:
    """Words as positions among the classes; without any, the words themselves are the classes, in order."""
    if classes is None:
        classes = tuple(sorted({word for word in words if word}))
    known = {name: position for position, name in enumerate(classes)}
    for word in words:
        if word and word not in known:
            raise SourceError(f"{where}: the label {word!r} is none of the {len(classes)} classes; check --classes")
    return [known.get(word) for word in words], classes


def read_classes(classes: Sequence[str] | str | os.PathLike[str] | None) -> tuple[str, ...] | None:
    """Names of classes from a list, a text with commas, or a file: one a line, or a JSON list. Raises SourceError."""
    if classes is None:
        return None
    if not isinstance(classes, str | os.PathLike):
        return tuple(str(name) for name in classes)
    path = Path(os.fspath(classes)).expanduser()
    try:
        there = path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        if "," not in str(classes):
            raise SourceError(f"{classes}: no such file; --classes takes a file with one name a line, or a,b,c")
        return tuple(name.strip() for name in str(classes).split(","))
    text = read_text(path)
    if text.lstrip()[:1] in ("[", "{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}: classes can't be read ({error})") from None
        if isinstance(values, dict):  # {"0": "tench", …} or {"0": ["n01440764", "tench"], …}
            values = [values[key] for key in sorted(values, key=lambda key: int(key) if str(key).isdecimal() else 0)]
        return tuple(str(value[-1] if isinstance(value, list) and value else value) for value in values)
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def read_text(path: Path) -> str:
    """A short text file. Raises SourceError."""
    try:
        if path.stat().st_size > LABELS_LIMIT:
            raise SourceError(f"{path}: too large for a list ({path.stat().st_size:,} bytes)")
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{path}: no text; it takes one name or number a line") from None
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror or error}); check the path") from None


def numbered(count: int) -> tuple[str, ...]:
    return tuple(f"sample {position}" for position in range(count))


def natural(path: Path) -> tuple[object, ...]:
    """Order in which 9 comes before 10."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(path)))


def changed(given: Given, **changes: Any) -> Given:
    from dataclasses import replace

    return replace(given, **changes)


def shortened(given: Given, most: int) -> Given:
    """The first `most` of them."""
    if len(given) <= most:
        return given
    return changed(
        given,
        names=tuple(given.names)[:most],
        pictures=None if given.pictures is None else given.pictures[:most],
        array=None if given.array is None else given.array[:most],
        labels=None if given.labels is None else given.labels[:most],
        named={name: values[:most] for name, values in given.named.items()},
    )


def place(spec: Any) -> str:
    return os.fspath(spec) if isinstance(spec, str | os.PathLike) else "samples"
