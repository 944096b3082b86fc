"""A Keras loop: a small network of two convolutions on pictures of MNIST's size, with the backend that Keras is set to.

What is compared are callbacks of `model.fit`: none, Cutaway's, one that writes the same tensors for TensorBoard, and
nn3d's, which sends one number a map of one sample to the browser, and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from measure import Longest, Outcome, Run, Stopwatch
from pictures import SAMPLES, pictures

import cutaway.training.keras


def network() -> Any:
    """LeNet-5 with its 61,706 parameters."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


class Start(keras.callbacks.Callback):  # type: ignore[misc]
    """Stands last among the callbacks: from here on the clock runs; and notes the losses."""

    async_safe = True
    """Keras need not wait for it, so that the plain loop is as fast as without."""

    def __init__(self, whole: Stopwatch) -> None:
        super().__init__()
        self.whole = whole
        self.losses: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if not epoch:
            self.whole.__enter__()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.losses.append(float((logs or {})["loss"]))


class TensorBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Histograms of all weights and of what every layer puts out, and a picture of each layer's maps.

    As often as Cutaway's: once more at the end, as that also holds the state before the first step.
    """

    def __init__(self, folder: Path, samples: np.ndarray, every: str) -> None:
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))
        self.samples = samples
        self.distance = None if every == "epoch" else int(every.split()[0])
        self.steps = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.names = [layer.name for layer in self.model.layers]
        self.outputs = keras.Model(self.model.inputs, [layer.output for layer in self.model.layers])

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.steps += 1
        with self.writer.as_default(step=self.steps):
            tf.summary.scalar("loss", (logs or {})["loss"])
        if self.distance is not None and self.steps % self.distance == 0:
            self.write()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.distance is None:
            self.write()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.write()
        self.writer.close()

    def write(self) -> None:
        with self.writer.as_default(step=self.steps):
            for variable in self.model.variables:
                tf.summary.histogram(variable.path, keras.ops.convert_to_numpy(variable))
            for name, given in zip(self.names, self.outputs([self.samples], training=False), strict=True):
                values = keras.ops.convert_to_numpy(given)
                tf.summary.histogram(f"outputs/{name}", values)
                if values.ndim == 4:
                    maps = (values - values.min()) / max(np.ptp(values), 1e-12)
                    rows, columns = maps.shape[0] * maps.shape[1], maps.shape[3] * maps.shape[2]
                    tf.summary.image(f"maps/{name}", maps.transpose(0, 1, 3, 2).reshape(1, rows, columns, 1))


def ways(threads: int, epochs: int, steps: int | None, rates: list[str]) -> dict[str, Run]:
    """The trainings to compare, by name; the first one records nothing."""
    limit_threads(threads)
    images, labels = pictures(64 * (steps or 938), 28, 1)
    samples = images[:SAMPLES]

    def way(make: Callable[[Path], list[Any]]) -> Run:
        def run(folder: Path) -> Outcome:
            keras.utils.set_random_seed(0)
            model = network()
            model.fit(images[:64], labels[:64], batch_size=64, verbose=0)  # compiled here
            whole, stop = Stopwatch(), Longest()
            start = Start(whole)
            callbacks = [timed(callback, stop) for callback in make(folder)]
            begun = time.perf_counter()
            model.fit(images, labels, batch_size=64, epochs=epochs, verbose=0, callbacks=[*callbacks, start])
            whole.__exit__()
            return Outcome(whole.wall, whole.processor, whole.begun[0] - begun, stop.wall, start.losses)

        return run

    def those(every: str) -> dict[str, Run]:
        return {
            f"Cutaway, every {every}": way(
                lambda to: [cutaway.training.keras.Callback(to, samples, labels=labels[:SAMPLES].tolist(), every=every)]
            ),
            f"TensorBoard, every {every}": way(lambda to: [TensorBoard(to, samples, every)]),
            f"nn3d, every {every}": way(lambda to: [nn3d(samples, every)]),
        }

    found = {"plain": way(lambda to: [])}
    for every in rates:
        found |= those(every)
    return found


def nn3d(samples: np.ndarray, every: str) -> Any:
    """Its callback, for one sample, as it shows one; it sends at the end of every epoch anyway."""
    from nn3d import Monitor

    distance = 1_000_000_000 if every == "epoch" else int(every.split()[0])
    return Monitor(samples[:1], every=distance, open_browser=False)


def timed(callback: Any, stop: Longest) -> Any:
    """The callback; `stop` learns how long each of its calls in the loop takes."""
    for name in ("on_train_batch_begin", "on_train_batch_end", "on_epoch_end"):
        given = getattr(callback, name)

        def call(number: int, logs: Any = None, given: Callable[..., object] = given) -> None:
            with stop:
                given(number, logs)

        setattr(callback, name, call)
    return callback


def limit_threads(threads: int) -> None:
    """How many threads the backend computes with. It has not computed anything yet."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
