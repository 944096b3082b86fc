"""State dicts in every wrapping, the module that they belong to, and what is said when they don't fit."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_models as models
from safetensors.torch import save_file
from torch import nn
from torch_helpers import prepared

import cutaway
from cutaway.sources import How
from cutaway.sources.torch import open_torch
from cutaway.sources.torch_weights import read_weights


def small() -> nn.Module:
    return models.spread(models.ResNet(blocks=(1, 1), classes=4))


def trained() -> nn.Module:
    torch.manual_seed(21)
    return models.spread(models.ResNet(blocks=(1, 1), classes=4), 5)


def zipped(state: dict[str, Any], path: Path) -> None:
    torch.save(state, path)


def legacy(state: dict[str, Any], path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


WRITERS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "zip": zipped,
    "legacy": legacy,
    "protocol 4": lambda state, path: torch.save(state, path, pickle_protocol=4),
    "ddp": lambda state, path: zipped(prefixed(state, "module."), path),
    "state_dict": lambda state, path: zipped({"state_dict": state, "epoch": 7}, path),
    "model": lambda state, path: zipped({"optimizer": {"state": {}}, "model": prefixed(state, "module.")}, path),
    "model_state_dict": lambda state, path: legacy({"model_state_dict": state}, path),
    "lightning": lambda state, path: zipped(
        {
            "epoch": 7,
            "global_step": 900,
            "pytorch-lightning_version": "2.6.0",
            "state_dict": prefixed(state, "model."),
            "hyper_parameters": {"lr": np.float64(0.1), "where": pathlib.PurePosixPath("x")},
            "arguments": argparse.Namespace(depth=3),
            "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}}],
        },
        path,
    ),
    "safetensors": lambda state, path: save_file({name: value.contiguous() for name, value in state.items()}, path),
    "parameters": lambda state, path: zipped({name: nn.Parameter(v, False) for name, v in state.items()}, path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_weights_with_their_module(kind: str, tmp_path: Path) -> None:
    model = trained()
    path = tmp_path / "epoch_07.pt"
    WRITERS[kind](model.state_dict(), path)
    source = open_torch(path, How(model=small, sample_shape=(3, 33, 33)))
    samples = prepared(source)
    with torch.no_grad():
        expected = model(torch.from_numpy(next(iter(samples.inputs.values())))).numpy()
    assert np.array_equal(source.activations(0, samples)["fc"], expected)
    assert np.array_equal(source.parameters(0)["conv1/kernel"], model.state_dict()["conv1.weight"].numpy())
    (moment,) = source.checkpoints
    assert moment.label == "epoch_07"
    if kind == "lightning":
        assert (moment.epoch, moment.step) == (7, 900)


def test_every_element_type_and_layout_exactly(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32)
    state = {
        "float64": torch.rand(3, dtype=torch.float64),
        "float16": torch.rand(3).half(),
        "bfloat16": torch.rand(2, 3).bfloat16(),
        "int64": torch.tensor([-(2**40), 3]),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "turned": base.reshape(4, 6).T,
        "part": base[5:17:3],
    }
    for writer in (zipped, legacy):
        path = tmp_path / "types.pt"
        writer(state, path)
        entries = read_weights(path, How()).entries
        assert entries.keys() == state.keys()
        for name, tensor in state.items():
            values = entries[name].read()
            assert values.shape == tuple(tensor.shape)
            expected = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
            assert np.array_equal(values, expected.numpy()), name


def test_without_a_module_it_says_what_it_is_and_what_would_work(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": small().state_dict()}, path)
    with pytest.raises(cutaway.CutawayError) as caught:
        cutaway.open_source(path)
    text = str(caught.value)
    assert "a PyTorch state_dict" in text
    assert "conv1.weight [8, 3, 7, 7]" in text
    assert f"cutaway record {path} --model package.module:function" in text
    assert "\n" not in text


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(models.DenseNet().state_dict(), path)
    with pytest.raises(cutaway.CutawayError, match=r"not those of ResNet: .*missing; it has conv0\.weight.* instead"):
        open_torch(path, How(model=small))
    torch.save(models.ResNet(blocks=(1, 1), classes=9).state_dict(), path)
    with pytest.raises(cutaway.CutawayError, match=r"fc\.weight has shape \[9, 16\], in ResNet it is \[4, 16\]"):
        open_torch(path, How(model=small))


def test_more_than_the_model_has_is_told(tmp_path: Path) -> None:
    path = tmp_path / "more.pt"
    torch.save({**small().state_dict(), "loss.weight": torch.ones(3)}, path)
    source = open_torch(path, How(model=small, sample_shape=(3, 33, 33)))
    assert any("loss.weight" in note for note in source.completeness.notes)


def test_tied_weights_that_a_file_holds_once(tmp_path: Path) -> None:
    model = models.Twice()
    path = tmp_path / "tied.safetensors"
    save_file({name: value for name, value in model.state_dict().items() if name != "second.weight"}, path)
    source = open_torch(path, How(model=models.Twice, sample_shape=(3, 9, 7)))
    assert np.array_equal(source.parameters(0)["first/kernel"], model.first.weight.detach().numpy())


def test_what_builds_no_module_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small().state_dict(), path)
    with pytest.raises(cutaway.CutawayError, match=r"builds a dict, not a torch\.nn\.Module"):
        open_torch(path, How(model=lambda: {}))


def test_a_folder_of_checkpoints_loads_by_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --model as a user writes it: a function in a file of the working directory."""
    (tmp_path / "my_net.py").write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    folder.mkdir()
    states = {}
    for epoch in (1, 2, 10):
        torch.manual_seed(epoch)
        model = models.spread(
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)), epoch
        )
        states[epoch] = model
        torch.save({"epoch": epoch, "model": model.state_dict()}, folder / f"epoch_{epoch}.pth")
    images = np.random.default_rng(4).random((3, 1, 8, 8), np.float32)
    run = cutaway.record(folder, images, tmp_path / "run", model="my_net:build")
    assert [moment.epoch for moment in run.checkpoints] == [1, 2, 10]
    for position, model in enumerate(states.values()):
        with torch.no_grad():
            expected = model(torch.from_numpy(images)).numpy()
        for sample in range(3):
            assert np.allclose(run.activations("4", position, sample), expected[sample], rtol=0, atol=1e-6)
        assert np.array_equal(run.parameters("0", "kernel", position), model.state_dict()["0.weight"].numpy())
    run.check()


def test_a_whole_module_only_with_trust(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    model = trained()
    torch.save(model, path)
    with pytest.raises(cutaway.CutawayError, match=r"whole pickled object \(torch_models\.ResNet\).*--trust"):
        open_torch(path, How())
    source = open_torch(path, How(trust=True, sample_shape=(3, 33, 33)))
    samples = prepared(source)
    with torch.no_grad():
        expected = model(torch.from_numpy(next(iter(samples.inputs.values())))).numpy()
    assert np.array_equal(source.activations(0, samples)["fc"], expected)
    assert any("--trust" in note for note in source.completeness.notes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_only_with_trust(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    model = trained()
    torch.jit.trace(model, torch.rand(1, 3, 33, 33)).save(path)  # type: ignore[no-untyped-call]
    with pytest.raises(cutaway.CutawayError, match=r"TorchScript.*refused.*torch\.export.*--trust"):
        open_torch(path, How())
    source = open_torch(path, How(trust=True, sample_shape=(3, 33, 33)))
    samples = prepared(source)
    with torch.no_grad():
        expected = model(torch.from_numpy(next(iter(samples.inputs.values())))).numpy()
    outputs = source.activations(0, samples)
    assert np.array_equal(outputs["fc"], expected)
    block = source.network.layer("layer1.0.conv1")
    assert block.fused == ("batch_norm", "relu")
    assert np.array_equal(source.parameters(0)["conv1/mean"], model.state_dict()["bn1.running_mean"].numpy())
