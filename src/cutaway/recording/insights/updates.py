"""Rules about updates: too large, too small, and layers that stopped changing while others still do."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from cutaway.recording.insights.finding import Finding, Level, Moment, Rule, Update, figure, listed, percent

LARGE = 0.1
"""‖Δw‖ / ‖w‖ of one step. The usual is about 0.001."""

SMALL = 5e-6
STILL = 1e-9
"""Below this a kernel did not move at all: float32 carries 7 digits."""

MOVED = 1e-4
WARMING = 1.2
"""Updates that rise by this factor from one checkpoint to the next belong to a warm-up."""

BESIDE = 1e-3
"""A layer has stopped when it moves less than this share of what the others do."""


def too_large(moment: Moment) -> list[Finding]:
    """The layer that changed most, by a tenth a step or more. From zero every step is large: such are left out."""
    found = []
    for id, update in ((id, update) for id, updates in moment.past.newest.items() for update in updates):
        limit = LARGE * (update.steps or 100)
        if update.ratio >= limit and moment.past.start_norms.get(id):
            norm = f"{percent(update.ratio)} of" if update.ratio < 1 else f"{figure(update.ratio)} times"
            text = f"{moment.name(id)}'s weights changed by {norm} their norm {span(update)}."
            found.append(Finding(text, update.ratio, math.log10(update.ratio / limit), id))
    return sorted(found, key=lambda finding: -finding.grade)[:1]


def too_small(moment: Moment) -> list[Finding]:
    """A training that never got going. One whose updates were larger before has a schedule, or has arrived."""
    rows = [updates for updates in moment.past.updates.values() if len(updates) == 2]
    if not rows or moment.past.fastest >= SMALL:
        return []
    then, now = (max((row[at] for row in rows), key=lambda update: update.ratio) for at in (0, 1))
    if now.ratio > WARMING * then.ratio:
        return []
    far = f" by more than {figure(now.ratio)} of their norm" if now.ratio else ""
    text = f"No layer's weights changed{far} {span(now)}."
    return [Finding(text, now.ratio, -math.log10(max(now.ratio, 1e-12)))]


def stopped(moment: Moment) -> list[Finding]:
    """Layers that don't change at two checkpoints in a row while others do, all of them in one finding."""
    rows = {id: updates for id, updates in moment.past.updates.items() if len(updates) == 2}
    still = [id for id in rows if all(is_still(moment, rows, id, at) for at in (0, 1))]
    ended = [id for id in still if moment.past.farthest[id] >= MOVED]
    never = [id for id in still if id not in ended]
    return [
        *halted(moment, ended, "stopped changing while other layers still do", "warning"),
        *halted(moment, never, "not changed since the start while other layers do", "note"),
    ]


def is_still(moment: Moment, rows: dict[str, deque[Update]], id: str, at: int) -> bool:
    """Whether a layer did not move, or hardly and less than it did, when others moved as they should."""
    now = rows[id][at].ratio
    others = [row[at].ratio for other, row in rows.items() if other != id and row[at].ratio > STILL]
    if not others or median(others) < MOVED:
        return False
    return now <= STILL or (now <= BESIDE * median(others) and moment.past.farthest[id] >= MOVED)


def halted(moment: Moment, layers: list[str], what: str, level: Level) -> list[Finding]:
    if not layers:
        return []
    names = listed([moment.name(id) for id in layers])
    text = f"{names} {'has' if len(layers) == 1 else 'have'} {what}."
    return [Finding(text, len(layers), math.log2(len(layers)), layers[0], level=level)]


def span(update: Update) -> str:
    """ "in one step", "in 938 steps", "since the checkpoint before"."""
    if update.steps is None:
        return "since the checkpoint before"
    return "in one step" if update.steps == 1 else f"in {update.steps:,} steps"


TOO_LARGE = Rule(
    "updates-too-large",
    "Rule: ‖Δw‖ / ‖w‖ is at least 10 % a step, or 10 between checkpoints where steps are not counted. "
    "About 0.1 % a step is usual.",
)
TOO_SMALL = Rule(
    "updates-too-small",
    "Rule: ‖Δw‖ / ‖w‖ of every layer has been below 0.0005 % a step (0.005 % over ten or more) from the start and "
    "does not rise.",
)
STOPPED = Rule(
    "stopped-layers",
    "Rule: at two checkpoints in a row a layer moves less than a thousandth of what the others do, or not at all.",
)
