"""The adapter for Keras models, on any of its backends: copies of their weights in the loop, the rest on a clone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from cutaway.errors import CutawayError, SourceError
from cutaway.sources import How
from cutaway.sources.keras_hdf5 import one_line
from cutaway.sources.keras_live import KerasModel, Values, functional, the_keras, to_numpy
from cutaway.training.keras_chance import kept


class Snapshot:
    """Values of the weights in their order, and gradients by the position of their weight where wanted.

    With PyTorch they lie in memory of their own, and `arriving` tells when they are there. JAX and TensorFlow hand out
    arrays that nobody changes any more; those on an accelerator are fetched from it when they are read.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.gradients: dict[int, Any] = {}
        self.rooms: dict[str, Any] = {}
        self.arriving: list[Any] = []


class KerasAdapter:
    """A Keras model in training. Its clone lives on the processor, so that an accelerator only trains."""

    def __init__(self, model: Any, how: How) -> None:
        """Raises SourceError for a model whose graph can't be followed, or whose layers can't be made again."""
        keras = the_keras()
        self.keras = keras
        self.backend = str(keras.backend.backend())
        self.has_gradients = self.backend == "torch"
        self.model = model
        self.name = str(model.name)
        graph = functional(model, how)  # outside: weights that are made only now are the training's own
        with kept(self.backend), keras.device("cpu"):
            # Without the optimiser that a clone of a compiled model would get.
            graph = keras.Model(graph.inputs, graph.outputs, name=self.name)
            self.copy = cloned(keras, graph, self.name)
            self.source = KerasModel(self.copy, how, name=self.name)
        self.weights = list(graph.weights)
        shapes = [tuple(one.shape) for one in self.copy.weights]
        if [tuple(one.shape) for one in self.weights] != shapes:
            raise SourceError(f"{self.name}: its layers, made again from their configuration, have other weights")
        self.positions = {id(variable): at for at, variable in enumerate(self.copy.weights)}
        self.background = not self.draws()

    def draws(self) -> bool:
        """Whether the model draws random numbers when it only runs. Raises SourceError when it doesn't run at all.

        Keras's own layers draw from generators of their own, and only in training; others are tried.
        """
        kinds = {type(layer) for layer in self.copy._flatten_layers(include_self=False)}
        if all(kind.__module__.startswith("keras.") and kind.__name__ != "Lambda" for kind in kinds):
            return False
        nothing = SimpleNamespace(images=np.zeros((1, 1)), inputs={})
        try:
            with kept(self.backend) as drawn, self.on_the_processor():
                self.source.activations(0, nothing)
        except Exception as error:  # the user's own layers
            raise SourceError(f"{self.name}: its copy does not run on the processor ({one_line(error)})") from None
        return drawn[0]

    def take(self, into: Any | None, gradients: bool) -> Snapshot:
        """Copies of all weights as they are now. Raises CutawayError for a model that has got other ones."""
        if self.backend == "jax":
            self.model.jax_state_sync()  # where `fit` keeps the weights while an epoch lasts
        current = {id(one) for one in self.model.weights}
        if not all(id(one) in current for one in self.weights):
            raise CutawayError(f"{self.name} has other weights than when the recording began; begin a new one")
        snapshot: Snapshot = into or Snapshot()
        values = [one.value for one in self.weights]
        if self.backend == "torch":
            self.fill(snapshot, values, gradients)
        elif self.backend == "jax":
            snapshot.values = [value.copy() for value in values]  # `fit` gives the memory of the values away
        else:
            snapshot.values = [value.read_value() for value in values]
        return snapshot

    def fill(self, snapshot: Snapshot, values: list[Any], gradients: bool) -> None:
        from cutaway.training.torch import filled, marked

        held = {str(at): value for at, value in enumerate(values)}
        if gradients:
            held |= {f"{at} gradient": value.grad for at, value in enumerate(values) if value.grad is not None}
        snapshot.rooms = filled(snapshot.rooms, held.items())
        snapshot.values = [snapshot.rooms[str(at)] for at in range(len(values))]
        snapshot.gradients = {
            at: snapshot.rooms[f"{at} gradient"] for at in range(len(values)) if f"{at} gradient" in snapshot.rooms
        }
        snapshot.arriving = marked(values)

    def load(self, snapshot: Snapshot) -> None:
        for event in snapshot.arriving:
            event.synchronize()
        for variable, value in zip(self.copy.weights, snapshot.values, strict=True):
            variable.assign(self.keras.ops.convert_to_numpy(value) if self.backend != "torch" else value)

    def gradients(self, snapshot: Snapshot) -> Mapping[str, np.ndarray]:
        found = {}
        for key, weight in self.source.graph.weights.items():
            assert isinstance(weight.tensor.read, Values)
            at = self.positions[id(weight.tensor.read.variable)]
            if at in snapshot.gradients:
                found[key] = weight.canonical(to_numpy(snapshot.gradients[at]))
        return found

    def settle(self) -> None:
        if self.backend == "torch":  # the others have one pool, which all threads share
            from cutaway.training.torch import compute_on_one_core

            compute_on_one_core()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        with self.on_the_processor(), contextlib.nullcontext() if self.background else kept(self.backend):
            yield

    @contextlib.contextmanager
    def on_the_processor(self) -> Iterator[None]:
        """The device, and for PyTorch that no gradients are wanted; both hold for this thread alone."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.keras.device("cpu"))
            if self.backend == "torch":
                import torch

                stack.enter_context(torch.no_grad())
            yield


def cloned(keras: Any, graph: Any, name: str) -> Any:
    """A functional model with layers of its own. Raises SourceError where a layer can't be made again."""
    inputs = [
        keras.Input(batch_shape=one.shape, dtype=one.dtype, name=one._keras_history.operation.name)
        for one in graph.inputs
    ]
    try:
        return keras.models.clone_model(graph, input_tensors=inputs)
    except Exception as error:  # the user's own layers
        raise SourceError(
            f"{name}: a layer can't be made again from its configuration ({one_line(error)}); give layers of your own "
            "a get_config() that tells all arguments of their __init__"
        ) from None
