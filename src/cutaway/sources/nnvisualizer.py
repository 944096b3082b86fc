"""nn-visualizer's exports: a plain chain of layers, kernels and activations of every epoch, no biases.

Recorded values are only put into canonical axes (maps HWC → CHW, kernels HWIO → OIHW and IO → OI), never corrected.
What the files don't tell (strides, padding, fused activations, whether a batch norm stands behind a pool) is read off
the shapes and the recorded numbers themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from cutaway.errors import SourceError
from cutaway.network import Attributes, Edge, Layer, Network, Parameter
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.samples import Pictures, stretched
from cutaway.sources import How, SampleSet
from cutaway.sources import nnvisualizer_files as files
from cutaway.sources.numbers import activation_of, bias_explains, conv_window, input_factor, pool_window

KERNEL_AXES = {4: (3, 2, 0, 1), 2: (1, 0)}
"""HWIO → OIHW and IO → OI."""

SOURCE_AXES = {4: "HWIO", 2: "IO"}


def open_nnvisualizer(folder: Path, how: How | None = None) -> NNVisualizer:
    """Opens a folder with model_structure.json and model_{weights,activations}_epochNNN.json.

    Reads the first and the last epoch, the others when they are asked for. Raises SourceError.
    """
    structure = files.read_structure(files.find_structure(folder))
    model = structure.path.name.removesuffix("_structure.json")
    return NNVisualizer(folder, structure, files.find_epochs(folder, model))


class NNVisualizer:
    """A `Source` over an export's files."""

    producer = "nn-visualizer"

    def __init__(self, folder: Path, structure: files.Structure, epochs: list[files.Epoch]) -> None:
        self.folder = folder
        self.structure = structure
        self.epochs = epochs
        self.name = folder.resolve().name
        self.classes: Sequence[str] | None = structure.classes
        self.checkpoints = tuple(
            Checkpoint(index=position, label=f"epoch {epoch.number}", epoch=epoch.number)
            for position, epoch in enumerate(epochs)
        )
        self.kept: dict[int, files.Activations] = {}
        """The epochs read while opening, until they are asked for: every file is parsed once."""
        self.first = self.kept[0] = files.read_activations(epochs[0].activations, structure)
        last = len(epochs) - 1
        if last:
            self.kept[last] = self.read(last)
        self.weighted = [entry.name for entry in structure.entries[1:] if not self.is_pool(entry)]
        self.last_weights = self.read_weights(last)
        self.network = self.build(self.kept[last])
        self.completeness = self.tell_missing(self.kept[last])

    @cached_property
    def samples(self) -> SampleSet:
        """The recorded inputs, stretched to their own range for people; the recorded values stay as they are."""
        inputs = canonical(self.first.values[self.structure.entries[0].name])
        if inputs.ndim == 2:
            inputs = inputs[:, None, None, :]  # a vector is shown as a row
        finite = inputs[np.isfinite(inputs)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
        truth = self.first.truth
        known = {name: position for position, name in enumerate(self.classes or ())}
        return Pictures(
            images=stretched(inputs),
            names=tuple(f"sample {position}" for position in range(len(inputs))),
            labels=tuple(known.get(name) for name in truth) if truth is not None and known else None,
            preprocessing=f"not recorded; the pictures show the model's input, {low:.4g} … {high:.4g}, as 0 … 255",
        )

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """Kernels by key, at the epoch with that position: O,I,kH,kW and O,I."""
        last = checkpoint in (len(self.epochs) - 1, -1)
        weights = self.last_weights if last else self.read_weights(checkpoint)
        return {
            f"{name}/kernel": np.ascontiguousarray(np.transpose(values, KERNEL_AXES[values.ndim]))
            for name, values in weights.items()
        }

    def activations(self, checkpoint: int, samples: SampleSet | None = None) -> Mapping[str, np.ndarray]:
        """Activations by layer id, [sample, C, H, W] or [sample, C], at the epoch with that position.

        Raises SourceError for other samples than the recorded ones: there is no model here that could run.
        """
        if samples is not None and samples is not self.samples:
            raise SourceError(f"{self.folder}: holds its own samples and no model to run others through")
        recorded = self.read(checkpoint)
        self.kept.pop(checkpoint, None)
        return {name: canonical(values) for name, values in recorded.values.items()}

    def metrics(self) -> Sequence[Mapping[str, float]]:
        """None are in the files."""
        return []

    def read(self, checkpoint: int) -> files.Activations:
        """One epoch's activations, compared with the first epoch: same samples, same shapes."""
        if checkpoint in self.kept:
            return self.kept[checkpoint]
        path = self.epochs[checkpoint].activations
        found = files.read_activations(path, self.structure)
        first = self.epochs[0].activations.name
        for name, values in found.values.items():
            expected = self.first.values[name].shape
            if len(values) != expected[0]:
                raise SourceError(
                    f"{path}: {len(values)} samples, {first} has {expected[0]}; export all epochs with the same samples"
                )
            if values.shape != expected:
                raise SourceError(
                    f"{path}: activations of layer {name!r} have shape {list(values.shape)}, in {first} "
                    f"{list(expected)}; all epochs must come from the same network"
                )
        name = self.structure.entries[0].name
        same_input = np.array_equal(found.values[name], self.first.values[name], equal_nan=True)
        if found.truth != self.first.truth or not same_input:
            raise SourceError(f"{path}: other samples than in {first}; export all epochs with the same samples")
        return found

    def read_weights(self, checkpoint: int) -> dict[str, np.ndarray]:
        return files.read_weights(self.epochs[checkpoint].weights, self.structure, self.weighted)

    def is_pool(self, entry: files.Entry) -> bool:
        """A pool has two numbers (H, W) like a dense layer (I, O): its activations are maps."""
        return len(entry.shape) == 2 and self.first.values[entry.name].ndim == 4

    def build(self, last: files.Activations) -> Network:
        """The chain of layers. Raises SourceError when the structure and the activations contradict each other."""
        first, *others = self.structure.entries
        shape = self.output_shape(first)
        if first.shape[1:] != self.first.values[first.name].shape[1:]:
            raise SourceError(
                f"{self.structure.path}: says {list(first.shape)} for the input {first.name!r}, its activations have "
                f"shape {list(self.first.values[first.name].shape)}; both must come from the same run"
            )
        layers = [Layer(id=first.name, name=first.name, kind="input", op="placeholder", output_shapes=(shape,))]
        for entry in others:
            layers.append(self.layer(entry, layers[-1], last))
        return Network(layers=tuple(layers), inputs=(layers[0].id,), outputs=(layers[-1].id,))

    def layer(self, entry: files.Entry, before: Layer, last: files.Activations) -> Layer:
        """One layer behind another."""
        name, shape = entry
        output, inputs = self.output_shape(entry), before.output_shape
        values = self.first.values[name]
        base = Layer(id=name, name=name, kind="other", inputs=(Edge(layer=before.id),), output_shapes=(output,))
        kernel = Parameter(
            role="kernel",
            key=f"{name}/kernel",
            shape=tuple(shape[axis] for axis in KERNEL_AXES.get(len(shape), ())),
            source_axes=SOURCE_AXES.get(len(shape)),
        )
        change: dict[str, Any] = {}
        if len(shape) == 4 and len(output) == len(inputs) == 3 and (inputs[0], output[0]) == shape[2:]:
            window = conv_window(inputs[1:], output[1:], shape[:2])
            if window is not None:
                change = {"kind": "conv2d", "op": "tf.nn.conv2d", "attributes": window}
        elif len(shape) == 2 and len(output) == 1 and (math.prod(inputs), output[0]) == shape:
            order = Attributes(input_order="HWC") if len(inputs) == 3 else Attributes()
            change = {"kind": "dense", "op": "tf.matmul", "attributes": order}
        elif len(shape) == 2 and len(output) == len(inputs) == 3 and output == (inputs[0], *shape):
            kind, pool = pool_window(canonical(last.values[before.id]), canonical(last.values[name]), name)
            if pool is not None:
                return replace(base, kind=kind, op=f"tf.nn.{kind.removesuffix('2d')}", attributes=pool)
        if change:
            fused = activation_of([values, last.values[name]])
            return replace(base, **change, parameters=(kernel,), fused=fused)
        raise SourceError(
            f"{self.structure.path}: layer {name!r} with {list(shape)} can't make {list(output)} of {list(inputs)} "
            f"(channels first), as {self.epochs[0].activations.name} has it; both must come from the same run"
        )

    def output_shape(self, entry: files.Entry) -> tuple[int, ...]:
        """C,H,W or C, from the recorded activations."""
        shape = self.first.values[entry.name].shape[1:]
        if len(shape) == 3:
            return (shape[2], shape[0], shape[1])
        if len(shape) == 1:
            return shape
        raise SourceError(
            f"{self.epochs[0].activations}: activations of layer {entry.name!r} are neither maps nor vectors "
            f"({list(self.first.values[entry.name].shape)}); export the epoch again"
        )

    def tell_missing(self, last: files.Activations) -> Completeness:
        """What the files leave out, per layer, as far as the last epoch's numbers tell.

        The files never hold biases. Where kernel · input + bias can't give the recorded output either, a batch norm
        stood in front of the layer: nn-visualizer's own training has one behind each pool and hidden dense layer.
        """
        missing: dict[str, tuple[str, ...]] = {}
        notes = ["nn-visualizer's files hold kernels and activations, but no biases."]
        kernels = self.parameters(len(self.epochs) - 1)
        for before, layer in itertools.pairwise(self.network.layers):
            if not layer.parameters:
                continue
            inputs, outputs = canonical(last.values[before.id]), canonical(last.values[layer.id])
            kernel = kernels[layer.parameters[0].key]
            missing[layer.id] = ("bias",)
            if bias_explains(layer, kernel, inputs, outputs):
                continue
            factor = input_factor(layer, kernel, inputs, outputs) if before.kind == "input" else None
            if factor is None:
                missing[layer.id] = ("bias", "batch norm")
            else:
                notes.append(
                    f"{layer.id} fits the recorded input only after × {factor:.4g}: what is recorded was scaled once "
                    "more than what the layer was given. Values stay as recorded; the picture is stretched."
                )
        normed = [layer for layer, lacks in missing.items() if "batch norm" in lacks]
        if normed:
            notes.append(
                f"What {', '.join(normed)} read was changed on its way, most likely by a batch norm, which the files "
                "leave out: kernel · input, with whatever bias, does not give the recorded output there."
            )
        return Completeness(biases=False, runnable=False, notes=tuple(notes), missing=missing)


def canonical(values: np.ndarray) -> np.ndarray:
    """[sample, H, W, C] → [sample, C, H, W]; vectors stay."""
    return np.ascontiguousarray(np.moveaxis(values, -1, 1)) if values.ndim == 4 else values
