"""Recording a training while it runs: one line in the loop, everything else in the background.

    loop's thread                                  background thread
    Recorder.step / .epoch                         Worker
      schedule.py   is this moment recorded?         adapter.load(snapshot), parameters, activations
      adapter.take  copies of the tensors   ──queue──▶ summary, insights ──▶ files ──▶ recording.json
      rows.py       numbers of this step    ──deque──▶ metrics.jsonl

recorder.py  `Recorder`, the loop's side; never waits for the disk
worker.py    the thread that writes, and the bounded queue before it
commit.py    one snapshot becomes one checkpoint of the recording
adapter.py   what the recorder needs of a framework: write one of these for another framework
torch.py     the adapter for PyTorch modules; torch_apart.py makes the private copy that the samples run through
keras_model.py  the adapter for Keras models; keras_chance.py keeps the random numbers of the training
schedule.py  `every`; thinning.py  `max_checkpoints`; ranks.py  one process of many records
run.py       the folder that is written to: new, continued, or replaced
callback.py  what the callbacks share: keras.py, lightning.py and transformers.py, which are imported when asked for
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cutaway.training import keras, lightning, transformers

CALLBACKS = ("keras", "lightning", "transformers")

__all__ = ["keras", "lightning", "transformers"]


def __getattr__(name: str) -> Any:
    if name not in CALLBACKS:
        raise AttributeError(f"module 'cutaway.training' has no attribute {name!r}")
    return import_module(f"cutaway.training.{name}")
