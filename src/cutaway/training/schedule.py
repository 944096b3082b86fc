"""When a training is recorded: `every`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from cutaway.errors import CutawayError

LOG_SHARE = 8
"""On the "log" schedule the next checkpoint comes when the training is an eighth longer: 26 checkpoints for each
tenfold of steps, and every step before the sixteenth."""


@dataclass(frozen=True)
class Schedule:
    """Every `count` epochs or steps, or with growing distance ("log")."""

    unit: Literal["epoch", "step", "log"]
    count: int = 1

    def after_step(self, step: int) -> int | None:
        """The next step behind `step` that is recorded; None where epochs count."""
        if self.unit == "epoch":
            return None
        if self.unit == "step":
            return (step // self.count + 1) * self.count
        return step + max(1, step // LOG_SHARE)

    def at_epoch(self, epoch: int) -> bool:
        """Whether the end of the epoch with that number, counted from 1, is recorded."""
        return self.unit == "epoch" and epoch % self.count == 0


def read_every(every: Any) -> Schedule:
    """`Schedule` of "epoch", "2 epochs", 500, "500 steps" or "log". Raises CutawayError."""
    if isinstance(every, str):
        match = re.fullmatch(r"\s*(?:(-?\d{1,9})\s+)?(epoch|step)s?\s*", every)
        if every.strip() == "log":
            return Schedule("log")
        if match is not None:
            return Schedule("epoch" if match[2] == "epoch" else "step", at_least_one(int(match[1] or 1), match[2]))
    elif isinstance(every, int) and not isinstance(every, bool):
        return Schedule("step", at_least_one(every, "step"))
    raise CutawayError(f'every must be "epoch", "2 epochs", "500 steps" (or 500), or "log", got {every!r}')


def at_least_one(count: int, unit: str) -> int:
    if count < 1:
        raise CutawayError(f"every must be at least 1 {unit}, got {count}")
    return count
