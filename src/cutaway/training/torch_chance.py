"""Random numbers: whether a model draws them when it only runs, and keeping the training's own as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cutaway.errors import CutawayError

SEED = 0


class Chance(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees whether an operation draws random numbers, in this thread, while the block lasts."""

    def __init__(self, *, refuse: bool = False) -> None:
        """refuse: raise CutawayError before it draws, as another thread's numbers would change."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.refuse = refuse
        self.drawn = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and draws(func, args, kwargs):
            if self.refuse:
                raise CutawayError(f"{func} draws random numbers, which the model did not do when the recording began")
            self.drawn = True
        return func(*args, **kwargs)


def draws(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Operations that may drop something draw nothing where they drop nothing."""
    names = [argument.name for argument in func._schema.arguments]
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    if "dropout_p" in names:
        return bool(given.get("dropout_p", 0.0))
    for name in ("train", "training"):
        if name in names:
            return bool(given.get(name, False))
    return True


@contextmanager
def kept() -> Iterator[list[bool]]:
    """Random numbers of Python, NumPy and PyTorch go on behind the block as if it had not been; inside, from a seed.

    The list says behind the block whether Python's or NumPy's were drawn.
    """
    drawn: list[bool] = []
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 (the numbers that models draw)
    devices = range(torch.cuda.device_count()) if torch.cuda._initialized else []
    with torch.random.fork_rng(devices=devices):
        try:
            random.seed(SEED)
            np.random.seed(SEED)  # noqa: NPY002
            torch.default_generator.manual_seed(SEED)
            inside = others()
            yield drawn
            drawn.append(others() != inside)
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002


def others() -> tuple[Any, ...]:
    """Where Python's and NumPy's random numbers stand."""
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return random.getstate(), state["key"].tobytes(), state["pos"]
