"""What the recorder needs of a framework: an adapter.

The training's loop and the recorder's background thread share nothing but snapshots:

    loop's thread          snapshot = adapter.take(old_snapshot, gradients)      copies of the tensors, nothing else
    background thread      adapter.settle()                                      once, before all others
                           with adapter.reading():
                               adapter.load(snapshot)                            into a private copy of the model
                               adapter.source.parameters(0)                      canonical axes
                               adapter.source.activations(0, samples)            evaluation mode, on the private copy
                               adapter.gradients(snapshot)                       canonical axes

So an adapter has a `source` (an ordinary `cutaway.sources.Source`) over a copy of the model that nobody trains, and
knows how to bring the training model's numbers there. What holds for every adapter:

- It never touches the model that trains, except to read its tensors in `take`. What the private copy computes draws
  no random numbers of the training's, calls none of its hooks, and changes no global setting.
- Where that can't be had in another thread (a model that draws random numbers when it only runs), `background` is
  False: then the recorder does the part below `reading` in the loop's thread, at once, and `reading` puts random
  numbers back as they were.
- `take` gets a snapshot that is free again, or None, and may reuse its memory. It must not wait for an accelerator:
  start the copies, and let `load` wait for them. It raises CutawayError when the model is no longer the one that the
  recording began with.
- What `source.parameters` and `gradients` give needs to hold only until the next `load`.

`adapter_for` finds the adapter of a model; `Recorder` also takes an adapter in place of a model. A callback of a
framework builds its adapter, gives it to `Recorder`, and calls `step` and `epoch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from inspect import getmro
from typing import Any, Protocol

import numpy as np

from cutaway.errors import CutawayError
from cutaway.sources import How, Source

ADAPTERS = {
    "keras.src.models.model": ("Model", "cutaway.training.keras_model:KerasAdapter"),
    "torch.nn.modules.module": ("Module", "cutaway.training.torch:ModuleAdapter"),
}
"""Where a framework's base class is defined: its name, and the adapter, called with (model, how)."""


class Adapter(Protocol):
    """One model that is being trained. See the module's text for what has to hold."""

    source: Source
    """Network, inputs, name and what is complete; parameters and activations of the snapshot loaded last."""

    background: bool
    """Whether reading may happen in another thread than the training's."""

    has_gradients: bool
    """Whether the model holds gradients behind a step of its optimiser."""

    def take(self, into: Any | None, gradients: bool) -> Any:
        """A snapshot: parameters, whatever else activations depend on, and with `gradients` those held right now."""
        ...

    def load(self, snapshot: Any) -> None:
        """Brings a snapshot into the private copy; waits until its copies have arrived."""
        ...

    def gradients(self, snapshot: Any) -> Mapping[str, np.ndarray]:
        """Parameter key -> gradient in canonical axes, float32; {} where none were held."""
        ...

    def settle(self) -> None:
        """In the background thread, once: from here on what it computes leaves the training its processor cores."""
        ...

    def reading(self) -> AbstractContextManager[Any]:
        """Around everything that uses the private copy, in the thread that does."""
        ...


def adapter_for(model: Any, how: How) -> Adapter:
    """The adapter of a live model; an adapter itself is taken as it is. Raises CutawayError."""
    if all(hasattr(model, name) for name in ("source", "take", "load", "reading")):
        adapter: Adapter = model
        return adapter
    for base in getmro(type(model)):
        for home, (name, place) in ADAPTERS.items():
            if base.__name__ == name and (base.__module__ == home or base.__module__.startswith(home + ".")):
                module, _, maker = place.partition(":")
                made: Adapter = getattr(import_module(module), maker)(model, how)
                return made
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise CutawayError(f"a {kind} can't be recorded while it trains; give a torch.nn.Module or a Keras model")
