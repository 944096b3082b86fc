"""The numbers of steps and epochs on their way to metrics.jsonl."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

Row = dict[str, float]

DENSE_ROWS = 20_000
"""Steps that have a row each. From then on a row is the mean of 10 steps, from ten times as many on of 100, and so on:
a million steps make 46,000 rows."""


def held(value: Any) -> Any:
    """What a metric is until the background reads it: a value that later steps can't change.

    Nothing is waited for: a tensor on an accelerator is copied there, and its number is fetched by the background.
    """
    if isinstance(value, float | int):
        return value
    detach = getattr(value, "detach", None)
    if detach is None:
        return value
    detached = detach()
    return detached.item() if detached.device.type == "cpu" and detached.numel() == 1 else detached.clone()


def number(value: Any) -> float | None:
    """The number that was held; None for what is none (a text, a tensor of several values)."""
    try:
        return value if isinstance(value, int) and not isinstance(value, bool) else float(value)
    except Exception:  # whatever a framework raises, or warns of where warnings are errors
        return None


class Rows:
    """`add` is called in the loop, `take` in the background; a deque needs no lock between the two."""

    def __init__(self, steps: int = 0) -> None:
        """steps: how many steps the training has behind it."""
        self.waiting: deque[tuple[int | None, float | None, bool, Mapping[str, Any]]] = deque()
        self.steps = steps
        self.group: list[Row] = []

    def add(self, step: int | None, epoch: float | None, metrics: Mapping[str, Any], *, is_step: bool) -> None:
        """What one step (or one epoch) tells."""
        self.waiting.append((step, epoch, is_step, {key: held(value) for key, value in metrics.items()}))

    def take(self, unreadable: Callable[[str], object], rest: bool = False) -> list[Row]:
        """Rows that are ready to be written; with `rest` also those that still wait for others to be joined with.

        `unreadable` is told the names of metrics that are no numbers; they are left out.
        """
        found: list[Row] = []
        while self.waiting:
            step, epoch, is_step, metrics = self.waiting.popleft()
            row: Row = {key: value for key, value in (("step", step), ("epoch", epoch)) if value is not None}
            for key, value in metrics.items():
                read = number(value)
                if read is None:
                    unreadable(key)
                elif key not in ("step", "epoch"):
                    row[key] = read
            if not is_step:
                found.append(row)
                continue
            self.steps += 1
            self.group.append(row)
            if len(self.group) >= steps_per_row(self.steps):
                found.append(self.joined())
        if rest and self.group:
            found.append(self.joined())
        return found

    def joined(self) -> Row:
        """One row of those in the group: where the last one stands, with the mean of each number."""
        group, self.group = self.group, []
        last = group[-1]
        if len(group) == 1:
            return last
        keys = dict.fromkeys(key for row in group for key in row)
        means = {key: fmean(row[key] for row in group if key in row) for key in keys}
        return means | {key: last[key] for key in ("step", "epoch") if key in last}


def steps_per_row(steps: int) -> int:
    """How many steps share a row when that many are done."""
    width = 1
    while steps > DENSE_ROWS * width:
        width *= 10
    return width
