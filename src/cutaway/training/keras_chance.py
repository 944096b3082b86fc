"""Random numbers and names that a Keras training draws next, kept as they are while something else is made."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

GENERATOR = "global_seed_generator"
NAMES = "object_name_uids"


@contextmanager
def kept(backend: str) -> Iterator[list[bool]]:
    """What is drawn behind the block is what would have been drawn without it; so are names that Keras counts.

    Keras's own generator belongs to the thread, so in another one than the training's it is another.
    The list says behind the block whether random numbers were drawn in it.
    """
    state = import_module("keras.src.backend.common.global_state")
    generator = state.get_global_attribute(GENERATOR)
    names = copy.copy(state.get_global_attribute(NAMES))
    before, seed = states(backend), seed_of(generator)
    drawn: list[bool] = []
    try:
        yield drawn
        now = state.get_global_attribute(GENERATOR)
        drawn.append(states(backend) != before or now is not generator or seed_of(now) != seed)
    finally:
        state.set_global_attribute(GENERATOR, generator)
        state.set_global_attribute(NAMES, names)
        if generator is not None and seed_of(generator) != seed:
            generator.state.assign(seed)
        put_back(backend, before)


def seed_of(generator: Any) -> list[int] | None:
    """Where a `keras.random.SeedGenerator` stands."""
    if generator is None:
        return None
    keras = import_module("keras")
    return [int(one) for one in keras.ops.convert_to_numpy(generator.state.value)]


def states(backend: str) -> tuple[Any, ...]:
    """Where Python's, NumPy's and the backend's random numbers stand."""
    numpy: Any = np.random.get_state()  # noqa: NPY002 (the numbers that models draw)
    kind, key, *more = numpy
    own: Any = None
    if backend == "torch":
        own = import_module("torch").get_rng_state().numpy().tobytes()
    elif backend == "tensorflow" and (numbers := tensorflows()) is not None:
        own = numbers.getstate()
    return random.getstate(), (kind, key.tobytes(), *more), own


def put_back(backend: str, before: tuple[Any, ...]) -> None:
    python, (kind, key, *more), own = before
    random.setstate(python)
    np.random.set_state((kind, np.frombuffer(key, np.uint32), *more))  # noqa: NPY002
    if own is not None and backend == "torch":
        torch = import_module("torch")
        torch.set_rng_state(torch.frombuffer(bytearray(own), dtype=torch.uint8))
    elif own is not None and (numbers := tensorflows()) is not None:
        numbers.setstate(own)


def tensorflows() -> random.Random | None:
    """What TensorFlow draws the seeds of its operations from, once `tf.random.set_seed` was called."""
    numbers = getattr(import_module("tensorflow.python.eager.context").context(), "_rng", None)
    return numbers if isinstance(numbers, random.Random) else None
