"""Cutaway opens a convolutional neural network and shows it at work, in 3D, in the browser.

The way the data flows:

    model, checkpoints ──▶ open_source() ──▶ Source ──▶ record() ──▶ Recording ──▶ show()
                                                                        ▲
                        a training loop ──▶ Recorder, step after step ──┤
                                            a folder or a URL ──▶ open() ┘

A *Source* is anything that can tell its network (a graph of layers), its parameters at a checkpoint and its
activations for a few samples. `record` asks it and writes a *Recording*: a folder of JSON and safetensors that any
tool can read; a `Recorder` writes one while a network is being trained. `open` reads a recording from a folder or over
HTTP, never more of it than is asked for, and `show` puts one in front of you in the browser.

    import cutaway

    source = cutaway.open_source("nn-visualizer-export/")
    recording = cutaway.record(source, out="run/")
    recording.parameters("conv1", "kernel", -1)      # float32 [O, I, kH, kW] of the last checkpoint
    recording.activations("conv1", -1, sample=0)     # float32 [C, H, W]
    cutaway.show(recording)

Everything raised on purpose is a `CutawayError` with one line of text: what, where, and what to do. Importing this
package loads no framework, and no numerical code before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cutaway.errors import CutawayError

if TYPE_CHECKING:
    from cutaway import training
    from cutaway.recording.recorder import record
    from cutaway.recording.store import Recording, open
    from cutaway.server import show
    from cutaway.sources import open_source
    from cutaway.training.recorder import Recorder

__version__ = "0.1.0"

__all__ = ["CutawayError", "Recorder", "Recording", "__version__", "open", "open_source", "record", "show", "training"]

HOMES = {
    "Recorder": "cutaway.training.recorder",
    "Recording": "cutaway.recording.store",
    "open": "cutaway.recording.store",
    "record": "cutaway.recording.recorder",
    "open_source": "cutaway.sources",
    "show": "cutaway.server",
}


def __getattr__(name: str) -> Any:
    """Public names are imported from their homes on first use, so that `import cutaway` stays instant."""
    if name == "training":  # its callbacks: cutaway.training.keras.Callback, …
        return import_module("cutaway.training")
    if name not in HOMES:
        raise AttributeError(f"module 'cutaway' has no attribute {name!r}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
