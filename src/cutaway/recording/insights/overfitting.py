"""Over-fitting: the loss on held-out data rises over several evaluations while that of the training falls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean

from cutaway.recording.insights.finding import Finding, Rule, figure

TRAINING = ("loss", "train_loss", "training_loss")
HELD_OUT = ("val_loss", "valid_loss", "validation_loss", "eval_loss", "test_loss")

PATIENCE = 3
"""Evaluations in a row that are worse than the best."""

RISEN = 1.2
FALLEN = 0.9

OVER_FITTING = Rule(
    "over-fitting",
    "Rule: the loss on held-out data has been above its lowest for 3 evaluations in a row, by at least 20 % now, while "
    "the training's loss fell by at least 10 %.",
)


class OverFitting:
    """Follows both losses, a row of metrics at a time."""

    def __init__(self) -> None:
        self.since: list[float] = []
        """The training's losses since the last evaluation."""
        self.training = math.inf
        """Their mean at the newest evaluation."""
        self.best = (math.inf, math.inf)
        """Lowest loss on held-out data, and the training's at that time."""
        self.worse = 0

    def row(self, row: Mapping[str, float | None]) -> list[Finding]:
        """What a row of metrics tells."""
        loss = first_of(row, TRAINING)
        if loss is not None:
            self.since.append(loss)
        held_out = first_of(row, HELD_OUT)
        if held_out is None:
            return []
        if self.since:
            self.training = fmean(self.since)
            self.since.clear()
        if math.isinf(self.best[1]):  # held-out data was looked at before the first step
            self.best = self.best[0], self.training
        if held_out <= self.best[0]:
            self.best, self.worse = (held_out, self.training), 0
            return []
        self.worse += 1
        lowest, training_then = self.best
        if self.worse < PATIENCE or held_out < RISEN * lowest or not self.training <= FALLEN * training_then:
            return []
        text = (
            f"The loss on held-out data has risen from {figure(lowest)} to {figure(held_out)} "
            f"while the training's fell from {figure(training_then)} to {figure(self.training)}."
        )
        ratio = held_out / max(lowest, 1e-12)
        return [Finding(text, ratio, math.log(ratio, 1.5))]


def first_of(row: Mapping[str, float | None], keys: tuple[str, ...]) -> float | None:
    """The first of these that a row has as a finite number."""
    values = (row.get(key) for key in keys)
    return next((value for value in values if value is not None and math.isfinite(value)), None)
