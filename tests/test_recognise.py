"""What a path or an object is taken for, and what is said where it can't be opened as it is."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from fixtures.make_recording import TINY
from fixtures.runnable import RunnableSource
from PIL import Image

import cutaway
from cutaway.cache import digest_of, parts_of
from cutaway.errors import CutawayError, SourceError
from cutaway.sources import How, how_of
from cutaway.sources.recognise import FILES, FOLDERS, first


def refusal(path: object, **how: object) -> str:
    with pytest.raises(CutawayError) as caught:
        cutaway.open_source(path, **how)
    text = str(caught.value)
    assert "\n" not in text
    return text


def name_of(path: Path) -> str:
    found = first(FOLDERS if path.is_dir() else FILES, path)
    assert found is not None
    return found.name


class TestFiles:
    def test_the_parts_of_a_tensorflow_checkpoint_and_their_common_name(self, tmp_path: Path) -> None:
        names = ("model.ckpt-3.meta", "model.ckpt-3.index", "model.ckpt-3.data-00000-of-00001")
        for name in names:
            (tmp_path / name).write_bytes(b"\0\1\2")
        for name in (*names, "model.ckpt-3"):
            assert name_of(tmp_path / name) == "a TensorFlow checkpoint"
            assert [part.name for part in parts_of(tmp_path / name)] == sorted(names)

    def test_a_broken_beginning_goes_by_the_ending(self, tmp_path: Path) -> None:
        for name, words in (
            ("net.onnx", "an ONNX model"),
            ("net.pt2", "a PyTorch file"),
            ("net.keras", "a Keras model"),
            ("net.tflite", "a TensorFlow Lite model"),
        ):
            (tmp_path / name).write_bytes(b"")
            assert name_of(tmp_path / name) == words

    def test_json_of_keras(self, tmp_path: Path) -> None:
        (tmp_path / "net.json").write_text('{"class_name": "Sequential"}')
        assert name_of(tmp_path / "net.json") == "a file of Keras's `model.to_json()`"

    def test_samples_in_the_place_of_the_model(self, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "a.png")
        np.save(tmp_path / "a.npy", np.zeros(3))
        np.savez(tmp_path / "a.npz", x=np.zeros(3))
        (tmp_path / "a-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x01\7")
        (tmp_path / "a-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x01\7"))
        for name in ("a.png", "a.npy", "a.npz", "a-idx1-ubyte", "a-idx1-ubyte.gz"):
            said = refusal(tmp_path / name)
            assert said.endswith(f"a model comes first: `cutaway record MODEL --samples {tmp_path / name} --out RUN`")
        (tmp_path / "pictures").mkdir()
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "pictures" / "a.png")
        assert "seems to be a folder of pictures; a model comes first" in refusal(tmp_path / "pictures")

    def test_a_recording_is_no_model(self) -> None:
        assert refusal(TINY).endswith("a recording already; open it with `cutaway open`")


class TestLive:
    def test_objects_that_are_no_model(self) -> None:
        assert refusal(np.zeros(3)).startswith("a numpy.ndarray can't be opened; give a path, a torch.nn.Module")
        assert refusal([]).startswith("a builtins.list can't be opened")

    def test_a_module_is_opened_by_the_torch_source(self) -> None:
        torch = pytest.importorskip("torch")
        source = cutaway.open_source(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3)), size=(6, 5))
        assert [layer.kind for layer in source.network][:2] == ["input", "conv2d"]


class TestOptions:
    def test_none_stands_for_the_default(self) -> None:
        assert how_of({"model": None, "trust": None}) == How()

    def test_unknown_ones_are_named(self, tmp_path: Path) -> None:
        assert refusal(tmp_path, modle="a:b").startswith(
            "open_source has no option 'modle'; it has model, trust, input"
        )


MISSING = """
import sys
sys.modules[sys.argv[2]] = None
import cutaway
try:
    cutaway.open_source(sys.argv[1])
except cutaway.CutawayError as error:
    print(error)
"""


def test_a_missing_library_says_which_extra_brings_it(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x08\x12\x07pytorch")
    result = subprocess.run(
        [sys.executable, "-c", MISSING, str(path), "onnx"], capture_output=True, text=True, check=True
    )
    assert 'that takes onnx: pip install "cutaway[onnx]"' in result.stdout
    assert result.stdout.count("\n") == 1


def test_a_library_that_is_missing_only_when_it_has_to_compute(tmp_path: Path) -> None:
    source = RunnableSource(1)

    def compute(checkpoint: int, samples: object) -> dict[str, np.ndarray]:
        raise ModuleNotFoundError("No module named 'ai_edge_litert'", name="ai_edge_litert.interpreter")

    source.activations = compute  # type: ignore[method-assign]
    with pytest.raises(
        SourceError, match=r'can\'t be computed; that takes ai_edge_litert: pip install "cutaway\[tflite\]"'
    ):
        cutaway.record(source, None, tmp_path / "run")


class TestCache:
    def test_options_and_what_they_name_make_another_recording(self, tmp_path: Path) -> None:
        model, samples = tmp_path / "net.pt", tmp_path / "x.npy"
        model.write_bytes(b"weights")
        np.save(samples, np.zeros(3))
        plain = digest_of([model], {}, None)
        assert digest_of([model], {}, None) == plain
        with_samples = digest_of([model], {"samples": str(samples)}, None)
        assert with_samples != plain
        np.save(samples, np.ones(3))
        assert digest_of([model], {"samples": str(samples)}, None) != with_samples
        assert digest_of([model], {"scale": "2"}, None) not in (plain, with_samples)
        assert digest_of([model, model], {}, None) != plain

    def test_the_code_that_builds_the_model_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("net.pt").write_bytes(b"weights")
        Path("my_net.py").write_text("def build(): ...")
        before = digest_of([Path("net.pt")], {"model": "my_net:build"}, None)
        Path("my_net.py").write_text("def build(): return 1")
        assert digest_of([Path("net.pt")], {"model": "my_net:build"}, None) != before


def test_what_open_says_of_a_model_without_samples(cutaway: Run, tmp_path: Path) -> None:
    (tmp_path / "thing.bin").write_bytes(b"nothing known")
    result = cutaway("open", tmp_path / "thing.bin", "--no-browser", "--count", "3")
    assert result.returncode == 1
    assert "not a model that is known" in result.stderr


def test_the_graph_of_a_saved_model_stands_for_its_folder(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    by_file, by_folder = refusal(tmp_path / "saved_model.pb"), refusal(tmp_path)
    assert by_file == by_folder


def test_a_keras_model_is_keras_on_any_backend() -> None:
    """On PyTorch as its backend it is a torch.nn.Module too."""
    made = subprocess.run(
        [sys.executable, "-c", KERAS_ON_TORCH],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    if "No module named" in made.stderr:
        pytest.skip("needs Keras and PyTorch")
    assert made.stdout.startswith("keras"), made.stderr


KERAS_ON_TORCH = """
import keras, torch, cutaway
model = keras.Sequential([keras.layers.Input((6, 5, 1)), keras.layers.Conv2D(2, 3)])
print(cutaway.open_source(model).producer.lower())
"""
