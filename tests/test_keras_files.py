"""Keras's files without Keras: fixtures that Keras has written, and files laid out as Keras 2 did from 2017 on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import (
    FIXTURES,
    chain_groups,
    chain_of_keras2,
    computed,
    difference,
    expected,
    graph_of_keras2,
    in_keras,
    keras2_layer,
    opened,
    prepared,
    write_h5,
)

import cutaway
from cutaway.errors import SourceError
from cutaway.shapes import parameter_count
from cutaway.sources import How, inputs_of, open_source
from cutaway.sources.keras import open_keras

TOLERANCE = 1e-4


def check_fixture(source: Any, name: str) -> None:
    """Outputs as Keras computed them, and every number of every weight in place."""
    inputs, outputs, weights = expected(name)
    given = {spec.name: inputs[spec.name] for spec in inputs_of(source) if spec.name in inputs}
    if len(given) < len(inputs):  # Keras 2's Sequential has no name for its input
        given = dict(zip((spec.name for spec in inputs_of(source)), inputs.values(), strict=True))
    found = computed(source, prepared(source, given))
    for id, wanted in zip(source.network.outputs, outputs, strict=True):
        assert difference(in_keras(found[id]), wanted) < TOLERANCE, id
    assert parameter_count(source.network) == sum(values.size for values in weights.values())
    parameters = source.parameters(0)
    numbers = np.sort(np.concatenate([values.ravel() for values in parameters.values()]))
    assert np.array_equal(numbers, np.sort(np.concatenate([values.ravel() for values in weights.values()])))


@pytest.mark.parametrize("file", ["chain.keras", "chain.h5", "graph.keras", "graph.h5"])
def test_a_file_gives_what_keras_computed(file: str) -> None:
    check_fixture(open_source(FIXTURES / file), file.partition(".")[0])


def test_kernels_are_in_canonical_axes() -> None:
    _, _, weights = expected("chain")
    source = opened(FIXTURES / "chain.keras")
    parameters = source.parameters(0)
    assert np.array_equal(parameters["conv/kernel"], weights["conv/kernel"].transpose(3, 2, 0, 1))
    assert np.array_equal(parameters["hidden/kernel"], weights["hidden/kernel"].T)
    assert source.network.layer("conv").parameter("kernel").source_axes == "HWIO"
    _, _, weights = expected("graph")
    depthwise = opened(FIXTURES / "graph.keras").parameters(0)["block/depthwise/kernel"]
    assert np.array_equal(depthwise, weights["depthwise/kernel"].transpose(2, 3, 0, 1))


def test_what_follows_a_layer_belongs_to_it() -> None:
    network = opened(FIXTURES / "chain.keras").network
    assert [layer.id for layer in network] == ["picture", "conv", "pool", "hidden", "top"]
    assert network.layer("conv").fused == ("batch_norm", "relu")
    assert network.layer("conv").attributes.padding == ((1, 1), (0, 1))
    assert network.layer("hidden").attributes.input_order == "HWC"
    assert network.layer("hidden").inputs[0].layer == "pool"
    assert network.layer("hidden").fused == ("tanh", "dropout")
    assert network.layer("top").fused == ("softmax",)


def test_a_model_inside_that_is_called_twice_shares_its_parameters() -> None:
    network = opened(FIXTURES / "graph.keras").network
    once, twice = network.layer("block/depthwise"), network.layer("block/depthwise:2")
    assert once.path == twice.path == ("block",)
    assert (once.call, twice.call) == (0, 1)
    assert once.parameters == twice.parameters
    assert once.inputs[0].layer == "conv"
    assert twice.inputs[0].layer == "block/depthwise"
    assert network.inputs == ("left", "right")
    assert network.outputs == ("top", "map")


@pytest.mark.parametrize("first", ["chain.json", "chain.weights.h5", "chain.keras"])
def test_weights_may_lie_beside_the_configuration(first: str) -> None:
    other = "chain.json" if first == "chain.weights.h5" else "chain.weights.h5"
    check_fixture(opened(FIXTURES / first, weights=FIXTURES / other), "chain")


def test_weights_alone_say_what_would_work() -> None:
    with pytest.raises(SourceError, match=r"weights without a graph.*--weights .*chain.weights.h5.*--model package"):
        opened(FIXTURES / "chain.weights.h5")
    with pytest.raises(SourceError, match=r"without weights; add them: --weights"):
        opened(FIXTURES / "chain.json")


def test_weights_of_another_model_are_named() -> None:
    with pytest.raises(SourceError, match=r"layer 'conv' \(Conv2D\).*another model"):
        opened(FIXTURES / "graph.keras", weights=FIXTURES / "chain.weights.h5")
    with pytest.raises(SourceError, match=r"weights are in the file, it has|has shape"):
        opened(FIXTURES / "chain.json", weights=FIXTURES / "graph.h5")


def test_the_input_is_told() -> None:
    (spec,) = inputs_of(opened(FIXTURES / "chain.keras"))
    assert (spec.name, spec.shape, spec.layout, spec.rescales) == ("picture", (11, 8, 2), "NHWC", False)
    assert opened(FIXTURES / "chain.keras").producer.startswith("Keras 3.")


def test_it_is_recorded_end_to_end(tmp_path: Path) -> None:
    inputs, outputs, _ = expected("chain")
    recording = cutaway.record(FIXTURES / "chain.keras", inputs["picture"], tmp_path / "run", classes=("a", "b", "c"))
    assert difference(recording.activations("top", -1, sample=1), outputs[0][1]) < TOLERANCE
    assert recording.parameters("conv", "kernel", -1).shape == (4, 2, 3, 3)
    assert recording.completeness.activations


def test_it_works_where_neither_keras_nor_h5py_is_installed() -> None:
    code = (
        "import sys\n"
        "for name in ('keras', 'h5py', 'tensorflow', 'torch'): sys.modules[name] = None\n"
        "import cutaway\n"
        f"source = cutaway.open_source({str(FIXTURES / 'graph.keras')!r})\n"
        "print(len(source.network.layers), len(source.parameters(0)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["13", "12"], done.stderr


def test_what_needs_keras_says_how_to_install_it() -> None:
    code = (
        "import sys\n"
        "sys.modules['keras'] = None\n"
        "import cutaway\n"
        f"try: cutaway.open_source({str(FIXTURES / 'chain.weights.h5')!r}, model='some.module:net')\n"
        "except cutaway.CutawayError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert 'pip install "cutaway[keras]"' in done.stdout, done.stderr


# --- Keras 2 ---------------------------------------------------------------------------------------------------------


def sequential(layers: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """Until 2.2.2 a Sequential's configuration was the bare list of its layers."""
    config: Any = layers if version < "2.2.3" else {"name": "sequential_1", "layers": layers}
    return {"class_name": "Sequential", "config": config}


@pytest.mark.parametrize(("version", "texts"), [("2.0.4", bytes), ("2.2.4", bytes), ("2.4.0", str), ("2.7.0", str)])
def test_sequential_of_keras_2(tmp_path: Path, version: str, texts: type) -> None:
    pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    _, _, weights = expected("chain")
    config = sequential(chain_of_keras2(version), version)
    path = write_h5(tmp_path / "old.h5", config, chain_groups(weights), version, texts=texts)
    source = opened(path)
    check_fixture(source, "chain")
    assert source.producer == f"Keras {version}"
    assert [layer.id for layer in source.network][1:] == ["conv2d_1", "max_pooling2d_1", "dense_1", "dense_2"]


def test_kernels_that_theano_has_trained_are_turned_round(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    _, _, weights = expected("chain")
    turned = {**weights, "conv/kernel": weights["conv/kernel"][::-1, ::-1]}
    config = sequential(chain_of_keras2(), "2.0.4")
    path = write_h5(tmp_path / "old.h5", config, chain_groups(turned), "2.0.4", backend="theano")
    check_fixture(opened(path), "chain")


@pytest.mark.parametrize("order", ["names", "no names"])
def test_functional_of_keras_2_with_a_model_inside(tmp_path: Path, order: str) -> None:
    pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    inputs, _, weights = expected("graph")
    trained = [("depthwise/depthwise_kernel:0", weights["depthwise/kernel"])]
    trained += [(f"{name}:0", weights[name]) for name in ("depthwise/bias", "bn/gamma", "bn/beta")]
    counted = [(f"bn/{name}:0", weights[f"bn/{name}"]) for name in ("moving_mean", "moving_variance")]
    inside = trained + counted
    if order == "no names":  # TensorFlow 1 could give a second model's variables any scope
        inside = [(f"scope_{number}/w:0", values) for number, (_, values) in enumerate(inside)]
    conv = [(f"conv/{name}:0", weights[f"conv/{name}"]) for name in ("kernel", "bias")]
    groups = [("left", []), ("conv", conv), ("block", inside), ("right", []), ("add", [])]
    source = opened(write_h5(tmp_path / "old.h5", graph_of_keras2(), groups, "2.2.4"))
    new = opened(FIXTURES / "graph.keras")
    found, wanted = (computed(one, prepared(one, inputs)) for one in (source, new))
    for id in ("conv", "block/depthwise", "block/depthwise:2", "add"):
        assert difference(found[id], wanted[id]) < TOLERANCE, id
    assert source.network.outputs == ("block/depthwise", "add")


def test_weights_of_keras_2_for_a_model_with_other_names(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    _, _, weights = expected("chain")
    path = write_h5(tmp_path / "weights.h5", None, chain_groups(weights), "2.1.0")
    check_fixture(opened(FIXTURES / "chain.json", weights=path), "chain")


def test_activations_mean_what_they_meant_in_keras_2(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    layers = [
        keras2_layer("Activation", "hard", activation="hard_sigmoid", batch_input_shape=[None, 5]),
        keras2_layer("LeakyReLU", "leaky", alpha=0.3),
    ]
    path = write_h5(tmp_path / "old.h5", sequential(layers, "2.1.0"), [("hard", []), ("leaky", [])], "2.1.0")
    source = opened(path)
    x = np.array([[-3.0, -1.0, 0.0, 1.0, 3.0]], np.float32)
    found = computed(source, prepared(source, {inputs_of(source)[0].name: x}))
    assert np.allclose(found["hard"], [[0.0, 0.3, 0.5, 0.7, 1.0]])


def test_lists_of_names_longer_than_a_header(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    _, _, weights = expected("chain")
    path = write_h5(tmp_path / "old.h5", sequential(chain_of_keras2(), "2.0.4"), chain_groups(weights), "2.0.4")
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        names = list(group.attrs["layer_names"])
        del group.attrs["layer_names"]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:3], names[3:]
    check_fixture(opened(path), "chain")


def test_compressed_and_half_precision_weights(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the test packs the weights with h5py")
    path = tmp_path / "packed.weights.h5"
    with h5py.File(FIXTURES / "chain.weights.h5") as old, h5py.File(path, "w") as new:

        def copied(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                new.create_dataset(name, data=item[()], chunks=True, compression="gzip", shuffle=True, fletcher32=True)
            else:
                for key, value in item.attrs.items():
                    new.require_group(name).attrs[key] = value

        old.visititems(copied)
    check_fixture(opened(FIXTURES / "chain.json", weights=path), "chain")
    with h5py.File(path, "r+") as file:
        values = file["layers/dense/vars/0"][()]
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = values.astype(">f2")
    kernel = opened(FIXTURES / "chain.json", weights=path).parameters(0)["hidden/kernel"]
    assert np.array_equal(kernel, values.astype(np.float16).astype(np.float32).T)


# --- what can't be computed ------------------------------------------------------------------------------------------


def test_a_class_that_is_not_known_is_a_box(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the test writes Keras 2's file with h5py")
    layers = [
        keras2_layer("Dense", "first", units=4, activation="relu", use_bias=False, batch_input_shape=[None, 3]),
        keras2_layer("MyOwnLayer", "mine", strength=2),
        keras2_layer("Dense", "last", units=2, activation="linear", use_bias=False),
    ]
    weights = {"first": np.ones((3, 4), "f4"), "mine": np.ones((4, 5), "f4"), "last": np.ones((4, 2), "f4")}
    groups = [(name, [(f"{name}/kernel:0", values)]) for name, values in weights.items()]
    source = opened(write_h5(tmp_path / "mine.h5", sequential(layers, "2.4.0"), groups, "2.4.0"))
    mine = source.network.layer("mine")
    assert (mine.kind, mine.op) == ("other", "keras.layers.MyOwnLayer")
    assert source.parameters(0)[mine.parameters[0].key].shape == (4, 5)
    assert set(computed(source, prepared(source))) == {"input", "first"}
    assert not source.completeness.activations
    assert set(source.completeness.missing) == {"mine", "last"}


def test_an_input_of_any_size_takes_the_size_that_is_given(tmp_path: Path) -> None:
    document = json.loads((FIXTURES / "chain.json").read_text())
    layers = [one for one in document["config"]["layers"] if one["config"]["name"] not in ("flatten", "hidden", "top")]
    layers[0]["config"]["batch_shape"] = [None, None, None, 2]
    document["config"]["layers"] = [one for one in layers if one["config"]["name"] != "dropout"]
    path = tmp_path / "free.json"
    path.write_text(json.dumps(document))
    weights = FIXTURES / "chain.weights.h5"
    source = opened(path, weights=weights, size=(30, 20))
    assert inputs_of(source)[0].shape == (30, 20, 2)
    assert source.network.layer("pool").output_shape == (4, 7, 5)
    free = opened(path, weights=weights)
    assert inputs_of(free)[0].shape == (224, 224, 2)
    assert "--size" in free.completeness.notes[0]


def test_whether_the_model_rescales_its_pictures_is_seen(tmp_path: Path) -> None:
    document = json.loads((FIXTURES / "chain.json").read_text())
    layers = document["config"]["layers"]
    scale: dict[str, Any] = {"name": "rescaling", "scale": 1 / 255, "offset": 0.0}
    layers.insert(1, {"module": "keras.layers", "class_name": "Rescaling", "config": scale, "registered_name": None})
    for factor, wanted in ((1 / 255, True), (2.0, False)):
        scale["scale"] = factor
        path = tmp_path / "scaled.json"
        path.write_text(json.dumps(document))
        (spec,) = inputs_of(open_keras(path, How(weights=FIXTURES / "chain.weights.h5")))
        assert spec.rescales is wanted
