"""Live Keras models, on any of its backends: the graph from the model's own configuration, values from its layers.

Every layer is called by itself, in order, so that all outputs are seen, those inside models inside the model too.
A model that is a class of its own is called once with Keras's symbolic tensors, which gives its graph.
"""

from __future__ import annotations

import importlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint, Completeness
from cutaway.sources import How, SampleSet
from cutaway.sources.keras_config import Call, Owner, Program, Value, read_program
from cutaway.sources.keras_graph import build, channels_last
from cutaway.sources.keras_hdf5 import one_line
from cutaway.sources.keras_weights import Tensor


def the_keras() -> Any:
    """Keras, which is imported here and nowhere else. Raises ModuleNotFoundError, or SourceError without a backend."""
    try:
        return importlib.import_module("keras")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "keras":
            raise
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise SourceError(
            f"Keras can't start with its backend {backend} ({one_line(error)}); install it, or set KERAS_BACKEND to "
            "one that is installed: tensorflow, torch or jax"
        ) from None


def open_trusted(path: Path, how: How) -> KerasModel:
    """A file that the user trusts, code in it included, as a live model. Raises SourceError."""
    keras = the_keras()
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=False)
        if how.weights is not None:
            model.load_weights(how.weights)
    except Exception as error:  # code from the file may raise anything
        raise SourceError(f"{path}: Keras can't load it ({one_line(error)})") from None
    return KerasModel(model, how, name=path.stem)


def open_weights(path: Path, how: How) -> KerasModel:
    """Weights for the model that `how.model` builds. Raises SourceError where they don't fit."""
    from cutaway.sources.builder import built

    the_keras()  # says what to install before the user's own module is looked for
    assert how.model is not None
    model = built(how.model)

    def load(file: Path) -> KerasModel:
        try:
            with warnings.catch_warnings():  # about containers of the model's own, which hold no weights
                warnings.filterwarnings("ignore", message="Skipping nested container")
                model.load_weights(file)
        except Exception as error:  # Keras raises whatever comes to it
            text = one_line(error)
            raise SourceError(f"{file}: these weights don't fit the model that {how.model} builds ({text})") from None
        return source

    source = KerasModel(model, how, name=path.name.removesuffix(".h5").removesuffix(".weights"))
    source.with_weights = load
    return load(path)


class LiveWeights:
    """The variables of the layers of a live model, by the owners of its configuration."""

    def __init__(self, root: Owner, model: Any) -> None:
        self.layers: dict[int, Any] = {}
        self.pair(root, model)

    def pair(self, owner: Owner, layer: Any) -> None:
        self.layers[id(owner)] = layer
        inner = {one.name: one for one in operations_of(layer)} if owner.children else {}
        for child in owner.children:
            if child.name in inner:
                self.pair(child, inner[child.name])

    def of(self, owner: Owner) -> list[Tensor]:
        layer = self.layers.get(id(owner))
        if layer is None or not hasattr(layer, "weights"):
            return []
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        variables = own if len(own) == len(layer.weights) else layer.weights
        return [Tensor(str(one.path), tuple(map(int, one.shape)), Values(one)) for one in variables]


def operations_of(model: Any) -> list[Any]:
    """The layers and functions of a functional or sequential model."""
    layers = list(getattr(model, "operations", None) or model.layers)
    # A Sequential hides its input layer; it has no weights, and nothing is called.
    return layers


@dataclass(frozen=True)
class Values:
    """What a variable holds when it is asked."""

    variable: Any

    def __call__(self) -> np.ndarray:
        return to_numpy(self.variable.value)


def to_numpy(tensor: Any) -> np.ndarray:
    if hasattr(tensor, "detach"):  # PyTorch's, which NumPy 2 warns of when it is asked to copy them
        return np.array(tensor.detach().float().cpu().numpy())
    return np.asarray(the_keras().ops.convert_to_numpy(tensor), np.float32)


class KerasModel:
    """A `Source` over a live model. Its parameters are those that it has when they are asked for."""

    samples: SampleSet | None = None
    with_weights: Callable[[Path], KerasModel] | None = None
    """Puts the weights of another checkpoint into the same model, where weights are what was opened."""

    def __init__(self, model: Any, how: How, name: str | None = None) -> None:
        keras = the_keras()
        self.keras = keras
        self.given = model
        self.model = functional(model, how)
        self.name = name or str(getattr(model, "name", None) or "model")
        self.producer = f"Keras {keras.__version__} ({keras.backend.backend()})"
        self.classes: Sequence[str] | None = how.classes
        self.checkpoints = (Checkpoint(index=0, label="now"),)
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(self.model), default=str))
        self.program: Program = read_program(config, f"the model {self.name!r}")
        self.weights = LiveWeights(self.program.root, self.model)
        self.graph = build(self.program, self.weights, how, version=str(keras.__version__))
        self.network = self.graph.network
        self.inputs = self.graph.inputs
        self.numbers = {id(call): number for number, call in enumerate(self.program.calls)}
        self.steps: dict[int, list[str]] = {}
        for layer, call in self.graph.steps.items():
            self.steps.setdefault(self.numbers[id(call)], []).append(layer)
        self.missing: dict[str, tuple[str, ...]] = {}

    @property
    def completeness(self) -> Completeness:
        return Completeness(activations=not self.missing, notes=self.graph.notes, missing=self.missing)

    def parameters(self, checkpoint: int) -> Mapping[str, np.ndarray]:
        """All parameters by key as they are now, float32 in canonical axes."""
        return {key: weight.canonical(weight.tensor.read()) for key, weight in self.graph.weights.items()}

    def activations(self, checkpoint: int, samples: SampleSet) -> Mapping[str, np.ndarray]:
        """What the wanted layers put out, [sample, …], from the layers themselves, as they are without training."""
        wanted: Any = getattr(samples, "wanted", None)
        made: dict[int, list[Any]] = {}
        found: dict[str, np.ndarray] = {}
        holders = {self.numbers[id(call)]: layer for layer, call in self.graph.results.items()}
        uses = self.last_uses()
        for number, call in enumerate(self.program.calls):
            made[number] = self.outputs(call, made, samples)
            for layer in self.steps.get(number, ()):
                if wanted is None or layer in wanted:
                    found[layer] = self.step(layer, made)
            layer = holders.get(number, "")
            if layer and (wanted is None or layer in wanted):
                expected = self.network.layer(layer).output_shape
                values = self.canonical(to_numpy(made[number][0]))
                if expected and values.shape[1:] != expected:
                    self.missing[layer] = ("activations",)
                else:
                    found[layer] = values
            for value in uses.get(number, ()):
                made.pop(value, None)
        return {layer.id: found[layer.id] for layer in self.network if layer.id in found}

    def step(self, name: str, made: Mapping[int, list[Any]]) -> np.ndarray:
        """What a step inside a call puts out, which Keras does not hand out: from what the call reads."""
        from cutaway.execute.run import computed, weights_of

        layer = self.network.layer(name)
        given = []
        for edge in layer.inputs:
            call = self.graph.results.get(edge.layer)
            if call is None:
                given.append(self.step(edge.layer, made))
            else:
                given.append(self.canonical(to_numpy(made[self.numbers_of(call)][edge.output])))
        keys = {parameter.key for parameter in layer.parameters}
        values = {k: w.canonical(w.tensor.read()) for k, w in self.graph.weights.items() if k in keys}
        return computed(layer, given, weights_of(layer, values, np.float32), len(given[0]), np.float32)[0]

    def numbers_of(self, call: Call) -> int:
        return self.numbers[id(call)]

    def last_uses(self) -> dict[int, list[int]]:
        """Call -> the calls whose results nobody needs after it."""
        last = {value.call: number for number, call in enumerate(self.program.calls) for value in call.inputs}
        made: dict[int, list[int]] = {}
        for value, number in last.items():
            made.setdefault(number, []).append(value)
        return made

    def outputs(self, call: Call, made: Mapping[int, list[Any]], samples: SampleSet) -> list[Any]:
        owner = call.owner
        if owner.class_name == "InputLayer" and not call.inputs:
            return [self.input_values(owner, samples)]
        layer = self.weights.layers[id(owner)]
        args = [self.filled(one, made) for one in call.args]
        kwargs = {key: self.filled(one, made) for key, one in call.kwargs.items() if key not in ("mask", "training")}
        more = {"training": False} if getattr(layer, "_call_has_training_arg", False) else {}
        result = layer(*args, **kwargs, **more)
        return list(self.keras.tree.flatten(result))

    def filled(self, data: Any, made: Mapping[int, list[Any]]) -> Any:
        """Arguments with tensors for `Value`s, and Keras's slices and dots for what stands for them."""
        if isinstance(data, Value):
            return made[data.call][data.output]
        if isinstance(data, list):
            inner = [self.filled(one, made) for one in data]
            return tuple(inner) if any(isinstance(one, slice) or one is Ellipsis for one in inner) else inner
        if isinstance(data, dict) and "class_name" in data:
            return self.keras.saving.deserialize_keras_object(data)
        if isinstance(data, dict):
            return {key: self.filled(one, made) for key, one in data.items()}
        return data

    def input_values(self, owner: Owner, samples: SampleSet) -> Any:
        spec = next(spec for spec in self.inputs if spec.layer == owner.id)
        given: Mapping[str, np.ndarray] = getattr(samples, "inputs", {})
        if spec.name in given:
            return self.keras.ops.convert_to_tensor(np.asarray(given[spec.name], spec.dtype))
        sizes = [1 if size is None else size for size in spec.shape]
        return self.keras.ops.zeros((len(samples.images), *sizes), spec.dtype)

    def canonical(self, values: np.ndarray) -> np.ndarray:
        last = self.inputs[0].layout == "NHWC"
        return np.ascontiguousarray(np.moveaxis(values, -1, 1)) if last and values.ndim > 2 else values

    def metrics(self) -> Sequence[Mapping[str, float]]:
        return []


def functional(model: Any, how: How) -> Any:
    """The model itself, or what it computes as a functional model. Raises SourceError where that can't be found out."""
    keras = the_keras()
    if isinstance(model, keras.Sequential) and not model.built:
        shape = shape_of(model, how)
        model.build((None, *shape))
    if isinstance(model, keras.Sequential) or type(model).__name__ == "Functional":
        return model
    if getattr(model, "_functional", None) is not None:
        return model._functional
    try:
        inputs = keras.Input(shape_of(model, how))
        return keras.Model(inputs, model.call(inputs), name=model.name)
    except SourceError:
        raise
    except Exception as error:  # the user's own code
        raise SourceError(
            f"the graph of {model.name!r} can't be followed ({one_line(error)}); use keras.ops in its call(), or build "
            "it with keras.Model(inputs, outputs)"
        ) from None


def shape_of(model: Any, how: How) -> tuple[int, ...]:
    """One sample's shape in the model's own axes, from what it was built with, or from the samples."""
    keras = the_keras()
    built = getattr(model, "_build_shapes_dict", None) or {}
    for shape in built.values():
        if isinstance(shape, list | tuple) and len(shape) > 1 and all(isinstance(one, int) for one in shape[1:]):
            return tuple(shape[1:])
    given = how.sample_shape
    if given is None:
        raise SourceError(
            f"{model.name!r} has no input shape yet; call it once on your pictures, or give samples when opening it"
        )
    first = how.layout == "NCHW" or (how.layout is None and keras.config.image_data_format() == "channels_first")
    return tuple(given) if first else channels_last(given)
