"""What recorded numbers tell about a layer whose attributes are not recorded: windows, fused activations, biases."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from cutaway.network import Attributes, Layer
from cutaway.shapes import output_size, same_padding, window_shape

Pair = tuple[int, ...]

CHECKED_SAMPLES, CHECKED_WINDOWS = 4, 24
"""A pool's window is told by so many samples, among so many windows that fit the shapes."""


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
    """Stride and padding with which a kernel makes (H, W) of (H, W), as TensorFlow's SAME or VALID; None if none do.

    The smallest strides count; where both paddings fit equally, SAME, which is nn-visualizer's own.
    """
    fitting: list[Attributes] = []
    for same in (True, False):
        stride = tuple(
            smallest_stride(size, wanted, k, same) for size, wanted, k in zip(inputs, outputs, kernel, strict=True)
        )
        if all(stride):
            fitting.append(window(inputs, kernel, stride, same))
    return min(fitting, key=lambda found: sum(found.stride or ()), default=None)


def smallest_stride(size: int, wanted: int, kernel: int, same: bool) -> int:
    """The smallest stride that makes `wanted` pixels of `size`; 0 when there is none."""
    for stride in range(1, size + 1):
        if pixels(size, kernel, stride, same) == wanted:
            return stride
    return 0


def pixels(size: int, kernel: int, stride: int, same: bool) -> int:
    """Pixels that a window makes of `size` along one axis."""
    return output_size(size, kernel, stride, same_padding(size, kernel, stride) if same else (0, 0))


def is_square(found: Attributes) -> bool:
    return len(set(found.stride or ())) == 1


def pool_window(
    inputs: np.ndarray, outputs: np.ndarray, name: str
) -> tuple[Literal["max_pool2d", "average_pool2d"], Attributes | None]:
    """Kind and window of a pool between maps [sample, C, H, W], checked on the recorded numbers.

    Tries windows as large as their stride, then one pixel larger, square ones first. Where none gives the recorded
    values, the first that fits the shapes counts, and the name tells the kind.
    """
    named: Literal["max_pool2d", "average_pool2d"] = "average_pool2d" if "av" in name.lower() else "max_pool2d"
    inputs, outputs = inputs[:CHECKED_SAMPLES], outputs[:CHECKED_SAMPLES]
    size, target = inputs.shape[2:], outputs.shape[2:]
    fitting = []
    for larger, same in itertools.product((0, 1), (False, True)):
        rows, columns = (
            [stride for stride in range(1, n + 1) if pixels(n, stride + larger, stride, same) == wanted]
            for n, wanted in zip(size, target, strict=True)
        )
        for stride in sorted(itertools.product(rows, columns), key=lambda pair: (pair[0] != pair[1], sum(pair))):
            fitting.append(window(size, tuple(step + larger for step in stride), stride, same))
    fitting = sorted(fitting, key=lambda found: not is_square(found))[:CHECKED_WINDOWS]
    for found in fitting:
        for kind in (named, "max_pool2d", "average_pool2d"):
            if np.allclose(pooled(inputs, found, kind), outputs, rtol=1e-4, atol=1e-6, equal_nan=True):
                return kind, found
    return named, fitting[0] if fitting else None


def window(size: Pair, kernel: Pair, stride: Pair, same: bool) -> Attributes:
    """A kernel and a stride with TensorFlow's SAME or VALID padding."""
    padding = tuple(same_padding(n, k, s) if same else (0, 0) for n, k, s in zip(size, kernel, stride, strict=True))
    return Attributes(kernel=kernel, stride=stride, padding=padding, dilation=(1, 1), groups=1)


def shape_of(size: Pair, found: Attributes) -> tuple[int, int]:
    """(H, W) that a window makes of (H, W)."""
    return window_shape((size[0], size[1]), found.kernel or (), found.stride or (), found.padding or ())


def pooled(inputs: np.ndarray, found: Attributes, kind: str) -> np.ndarray:
    """Maximum or mean of maps [sample, C, H, W] under a window; padding never counts."""
    shape = (*inputs.shape[:2], *shape_of(inputs.shape[2:], found), -1)
    stacked = patches(inputs, found, np.nan).reshape(shape)
    if kind == "max_pool2d":
        return np.asarray(np.fmax.reduce(stacked, axis=-1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # windows of nothing but padding or NaN
        return np.asarray(np.nanmean(stacked, axis=-1))


def patches(inputs: np.ndarray, found: Attributes, fill: float) -> np.ndarray:
    """Windows over maps [sample, C, H, W] as [sample, C, outH, outW, kH, kW]."""
    padded = np.pad(inputs, ((0, 0), (0, 0), *(found.padding or ())), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, found.kernel or (), axis=(2, 3))
    vertical, horizontal = found.stride or (1, 1)
    return view[:, :, ::vertical, ::horizontal]


def bias_explains(layer: Layer, kernel: np.ndarray, inputs: np.ndarray, outputs: np.ndarray) -> bool:
    """Whether kernel · inputs + one bias per channel gives the recorded outputs, as far as they tell.

    inputs, outputs: [sample, C, H, W], or [sample, C] for what a dense layer puts out.
    """
    if "softmax" in layer.fused:
        return True  # which hides the sums
    computed = linear(layer, kernel, inputs)
    scale = float(np.max(np.abs(outputs), where=np.isfinite(outputs), initial=0.0))
    for made, there in active(layer, computed, outputs):
        rest = there - made
        if rest.size > 1 and float(np.ptp(rest)) > 1e-3 * scale:
            return False
    return True


def input_factor(layer: Layer, kernel: np.ndarray, inputs: np.ndarray, outputs: np.ndarray) -> float | None:
    """By what the recorded input has to be multiplied so that kernel · input + bias gives the recorded output.

    A line is fitted per channel of a convolution; None where the channels disagree or a line does not fit.
    """
    scale = float(np.max(np.abs(outputs), where=np.isfinite(outputs), initial=0.0))
    slopes = []
    for made, there in active(layer, linear(layer, kernel, inputs), outputs):
        if made.size < 3 or float(np.ptp(made)) == 0:
            continue
        slope, offset = np.polyfit(made, there, 1)
        if float(np.abs(slope * made + offset - there).max()) > 1e-3 * scale:
            return None
        slopes.append(float(slope))
    if not slopes or max(slopes) - min(slopes) > 1e-2 * abs(slopes[0]):
        return None
    return sum(slopes) / len(slopes)


def linear(layer: Layer, kernel: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """kernel · inputs of a convolution or of a dense layer (columns in the order HWC), [sample, O, …], float64."""
    inputs, kernel = inputs.astype(np.float64), kernel.astype(np.float64)
    if layer.kind == "conv2d":
        windowed = patches(inputs, layer.attributes, 0.0)
        return np.asarray(np.einsum("ncyxij,ocij->noyx", windowed, kernel, optimize=True))
    return np.asarray(np.moveaxis(inputs, 1, -1).reshape(len(inputs), -1) @ kernel.T)


def active(layer: Layer, computed: np.ndarray, outputs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per channel (computed, recorded) values where both are finite and no ReLU has hidden the sum."""
    for channel in range(outputs.shape[1]):
        made, there = computed[:, channel].ravel(), outputs[:, channel].ravel().astype(np.float64)
        use = np.isfinite(there) & np.isfinite(made)
        if "relu" in layer.fused:
            use &= there > 0
        yield made[use], there[use]
