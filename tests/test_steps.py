"""What lies between a layer and its attached norms and activations, recorded on request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_models
from fixtures.runnable import RunnableSource
from msgspec.structs import replace
from torch import Tensor, nn

import cutaway
from cutaway.errors import RecordingError
from cutaway.network import Layer, Network
from cutaway.recording.check import check_index
from cutaway.recording.steps import parts, separated, with_steps
from cutaway.samples import Prepared

CHAIN = Path(__file__).parent / "fixtures/keras/chain.keras"


def test_they_are_what_the_framework_computes_there(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = torch_models.spread(torch_models.ResNet(blocks=(1, 1), classes=5)).eval()
    images = np.random.default_rng(1).random((2, 3, 33, 47), np.float32)
    seen: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output.clone()}))
    with torch.no_grad():
        model(torch.from_numpy(images))
    computed = {name: output.numpy() for name, output in seen.items()}
    run = cutaway.record(model, images, tmp_path / "run", steps=True)
    run.check()
    layer = run.network.layer("layer1.0.conv1")
    assert layer.fused == ("batch_norm", "relu")
    assert layer.steps == ("layer1.0.conv1/conv2d", "layer1.0.conv1/batch_norm")
    assert run.network.layer("layer1.0.add").steps == ("layer1.0.add/add",)
    for step, module in (("layer1.0.conv1/conv2d", "layer1.0.conv1"), ("layer1.0.conv1/batch_norm", "layer1.0.bn1")):
        expected = computed[module]
        for sample in range(2):
            largest = float(np.abs(expected[sample]).max())
            np.testing.assert_allclose(run.activations(step, -1, sample), expected[sample], atol=1e-4 * largest)
    ranges = run.summary(-1).layers["layer1.0.conv1/conv2d"]
    assert ranges.activations is not None
    assert ranges.activations.low < 0
    assert list(ranges.parameters) == ["kernel"]


def test_nothing_else_changes_and_without_being_asked_there_are_none(tmp_path: Path) -> None:
    plain = cutaway.record(CHAIN, None, tmp_path / "plain")
    steps = cutaway.record(CHAIN, None, tmp_path / "steps", steps=True)
    assert not any(layer.steps for layer in plain.network)
    assert sum(len(layer.steps) for layer in steps.network) > 3
    assert [replace(layer, steps=()) for layer in steps.network] == list(plain.network)
    for layer in plain.network:
        np.testing.assert_array_equal(steps.activations(layer.id, 0, 0), plain.activations(layer.id, 0, 0))
        assert steps.summary(0).layers[layer.id] == plain.summary(0).layers[layer.id]


def test_a_layer_that_ends_in_other_numbers_than_recorded_has_none(tmp_path: Path) -> None:
    class Wrong(RunnableSource):
        def activations(self, checkpoint: int, samples: Prepared) -> Mapping[str, np.ndarray]:  # type: ignore[override]
            found = dict(super().activations(checkpoint, samples))
            found["scores"] = found["scores"][:, ::-1] + 1
            return found

    pixels = np.random.default_rng(3).integers(0, 256, (5, 6, 5, 3), dtype=np.uint8)
    assert cutaway.record(RunnableSource(2), pixels, tmp_path / "right", steps=True).network.layer("scores").steps == (
        "scores/dense",
    )
    wrong = cutaway.record(Wrong(2), pixels, tmp_path / "wrong", steps=True)
    assert wrong.network.layer("scores").steps == ()
    wrong.check()


def test_what_is_not_recorded_can_not_be_taken_apart(tmp_path: Path) -> None:
    run = cutaway.record(
        RunnableSource(1), np.zeros((1, 6, 5, 3), np.uint8), tmp_path / "run", layers="scores", steps=True
    )
    assert not any(layer.steps for layer in run.network)


def test_a_network_taken_apart_reads_on(tmp_path: Path) -> None:
    network = separated(with_steps(cutaway.open_source(CHAIN).network))
    ids = [layer.id for layer in network]
    assert len(set(ids)) == len(ids)
    for position, layer in enumerate(network):
        assert not layer.fused or not layer.steps
        assert all(edge.layer in ids[:position] for edge in layer.inputs)
    keys = [parameter.key for layer in network for parameter in layer.parameters]
    assert sorted(keys) == sorted(p.key for layer in cutaway.open_source(CHAIN).network for p in layer.parameters)


def test_names_stay_unique() -> None:
    conv = Layer(id="a", name="a", kind="relu", fused=("tanh",))
    network = with_steps(Network(layers=(conv, Layer(id="a/relu", name="b", kind="relu")), inputs=(), outputs=()))
    assert network.layers[0].steps == ("a/relu'",)
    assert [(part.id, part.kind) for part in parts(network.layers[0])] == [("a/relu'", "relu"), ("a", "tanh")]


@pytest.mark.parametrize(
    ("steps", "said"), [(("x", "y"), "has 2 steps for 1 fused operations"), (("image",), "is called like another")]
)
def test_an_index_that_contradicts_itself(tmp_path: Path, steps: tuple[str, ...], said: str) -> None:
    run = cutaway.record(RunnableSource(1), np.zeros((1, 6, 5, 3), np.uint8), tmp_path / "run")
    layers = tuple(replace(one, steps=steps if one.id == "scores" else ()) for one in run.network)
    with pytest.raises(RecordingError, match=said):
        check_index(replace(run.index, network=replace(run.network, layers=layers)), "here")


class Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.act = nn.Conv2d(1, 2, 3), nn.Dropout(0.5), nn.PReLU(2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.drop(self.act(self.conv(x)))
        return found


def test_dropout_and_prelu_are_steps_with_their_own_weights(tmp_path: Path) -> None:
    run = cutaway.record(
        Dropped(), np.random.default_rng(0).random((1, 1, 6, 5), np.float32), tmp_path / "run", steps=True
    )
    conv, act, drop = separated(run.network).layers[1:]
    assert [(one.kind, [p.role for p in one.parameters]) for one in (conv, act, drop)] == [
        ("conv2d", ["kernel", "bias"]),
        ("prelu", ["alpha"]),
        ("dropout", []),
    ]
    np.testing.assert_array_equal(run.activations(drop.id, 0, 0), run.activations(act.id, 0, 0))
