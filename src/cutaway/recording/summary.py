"""Summaries of one checkpoint: ranges, histograms, dead maps, norms, and how far the weights moved.

The viewer scales colours with them before it has fetched a single tensor. Values that are not finite are counted
and left out of everything else.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cutaway.network import Layer, Network
from cutaway.recording.schema import Histogram, LayerSummary, Summary, TensorSummary

BINS = 40
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
    flat = values.reshape(-1)
    finite = flat[np.isfinite(flat)]
    not_finite = int(flat.size - finite.size)
    if not finite.size:
        empty = Histogram(low=0.0, high=0.0, counts=(0,) * BINS)
        return TensorSummary(low=0.0, high=0.0, mean=0.0, norm=0.0, histogram=empty, not_finite=not_finite)
    finite = finite.astype(np.float64)  # float32 squares overflow
    low, high = float(finite.min()), float(finite.max())
    return TensorSummary(
        low=low,
        high=high,
        mean=short(finite.mean()),
        norm=short(np.sqrt(np.square(finite).sum())),  # not BLAS, whose threads cost more than this
        histogram=Histogram(low=low, high=high, counts=count(finite, low, high)),
        not_finite=not_finite,
    )


def count(finite: np.ndarray, low: float, high: float) -> tuple[int, ...]:
    """How many values fall into each of 40 equal bins; one constant value is all in the first bin."""
    if low == high:
        return (finite.size,) + (0,) * (BINS - 1)
    return tuple(np.histogram(finite, BINS, (low, high))[0].tolist())


Numbers = tuple[float, ...]


def summarise_maps(outputs: np.ndarray) -> tuple[Numbers, Numbers, Numbers, tuple[int, ...]]:
    """Lowest, highest and mean value per map (or unit) of [sample, C, …], and the maps that are dead.

    A map without a finite value has 0, 0, 0. Dead is a map that is zero, or one constant value, on every sample;
    where one value is all there is (one sample of a vector), only zero.
    """
    if outputs.ndim < 2 or not outputs.size:
        return (), (), (), ()
    maps = np.moveaxis(outputs, 1, 0).reshape(outputs.shape[1], -1).astype(np.float64)
    finite = np.isfinite(maps)
    number = finite.sum(axis=1)
    some = number > 0
    low = np.where(some, np.where(finite, maps, np.inf).min(axis=1), 0.0)
    high = np.where(some, np.where(finite, maps, -np.inf).max(axis=1), 0.0)
    mean = np.where(finite, maps, 0.0).sum(axis=1) / np.maximum(number, 1)
    constant = (low == high) & (number == maps.shape[1])
    dead = constant & ((low == 0) | (maps.shape[1] > 1))
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
