"""Statistics of arrays: range, moments and histogram of a tensor, the same per map, and saturation.

Values that are not finite are counted and left out of everything else. All of it is done by NumPy over large pieces,
which leaves Python's lock free for a training loop beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cutaway.recording.schema import Histogram, TensorSummary

BINS = 40
MAP_BINS = 16
CHUNK = 1 << 16
"""Values that are looked at together: few enough for the cache."""

EDGE = 0.01
"""Outputs this close to a limit, as a share of the range between both, count as saturated."""


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


def map_histograms(outputs: np.ndarray, low: float, high: float) -> tuple[tuple[int, ...], ...]:
    """Per map of [sample, C, …], how many finite values fall into each of 16 equal bins from `low` to `high`."""
    maps = outputs.shape[1]
    counts = np.zeros(maps * MAP_BINS, np.int64)
    first = np.arange(maps, dtype=np.intp)[:, None] * MAP_BINS
    scale = MAP_BINS / (high - low) if low < high else 0.0
    for sample in outputs:
        values = sample.reshape(maps, -1).astype(np.float64)
        finite = np.isfinite(values)
        all_finite = bool(finite.all())
        if not all_finite:
            values[~finite] = low
        values -= low
        values *= scale
        bins = np.minimum(values.astype(np.intp), MAP_BINS - 1) + first
        counts += np.bincount(bins.ravel() if all_finite else bins[finite], minlength=len(counts))
    return tuple(map(tuple, counts.reshape(maps, MAP_BINS).tolist()))


def saturated_share(outputs: np.ndarray, low: float, high: float) -> float | None:
    """Share of the finite values that lie within 1 % of the range `low` … `high` from one of both; None without any."""
    margin = EDGE * (high - low)
    number, near = 0, 0
    for chunk in chunks(outputs):
        number += chunk.size
        near += int(np.count_nonzero(chunk <= low + margin)) + int(np.count_nonzero(chunk >= high - margin))
    return short(near / number) if number else None


def short(value: float) -> float:
    """To the 7 digits that float32 carries, so that the JSON stays small."""
    return float(f"{value:.7g}")
