"""What recorded numbers tell about a layer whose attributes are not recorded: windows, fused activations, biases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from cutaway.network import Attributes, Layer
from cutaway.shapes import same_padding, window_shape

Pair = tuple[int, ...]


def activation_of(recorded: Sequence[np.ndarray]) -> tuple[str, ...]:
    """("relu",) where no recorded value is negative, ("softmax",) where vectors [sample, C] sum to 1, else ()."""
    finite = [values[np.isfinite(values)] for values in recorded]
    if any(not values.size or values.min() < 0 for values in finite):
        return ()
    for values in recorded:
        if values.ndim != 2 or values.shape[1] < 2 or not np.allclose(values.sum(axis=1), 1, atol=1e-3):
            return ("relu",)
    return ("softmax",)


def conv_window(inputs: Pair, outputs: Pair, kernel: Pair) -> Attributes | None:
    """Stride and padding with which a kernel makes (H, W) of (H, W): SAME or VALID, the smallest stride that fits."""
    largest = max(1, *inputs)
    for vertical in range(1, largest + 1):
        for horizontal in {vertical, *([] if vertical > 1 else range(2, largest + 1))}:
            for window in windows(inputs, kernel, (vertical, horizontal)):
                if shape_of(inputs, window) == tuple(outputs):
                    return window
    return None


def pool_window(
    inputs: np.ndarray, outputs: np.ndarray, name: str
) -> tuple[Literal["max_pool2d", "average_pool2d"], Attributes | None]:
    """Kind and window of a pool between maps [sample, C, H, W], checked on the recorded numbers.

    Tries windows as large as their stride, then one pixel larger. Where none gives the recorded values, the first
    that fits the shapes counts, and the name tells the kind.
    """
    named: Literal["max_pool2d", "average_pool2d"] = "average_pool2d" if "av" in name.lower() else "max_pool2d"
    size, target = inputs.shape[2:], outputs.shape[2:]
    fitting = []
    for round_up in (False, True):
        stride = tuple(max(1, -(-a // b) if round_up else a // b) for a, b in zip(size, target, strict=True))
        for larger in (0, 1):
            for window in windows(size, tuple(step + larger for step in stride), stride):
                if shape_of(size, window) == target:
                    fitting.append(window)
    for window in fitting:
        for kind in (named, "max_pool2d", "average_pool2d"):
            if np.allclose(pooled(inputs, window, kind), outputs, rtol=1e-4, atol=1e-6, equal_nan=True):
                return kind, window  # type: ignore[return-value]
    return named, fitting[0] if fitting else None


def windows(size: Pair, kernel: Pair, stride: Pair) -> list[Attributes]:
    """A kernel and a stride with TensorFlow's VALID and SAME padding."""
    same = tuple(same_padding(n, k, s) for n, k, s in zip(size, kernel, stride, strict=True))
    paddings = dict.fromkeys((same, ((0, 0), (0, 0))) if stride == (1, 1) else (((0, 0), (0, 0)), same))
    return [
        Attributes(kernel=kernel, stride=stride, padding=padding, dilation=(1, 1), groups=1) for padding in paddings
    ]


def shape_of(size: Pair, window: Attributes) -> tuple[int, int]:
    return window_shape((size[0], size[1]), window.kernel or (), window.stride or (), window.padding or ())


def pooled(inputs: np.ndarray, window: Attributes, kind: str) -> np.ndarray:
    """Maximum or mean of maps [sample, C, H, W] under a window; padding never counts."""
    count = inputs.shape[0]
    stacked = patches(inputs, window, np.nan).reshape(count, inputs.shape[1], *shape_of(inputs.shape[2:], window), -1)
    reduce = np.fmax.reduce(stacked, axis=-1) if kind == "max_pool2d" else np.nanmean(stacked, axis=-1)
    return np.asarray(reduce)


def patches(inputs: np.ndarray, window: Attributes, fill: float) -> np.ndarray:
    """Windows over maps [sample, C, H, W] as [sample, C, outH, outW, kH, kW]."""
    padded = np.pad(inputs, ((0, 0), (0, 0), *(window.padding or ())), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, window.kernel or (), axis=(2, 3))
    vertical, horizontal = window.stride or (1, 1)
    return view[:, :, ::vertical, ::horizontal]


def bias_explains(layer: Layer, kernel: np.ndarray, inputs: np.ndarray, outputs: np.ndarray) -> bool:
    """Whether kernel · inputs + one bias per channel gives the recorded outputs, wherever those are not zero.

    inputs, outputs: [sample, C, H, W], or [sample, C] for what a dense layer puts out.
    """
    if layer.kind == "conv2d":
        computed = np.einsum("ncyxij,ocij->noyx", patches(inputs, layer.attributes, 0.0), kernel, optimize=True)
    else:
        flat = np.moveaxis(inputs, 1, -1).reshape(len(inputs), -1)  # the columns are in the order HWC
        computed = flat @ kernel.T
    relu = "relu" in layer.fused
    scale = float(np.max(np.abs(outputs), where=np.isfinite(outputs), initial=0.0))
    for channel in range(outputs.shape[1]):
        there, made = outputs[:, channel].ravel(), computed[:, channel].ravel()
        use = np.isfinite(there) & np.isfinite(made) & ((there > 0) | (not relu))
        rest = there[use] - made[use]
        if rest.size > 1 and float(np.ptp(rest)) > 1e-3 * scale:
            return False
    return True
