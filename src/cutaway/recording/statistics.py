"""Statistics of arrays: range, moments and histogram of a tensor, the same per map, and saturation.

Values that are not finite are counted and left out of everything else. All of it is done by NumPy over large pieces,
which leaves Python's lock free for a training loop beside it. Every value is looked at twice: for the range and the
moments (`Tally`), and then, as the range is known, for the histograms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from cutaway.recording.schema import Histogram, TensorSummary

BINS = 40
MAP_BINS = 16
FINE_BINS = 80
"""What is counted: both numbers of bins divide it, so that one count serves both."""

CHUNK = 1 << 16
"""Values that are looked at together: few enough for the cache."""

EDGE = 0.01
"""Outputs this close to a limit, as a share of the range between both, count as saturated."""

Numbers = tuple[float, ...]


class Rows(Protocol):
    """What a layer put out, [sample, C, …]: an array, or what is read from the disk a sample at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


class Tally:
    """Range, moments and number of the finite values of each map, sample by sample."""

    def __init__(self, maps: int) -> None:
        """`maps`: into how many a sample divides; 1 where only the whole matters."""
        self.maps = maps
        self.low, self.high = np.full(maps, np.inf), np.full(maps, -np.inf)
        self.total, self.number = np.zeros(maps), np.zeros(maps, np.int64)
        self.squares = 0.0
        self.size = 0

    @classmethod
    def of(cls, rows: Rows, maps: int) -> Tally:
        """That of all samples."""
        tally = cls(maps)
        for row in rows:
            tally.add(row)
        return tally

    def add(self, row: np.ndarray) -> None:
        """One sample more."""
        for first, values in blocks([row], self.maps):
            self.add_block(slice(first, first + len(values)), values)

    def add_block(self, maps: slice, values: np.ndarray) -> None:
        """Values [map, value] of some maps."""
        lows, highs = values.min(axis=1), values.max(axis=1)  # NaN stays NaN
        number: int | np.ndarray = values.shape[1]
        if not (np.isfinite(lows).all() and np.isfinite(highs).all()):
            finite = np.isfinite(values)
            lows = np.where(finite, values, np.inf).min(axis=1)
            highs = np.where(finite, values, -np.inf).max(axis=1)
            number, values = finite.sum(axis=1), np.where(finite, values, 0)
        np.minimum(self.low[maps], lows, out=self.low[maps])
        np.maximum(self.high[maps], highs, out=self.high[maps])
        exact = values.astype(np.float64)  # float32 squares overflow
        self.total[maps] += exact.sum(axis=1)
        self.number[maps] += number
        self.squares += float(np.einsum("ij,ij->", exact, exact))  # not BLAS, whose threads cost more than this
        self.size += exact.size

    def of_tensor(self, counts: np.ndarray) -> TensorSummary:
        """All maps together. `counts`: what `count` gives."""
        number = int(self.number.sum())
        low, high = (exact(self.low.min()), exact(self.high.max())) if number else (0.0, 0.0)
        histogram = Histogram(low=low, high=high, counts=tuple(coarser(counts.sum(axis=0), BINS).tolist()))
        return TensorSummary(
            low=low,
            high=high,
            mean=short(float(self.total.sum()) / max(1, number)),
            norm=short(float(np.sqrt(self.squares))),
            histogram=histogram,
            not_finite=self.size - number,
        )

    def of_maps(self) -> tuple[Numbers, Numbers, Numbers, tuple[int, ...]]:
        """(low, high, mean, dead) of each map, as `summarise_maps` gives them."""
        if not self.size:
            return (), (), (), ()
        used = self.number > 0
        low, high = np.where(used, self.low, 0.0), np.where(used, self.high, 0.0)
        mean = self.total / np.maximum(self.number, 1)
        size = self.size // len(low)
        dead = (low == high) & (self.number == size) & ((low == 0) | (size > 1))
        return (
            tuple(map(exact, low)),
            tuple(map(exact, high)),
            tuple(map(short, mean)),
            tuple(np.flatnonzero(dead).tolist()),
        )

    def count(self, rows: Rows, maps: int) -> np.ndarray:
        """How many finite values of the same samples fall into each of 80 equal bins of the whole range, [map, bin]."""
        if not self.number.any():
            return np.zeros((maps, FINE_BINS), np.int64)
        whole = int(self.number.sum()) == self.size
        return count(rows, maps, float(self.low.min()), float(self.high.max()), finite=whole)


def blocks(rows: Iterable[np.ndarray], maps: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first map, values [map, value]) in pieces that fit the cache, so that a large layer takes no large copies."""
    for row in rows:
        if not row.size:
            continue
        values = row.reshape(maps, -1)
        width = min(CHUNK, values.shape[1])
        height = max(1, CHUNK // width)
        for first in range(0, maps, height):
            for start in range(0, values.shape[1], width):
                yield first, values[first : first + height, start : start + width]


def count(rows: Rows, maps: int, low: float, high: float, *, finite: bool = False) -> np.ndarray:
    """How many finite values fall into each of 80 equal bins from `low` to `high`, the last with its upper end.

    Returns [map, bin]. `finite`: all values are known to be.
    """
    counts = np.zeros((maps, FINE_BINS), np.int64)
    scale = FINE_BINS / (high - low) if low < high else 0.0
    for first, values in blocks(rows, maps):
        places = values.astype(np.float64)
        used = None if finite else np.isfinite(places)
        if used is not None:
            places[~used] = low
        places -= low
        places *= scale
        bins = places.astype(np.int32)
        np.minimum(bins, FINE_BINS - 1, out=bins)
        bins += FINE_BINS * np.arange(len(values), dtype=np.int32)[:, None]
        found = np.bincount(bins.ravel() if used is None else bins[used], minlength=len(values) * FINE_BINS)
        counts[first : first + len(values)] += found.reshape(-1, FINE_BINS)
    return counts


def coarser(counts: np.ndarray, bins: int) -> np.ndarray:
    """[…, 80] as […, bins]."""
    return np.asarray(counts.reshape(*counts.shape[:-1], bins, -1).sum(axis=-1))


def summarise_tensor(values: np.ndarray) -> TensorSummary:
    """Range, moments and histogram of the finite values of an array; zeros and empty bins where there are none."""
    rows = np.reshape(values, (1, -1))
    tally = Tally.of(rows, 1)
    return tally.of_tensor(tally.count(rows, 1))


def summarise_maps(outputs: np.ndarray) -> tuple[Numbers, Numbers, Numbers, tuple[int, ...]]:
    """Lowest, highest and mean value per map (or unit) of [sample, C, …], and the maps that are dead.

    A map without a finite value has 0, 0, 0. Dead is a map that is zero, or one constant value, on every sample;
    where one value is all there is (one sample of a vector), only zero.
    """
    return Tally.of(outputs, outputs.shape[1]).of_maps() if outputs.ndim > 1 else ((), (), (), ())


def map_histograms(outputs: np.ndarray, low: float, high: float) -> tuple[tuple[int, ...], ...]:
    """Per map of [sample, C, …], how many finite values fall into each of 16 equal bins from `low` to `high`."""
    return of_each(count(outputs, outputs.shape[1], low, high))


def of_each(counts: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """16 bins a map, of what `count` gives."""
    return tuple(map(tuple, coarser(counts, MAP_BINS).tolist()))


def saturated_share(outputs: Rows, low: float, high: float) -> float | None:
    """Share of the finite values that lie within 1 % of the range `low` … `high` from one of both; None without any."""
    margin = EDGE * (high - low)
    number, near = 0, 0
    for _, values in blocks(outputs, 1):
        number += int(np.count_nonzero(np.isfinite(values)))
        edges = (values <= low + margin) | (values >= high - margin)
        near += int(np.count_nonzero(edges & np.isfinite(values)))
    return short(near / number) if number else None


def relative_change(before: np.ndarray, now: np.ndarray) -> float | None:
    """‖now − before‖ / ‖before‖ over what is finite in both; None where nothing of it is, or all was zero."""
    way, norm = 0.0, 0.0
    for (_, old), (_, new) in zip(blocks([before], 1), blocks([now], 1), strict=True):
        then = old.astype(np.float64)
        moved = new - then
        finite = np.isfinite(moved)
        if not finite.all():
            then, moved = then[finite][None], moved[finite][None]
        way += float(np.einsum("ij,ij->", moved, moved))
        norm += float(np.einsum("ij,ij->", then, then))
    return math.sqrt(way / norm) if norm > 0 else None


def short(value: float) -> float:
    """To the 7 digits that a float32 is good for, so that the JSON stays small."""
    return float(f"{value:.7g}")


def exact(value: float) -> float:
    """To the 9 digits that tell one float32 from every other."""
    return float(f"{value:.9g}")
