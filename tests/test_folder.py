"""Several files as checkpoints of one model: their order, their labels, and the one that is another network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from fixtures.runnable import RunnableSource, network
from msgspec.structs import replace

import cutaway
from cutaway.errors import SourceError
from cutaway.recording.schema import Checkpoint
from cutaway.sources.builder import built
from cutaway.sources.folder import difference_of, in_order, moments


def ordered(*names: str) -> list[str]:
    return [path.name for path in in_order([Path(name) for name in names])]


class TestOrder:
    def test_by_the_number_in_the_name(self) -> None:
        assert ordered("epoch_10.pt", "epoch_9.pt", "epoch_1.pt") == ["epoch_1.pt", "epoch_9.pt", "epoch_10.pt"]
        assert ordered("net_10.pt2", "net_9.pt2", "net.pt2") == ["net_9.pt2", "net_10.pt2", "net.pt2"]
        assert ordered("model.ckpt-100", "model.ckpt-20") == ["model.ckpt-20", "model.ckpt-100"]

    def test_numbers_that_all_names_share_do_not_count(self) -> None:
        names = ("resnet50_e10_v2.pt", "resnet50_e2_v2.pt", "resnet50_e1_v2.pt")
        assert ordered(*names) == [names[2], names[1], names[0]]

    def test_several_numbers_and_none(self) -> None:
        assert ordered("e2_s5.pt", "e1_s90.pt", "e2_s40.pt") == ["e1_s90.pt", "e2_s5.pt", "e2_s40.pt"]
        assert ordered("last.pt", "e2.pt", "best.pt", "e1.pt") == ["e1.pt", "e2.pt", "best.pt", "last.pt"]

    def test_labels_epochs_and_steps(self) -> None:
        found = moments([Path("net50_epoch_9.pt"), Path("net50_epoch_10.pt"), Path("best.pt")], [None] * 3)
        assert [(moment.index, moment.label, moment.epoch, moment.step) for moment in found] == [
            (0, "net50_epoch_9", 9, None),
            (1, "net50_epoch_10", 10, None),
            (2, "best", None, None),
        ]
        found = moments([Path("step-20.pt"), Path("step-400.pt")], [None, None])
        assert [(moment.epoch, moment.step) for moment in found] == [(None, 20), (None, 400)]
        own = Checkpoint(index=0, label="x", epoch=3, step=30)
        assert moments([Path("a1.pt"), Path("a5.pt")], [own, None])[0].epoch == 3

    def test_a_folder_name_with_a_dot_is_no_ending(self) -> None:
        found = moments([Path("model.ckpt-20"), Path("model.ckpt-100")], [None, None])
        assert [(moment.label, moment.step) for moment in found] == [("model.ckpt-20", 20), ("model.ckpt-100", 100)]


class TestDifferences:
    def test_the_same_graph_is_no_difference(self) -> None:
        assert difference_of(network(), network()) is None

    def test_they_are_named(self) -> None:
        first = network()
        layers = list(first.layers)
        assert difference_of(first, replace(first, layers=tuple(layers[:-1]))) == "it has no layer 'scores'"
        assert difference_of(replace(first, layers=tuple(layers[:-1])), first) == "it has a layer 'scores' more"
        layers[2] = replace(layers[2], kind="tanh")
        assert difference_of(first, replace(first, layers=tuple(layers))) == "layer 'block.relu' is tanh, not relu"
        layers[2] = replace(first.layers[2], inputs=first.layers[1].inputs)
        assert difference_of(first, replace(first, layers=tuple(layers))) == "layer 'block.relu' reads other layers"
        assert difference_of(first, network((8, 5))) == "the kernel of 'scores' is [3, 32], not [3, 24]"


MODEL = """
from torch import nn
def build(maps=4):
    return nn.Sequential(nn.Conv2d(3, maps, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(maps * 30, 3))
def wide():
    return build(5)
"""


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a PyTorch model's weights after epochs 0, 9 and 10, and the module that builds it."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    (tmp_path / "folder_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for epoch in (10, 9, 0):
        torch.manual_seed(epoch)
        save_file(built("folder_model:build").state_dict(), folder / f"epoch_{epoch}.safetensors")
    return folder


class TestRecording:
    def test_a_folder_of_weights_becomes_checkpoints(self, weights: Path, tmp_path: Path) -> None:
        from safetensors.numpy import load_file

        images = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
        recording = cutaway.record(weights, images, tmp_path / "run", model="folder_model:build")
        assert [moment.label for moment in recording.checkpoints] == ["epoch_0", "epoch_9", "epoch_10"]
        assert [moment.epoch for moment in recording.checkpoints] == [0, 9, 10]
        convolution = next(layer for layer in recording.network if layer.kind == "conv2d")
        for position, epoch in enumerate((0, 9, 10)):
            there = load_file(weights / f"epoch_{epoch}.safetensors")
            np.testing.assert_array_equal(recording.parameters(convolution.id, "kernel", position), there["0.weight"])
        first, last = (recording.activations(convolution.id, position, 0) for position in (0, -1))
        assert np.abs(first - last).max() > 0

    def test_several_files_on_the_command_line(self, cutaway: Run, weights: Path, tmp_path: Path) -> None:
        run = tmp_path / "run"
        files = sorted(weights.iterdir())
        options = ("--model", "folder_model:build", "--size", "6x5", "--checkpoints", "0,-1")
        path = f"{tmp_path}:{Path(__file__).parents[1] / 'src'}"
        result = cutaway("record", *files, *options, "--out", run, PYTHONPATH=path)
        assert result.returncode == 0, result.stderr
        assert result.stderr.endswith("2 checkpoints, 1 sample\n")
        assert "a generated test picture" in result.stderr

    def test_another_network_is_named(self, weights: Path, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        save_file(built("folder_model:wide").state_dict(), weights / "epoch_11.safetensors")
        with pytest.raises(SourceError, match=r"epoch_11\.safetensors") as caught:
            cutaway.record(weights, None, tmp_path / "run", model="folder_model:build", size=(6, 5))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()

    def test_files_of_several_formats_are_named(self, weights: Path) -> None:
        (weights / "epoch_2.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
        with pytest.raises(SourceError, match=r"safetensors: seems to be a safetensors file.*, but epoch_2\.onnx"):
            cutaway.open_source(sorted(weights.iterdir()), model="folder_model:build")

    def test_a_folder_of_several_formats_is_not_guessed_at(self, weights: Path) -> None:
        (weights / "epoch_2.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
        with pytest.raises(
            SourceError, match=r"several formats \(1 \*\.onnx, \d+ \*\.safetensors\); name those"
        ) as caught:
            cutaway.open_source(weights, model="folder_model:build")
        assert str(caught.value).endswith(f"like {weights}/*.safetensors")

    def test_pictures_among_the_checkpoints_are_samples(self, weights: Path) -> None:
        (weights / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        with pytest.raises(
            SourceError, match=r"a\.png: seems to be a picture, no checkpoint; samples go after --samples"
        ):
            cutaway.open_source([*sorted(weights.glob("*.safetensors")), weights / "a.png"], model="folder_model:build")

    def test_one_file_is_itself(self, weights: Path) -> None:
        for extra in sorted(weights.iterdir())[1:]:
            extra.unlink()
        source = cutaway.open_source(weights, model="folder_model:build", size=(6, 5))
        assert len(source.checkpoints) == 1

    def test_a_folder_without_any(self, tmp_path: Path) -> None:
        (tmp_path / "a.pt").mkdir()
        with pytest.raises(SourceError, match="no checkpoint in it"):
            cutaway.open_source(tmp_path)


class TestBuilder:
    def test_functions_classes_files_and_models(self, weights: Path, tmp_path: Path) -> None:
        assert len(built("folder_model:build")) == 4
        assert len(built(f"{tmp_path / 'folder_model.py'}:wide")) == 4
        model = built("folder_model:build")
        assert built(model) is model
        assert isinstance(built(RunnableSource), RunnableSource)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("folder_model", "must be package.module:function"),
            ("no_such_module:build", "no module 'no_such_module'; run this in the folder that holds it"),
            ("folder_model:bild", "no 'bild' in it; there are nn, build, wide"),
            ("nothing.py:build", "no such file"),
            ("broken_model:build", "importing it failed"),
            ("needy_model:build", "it needs 'no_such_thing', which is not installed"),
            ("picky_model:build", "calling it without arguments failed"),
        ],
    )
    def test_what_is_wrong_is_named(self, weights: Path, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "broken_model.py").write_text("1 / 0")
        (tmp_path / "needy_model.py").write_text("import no_such_thing")
        (tmp_path / "picky_model.py").write_text("def build(size): ...")
        with pytest.raises(SourceError) as caught:
            built(text)
        assert said in str(caught.value)
        assert text.partition(":")[0] in str(caught.value)


def test_files_are_copied_nowhere(weights: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in weights.iterdir())
    cutaway.record(weights, None, tmp_path / "run", model="folder_model:build", size=(6, 5))
    assert sorted(path.name for path in weights.iterdir()) == before
    shutil.rmtree(tmp_path / "run")
