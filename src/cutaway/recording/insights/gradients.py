"""Rules about gradients: they vanish on the way to the first layers, or explode."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median

from cutaway.recording.insights.finding import Finding, Moment, Rule, figure
from cutaway.recording.schema import TensorSummary

VANISHED = 1e-3
ORDERS = 3
"""What has vanished is worth another word when it lost this many more orders of magnitude."""

GROWN = 100.0
LARGER_THAN_WEIGHTS = 100.0


def vanishing(moment: Moment) -> list[Finding]:
    """The first layer whose gradient is a thousandth of the largest; judged by the updates where none are recorded."""
    relative = relative_gradients(moment)
    if relative:
        return [low(moment, relative, "gradient")] if is_low(moment, relative) else []
    moved = {id: updates[-1].ratio for id, updates in moment.past.newest.items() if updates[-1].ratio > 0}
    # The very same factor for all layers, a schedule for instance, does not change this comparison.
    return [low(moment, moved, "update")] if is_low(moment, moved) else []


def relative_gradients(moment: Moment) -> dict[str, float]:
    """‖gradient‖ / ‖weights‖ by layer id."""
    weights = moment.kernels("parameters")
    gradients = moment.kernels("gradients")
    return {id: gradients[id].norm / weights[id].norm for id in gradients if weights[id].norm > 0}


def first(moment: Moment, values: Mapping[str, float]) -> str:
    """Id of the first weighted layer that has a value."""
    return next(layer.id for layer in moment.weighted if layer.id in values)


def is_low(moment: Moment, values: Mapping[str, float]) -> bool:
    """Whether the value of the first layer is at most a thousandth of the largest."""
    largest = max(values.values(), default=0)
    return len(values) >= 3 and largest > 0 and values[first(moment, values)] <= VANISHED * largest


def low(moment: Moment, values: Mapping[str, float], what: str) -> Finding:
    layer, high = first(moment, values), max(values, key=lambda id: values[id])
    share = values[layer] / values[high]
    text = f"No {what} reaches {moment.name(layer)}."
    if share > 0:
        text = (
            f"The {what} of {moment.name(layer)} is {figure(1 / share)} times smaller "
            f"than that of {moment.name(high)}, each relative to its weights."
        )
    return Finding(text, share, -math.log10(max(share, 1e-12)) / ORDERS, layer)


def exploding(moment: Moment) -> list[Finding]:
    """Gradients that are not finite, that outgrew what they were before, or the weights themselves."""
    gradients = moment.kernels("gradients")
    broken = next((id for id, gradient in gradients.items() if gradient.not_finite), None)
    if broken is not None:
        return [Finding(f"The gradient of {moment.name(broken)} is not finite.", math.nan, math.inf, broken)]
    norm = norm_of(gradients.values())
    if not norm:
        return []
    before = moment.past.gradient_norms
    usual = median(before) if len(before) >= 2 else 0.0
    weights = norm_of(moment.kernels("parameters").values())
    if usual and norm >= GROWN * usual:
        compared = f"{figure(norm / usual)} times what it was before"
    elif norm >= LARGER_THAN_WEIGHTS * weights > 0:
        compared = f"{figure(norm / weights)} times that of the weights"
    else:
        return []
    largest = max(gradients, key=lambda id: gradients[id].norm)
    text = f"The gradient's norm is {figure(norm)}, {compared}; {moment.name(largest)} has the largest share."
    return [Finding(text, norm, math.log10(norm), largest)]


def norm_of(tensors: Iterable[TensorSummary]) -> float:
    """Norm of several tensors together."""
    return math.hypot(*(tensor.norm for tensor in tensors))


VANISHING = Rule(
    "vanishing-gradients",
    "Rule: in the first layer, ‖gradient‖ / ‖weights‖ (or the update, where no gradients were recorded) is at most a "
    "thousandth of the largest of all layers.",
)
EXPLODING = Rule(
    "exploding-gradients",
    "Rule: the gradient is not finite, 100 times its median so far, or 100 times as large as the weights.",
)
