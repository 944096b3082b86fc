"""`.pt2` files: read without torch, computed by the executor, compared with the framework and with the live module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_models as models
from torch import Tensor, nn
from torch_helpers import STATISTICS, drawn, exported, opened, prepared

import cutaway
from cutaway.samples import Prepared
from cutaway.sources import How, inputs_of
from cutaway.sources.torch import open_torch


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_agrees_with_the_framework(name: str, dynamic: bool, tmp_path: Path) -> None:
    build, shape = models.ARCHITECTURES[name]
    torch.manual_seed(3)
    model = models.spread(build())
    source = open_torch(exported(model, [shape], tmp_path / "net.pt2", dynamic=dynamic), How())
    live = opened(model, shape)
    samples = prepared(source)
    found, expected = source.activations(0, samples), live.activations(0, samples)
    assert source.completeness.runnable
    with torch.no_grad():
        answer = model(torch.from_numpy(next(iter(samples.inputs.values())))).numpy()
    last = found[source.network.outputs[0]]
    assert np.allclose(last, answer, rtol=0, atol=1e-4 * float(np.abs(answer).max()))
    for id in set(found) & set(expected):
        largest = float(np.abs(expected[id]).max())
        assert np.allclose(found[id], expected[id], rtol=0, atol=1e-4 * largest), id
    if name != "unet":  # whose slices are several operations in the file
        assert source.network == live.network
    mine, its = live.parameters(0), source.parameters(0)
    assert mine.keys() == its.keys()
    assert all(np.array_equal(mine[key], its[key]) for key in mine)
    total = {p.key: p.shape for layer in source.network for p in layer.parameters if p.role not in STATISTICS}
    used = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("aux"))
    assert sum(int(np.prod(shape)) for shape in total.values()) == used


@pytest.mark.parametrize("name", models.MORE)
def test_more_architectures_agree_with_the_framework(name: str, tmp_path: Path) -> None:
    build, shape = models.MORE[name]
    torch.manual_seed(3)
    model = models.spread(build())
    source = open_torch(exported(model, [shape], tmp_path / "net.pt2", dynamic=True), How())
    assert source.completeness.runnable
    samples = prepared(source)
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.inputs["x"])).numpy()
    found = source.activations(0, samples)[source.network.outputs[0]]
    assert np.allclose(found, expected, rtol=0, atol=1e-4 * float(np.abs(expected).max()))


def test_unusual_kinds_on_odd_shapes(tmp_path: Path) -> None:
    torch.manual_seed(6)
    model = models.spread(models.Kinds())
    source = open_torch(exported(model, [(6, 13, 17)], tmp_path / "kinds.pt2", dynamic=True), How())
    samples = prepared(source)
    found = source.activations(0, samples)
    expected = opened(model, (6, 13, 17)).activations(0, samples)
    assert found.keys() == expected.keys()
    for id, values in expected.items():
        assert np.allclose(found[id], values, rtol=0, atol=1e-4 * float(np.abs(values).max())), id


def test_layers_called_twice_and_several_inputs(tmp_path: Path) -> None:
    twice = open_torch(exported(models.Twice(), [(3, 9, 7)], tmp_path / "twice.pt2"), How())
    assert "conv:2 [conv2d] <- conv" in drawn(twice.network)
    model = models.TwoInputs()
    source = open_torch(exported(model, [(3, 11, 9), (2,)], tmp_path / "two.pt2"), How())
    assert [spec.name for spec in inputs_of(source)] == ["picture", "numbers"]
    samples = prepared(source)
    with torch.no_grad():
        expected = model(*(torch.from_numpy(values) for values in samples.inputs.values())).numpy()
    found = source.activations(0, samples)[source.network.outputs[0]]
    assert np.allclose(found, expected, rtol=0, atol=1e-5)


def test_in_place_operations_change_what_is_read_later(tmp_path: Path) -> None:
    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            z = torch.relu_(y)
            return torch.add(y, z.mean((2, 3), keepdim=True))

    model = Places().eval()
    source = open_torch(exported(model, [(1, 9, 7)], tmp_path / "places.pt2"), How())
    samples = prepared(source)
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.inputs["x"])).numpy()
    assert np.allclose(source.activations(0, samples)["add"], expected, rtol=0, atol=1e-5)


def test_what_can_not_be_computed_is_said_and_left_out(tmp_path: Path) -> None:
    source = open_torch(exported(models.Transformer().eval(), [(3, 16, 16)], tmp_path / "vit.pt2"), How())
    told = source.completeness
    assert not told.runnable
    assert not told.activations
    assert "head" in told.missing
    assert any("--model" in note for note in told.notes)
    found = source.activations(0, prepared(source))
    assert "patch" in found
    assert "head" not in found
    assert set(found) | set(told.missing) == {layer.id for layer in source.network}
    assert source.network.layer("head").parameters


def test_record_without_torch(tmp_path: Path) -> None:
    """The whole way in a process that can't import torch."""
    torch.manual_seed(8)
    model = models.spread(models.ResNet(blocks=(1, 1), classes=4))
    path = exported(model, [(3, 33, 47)], tmp_path / "net.pt2", dynamic=True)
    images = np.random.default_rng(3).random((2, 3, 33, 47), np.float32)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy, cutaway\n"
        f"cutaway.record({str(path)!r}, numpy.load({str(tmp_path / 'images.npy')!r}), {str(tmp_path / 'run')!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    run = cutaway.open(tmp_path / "run")
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    for sample in range(2):
        assert np.allclose(run.activations("fc", -1, sample), expected[sample], rtol=0, atol=1e-5)
    run.check()


def test_checkpoints_share_the_graph(tmp_path: Path) -> None:
    build, shape = models.ARCHITECTURES["mobilenet"]
    folder = tmp_path / "run"
    folder.mkdir()
    for epoch in (2, 10):
        torch.manual_seed(epoch)
        model = models.spread(build(), epoch)
        exported(model, [shape], folder / f"epoch_{epoch}.pt2")
    source = cutaway.open_source(folder)
    assert [moment.epoch for moment in source.checkpoints] == [2, 10]
    assert np.array_equal(source.parameters(1)["8/kernel"], model[8].weight.detach().numpy())  # type: ignore[index]
    samples = prepared(source)
    with torch.no_grad():
        expected = model(torch.from_numpy(next(iter(samples.inputs.values())))).numpy()
    some = Prepared(samples.images, samples.names, inputs=samples.inputs, wanted=frozenset({"8"}))
    assert np.allclose(source.activations(1, some)["8"], expected, rtol=0, atol=1e-5)
