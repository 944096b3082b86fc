"""`cutaway.training.transformers.Callback`: records what a `Trainer` of Transformers trains on images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from cutaway.errors import CutawayError
from cutaway.training.callback import Training

try:
    Base: Any = import_module("transformers").TrainerCallback
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise
    raise CutawayError("Transformers is not installed: pip install transformers accelerate") from None

SPEEDS = ("runtime", "samples_per_second", "steps_per_second", "flos", "compilation_time", "preparation_time")
"""Ends of the names of numbers that tell about the machine."""


class Callback(Base):  # type: ignore[misc]
    """Records a training into the folder `out`: Trainer(…, callbacks=[Callback("run", samples=x[:10])]).

    Steps have what the Trainer logs (loss, grad_norm, learning_rate, every `logging_steps`). What it evaluates is
    called val_… instead of eval_….
    """

    def __init__(self, out: str | os.PathLike[str], samples: Any = None, **options: Any) -> None:
        """samples: arrays as the model takes them, also as {"pixel_values": …}, or whatever `cutaway.Recorder` takes.

        options: as in `cutaway.Recorder`. Raises CutawayError for one that there is not.
        """
        self.training = Training(out, {"samples": samples} | options)
        self.before = 0
        """Steps that were recorded before this training, whose own count begins at 0."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Weights, step and epoch are those of the checkpoint where it goes on from one."""
        if not state.is_world_process_zero:
            return
        each = max(1, round(state.max_steps / state.num_train_epochs)) if state.num_train_epochs else None
        step = int(state.global_step)
        counted = {"steps": step, "epochs": int(state.epoch or 0)} if step else {}
        recorder = self.training.begin(given["model"], steps_per_epoch=each, **counted)
        self.before = recorder.steps - step

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """A step is done, and its gradients are still there; the Trainer counts it a moment later."""
        if self.training.recorder is not None:
            self.training.recorder.step()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **given: Any) -> None:
        recorder = self.training.recorder
        found = {name: value for name, value in (logs or {}).items() if name != "epoch" and not name.endswith(SPEEDS)}
        if recorder is None or not found:
            return
        if any(name.startswith("eval_") for name in found):
            recorder.log(**{name.replace("eval_", "val_", 1): value for name, value in found.items()})
        else:
            recorder.log(step=self.before + int(state.global_step), **found)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        if self.training.recorder is not None:
            self.training.recorder.epoch()

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.training.end()
