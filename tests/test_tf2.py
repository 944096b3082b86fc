"""SavedModels without TensorFlow; checkpoints of TensorFlow 2, as far as they can be read without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tf_files import (
    blob,
    close,
    expected_of,
    meta,
    node,
    number,
    placeholder,
    prepared,
    shape,
    unpacked,
    variable,
    write_checkpoint,
)

from cutaway.errors import SourceError
from cutaway.sources import How, open_source
from cutaway.sources.tensorflow import TensorFlow, open_tensorflow
from cutaway.sources.tf_bundle import Bundle
from cutaway.sources.tf_objects import paired, read_objects


def opened(folder: Path, how: How | None = None) -> TensorFlow:
    source = open_tensorflow(folder, how)
    assert isinstance(source, TensorFlow)
    return source


def test_a_saved_model_runs(tmp_path: Path) -> None:
    folder = unpacked("saved_model", tmp_path)
    wanted = expected_of(folder)
    source = opened(folder)
    found = source.activations(0, prepared(source.inputs[0], wanted["images"]))
    assert set(found) == {layer.id for layer in source.network}
    (output,) = source.network.outputs
    assert close(found[output], wanted["variables/probabilities"])


def test_its_layers_are_called_as_the_author_called_them(tmp_path: Path) -> None:
    """Keras puts `functional_1/` around all names and a number behind each."""
    source = opened(unpacked("saved_model", tmp_path))
    assert [(layer.id, layer.kind, layer.fused) for layer in source.network] == [
        ("image", "input", ()),
        ("conv1", "conv2d", ("batch_norm", "relu")),
        ("dw", "depthwise_conv2d", ()),
        ("skip", "add", ()),
        ("pool", "max_pool2d", ()),
        ("out", "dense", ()),
        ("out/Softmax", "softmax", ()),
    ]
    assert source.inputs[0].name == "image"
    assert source.inputs[0].shape == (9, 9, 1)
    assert source.network.layer("out").attributes.input_order == "HWC"


def test_its_weights_are_found_through_the_objects(tmp_path: Path) -> None:
    """The keys do not tell: they are those of the first way to an object that was found while saving."""
    folder = unpacked("saved_model", tmp_path)
    wanted = {key.partition("/variable/")[2]: values for key, values in expected_of(folder).items()}
    source = opened(folder)
    parameters = source.parameters(0)
    objects = read_objects(source.bundles[0])
    kernel = next(one for one in objects if one.full_name == "conv1/kernel" and one.key)
    assert np.array_equal(parameters["conv1/kernel"], wanted[kernel.key or ""].transpose(3, 2, 0, 1))
    mean = next(one for one in objects if one.full_name == "bn1/moving_mean" and one.key)
    assert np.array_equal(parameters["conv1/mean"], wanted[mean.key or ""])
    depthwise = next(one for one in objects if one.full_name == "dw/kernel" and one.key)
    assert np.array_equal(parameters["dw/kernel"][:, 0], wanted[depthwise.key or ""][..., 0].transpose(2, 0, 1))


def test_any_way_to_a_saved_model_opens_it(tmp_path: Path) -> None:
    folder = unpacked("saved_model", tmp_path)
    assert opened(folder / "saved_model.pb").network == opened(folder).network
    assert open_source(folder).network == opened(folder).network


def test_a_saved_model_without_its_variables_says_so(tmp_path: Path) -> None:
    folder = unpacked("saved_model", tmp_path)
    shutil.rmtree(folder / "variables")
    with pytest.raises(SourceError, match=r"variables\.index: missing"):
        opened(folder)


def test_an_unknown_input_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no input 'photo' in it; it has image"):
        opened(unpacked("saved_model", tmp_path), How(input="photo"))


def test_a_saved_model_of_tensorflow_1(tmp_path: Path) -> None:
    """No objects: a signature that names tensors of one graph."""
    (tmp_path / "variables").mkdir()
    kernel = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    strides = blob(1, b"".join(number(3, one) for one in (1, 1, 1, 1)))
    graph = meta(
        placeholder("x", -1, 4, 4, 2),
        variable("w"),
        node("y", "Conv2D", ["x", "w"], strides=strides, padding=blob(2, "VALID")),
        node("later", "Relu", ["y"]),
    )
    write_checkpoint(tmp_path / "variables" / "variables", b"", {"w": kernel})

    def info(tensor: str) -> bytes:
        return blob(1, tensor) + number(2, 1) + blob(3, shape(-1, 4, 4, 2))

    signature = blob(1, blob(1, "photo") + blob(2, info("x:0"))) + blob(2, blob(1, "maps") + blob(2, info("y:0")))
    graph += blob(5, blob(1, "serving_default") + blob(2, signature)) + blob(1, blob(4, "serve"))
    (tmp_path / "saved_model.pb").write_bytes(number(1, 1) + blob(2, graph))
    source = opened(tmp_path)
    assert [spec.name for spec in source.inputs] == ["photo"]
    assert [layer.id for layer in source.network] == ["x", "y"]  # not what is behind the signature's output
    images = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    (found,) = source.activations(0, prepared(source.inputs[0], images))["y"]
    patch = images[0, 1:3, 2:4]
    assert np.allclose(found[:, 1, 2], np.einsum("hwi,hwio->o", patch, kernel), rtol=1e-5)


def test_a_checkpoint_of_tensorflow_2_says_what_it_needs(tmp_path: Path) -> None:
    folder = unpacked("tf2_checkpoint", tmp_path)
    for path in (folder, folder / "ckpt-2.index"):
        with pytest.raises(SourceError, match=r"holds weights without the graph.*--model package\.module:function"):
            open_source(path)


def test_its_objects_are_walked(tmp_path: Path) -> None:
    """From `net` on by the names of children; the keys of the same weights are the optimiser's."""
    folder = unpacked("tf2_checkpoint", tmp_path)
    wanted = expected_of(folder)
    bundle = Bundle(folder / "ckpt-2", 1 << 20)
    objects = read_objects(bundle)
    live = [{"_operations": 1}, {"1": 2, "2": 3}, {"_kernel": 4}, {"moving_mean": 5}, {}, {}]
    found = paired(live, objects, objects[0].children["net"])
    kernel, mean = objects[found[4]], objects[found[5]]
    assert (kernel.full_name, mean.full_name) == ("conv1/kernel", "bn1/moving_mean")
    assert kernel.key is not None
    assert not kernel.key.startswith("net/")
    assert np.array_equal(bundle.tensor(kernel.key), wanted[f"ckpt-2/variable/{kernel.key}"])
    assert paired([{"_operations": 1}, {"99": 2}, {}], objects, objects[0].children["net"]).keys() == {0, 1}
