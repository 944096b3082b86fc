"""What the index of a recording must keep to, beyond having the right types."""

from __future__ import annotations

from collections.abc import Iterable

from cutaway.errors import RecordingError
from cutaway.network import Network
from cutaway.recording.schema import Index


def check_index(index: Index, where: str) -> None:
    """Raises RecordingError for an index that contradicts itself: unknown layers, doubled names, wrong counts."""
    problem = network_problem(index.network) or rest_problem(index)
    if problem:
        raise RecordingError(f"{where}: {problem}")


def network_problem(network: Network) -> str | None:
    """The first thing wrong with a network, in words; None when it holds together."""
    seen: set[str] = set()
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in network.layers:
        if layer.id in seen:
            return f"two layers are called {layer.id!r}; ids must be unique"
        for edge in layer.inputs:
            if edge.layer not in seen:
                return f"layer {layer.id!r} reads {edge.layer!r}, which is no layer before it"
        seen.add(layer.id)
        if layer.steps and len(layer.steps) != len(layer.fused):
            return f"layer {layer.id!r} has {len(layer.steps)} steps for {len(layer.fused)} fused operations"
        if any(size < 0 for shape in layer.output_shapes for size in shape):
            return f"layer {layer.id!r} has a negative size in its output shapes {list(layer.output_shapes)}"
        for parameter in layer.parameters:
            if any(size < 0 for size in parameter.shape):
                return f"layer {layer.id!r}: {parameter.role} has a negative size in {list(parameter.shape)}"
            if shapes.setdefault(parameter.key, parameter.shape) != parameter.shape:
                return f"parameter {parameter.key!r} has two shapes; layers that share it must agree"
        if len({parameter.role for parameter in layer.parameters}) < len(layer.parameters):
            return f"layer {layer.id!r} has one role twice"
    for id in (step for layer in network.layers for step in layer.steps):
        if id in seen:
            return f"the step {id!r} is called like another step or layer; names must be unique"
        seen.add(id)
    for id in (*network.inputs, *network.outputs):
        if id not in seen:
            return f"the network's input or output {id!r} is none of its layers"
    return None


def rest_problem(index: Index) -> str | None:
    """The first thing wrong with checkpoints and samples, in words."""
    numbers = [checkpoint.index for checkpoint in index.checkpoints]
    if repeated := first_repeated(numbers):
        return f"checkpoint {repeated[0]} is listed twice"
    if any(number < 0 or number > 999_999 for number in numbers):
        return "a checkpoint's index must be between 0 and 999999"
    samples = index.samples
    if samples.count < 0 or samples.count > 100_000:
        return f"says {samples.count} samples; between 0 and 100000 are possible"
    if samples.names and len(samples.names) != samples.count:
        return f"{len(samples.names)} names for {samples.count} samples"
    if samples.labels is not None and len(samples.labels) != samples.count:
        return f"{len(samples.labels)} labels for {samples.count} samples"
    return None


def first_repeated(values: Iterable[int]) -> list[int]:
    """The first value that comes a second time, in a list of one; [] when all differ."""
    seen: set[int] = set()
    for value in values:
        if value in seen:
            return [value]
        seen.add(value)
    return []
