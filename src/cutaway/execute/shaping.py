"""What moves pixels without computing: flatten, reshape, permute, pad, crop, upsample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PAD_MODES = {
    "constant": "constant",
    "zeros": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "edge": "edge",
    "circular": "wrap",
    "wrap": "wrap",
}


UPSAMPLE_MODES = ("nearest", "linear", "bilinear", "trilinear", "pixel_shuffle")


def flattened(x: np.ndarray, order: str | None = None) -> np.ndarray:
    """[N, C, …] -> [N, all], the pixels in the order CHW or HWC."""
    if order == "HWC" and x.ndim > 2:
        x = np.moveaxis(x, 1, -1)
    return np.ascontiguousarray(x).reshape(len(x), -1)


def reshaped(x: np.ndarray, shape: Sequence[int], order: str | None = None) -> np.ndarray:
    """[N, …] -> [N, *shape]; with the order HWC as a framework does it whose channels come last."""
    if order != "HWC":
        return np.ascontiguousarray(x).reshape(len(x), *shape)
    last = np.moveaxis(x, 1, -1) if x.ndim > 2 else x
    target = (*shape[1:], *shape[:1]) if len(shape) > 1 else tuple(shape)
    made = np.ascontiguousarray(last).reshape(len(x), *target)
    return np.ascontiguousarray(np.moveaxis(made, -1, 1)) if len(shape) > 1 else made


def padded(x: np.ndarray, padding: Sequence[Sequence[int]], extra: Mapping[str, Any]) -> np.ndarray:
    """The last axes of [N, …] with pixels around them; negative padding cuts off."""
    mode = PAD_MODES[extra.get("mode", "constant")]
    if any(low < 0 or high < 0 for low, high in padding):
        x = cropped(x, [(max(0, -low), max(0, -high)) for low, high in padding])
        padding = [(max(0, low), max(0, high)) for low, high in padding]
    widths = [(0, 0)] * (x.ndim - len(padding)) + [(low, high) for low, high in padding]
    if mode == "constant":
        return np.pad(x, widths, constant_values=extra.get("value") or 0)
    return np.pad(x, widths, mode)  # type: ignore[call-overload,no-any-return]


def cropped(x: np.ndarray, padding: Sequence[Sequence[int]]) -> np.ndarray:
    """The last axes of [N, …] with so many pixels (before, after) cut off."""
    lead = x.ndim - len(padding)
    cut: list[Any] = [slice(low, size - high) for (low, high), size in zip(padding, x.shape[lead:], strict=True)]
    return x[(..., *cut)]


def sliced(x: np.ndarray, slices: Sequence[Sequence[int | None] | int]) -> np.ndarray:
    """A part of every sample: per axis (start, stop, step), or one position, whose axis vanishes."""
    parts: list[Any] = [slice(*one) if isinstance(one, list | tuple) else one for one in slices]
    return x[(slice(None), *parts)]


def split(x: np.ndarray, sizes: Sequence[int], axis: int) -> list[np.ndarray]:
    """Consecutive parts of those sizes along an axis."""
    return np.split(x, np.cumsum(sizes)[:-1].tolist(), axis)


def upsampled(x: np.ndarray, size: Sequence[int], extra: Mapping[str, Any]) -> np.ndarray:
    """Maps [N, C, …] at another size. extra:

    mode: nearest (default), bilinear (also linear, trilinear); align_corners: true for corners on corners;
    coordinates: half_pixel, asymmetric or align_corners (else nearest is asymmetric, bilinear half_pixel);
    rounding of nearest: floor (default), ceil, round_prefer_floor, round_prefer_ceil;
    scale: per axis, where the exact factor is another than the sizes' ratio.
    """
    mode = extra.get("mode", "nearest")
    linear = mode.endswith("linear")
    if not linear and mode != "nearest":
        raise ValueError(f"upsampling by {mode!r} is not known; nearest and bilinear are")
    way = extra.get("coordinates") or ("half_pixel" if linear else "asymmetric")
    if extra.get("align_corners"):
        way = "align_corners"
    scales = extra.get("scale") or (None,) * len(size)
    if not isinstance(scales, list | tuple):
        scales = (scales,) * len(size)
    for axis, (length, scale) in enumerate(zip(size, scales, strict=True), start=2):
        pixels = x.shape[axis]
        at = positions(pixels, length, way, scale)
        if not linear:
            x = np.take(x, np.clip(ROUNDINGS[extra.get("rounding", "floor")](at), 0, pixels - 1).astype(int), axis)
            continue
        if length == pixels and np.array_equal(at, np.arange(pixels)):
            continue
        at = np.clip(at, 0, pixels - 1)
        low = np.floor(at).astype(int)
        share = (at - low).astype(x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))
        lower, upper = np.take(x, low, axis), np.take(x, np.minimum(low + 1, pixels - 1), axis)
        x = lower + (upper - lower) * share
    return x


ROUNDINGS = {
    "floor": lambda at: np.floor(at + 1e-6),  # 1/3 · 3 is 1, whatever floats make of it
    "ceil": lambda at: np.ceil(at - 1e-6),
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
}


def positions(pixels: int, length: int, way: str, scale: float | None = None) -> np.ndarray:
    """Where each of `length` output pixels lies among `pixels` input pixels, [length] float64."""
    out = np.arange(length, dtype=np.float64)
    step = 1 / scale if scale else pixels / length
    if way == "align_corners":
        return out * ((pixels - 1) / (length - 1) if length > 1 else 0)
    if way == "asymmetric":
        return out * step
    if way == "pytorch_half_pixel" and length == 1:
        return out * 0
    return (out + 0.5) * step - 0.5


def shuffled(x: np.ndarray, factor: int) -> np.ndarray:
    """Pixel shuffle, [N, C·r², H, W] -> [N, C, H·r, W·r]: Shi et al., "Real-Time Single Image … Sub-Pixel", 2016."""
    count, channels, height, width = x.shape
    parts = x.reshape(count, channels // factor**2, factor, factor, height, width)
    return parts.transpose(0, 1, 4, 2, 5, 3).reshape(count, -1, height * factor, width * factor)


def aligned(x: np.ndarray, rank: int) -> np.ndarray:
    """[N, …] with axes put in behind the batch, so that the samples' last axes stand below each other."""
    return x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:])


def sizes_after(shape: Sequence[int], scale: Sequence[float] | float) -> tuple[int, ...]:
    """Spatial sizes times their factors, rounded down."""
    scales = scale if isinstance(scale, list | tuple) else (scale,) * len(shape)
    return tuple(math.floor(size * factor + 1e-6) for size, factor in zip(shape, scales, strict=True))
