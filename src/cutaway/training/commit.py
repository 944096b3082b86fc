"""One snapshot of a training becomes one checkpoint of its recording."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cutaway.network import Network
from cutaway.recording import recorder, store
from cutaway.recording.activations import Activations
from cutaway.recording.amount import Amount
from cutaway.recording.insights import Watcher
from cutaway.recording.metrics import Row, sample_scores
from cutaway.recording.schema import Checkpoint, Completeness, Insight
from cutaway.recording.statistics import relative_change
from cutaway.recording.store import Recording
from cutaway.recording.summary import WEIGHT_ROLES, class_scores, kernel_key, summarise
from cutaway.recording.writer import Writer, explained, insight_line, metrics_line
from cutaway.samples import Prepared
from cutaway.training.adapter import Adapter
from cutaway.training.thinning import Thinning

Arrays = Mapping[str, np.ndarray]


class Content(NamedTuple):
    """What a checkpoint holds. `activations` lie in a file where they are many."""

    parameters: Arrays
    gradients: Arrays
    activations: Arrays | Activations
    kernels_before_step: Arrays
    """Kernels one step of the optimiser earlier, where they were recorded."""

    def discard(self) -> None:
        """Takes away what lies in a file, where it is not going to be a checkpoint."""
        if isinstance(self.activations, Activations):
            self.activations.close()


class Commit:
    """Reads snapshots through the adapter and adds them to the recording, one after the other."""

    def __init__(
        self,
        adapter: Adapter,
        writer: Writer,
        samples: Any,
        plan: Amount,
        thinning: Thinning,
        *,
        half: bool,
        before: Recording | None = None,
    ) -> None:
        """samples: ready for the adapter's source; `before`: the recording that is continued."""
        self.adapter = adapter
        self.writer = writer
        self.samples = samples
        self.wanted = plan.layers
        self.thinning = thinning
        self.half = half
        self.notes = plan.notes
        self.before = before
        self.watcher = Watcher(adapter.source.network, writer.index.classes, writer.index.samples.labels)
        self.number = max((checkpoint.index for checkpoint in writer.index.checkpoints), default=-1) + 1
        self.kernels_before: Arrays | None = None
        self.files = itertools.count()

    def read(self, snapshot: Any, step_before: Any | None, breathe: Callable[[], object] = lambda: None) -> Content:
        """All that a snapshot holds and computes; `step_before` is one of the step before it.

        `breathe` is called between two pieces of the work. Raises CutawayError, and whatever the model raises.
        """
        adapter, source = self.adapter, self.adapter.source
        with adapter.reading():
            earlier: Arrays = {}
            if step_before is not None:
                adapter.load(step_before)
                earlier = kernels_of(source.network, recorder.checked_parameters(source, 0))
            adapter.load(snapshot)
            parameters = recorder.checked_parameters(source, 0)
            pieces = recorder.pieces_of(source, self.samples)
            if len(pieces) == 1:
                activations: Arrays | Activations = self.piece(pieces[0])
            else:
                count = 0 if self.samples is None else len(self.samples.images)
                activations = Activations(self.writer.folder / f".activations{next(self.files)}.partial", count)
                for piece in pieces:
                    values = self.piece(piece)
                    with explained(self.writer.run):
                        activations.put(piece.start, values)
                    breathe()
            if not adapter.background:  # the private copy is used again before this is written
                parameters = {key: np.array(values) for key, values in parameters.items()}
        return Content(parameters, adapter.gradients(snapshot), activations, earlier)

    def piece(self, samples: range) -> Arrays:
        """Activations of some of the samples."""
        some = self.samples
        if isinstance(some, Prepared):
            some = recorder.part(some, samples.start, samples.stop, self.wanted)
        return recorder.checked_activations(self.adapter.source, 0, some, self.wanted)

    def write(self, moment: Checkpoint, content: Content, skipped: int) -> None:
        """Adds a checkpoint, which readers see when this returns. Its index is the next one, whatever `moment` says.

        skipped: how many checkpoints were left out until now. Raises RecordingError.
        """
        network, writer = self.adapter.source.network, self.writer
        moment = msgspec.structs.replace(moment, index=self.number)
        parameters, gradients, activations, earlier = content
        rows = sample_scores(writer.index, moment, activations)
        updates = step_updates(network, parameters, earlier)
        summary = summarise(network, parameters, activations, self.kernels_before, gradients, updates)
        insights = self.watcher.checkpoint(moment, summary, class_scores(network, activations))
        self.kernels_before = kernels_of(network, parameters)
        dropped = self.thinning.add(moment, parameters)
        if self.half:
            parameters, gradients, activations = self.halved(parameters, gradients, activations)
        writer.add_checkpoint(moment, parameters, activations, summary, gradients)
        if dropped is not None:
            writer.drop_checkpoint(dropped)
        self.write_rows(rows)
        self.write_insights(insights)
        writer.index = msgspec.structs.replace(writer.index, completeness=self.completeness(skipped, bool(activations)))
        writer.write_index()
        self.number += 1

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Appends rows of metrics, and what they tell about the training. Raises RecordingError."""
        if rows:
            self.writer.append(store.METRICS_KEY, map(metrics_line, rows))
            self.write_insights([insight for row in rows for insight in self.watcher.metrics(row)])

    def write_insights(self, insights: Sequence[Insight]) -> None:
        if insights:
            self.writer.append(store.INSIGHTS_KEY, map(insight_line, insights))

    def catch_up(self) -> None:
        """What is to be known of what was recorded earlier: kernels to compare with, and what was said already."""
        before, self.before = self.before, None
        if before is None:
            return
        last = len(before.checkpoints) - 1
        for position, moment in enumerate(before.checkpoints):
            summary = before.summary(position)
            known = [[np.nan if one is None else one for one in row] for row in summary.scores or ()]
            self.watcher.checkpoint(moment, summary, np.array(known) if known else None)
            if position == last or self.thinning.most:
                self.kernels_before = kernels_in(before, position)
                gone = self.thinning.add(moment, self.kernels_before)
                if gone is not None:
                    self.writer.drop_checkpoint(gone)
        for row in before.metrics():
            self.watcher.metrics(row)

    def halved(self, parameters: Arrays, gradients: Arrays, activations: Any) -> tuple[Arrays, Arrays, Any]:
        """The same as 16-bit floats where that does no harm: see `recorder.half_of`."""
        parameters, gradients = (
            {key: values.astype(recorder.half_of([values[None]])) for key, values in arrays.items()}
            for arrays in (parameters, gradients)
        )
        if recorder.half_of(activations.values()) is np.float16:
            if isinstance(activations, Activations):
                with explained(self.writer.run):
                    activations.convert(np.float16)
            else:
                activations = {id: values.astype(np.float16) for id, values in activations.items()}
        return parameters, gradients, activations

    def completeness(self, skipped: int, activations: bool) -> Completeness:
        """What is in the recording, from what the source knows by now."""
        notes = list(self.notes)
        if skipped:
            what = "1 checkpoint was" if skipped == 1 else f"{skipped} checkpoints were"
            notes.append(f"{what} left out, as the training went on faster than they could be written.")
        index = recorder.finish(self.writer.index, self.adapter.source.completeness, self.half, notes, activations)
        return index.completeness


def kernels_of(network: Network, parameters: Arrays) -> Arrays:
    """Copies of the weights among the parameters, by key."""
    keys = {p.key for layer in network for p in layer.parameters if p.role in WEIGHT_ROLES}
    return {key: np.array(parameters[key]) for key in keys if key in parameters}


def kernels_in(recording: Recording, position: int) -> Arrays:
    """The weights among the parameters of a recorded checkpoint, by key."""
    return {
        p.key: recording.parameters(layer.id, p.role, position)
        for layer in recording.network
        for p in layer.parameters
        if p.role in WEIGHT_ROLES
    }


def step_updates(network: Network, parameters: Arrays, earlier: Arrays) -> dict[str, float]:
    """Kernel's key -> ‖Δw‖ / ‖w‖ of the step between the two."""
    found = {}
    for key in map(kernel_key, network):
        ratio = relative_change(earlier[key], parameters[key]) if key is not None and key in earlier else None
        if key is not None and ratio is not None:
            found[key] = ratio
    return found
