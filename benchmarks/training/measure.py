"""Ways to run one training, taking turns, and what each costs beside the first."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """One training. Seconds; of the loop they count from the first step until everything is written and closed."""

    wall: float
    processor: float
    """Of all threads of the process."""
    begin: float
    """Before the first step, once a training."""
    longest: float
    """For which the loop stood still at most, for what a way did in it."""
    losses: list[float] = field(default_factory=list)


Run = Callable[[Path], Outcome]
"""One training with what a way writes in that folder."""


class Stopwatch:
    """The time of a block, by the wall and of the processor."""

    def __enter__(self) -> Stopwatch:
        self.begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self.begun[0]
        self.processor = time.process_time() - self.begun[1]


class Longest:
    """The longest of several blocks."""

    def __init__(self) -> None:
        self.wall = 0.0

    def __enter__(self) -> None:
        self.begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.wall = max(self.wall, time.perf_counter() - self.begun)


def take_turns(ways: Mapping[str, Run], rounds: int, folder: Callable[[str], Path]) -> dict[str, list[Outcome]]:
    """Every way once a round, each round beginning with another one; a round before that does not count."""
    found: dict[str, list[Outcome]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            outcome = ways[name](folder(name))
            print(f"  {f'round {number}' if number else 'warm-up'}: {name:28} {outcome.wall:6.2f} s", flush=True)
            found[name] += [outcome] * bool(number)
    return found


def table(found: Mapping[str, Sequence[Outcome]], disk: Mapping[str, int]) -> str:
    """A line a way. `disk`: bytes that it wrote.

    Ratios are those to the first way: of the fastest rounds, and in brackets the median of those in the same round.
    """
    first = next(iter(found.values()))
    rows = [("", "wall s", "more", "(median)", "processor s", "more", "(median)", "stop ms", "begin s", "MB")]
    for name, outcomes in found.items():
        cells = [name]
        for times, others in (
            ([one.wall for one in outcomes], [one.wall for one in first]),
            ([one.processor for one in outcomes], [one.processor for one in first]),
        ):
            middle = statistics.median(time / other for time, other in zip(times, others, strict=True))
            cells += [f"{min(times):.2f}", percent(min(times) / min(others)), f"({percent(middle)})"]
        cells.append(f"{1000 * statistics.median(one.longest for one in outcomes):.1f}")
        cells.append(f"{statistics.median(one.begin for one in outcomes):.2f}")
        cells.append(f"{disk[name] / 1e6:.1f}")
        rows.append(tuple(cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        cells = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        lines.append("  ".join((name.ljust(widths[0]), *cells)))
    return "\n".join(lines)


def percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def load() -> str:
    """How busy the machine is, in words."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "load not known"
