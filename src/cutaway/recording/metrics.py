"""Rows of metrics.jsonl: those of the source, and the loss and accuracy on the recorded samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cutaway.recording.schema import Checkpoint, Index
from cutaway.recording.statistics import Rows

Row = Mapping[str, float]


def sample_scores(index: Index, moment: Checkpoint, activations: Mapping[str, Rows]) -> list[Row]:
    """[{"epoch", "step", "sample_loss", "sample_accuracy"}] of one checkpoint; [] where it can't be known.

    It takes labels, and an output that is one score per class. The loss is the mean cross-entropy in nats.
    """
    labels = index.samples.labels
    recorded = activations.get(index.network.outputs[0]) if index.network.outputs else None
    if labels is None or recorded is None or len(recorded.shape) != 2:
        return []
    output = np.asarray(recorded)
    known = np.array([label is not None and 0 <= label < output.shape[1] for label in labels])
    if not known.any() or (index.classes is not None and output.shape[1] != len(index.classes)):
        return []
    truth = np.array([label for label, use in zip(labels, known, strict=True) if use], np.int64)
    scores = output[known].astype(np.float64)
    chances = log_chances(scores)[np.arange(len(truth)), truth]
    row: dict[str, float] = {}
    if moment.epoch is not None:
        row["epoch"] = moment.epoch
    if moment.step is not None:
        row["step"] = moment.step
    row["sample_loss"] = float(-chances.mean())
    row["sample_accuracy"] = float((scores.argmax(axis=1) == truth).mean())
    return [row]


def log_chances(scores: np.ndarray) -> np.ndarray:
    """Log of the class probabilities [sample, class]; scores that are no distribution yet get a softmax."""
    if scores.min() >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return np.asarray(np.log(np.maximum(scores, 1e-12)))
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def merge_rows(first: Sequence[Row], second: Sequence[Row]) -> list[Row]:
    """Both lists in one, by step (or else by epoch) where every row has it; otherwise one after the other."""
    rows = [*first, *second]
    for key in ("step", "epoch"):
        if all(key in row for row in rows):
            return sorted(rows, key=lambda row: row[key])
    return rows
