"""Trains small Keras models with and without being recorded, and tells what it saw: `keras_training.py FOLDER`.

A process of its own for each backend, as Keras reads KERAS_BACKEND once. What has to hold is in test_training_keras.py;
here are only the trainings, and notes of what Keras itself held at each moment (`seen.json`, `weights.safetensors`).
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import cutaway

keras: Any = importlib.import_module("keras")
L: Any = keras.layers

EPOCHS = 2
STEPS = 5
BATCH = 8

random = np.random.default_rng(5)
LABELS = np.arange(BATCH * STEPS) % 3
PICTURES = random.random((len(LABELS), 8, 8, 1)).astype(np.float32) + (LABELS / 4).reshape(-1, 1, 1, 1)


class Own(keras.Model):  # type: ignore[misc]
    """A model that is a class, whose weights are made when it first sees a picture."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.conv = L.Conv2D(4, 3, activation="relu", name="conv")
        self.norm = L.BatchNormalization(name="norm")
        self.drop = L.Dropout(0.4, name="drop")
        self.flat = L.Flatten(name="flat")
        self.fc = L.Dense(3, activation="softmax", name="fc")

    def call(self, images: Any, training: bool = False) -> Any:
        """[n, 8, 8, 1] -> chances [n, 3]."""
        maps = self.norm(self.conv(images), training=training)
        return self.fc(self.flat(self.drop(maps, training=training)))


def sequential() -> Any:
    layers = [L.Conv2D(4, 3, activation="relu", name="conv"), L.BatchNormalization(), L.Dropout(0.4)]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers, L.Flatten(), L.Dense(3, "softmax", name="fc")])


def any_size() -> Any:
    inputs = keras.Input((None, None, 1))
    maps = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, name="conv")(inputs))
    return keras.Model(inputs, L.Dense(3, "softmax", name="fc")(maps))


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """An epoch of which nobody knows how long it is."""
    for at in range(0, len(LABELS), BATCH):
        yield PICTURES[at : at + BATCH], LABELS[at : at + BATCH]


class Noise(L.Layer):  # type: ignore[misc]
    """Draws random numbers whenever it runs, from the generator that Keras has for everybody."""

    def call(self, maps: Any) -> Any:
        return maps + 0.01 * keras.random.normal(keras.ops.shape(maps))


def noisy() -> Any:
    conv = L.Conv2D(4, 3, activation="relu", name="conv")
    return keras.Sequential([keras.Input((8, 8, 1)), conv, Noise(), L.Flatten(), L.Dense(3, "softmax", name="fc")])


class Noting(keras.callbacks.Callback):  # type: ignore[misc]
    """The kernels of `conv` and `fc` at the beginning, behind every step and at the end, by step."""

    def __init__(self, weights: dict[str, np.ndarray], name: str) -> None:
        super().__init__()
        self.weights, self.name, self.began, self.last = weights, name, 0, 0

    def note(self) -> None:
        for layer in ("conv", "fc"):
            kernel = keras.ops.convert_to_numpy(self.model.get_layer(layer).kernel)
            self.weights[f"{self.name}/{layer}/{self.last}"] = np.array(kernel, order="C")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = self.last
        self.note()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.last = self.began + batch + 1
        self.note()


class Failing(keras.callbacks.Callback):  # type: ignore[misc]
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 2:
            raise ValueError("out of luck")


def fit(model: Any, *callbacks: Any, epochs: int = EPOCHS, **options: Any) -> dict[str, list[float]]:
    history = model.fit(
        PICTURES, LABELS, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks), **options
    )
    found: dict[str, list[float]] = history.history
    return found


def made(build: Any = sequential) -> Any:
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)
    model = build()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def numbers(model: Any) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]


def main(place: Path) -> None:
    seen: dict[str, Any] = {}
    weights: dict[str, np.ndarray] = {}
    checked: Any = {"validation_data": (PICTURES[:8], LABELS[:8])}

    def watch(run: str, **options: Any) -> Any:
        return cutaway.training.keras.Callback(place / run, samples=PICTURES[:4], labels=LABELS[:4], **options)

    def same(name: str, build: Any, **options: Any) -> Any:
        """Trains without and with a callback, and tells whether all losses and weights are the same."""
        alone, watched = made(build), None
        history = fit(alone, **checked)
        watched = made(build)
        seen[name] = {
            "losses": fit(watched, watch(name, **options), **checked) == history,
            "weights": all(np.array_equal(*both) for both in zip(numbers(alone), numbers(watched), strict=True)),
            "history": history,
        }
        return watched

    model = same("own", Own)
    weights["own scores"] = np.array(keras.ops.convert_to_numpy(model(PICTURES[:4], training=False)), order="C")
    if keras.backend.backend() != "jax":  # whose own training refuses such a layer
        same("noisy", noisy, every=2)

    model = made()
    callback = watch("run", every=2, gradients=keras.backend.backend() == "torch")
    fit(model, callback, Noting(weights, "run"))
    fit(model, callback, epochs=1)  # is appended
    fit(model, watch("again"), epochs=1)
    fit(model, watch("again"), epochs=3, initial_epoch=1)
    fit(model, watch("again"), epochs=2, initial_epoch=1)  # makes again what was recorded behind epoch 1

    made().fit(batches(), verbose=0, callbacks=[watch("generated")])
    if keras.backend.backend() != "torch":
        model = made(any_size)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], steps_per_execution=2)
        fit(model, watch("several", every=2), Noting(weights, "several"), epochs=1)
        try:
            fit(model, watch("refused", gradients=True))
        except cutaway.CutawayError as error:
            seen["refused"] = str(error)
    save_file(weights, place / "weights.safetensors")
    (place / "seen.json").write_text(json.dumps(seen))
    fit(made(), watch("failed"), Failing())  # ends this process with an exception, without a word to the callback


if __name__ == "__main__":
    main(Path(sys.argv[1]))
