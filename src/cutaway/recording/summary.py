"""Summaries of one checkpoint: ranges, histograms, dead maps, norms, and how far the weights moved.

The viewer scales colours with them before it has fetched a single tensor. Values that are not finite are counted
and left out of everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cutaway.network import Layer, Network
from cutaway.recording.schema import Histogram, LayerSummary, Summary, TensorSummary

BINS = 40
CHUNK = 1 << 16
"""Values that are looked at together: few enough for the cache."""

WEIGHT_ROLES = ("kernel", "depthwise", "pointwise")


def summarise(
    network: Network,
    parameters: Mapping[str, np.ndarray],
    activations: Mapping[str, np.ndarray],
    before: Mapping[str, np.ndarray] | None = None,
) -> Summary:
    """The summary of one checkpoint.

    `parameters` and `before` (those of the checkpoint before, None for the first) by parameter key; `activations` by
    layer id, [sample, C, …]. Layers with neither are left out.
    """
    layers = {}
    for layer in network.layers:
        outputs = activations.get(layer.id)
        weights = {p.role: parameters[p.key] for p in layer.parameters if p.key in parameters}
        if outputs is None and not weights:
            continue
        low, high, mean, dead = summarise_maps(outputs) if outputs is not None else ((), (), (), ())
        layers[layer.id] = LayerSummary(
            activations=None if outputs is None else summarise_tensor(outputs),
            parameters={role: summarise_tensor(values) for role, values in weights.items()},
            map_low=low,
            map_high=high,
            map_mean=mean,
            dead=dead,
            update_ratio=update_ratio(layer, parameters, before or {}),
        )
    return Summary(layers=layers)


def summarise_tensor(values: np.ndarray) -> TensorSummary:
    """Range, moments and histogram of the finite values of an array; zeros and empty bins where there are none."""
    low, high, number, total, squares = np.inf, -np.inf, 0, 0.0, 0.0
    for chunk in chunks(values):
        if not chunk.size:
            continue
        low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
        number += chunk.size
        exact = chunk.astype(np.float64)  # float32 squares overflow
        total += float(exact.sum())
        squares += float(np.square(exact, out=exact).sum())  # not BLAS, whose threads cost more than this
    not_finite = values.size - number
    if not number:
        empty = Histogram(low=0.0, high=0.0, counts=(0,) * BINS)
        return TensorSummary(low=0.0, high=0.0, mean=0.0, norm=0.0, histogram=empty, not_finite=not_finite)
    counts = count(values, low, high) if low < high else (number,) + (0,) * (BINS - 1)
    return TensorSummary(
        low=low,
        high=high,
        mean=short(total / number),
        norm=short(float(np.sqrt(squares))),
        histogram=Histogram(low=low, high=high, counts=counts),
        not_finite=not_finite,
    )


def chunks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The finite values in flat pieces, so that a large layer takes no large copies."""
    rows = [values] if values.flags.c_contiguous or values.ndim < 2 else values
    for row in rows:
        flat = row.reshape(-1)
        for start in range(0, flat.size, CHUNK):
            chunk = flat[start : start + CHUNK]
            finite = np.isfinite(chunk)
            yield chunk if finite.all() else chunk[finite]


def count(values: np.ndarray, low: float, high: float) -> tuple[int, ...]:
    """How many finite values fall into each of 40 equal bins from `low` to `high`, the last with its upper end."""
    counts = np.zeros(BINS, np.int64)
    for chunk in chunks(values):
        places = chunk.astype(np.float64)
        places -= low
        places *= BINS / (high - low)
        counts += np.bincount(np.minimum(places.astype(np.intp), BINS - 1), minlength=BINS)
    return tuple(counts.tolist())


Numbers = tuple[float, ...]


def summarise_maps(outputs: np.ndarray) -> tuple[Numbers, Numbers, Numbers, tuple[int, ...]]:
    """Lowest, highest and mean value per map (or unit) of [sample, C, …], and the maps that are dead.

    A map without a finite value has 0, 0, 0. Dead is a map that is zero, or one constant value, on every sample;
    where one value is all there is (one sample of a vector), only zero.
    """
    if outputs.ndim < 2 or not outputs.size:
        return (), (), (), ()
    maps = outputs.shape[1]
    low, high = np.full(maps, np.inf), np.full(maps, -np.inf)
    total, number = np.zeros(maps), np.zeros(maps, np.int64)
    for sample in outputs:
        values = sample.reshape(maps, -1)
        finite = np.isfinite(values)
        if finite.all():
            lows, highs, sums, some = values.min(axis=1), values.max(axis=1), values, values.shape[1]
        else:
            lows = np.where(finite, values, np.inf).min(axis=1)
            highs = np.where(finite, values, -np.inf).max(axis=1)
            sums, some = np.where(finite, values, 0), finite.sum(axis=1)
        np.minimum(low, lows, out=low)
        np.maximum(high, highs, out=high)
        total += sums.sum(axis=1, dtype=np.float64)
        number += some
    used = number > 0
    low, high = np.where(used, low, 0.0), np.where(used, high, 0.0)
    mean = total / np.maximum(number, 1)
    size = outputs.size // maps
    dead = (low == high) & (number == size) & ((low == 0) | (size > 1))
    return (
        tuple(low.tolist()),
        tuple(high.tolist()),
        tuple(short(value) for value in mean),
        tuple(np.flatnonzero(dead).tolist()),
    )


def update_ratio(layer: Layer, parameters: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray]) -> float | None:
    """‖w − w before‖ / ‖w before‖ of a layer's kernel over what is finite in both; None without a kernel before."""
    keys = [p.key for p in layer.parameters if p.role in WEIGHT_ROLES]
    if not keys or keys[0] not in parameters or keys[0] not in before:
        return None
    now, then = parameters[keys[0]].astype(np.float64).ravel(), before[keys[0]].astype(np.float64).ravel()
    both = np.isfinite(now) & np.isfinite(then)
    norm = float(np.linalg.norm(then[both]))
    return short(float(np.linalg.norm(now[both] - then[both])) / norm) if norm > 0 else None


def short(value: float) -> float:
    """To the 7 digits that float32 carries, so that the JSON stays small."""
    return float(f"{value:.7g}")
