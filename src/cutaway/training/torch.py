"""The adapter for PyTorch modules: copies of their tensors in the loop, everything else on a private copy."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cutaway.errors import CutawayError, SourceError
from cutaway.sources import How
from cutaway.sources.torch_graph import canonical
from cutaway.sources.torch_live import ModuleSource, numpy, unwrapped
from cutaway.training.torch_apart import apart
from cutaway.training.torch_chance import Chance, kept

SPREAD = (
    "is spread over several processes (FSDP), each of which holds a part, and can't be recorded; "
    "DistributedDataParallel can"
)


class Snapshot:
    """Parameters and buffers by name, and gradients where wanted, in memory of their own; pinned for an accelerator."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.arriving: list[torch.cuda.Event] = []


class ModuleAdapter:
    """A module in training. Its private copy lives on the processor, so that an accelerator only trains."""

    has_gradients = True

    def __init__(self, module: nn.Module, how: How) -> None:
        """Raises SourceError for a module that can't be watched, or whose parameters are not all here."""
        self.module = unwrapped(module)
        self.name = type(self.module).__name__
        refuse_parts(self.module, self.name)
        chance = Chance()
        with kept() as drawn, chance:
            try:
                self.source, shared = watched(self.module, how, self.name, "cpu")
            except SourceError:
                place = next((p.device for p in self.module.parameters() if p.device.type != "cpu"), None)
                if place is None:
                    raise
                self.source, shared = watched(self.module, how, self.name, place)
        compiled = any(isinstance(part, torch.jit.ScriptModule) for part in self.module.modules())
        self.background = not (chance.drawn or any(drawn) or compiled or shared)
        self.source.apart = self.background
        if shared:
            self.source.notes[f"{', '.join(shared)} can't be copied, so samples run between two steps."] = None
        self.places: dict[str, Tensor] = dict(self.source.module.named_parameters())
        self.places |= dict(self.source.module.named_buffers())
        self.shapes = {name: p.shape for name, p in self.source.module.named_parameters()}

    def take(self, into: Any | None, gradients: bool) -> Snapshot:
        """Copies of all parameters and buffers as they are now. Raises CutawayError for a module with other ones."""
        snapshot: Snapshot = into or Snapshot()
        parameters = [(plain(name), p) for name, p in self.module.named_parameters()]
        if {name: p.shape for name, p in parameters} != self.shapes:
            raise CutawayError(f"{self.name} has other parameters than when the recording began; begin a new one")
        buffers = [(plain(name), buffer) for name, buffer in self.module.named_buffers()]
        with torch.no_grad():
            snapshot.tensors = filled(snapshot.tensors, [*parameters, *buffers])
            held = [(name, p.grad) for name, p in parameters if p.grad is not None] if gradients else []
            snapshot.gradients = filled(snapshot.gradients, held)
        snapshot.arriving = marked([p for _, p in parameters])
        return snapshot

    def load(self, snapshot: Snapshot) -> None:
        for event in snapshot.arriving:
            event.synchronize()
        with torch.no_grad():
            for name, tensor in snapshot.tensors.items():
                place = self.places.get(name)
                if place is not None and place.shape == tensor.shape:
                    place.copy_(tensor)

    def gradients(self, snapshot: Snapshot) -> Mapping[str, np.ndarray]:
        values = self.source.watch.program.values
        names = {key: (values[weight.value].name, weight) for key, weight in self.source.graph.weights.items()}
        return {
            key: canonical(numpy(snapshot.gradients[name]), weight)
            for key, (name, weight) in names.items()
            if name in snapshot.gradients
        }

    def settle(self) -> None:
        compute_on_one_core()

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self.background:
            with Chance(refuse=True):
                yield
        else:
            with kept():
                yield


def compute_on_one_core() -> None:
    """In this thread, and in no other.

    A second team of OpenMP's threads beside the training's would be more threads than cores: GNU's library then lets
    all of them sleep wherever they wait for each other, and a training of small layers took 1.6 times as long.
    """
    if "parallel backend: OpenMP" not in torch.__config__.parallel_info():
        return  # one pool, which all threads share
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    # That was this thread's number, and the one that threads begin with: those get theirs back.
    restoring = threading.Thread(target=torch.set_num_threads, args=(before,))
    restoring.start()
    restoring.join()


def watched(module: nn.Module, how: How, name: str, place: torch.device | str) -> tuple[ModuleSource, list[str]]:
    """A source over a private copy of the module, and what the copy shares with it."""
    copy, shared = apart(module, place)
    return ModuleSource(copy, how, name=name), shared


def filled(rooms: dict[str, Tensor], given: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Copies of the tensors, in the memory of earlier ones of the same name where they fit."""
    found = {}
    for name, tensor in given:
        tensor = tensor.detach()
        tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
        room = rooms.get(name)
        if room is None or room.shape != tensor.shape or room.dtype != tensor.dtype:
            room = torch.empty_like(tensor, device="cpu", pin_memory=tensor.device.type == "cuda")
        found[name] = room.copy_(tensor, non_blocking=room.is_pinned() if tensor.device.type == "cuda" else False)
    return found


def marked(tensors: Iterable[Tensor]) -> list[torch.cuda.Event]:
    """What happens on the accelerators behind all copies that were started."""
    devices = {tensor.device for tensor in tensors if tensor.device.type == "cuda"}
    return [torch.cuda.current_stream(device).record_event() for device in devices]


def plain(name: str) -> str:
    """A tensor's name without what `torch.compile` puts before those of compiled parts."""
    return name.replace("_orig_mod.", "")


def refuse_parts(module: nn.Module, name: str) -> None:
    """Raises SourceError where parameters have no values yet, or are spread over processes."""
    for path, parameter in module.named_parameters():
        if isinstance(parameter, nn.UninitializedParameter) or parameter.is_meta:
            raise SourceError(f"{name}: {path} has no values yet; run the module once before it is recorded")
        if hasattr(parameter, "full_tensor"):
            raise SourceError(f"{name}: {path} {SPREAD}")
    if any(type(part).__name__ == "FullyShardedDataParallel" for part in module.modules()):
        raise SourceError(f"{name} {SPREAD}")
