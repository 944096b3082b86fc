"""`cutaway.training.lightning.Callback`: records what a Lightning `Trainer` fits."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cutaway.errors import CutawayError
from cutaway.training.callback import Training

NAMES = ("lightning.pytorch", "pytorch_lightning")
"""Two packages of the same content; a trainer of either takes a callback of the other."""


def callback_class() -> Any:
    """The base class of that Lightning which the script has imported, or which is installed. Raises CutawayError."""
    there = [name for name in NAMES if sys.modules.get(name) is not None]
    there = there or [name for name in NAMES if find_spec(name.partition(".")[0]) is not None]
    if not there:
        raise CutawayError("Lightning is not installed: pip install lightning")
    return import_module(there[0]).Callback


Base: Any = callback_class()


class Callback(Base):  # type: ignore[misc]
    """Records a training into the folder `out`: Trainer(callbacks=[Callback("run", samples=x[:10])]).

    Each step has the loss that `training_step` returned; epochs and validations have what was logged with `self.log`.
    Steps are those of the optimiser, as in `trainer.global_step`.
    """

    def __init__(
        self, out: str | os.PathLike[str], samples: Any = None, *, module: str | None = None, **options: Any
    ) -> None:
        """samples and options: as in `cutaway.Recorder`.

        module: the part of the LightningModule that is recorded ("net"); without it, the module itself where it has a
        forward, or the only part of it that has parameters. Raises CutawayError for an option that there is not.
        """
        super().__init__()
        self.training = Training(out, {"samples": samples} | options)
        self.module = module
        self.before = 0
        """Steps that were recorded before this training, whose own count begins at 0."""
        self.logged: dict[str, Any] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Behind the sanity check; weights, step and epoch are those of the checkpoint where it goes on from one."""
        if not trainer.is_global_zero:
            return
        each = steps_per_epoch(trainer)
        step = int(trainer.global_step)
        counted = {"steps": step, "epochs": int(trainer.current_epoch)} if step else {}
        recorder = self.training.begin(part_of(pl_module, self.module), steps_per_epoch=each, **counted)
        self.before = recorder.steps - step
        self.logged = {}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        recorder, step = self.training.recorder, self.before + int(trainer.global_step)
        if recorder is None or step <= recorder.steps:  # gradients are still added up
            return
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        recorder.steps = step - 1
        recorder.step(**({} if loss is None else {"loss": loss}))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """What a validation in the midst of an epoch has found; at its end it is among the epoch's numbers."""
        if self.training.recorder is not None and not trainer.sanity_checking and not trainer.is_last_batch:
            self.training.recorder.log(**self.news(trainer))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.training.recorder is not None:
            self.training.recorder.epoch(**self.news(trainer))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.training.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self.training.end(final=isinstance(exception, KeyboardInterrupt))

    def news(self, trainer: Any) -> dict[str, Any]:
        """Metrics that were logged since the last time: Lightning shows old ones until there are new ones."""
        now = dict(trainer.callback_metrics)
        news = {name: value for name, value in now.items() if self.logged.get(name) is not value}
        self.logged = now
        return news


def steps_per_epoch(trainer: Any) -> int | None:
    """Steps of the optimiser in an epoch; None where the data have no length."""
    batches = trainer.num_training_batches
    return math.ceil(batches / trainer.accumulate_grad_batches) if math.isfinite(batches) else None


def part_of(pl_module: Any, name: str | None) -> Any:
    """The module that is recorded. Raises CutawayError where that can't be told, or there is no such part."""
    if name is not None:
        try:
            return pl_module.get_submodule(name)
        except AttributeError:
            parts = ", ".join(part for part, _ in pl_module.named_children())
            raise CutawayError(f"{type(pl_module).__name__} has no part {name!r}; it has {parts}") from None
    if is_defined(type(pl_module).forward):
        return pl_module
    found = {part: child for part, child in pl_module.named_children() if any(True for _ in child.parameters())}
    if len(found) == 1:
        return next(iter(found.values()))
    raise CutawayError(
        f"{type(pl_module).__name__} has no forward, so it is not clear what to record; name the part: "
        + (" or ".join(f"module={part!r}" for part in found) or "it has none with parameters yet")
    )


def is_defined(forward: Any) -> bool:
    """Whether a forward is the user's own and not Lightning's or PyTorch's, which only refuses."""
    return str(forward.__module__).partition(".")[0] not in ("lightning", "pytorch_lightning", "torch")
