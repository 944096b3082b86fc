"""Watcher: looks at every checkpoint and every row of metrics with all rules, and says each thing once."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cutaway.network import Layer, Network
from cutaway.recording.insights.finding import Finding, History, Moment, Rule, Update
from cutaway.recording.insights.finite import BROKEN_LOSS, NOT_FINITE, broken_loss, not_finite
from cutaway.recording.insights.flips import FLIPPING, Flips
from cutaway.recording.insights.gradients import EXPLODING, VANISHING, exploding, norm_of, vanishing
from cutaway.recording.insights.overfitting import OVER_FITTING, OverFitting
from cutaway.recording.insights.units import DEAD, SATURATION, dead_units, saturated_units
from cutaway.recording.insights.updates import STOPPED, TOO_LARGE, TOO_SMALL, stopped, too_large, too_small
from cutaway.recording.schema import Checkpoint, Insight, LayerSummary, Summary
from cutaway.recording.summary import WEIGHT_ROLES

RULES: tuple[tuple[Rule, Callable[[Moment], list[Finding]]], ...] = (
    (EXPLODING, exploding),
    (VANISHING, vanishing),
    (TOO_LARGE, too_large),
    (TOO_SMALL, too_small),
    (STOPPED, stopped),
    (DEAD, dead_units),
    (SATURATION, saturated_units),
)
"""What every checkpoint but the first is looked at with. An untrained network may look as it likes: half of its units
can be dead, and it may have layers that are zero on purpose."""


class Watcher:
    """Says what happens in a training. Keeps a few numbers a layer, whatever the number of checkpoints."""

    def __init__(
        self,
        network: Network,
        classes: Sequence[str] | None = None,
        labels: Sequence[int | None] | None = None,
    ) -> None:
        """`labels` are class indices of the recorded samples, None where not known."""
        self.network = network
        self.weighted = weighted_layers(network)
        self.hidden = tuple(node for node in network if node.kind != "input" and node.id not in network.outputs)
        multiplied = [node for node in network if node.kind == "multiply"]
        self.gates = frozenset(edge.layer for node in multiplied for edge in node.inputs)
        self.past = History()
        self.before: Checkpoint | None = None
        self.flips = Flips(classes, labels)
        self.over_fitting = OverFitting()
        self.said: dict[tuple[str, str, object], float] = {}

    def checkpoint(self, moment: Checkpoint, summary: Summary, outputs: np.ndarray | None = None) -> list[Insight]:
        """What is new at a checkpoint. `outputs` are the class scores [sample, class] where the network has such."""
        first = self.before is None
        seen = Moment(
            summary=summary,
            samples=len(outputs) if outputs is not None else len(self.flips.labels) or None,
            layers=self.network.layers,
            hidden=self.hidden,
            weighted=self.weighted,
            gates=self.gates,
            past=self.past,
        )
        self.remember(seen, moment)
        when = (moment.epoch, moment.step)
        broken = not_finite(seen)
        found = self.worth_saying(NOT_FINITE, broken, *when)
        # Among values that are not finite the others mean little.
        if not first and not broken:
            for rule, find in RULES:
                found += self.worth_saying(rule, find(seen), *when)
        self.past.gradient_norms.append(norm_of(seen.kernels("gradients").values()))
        if outputs is not None and outputs.ndim == 2:
            found += self.worth_saying(FLIPPING, self.flips.checkpoint(outputs), *when)
        return found

    def metrics(self, row: Mapping[str, float | None]) -> list[Insight]:
        """What is new in a row of metrics, which says its `step` or `epoch` itself."""
        epoch, step = row.get("epoch"), row.get("step")
        when = (epoch, None if step is None else int(step))
        return [
            *self.worth_saying(BROKEN_LOSS, broken_loss(row), *when),
            *self.worth_saying(OVER_FITTING, self.over_fitting.row(row), *when),
        ]

    def remember(self, seen: Moment, moment: Checkpoint) -> None:
        """Takes a checkpoint into the history: how it starts, and later how far each kernel moved."""
        before, self.before = self.before, moment
        if before is None:
            self.past.start_norms = {id: kernel.norm for id, kernel in seen.kernels("parameters").items()}
            maps = {id: layer for id, layer in seen.summary.layers.items() if layer.map_low}
            self.past.start_dead = {id: len(layer.dead) / len(layer.map_low) for id, layer in maps.items()}
        steps = None
        if before is not None and before.step is not None and moment.step is not None and moment.step > before.step:
            steps = moment.step - before.step
        self.past.newest = {}
        for layer in self.weighted:
            known = seen.of(layer) or LayerSummary()
            ratios = ((known.update_ratio, steps), (known.step_update_ratio, 1))
            if updates := [Update(ratio, over) for ratio, over in ratios if ratio is not None]:
                self.past.add(layer.id, updates)

    def worth_saying(
        self, rule: Rule, findings: Sequence[Finding], epoch: float | None, step: int | None
    ) -> list[Insight]:
        """The findings that are new, or clearly worse than when they were said."""
        told = []
        for found in findings:
            case = (rule.name, found.level, (found.layer, found.sample) if rule.each else None)
            if found.grade < self.said.get(case, -math.inf) + 1:
                continue
            self.said[case] = found.grade
            told.append(
                Insight(
                    rule=rule.name,
                    level=found.level,
                    text=found.text,
                    why=rule.why,
                    value=found.value if math.isfinite(found.value) else None,
                    layer=found.layer,
                    sample=found.sample,
                    epoch=epoch,
                    step=step,
                )
            )
        return told


def weighted_layers(network: Network) -> tuple[Layer, ...]:
    """Layers with trainable weights, each kernel once."""
    found: dict[str, Layer] = {}
    for layer in network:
        kernel = next((p for p in layer.parameters if p.role in WEIGHT_ROLES), None)
        if kernel is not None and kernel.trainable:
            found.setdefault(kernel.key, layer)
    return tuple(found.values())


def in_order(insights: Sequence[Insight]) -> list[Insight]:
    """By step (or else by epoch) where every one has it; otherwise as they came."""
    for field in ("step", "epoch"):
        if all(getattr(insight, field) is not None for insight in insights):
            return sorted(insights, key=operator.attrgetter(field))
    return list(insights)
