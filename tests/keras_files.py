"""What the tests of Keras's files share: opening, inputs, and files as Keras 2 wrote them, put down with h5py alone."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.samples import Prepared
from cutaway.sources import How, Source, inputs_of
from cutaway.sources.keras import open_keras

if find_spec("torch") is not None:  # before anything imports Keras, which looks for TensorFlow unless told
    os.environ.setdefault("KERAS_BACKEND", "torch")

FIXTURES = Path(__file__).parent / "fixtures" / "keras"


def opened(path: Path, **how: Any) -> Any:
    return open_keras(path, How(**how))


def prepared(source: Source, arrays: Mapping[str, np.ndarray] | None = None, count: int = 2, seed: int = 0) -> Prepared:
    """Samples for a source's inputs in its model's own layout: the given arrays, or random ones."""
    random = np.random.default_rng(seed)
    inputs = {}
    for spec in inputs_of(source):
        given = (arrays or {}).get(spec.name)
        made = random.random((count, *(size or 8 for size in spec.shape)), np.float32)
        inputs[spec.name] = made if given is None else given
    count = len(next(iter(inputs.values())))
    return Prepared(
        images=np.zeros((count, 1, 1, 1), np.uint8),
        names=tuple(f"{n}" for n in range(count)),
        labels=None,
        inputs=inputs,
    )


def computed(source: Any, samples: Prepared) -> dict[str, np.ndarray]:
    return dict(source.activations(0, samples))


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, relative to the largest value that is wanted. Maps are given in Keras's axes."""
    assert found.shape == wanted.shape
    largest = float(np.abs(wanted).max())
    return float(np.abs(found - wanted).max()) / (largest or 1.0)


def in_keras(values: np.ndarray) -> np.ndarray:
    """[sample, C, …] as Keras has it with the channels last."""
    return np.moveaxis(values, 1, -1) if values.ndim > 2 else values


def expected(name: str) -> tuple[dict[str, np.ndarray], list[np.ndarray], dict[str, np.ndarray]]:
    """A fixture's inputs, outputs, and weights by layer and name."""
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        inputs = {key.partition("/")[2]: arrays[key] for key in arrays if key.startswith("input/")}
        outputs = [arrays[f"output/{n}"] for n in range(sum(key.startswith("output/") for key in arrays))]
        weights = {"/".join(key.split("/")[-2:]): arrays[key] for key in arrays if key.startswith("weight/")}
    return inputs, outputs, weights


# --- Keras 2 ---------------------------------------------------------------------------------------------------------


def write_h5(
    path: Path,
    config: Any,
    groups: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]],
    version: str,
    backend: str = "tensorflow",
    texts: type = bytes,
) -> Path:
    """An `.h5` of a whole model: layer names, and for each layer the names and values of its weights.

    Texts are bytes as under Python 2 and h5py 2, or str; `config` None writes weights alone, as save_weights did.
    """
    h5py = importlib.import_module("h5py")

    def said(text: str) -> Any:
        return text.encode() if texts is bytes else text

    with h5py.File(path, "w") as file:
        root = file if config is None else file.create_group("model_weights")
        for holder in {file, root}:
            holder.attrs["keras_version"], holder.attrs["backend"] = said(version), said(backend)
        if config is not None:
            file.attrs["model_config"] = said(json.dumps(config))
            file.attrs["training_config"] = said('{"loss": "mse"}')
            file.create_group("optimizer_weights")["Adam/iterations:0"] = np.int64(7)
        root.attrs["layer_names"] = [name.encode() for name, _ in groups]
        for name, weights in groups:
            group = root.create_group(name)
            group.attrs["weight_names"] = [weight.encode() for weight, _ in weights]
            for weight, values in weights:
                group[weight] = values
    return path


def keras2_layer(class_name: str, name: str, inbound: Any = None, **config: Any) -> dict[str, Any]:
    """One layer of a configuration of Keras 2, in a functional model when `inbound` is given."""
    made: dict[str, Any] = {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}
    return made if inbound is None else {**made, "name": name, "inbound_nodes": inbound}


def chain_of_keras2(version: str = "2.0.4") -> list[dict[str, Any]]:
    """The layers of the fixture `chain` as Keras 2 configured them."""
    shape = {"batch_input_shape": [None, 11, 8, 2], "dtype": "float32"}
    window = {"kernel_size": [3, 3], "strides": [2, 2], "padding": "same", "data_format": "channels_last"}
    pool = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid", "data_format": "channels_last"}
    conv = {"filters": 4, "dilation_rate": [1, 1], "activation": "linear", "use_bias": False}
    norm = {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
    return [
        keras2_layer("Conv2D", "conv2d_1", **shape, **conv, **window),
        keras2_layer("BatchNormalization", "batch_normalization_1", **norm),
        keras2_layer("Activation", "activation_1", activation="relu"),
        keras2_layer("MaxPooling2D", "max_pooling2d_1", **pool),
        keras2_layer("Flatten", "flatten_1", **({} if version < "2.2" else {"data_format": "channels_last"})),
        keras2_layer("Dense", "dense_1", units=6, activation="tanh", use_bias=True),
        keras2_layer("Dropout", "dropout_1", rate=0.5),
        keras2_layer("Dense", "dense_2", units=3, activation="softmax", use_bias=True),
    ]


def chain_groups(weights: Mapping[str, np.ndarray]) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    """The weights of the fixture `chain` in the groups and under the names of Keras 2."""
    norm = [(f"batch_normalization_1/{name}:0", weights[f"bn/{name}"]) for name in ("gamma", "beta")]
    norm += [(f"batch_normalization_1/{name}:0", weights[f"bn/{name}"]) for name in ("moving_mean", "moving_variance")]
    return [
        ("conv2d_1", [("conv2d_1/kernel:0", weights["conv/kernel"])]),
        ("batch_normalization_1", norm),
        ("activation_1", []),
        ("max_pooling2d_1", []),
        ("flatten_1", []),
        ("dense_1", [(f"dense_1/{name}:0", weights[f"hidden/{name}"]) for name in ("kernel", "bias")]),
        ("dropout_1", []),
        ("dense_2", [(f"dense_2/{name}:0", weights[f"top/{name}"]) for name in ("kernel", "bias")]),
    ]


def graph_of_keras2() -> dict[str, Any]:
    """The graph of the fixture `graph`, but for its functions of keras.ops, as Keras 2 configured it.

    A model inside a model has a call number 0 of its own, so that its calls count from 1.
    """
    last = {"data_format": "channels_last"}
    window = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1], **last}
    norm = {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
    conv = {"kernel_size": [1, 1], "strides": [1, 1], "padding": "valid", "dilation_rate": [1, 1], **last}
    inner = {
        "name": "block",
        "layers": [
            keras2_layer("InputLayer", "inside", [], batch_input_shape=[None, 7, 6, 4], dtype="float32", sparse=False),
            keras2_layer(
                "DepthwiseConv2D", "depthwise", [[["inside", 0, 0, {}]]], depth_multiplier=1, use_bias=True,
                activation="linear", **window,
            ),
            keras2_layer("BatchNormalization", "bn", [[["depthwise", 0, 0, {}]]], **norm),
        ],
        "input_layers": [["inside", 0, 0]],
        "output_layers": [["bn", 0, 0]],
    }  # fmt: skip
    block = {
        "class_name": "Model",
        "name": "block",
        "config": inner,
        "inbound_nodes": [[["conv", 0, 0, {}]], [["block", 1, 0, {}]]],
    }
    layers = [
        keras2_layer("InputLayer", "left", [], batch_input_shape=[None, 7, 6, 3], dtype="float32", sparse=False),
        keras2_layer(
            "Conv2D", "conv", [[["left", 0, 0, {}]]], filters=4, activation="relu", use_bias=True, **conv
        ),
        block,
        keras2_layer("InputLayer", "right", [], batch_input_shape=[None, 7, 6, 4], dtype="float32", sparse=False),
        keras2_layer("Add", "add", [[["block", 2, 0, {}], ["right", 0, 0, {}]]]),
    ]  # fmt: skip
    config = {
        "name": "model_1",
        "layers": layers,
        "input_layers": [["left", 0, 0], ["right", 0, 0]],
        "output_layers": [["block", 1, 0], ["add", 0, 0]],
    }
    return {"class_name": "Model", "config": config}
