"""Rules about units: dead ones, and ones at the limits of their function."""

from __future__ import annotations

import math

from cutaway.network import Layer
from cutaway.recording.insights.finding import Finding, Level, Moment, Rule, percent
from cutaway.recording.summary import kernel_key

DEAD_MAPS = 0.25
MANY_PIXELS = 25
"""A map of fewer pixels is judged like the unit of a vector: that the few numbers it put out are zero says less."""

DEAD_UNITS = 0.5
MORE_MAPS, MORE_UNITS = 0.15, 0.25
"""Half of the units of a fresh network can be zero on a few samples that resemble each other; they wake up."""

NEARLY_ALL = 0.9
ENOUGH_SAMPLES = 8
"""On fewer samples it is no wonder that a unit is always zero."""

SATURATED = 0.6

ACTIVATIONS = ("relu", "leaky_relu", "prelu", "sigmoid", "tanh", "gelu", "silu", "activation")


def dead_units(moment: Moment) -> list[Finding]:
    """Layers in which many maps are zero (or one constant) on all samples. Pools and the like only pass them on."""
    found = []
    for layer in moment.hidden:
        known = moment.of(layer)
        if known is None or not known.dead or not (kernel_key(layer) or layer.kind in ACTIVATIONS):
            continue
        if known.saturated is not None:  # what is constant there is at a limit, which has its own rule
            continue
        share = len(known.dead) / len(known.map_low)
        level = dead_level(moment, layer, share)
        if level is None:
            continue
        what = "maps" if pixels(layer) > 1 else "units"
        value = "zero" if all(known.map_low[i] == 0 for i in known.dead) else "constant"
        text = f"{percent(share)} of {moment.name(layer.id)}'s {what} are {value} on every recorded sample."
        found.append(Finding(text, share, share / 0.25, layer.id, level=level))
    return found


def saturated_units(moment: Moment) -> list[Finding]:
    """Hidden layers whose sigmoid or tanh is at its limits nearly everywhere, where it lets no gradient through."""
    found = []
    for layer in moment.hidden:
        known = moment.of(layer)
        share = None if known is None else known.saturated
        if share is None or share < SATURATED or layer.id in moment.gates:
            continue
        text = f"{percent(share)} of {moment.name(layer.id)}'s outputs are at a limit of their function."
        found.append(Finding(text, share, share / 0.25, layer.id))
    return found


def dead_level(moment: Moment, layer: Layer, share: float) -> Level | None:
    """How bad that share of dead maps or units is: a note is what a fresh network brings along now and then."""
    start = moment.past.start_dead.get(layer.id, 0.0)
    if pixels(layer) >= MANY_PIXELS:
        if share < DEAD_MAPS or moment.samples == 1:
            return None
        return "warning" if share >= 2 * DEAD_MAPS or share >= start + MORE_MAPS else "note"
    if moment.samples is not None and moment.samples < ENOUGH_SAMPLES:
        return None
    return "warning" if share >= NEARLY_ALL or (share >= DEAD_UNITS and share >= start + MORE_UNITS) else None


def pixels(layer: Layer) -> int:
    """Pixels of one map, 1 for a unit of a vector."""
    return math.prod(layer.output_shape[1:])


DEAD = Rule(
    "dead-units",
    "Rule: at least 25 % of a layer's maps are zero or constant on all samples; a note where it is less than 50 % and "
    "was so from the start. Of units, or maps of fewer than 25 pixels: 90 %, or 50 % and 25 points more than at the "
    "start.",
    each=True,
)
SATURATION = Rule(
    "saturated-units",
    "Rule: at least 60 % of a hidden layer's outputs lie within 1 % of the function's range from a limit.",
    each=True,
)
