"""TensorFlow 1 checkpoints, read and run without TensorFlow, against what TensorFlow computed for them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tf_files import (
    FLOAT,
    blob,
    close,
    expected_of,
    integers,
    meta,
    node,
    number,
    placeholder,
    prepared,
    unpacked,
    variable,
    write_checkpoint,
)

from cutaway.errors import SourceError
from cutaway.shapes import parameter_count
from cutaway.sources import How, open_source
from cutaway.sources.tensorflow import TensorFlow, open_tensorflow

MODELS = ("conv", "residual", "handmade", "baked", "parts", "many")


def opened(folder: Path, how: How | None = None) -> TensorFlow:
    source = open_tensorflow(folder, how)
    assert isinstance(source, TensorFlow)
    return source


@pytest.mark.parametrize("name", MODELS)
def test_activations_are_tensorflows(name: str, tmp_path: Path) -> None:
    """Every layer of every checkpoint, within 1e-4 of its largest value."""
    folder = unpacked(name, tmp_path)
    wanted = expected_of(folder)
    source = opened(folder)
    assert source.completeness.runnable, source.completeness.missing
    for position, bundle in enumerate(source.bundles):
        found = source.activations(position, prepared(source.inputs[0], wanted["images"]))
        assert set(found) == {layer.id for layer in source.network}
        compared = 0
        for layer in source.network:
            assert found[layer.id].shape[1:] == layer.output_shape
            key = f"{bundle.prefix.name}/{source.tensors.get(layer.id)}"
            if key in wanted:
                assert close(found[layer.id], wanted[key]), f"{layer.id} is not {key}"
                compared += 1
        assert compared >= len(source.network.layers) - 1


def test_parameters_are_exactly_the_variables(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    wanted = expected_of(folder)
    source = opened(folder)
    for position, step in enumerate((3, 10)):
        found = source.parameters(position)
        saved = {
            key.partition("/variable/")[2]: values for key, values in wanted.items() if f"-{step}/variable/" in key
        }
        assert np.array_equal(found["conv1/kernel"], saved["conv1/weights"].transpose(3, 2, 0, 1))
        assert np.array_equal(found["conv2/kernel"], saved["conv2/weights"].transpose(3, 2, 0, 1))
        assert np.array_equal(found["fc1/kernel"], saved["fc1/weights"].T)
        assert np.array_equal(found["fc2/bias"], saved["fc2/biases"])
    assert not np.array_equal(source.parameters(0)["fc1/kernel"], source.parameters(1)["fc1/kernel"])


def test_the_network_is_the_authors(tmp_path: Path) -> None:
    """Layers by the names of their scopes; bias, activation and dropout in the layer that they belong to."""
    source = opened(unpacked("conv", tmp_path))
    kinds = {layer.id: (layer.kind, layer.fused) for layer in source.network}
    assert kinds == {
        "images": ("input", ()),
        "conv1": ("conv2d", ("relu",)),
        "pool1": ("max_pool2d", ()),
        "conv2": ("conv2d", ("elu",)),
        "pool2": ("average_pool2d", ()),
        "fc1": ("dense", ("tanh", "dropout")),
        "fc2": ("dense", ()),
        "probabilities": ("softmax", ()),
    }
    conv1, conv2, fc1 = (source.network.layer(name) for name in ("conv1", "conv2", "fc1"))
    assert conv1.attributes.padding == ((1, 1), (0, 1))  # SAME of 9 × 9 under 3 × 2 with a stride of 2
    assert conv2.attributes.padding == ((1, 0), (0, 2))  # explicit
    assert fc1.attributes.input_order == "HWC"
    assert [one.source_axes for one in conv1.parameters] == ["HWIO", None]
    assert source.network.inputs == ("images",)
    assert source.network.outputs == ("probabilities",)
    assert source.inputs[0].shape == (9, 9, 1)
    assert source.inputs[0].layout == "NHWC"


def test_slots_of_the_optimiser_are_no_weights(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    source = opened(folder)
    assert "conv1/weights/Adam" in source.bundles[0].entries
    saved = {key.partition("/variable/")[2]: v for key, v in expected_of(folder).items() if "-3/variable/" in key}
    trained = sum(values.size for name, values in saved.items() if "power" not in name)
    assert parameter_count(source.network) == trained


def test_checkpoints_are_ordered_by_number_and_need_no_checkpoint_file(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    assert not (folder / "checkpoint").exists()
    source = opened(folder)
    assert [one.step for one in source.checkpoints] == [3, 10]
    assert [one.index for one in source.checkpoints] == [0, 1]


def test_checkpoints_of_several_trainings_are_told_apart_by_the_user(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    for file in list(folder.glob("model.ckpt-3.*")):
        shutil.copy(file, file.with_name(file.name.replace("model.ckpt", "other")))
    for open_it in (opened, open_source):
        with pytest.raises(SourceError) as caught:
            open_it(folder)
        assert str(caught.value) == (
            f"{folder}: holds checkpoints of 2 trainings, model.ckpt (2) and other (1); name those of one, like "
            f"{folder}/model.ckpt*.index"
        )
    assert [one.step for one in open_source(sorted(folder.glob("model.ckpt*.index"))).checkpoints] == [3, 10]


@pytest.mark.parametrize(
    "name", ["model.ckpt-3", "model.ckpt-3.index", "model.ckpt-10.meta", "model.ckpt-3.data-00000-of-00001"]
)
def test_any_file_of_a_checkpoint_opens_it(name: str, tmp_path: Path) -> None:
    """The graph may lie beside another checkpoint: here only one of the two has a .meta."""
    folder = unpacked("conv", tmp_path)
    assert len(list(folder.glob("*.meta"))) == 1
    source = open_source(folder / name)
    assert [one.step for one in source.checkpoints] == [10 if "-10" in name else 3]
    assert len(source.network.layers) == 8


def test_a_folder_opened_by_content(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    source = open_source(folder)
    assert [one.step for one in source.checkpoints] == [3, 10]
    again = opened(folder)
    for position in (0, 1):
        for key, values in again.parameters(position).items():
            assert np.array_equal(source.parameters(position)[key], values)


def test_conditions_take_the_branch_of_inference(tmp_path: Path) -> None:
    """FusedBatchNorm, dropout and updates behind `tf.cond`: moving averages, no dropout, one skip."""
    source = opened(unpacked("residual", tmp_path))
    stem = source.network.layer("stem")
    assert stem.fused == ("batch_norm", "relu")
    assert [one.role for one in stem.parameters] == ["kernel", "gamma", "beta", "mean", "variance"]
    assert [one.trainable for one in stem.parameters] == [True, True, True, False, False]
    assert stem.attributes.epsilon == pytest.approx(1e-3)
    (skip,) = [layer for layer in source.network if layer.kind == "add"]
    assert [edge.layer for edge in skip.inputs] == ["stem", "block"]
    assert not [layer for layer in source.network if layer.kind == "other"]


def test_batch_norms_by_hand(tmp_path: Path) -> None:
    """nn.moments with an ExponentialMovingAverage, and population statistics assigned by hand; epsilons exactly."""
    source = opened(unpacked("handmade", tmp_path))
    first, second = source.network.layer("c1"), source.network.layer("d1")
    assert first.fused == ("batch_norm", "relu")
    assert first.attributes.epsilon == pytest.approx(1e-3)
    assert second.fused == ("batch_norm", "leaky_relu")
    assert second.attributes.epsilon == pytest.approx(1e-5)
    assert second.attributes.slope == pytest.approx(0.2)


def test_a_graph_saved_while_training_runs_as_inference(tmp_path: Path) -> None:
    """No flags, no collections: batch norms in training form use the moving averages that they update."""
    folder = unpacked("baked", tmp_path)
    wanted = expected_of(folder)
    source = opened(folder)
    parameters = source.parameters(0)
    saved = {key.partition("/variable/")[2]: values for key, values in wanted.items() if "/variable/" in key}
    assert np.array_equal(parameters["conv/mean"], saved["conv/bn/moving_mean"])
    averages = "norm2/norm2/moments/Squeeze{}/ExponentialMovingAverage"
    assert np.array_equal(parameters["conv2/mean"], saved[averages.format("")])
    assert np.array_equal(parameters["conv2/variance"], saved[averages.format("_1")])
    assert source.network.layer("conv2").fused == ("batch_norm", "relu6", "dropout")
    assert source.inputs[0].shape == (9, 9, 1)  # fed as a row of 81, asked for as the picture that it is
    assert source.inputs[0].rescales


def test_partitions_shards_and_a_compressed_index(tmp_path: Path) -> None:
    folder = unpacked("parts", tmp_path)
    assert len(list(folder.glob("*.data-*-of-00002"))) == 2
    source = opened(folder)
    wanted = expected_of(folder)
    kernel = source.parameters(0)["dense/kernel"]
    assert np.array_equal(kernel, wanted["model.ckpt-4/variable/dense/w"].T)
    assert len(source.bundles[0].entries["dense/w"].slices) == 3


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = unpacked("parts", tmp_path)
    next(folder.glob("*.data-00001-of-00002")).unlink()
    with pytest.raises(SourceError, match=r"data-00001-of-00002: missing"):
        opened(folder)


def test_weights_without_a_graph_say_so(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    next(folder.glob("*.meta")).unlink()
    with pytest.raises(SourceError, match="weights without a graph"):
        opened(folder)


def test_a_graph_of_another_model_says_so(tmp_path: Path) -> None:
    folder = unpacked("conv", tmp_path)
    shutil.copy(next(unpacked("residual", tmp_path).glob("*.meta")), next(folder.glob("*.meta")))
    with pytest.raises(SourceError, match="holds no variable 'stem/kernel'"):
        opened(folder)


# --- graphs by hand, for what TensorFlow of today no longer writes ---------------------------------------------------

KERNEL = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype(np.float32)
STRIDES = blob(1, b"".join(number(3, one) for one in (1, 1, 1, 1)))


def conv_node(name: str, source: str, data_format: str = "NHWC") -> bytes:
    return node(
        name,
        "Conv2D",
        [source, "w"],
        strides=STRIDES,
        padding=blob(2, "SAME"),
        data_format=blob(2, data_format),
        T=FLOAT,
    )


def by_hand(tmp_path: Path, *nodes: bytes, how: How | None = None, **tensors: np.ndarray) -> TensorFlow:
    return opened(write_checkpoint(tmp_path / "m", meta(*nodes), {"w": KERNEL, **tensors}), how)


def test_channels_first_is_the_same_network(tmp_path: Path) -> None:
    """NCHW, which TensorFlow computes only on some machines: the values must be those of NHWC."""
    images = np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype(np.float32)
    last = by_hand(
        tmp_path, placeholder("x", -1, 5, 6, 3), variable("w"), conv_node("c", "x"), node("r", "Relu", ["c"])
    )
    first = by_hand(
        tmp_path, placeholder("x", -1, 3, 5, 6), variable("w"), conv_node("c", "x", "NCHW"), node("r", "Relu", ["c"])
    )
    assert first.inputs[0].layout == "NCHW"
    assert first.inputs[0].shape == (3, 5, 6)
    wanted = last.activations(0, prepared(last.inputs[0], images))["c"]
    found = first.activations(0, prepared(first.inputs[0], np.moveaxis(images, -1, 1)))["c"]
    assert np.array_equal(found, wanted)


def test_free_sizes_come_from_size(tmp_path: Path) -> None:
    nodes = (placeholder("x", -1, -1, -1, 3), variable("w"), conv_node("c", "x"))
    with pytest.raises(SourceError, match=r"leaves its size free, \[\?, \?, \?, 3\]; say --size"):
        by_hand(tmp_path, *nodes)
    source = by_hand(tmp_path, *nodes, how=How(size=(7, 8)))
    assert source.network.layer("c").output_shape == (4, 7, 8)


def test_an_unknown_operation_is_a_box_and_says_what_is_missing(tmp_path: Path) -> None:
    source = by_hand(
        tmp_path,
        placeholder("x", -1, 4, 4, 3),
        variable("w"),
        node("odd", "FancyOp", ["x"]),
        conv_node("c", "odd"),
        node("r", "Relu", ["c"]),
    )
    assert source.network.layer("odd").kind == "other"
    assert not source.completeness.runnable
    assert "FancyOp" in source.completeness.missing["odd"][0]
    images = np.zeros((1, 4, 4, 3), np.float32)
    assert set(source.activations(0, prepared(source.inputs[0], images))) == {"x"}
    assert source.network.layer("c").fused == ("relu",)
    assert source.parameters(0)["c/kernel"].shape == (4, 3, 2, 2)  # what has weights shows them


def test_an_input_is_chosen_by_name(tmp_path: Path) -> None:
    nodes = [placeholder("a", -1, 4, 4, 3), placeholder("b", -1, 4, 4, 3), variable("w"), conv_node("c", "a")]
    nodes += [conv_node("d", "b"), node("sum", "AddV2", ["c", "d"])]
    source = by_hand(tmp_path, *nodes, how=How(input="b"))
    assert [spec.name for spec in source.inputs] == ["b", "a"]
    with pytest.raises(SourceError, match="no input 'z' in this graph; it has a, b"):
        by_hand(tmp_path, *nodes, how=How(input="z"))
    images = np.ones((1, 4, 4, 3), np.float32)
    found = source.activations(0, prepared(source.inputs[0], images))
    assert np.array_equal(found["a"], np.zeros((1, 3, 4, 4)))  # what gets no samples gets zeros


def test_a_queue_in_front_of_the_graph_is_its_input(tmp_path: Path) -> None:
    """Input pipelines of TensorFlow 1 end in a queue or an iterator; labels come out of it too."""
    types = blob(1, number(6, 1) + number(6, 9))
    shapes = blob(1, blob(7, b"".join(blob(2, number(1, n)) for n in (8, 4, 4, 3))) + blob(7, blob(2, number(1, 8))))
    source = by_hand(
        tmp_path,
        node("next", "IteratorGetNext", ["it"], output_types=types, output_shapes=shapes),
        node("it", "IteratorV2"),
        variable("w"),
        conv_node("c", "next"),
        node("shape", "Const", value=integers([8, -1]), dtype=number(6, 3)),
        node("flat", "Reshape", ["c", "shape"]),
        variable("v"),
        node("fc", "MatMul", ["flat", "v"]),
        v=np.ones((64, 2), np.float32),
    )
    assert source.inputs[0].shape == (4, 4, 3)
    assert source.network.layer("fc").attributes.input_order == "HWC"
