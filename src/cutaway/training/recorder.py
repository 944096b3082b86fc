"""`Recorder`: one line in the loop."""

from __future__ import annotations

import atexit
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cutaway.errors import CutawayError
from cutaway.recording.amount import amount
from cutaway.recording.begin import Wish, begun
from cutaway.recording.recorder import index_of, part
from cutaway.recording.schema import Checkpoint
from cutaway.samples import Prepared, preprocessing, read_samples
from cutaway.samples.read import read_classes
from cutaway.sources import How
from cutaway.training.adapter import adapter_for
from cutaway.training.commit import Commit
from cutaway.training.page import open_viewer
from cutaway.training.ranks import rank
from cutaway.training.rows import Rows
from cutaway.training.run import Run
from cutaway.training.schedule import read_every
from cutaway.training.thinning import Thinning
from cutaway.training.worker import Job, Worker

if TYPE_CHECKING:
    from cutaway.server import Viewer

EXPECTED_CHECKPOINTS = 100
"""What the bytes of activations are reckoned with where nobody says how many checkpoints there may be."""


class Recorder:
    """Records a training into the folder `out` while it runs: before the first step, and then `every` so often.

        with cutaway.Recorder("run", model, samples=x[:10], labels=y[:10], every="epoch") as rec:
            for epoch in range(epochs):
                for x, y in loader:
                    ...
                    optimizer.step()
                    rec.step(loss=loss)
                rec.epoch(accuracy=accuracy)

    The loop waits for nothing but the copying of the model's tensors: the samples run through a private copy of the
    model in a background thread, which also writes. Where it is behind, checkpoints are left out and counted. The
    training stays what it would be without, bit for bit. An error of the recording is said once, and never raised into
    the loop.
    """

    def __init__(
        self,
        out: str | os.PathLike[str],
        model: Any,
        samples: Any = None,
        *,
        every: str | int = "epoch",
        max_checkpoints: int | None = None,
        gradients: bool = False,
        steps: int | None = None,
        epochs: int = 0,
        steps_per_epoch: int | None = None,
        layers: Any = None,
        count: int | None = None,
        labels: Any = None,
        classes: Any = None,
        size: Any = None,
        scale: Any = None,
        mean: Any = None,
        std: Any = None,
        layout: str | None = None,
        input: str | None = None,
        half: bool = False,
        name: str | None = None,
        resume: bool = True,
        overwrite: bool = False,
        show: bool = False,
    ) -> None:
        """model: a torch.nn.Module or Keras model, or an adapter (see `cutaway.training.adapter`).

        samples, count, labels, classes, size, scale, mean, std, layout, input, layers, half, name: as in `record`.
        every: "epoch", "2 epochs", "500 steps" (or 500), or "log": every step at first, then less and less often.
        max_checkpoints: thin them out to so many; the first, the last and those that changed most stay.
        gradients: also what `.grad` holds at each checkpoint, and how large that one step of the optimiser was.
        steps, epochs: how many the training has behind it when it goes on from a checkpoint of its own. What an earlier
            recording holds from behind that moment is taken away, as it is going to be made again.
        steps_per_epoch: for fractions of the first epoch; learnt from the first `epoch` otherwise.
        resume: go on behind the last checkpoint of an earlier recording of the same network and samples.
        overwrite: replace an earlier recording.
        show: open the viewer when the first checkpoint is there; `viewer` has its address.

        In data-parallel training only the process of rank 0 records; in the others nothing happens.
        Raises CutawayError for wrong arguments, a model that can't be watched, a folder that can't be written.
        """
        if min(steps or 0, epochs) < 0:
            raise CutawayError(f"steps and epochs must be at least 0, got {steps} and {epochs}")
        self.schedule = read_every(every)
        self.worker: Worker | None = None
        """None where nothing is recorded: in other processes than that of rank 0, and after `close`."""
        self.viewer: Viewer | None = None
        self.steps = steps or 0
        self.epochs = epochs
        if rank() != 0:
            return
        prepare = preprocessing(size, scale, mean, std, layout, input)
        told = read_classes(classes)
        given = None if samples is None else read_samples(samples, count=count, labels=labels, classes=told)
        shape = given.shape if given is not None and given.shape else None
        self.adapter = adapter_for(
            model, How(input=input, classes=told, size=prepare.size, layout=prepare.layout, sample_shape=shape)
        )
        source, ready, told = begun(self.adapter.source, Wish(given, count, None, told, prepare), {"input": input})
        if gradients and not self.adapter.has_gradients:
            raise CutawayError(f"gradients=True: {source.producer} keeps no gradients behind a step; leave it out")
        thinning = Thinning(source.network, max_checkpoints)
        expected = max_checkpoints or EXPECTED_CHECKPOINTS
        plan = amount(
            source.network,
            0 if ready is None else len(ready.images),
            expected,
            patterns=layers,
            counted=True,
            half=half,
        )
        if isinstance(ready, Prepared):
            ready = part(ready, 0, plan.samples, plan.layers)
        index = index_of(source, ready, told, name)
        self.gradients = gradients
        self.step_before: tuple[int, Any] = (-1, None)
        self.epoch_end: tuple[int, Any] = (-1, None)
        self.steps_per_epoch = steps_per_epoch
        self.run = Run(out)
        try:
            writer = self.run.begin(index, ready, resume=resume, overwrite=overwrite, until=steps)
            last = writer.index.checkpoints[-1] if writer.index.checkpoints else None
            if steps is None and last is not None:
                self.steps, self.epochs = last.step or 0, int(last.epoch or 0)
            self.epoch_began = min(steps, epochs * steps_per_epoch) if steps and steps_per_epoch else self.steps
            self.recorded_at = self.left_out_at = (-1, -1)  # as `here` tells it
            self.due = self.schedule.after_step(self.steps)
            self.rows = Rows(self.steps)
            self.commit = Commit(self.adapter, writer, ready, plan, thinning, half=half, before=self.run.before)
            self.worker = Worker(self.commit, self.rows, self.show if show else lambda: None, self.run.close)
        except BaseException:
            self.run.close()
            raise
        self.process = os.getpid()
        atexit.register(self.close)
        if last is None or (last.step or 0) < self.steps:
            self.record(keep=True)
        else:
            self.recorded_at = self.here()

    # --- in the loop -------------------------------------------------------------------------------------------------

    def step(self, **metrics: Any) -> None:
        """After a step of the optimiser. metrics: numbers, or tensors of one number, which are read later."""
        self.steps += 1
        if self.worker is None or self.worker.stopped:
            return
        if metrics:
            self.rows.add(self.steps, self.epoch_now(), metrics, is_step=True)
        if self.due is not None and self.steps >= self.due:
            self.due = self.schedule.after_step(self.steps)
            self.record()
        if self.gradients:
            self.take_ahead()

    def epoch(self, **metrics: Any) -> None:
        """After an epoch."""
        self.epochs += 1
        if self.worker is None or self.worker.stopped:
            return
        if self.steps > self.epoch_began:
            self.steps_per_epoch = self.steps - self.epoch_began
        self.epoch_began = self.steps
        if metrics:
            self.rows.add(self.step_now(), float(self.epochs), metrics, is_step=False)
        if self.schedule.at_epoch(self.epochs):
            self.record(newest_counts=True)

    def log(self, *, step: int | None = None, **metrics: Any) -> None:
        """Numbers of the training as it stands, without counting anything: those of a validation on the way.

        step: what they belong to, where they come late or are those of one step among many.
        """
        if self.worker is None or self.worker.stopped:
            return
        if step is None:
            self.rows.add(self.step_now(), self.epoch_now(), metrics, is_step=False)
        else:
            self.rows.add(step, self.epoch_at(step), metrics, is_step=True)

    def close(self, *, final: bool = True) -> None:
        """Waits until everything is written, and ends. `final`: records the last state first, where it is not yet."""
        worker = self.worker
        if worker is None or os.getpid() != self.process:  # a process forked off has no thread that writes
            return
        atexit.unregister(self.close)
        try:
            if final and self.recorded_at != self.here():
                worker.drain()
                worker.skipped -= self.left_out_at == self.here()
                self.record(keep=True)
        finally:
            self.worker = None
            worker.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close(final=kind is None or issubclass(kind, KeyboardInterrupt))

    # --- one moment --------------------------------------------------------------------------------------------------

    def record(self, *, newest_counts: bool = False, keep: bool = False) -> None:
        """Copies the model's tensors for the background, unless it is behind. Raises nothing."""
        worker = self.worker
        if worker is None or worker.stopped:
            return
        if not worker.room(newest_counts):
            self.left_out_at = self.here()
            return
        step_before = None
        if self.step_before[0] == self.steps - 1:
            step_before, self.step_before = self.step_before[1], (-1, None)
        try:
            if self.epoch_end[0] == self.steps:
                snapshot, self.epoch_end = self.epoch_end[1], (-1, None)
            else:
                snapshot = self.adapter.take(worker.memory(), self.gradients)
            content = None if self.adapter.background else self.commit.read(snapshot, step_before)
        except Exception as error:  # the training goes on, whatever it is
            worker.stop(error)
            return
        worker.give(Job(self.moment(), snapshot, step_before, content, keep))
        self.recorded_at = self.here()

    def take_ahead(self) -> None:
        """What is there for a moment only: the weights before a step that is recorded, so that it can be measured, and
        the gradients of an epoch's last step, which validations and some frameworks clear before the epoch ends."""
        worker, ends = self.worker, self.epoch_ends()
        if worker is None or worker.full:
            return
        try:
            if self.steps + 1 in (self.due, ends):
                self.step_before = (self.steps, self.adapter.take(self.step_before[1] or worker.memory(), False))
            elif self.steps == ends:
                self.epoch_end = (self.steps, self.adapter.take(self.epoch_end[1] or worker.memory(), True))
        except Exception as error:  # the training goes on, whatever it is
            worker.stop(error)

    def epoch_ends(self) -> int | None:
        """The last step of this epoch, if its end is recorded; None where its length is not known yet."""
        if self.steps_per_epoch is None or not self.schedule.at_epoch(self.epochs + 1):
            return None
        return self.epoch_began + self.steps_per_epoch

    def moment(self) -> Checkpoint:
        """Now, as the index tells it. Its number is given when it is written."""
        ended = self.schedule.unit == "epoch" and self.steps == self.epoch_began
        label = f"epoch {self.epochs}" if ended else f"step {self.steps}"
        return Checkpoint(index=0, label=label, epoch=self.epoch_now(), step=self.step_now())

    def here(self) -> tuple[int, int]:
        """Where the training stands: its steps, or its epochs in a loop that tells no steps."""
        return self.steps, 0 if self.steps else self.epochs

    def step_now(self) -> int | None:
        """Steps since the beginning; None for a loop that tells only its epochs."""
        return self.steps if self.steps or not self.epochs else None

    def epoch_now(self) -> float | None:
        """Epochs since the beginning, with the part of the one that runs; None where its length is not known yet."""
        return self.epoch_at(self.steps)

    def epoch_at(self, step: int) -> float | None:
        inside = step - self.epoch_began
        if not inside:
            return float(self.epochs)
        if not self.steps_per_epoch:
            return None
        return round(self.epochs + min(1.0, inside / self.steps_per_epoch), 6)  # that many digits fit a row

    def show(self) -> None:
        self.viewer = open_viewer(self.run.path)
