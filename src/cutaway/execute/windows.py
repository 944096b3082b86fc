"""Convolutions, transposed convolutions and pools over maps of any rank, [N, C, …spatial].

Convolution is a matrix product over columns of pixels (Chellapilla et al., "High Performance Convolutional Neural
Networks for Document Processing", 2006), a block of output rows at a time, so that no layer needs much more memory
than its own output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cutaway.network import Attributes
from cutaway.shapes import output_size, pool_size, transposed_size

BLOCK_BYTES = 8 << 20
"""Of columns at a time: more leaves the cache, less makes the matrix products small."""

T = TypeVar("T")

Pairs = tuple[tuple[int, int], ...]


class Window(NamedTuple):
    """One entry per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]


def window_of(attributes: Attributes, rank: int, kernel: tuple[int, ...] | None = None) -> Window:
    """The window of a layer over maps with `rank` spatial axes; `kernel` overrides the attribute.

    One entry for several axes stands for all of them; of two entries over a row of pixels the last counts.
    """
    kernel = fitted(kernel or attributes.kernel or (1,), rank, 1)
    return Window(
        kernel,
        fitted(attributes.stride or (1,), rank, 1),
        fitted(attributes.padding or ((0, 0),), rank, (0, 0)),
        fitted(attributes.dilation or (1,), rank, 1),
    )


def fitted(values: tuple[T, ...], rank: int, default: T) -> tuple[T, ...]:
    """Exactly `rank` entries."""
    if len(values) == 1:
        return tuple(values) * rank
    return (*(default,) * (rank - len(values)), *values)[-rank:]


def convolved(
    inputs: np.ndarray, kernel: np.ndarray, window: Window, groups: int, bias: np.ndarray | None = None
) -> np.ndarray:
    """inputs [N, C, …], kernel [O, C/groups, …] -> [N, O, …out]. Raises ValueError when they don't fit."""
    count, channels = inputs.shape[:2]
    maps = kernel.shape[0]
    if channels != kernel.shape[1] * groups or maps % groups:
        raise ValueError(
            f"with groups={groups} and {channels} input channels each kernel spans {channels / groups:g} channels, "
            f"found {kernel.shape[1]}"
        )
    size = tuple(map(output_size, inputs.shape[2:], *window))
    outputs = np.empty((count, maps, *size), inputs.dtype)
    if outputs.size:
        depthwise = kernel.shape[1] == 1 and groups > 1
        for sample in range(count):
            padded = pad(inputs[sample], window.padding, 0.0)
            if depthwise:
                stamp(padded, kernel, window, outputs[sample])
            else:
                multiply(padded, kernel, window, groups, outputs[sample])
    if bias is not None:
        outputs += bias.reshape(-1, *(1,) * len(size))
    return outputs


def multiply(padded: np.ndarray, kernel: np.ndarray, window: Window, groups: int, out: np.ndarray) -> None:
    """One sample: padded [C, …], kernel [O, C/groups, …] -> out [O, …], as products with columns of pixels."""
    maps, size = out.shape[0], out.shape[1:]
    rows = kernel.reshape(groups, maps // groups, -1)
    taps = list(product(*map(range, window.kernel)))
    if len(taps) == 1 and all(step == 1 for step in window.stride):
        pixels = padded.reshape(groups, padded.shape[0] // groups, -1)
        np.matmul(rows, pixels, out=out.reshape(groups, maps // groups, -1))
        return
    row_pixels = math.prod(size[1:])
    row_bytes = padded.shape[0] * len(taps) * row_pixels * padded.itemsize
    step = max(1, min(size[0], BLOCK_BYTES // max(1, row_bytes)))
    columns = np.empty((padded.shape[0], len(taps), step, *size[1:]), padded.dtype)
    flat_out = out.reshape(groups, maps // groups, size[0], row_pixels)
    for top in range(0, size[0], step):
        height = min(step, size[0] - top)
        block = columns[:, :, :height]
        for position, tap in enumerate(taps):
            block[:, position] = padded[(slice(None), *under(tap, window, (height, *size[1:]), top))]
        matrix = block.reshape(groups, rows.shape[2], height * row_pixels)
        flat_out[:, :, top : top + height] = (rows @ matrix).reshape(groups, -1, height, row_pixels)


def stamp(padded: np.ndarray, kernel: np.ndarray, window: Window, out: np.ndarray) -> None:
    """One sample of a depthwise convolution: padded [C, …], kernel [C·m, 1, …] -> out [C·m, …], tap by tap."""
    each = kernel.shape[0] // padded.shape[0]
    maps = out.reshape(padded.shape[0], each, *out.shape[1:])
    weights = kernel.reshape(padded.shape[0], each, *window.kernel)
    maps[...] = 0
    for tap in product(*map(range, window.kernel)):
        pixels = padded[(slice(None), *under(tap, window, out.shape[1:]))][:, None]
        here: Any = (slice(None), slice(None), *tap)
        maps += weights[here].reshape(*weights.shape[:2], *(1,) * len(tap)) * pixels


def transposed(
    inputs: np.ndarray,
    kernel: np.ndarray,
    window: Window,
    groups: int,
    extra: tuple[int, ...],
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """inputs [N, C, …], kernel [C, O/groups, …] -> [N, O, …out]; `extra` is the output padding per axis.

    Every input pixel stamps its kernel onto the output; padding is cut off. Raises ValueError when they don't fit.
    """
    count, channels, *before = inputs.shape
    if channels != kernel.shape[0] or channels % groups:
        raise ValueError(f"{channels} input channels for a kernel of {kernel.shape[0]} with groups={groups}")
    maps = kernel.shape[1] * groups
    sides = tuple(zip(window.kernel, window.stride, window.dilation, strict=True))
    whole = tuple(
        max((size - 1) * stride + dilation * (k - 1) + 1 + more, 1)
        for size, (k, stride, dilation), more in zip(before, sides, extra, strict=True)
    )
    size = tuple(map(transposed_size, before, *window, extra))
    rows = np.ascontiguousarray(np.moveaxis(kernel.reshape(groups, channels // groups, -1), 1, 2))
    outputs = np.empty((count, maps, *size), inputs.dtype)
    row_pixels = math.prod(before[1:])
    step = max(1, min(before[0], BLOCK_BYTES // max(1, rows.shape[1] * groups * row_pixels * inputs.itemsize)))
    for sample in range(count):
        stamped = np.zeros((maps, *whole), inputs.dtype)
        for top in range(0, before[0], step):
            part = inputs[sample, :, top : top + step]
            shape = part.shape[1:]
            stamps = rows @ part.reshape(groups, channels // groups, -1)
            stamps = stamps.reshape(maps, *window.kernel, *shape)
            for tap in product(*map(range, window.kernel)):
                stamped[(slice(None), *under(tap, window, shape, top))] += stamps[(slice(None), *tap)]
        cut = tuple(slice(low, low + length) for (low, _), length in zip(window.padding, size, strict=True))
        # Negative padding behind, or more output padding than stamps reach, leaves zeros there.
        piece = stamped[(slice(None), *cut)]
        outputs[sample] = 0
        inside: Any = tuple(slice(0, length) for length in piece.shape)
        outputs[sample][inside] = piece
    if bias is not None:
        outputs += bias.reshape(-1, *(1,) * len(size))
    return outputs


def under(tap: tuple[int, ...], window: Window, size: tuple[int, ...], top: int = 0) -> Iterator[slice]:
    """Slices of the padded input under one tap of the windows of `size` output pixels, from output row `top` on."""
    starts = (top, *(0,) * (len(tap) - 1))
    for position, stride, dilation, length, start in zip(
        tap, window.stride, window.dilation, size, starts, strict=True
    ):
        first = start * stride + position * dilation
        yield slice(first, first + (length - 1) * stride + 1, stride)


def pooled(
    inputs: np.ndarray, window: Window, *, maximum: bool, ceil: bool = False, count_padding: bool = False
) -> np.ndarray:
    """Maximum or mean of maps [N, C, …] under a window.

    `ceil`: a last window that reaches over the end counts when it starts before it. `count_padding`: zeros of the
    padding are part of a mean, what `ceil` adds behind the padding is not.
    """
    spatial = inputs.shape[2:]
    size = tuple(pool_size(*axis, ceil=ceil) for axis in zip(spatial, *window, strict=True))
    reach = tuple(
        (low, max(high, (length - 1) * stride + dilation * (k - 1) + 1 - pixels - low))
        for pixels, length, k, stride, (low, high), dilation in zip(spatial, size, *window, strict=True)
    )
    outputs = np.full((*inputs.shape[:2], *size), -np.inf if maximum else 0, inputs.dtype)
    if not outputs.size:
        return outputs
    for sample in range(len(inputs)):
        padded = pad(inputs[sample], reach, -np.inf if maximum else 0.0)
        out = outputs[sample]
        for tap in product(*map(range, window.kernel)):
            pixels = padded[(slice(None), *under(tap, window, size))]
            if maximum:
                np.maximum(out, pixels, out=out)
            else:
                out += pixels
    if not maximum:
        outputs /= shares(spatial, size, window, count_padding).astype(inputs.dtype)
    return outputs


def shares(spatial: tuple[int, ...], size: tuple[int, ...], window: Window, count_padding: bool) -> np.ndarray:
    """How many pixels each window of an average covers, [*size], at least 1."""
    counts = np.ones((), np.int64)
    for pixels, length, k, stride, (low, high), dilation in zip(spatial, size, *window, strict=True):
        at = (np.arange(length) * stride - low)[:, None] + np.arange(k) * dilation
        first, last = (-low, pixels + high) if count_padding else (0, pixels)
        counts = np.multiply.outer(counts, ((at >= first) & (at < last)).sum(axis=1))
    return np.maximum(counts, 1)


def adaptive(inputs: np.ndarray, size: tuple[int, ...], *, maximum: bool) -> np.ndarray:
    """Maps [N, C, …] pooled to `size`: output pixel i of n covers ⌊i·h/n⌋ … ⌈(i+1)·h/n⌉ of h pixels."""
    for axis, length in enumerate(size, start=2):
        pixels = inputs.shape[axis]
        pieces = []
        for i in range(length):
            part = (slice(None),) * axis + (slice(i * pixels // length, -(-(i + 1) * pixels // length)),)
            piece = inputs[part]
            pieces.append(piece.max(axis, keepdims=True) if maximum else piece.mean(axis, keepdims=True))
        inputs = np.concatenate(pieces, axis)
    return inputs


def pad(maps: np.ndarray, padding: Pairs, value: float) -> np.ndarray:
    """One sample [C, …] with `value` around it; negative padding cuts off. The same array where nothing is to do."""
    if any(low < 0 or high < 0 for low, high in padding):
        cut = (
            slice(max(0, -low), size - max(0, -high)) for size, (low, high) in zip(maps.shape[1:], padding, strict=True)
        )
        maps = maps[(slice(None), *cut)]
        padding = tuple((max(0, low), max(0, high)) for low, high in padding)
    if not any(low or high for low, high in padding):
        return maps
    shape = (size + low + high for size, (low, high) in zip(maps.shape[1:], padding, strict=True))
    padded = np.full((maps.shape[0], *shape), value, maps.dtype)
    inside = (slice(low, low + size) for size, (low, _) in zip(maps.shape[1:], padding, strict=True))
    padded[(slice(None), *inside)] = maps
    return padded
