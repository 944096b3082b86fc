"""Record a Keras training while it runs: one more callback for `model.fit`.

    python examples/record_keras.py [--out run] [--epochs 2] [--show]

A small network learns to read handwritten digits. Look with `cutaway open run`, also while it trains. Needs
scikit-learn, and Keras with any backend: KERAS_BACKEND=torch, jax or tensorflow.
"""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec
from pathlib import Path

from digits import CLASSES, HEIGHT_PX, WIDTH_PX, load

import cutaway

if find_spec("tensorflow") is None and find_spec("torch") is not None:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras looks for TensorFlow unless told

import keras
from keras import layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("run"), help="folder of the recording (default run)")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="open the viewer beside the training")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    x, y, x_test, y_test = load()
    x, x_test = x[..., None], x_test[..., None]  # Keras has the channels last

    model = keras.Sequential(
        [
            keras.Input((HEIGHT_PX, WIDTH_PX, 1)),
            layers.Conv2D(8, 3, padding="same", name="conv1"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(32, activation="relu", name="fc1"),
            layers.Dense(10, activation="softmax", name="fc2"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = cutaway.training.keras.Callback(
        options.out,
        samples=x_test[:10],
        labels=y_test[:10],
        classes=CLASSES,
        every="25 steps",
        overwrite=True,
        show=options.show,
    )
    tested = (x_test, y_test)
    model.fit(x, y, batch_size=16, epochs=options.epochs, validation_data=tested, verbose=2, callbacks=[callback])

    recording = cutaway.open(options.out)
    print(f"{options.out}: {len(recording.checkpoints)} checkpoints of {len(recording.network.layers)} layers")


if __name__ == "__main__":
    main()
