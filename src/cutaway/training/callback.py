"""What the callbacks of all frameworks share: a `Recorder` that begins and ends with the training."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutaway.errors import CutawayError
from cutaway.training.recorder import Recorder
from cutaway.training.schedule import read_every

OPEN: dict[Path, Recorder] = {}
"""Recorders of trainings that have not told their end, by folder: one that raised, and is begun again in a notebook,
finds its folder free."""

COUNTED = ("out", "model", "steps", "epochs", "steps_per_epoch")
"""Arguments of `Recorder` that the callbacks know themselves."""


class Training:
    """One callback's recording. A second training of the same callback goes on where the first one ended."""

    def __init__(self, out: str | os.PathLike[str], options: Mapping[str, Any]) -> None:
        """options: as `Recorder` takes them. Raises CutawayError for one that there is not."""
        self.path = Path(os.path.realpath(Path(out).expanduser()))
        self.options = dict(options)
        self.recorder: Recorder | None = None
        known = [name for name in inspect.signature(Recorder).parameters if name not in COUNTED]
        for name in options:
            if name not in known:
                raise CutawayError(f"a callback has no option {name!r}; it has {', '.join(known)}")
        read_every(options.get("every", "epoch"))

    def begin(self, model: Any, **counted: Any) -> Recorder:
        """A recorder of the model; counted: steps, epochs and steps_per_epoch as far as they are known."""
        earlier = OPEN.pop(self.path, None)
        if earlier is not None:
            earlier.close(final=False)
        self.recorder = OPEN[self.path] = Recorder(self.path, model, **self.options, **counted)
        self.options |= {"resume": True, "overwrite": False}
        return self.recorder

    def end(self, *, final: bool = True) -> None:
        """The training is over; `final`: in good order, so that the last state counts."""
        if self.recorder is not None:
            OPEN.pop(self.path, None)
            self.recorder.close(final=final)
            self.recorder = None
