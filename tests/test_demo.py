"""The bundled recording keeps what the demo promises, and every number in it is what its weights give (plain NumPy)."""

from __future__ import annotations

import io
import zipfile
from itertools import pairwise

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import cutaway
import cutaway.demo
from cutaway.network import Layer

WHEEL_BYTES = 6_000_000
RAW_BYTES = 8_000_000


@pytest.fixture(scope="module")
def demo() -> cutaway.Recording:
    return cutaway.open(cutaway.demo.path())


def predictions(demo: cutaway.Recording) -> np.ndarray:
    """Predicted class, [checkpoint, sample]."""
    checkpoints, samples = range(len(demo.checkpoints)), range(demo.samples.count)
    return np.array([[demo.activations("fc2", c, s).argmax() for s in samples] for c in checkpoints])


def wrong(demo: cutaway.Recording) -> np.ndarray:
    """Whether the prediction is wrong, [checkpoint, sample]."""
    return np.asarray(predictions(demo) != np.array(demo.samples.labels))


def validation(demo: cutaway.Recording) -> dict[float, float]:
    """Step -> accuracy on all held-out images."""
    return {row["step"]: row["val_accuracy"] for row in demo.metrics() if "val_accuracy" in row}


def test_network_is_a_lenet(demo: cutaway.Recording) -> None:
    found = [(layer.id, layer.kind, layer.output_shape) for layer in demo.network]
    assert found == [
        ("input", "input", (1, 28, 28)),
        ("conv1", "conv2d", (6, 28, 28)),
        ("pool1", "max_pool2d", (6, 14, 14)),
        ("conv2", "conv2d", (12, 10, 10)),
        ("pool2", "max_pool2d", (12, 5, 5)),
        ("fc1", "dense", (32,)),
        ("fc2", "dense", (10,)),
    ]
    assert demo.network.layer("fc1").attributes.input_order == "CHW"
    assert demo.classes == tuple("0123456789")


def test_checkpoints_go_from_untrained_to_trained(demo: cutaway.Recording) -> None:
    steps = [checkpoint.step or 0 for checkpoint in demo.checkpoints]
    assert len(steps) >= 9
    assert steps[0] == 0
    gaps = [after - before for before, after in pairwise(steps)]
    assert gaps == sorted(gaps), "denser at the start"
    accuracy = validation(demo)
    assert sorted(accuracy) == steps
    assert accuracy[0] < 0.2
    assert accuracy[steps[-1]] >= 0.97


def test_two_samples_of_each_digit(demo: cutaway.Recording) -> None:
    assert sorted(label for label in demo.samples.labels or () if label is not None) == sorted([*range(10)] * 2)
    assert demo.images.shape == (20, 28, 28, 1)
    assert demo.images.dtype == np.uint8
    assert len(set(demo.samples.names)) == 20


def test_some_samples_stay_wrong_for_a_while(demo: cutaway.Recording) -> None:
    accuracy = validation(demo)
    learnt = [i for i, moment in enumerate(demo.checkpoints) if accuracy[moment.step or 0] > 0.5]
    mistakes = wrong(demo)[learnt]
    stays = (mistakes[1:] & mistakes[:-1]).any(axis=0)
    corrected = stays & ~mistakes[-1]
    assert corrected.sum() >= 3
    assert (~mistakes[-1]).sum() >= 17


def test_biases_are_real(demo: cutaway.Recording) -> None:
    assert demo.completeness.biases
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        assert np.abs(demo.parameters(layer, "bias", -1)).max() > 1e-3
        assert (demo.parameters(layer, "bias", -1) != demo.parameters(layer, "bias", 0)).any()


def test_metrics_show_every_early_step(demo: cutaway.Recording) -> None:
    rows = [row for row in demo.metrics() if "loss" in row]
    assert {"step", "epoch", "loss", "accuracy"} <= set(rows[0])
    assert [row["step"] for row in rows[:100]] == list(range(100))
    assert (cutaway.demo.path() / "metrics.jsonl").stat().st_size <= 150_000


def compute(demo: cutaway.Recording, layer: Layer, x: np.ndarray, checkpoint: int) -> np.ndarray:
    """What a layer puts out for the input x (C,H,W or C), in float64."""
    if layer.kind == "max_pool2d":
        channels, height, width = x.shape
        return np.asarray(x.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4)))
    kernel = demo.parameters(layer.id, "kernel", checkpoint).astype(np.float64)
    bias = demo.parameters(layer.id, "bias", checkpoint).astype(np.float64)
    if layer.kind == "conv2d":
        padded = np.pad(x, ((0, 0), *(layer.attributes.padding or ())))
        windows = sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
        y = np.einsum("oikl,ihwkl->ohw", kernel, windows) + bias[:, None, None]
    else:
        y = kernel @ x.reshape(-1) + bias
    if layer.fused == ("relu",):
        return np.asarray(np.maximum(y, 0))
    assert layer.fused == ("softmax",)
    exponentials = np.exp(y - y.max())
    return np.asarray(exponentials / exponentials.sum())


@pytest.mark.parametrize("sample", [0, 4, 10, 19])
@pytest.mark.parametrize("checkpoint", [0, 3, 6, -1])
def test_recorded_values_are_what_the_weights_give(demo: cutaway.Recording, checkpoint: int, sample: int) -> None:
    chain = demo.images[sample].transpose(2, 0, 1) / 255
    recorded = demo.activations("input", checkpoint, sample)
    np.testing.assert_allclose(recorded, chain, rtol=1e-6)
    for layer in list(demo.network)[1:]:
        # from the layer before as recorded: each number on its own, as the viewer's calculation panel shows it
        one = compute(demo, layer, recorded.astype(np.float64), checkpoint)
        # from the image: nothing was lost on the way
        chain = compute(demo, layer, chain, checkpoint)
        recorded = demo.activations(layer.id, checkpoint, sample)
        np.testing.assert_allclose(recorded, one, rtol=1e-6, atol=1e-12, err_msg=layer.id)
        np.testing.assert_allclose(recorded, chain, rtol=0, atol=1e-4 * float(np.abs(chain).max()), err_msg=layer.id)


def test_no_map_of_the_trained_network_is_dead(demo: cutaway.Recording) -> None:
    for layer in ("conv1", "conv2"):
        maps = np.array([demo.activations(layer, -1, sample) for sample in range(demo.samples.count)])
        assert (maps.max(axis=(0, 2, 3)) > 0.05 * maps.max()).all()


def test_fits_into_the_wheel() -> None:
    files = [path for path in cutaway.demo.path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= RAW_BYTES
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path)
    assert packed.tell() <= WHEEL_BYTES


def test_licence_of_the_data_is_named() -> None:
    text = (cutaway.demo.path().parent / "README.md").read_text("utf-8")
    assert "MNIST" in text
    assert "CC BY-SA 3.0" in " ".join(text.split())
