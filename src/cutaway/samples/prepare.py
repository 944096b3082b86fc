"""From samples as given to what the model takes, every step said in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.samples.given import Given
from cutaway.samples.options import Preprocessing, preprocessing
from cutaway.samples.pictures import Prepared, stretched
from cutaway.samples.read import read_samples

if TYPE_CHECKING:
    from cutaway.sources import InputSpec

SHOWN_PX = 1024
"""The longest side of a picture that is kept as it is; larger ones are shown at the model's size."""


def load_samples(
    spec: Any,
    *,
    input: InputSpec,
    count: int | None = None,
    labels: Any = None,
    classes: Any = None,
    size: Any = None,
    scale: Any = None,
    mean: Any = None,
    std: Any = None,
    layout: Any = None,
) -> Prepared:
    """Samples from anywhere (see `read_samples`), ready for one input of a model.

    Floats are taken as they are, in the model's own layout. 8-bit pictures are resized where the model needs another
    size, and multiplied by `scale`: 1/255 unless the model's input is integer or it rescales itself. `mean` and `std`
    come after that. Raises SourceError.
    """
    given = read_samples(spec, count=count, labels=labels, classes=classes)
    return prepare(given, (input,), preprocessing(size, scale, mean, std, layout))


def prepare(given: Given, inputs: Sequence[InputSpec], how: Preprocessing | None = None) -> Prepared:
    """What a model with those inputs gets of the samples. Raises SourceError naming what does not fit."""
    how = how or Preprocessing()
    if given.named and len(inputs) > 1 and all(spec.name in given.named for spec in inputs):
        arrays = {spec.name: given.named[spec.name].astype(spec.dtype) for spec in inputs}
        first = next((spec for spec in inputs if arrays[spec.name].ndim == 4), inputs[0])
        return made(given, shown(given, None, channels_first(arrays[first.name], first)), arrays, ["as given"])
    spec = chosen(inputs, how.input)
    if how.layout is not None:
        spec = replace(spec, layout=how.layout)
    pixels = pictures_of(given, spec)
    words: list[str] = []
    if pixels is None:
        array = as_is(given, spec, words)
        picture = shown(given, None, channels_first(array, spec))
    else:
        array, picture = from_pictures(pixels, spec, how, words, given)
    array = adjusted(array, spec, how, words, eight_bit=pixels is not None or is_eight_bit(given))
    arrays = {spec.name: np.ascontiguousarray(array.astype(spec.dtype))}
    for other in inputs:
        if other.name != spec.name:
            sizes = tuple(1 if size is None else size for size in other.shape)
            arrays[other.name] = np.zeros((len(array), *sizes), other.dtype)
            words.append(f"input {other.name!r} gets zeros")
    return made(given, picture, arrays, words)


def made(given: Given, images: np.ndarray, inputs: Mapping[str, np.ndarray], words: Sequence[str]) -> Prepared:
    said = [word for word in (given.preprocessing, *given.notes, *words) if word]
    return Prepared(
        images=images,
        names=tuple(given.names),
        labels=None if given.labels is None else tuple(given.labels),
        preprocessing="; ".join(dict.fromkeys(said)) or "as given",
        inputs=inputs,
    )


def chosen(inputs: Sequence[InputSpec], name: str | None) -> InputSpec:
    """The input that the samples go to: the named one, the only one, or the first that takes pictures."""
    if name is not None:
        for spec in inputs:
            if spec.name == name:
                return spec
        raise SourceError(f"the model has no input {name!r}; it has {', '.join(spec.name for spec in inputs)}")
    return next((spec for spec in inputs if len(spec.shape) == 3), inputs[0])


def is_eight_bit(given: Given) -> bool:
    return given.array is not None and given.array.dtype == np.uint8


def pictures_of(given: Given, spec: InputSpec) -> list[np.ndarray] | None:
    """The samples as 8-bit pictures [H, W, C]; None for those that are none."""
    if given.pictures is not None:
        return list(given.pictures)
    array = given.array
    if array is None or array.dtype != np.uint8 or array.ndim not in (3, 4) or len(spec.shape) == 4:
        return None
    if array.ndim == 3:
        return list(array[..., None])
    first, last = array.shape[1] in (1, 3, 4), array.shape[3] in (1, 3, 4)
    if first and (not last or spec.layout == "NCHW"):
        array = np.moveaxis(array, 1, -1)
    elif not last:
        return None
    return list(array)


def from_pictures(
    pixels: list[np.ndarray], spec: InputSpec, how: Preprocessing, words: list[str], given: Given
) -> tuple[np.ndarray, np.ndarray]:
    """(array in the model's layout, still 0 … 255; pictures to show) of 8-bit pictures."""
    channels, height, width = wanted_size(spec, pixels, how)
    original = pixels
    pixels = [with_channels(one, channels, words) for one in pixels]
    sizes = {one.shape[:2] for one in pixels}
    if sizes != {(height, width)}:
        before = " and ".join(f"{h} × {w}" for h, w in sorted(sizes)) if len(sizes) < 3 else "different sizes"
        words.append(f"resized from {before} to {height} × {width} (bilinear, height × width)")
        pixels = [resized(one, height, width) for one in pixels]
    array = np.stack(pixels)
    same = len({one.shape for one in original}) == 1
    keep = same and max(original[0].shape[:2]) <= SHOWN_PX
    seen = np.stack(original) if keep else array
    if len(spec.shape) == 1:
        words.append("pixels in a row")
        return array.reshape(len(array), -1), seen
    if len(spec.shape) == 2:
        return array[..., 0], seen
    return (array if spec.layout == "NHWC" else np.moveaxis(array, -1, 1)), seen


def wanted_size(spec: InputSpec, pixels: list[np.ndarray], how: Preprocessing) -> tuple[int, int, int]:
    """(C, H, W) that the model takes of pictures. Raises SourceError."""
    sizes = {one.shape[:2] for one in pixels}
    shape = spec.shape
    given = sum(one.shape[2] for one in pixels) // len(pixels)
    own = next(iter(sizes)) if len(sizes) == 1 else None
    if len(shape) == 3:
        channels, height, width = shape if spec.layout == "NCHW" else (shape[2], shape[0], shape[1])
        channels = channels or (3 if given > 1 else 1)
    elif len(shape) == 2:
        channels, height, width = 1, *shape
    elif len(shape) == 1:
        height, width, channels = sides_of(shape[0], own, how.size, given)
    else:
        raise SourceError(
            f"the model's input {spec.name!r} has shape {words_of(shape)} and takes no pictures; give an .npy array"
        )
    if how.size is not None:
        if (height or how.size[0], width or how.size[1]) != how.size:
            raise SourceError(
                f"--size {how.size[0]}x{how.size[1]}: the model's input {spec.name!r} is {height} × {width}; "
                "leave --size away, samples are resized to that"
            )
        height, width = how.size
    if (height is None or width is None) and own is None:
        raise SourceError(
            f"the samples have different sizes and the model's input {spec.name!r} takes any; "
            "say which with --size, like --size 224"
        )
    return channels, height or own[0], width or own[1]  # type: ignore[index]


def sides_of(
    length: int | None, own: tuple[int, int] | None, size: tuple[int, int] | None, given: int
) -> tuple[int, int, int]:
    """(H, W, C) of pictures whose pixels make a vector of that length. Raises SourceError."""
    at = size or own
    for channels in (given, 1, 3):
        if at and (length is None or at[0] * at[1] * channels == length):
            return at[0], at[1], channels
    for channels in (1, 3):
        side = math.isqrt((length or 0) // channels)
        if length and side * side * channels == length:
            return side, side, channels
    raise SourceError(f"the model takes vectors of {length} numbers, which pictures can't be made; give an .npy array")


def with_channels(pixels: np.ndarray, channels: int, words: list[str]) -> np.ndarray:
    """[H, W, C] with another number of channels. Raises SourceError where that has no meaning."""
    from PIL import Image

    have = pixels.shape[2]
    if have == channels:
        return pixels
    if have == 4 and channels in (1, 3):
        note(words, "transparency left out")
        pixels, have = pixels[..., :3], 3
    if have == 3 and channels == 1:
        note(words, "grey of the colours (ITU-R 601)")
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    if have == 1 and channels in (3, 4):
        note(words, "grey in every channel")
        pixels, have = np.repeat(pixels, 3, axis=2), 3
    if have == 3 and channels == 4:
        return np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=2)
    if have == channels:
        return pixels
    raise SourceError(f"the samples have {have} channels, the model takes {channels}; give an .npy array in its layout")


def note(words: list[str], text: str) -> None:
    if text not in words:
        words.append(text)


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W, C] uint8 at another size, smoothed where it becomes smaller."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    made = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return made[..., None] if made.ndim == 2 else made


def as_is(given: Given, spec: InputSpec, words: list[str]) -> np.ndarray:
    """An array in the model's own layout, with an axis of one channel added or moved where only that fits."""
    array = given.array
    if array is None:
        raise SourceError("samples without pictures and without an array")
    for way, candidate in candidates(array, spec):
        if fits(candidate.shape[1:], spec.shape):
            if way:
                words.append(way)
            return candidate
    raise SourceError(
        f"samples have shape {words_of(array.shape[1:])}, the model's input {spec.name!r} takes "
        f"{words_of(spec.shape)}; arrays of numbers are taken as they are, so give them in that shape, or pictures, "
        "which are resized"
    )


def candidates(array: np.ndarray, spec: InputSpec) -> list[tuple[str, np.ndarray]]:
    """What an array may mean for an input, the likeliest first."""
    ways = [("", array)]
    rank = len(spec.shape)
    channel = 1 if spec.layout == "NCHW" else -1
    if array.ndim == rank:
        ways.append(("an axis of one channel added", np.expand_dims(array, channel)))
    if array.ndim == rank + 1 and rank >= 3:
        if spec.layout == "NCHW":
            ways.append(("channels moved first", np.moveaxis(array, -1, 1)))
        else:
            ways.append(("channels moved last", np.moveaxis(array, 1, -1)))
    if rank == 1:
        ways.append(("values in a row", array.reshape(len(array), -1)))
    return ways


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def adjusted(
    array: np.ndarray, spec: InputSpec, how: Preprocessing, words: list[str], *, eight_bit: bool
) -> np.ndarray:
    """× scale, − mean, ÷ std."""
    integer = np.dtype(spec.dtype).kind in "iu"
    scale = how.scale
    if scale is None and eight_bit and not integer and not spec.rescales:
        scale = 1 / 255
    if integer and (scale is not None or how.mean or how.std):
        raise SourceError(f"the model's input {spec.name!r} takes whole numbers ({spec.dtype}): no scale, mean or std")
    if scale is None and eight_bit and not integer:
        words.append("0 … 255, the model rescales itself")
    if scale is None and how.mean is None and how.std is None:
        return array
    values = array.astype(np.float32)
    if scale is not None and scale != 1:
        inverse = 1 / scale if scale else 0
        if scale and abs(inverse - round(inverse)) < 1e-9 * abs(inverse) and abs(inverse) > 1:
            values /= np.float32(round(inverse))  # x / 255 and x · (1 / 255) differ in the last bit
            words.append(f"÷ {round(inverse)}")
        else:
            values *= np.float32(scale)
            words.append(f"× {scale:.6g}")
    for sign, given in (("−", how.mean), ("÷", how.std)):
        if given is None:
            continue
        factors = np.array(given, np.float32)
        if len(factors) > 1 and values.ndim > 2:
            axis = 1 if spec.layout == "NCHW" else values.ndim - 1
            if values.shape[axis] != len(factors):
                what = "mean" if sign == "−" else "std"
                raise SourceError(f"{len(factors)} values of {what} for {values.shape[axis]} channels")
            factors = factors.reshape(-1, *(1,) * (values.ndim - 1 - axis))
        values = values - factors if sign == "−" else values / factors
        words.append(f"{sign} {', '.join(f'{value:g}' for value in given)}")
    return values


def channels_first(array: np.ndarray, spec: InputSpec) -> np.ndarray:
    """[sample, C, H, W] of an array in the model's layout, for showing; anything else becomes rows of pixels."""
    if array.ndim == 4:
        return np.moveaxis(array, -1, 1) if spec.layout == "NHWC" else array
    if array.ndim == 3:
        return array[:, None]
    return array.reshape(len(array), 1, 1, -1) if array.ndim == 2 else array.reshape(len(array), 1, array.shape[1], -1)


def shown(given: Given, pixels: np.ndarray | None, maps: np.ndarray) -> np.ndarray:
    """What a person sees of samples that are no pictures: their own range as 0 … 255."""
    return stretched(maps.astype(np.float32)) if pixels is None else pixels


def words_of(shape: Sequence[int | None]) -> str:
    return " × ".join("?" if size is None else str(size) for size in shape)
