"""A live PyTorch module as a source: the framework computes, and what it computed is recorded."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cutaway.errors import SourceError
from cutaway.network import Layer, Network
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, InputSpec
from cutaway.sources.torch_examples import examples
from cutaway.sources.torch_graph import Graph, build, canonical
from cutaway.sources.torch_trace import Watch, forward
from cutaway.sources.torch_weights import Weights, fill, read_weights

CLOSE = 1e-3
"""How far a sample alone may be from the same sample among others, as a share of the largest output."""


class ModuleSource:
    """The network as one forward pass shows it; samples run through the module itself, in evaluation mode.

    Whatever is asked, the module is afterwards as it was: training mode, buffers, gradients, hooks, random numbers.
    """

    samples = None
    apart = False
    """Whether forward passes leave alone what other threads see: see `torch_trace.watching`."""

    def __init__(
        self,
        module: nn.Module,
        how: How,
        *,
        name: str | None = None,
        weights: Weights | None = None,
    ) -> None:
        """weights: what is put into the module when it is asked; None: the module as it is."""
        self.module = unwrapped(module)
        self.how = how
        self.name = name or type(self.module).__name__
        self.producer = f"torch {torch.__version__.split('+')[0]}"
        self.classes = how.classes
        self.weights = weights
        self.notes: dict[str, None] = {}
        self.loaded: list[Weights | None] = [None]
        self.load()
        watch, self.specs = examples(self.module, how)
        self.graph = checked(build(watch.program), watch, self.name)
        self.layers = {layer.id: layer for layer in self.network}
        self.watch = watch
        self.ready = bool(watch.kept)
        """Whether the watch still has what the first sample gave."""
        self.one_by_one = watch.decides or not self.batched(watch)
        self.compared = all(map(by_sample, self.network))
        self.notes |= dict.fromkeys(told(watch, self.graph))

    @property
    def network(self) -> Network:
        return self.graph.network

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return self.specs

    @property
    def checkpoints(self) -> Sequence[Checkpoint]:
        return [self.weights.checkpoint if self.weights is not None else Checkpoint(index=0, label="as it is")]

    @property
    def completeness(self) -> Completeness:
        from cutaway.execute import unsupported

        return Completeness(runnable=not unsupported(self.network), notes=tuple(self.notes))

    def metrics(self) -> Sequence[Mapping[str, float]]:
        return ()

    def with_weights(self, path: Path) -> ModuleSource:
        """The same module with the weights of another checkpoint; they share the module, and load it by turns."""
        again = copy.copy(self)
        again.weights = read_weights(path, self.how)
        again.ready = False
        return again

    def load(self) -> None:
        """Puts this source's weights into the module; does nothing where they are in it."""
        if self.weights is not None and self.loaded[0] is not self.weights:
            self.notes |= dict.fromkeys(fill(self.module, self.weights))
            self.loaded[0] = self.weights

    # --- numbers -----------------------------------------------------------------------------------------------------

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        self.load()
        values = self.watch.program.values
        weights = self.graph.weights
        if any(values[weight.value].origin != "parameter" for weight in weights.values()):
            # Weights that the model itself makes from others (weight norm): they are made in a forward pass.
            values = self.again(self.example(), details=True).program.values
        return {key: canonical(numpy(values[weight.value].data), weight) for key, weight in weights.items()}

    def activations(self, checkpoint: int, samples: Any) -> Mapping[str, np.ndarray]:
        """All samples in one pass, or one by one where the model's path or its shapes depend on the sample."""
        self.load()
        wanted = getattr(samples, "wanted", None)
        layers = [layer.id for layer in self.network if wanted is None or layer.id in wanted]
        given = self.tensors(samples)
        count = len(next(iter(given.values())))
        if not self.one_by_one and count > 1:
            together = self.together(layers, given, count)
            if together is not None:
                return together
            self.one_by_one = True
        rows = [
            self.alone(layers, {name: t[at : at + 1] for name, t in given.items()}, position(samples, at))
            for at in range(count)
        ]
        if count == 1:
            return {id: values[None] for id, values in rows[0].items()}
        return {id: np.stack([row[id] for row in rows]) for id in layers}

    def together(self, layers: Sequence[str], given: Mapping[str, Tensor], count: int) -> dict[str, np.ndarray] | None:
        """One pass for all samples; None where that is not what each of them alone would give."""
        try:
            watch = self.again(given, layers)
        except Exception:  # whatever a model raises that takes one sample at a time
            return None
        if watch.path != self.watch.path:
            return None
        found = {}
        for id in layers:
            value, layer = self.value(watch, id), self.layers[id]
            if layer.kind == "constant" and value is not None and value.numel() == math.prod(layer.output_shape):
                value = value.reshape(layer.output_shape).expand(count, *layer.output_shape)
            if value is None or value.shape[:1] != (count,):
                return None
            found[id] = value
        if not self.compared:
            alone = self.again({name: tensor[:1] for name, tensor in given.items()}, layers)
            self.compared = True
            last = self.network.outputs
            for id in [id for id in last if id in found]:
                one = self.value(alone, id)
                if one is None or not close(numpy(one)[0], numpy(found[id])[0]):
                    return None
        return {id: numpy(value) for id, value in found.items()}

    def alone(self, layers: Sequence[str], given: Mapping[str, Tensor], name: str) -> dict[str, np.ndarray]:
        """One sample. Where it takes another path than the first one did, layers that it leaves out are NaN."""
        watch = self.first(given) or self.again(given, layers)
        graph = self.graph
        if watch.path != self.watch.path:
            watch = self.again(given, details=True)
            graph = build(watch.program)
            recorded = frozenset(graph.recorded[id][0] for id in layers if id in graph.recorded)
            watch = forward(self.module, given, recorded, apart=self.apart)
            self.notes[other_path(name, self.graph, graph)] = None
        row = {}
        for id in layers:
            shape = self.layers[id].output_shape
            value = self.value(watch, id, graph)
            if value is not None and value.shape[:1] == (1,) and tuple(value.shape[1:]) == shape:
                row[id] = numpy(value)[0]
            elif value is not None and tuple(value.shape) == shape:
                row[id] = numpy(value)
            else:
                row[id] = np.full(shape, np.nan, np.float32)
        return row

    def first(self, given: Mapping[str, Tensor]) -> Watch | None:
        """The pass that showed the graph, the first time that its sample is asked for. Its outputs are let go then."""
        if not self.ready:
            return None
        watch = self.watch
        self.ready, self.watch = False, watch.without_outputs()
        ran = [watch.kept[number][0] for number in watch.program.inputs]
        same = all(torch.equal(one, other) for one, other in zip(ran, given.values(), strict=True))
        return watch if same else None

    def again(self, given: Mapping[str, Tensor], layers: Sequence[str] = (), *, details: bool = False) -> Watch:
        wanted = frozenset(self.graph.recorded[id][0] for id in layers)
        return forward(self.module, given, wanted, details=details, apart=self.apart)

    def value(self, watch: Watch, id: str, graph: Graph | None = None) -> Tensor | None:
        """What a layer put out; None where it did not run, or was overwritten unseen."""
        numbers = (graph or self.graph).recorded.get(id)
        tensor, version = watch.kept.get(numbers[0], (None, 0)) if numbers else (None, 0)
        if tensor is not None and tensor._version != version:
            self.notes[f"{id} was changed in place on its way, by code that can't be watched: not recorded."] = None
            return None
        return tensor

    def tensors(self, samples: Any) -> dict[str, Tensor]:
        """What the module takes, in its order: the prepared samples, on the module's device, in its precision."""
        place, precision = place_of(self.module)
        given: Mapping[str, np.ndarray] = getattr(samples, "inputs", {})
        count = len(next(iter(given.values()), samples.images))
        found = {}
        for spec in self.specs:
            shape = tuple(size or 1 for size in spec.shape)
            array = given.get(spec.name)
            if array is None:
                array = np.zeros((count, *shape), np.dtype(spec.dtype) if spec.dtype != "bfloat16" else np.float32)
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            found[spec.name] = tensor.to(place, precision if tensor.is_floating_point() else None)
        return found

    def example(self) -> dict[str, Tensor]:
        values = self.watch.program.values
        place, precision = place_of(self.module)
        found = {}
        for number in self.watch.program.inputs:
            kind = getattr(torch, values[number].dtype)
            found[values[number].name] = torch.zeros(
                values[number].shape, dtype=precision if kind.is_floating_point else kind, device=place
            )
        return found

    def batched(self, watch: Watch) -> bool:
        """Whether the first axis of everything that is recorded is that of the samples."""
        layers = [layer for layer in self.graph.network if layer.kind != "constant"]
        firsts = [self.graph.recorded[layer.id][0] for layer in layers]
        return all(watch.program.values[number].shape[:1] == (1,) for number in firsts)


def by_sample(layer: Layer) -> bool:
    """Whether what a layer computes for one sample surely depends on no other sample of the batch."""
    known = layer.kind not in ("attention", "recurrent") and not layer.attributes.extra.get("batch_statistics")
    return known and (layer.kind != "other" or "name" in layer.attributes.extra)


def unwrapped(module: nn.Module) -> nn.Module:
    """The user's own module behind `torch.compile`, DataParallel and DistributedDataParallel."""
    for _ in range(4):
        inner = getattr(module, "_orig_mod", None)
        if inner is None and type(module).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = getattr(module, "module", None)
        if not isinstance(inner, nn.Module):
            break
        module = inner
    return module


def place_of(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a module lives, and the precision that it computes in."""
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def numpy(tensor: Any) -> np.ndarray:
    """float32 where it is a number of any kind."""
    if not isinstance(tensor, Tensor):
        return np.asarray(tensor, np.float32)
    return np.asarray(tensor.detach().to("cpu", torch.float32).contiguous().numpy())


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Within a small share of the largest magnitude; NaN equals NaN."""
    finite = np.abs(one[np.isfinite(one)])
    return bool(np.allclose(one, other, rtol=CLOSE, atol=CLOSE * float(finite.max(initial=0.0)), equal_nan=True))


def position(samples: Any, at: int) -> str:
    names = getattr(samples, "names", ())
    return str(names[at]) if at < len(names) else f"sample {at}"


def checked(graph: Graph, watch: Watch, name: str) -> Graph:
    """Raises SourceError when what comes out does not depend on what goes in."""
    outputs = watch.program.outputs
    if not outputs:
        raise SourceError(f"{name}: its forward returns no tensor; return the outputs, also in a tuple, list or dict")
    if not watch.data.intersection(outputs):
        raise SourceError(
            f"{name}: what it returns does not depend on its input, as far as PyTorch sees; does it leave PyTorch on "
            "its way (numpy, another library)?"
        )
    return graph


def told(watch: Watch, graph: Graph) -> list[str]:
    """What a person should know about this network, in words."""
    notes = []
    if watch.decides:
        notes.append("The model decides by values which way it goes; this is the way of the first sample.")
    if watch.leaves:
        notes.append("The model leaves PyTorch on its way; what it computes there is not seen.")
    values = watch.program.values
    used = {name for weight in graph.weights.values() for name in values[weight.value].name.split("+")}
    idle = [(name, p.numel()) for name, p in watch.model.named_parameters() if name not in used]
    if idle:
        some = ", ".join(name for name, _ in idle[:3]) + (", …" if len(idle) > 3 else "")
        total = sum(count for _, count in idle)
        notes.append(f"{total:,} parameters take no part when the model only runs, and are left out: {some}.")
    return notes


def other_path(name: str, first: Graph, graph: Graph) -> str:
    """How the path of a sample differs from that of the first one, in words."""
    without = [id for id in first.recorded if id not in graph.recorded]
    besides = [id for id in graph.recorded if id not in first.recorded]
    parts = [f"without {', '.join(without[:4])}"] if without else []
    parts += [f"through {', '.join(besides[:4])}"] if besides else []
    how = " and ".join(parts) or "with the same layers in another order"
    return f"{name} takes another path through the network than the first sample: {how}."


def forward_names(module: nn.Module) -> list[tuple[str, bool]]:
    """(name, required) of the arguments of a module's forward."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return [("input", True)]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p for p in signature.parameters.values() if p.kind in kinds]
    return [(p.name, p.default is p.empty) for p in named] or [("input", True)]
