"""Rules about values that are not finite: in the weights or outputs, and in the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cutaway.recording.insights.finding import Finding, Moment, Rule, listed


def not_finite(moment: Moment) -> list[Finding]:
    """The layers whose weights, or else whose outputs, are partly NaN or infinite, in one finding."""
    weights, outputs = [], []
    for layer in moment.layers:
        known = moment.of(layer)
        if known is not None and any(tensor.not_finite for tensor in known.parameters.values()):
            weights.append(layer)
        elif known is not None and known.activations is not None and known.activations.not_finite:
            outputs.append(layer)
    layers, what = (weights, "weights") if weights else (outputs, "outputs")
    if not layers:
        return []
    text = f"NaN or infinite values are among the {what} of {listed([moment.name(layer.id) for layer in layers])}."
    return [Finding(text, len(layers), 0.0, layers[0].id)]


def broken_loss(row: Mapping[str, float | None]) -> list[Finding]:
    """A loss in a row of metrics that is NaN or infinite."""
    for key, value in row.items():
        if "loss" in key and (value is None or not math.isfinite(value)):
            word = "infinite" if value is not None and math.isinf(value) else "NaN"
            return [Finding(f"{key} is {word}.", math.nan, 0.0)]
    return []


NOT_FINITE = Rule("not-finite", "Rule: a weight or an output is NaN or infinite.")
BROKEN_LOSS = Rule("loss-not-finite", "Rule: the loss in a row of metrics is NaN or infinite.")
