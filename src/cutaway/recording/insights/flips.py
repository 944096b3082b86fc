"""Samples that flip: what was learnt about them was lost again, more than once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cutaway.recording.insights.finding import Finding, Rule

TIMES = 2
SHARE = 0.2
"""Of the checkpoints: in a long recording some samples near the border between two classes flip anyway."""

MOST = 3
"""Samples that are said at one checkpoint."""

FLIPPING = Rule(
    "flipping-samples", "Rule: a sample was predicted right and then wrong again at least twice.", each=True
)


class Flips:
    """Follows whether each sample's prediction is right."""

    def __init__(self, classes: Sequence[str] | None, labels: Sequence[int | None] | None) -> None:
        self.labels = labels or ()
        self.classes = classes or ()
        self.right: np.ndarray | None = None
        self.checkpoints = 0
        self.lost = np.zeros(len(self.labels), int)

    def checkpoint(self, scores: np.ndarray) -> list[Finding]:
        """scores [sample, class]; the samples that were lost again at this checkpoint, most often lost first."""
        if len(scores) != len(self.labels) or not np.isfinite(scores).all():
            return []
        truth = np.array([-1 if label is None else label for label in self.labels])
        right = scores.argmax(axis=1) == truth
        before, self.right = self.right, right
        self.checkpoints += 1
        if before is None:
            return []
        lost = before & ~right
        self.lost += lost
        notable = np.flatnonzero(lost & (self.lost >= max(TIMES, SHARE * self.checkpoints))).tolist()
        notable.sort(key=lambda i: -self.lost[i])
        return [self.finding(i, int(scores[i].argmax())) for i in notable[:MOST]]

    def finding(self, sample: int, guess: int) -> Finding:
        times = int(self.lost[sample])
        often = "twice" if times == 2 else f"{times} times"
        truth = self.labels[sample]
        text = (
            f"Sample {sample} ({self.name(truth or 0)}) was right and then wrong again {often}; "
            f"now it is taken for {self.name(guess)}."
        )
        return Finding(text, times, math.log2(times), sample=sample, level="note")

    def name(self, number: int) -> str:
        return f"“{self.classes[number]}”" if number < len(self.classes) else f"class {number}"
