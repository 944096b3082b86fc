"""What fused layers put out on the way: a convolution before its batch norm, the batch norm before the activation.

A layer whose norm and activation are fused is recorded with one output, behind all of it. On request the outputs before
each step are recorded as well, under the names in `Layer.steps`. They are computed here, step by step, from what the
layer read; a layer for which that does not end in what was recorded gets none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import numpy as np
from msgspec.structs import replace

from cutaway.execute import stages, supports
from cutaway.network import Attributes, Edge, Kind, Layer, Network, Role

CLOSE = 1e-3
"""How far the last step may be from the recorded output, as a share of its largest value."""

OWN_ROLES: Mapping[str, tuple[Role, ...]] = {
    "batch_norm": ("gamma", "beta", "mean", "variance"),
    "prelu": ("alpha",),
}
"""The parameters that belong to a step, not to the operation before it."""

KINDS = set(get_args(Kind))


def with_steps(network: Network) -> Network:
    """The network with names for the outputs before each fused step, where they can be computed."""
    taken = {layer.id for layer in network}
    return replace(network, layers=tuple(replace(layer, steps=step_names(layer, taken)) for layer in network))


def step_names(layer: Layer, taken: set[str]) -> tuple[str, ...]:
    """ "conv1/conv2d", "conv1/batch_norm": one for the operation itself, one behind each step but the last."""
    reshaped = {"flatten"} & set(layer.fused)
    if not layer.fused or reshaped or not supports(layer) or any(edge.output for edge in layer.inputs):
        return ()
    names: list[str] = []
    for what in (layer.kind, *layer.fused[:-1]):
        name = f"{layer.id}/{what}"
        while name in taken:
            name += "'"
        taken.add(name)
        names.append(name)
    return tuple(names)


def separated(network: Network) -> Network:
    """The network with every step that has a recorded output as a layer of its own; the last one has the layer's id."""
    return replace(network, layers=tuple(part for layer in network for part in parts(layer)))


def parts(layer: Layer) -> list[Layer]:
    """The operation and the steps behind it, in order; the layer itself where it has none."""
    if not layer.steps:
        return [layer]
    attached = {role for what in layer.fused for role in OWN_ROLES.get(what, ())}
    own = tuple(parameter for parameter in layer.parameters if parameter.role not in attached)
    found = [replace(layer, id=layer.steps[0], parameters=own, fused=(), steps=())]
    for what, id in zip(layer.fused, (*layer.steps[1:], layer.id), strict=True):
        found.append(step(layer, what, id, found[-1]))
    return found


def step(layer: Layer, what: str, id: str, before: Layer) -> Layer:
    """One of the things fused to a layer, as a layer that reads the one before."""
    kind: Kind = what if what in KINDS else "activation"  # type: ignore[assignment]
    attributes = layer.attributes
    return Layer(
        id=id,
        name=what.replace("_", " "),
        kind=kind,
        path=layer.path,
        op=what,
        inputs=(Edge(layer=before.id),),
        output_shapes=layer.output_shapes[:1],
        attributes=Attributes(
            epsilon=attributes.epsilon if kind == "batch_norm" else None,
            slope=attributes.slope if kind == "leaky_relu" else None,
            axis=attributes.extra.get("softmax_axis") if kind == "softmax" else None,
            extra={"name": what} if kind == "activation" else {},
        ),
        parameters=tuple(one for one in layer.parameters if one.role in OWN_ROLES.get(what, ())),
        call=layer.call,
        source=layer.source,
    )


def confirmed(network: Network, parameters: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> Network:
    """The network without the steps of layers that read what is not recorded, or whose steps end in other numbers.

    `outputs` of some samples, by layer id.
    """
    layers = []
    for layer in network:
        if layer.steps and not ends_as_recorded(layer, parameters, outputs):
            layer = replace(layer, steps=())
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def ends_as_recorded(layer: Layer, parameters: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> bool:
    recorded = outputs.get(layer.id)
    if recorded is None or any(edge.layer not in outputs for edge in layer.inputs):
        return False
    made = stages(layer, [outputs[edge.layer] for edge in layer.inputs], parameters)
    atol = CLOSE * float(np.abs(recorded[np.isfinite(recorded)]).max(initial=0.0))
    fitting = all(values.shape == recorded.shape for values in made)
    return fitting and np.allclose(made[-1], recorded, rtol=CLOSE, atol=atol, equal_nan=True)


def step_outputs(
    network: Network, parameters: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Step's name -> outputs [sample, …], for layers that are `confirmed`; `outputs` by layer id."""
    found: dict[str, np.ndarray] = {}
    for layer in network:
        if layer.steps:
            made = stages(layer, [outputs[edge.layer] for edge in layer.inputs], parameters)
            found |= zip(layer.steps, made[:-1], strict=True)
    return found
