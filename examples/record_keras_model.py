"""Trains a small Keras model, records it live and from its file: `python examples/record_keras_model.py [RUN]`.

Needs Keras with any backend: `pip install "cutaway[keras]" torch`, and KERAS_BACKEND=torch. It takes seconds, and
nothing is downloaded: the network learns to tell squares, discs and stripes apart. Give a folder to keep the recording.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import cutaway

if find_spec("tensorflow") is None and find_spec("torch") is not None:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras looks for TensorFlow unless told

import keras
from keras import layers

CLASSES = ("square", "disc", "stripes")


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """8-bit pictures [sample, H, W, C] of the three shapes at random places and sizes, and which shape each shows."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    images, labels = [], random.integers(0, 3, count)
    for label in labels:
        row, column, size = (*random.integers(8, 16, 2), random.integers(4, 8))
        square = (abs(y - row) < size) & (abs(x - column) < size)
        disc = (y - row) ** 2 + (x - column) ** 2 < size**2
        images.append((square, disc, (x + column) // 3 % 2 == 0)[label] * 200 + random.integers(0, 55, (24, 24)))
    return np.stack(images).astype(np.uint8)[..., None], labels


def main() -> None:
    images, labels = pictures(300)
    model = keras.Sequential(
        [
            keras.Input((24, 24, 1), name="picture"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="edges"),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.Conv2D(8, 3, activation="relu", name="corners"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax", name="shape"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images.astype(np.float32), labels, epochs=12, batch_size=25, verbose=0)
    with tempfile.TemporaryDirectory() as place:
        run = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(place) / "run"
        recording = cutaway.record(model, images[:6], run, labels=labels[:6], classes=CLASSES, overwrite=True)
        for layer in recording.network:
            fused = f" with {', '.join(layer.fused)}" if layer.fused else ""
            print(f"{layer.id:24} {layer.kind}{fused}: {' × '.join(map(str, layer.output_shape))}")
        for sample in range(6):
            chances = recording.activations("shape", -1, sample=sample)
            print(f"{CLASSES[labels[sample]]}: taken for a {CLASSES[chances.argmax()]} ({chances.max():.0%})")
        model.save(Path(place) / "shapes.keras")
        again = cutaway.record(Path(place) / "shapes.keras", images[:6], Path(place) / "again")
        difference = np.abs(
            again.activations("shape", -1, sample=0) - recording.activations("shape", -1, sample=0)
        ).max()
        print(f"the file, without Keras, gives the same within {difference:.0e}")
        if len(sys.argv) > 1:
            print(f"open it with: cutaway open {run}")


if __name__ == "__main__":
    main()
