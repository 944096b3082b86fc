"""`cutaway.training.keras.Callback`: records what `model.fit` trains, with any backend of Keras."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import Any

from cutaway.errors import CutawayError
from cutaway.sources.keras_live import the_keras
from cutaway.training.callback import Training

try:
    Base: Any = the_keras().callbacks.Callback
except ModuleNotFoundError:
    raise CutawayError('Keras is not installed: pip install "cutaway[keras]"') from None


class Callback(Base):  # type: ignore[misc]
    """Records a training into the folder `out`: model.fit(…, callbacks=[Callback("run", samples=x[:10])]).

    Another `fit` goes on in the same recording. Steps are counted where Keras waits for no callback, so that it still
    prepares the next step while an accelerator computes; their numbers are what Keras tells, means since the beginning
    of the epoch.
    """

    async_safe = True
    """Keras need not wait for a step's numbers before `on_train_batch_end`: it may call that from another thread."""

    def __init__(self, out: str | os.PathLike[str], samples: Any = None, **options: Any) -> None:
        """samples and options: as in `cutaway.Recorder`. Raises CutawayError for an option that there is not."""
        super().__init__()
        self.training = Training(out, {"samples": samples} | options)
        self.began = 0
        """Steps before the epoch that runs."""
        self.done = 0
        """Steps of the epoch that runs."""
        self.told: dict[int, Mapping[str, Any]] = {}
        """What Keras told of steps, by step."""
        self.awaited: deque[int] = deque()
        """Steps that are done, and have no row yet."""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """epoch: counted from 0. The first one of a `fit` begins the recording: here its number is known."""
        recorder = self.training.recorder
        if recorder is None:
            each = (self.params or {}).get("steps")
            counted = {"steps": epoch * each, "epochs": epoch} if epoch and each else {}
            recorder = self.training.begin(self.model, steps_per_epoch=each, **counted)
        self.began, self.done = recorder.steps, 0
        self.told.clear()
        self.awaited.clear()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """batch: steps of this epoch that are done; they are more than one apart with `steps_per_execution`."""
        self.reach(self.began + batch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """In whatever thread Keras likes; batch: the step that ended, counted from 0."""
        self.done = max(self.done, batch + 1)
        self.told[self.began + batch + 1] = dict(logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Behind the epoch's validation, whose numbers are among the logs."""
        self.reach(self.began + self.done)
        if self.training.recorder is not None:
            self.training.recorder.epoch(**dict(logs or {}))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.training.end()

    def reach(self, step: int) -> None:
        """So many steps are done. Their numbers come from other threads, in any order; they go on in that of steps."""
        recorder = self.training.recorder
        if recorder is None:
            return
        new = step > recorder.steps
        if new:
            self.awaited.append(step)
        while self.awaited and self.awaited[0] in self.told:
            known = self.awaited.popleft()
            recorder.log(step=known, **self.told.pop(known))
        if new:
            recorder.steps = step - 1
            recorder.step()
