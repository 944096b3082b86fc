"""Keras models against Keras itself: what every layer puts out, every parameter, totals; files and live models."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import computed, difference, in_keras, opened, prepared

pytest.importorskip("keras", reason="compares with Keras, which is not installed")

from keras_models import FAMILIES, ODD, L, chain, keras, ops, shuffled

import cutaway
from cutaway.errors import SourceError
from cutaway.shapes import parameter_count
from cutaway.sources import How, inputs_of, open_source
from cutaway.sources.keras import open_model

TOLERANCE = 1e-4

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's, on PyTorch


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    keras.utils.clear_session()


def answer(model: Any, samples: Any, source: Any) -> list[np.ndarray]:
    """What the model itself computes of the samples, in the order of its outputs."""
    given = [samples.inputs[spec.name] for spec in inputs_of(source)]
    made = model(given if len(given) > 1 else given[0], training=False)
    return [np.asarray(keras.ops.convert_to_numpy(one)) for one in keras.tree.flatten(made)]


def counted(model: Any) -> int:
    """Parameters, without the tallies that Normalization layers keep of how much they have seen."""
    tallies = [weight for weight in model.weights if weight.path.endswith("/count")]
    return int(model.count_params()) - len(tallies)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", [*FAMILIES, *ODD])
def test_a_file_computes_what_the_model_computes(tmp_path: Path, name: str, ending: str) -> None:
    model = {**FAMILIES, **ODD}[name]()
    model.save(tmp_path / f"net{ending}")
    source = opened(tmp_path / f"net{ending}")
    samples = prepared(source)
    found = computed(source, samples)
    channels_last = inputs_of(source)[0].layout == "NHWC"
    wanted = answer(model, samples, source)
    assert len(wanted) == len(source.network.outputs)
    for id, values in zip(source.network.outputs, wanted, strict=True):
        assert difference(in_keras(found[id]) if channels_last else found[id], values) < TOLERANCE, id
    assert parameter_count(source.network) == counted(model)
    assert source.completeness.activations


@pytest.mark.parametrize("name", [*FAMILIES, *ODD])
def test_a_live_model_and_its_file_agree_at_every_layer(tmp_path: Path, name: str) -> None:
    model = {**FAMILIES, **ODD}[name]()
    model.save(tmp_path / "net.keras")
    live, file = open_model(model, How()), opened(tmp_path / "net.keras")
    assert live.network == file.network
    parameters, others = live.parameters(0), file.parameters(0)
    assert parameters.keys() == others.keys()
    assert all(np.array_equal(values, others[key]) for key, values in parameters.items())
    samples = prepared(live)
    by_keras, here = computed(live, samples), computed(file, samples)
    assert list(by_keras) == list(here) == [layer.id for layer in live.network]
    for id, values in by_keras.items():
        assert difference(here[id], values) < TOLERANCE, id
        assert values.shape[1:] == live.network.layer(id).output_shape, id


def test_every_parameter_is_a_weight_of_the_model(tmp_path: Path) -> None:
    model = FAMILIES["mobilenet"]()
    model.save(tmp_path / "net.keras")
    parameters = opened(tmp_path / "net.keras").parameters(0)
    kernel = next(weight for weight in model.weights if weight.path == "conv2d/kernel")
    found = parameters["conv2d/kernel"]
    assert np.array_equal(found, keras.ops.convert_to_numpy(kernel).transpose(3, 2, 0, 1))
    ours = np.sort(np.concatenate([values.ravel() for values in parameters.values()]))
    theirs = np.sort(np.concatenate([keras.ops.convert_to_numpy(weight).ravel() for weight in model.weights]))
    assert np.array_equal(ours, theirs)


def test_families_keep_their_names_and_their_branches() -> None:
    network = open_model(FAMILIES["resnet18"](), How()).network
    layer = network.layer("stage1_block0_add")
    assert [edge.layer for edge in layer.inputs] == ["stage1_block0_skip_conv", "stage1_block0_2_conv"]
    assert layer.fused == ("relu",)
    assert network.layer("stem_conv").fused == ("batch_norm", "relu")
    assert sum(len(one.inputs) == 2 for one in network) == 8
    unet = open_model(FAMILIES["unet"](), How()).network
    assert [one.kind for one in unet].count("concat") == 3


def test_depthwise_and_pointwise_kernels_are_one_separable_layer() -> None:
    layer = open_model(chain((9, 7, 3), L.SeparableConv2D(5, 3, depth_multiplier=2)), How()).network.layers[1]
    assert [(one.role, one.shape) for one in layer.parameters] == [
        ("depthwise", (6, 1, 3, 3)),
        ("pointwise", (5, 6, 1, 1)),
        ("bias", (5,)),
    ]


def test_weights_saved_alone_open_with_their_configuration(tmp_path: Path) -> None:
    model = ODD["nested"]()
    model.save_weights(tmp_path / "net.weights.h5")
    (tmp_path / "net.json").write_text(model.to_json())
    source = opened(tmp_path / "net.weights.h5", weights=tmp_path / "net.json")
    samples = prepared(source)
    found = computed(source, samples)
    for id, values in zip(source.network.outputs, answer(model, samples, source), strict=True):
        assert difference(in_keras(found[id]), values) < TOLERANCE


def test_weights_alone_open_with_the_function_that_builds_the_model(tmp_path: Path) -> None:
    model = FAMILIES["densenet"]()
    model.save_weights(tmp_path / "net.weights.h5")
    for given in ("keras_models:densenet", FAMILIES["densenet"]):
        source = open_source(tmp_path / "net.weights.h5", model=given)
        samples = prepared(source)
        found = computed(source, samples)[source.network.outputs[0]]
        assert difference(found, answer(model, samples, source)[0]) < TOLERANCE
    with pytest.raises(SourceError, match="don't fit the model that keras_models:unet builds"):
        open_source(tmp_path / "net.weights.h5", model="keras_models:unet")
    with pytest.raises(SourceError, match="no 'nothing' in it"):
        open_source(tmp_path / "net.weights.h5", model="keras_models:nothing")


def test_a_folder_of_weights_is_the_epochs_of_one_model(tmp_path: Path) -> None:
    folder = tmp_path / "epochs"
    folder.mkdir()
    wanted = []
    for epoch in (9, 10):
        keras.utils.clear_session()
        model = shuffled(chain((4, 3, 2), L.Conv2D(3, 2, name="conv")), seed=epoch)
        model.save_weights(folder / f"epoch_{epoch}.weights.h5")
        wanted.append(keras.ops.convert_to_numpy(model.weights[0]).transpose(3, 2, 0, 1))
    (tmp_path / "net.json").write_text(model.to_json())
    build = lambda: chain((4, 3, 2), L.Conv2D(3, 2, name="conv"))  # noqa: E731
    for how in ({"weights": tmp_path / "net.json"}, {"model": build}):
        source = open_source(folder, **how)
        assert [moment.epoch for moment in source.checkpoints] == [9, 10]
        for checkpoint in (0, 1, 0):
            assert np.array_equal(source.parameters(checkpoint)["conv/kernel"], wanted[checkpoint])


def test_a_class_of_its_own_is_followed_through_its_call() -> None:
    class Net(keras.Model):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__(name="own")
            self.first, self.second = L.Conv2D(4, 3, padding="same"), L.Conv2D(4, 3, padding="same")
            self.top = L.Dense(3)

        def call(self, x: Any) -> Any:
            x = ops.relu(self.first(x))
            return self.top(ops.mean(x + self.second(x), axis=(1, 2)))

    net = Net()
    pictures = np.random.default_rng(0).random((2, 8, 6, 3), np.float32)
    wanted = keras.ops.convert_to_numpy(net(pictures))
    source = open_model(net, How(sample_shape=(3, 8, 6)))
    samples = prepared(source, {inputs_of(source)[0].name: pictures})
    found = computed(source, samples)
    assert difference(found[source.network.outputs[0]], wanted) < TOLERANCE
    assert parameter_count(source.network) == net.count_params()
    assert [layer.kind for layer in source.network].count("conv2d") == 2


def test_a_class_whose_call_can_not_be_followed_says_so() -> None:
    class Net(keras.Model):  # type: ignore[misc, name-defined, unused-ignore]
        def call(self, x: Any) -> Any:
            return math.floor(float(x[0, 0, 0, 0]))

    with pytest.raises(SourceError, match="can't be followed"):
        open_model(Net(name="strange"), How(sample_shape=(3, 8, 6)))
    with pytest.raises(SourceError, match="no input shape yet"):
        open_model(Net(name="strange"), How())


def test_layers_of_the_users_own_run_in_a_live_model() -> None:
    class Doubled(L.Layer):  # type: ignore[misc, name-defined, unused-ignore]
        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(shape=(shape[-1],), name="factor", initializer="ones")

        def call(self, x: Any) -> Any:
            return 2 * x * self.factor

    model = chain(
        (6, 5, 3), L.Conv2D(4, 3, name="conv"), Doubled(name="doubled"), L.Lambda(lambda x: x + 1, name="more")
    )
    source = open_model(model, How())
    samples = prepared(source)
    found = computed(source, samples)
    assert source.network.layer("doubled").kind == "other"
    assert difference(in_keras(found["more"]), answer(model, samples, source)[0]) < TOLERANCE
    assert parameter_count(source.network) == model.count_params()


def test_only_what_is_wanted_is_kept() -> None:
    source = open_model(FAMILIES["inception"](), How())
    samples = prepared(source)
    wanted = frozenset(["top", "conv2d"])
    some = computed(source, type(samples)(**{**vars_of(samples), "wanted": wanted}))
    assert set(some) == wanted
    assert difference(some["top"], computed(source, samples)["top"]) == 0


def vars_of(samples: Any) -> dict[str, Any]:
    return {name: getattr(samples, name) for name in ("images", "names", "labels", "inputs")}


def test_parameters_are_those_of_the_moment() -> None:
    model = chain((5,), L.Dense(3, name="dense"))
    source = open_model(model, How())
    before = source.parameters(0)["dense/kernel"].copy()
    shuffled(model, seed=1)
    assert not np.array_equal(before, source.parameters(0)["dense/kernel"])


def test_kinds_that_can_not_be_computed_are_shown_and_said(tmp_path: Path) -> None:
    inputs = keras.Input((6,), name="words")
    x = L.Embedding(20, 8, name="vectors")(inputs)
    x = L.MultiHeadAttention(2, 4, name="looks")(x, x)
    x = L.Bidirectional(L.LSTM(5), name="reads")(x)
    model = shuffled(keras.Model(inputs, L.Dense(2, name="top")(x)))
    model.save(tmp_path / "net.keras")
    source = opened(tmp_path / "net.keras")
    kinds = {layer.id: layer.kind for layer in source.network}
    assert kinds["vectors"] == "embedding"
    assert kinds["looks"] == "attention"
    assert kinds["reads"] == "recurrent"
    assert source.network.layer("top").output_shape == (2,)
    assert parameter_count(source.network) == model.count_params()
    assert set(computed(source, prepared(source))) == {"words"}
    assert "embedding" in source.completeness.notes[0]
    live = open_model(model, How())
    samples = prepared(live)
    assert difference(computed(live, samples)["top"], answer(model, samples, live)[0]) < TOLERANCE


def test_a_live_model_is_recorded_end_to_end(tmp_path: Path) -> None:
    model = FAMILIES["unet"]()
    pictures = np.random.default_rng(0).random((3, 16, 24, 1), np.float32)
    recording = cutaway.record(model, pictures, tmp_path / "run")
    last = recording.network.outputs[0]
    wanted = keras.ops.convert_to_numpy(model(pictures[1:2], training=False))[0]
    assert difference(np.moveaxis(recording.activations(last, -1, sample=1), 0, -1), wanted) < TOLERANCE
